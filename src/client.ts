/** A client: what one process uses to speak to one node of the system under test. */
import type { FunctionName, Outcome, Signature } from "./history/op.ts";

export interface InvokeContext {
  readonly key: string | undefined;
  /** Aborted when the worker stops waiting; the outcome is then `info` whatever the handler returns. */
  readonly signal: AbortSignal;
}

/**
 * One method per function of the workload: forget one, or mistype its result, and it does not compile.
 * A handler that throws means "unknown outcome" unless it throws an error known to be definite.
 */
export type Handlers<S extends Signature> = {
  readonly [F in FunctionName<S>]: (
    value: S[F]["in"],
    context: InvokeContext,
  ) => Promise<Outcome<S[F]["out"]>>;
};

export interface Client<S extends Signature> {
  readonly invoke: Handlers<S>;
  close(): void;
}
