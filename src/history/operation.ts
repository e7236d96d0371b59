/** Operations and events as objects, made from their row in the columns of a history. */
import { type Columns, NONE, TYPES } from "./columns.ts";
import type { FunctionName, Nanos, NodeId, Op, Process, Signature } from "./op.ts";

interface OperationFields<F extends string, In> {
  readonly f: F;
  readonly key: string | undefined;
  readonly process: Process;
  readonly node: NodeId | undefined;
  /** The value of the invocation. */
  readonly input: In;
  readonly invokeIndex: number;
  readonly invokeTime: Nanos;
  /** Index and time of the completion; `Infinity` for an operation that was still open at the end. */
  readonly completeIndex: number;
  readonly completeTime: Nanos;
}

type Known<Out> = { readonly type: "ok"; readonly output: Out; readonly error: undefined };
type Unproven = {
  readonly type: "fail" | "info";
  readonly output: undefined;
  readonly error: string;
};

/** The operations of one function (or of several: a union of names). */
export type OperationOf<S extends Signature, F extends FunctionName<S>> = {
  readonly [G in F]: OperationFields<G, S[G]["in"]> & (Known<S[G]["out"]> | Unproven);
}[F];

/**
 * An invocation and what became of it, told apart by `f` and then by `type`. An operation still open at the end
 * of the history is `info`: it may take effect at any later time.
 */
export type Operation<S extends Signature = Signature> = OperationOf<S, FunctionName<S>>;

/** What an open operation's `error` says. */
const OPEN = "no completion";

/** The operation of one row. One object shape for all operations keeps checkers fast. */
export function operationAt(c: Columns, row: number): Operation {
  const ok = c.type[row] === 0;
  const open = c.completeIndex[row] === NONE;
  const node = c.invokeNode[row] === NONE ? c.completeNode[row] : c.invokeNode[row];
  return {
    f: c.functions[c.f[row] as number],
    key: c.keys[c.key[row] as number],
    process: c.process[row],
    node: c.nodes[node as number],
    input: c.values.decode(c.input[row] as number),
    invokeIndex: c.invokeIndex[row],
    invokeTime: c.invokeTime[row],
    completeIndex: open ? Number.POSITIVE_INFINITY : c.completeIndex[row],
    completeTime: open ? Number.POSITIVE_INFINITY : c.completeTime[row],
    type: TYPES[c.type[row] as number],
    output: ok ? c.values.decode(c.output[row] as number) : undefined,
    error: ok ? undefined : open ? OPEN : c.errors[c.error[row] as number],
  } as Operation;
}

/** The invocation of one row, as it was added. */
export function invocationAt(c: Columns, row: number): Op {
  const key = c.keys[c.key[row] as number];
  const node = c.nodes[c.invokeNode[row] as number];
  return {
    index: c.invokeIndex[row],
    time: c.invokeTime[row],
    process: c.process[row],
    type: "invoke",
    f: c.functions[c.f[row] as number],
    value: c.values.decode(c.input[row] as number),
    ...(key === undefined ? {} : { key }),
    ...(node === undefined ? {} : { node }),
  } as Op;
}

/** The completion of one row, as it was added; there must be one. */
export function completionAt(c: Columns, row: number): Op {
  const key = c.keyRepeated[row] === 1 ? c.keys[c.key[row] as number] : undefined;
  const node = c.nodes[c.completeNode[row] as number];
  const error = c.errors[c.error[row] as number];
  return {
    index: c.completeIndex[row],
    time: c.completeTime[row],
    process: c.process[row],
    type: TYPES[c.type[row] as number],
    f: c.functions[c.f[row] as number],
    value: c.values.decode(c.output[row] as number),
    ...(key === undefined ? {} : { key }),
    ...(node === undefined ? {} : { node }),
    ...(error === undefined ? {} : { error }),
  } as Op;
}
