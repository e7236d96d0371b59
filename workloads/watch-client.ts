/** The client of the watch workload: writes, and watches that are written down response by response. */

import type {
  Change,
  ObservedEvent,
  ObservedResponse,
  ObservedVersion,
  WatchRequest,
  WatchSignature,
} from "../checkers/watch-signature.ts";
import type { KvApi, Watch, WatchResponse } from "../cluster/api.ts";
import type { KeyValue, RequestOp, WatchEvent } from "../cluster/kv/request.ts";
import type { Client } from "../src/client.ts";
import type { Nanos, Outcome } from "../src/history/op.ts";
import type { Runtime, Timer } from "../src/runtime/runtime.ts";
import { attemptRead, attemptWrite, ok } from "./outcome.ts";

type WatchIn = WatchSignature["watch"]["in"];
type WatchOut = WatchSignature["watch"]["out"];

export class WatchClient implements Client<WatchSignature> {
  readonly #api: KvApi;
  readonly #runtime: Runtime;
  /** Watches of the operation under way, or kept open by the last one. */
  #open: readonly RecordedWatch[] = [];

  constructor(api: KvApi, runtime: Runtime) {
    this.#api = api;
    this.#runtime = runtime;
  }

  readonly invoke: Client<WatchSignature>["invoke"] = {
    put: ({ key, value }) =>
      attemptWrite(async () => {
        const { header } = await this.#api.request({ kind: "put", key, value });
        return ok({ revision: header.revision });
      }),
    delete: ({ key, end }) =>
      attemptWrite(async () => {
        const { header, prevKvs } = await this.#api.request({
          kind: "delete-range",
          key,
          rangeEnd: end,
          prevKv: true,
        });
        return ok({ revision: header.revision, deleted: prevKvs.map((kv) => kv.key) });
      }),
    txn: ({ changes }) =>
      attemptWrite(async () => {
        const { header, responses } = await this.#api.request({
          kind: "txn",
          compare: [],
          success: changes.map(operation),
          failure: [],
        });
        const deleted: string[] = [];
        for (const response of responses)
          if (response.kind === "delete-range") for (const kv of response.prevKvs) deleted.push(kv.key);
        return ok({ revision: header.revision, deleted });
      }),
    compact: ({ revision }) =>
      attemptWrite(async () => {
        await this.#api.request({ kind: "compact", revision });
        return ok({ revision });
      }),
    read: () =>
      attemptRead(async () => {
        const { header } = await this.#api.request({
          kind: "range",
          key: "\0",
          rangeEnd: "\0",
          countOnly: true,
        });
        return ok({ revision: header.revision });
      }),
    watch: (request, { signal }) => this.#watch(request, signal),
  };

  close(): void {
    this.#stop();
    this.#api.close();
  }

  #watch(request: WatchIn, signal: AbortSignal): Promise<Outcome<WatchOut>> {
    if (!request.continues) {
      this.#stop();
      this.#open = request.watches.map(() => new RecordedWatch(this.#runtime));
    } else if (this.#open.length === 0) return Promise.resolve({ type: "fail", error: "no watch is open" });
    return new Promise((resolve) => {
      const abort = (): void => recording.end();
      const recording = new Recording(this.#runtime, this.#open, request, (outcome) => {
        signal.removeEventListener("abort", abort);
        if (!request.keep) this.#stop();
        resolve(outcome);
      });
      signal.addEventListener("abort", abort);
      if (request.continues) return;
      for (const [i, watch] of this.#open.entries())
        watch.open(this.#api, request.watches[i] as WatchRequest);
    });
  }

  #stop(): void {
    for (const watch of this.#open) watch.stop();
    this.#open = [];
  }
}

function operation(change: Change): RequestOp {
  return change.type === "put"
    ? { kind: "put", key: change.key, value: change.value }
    : { kind: "delete-range", key: change.key, prevKv: true };
}

/** One operation: listens to its watches until its time is over or there is nothing left to wait for. */
class Recording {
  readonly #began: Nanos;
  readonly #watches: readonly RecordedWatch[];
  readonly #request: WatchIn;
  readonly #resolve: (outcome: Outcome<WatchOut>) => void;
  readonly #timers: Timer[] = [];
  #ended = false;

  constructor(
    runtime: Runtime,
    watches: readonly RecordedWatch[],
    request: WatchIn,
    resolve: (outcome: Outcome<WatchOut>) => void,
  ) {
    this.#began = runtime.clock.monotonic();
    this.#watches = watches;
    this.#request = request;
    this.#resolve = resolve;
    this.#timers.push(runtime.timer(request.lifetime, () => this.end()));
    for (const at of request.ask)
      this.#timers.push(
        runtime.timer(at, () => {
          for (const watch of watches) watch.askForProgress();
        }),
      );
    for (const watch of watches) watch.changed = () => this.#check();
  }

  #check(): void {
    const { until } = this.#request;
    const done = (watch: RecordedWatch) => watch.ended !== "" || (until > 0 && watch.reached >= until);
    if (this.#watches.every(done)) this.end();
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const timer of this.#timers) timer.cancel();
    const watches = this.#watches.map((watch) => ({
      responses: watch.take(this.#began),
      ended: watch.ended,
    }));
    const silent = watches.every(({ responses }) => responses.length === 0);
    // What was open before has been heard of; a watch that was never answered was never made.
    this.#resolve(
      silent && !this.#request.continues
        ? { type: "fail", error: `no response ${watches[0]?.ended ?? ""}` }
        : ok({ watches }),
    );
  }
}

class RecordedWatch {
  readonly #runtime: Runtime;
  /** Not yet taken, with the time of arrival. */
  #responses: { readonly time: Nanos; readonly response: WatchResponse }[] = [];
  #watch: Watch | undefined;
  /** All changes up to this revision have been delivered. */
  reached = 0;
  /** Why it ended; "" while it has not. */
  ended = "";
  /** Called after each response and at the end. */
  changed: () => void = () => undefined;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  open(api: KvApi, request: WatchRequest): void {
    this.#watch = api.watch(
      {
        key: request.key,
        rangeEnd: request.end,
        startRevision: request.start,
        prevKv: request.previous,
        progressNotify: request.progress,
        fragment: request.fragment,
        filters: request.filters,
      },
      {
        response: (response) => this.#hear(response),
        ended: (reason) => this.#end(reason),
      },
    );
  }

  askForProgress(): void {
    if (this.ended === "") this.#watch?.requestProgress();
  }

  /** What arrived since the last time, by its time since `began`. */
  take(began: Nanos): readonly ObservedResponse[] {
    const taken = this.#responses;
    this.#responses = [];
    return taken.map(({ time, response }) => observe(response, time - began));
  }

  /** Ends it from this side. */
  stop(): void {
    if (this.ended !== "") return;
    this.ended = "stopped";
    this.#watch?.cancel();
  }

  #hear(response: WatchResponse): void {
    if (this.ended !== "") return;
    this.#responses.push({ time: this.#runtime.clock.monotonic(), response });
    const last = response.events.at(-1)?.kv.modRevision ?? 0;
    if (response.kind === "progress") this.reached = Math.max(this.reached, response.header.revision);
    if (response.kind === "events" && !response.fragment) this.reached = Math.max(this.reached, last);
    if (response.kind === "canceled") this.#end(response.cancelReason || "compacted");
    else this.changed();
  }

  #end(reason: string): void {
    if (this.ended !== "") return;
    this.ended = reason || "ended";
    this.changed();
  }
}

function observe(response: WatchResponse, at: Nanos): ObservedResponse {
  return {
    kind: response.kind,
    at,
    revision: response.header.revision,
    events: response.events.map(observeEvent),
    fragment: response.fragment,
    compactRevision: response.compactRevision,
  };
}

function observeEvent({ type, kv, prevKv }: WatchEvent): ObservedEvent {
  const event = { type, key: kv.key, ...observeVersion(kv) };
  return prevKv === undefined ? event : { ...event, previous: observeVersion(prevKv) };
}

function observeVersion(kv: KeyValue): ObservedVersion {
  return { value: kv.value, created: kv.createRevision, revision: kv.modRevision, version: kv.version };
}
