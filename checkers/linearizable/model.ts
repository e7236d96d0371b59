/**
 * What the linearizability checker needs to know of an object: its sequential specification, as a plain value.
 *
 * Required are name, summary, init, step and key. Each optional one says what it buys; a model without them is checked just as
 * correctly, only slower or with a longer witness.
 */
import type { Json, NodeId, Process } from "../../src/history/op.ts";
import type { RegisterCall } from "../models/register.ts";
import type { ObjectHistory } from "./object-history.ts";

export interface Model<State, In, Out> {
  readonly name: string;
  /** One sentence for `faultline list models`. */
  readonly summary: string;
  readonly init: State;
  /**
   * The state after `input` answered `output` in `state`, or undefined if it cannot answer that there. An
   * undefined output stands for any answer. Pure; deterministic: one state at most.
   */
  step(state: State, input: In, output: Out | undefined): State | undefined;
  /** Equal for equal states, and only for them. */
  key(state: State): string | number;

  /**
   * True if the operation never changes any state it is legal in, as a read. Buys speed: such operations are
   * placed as soon as they are legal, without trying anything else.
   */
  observes?(input: In, output: Out | undefined): boolean;
  /** What the operation shows of the values it met. Buys speed, shorter witnesses and a name for the violation. */
  access?(input: In, output: Out | undefined): Access;
  /**
   * The operation with the same effect that asserts nothing about the state it met: a write for a successful
   * compare-and-set. Buys shorter witnesses; undefined if there is none.
   */
  blind?(input: In, output: Out | undefined): { readonly input: In; readonly output: Out } | undefined;
  /**
   * The parts of the object that the operation can see or change; undefined: all of it. Operations are decided
   * apart from those they share no part with, even indirectly. Sound only if the parts are objects of their own,
   * as linearizability is local.
   */
  touches?(input: In, output: Out | undefined): readonly string[] | undefined;
  /** The same question asked of a register, which has more ways to an answer; undefined where there is none. */
  asRegister?(operations: ObjectHistory<In, Out>): RegisterView | undefined;
  /** Decides histories whose structure makes it easy; undefined for the others. Buys all of the search. */
  direct?(actions: readonly Action<In, Out>[]): DirectDecision | undefined;
  /** The operation in a few words without its subject: "read 3", "wrote 4", "cas from 1 to 2". */
  describe?(input: In, output: Out | undefined): string;
  /** What the violation is called if this operation can be placed nowhere, unless `access` is to tell. */
  anomaly?(input: In, output: Out | undefined): string;
}

/** What was asked of an object. */
export interface Called<In, Out> {
  readonly input: In;
  /** Undefined: unknown. Ignored unless the operation was ok. */
  readonly output: Out | undefined;
}

/** Operations on a register, linearizable exactly if those they stand for are. */
export interface RegisterView {
  readonly init: Json;
  /** True: linearizable if those they stand for are, but perhaps if they are not, too. */
  readonly relaxed?: boolean;
  readonly operations: ObjectHistory<RegisterCall, Json>;
  /** For each of them, the position of the action it stands for; an action may have several, or none. */
  readonly positions: ArrayLike<number>;
  /** What a violation is called, unless the model is to tell. */
  readonly anomaly?: string;
}

export type DirectDecision =
  /** As positions in the list of actions. */
  | { readonly kind: "linearizable"; readonly order: readonly number[] }
  /** The actions that contradict each other: as few as possible, and without a linearization whatever the others do. */
  | { readonly kind: "violation"; readonly witness: readonly number[] };

/**
 * What one operation reveals of an object that holds a single value. A model that offers `access` promises that
 * its states are these values, and that a step depends on the state only through them: `reads` demands the state,
 * `excludes` forbids it, `writes` is the state afterwards. With an unknown output, `reads` is the state in which
 * the operation has an effect.
 */
export interface Access {
  readonly reads?: Json;
  readonly writes?: Json;
  readonly excludes?: Json;
}

/** One operation as the search sees it. `invoked` and `completed` are indexes of events in the history. */
export interface Action<In, Out> extends Called<In, Out> {
  readonly invoked: number;
  /** `PENDING`: it may take effect at any time after its invocation, or never. */
  readonly completed: number;
  readonly process: Process;
  readonly node: NodeId | undefined;
  /**
   * The revision that the reply names: the one a change made, or the one that was current for an observation. A
   * claim of the system under test, used only to propose an order.
   */
  readonly revision?: number | undefined;
}

/** In place of the index of a completion that never came, or that did not tell the outcome. */
export const PENDING = Number.POSITIVE_INFINITY;
