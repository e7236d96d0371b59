/**
 * Linearizability: every operation seems to take effect at one instant between its invocation and its completion.
 *
 * M. Herlihy and J. Wing, "Linearizability: A Correctness Condition for Concurrent Objects" (1990). The property is
 * *local* (section 3.2 there): a history is linearizable exactly if its part for each object is, so every key is
 * checked alone. How, is chosen per key by `decideObject`; the answer has three values.
 */
import type { Divisible } from "../src/checker.ts";
import type { History } from "../src/history/history.ts";
import type { Signature } from "../src/history/op.ts";
import { LinearizabilityJudgement } from "./linearizable/judgement.ts";
import type { Model } from "./linearizable/model.ts";
import type { Claim, Translation } from "./linearizable/parts.ts";

export type { Called } from "./linearizable/model.ts";
export { asCalled, type ObjectCall, type Translation } from "./linearizable/parts.ts";

/** A checker of objects that follow `model`. Revisions make it fast; the verdict never depends on them. */
export function linearizable<S extends Signature, State, In, Out>(
  model: Model<State, In, Out>,
  translate: Translation<S, In, Out>,
  revisionOf: Claim<S> = () => undefined,
): Divisible<S> {
  const judgementOf = (history: History<S>) =>
    new LinearizabilityJudgement({ history, model, translate, revisionOf });
  return {
    name: "linearizable",
    check: (history, budget) => judgementOf(history).verdict(budget),
    begin(history, patience) {
      const judgement = judgementOf(history);
      judgement.begin(patience);
      return judgement;
    },
    settlement: (history, object, steps) => judgementOf(history).settlementOf(object, steps),
  };
}
