/**
 * A history of many objects as questions about one object each, or about a part of it that no operation connects
 * with the others; asked of a register instead, where the model can be seen as one.
 */
import { type Anomaly, Budget } from "../../src/checker.ts";
import type { Signature } from "../../src/history/op.ts";
import { register } from "../models/register.ts";
import { components } from "./components.ts";
import { crossCheck, type Decision, decideObject, type Method } from "./decision.ts";
import { explain } from "./explanation.ts";
import { type Action, type Model, PENDING } from "./model.ts";
import { listed, type ObjectHistory } from "./object-history.ts";
import type { Part, PartOperations } from "./parts.ts";
import { minimalWitness } from "./witness.ts";

/** At most this many steps go into making one witness small. */
const WITNESS_STEPS = 200_000;

/** Whether some operations are linearizable; hides what they are. */
export interface Question {
  /** How to call what they act on. */
  readonly object: string;
  /** About how many operations there are. */
  readonly size: number;
  /** The operations are read for the time of the answer. If it is to be `sampled`, throws `Disagreement`. */
  answer(budget: Budget, sampled: boolean): Answer;
}

export type Answer =
  | { readonly kind: "linearizable"; readonly by: Method; readonly checked: number }
  | {
      readonly kind: "violation";
      readonly by: Method;
      readonly checked: number;
      readonly anomaly: () => Anomaly;
    }
  | (Decision & { readonly kind: "exhausted" });

type Violation = Decision & { readonly kind: "violation" };

/** One for each part of the object that no operation connects with the others. */
export function questionsOf<S extends Signature, State, In, Out>(
  model: Model<State, In, Out>,
  part: Part<S, State, In, Out>,
): readonly Question[] {
  const { object, size } = part;
  if (model.touches === undefined) {
    const answer: Question["answer"] = (budget, sampled) => {
      const whole = part.operations();
      return answerTo(inquiryOf(model, { object, whole, operations: whole }), budget, sampled);
    };
    return [{ object, size, answer }];
  }
  const whole = part.operations();
  const actions = whole.actions();
  return components(model, actions).map(({ part: name, positions }) => {
    const all = positions.length === actions.length;
    const operations = all
      ? whole
      : listed(
          model,
          positions.map((position) => actions[position] as Action<In, Out>),
        );
    const own = name === "" ? object : object === "" ? name : `${object}/${name}`;
    const subject = { object: own, whole, operations, ...(all ? {} : { positions }) };
    const answer: Question["answer"] = (budget, sampled) =>
      answerTo(inquiryOf(model, subject), budget, sampled);
    return { object: own, size: positions.length, answer };
  });
}

/** What a question is about. */
interface Subject<S extends Signature, State, In, Out> {
  readonly object: string;
  readonly whole: PartOperations<S, State, In, Out>;
  readonly operations: ObjectHistory<In, Out>;
  /** Those of the operations in the whole, if they are not all. */
  readonly positions?: readonly number[];
}

/** A way to answer a question. */
interface Inquiry {
  /** How many operations there are. */
  readonly length: number;
  /** Throws `Disagreement`. */
  crossCheck(): void;
  decide(budget: Budget): Decision;
  anomaly(violation: Violation): Anomaly;
}

function answerTo(inquiry: Inquiry, budget: Budget, sampled: boolean): Answer {
  if (sampled) inquiry.crossCheck();
  const decision = inquiry.decide(budget);
  if (decision.kind === "exhausted") return decision;
  const { kind, by } = decision;
  const answer = { by, checked: inquiry.length };
  return kind === "linearizable"
    ? { kind, ...answer }
    : { kind, ...answer, anomaly: () => inquiry.anomaly(decision) };
}

/** As one of a register if possible. */
function inquiryOf<S extends Signature, State, In, Out>(
  model: Model<State, In, Out>,
  subject: Subject<S, State, In, Out>,
): Inquiry {
  const { operations, positions } = subject;
  const view = model.asRegister?.(operations.actions());
  const told: Told = (witness, impossible, related) => {
    const original = (position: number) => positions?.[position] ?? position;
    const others = related?.map(original);
    return anomalyOf(model, subject, witness.map(original), original(impossible), others, view?.anomaly);
  };
  const asked = inquiry(model, operations, told);
  if (view === undefined) return asked;
  const viewed = (position: number) => view.positions[position] as number;
  const inOriginal: Told = (witness, impossible, related) =>
    told([...new Set(witness.map(viewed))], viewed(impossible), related?.map(viewed));
  const seen = { ...inquiry(register(view.init), view.operations, inOriginal), length: operations.length };
  return view.relaxed ? eitherOf(seen, asked) : seen;
}

/** A violation of what is relaxed is one of what is asked; if there is none, nothing is known yet. */
function eitherOf(relaxed: Inquiry, asked: Inquiry): Inquiry {
  const seen = new Set<Decision>();
  return {
    length: asked.length,
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

function inquiry<State, In, Out>(
  model: Model<State, In, Out>,
  operations: ObjectHistory<In, Out>,
  told: Told,
): Inquiry {
  return {
    length: operations.length,
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
  { object, whole }: Subject<S, State, In, Out>,
  positions: readonly number[],
  impossible: number,
  related: readonly number[] | undefined,
  name: string | undefined,
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
