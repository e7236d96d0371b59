/** What a worker thread of a check does: settles what is to be said about one object. */
import { isDivisible } from "../checker.ts";
import { type Excerpt, historyOf } from "../history/excerpt.ts";
import { type CheckerSource, checkersOf } from "./check-source.ts";

export interface SettleTask {
  readonly source: CheckerSource;
  /** Position among the checkers of the source. */
  readonly checker: number;
  readonly object: string;
  readonly excerpt: Excerpt;
  /** For each question about the object. */
  readonly steps: number;
}

export default function settle({ source, checker, object, excerpt, steps }: SettleTask): unknown {
  const own = checkersOf(source)[checker];
  if (own === undefined || !isDivisible(own)) throw new Error(`checker ${checker} cannot be helped`);
  return own.settlement(historyOf(excerpt), object, steps);
}
