/** The judgements that are asked for most, as functions of a history. */
import { Budget, type Verdict } from "../src/checker.ts";
import { detectFormat, historyFrom } from "../src/history/formats/format.ts";
import { FormatError, TextSource } from "../src/history/formats/text-source.ts";
import type { History } from "../src/history/history.ts";
import type { Signature } from "../src/history/op.ts";
import type { Model } from "./linearizable/model.ts";
import { linearizable, type Translation } from "./linearizable.ts";
import type { TransactionSignature } from "./transactions/transaction.ts";
import { listAppendChecker, rwRegisterChecker } from "./transactions.ts";
import { watchChecker } from "./watch.ts";
import type { WatchSignature } from "./watch-signature.ts";

/** Steps of a search that is given no budget: some seconds. */
const STEPS = 20_000_000;

export interface Options {
  /** Steps a search may take before the verdict is unknown. */
  readonly budget?: number;
}

/**
 * Whether every object in a history is linearizable with respect to `model`. `translate` says what an operation did
 * to which objects; for functions that are the model's own, that is `asCalled`.
 */
export function checkLinearizable<S extends Signature, State, In, Out>(
  history: History<S>,
  model: Model<State, In, Out>,
  translate: Translation<S, In, Out>,
  { budget = STEPS }: Options = {},
): Verdict {
  return linearizable(model, translate).check(history, new Budget(budget));
}

/**
 * Whether transactions of steps such as `["append", 1, 2]`, `["w", 1, 2]` and `["r", 1, null]` keep what a consistency
 * model promises, `strict-serializable` unless another is named; the evidence names the strongest that survives.
 */
export function checkTransactions(
  history: History<TransactionSignature>,
  { budget = STEPS, model = "strict-serializable" }: Options & { readonly model?: string } = {},
): Verdict {
  const appends = history.client.some(({ input }) => input.some(([f]) => f === "append"));
  const checker = appends ? listAppendChecker({ model }) : rwRegisterChecker({ model });
  return checker.check(history, new Budget(budget));
}

/** Whether watches were told every change, once, in order and whole: etcd's guarantees. */
export function checkWatch(history: History<WatchSignature>): Verdict {
  return watchChecker.check(history, new Budget(STEPS));
}

/**
 * A history from text in any of the formats that are known, told by its beginning; `pieces` may be the text as it
 * comes. Throws FormatError, or MalformedHistory for events that do not make a history.
 */
export function readHistory(...pieces: readonly string[]): History {
  const source = new TextSource(pieces);
  const format = detectFormat(source);
  if (format === undefined) throw new FormatError("not a history in any format that is known");
  return historyFrom(format, source);
}
