/**
 * The vocabulary of a history: what clients asked for, and what they learnt.
 *
 * An *operation* is an invocation and, perhaps, a completion. Both are events of one totally ordered list, the
 * history; the order is the index in that list and never a clock.
 */

/** What can be written to a journal and read back unchanged. 64-bit identifiers travel as decimal strings. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [field: string]: Json };

/** Nanoseconds as an integer; exact for 104 days. Times in a history count from the start of the run. */
export type Nanos = number;

/** A slot that runs at most one operation at a time. Clients are 0, 1, 2, …; the nemesis is `NEMESIS`. */
export type Thread = number;

/**
 * Who runs operations on a thread. A thread whose operation ended as `info` continues as a new process:
 * the old one may still take effect, so it can never be reused.
 */
export type Process = number;

/** Name of a member of the cluster under test: "n1", "n2", … */
export type NodeId = string;

/** Thread and process of the nemesis. It is never retired. */
export const NEMESIS = -1;

/** What each function of a workload takes and gives back. Declare with `type`: an interface has no index signature. */
export type Signature = { readonly [f: string]: { readonly in: Json; readonly out: Json } };

export type FunctionName<S extends Signature> = keyof S & string;

/** A request to run one function. `key` names the independent object it acts on, if the workload has several. */
export type Call<S extends Signature = Signature> = {
  readonly [F in FunctionName<S>]: { readonly f: F; readonly value: S[F]["in"]; readonly key?: string };
}[FunctionName<S>];

/** ok: it took effect. fail: it did not and never will. info: perhaps, at any later time, or never. */
export type Outcome<Out extends Json = Json> =
  | { readonly type: "ok"; readonly value: Out }
  | { readonly type: "fail" | "info"; readonly error: string };

interface EventFields {
  /** Position in the history: 0, 1, 2, … */
  readonly index: number;
  readonly time: Nanos;
  readonly process: Process;
  readonly key?: string;
  /** The member that was asked, where there is one. */
  readonly node?: NodeId;
}

export type Invocation<S extends Signature = Signature> = EventFields & { readonly type: "invoke" } & Call<S>;

export type Completion<S extends Signature = Signature> = EventFields &
  (
    | {
        readonly [F in FunctionName<S>]: { readonly type: "ok"; readonly f: F; readonly value: S[F]["out"] };
      }[FunctionName<S>]
    | {
        readonly [F in FunctionName<S>]: {
          readonly type: "fail" | "info";
          readonly f: F;
          readonly value: S[F]["in"];
          readonly error: string;
        };
      }[FunctionName<S>]
  );

/** One event of a history. */
export type Op<S extends Signature = Signature> = Invocation<S> | Completion<S>;
