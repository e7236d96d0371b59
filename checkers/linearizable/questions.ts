/**
 * A history of many objects as questions about one object each, or about a part of it that no operation connects
 * with the others; asked of a register instead, where the model can be seen as one.
 */
import { type Anomaly, Budget } from "../../src/checker.ts";
import type { Signature } from "../../src/history/op.ts";
import { register } from "../models/register.ts";
import { components } from "./components.ts";
import { crossCheck, type Decision, decideObject } from "./decision.ts";
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
  /** What is wrong, of an answer that somebody gave to this question. */
  anomaly(violation: Violation): Anomaly;
}

/** Plain data, that can be sent to another thread. */
export type Answer = (
  | Omit<Decided & { readonly kind: "linearizable" }, "order">
  | Violation
  | (Decided & { readonly kind: "exhausted" })
) & {
  /** How many operations were looked at. */
  readonly checked: number;
};

type Decided = Decision & {
  /** Of a question with less to it, which was asked first. */
  readonly relaxed?: boolean;
  /** That question took all the steps that it was given. */
  readonly hindered?: boolean;
};

type Violation = Decided & { readonly kind: "violation" };

/** One for each part of the object that no operation connects with the others. */
export function questionsOf<S extends Signature, State, In, Out>(
  model: Model<State, In, Out>,
  part: Part<S, State, In, Out>,
): readonly Question[] {
  const { object, size } = part;
  if (model.touches === undefined) {
    const inquire = () => {
      const whole = part.operations();
      return inquiryOf(model, { object, whole, operations: whole });
    };
    return [questionOf(object, size, inquire)];
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
    return questionOf(own, positions.length, () => inquiryOf(model, subject));
  });
}

function questionOf(object: string, size: number, inquire: () => Inquiry): Question {
  let violated: Inquiry | undefined;
  return {
    object,
    size,
    answer(budget, sampled) {
      const inquiry = inquire();
      if (sampled) inquiry.crossCheck();
      const decided = inquiry.decide(budget);
      if (decided.kind === "violation") violated = inquiry;
      return {
        ...decided,
        ...(decided.kind === "linearizable" ? { order: [] } : {}),
        checked: inquiry.length,
      };
    },
    anomaly: (violation) => (violated ?? inquire()).anomaly(violation),
  };
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
  decide(budget: Budget): Decided;
  anomaly(violation: Violation): Anomaly;
}

/** As one of a register if possible. */
function inquiryOf<S extends Signature, State, In, Out>(
  model: Model<State, In, Out>,
  subject: Subject<S, State, In, Out>,
): Inquiry {
  const { operations, positions } = subject;
  const view = model.asRegister?.(operations);
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
  return {
    length: asked.length,
    crossCheck: relaxed.crossCheck,
    decide(budget) {
      const share = new Budget(Math.floor(budget.left / RELAXED));
      const result = relaxed.decide(share);
      budget.spend(share.total - share.left);
      // Also a violation is told less well when there are no steps left to look for where it begins.
      const hindered = share.left === 0;
      if (result.kind === "violation") return { ...result, relaxed: true, hindered };
      return { ...asked.decide(budget), hindered };
    },
    anomaly: (violation) => (violation.relaxed ? relaxed : asked).anomaly(violation),
  };
}

/** What part of a budget is given to a relaxed question first. */
const RELAXED = 4;

/** Whether an answer that took `spent` of `total` steps is the answer with `other` steps, too. */
export function holdsWith(answer: Answer, spent: number, total: number, other: number): boolean {
  if (answer.kind === "exhausted" || answer.hindered) return false;
  return spent < (other >= total ? total : Math.floor(other / RELAXED));
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
