/**
 * Several generators asked about the same moment: the first that is ready wins, and those that wait are kept in
 * the state they want to wait in. The single place where answers of many branches become one.
 */
import type { Nanos, Signature } from "../history/op.ts";
import type { Random } from "../runtime/random.ts";
import type { Context, OpGenerator, Step } from "./generator.ts";
import { empty, followedBy } from "./source.ts";

export class Race<S extends Signature> {
  #branches: readonly OpGenerator<S>[];
  readonly #original: readonly OpGenerator<S>[];
  #ready: Extract<Step<S>, { kind: "op" }> | undefined;
  #winner = -1;
  #readyCount = 0;
  #waiting = false;
  #until: Nanos | undefined;
  readonly #draw: (() => Random) | undefined;

  /** Among several that are ready the first one asked wins, or each equally likely if there is a `draw` for it. */
  constructor(branches: readonly OpGenerator<S>[], draw?: () => Random) {
    this.#branches = branches;
    this.#original = branches;
    this.#draw = draw;
  }

  /**
   * Asks one branch: "op" if it could start now, "wait" if perhaps later. One that is "done" is `empty` from then on.
   */
  ask(index: number, context: Context): Step["kind"] {
    const branch = this.#branches[index] as OpGenerator<S>;
    if (branch === empty) return "done";
    const step = branch.next(context);
    switch (step.kind) {
      case "done":
        this.replace(index, empty);
        return "done";
      case "wait":
        this.replace(index, step.rest);
        this.#wait(step.until);
        return "wait";
      case "op":
        if (step.at > context.time) {
          this.#wait(step.at);
          return "wait";
        }
        if (this.#beats()) {
          this.#ready = step;
          this.#winner = index;
        }
        return "op";
    }
  }

  /** Whether a branch is not due yet, and need not be asked: the race then knows how long it waits. */
  sleeps(index: number, time: Nanos): boolean {
    const { due } = this.#branches[index] as OpGenerator<S>;
    if (due === undefined || due <= time) return false;
    this.#wait(due);
    return true;
  }

  /** Whether one more that is ready takes the place of those before it. */
  #beats(): boolean {
    this.#readyCount++;
    return this.#readyCount === 1 || this.#draw?.().fork(this.#readyCount).below(this.#readyCount) === 0;
  }

  /** Gives a branch another state. */
  replace(index: number, branch: OpGenerator<S>): void {
    if (this.#branches[index] === branch) return;
    if (this.#branches === this.#original) this.#branches = this.#original.slice();
    (this.#branches as OpGenerator<S>[])[index] = branch;
  }

  /** True if every branch has ended. */
  get over(): boolean {
    return this.#ready === undefined && !this.#waiting && this.#branches.every((branch) => branch === empty);
  }

  /**
   * The common answer of the branches asked: an operation, or a wait until the earliest wants to be asked again.
   * `rebuild` gives the generator made of the branches' new states; `self` stands for unchanged ones.
   */
  step(self: OpGenerator<S>, rebuild: (branches: readonly OpGenerator<S>[]) => OpGenerator<S>): Step<S> {
    const ready = this.#ready;
    if (ready !== undefined) this.replace(this.#winner, ready.rest);
    const rest = this.#branches === this.#original ? self : rebuild(this.#branches);
    if (ready !== undefined) return followedBy(ready, rest);
    return this.#until === undefined ? { kind: "wait", rest } : { kind: "wait", until: this.#until, rest };
  }

  #wait(until: Nanos | undefined): void {
    this.#waiting = true;
    if (until !== undefined && (this.#until === undefined || until < this.#until)) this.#until = until;
  }
}
