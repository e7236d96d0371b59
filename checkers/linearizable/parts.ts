/**
 * The parts of a history that concern one object each. Operations become objects only for those who ask: of a long
 * history most never do.
 */
import type { OpenPart } from "../../src/checker.ts";
import { type Excerpt, excerptOf } from "../../src/history/excerpt.ts";
import type { History, Operation } from "../../src/history/history.ts";
import type { Json, Signature } from "../../src/history/op.ts";
import { type Accesses, AccessReader, type Intervals, intervals, NEVER } from "./accesses.ts";
import { CallTable } from "./call-table.ts";
import { type Action, type Called, type Model, PENDING } from "./model.ts";
import type { ObjectHistory } from "./object-history.ts";

/** What one operation of the history did to one object. */
export interface ObjectCall<In, Out> extends Called<In, Out> {
  /** Names the object; "" if there is only one. */
  readonly object: string;
}

/**
 * What an operation did to the object that its key names, undefined: nothing. Or, for operations on objects of their
 * own choice, all that it did: calls on several objects are checked as if they were made separately. The operation is
 * a view of a row: its fields can be read, but are not its own.
 */
export type Translation<S extends Signature, In, Out> =
  | ((operation: Operation<S>) => Called<In, Out> | undefined)
  | { readonly calls: (operation: Operation<S>) => readonly ObjectCall<In, Out>[] };

/** For workloads whose functions are those of the model: `input` is the call, `output` its answer. */
export function asCalled<In extends { readonly f: string; readonly value: Json }>({
  f,
  input,
  output,
}: Operation): Called<In, Json> {
  return { input: { f, value: input } as unknown as In, output };
}

/** The revision named by the reply to an operation, if any: see `Action.revision`. */
export type Claim<S extends Signature> = (operation: Operation<S>) => number | undefined;

/** How a history is to be understood. */
export interface Reading<S extends Signature, State, In, Out> {
  readonly history: History<S>;
  readonly model: Model<State, In, Out>;
  readonly translate: Translation<S, In, Out>;
  readonly revisionOf: Claim<S>;
}

/** One object, and where its operations are. */
export class Part<S extends Signature, State, In, Out> implements OpenPart {
  readonly object: string;
  readonly #reading: Reading<S, State, In, Out>;
  readonly #calls: Calls;

  constructor(reading: Reading<S, State, In, Out>, object: string, calls: Calls) {
    this.#reading = reading;
    this.object = object;
    this.#calls = calls;
  }

  /** How many calls there are; some may tell nothing. */
  get size(): number {
    return this.#calls.to - this.#calls.from;
  }

  excerpt(): Excerpt {
    const { table, from, to } = this.#calls;
    const rows = table.rows.subarray(from, to);
    // Several calls of one operation are side by side.
    return excerptOf(
      this.#reading.history.columns,
      rows.filter((row, i) => row !== rows[i - 1]),
    );
  }

  /** Reads them anew each time: of many objects, those of one are needed at once. */
  operations(): PartOperations<S, State, In, Out> {
    return new PartOperations(this.#reading, this.#calls);
  }
}

/** Some calls of a table: from `from` up to `to`. */
interface Calls {
  readonly table: CallTable;
  readonly from: number;
  readonly to: number;
}

/** The calls on one object that may have had an effect or have told something. */
export class PartOperations<S extends Signature, State, In, Out> implements ObjectHistory<In, Out> {
  readonly length: number;
  readonly intervals: Intervals;
  readonly accesses: Accesses | undefined;
  readonly #reading: Reading<S, State, In, Out>;
  readonly #calls: Calls;
  /** By position. */
  readonly #callAt: Int32Array;
  #actions: readonly Action<In, Out>[] | undefined;

  constructor(reading: Reading<S, State, In, Out>, calls: Calls) {
    this.#reading = reading;
    this.#calls = calls;
    const { table, from, to } = calls;
    const { model } = reading;
    this.intervals = intervals(to - from);
    const { invoked, completed } = this.intervals;
    const reader = new AccessReader(model, this.intervals);
    const callAt = new Int32Array(to - from);
    let length = 0;
    for (let call = from; call < to; call++) {
      if (table.hasFailed(call)) continue;
      const called = this.#translated(call);
      if (called === undefined) continue;
      const ok = table.isOk(call);
      const output = ok ? called.output : undefined;
      // An observation whose answer is unknown observed nothing.
      if (output === undefined && model.observes?.(called.input, undefined)) continue;
      callAt[length] = call;
      invoked[length] = table.invokeIndexOf(call);
      completed[length++] = ok ? table.completeIndexOf(call) : NEVER;
      reader.add(called.input, output);
    }
    this.length = length;
    this.accesses = reader.accesses;
    this.#callAt = callAt;
  }

  called(position: number): Called<In, Out> {
    const call = this.#callAt[position] as number;
    const called = this.#translated(call) as Called<In, Out>;
    return this.#calls.table.isOk(call) ? called : { input: called.input, output: undefined };
  }

  action(position: number): Action<In, Out> {
    return this.#actions?.[position] ?? this.#made(this.#callAt[position] as number);
  }

  actions(): readonly Action<In, Out>[] {
    this.#actions ??= Array.from(this.#callAt.subarray(0, this.length), (call) => this.#made(call));
    return this.#actions;
  }

  /** Those that certainly did nothing. */
  failed(): readonly Action<In, Out>[] {
    const { table, from, to } = this.#calls;
    const failed: Action<In, Out>[] = [];
    for (let call = from; call < to; call++) {
      if (!table.hasFailed(call)) continue;
      const called = this.#translated(call);
      if (called !== undefined) failed.push(this.#actionOf(call, called));
    }
    return failed;
  }

  #made(call: number): Action<In, Out> {
    return this.#actionOf(call, this.#translated(call) as Called<In, Out>);
  }

  #translated(call: number): Called<In, Out> | undefined {
    const { translate } = this.#reading;
    const { table } = this.#calls;
    // Known so well that nobody need be asked: most histories of great length are like that.
    if (translate === asCalled) {
      const input = { f: table.functionOf(call), value: table.inputOf(call) };
      return { input, output: table.outputOf(call) } as Called<In, Out>;
    }
    const operation = table.operation(call) as unknown as Operation<S>;
    if (typeof translate === "function") return translate(operation);
    return translate.calls(operation)[table.nth?.[call] as number];
  }

  #actionOf(call: number, { input, output }: Called<In, Out>): Action<In, Out> {
    const operation = this.#calls.table.whole(call) as unknown as Operation<S>;
    const { type, process, node, invokeIndex, completeIndex } = operation;
    const ok = type === "ok";
    return {
      input,
      output: ok ? output : undefined,
      invoked: invokeIndex,
      completed: ok ? completeIndex : PENDING,
      process,
      node,
      revision: ok ? this.#reading.revisionOf(operation) : undefined,
    };
  }
}

/** In the order of their first use. */
export function partsOf<S extends Signature, State, In, Out>(
  reading: Reading<S, State, In, Out>,
): readonly Part<S, State, In, Out>[] {
  const { history, translate } = reading;
  const table =
    typeof translate === "function"
      ? CallTable.byKey(history as unknown as History)
      : CallTable.byCall(history, translate.calls);
  return table.objects.map((object, i) => {
    const range = { from: table.from[i] as number, to: table.from[i + 1] as number };
    return new Part(reading, object, { table, ...range });
  });
}
