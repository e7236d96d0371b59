/**
 * Linearizability: every operation seems to take effect at one instant between its invocation and its completion.
 *
 * M. Herlihy and J. Wing, "Linearizability: A Correctness Condition for Concurrent Objects" (1990). The property is
 * *local* (section 3.2 there): a history is linearizable exactly if its part for each object is, so every key is
 * checked alone. How, is chosen per key by `decide`; the answer has three values.
 */
import { type Anomaly, Budget, type Checker, type Verdict } from "../src/checker.ts";
import type { History, Operation } from "../src/history/history.ts";
import type { Json, Signature } from "../src/history/op.ts";
import { type Decision, decide } from "./linearizable/decision.ts";
import { explain } from "./linearizable/explanation.ts";
import { type Action, type Model, PENDING } from "./linearizable/model.ts";
import { minimalWitness } from "./linearizable/witness.ts";

/** What one operation of the history did to one object. */
export interface ObjectCall<In, Out> {
  /** Names the object; "" if there is only one. */
  readonly object: string;
  readonly input: In;
  /** Undefined: unknown. Ignored unless the operation was ok. */
  readonly output: Out | undefined;
}

/** The objects an operation acted on. Calls on several objects are checked as if they were made separately. */
export type Translation<S extends Signature, In, Out> = (
  operation: Operation<S>,
) => readonly ObjectCall<In, Out>[];

/** The revision named by the reply to an operation, if any: see `Action.revision`. */
export type Claim<S extends Signature> = (operation: Operation<S>) => number | undefined;

/** At most this many violations are explained; more are only counted. */
const EXPLAINED = 5;
/** At most this many steps go into making one witness small. */
const WITNESS_STEPS = 200_000;

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
export function asCalled<In extends { readonly f: string; readonly value: Json }>(
  operation: Operation,
): readonly ObjectCall<In, Json>[] {
  const { f, input, output, key } = operation;
  return [{ object: key ?? "", input: { f, value: input } as unknown as In, output }];
}

export function checkLinearizable<S extends Signature, State, In, Out>(
  history: History<S>,
  model: Model<State, In, Out>,
  budget: Budget,
  translate: Translation<S, In, Out>,
  revisionOf: Claim<S> = () => undefined,
): Verdict {
  const parts = partsOf(history, model, translate, revisionOf);
  // The smallest first: what easy keys leave over is there for the hard ones.
  const order = [...parts.values()].sort((a, b) => a.actions.length - b.actions.length);
  const anomalies: Anomaly[] = [];
  const unknown: string[] = [];
  let violations = 0;
  let checked = 0;
  let claimed = 0;
  order.forEach((part, i) => {
    const share = new Budget(Math.floor(budget.left / (order.length - i)));
    const result = decide(model, part.actions, share);
    budget.spend(share.total - share.left);
    if (result.kind === "exhausted") {
      unknown.push(
        `${part.object === "" ? "the object" : `key ${part.object}`} gave up ${howFar(result, share)}`,
      );
      return;
    }
    checked += part.actions.length;
    if (result.kind === "linearizable" && result.claimed) claimed++;
    if (result.kind === "violation" && ++violations <= EXPLAINED)
      anomalies.push(anomalyOf(model, part, result.impossible));
  });
  const keys = `${parts.size} ${parts.size === 1 ? "object" : "objects"}`;
  if (violations > 0) {
    const reason = `${violations} of ${keys} ${violations === 1 ? "is" : "are"} not linearizable`;
    return verdict("invalid", reason, checked, anomalies, unknown);
  }
  if (unknown.length > 0)
    return verdict("unknown", `the search was cut short: ${unknown[0]}`, checked, [], unknown);
  if (checked === 0) return verdict("unknown", "there was nothing to check", 0, [], []);
  const how = `${claimed} in the order of their revisions, ${parts.size - claimed} by search`;
  const reason = `${keys} with ${checked} operations are linearizable: ${how}`;
  return verdict("valid", reason, checked, [], []);
}

interface Part<In, Out> {
  readonly object: string;
  readonly actions: Action<In, Out>[];
  readonly failed: Action<In, Out>[];
}

/** Splits by object. Observations whose answer is unknown observed nothing and are left out. */
function partsOf<S extends Signature, State, In, Out>(
  history: History<S>,
  model: Model<State, In, Out>,
  translate: Translation<S, In, Out>,
  revisionOf: Claim<S>,
): ReadonlyMap<string, Part<In, Out>> {
  const parts = new Map<string, Part<In, Out>>();
  for (const operation of history.client) {
    const { type, process, node, invokeIndex, completeIndex } = operation;
    const revision = type === "ok" ? revisionOf(operation) : undefined;
    for (const call of translate(operation)) {
      const output = type === "ok" ? call.output : undefined;
      if (output === undefined && model.observes?.(call.input, undefined)) continue;
      let part = parts.get(call.object);
      if (part === undefined) {
        part = { object: call.object, actions: [], failed: [] };
        parts.set(call.object, part);
      }
      (type === "fail" ? part.failed : part.actions).push({
        input: call.input,
        output,
        invoked: invokeIndex,
        completed: type === "ok" ? completeIndex : PENDING,
        process,
        node,
        revision,
      });
    }
  }
  return parts;
}

function anomalyOf<State, In, Out>(
  model: Model<State, In, Out>,
  part: Part<In, Out>,
  impossible: number,
): Anomaly {
  const { positions } = minimalWitness(model, part.actions, impossible, new Budget(WITNESS_STEPS));
  const witness = positions.map((position) => part.actions[position] as Action<In, Out>);
  const indexes = witness.flatMap(({ invoked, completed }) =>
    completed === PENDING ? [invoked] : [invoked, completed],
  );
  return {
    ...explain(model, witness, part.actions[impossible] as Action<In, Out>, part),
    guarantee: "linearizability",
    witness: indexes.sort((a, b) => a - b),
  };
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
