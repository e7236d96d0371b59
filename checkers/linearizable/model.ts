/**
 * What the linearizability checker needs to know of an object: its sequential specification, as a plain value.
 *
 * Required are name, summary, init, step and key. Each optional one says what it buys; a model without them is checked just as
 * correctly, only slower or with a longer witness.
 */
import type { Json, NodeId, Process } from "../../src/history/op.ts";

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
  /** The operation in a few words without its subject: "read 3", "wrote 4", "cas from 1 to 2". */
  describe?(input: In, output: Out | undefined): string;
}

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
export interface Action<In, Out> {
  readonly input: In;
  /** Undefined: the answer is unknown. */
  readonly output: Out | undefined;
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
