/**
 * Judges a run while it goes on, so that it can end soon after a promise is broken.
 *
 * What a checker finds wrong with the beginning of a history is wrong with the whole, so the beginnings are judged:
 * after a few seconds of the history's time, and then whenever it has doubled. All of these judgements together cost
 * about as much as the last one, and a violation is found before the run is twice as long as it was then. When to
 * judge depends on the history alone, so the same run ends at the same event every time.
 */
import { checkAll } from "../../checkers/compose.ts";
import { Budget, type Checker } from "../checker.ts";
import { History } from "../history/history.ts";
import type { Nanos, Op } from "../history/op.ts";
import { SECOND } from "../runtime/runtime.ts";

const FIRST: Nanos = 2 * SECOND;
const GROWTH = 2;

export class EarlyJudge {
  readonly #checkers: readonly Checker[];
  readonly #budget: number;
  #next = FIRST;

  constructor(checkers: readonly Checker[], budget: number) {
    this.#checkers = checkers;
    this.#budget = budget;
  }

  /** To be asked after each event, with all events so far: whether it is time, and they break a promise. */
  condemns(events: readonly Op[]): boolean {
    const now = events.at(-1)?.time ?? 0;
    if (now < this.#next) return false;
    this.#next = now * GROWTH;
    const beginning = new History(events.slice());
    const verdicts = checkAll(this.#checkers, beginning, new Budget(this.#budget));
    return verdicts.some((verdict) => verdict.validity === "invalid");
  }
}
