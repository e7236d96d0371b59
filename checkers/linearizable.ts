/**
 * Linearizability: every operation seems to take effect at one instant between its invocation and its completion.
 *
 * M. Herlihy and J. Wing, "Linearizability: A Correctness Condition for Concurrent Objects" (1990). The property is
 * *local* (section 3.2 there): a history is linearizable exactly if its part for each object is, so every key is
 * checked alone. How, is chosen per key by `decideObject`; the answer has three values.
 */
import { type Anomaly, Budget, type Checker, type Verdict } from "../src/checker.ts";
import type { History, Operation } from "../src/history/history.ts";
import type { Json, Signature } from "../src/history/op.ts";
import type { Decision, Method } from "./linearizable/decision.ts";
import type { Model } from "./linearizable/model.ts";
import { type Called, type Claim, partsOf, type Translation } from "./linearizable/parts.ts";
import { questionsOf } from "./linearizable/questions.ts";

export type { Called, ObjectCall, Translation } from "./linearizable/parts.ts";

/** At most this many violations are explained; more are only counted. */
const EXPLAINED = 5;
/** About this many objects are also decided by the search, in part. */
const CROSS_CHECKED = 8;

/** A checker of objects that follow `model`. Revisions make it fast; the verdict never depends on them. */
export function linearizable<S extends Signature, State, In, Out>(
  model: Model<State, In, Out>,
  translate: Translation<S, In, Out>,
  revisionOf?: Claim<S>,
): Checker<S> {
  return {
    name: "linearizable",
    check: (history, budget) => checkLinearizable(history, model, budget, translate, revisionOf),
  };
}

/** For workloads whose functions are those of the model: `input` is the call, `output` its answer. */
export function asCalled<In extends { readonly f: string; readonly value: Json }>({
  f,
  input,
  output,
}: Operation): Called<In, Json> {
  return { input: { f, value: input } as unknown as In, output };
}

export function checkLinearizable<S extends Signature, State, In, Out>(
  history: History<S>,
  model: Model<State, In, Out>,
  budget: Budget,
  translate: Translation<S, In, Out>,
  revisionOf: Claim<S> = () => undefined,
): Verdict {
  const parts = partsOf({ history, model, translate, revisionOf });
  const questions = parts.flatMap((part) => questionsOf(model, part));
  // The smallest first: what easy ones leave over is there for the hard ones.
  questions.sort((a, b) => a.size - b.size);
  const anomalies: Anomaly[] = [];
  const unknown: string[] = [];
  const decided: { [method in Method]: number } = { values: 0, revisions: 0, direct: 0, search: 0 };
  let violations = 0;
  let checked = 0;
  questions.forEach((question, i) => {
    const share = new Budget(Math.floor(budget.left / (questions.length - i)));
    const result = question.answer(share, i % Math.ceil(questions.length / CROSS_CHECKED) === 0);
    budget.spend(share.total - share.left);
    if (result.kind === "exhausted") {
      unknown.push(
        `${question.object === "" ? "the object" : `key ${question.object}`} gave up ${howFar(result, share)}`,
      );
      return;
    }
    checked += result.checked;
    decided[result.by]++;
    if (result.kind === "violation" && ++violations <= EXPLAINED) anomalies.push(result.anomaly());
  });
  const keys = `${questions.length} ${questions.length === 1 ? "object" : "objects"}`;
  const how = waysOf(decided);
  if (violations > 0) {
    const reason = `${violations} of ${keys} ${violations === 1 ? "is" : "are"} not linearizable; decided ${how}`;
    return verdict("invalid", reason, checked, anomalies, unknown);
  }
  if (unknown.length > 0)
    return verdict("unknown", `the search was cut short: ${unknown[0]}`, checked, [], unknown);
  if (checked === 0) return verdict("unknown", "there was nothing to check", 0, [], []);
  const reason = `${keys} with ${checked} operations are linearizable: decided ${how}`;
  return verdict("valid", reason, checked, [], []);
}

const WAYS: { readonly [method in Method]: string } = {
  values: "by unique values",
  revisions: "in the order of their revisions",
  direct: "by rules of their kind",
  search: "by search",
};

/** "by unique values", or with how many each, if there were several ways. */
function waysOf(decided: { readonly [method in Method]: number }): string {
  const used = (Object.keys(WAYS) as Method[]).filter((method) => decided[method] > 0);
  if (used.length === 1) return WAYS[used[0] as Method];
  return used.map((method) => `${decided[method]} ${WAYS[method]}`).join(", ");
}

function howFar(result: Decision & { kind: "exhausted" }, share: Budget): string {
  return `after ${share.total} steps, with ${result.placed} of ${result.required} operations placed at most`;
}

function verdict(
  validity: Verdict["validity"],
  reason: string,
  checked: number,
  anomalies: readonly Anomaly[],
  unknown: readonly string[],
): Verdict {
  return {
    checker: "linearizable",
    validity,
    reason,
    checked,
    anomalies,
    ...(unknown.length > 0 ? { evidence: { unknown } } : {}),
  };
}
