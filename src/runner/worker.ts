/** A worker runs the operations of one thread, one at a time, through the client of the thread's current process. */
import type { Client } from "../client.ts";
import type { Call, Nanos, NodeId, Outcome, Process, Signature } from "../history/op.ts";
import { suggestion, UsageError } from "../plan.ts";
import type { Runtime } from "../runtime/runtime.ts";

export interface WorkerOptions {
  readonly runtime: Runtime;
  /** Opens the client of a new process. */
  readonly open: (process: Process) => { readonly client: Client<Signature>; readonly node: NodeId };
  /** How long to wait for a handler before the outcome counts as unknown. */
  readonly timeout: Nanos;
}

/** What a thrown value says, without a stack: stacks hold paths and would differ between machines. */
export function describeError(error: unknown): string {
  if (error instanceof Error)
    return error.name === "Error" ? error.message : `${error.name}: ${error.message}`;
  return String(error);
}

export class Worker {
  readonly #options: WorkerOptions;
  #process: Process | undefined;
  #client: Client<Signature> | undefined;
  #abort = new AbortController();
  node: NodeId | undefined;

  constructor(options: WorkerOptions) {
    this.#options = options;
  }

  /** Makes sure a client of `process` is open; a new process never inherits its predecessor's. */
  prepare(process: Process): void {
    if (this.#process === process) return;
    this.close();
    const opened = this.#options.open(process);
    this.#process = process;
    this.#client = opened.client;
    this.node = opened.node;
    this.#abort = new AbortController();
  }

  /** Calls `done` exactly once. After `info` the client is closed, so a late reply finds nobody at home. */
  invoke(call: Call, done: (outcome: Outcome) => void): void {
    const client = this.#client;
    if (client === undefined) throw new Error("a worker must be prepared before it is used");
    let settled = false;
    const settle = (outcome: Outcome): void => {
      if (settled) return;
      settled = true;
      timer.cancel();
      if (outcome.type === "info") this.close();
      done(outcome);
    };
    const timer = this.#options.runtime.timer(this.#options.timeout, () =>
      settle({ type: "info", error: "no answer in time" }),
    );
    const handler = client.invoke[call.f];
    // A generator is typed; only a script can ask for what there is not.
    if (handler === undefined)
      throw new UsageError(
        `script: the workload has no function ${call.f}; ${suggestion(call.f, Object.keys(client.invoke))}`,
      );
    handler(call.value, { key: call.key, signal: this.#abort.signal }).then(settle, (error: unknown) =>
      settle({ type: "info", error: describeError(error) }),
    );
  }

  close(): void {
    this.#abort.abort();
    this.#client?.close();
    this.#client = undefined;
    this.#process = undefined;
  }
}
