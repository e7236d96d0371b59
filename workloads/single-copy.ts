/**
 * The simplest correct system: one copy of the store, no network, no faults. What a workload's own tests run on;
 * a workload whose checkers object to it is wrong.
 */
import { ApiError, type KvApi, type KvRequest, type KvResponse } from "../cluster/api.ts";
import type {
  CompactRequest,
  CompactResponse,
  DeleteRangeRequest,
  DeleteRangeResponse,
  LeaseGrantRequest,
  LeaseGrantResponse,
  LeaseRevokeRequest,
  LeaseRevokeResponse,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  Revision,
  StatusError,
  TxnRequest,
  TxnResponse,
} from "../cluster/kv/request.ts";
import type { OpGenerator } from "../src/generator/generator.ts";
import { lift } from "../src/generator/source.ts";
import { History } from "../src/history/history.ts";
import type { Call, Op, Outcome, Process, Signature, Thread } from "../src/history/op.ts";
import { seededRandom } from "../src/runtime/random.ts";
import type { Runtime } from "../src/runtime/runtime.ts";
import type { Workload } from "../src/workload.ts";

type Write =
  | PutRequest
  | DeleteRangeRequest
  | TxnRequest
  | CompactRequest
  | LeaseGrantRequest
  | LeaseRevokeRequest;
type WriteResponse =
  | PutResponse
  | DeleteRangeResponse
  | TxnResponse
  | CompactResponse
  | LeaseGrantResponse
  | LeaseRevokeResponse;

/** The part of the store's interface that is needed here. */
export interface SingleStore {
  readonly revision: Revision;
  range(request: RangeRequest): RangeResponse | StatusError;
  apply(request: Write): { readonly response: { readonly kind: string } | StatusError };
}

export interface SingleCopyOptions {
  /** Fresh. */
  readonly store: SingleStore;
  readonly seed: number;
  readonly concurrency: number;
  /** Number of operations of the load; the final phase comes on top. */
  readonly operations: number;
  /** Share of operations whose answer is lost, half of them before they took effect. */
  readonly lost?: number;
  /** Spoils an answer on its way back: what a broken system would have said. */
  readonly distort?: (request: KvRequest, answer: KvResponse) => KvResponse;
}

/** A history of `workload` on a fresh store: operations overlap, and each takes effect at an instant in between. */
export async function playOnSingleCopy<S extends Signature>(
  workload: Workload<S, KvApi>,
  options: SingleCopyOptions,
): Promise<History<S>> {
  return new Play(workload as unknown as Workload<Signature, KvApi>, options).run() as unknown as Promise<
    History<S>
  >;
}

interface Underway {
  readonly thread: Thread;
  readonly call: Call;
  readonly outcome: Outcome;
}

class Play {
  readonly #workload: Workload<Signature, KvApi>;
  readonly #options: SingleCopyOptions;
  readonly #random;
  readonly #events: Op[] = [];
  readonly #processes: Process[];
  readonly #threads: Thread[];

  constructor(workload: Workload<Signature, KvApi>, options: SingleCopyOptions) {
    this.#workload = workload;
    this.#options = options;
    this.#random = seededRandom(options.seed);
    this.#threads = Array.from({ length: options.concurrency }, (_, i) => i);
    this.#processes = [...this.#threads];
  }

  async run(): Promise<History> {
    await this.#phase(this.#workload.generator, this.#options.operations);
    if (this.#workload.final !== undefined) await this.#phase(this.#workload.final, Number.POSITIVE_INFINITY);
    return new History(this.#events);
  }

  /** Operations take effect one after another, in random order; their answers arrive in random order, too. */
  async #phase(source: OpGenerator, most: number): Promise<void> {
    let generator = lift(source);
    const invoked: { thread: Thread; call: Call }[] = [];
    const answered: Underway[] = [];
    let started = 0;
    for (;;) {
      const context = this.#context(
        this.#threads.filter((t) => ![...invoked, ...answered].some((o) => o.thread === t)),
      );
      const random = this.#random.fork("turn").fork(this.#events.length).fork(invoked.length);
      const choice = random.below(3);
      const step = started < most ? generator.next(context) : ({ kind: "done" } as const);
      const over = step.kind === "done" && invoked.length + answered.length === 0;
      if (over) return;
      if (step.kind === "op" && (choice === 0 || invoked.length + answered.length === 0)) {
        started++;
        const { thread, call } = step;
        generator = step.rest.update(context, this.#record(thread, { type: "invoke", ...call }));
        invoked.push({ thread, call });
      } else if (invoked.length > 0 && (choice === 1 || answered.length === 0)) {
        const [next] = invoked.splice(random.below(invoked.length), 1);
        if (next !== undefined)
          answered.push({ ...next, outcome: await this.#effect(next.thread, next.call) });
      } else if (answered.length > 0) {
        const [next] = answered.splice(random.below(answered.length), 1);
        if (next !== undefined) generator = generator.update(context, this.#complete(next));
      }
    }
  }

  #context(free: readonly Thread[]) {
    return {
      time: this.#events.length,
      threads: this.#threads,
      free,
      process: (thread: Thread) => this.#processes[thread] as Process,
      thread: (process: Process) => process % this.#threads.length,
      random: this.#random.fork("generator").fork(this.#events.length),
    };
  }

  async #effect(thread: Thread, call: Call): Promise<Outcome> {
    const process = this.#processes[thread] as Process;
    const client = this.#workload.open(this.#api(), process, {} as Runtime);
    const handler = client.invoke[call.f];
    if (handler === undefined) throw new TypeError(`the client has no function ${call.f}`);
    return handler(call.value, { key: call.key, signal: new AbortController().signal });
  }

  #complete({ thread, call, outcome }: Underway): Op {
    if (outcome.type === "ok")
      return this.#record(thread, { type: "ok", f: call.f, value: outcome.value }, call.key);
    const event = this.#record(
      thread,
      { type: outcome.type, f: call.f, value: call.value, error: outcome.error },
      call.key,
    );
    if (outcome.type === "info")
      this.#processes[thread] = (this.#processes[thread] as Process) + this.#threads.length;
    return event;
  }

  #record(thread: Thread, fields: object, key?: string): Op {
    const event = {
      index: this.#events.length,
      time: this.#events.length,
      process: this.#processes[thread],
      node: "n1",
      ...(key === undefined ? {} : { key }),
      ...fields,
    } as Op;
    this.#events.push(event);
    return event;
  }

  #api(): KvApi {
    const random = this.#random.fork("loss").fork(this.#events.length);
    const lost = this.#options.lost ?? 0;
    return {
      request: async (request) => {
        const fate = random.next();
        if (fate < lost / 2) throw new ApiError("UNAVAILABLE", "request lost", false);
        const answer = this.#execute(request);
        if (fate < lost) throw new ApiError("UNAVAILABLE", "answer lost", false);
        return (this.#options.distort?.(request, answer) ?? answer) as never;
      },
      watch: () => {
        throw new TypeError("the single copy has no watches");
      },
      close: () => {},
    };
  }

  #execute(request: KvRequest): KvResponse {
    const { store } = this.#options;
    const response = this.#respond(request);
    if (response.kind === "error") throw new ApiError(response.code, response.message, true);
    const header = { clusterId: "1", memberId: "1", revision: store.revision, raftTerm: 1 };
    return { ...response, header };
  }

  #respond(request: KvRequest): RangeResponse | WriteResponse | StatusError {
    const { store } = this.#options;
    switch (request.kind) {
      case "range":
        return store.range(request);
      case "txn":
      case "put":
      case "delete-range":
      case "compact":
      case "lease-grant":
      case "lease-revoke":
        return store.apply(request).response as WriteResponse | StatusError;
      default:
        throw new TypeError(`the single copy does not serve ${request.kind}`);
    }
  }
}
