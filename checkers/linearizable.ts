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
import { components } from "./linearizable/components.ts";
import {
  crossCheck,
  type Decision,
  decideObject,
  listed,
  type Method,
  type ObjectHistory,
} from "./linearizable/decision.ts";
import { explain } from "./linearizable/explanation.ts";
import { type Action, type Model, PENDING } from "./linearizable/model.ts";
import { type Claim, type ObjectCall, type Part, partsOf, type Translation } from "./linearizable/parts.ts";
import { minimalWitness } from "./linearizable/witness.ts";
import { register } from "./models/register.ts";

export type { ObjectCall, Translation } from "./linearizable/parts.ts";

/** At most this many violations are explained; more are only counted. */
const EXPLAINED = 5;
/** At most this many steps go into making one witness small. */
const WITNESS_STEPS = 200_000;
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
  const parts = partsOf({ history, model, translate, revisionOf });
  const questions = [...parts.values()].flatMap((part) => questionsOf(model, part));
  // The smallest first: what easy ones leave over is there for the hard ones.
  questions.sort((a, b) => a.size - b.size);
  const anomalies: Anomaly[] = [];
  const unknown: string[] = [];
  const decided: { [method in Method]: number } = { values: 0, revisions: 0, direct: 0, search: 0 };
  let violations = 0;
  let checked = 0;
  questions.forEach((question, i) => {
    if (i % Math.ceil(questions.length / CROSS_CHECKED) === 0) question.crossCheck();
    const share = new Budget(Math.floor(budget.left / (questions.length - i)));
    const result = question.decide(share);
    budget.spend(share.total - share.left);
    if (result.kind === "exhausted") {
      unknown.push(
        `${question.object === "" ? "the object" : `key ${question.object}`} gave up ${howFar(result, share)}`,
      );
      return;
    }
    checked += question.size;
    decided[result.by]++;
    if (result.kind === "violation" && ++violations <= EXPLAINED) anomalies.push(question.anomaly(result));
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

/** Whether some operations are linearizable; hides what they are. */
interface Question {
  /** How to call what they act on. */
  readonly object: string;
  readonly size: number;
  /** Throws `Disagreement`. */
  crossCheck(): void;
  decide(budget: Budget): Decision;
  anomaly(violation: Violation): Anomaly;
}

type Answers = Omit<Question, "object" | "size">;

type Violation = Decision & { readonly kind: "violation" };

/** One for each part of the object that no operation connects with the others. */
function questionsOf<S extends Signature, State, In, Out>(
  model: Model<State, In, Out>,
  whole: Part<S, State, In, Out>,
): readonly Question[] {
  if (model.touches === undefined && model.asRegister === undefined) {
    const told: Told = (...found) => anomalyOf(model, whole, whole.object, ...found);
    return [{ object: whole.object, size: whole.length, ...question(model, whole, told) }];
  }
  if (model.touches === undefined) {
    // Made for one object at a time: views of all of them at once would take gigabytes.
    const viewed = () => questionOf(model, whole, "", undefined, whole.made());
    let violated: Question | undefined;
    return [
      {
        object: whole.object,
        size: whole.length,
        crossCheck: () => viewed().crossCheck(),
        decide(budget) {
          const asked = viewed();
          const result = asked.decide(budget);
          if (result.kind === "violation") violated = asked;
          return result;
        },
        anomaly: (violation) => (violated ?? viewed()).anomaly(violation),
      },
    ];
  }
  const actions = whole.actions();
  return components(model, actions).map(({ part, positions }) => {
    const all = positions.length === actions.length;
    const own = all ? actions : positions.map((position) => actions[position] as Action<In, Out>);
    return questionOf(model, whole, part, all ? undefined : positions, own);
  });
}

/** As one of a register if possible. `positions` are those of the actions in the whole, if they are not all. */
function questionOf<S extends Signature, State, In, Out>(
  model: Model<State, In, Out>,
  whole: Part<S, State, In, Out>,
  part: string,
  positions: readonly number[] | undefined,
  actions: readonly Action<In, Out>[],
): Question {
  const object = part === "" ? whole.object : whole.object === "" ? part : `${whole.object}/${part}`;
  const view = model.asRegister?.(actions);
  const told: Told = (witness, impossible, related) => {
    const original = (position: number) => positions?.[position] ?? position;
    const others = related?.map(original);
    return anomalyOf(
      model,
      whole,
      object,
      witness.map(original),
      original(impossible),
      others,
      view?.anomaly,
    );
  };
  const size = actions.length;
  const asked = question(model, listed(model, actions), told);
  if (view === undefined) return { object, size, ...asked };
  const viewed = (position: number) => view.positions[position] as number;
  const inOriginal: Told = (witness, impossible, related) =>
    told([...new Set(witness.map(viewed))], viewed(impossible), related?.map(viewed));
  const registers = register(view.init);
  const seen = question(registers, listed(registers, view.actions), inOriginal);
  return { object, size, ...(view.relaxed ? eitherOf(seen, asked) : seen) };
}

/** A violation of what is relaxed is one of what is asked; if there is none, nothing is known yet. */
function eitherOf(relaxed: Answers, asked: Answers): Answers {
  const seen = new Set<Decision>();
  return {
    crossCheck: relaxed.crossCheck,
    decide(budget) {
      const share = new Budget(Math.floor(budget.left / 4));
      const result = relaxed.decide(share);
      budget.spend(share.total - share.left);
      if (result.kind !== "violation") return asked.decide(budget);
      seen.add(result);
      return result;
    },
    anomaly: (violation) => (seen.has(violation) ? relaxed : asked).anomaly(violation),
  };
}

/** Nobody but those `related` has anything to do with the witness; undefined: that is not known. */
type Told = (witness: readonly number[], impossible: number, related?: readonly number[]) => Anomaly;

function question<State, In, Out>(
  model: Model<State, In, Out>,
  operations: ObjectHistory<In, Out>,
  told: Told,
): Answers {
  return {
    crossCheck: () => crossCheck(model, operations),
    decide: (budget) => decideObject(model, operations, budget),
    anomaly({ impossible, witness, related }) {
      if (witness !== undefined) return told(witness, impossible, related);
      const minimal = minimalWitness(model, operations.actions(), impossible, new Budget(WITNESS_STEPS));
      return told(minimal.positions, impossible);
    },
  };
}

function anomalyOf<S extends Signature, State, In, Out>(
  model: Model<State, In, Out>,
  whole: Part<S, State, In, Out>,
  object: string,
  positions: readonly number[],
  impossible: number,
  related: readonly number[] | undefined,
  name: string | undefined = undefined,
): Anomaly {
  const witness = positions.map((position) => whole.action(position));
  const indexes = witness.flatMap(({ invoked, completed }) =>
    completed === PENDING ? [invoked] : [invoked, completed],
  );
  const culprit = witness[positions.indexOf(impossible)] ?? whole.action(impossible);
  const others = related?.filter((position) => !positions.includes(position));
  const actions =
    others === undefined
      ? whole.actions()
      : [...witness, ...others.map((position) => whole.action(position))];
  const explanation = explain(model, witness, culprit, { object, actions, failed: whole.failed() });
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
