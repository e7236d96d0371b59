import type { Op, Signature } from "./op.ts";
/** Placeholder of the contract: see the class in this file once written. */
export interface History<S extends Signature = Signature> {
  readonly events: readonly Op<S>[];
}
