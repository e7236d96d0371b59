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
import { components } from "./linearizable/components.ts";
import { type Decision, decide } from "./linearizable/decision.ts";
import { type Context, explain } from "./linearizable/explanation.ts";
import { type Action, type Model, PENDING } from "./linearizable/model.ts";
import { minimalWitness } from "./linearizable/witness.ts";
import { register } from "./models/register.ts";

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
  const parts = [...partsOf(history, model, translate, revisionOf)].flatMap(([object, part]) =>
    questionsOf(model, object, part),
  );
  // The smallest first: what easy parts leave over is there for the hard ones.
  parts.sort((a, b) => a.size - b.size);
  const anomalies: Anomaly[] = [];
  const unknown: string[] = [];
  let violations = 0;
  let checked = 0;
  let claimed = 0;
  parts.forEach((part, i) => {
    const share = new Budget(Math.floor(budget.left / (parts.length - i)));
    const result = part.decide(share);
    budget.spend(share.total - share.left);
    if (result.kind === "exhausted") {
      unknown.push(
        `${part.object === "" ? "the object" : `key ${part.object}`} gave up ${howFar(result, share)}`,
      );
      return;
    }
    checked += part.size;
    if (result.kind === "linearizable" && result.claimed) claimed++;
    if (result.kind === "violation" && ++violations <= EXPLAINED) anomalies.push(part.anomaly(result));
  });
  const keys = `${parts.length} ${parts.length === 1 ? "object" : "objects"}`;
  if (violations > 0) {
    const reason = `${violations} of ${keys} ${violations === 1 ? "is" : "are"} not linearizable`;
    return verdict("invalid", reason, checked, anomalies, unknown);
  }
  if (unknown.length > 0)
    return verdict("unknown", `the search was cut short: ${unknown[0]}`, checked, [], unknown);
  if (checked === 0) return verdict("unknown", "there was nothing to check", 0, [], []);
  const how = `${claimed} in the order of their revisions, ${parts.length - claimed} by search`;
  const reason = `${keys} with ${checked} operations are linearizable: ${how}`;
  return verdict("valid", reason, checked, [], []);
}

interface Part<In, Out> {
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
        part = { actions: [], failed: [] };
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

/** Whether some operations are linearizable; hides what they are. */
interface Question {
  /** How to call what they act on. */
  readonly object: string;
  readonly size: number;
  decide(budget: Budget): Decision;
  anomaly(violation: Violation): Anomaly;
}

type Violation = Decision & { readonly kind: "violation" };

/** One for each part of the object that no operation connects with the others; as one of a register if possible. */
function questionsOf<State, In, Out>(
  model: Model<State, In, Out>,
  name: string,
  { actions, failed }: Part<In, Out>,
): readonly Question[] {
  return components(model, actions).map(({ part, positions }) => {
    const own =
      positions.length === actions.length
        ? actions
        : positions.map((position) => actions[position] as Action<In, Out>);
    const object = part === "" ? name : name === "" ? part : `${name}/${part}`;
    const context = { object, actions: own, failed };
    const told = (witness: readonly number[], impossible: number, name?: string) =>
      anomalyOf(model, witness, impossible, context, name);
    const view = model.asRegister?.(own);
    if (view === undefined) return { object, size: own.length, ...question(model, own, told) };
    const original = (position: number) => view.positions[position] as number;
    const inOriginal = (witness: readonly number[], impossible: number) =>
      told([...new Set(witness.map(original))], original(impossible), view.anomaly);
    return { object, size: own.length, ...question(register(view.init), view.actions, inOriginal) };
  });
}

function question<State, In, Out>(
  model: Model<State, In, Out>,
  actions: readonly Action<In, Out>[],
  told: (witness: readonly number[], impossible: number) => Anomaly,
): Pick<Question, "decide" | "anomaly"> {
  return {
    decide: (budget) => decide(model, actions, budget),
    anomaly: ({ impossible, witness }) =>
      told(
        witness ?? minimalWitness(model, actions, impossible, new Budget(WITNESS_STEPS)).positions,
        impossible,
      ),
  };
}

function anomalyOf<State, In, Out>(
  model: Model<State, In, Out>,
  positions: readonly number[],
  impossible: number,
  context: Context<In, Out>,
  name: string | undefined,
): Anomaly {
  const witness = positions.map((position) => context.actions[position] as Action<In, Out>);
  const indexes = witness.flatMap(({ invoked, completed }) =>
    completed === PENDING ? [invoked] : [invoked, completed],
  );
  const explanation = explain(model, witness, context.actions[impossible] as Action<In, Out>, context);
  return {
    ...explanation,
    name: name ?? explanation.name,
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
