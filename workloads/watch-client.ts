/** The client of the watch workload: writes, and watches that are written down response by response. */

import type {
  Change,
  ObservedEvent,
  ObservedResponse,
  ObservedVersion,
  WatchRequest,
  WatchSignature,
} from "../checkers/watch-log.ts";
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
    watch: (request, { signal }) =>
      new Promise((resolve) => {
        const abort = (): void => recording.end();
        const recording = new Recording(this.#api, this.#runtime, request, (outcome) => {
          signal.removeEventListener("abort", abort);
          resolve(outcome);
        });
        signal.addEventListener("abort", abort);
      }),
  };

  close(): void {
    this.#api.close();
  }
}

function operation(change: Change): RequestOp {
  return change.type === "put"
    ? { kind: "put", key: change.key, value: change.value }
    : { kind: "delete-range", key: change.key, prevKv: true };
}

/** All watches of one operation, from their creation to the end of the last, or of their time. */
class Recording {
  readonly #runtime: Runtime;
  readonly #began: Nanos;
  readonly #until: number;
  readonly #resolve: (outcome: Outcome<WatchOut>) => void;
  readonly #watches: readonly RecordedWatch[];
  readonly #timers: Timer[] = [];
  #ended = false;

  constructor(api: KvApi, runtime: Runtime, request: WatchIn, resolve: (outcome: Outcome<WatchOut>) => void) {
    this.#runtime = runtime;
    this.#began = runtime.clock.monotonic();
    this.#until = request.until;
    this.#resolve = resolve;
    this.#timers.push(runtime.timer(request.lifetime, () => this.end()));
    for (const at of request.ask)
      this.#timers.push(
        runtime.timer(at, () => {
          for (const watch of this.#watches) watch.askForProgress();
        }),
      );
    // A node may answer at once, hence all must be there before the first is opened.
    this.#watches = request.watches.map(() => new RecordedWatch());
    for (const [i, watch] of this.#watches.entries())
      watch.open(
        api,
        request.watches[i] as WatchRequest,
        () => this.#check(),
        () => this.#now(),
      );
  }

  #now(): Nanos {
    return this.#runtime.clock.monotonic() - this.#began;
  }

  /** Ends when there is nothing left to wait for. */
  #check(): void {
    const until = this.#until;
    if (this.#watches.every((watch) => watch.ended !== "" || (until > 0 && watch.reached >= until)))
      this.end();
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const timer of this.#timers) timer.cancel();
    for (const watch of this.#watches) watch.stop();
    const silent = this.#watches.every((watch) => watch.responses.length === 0);
    const watches = this.#watches.map(({ responses, ended }) => ({ responses, ended }));
    const [first] = watches;
    this.#resolve(
      silent ? { type: "fail", error: `no response: ${first?.ended ?? "no watch"}` } : ok({ watches }),
    );
  }
}

class RecordedWatch {
  readonly responses: ObservedResponse[] = [];
  /** All changes up to this revision have been delivered. */
  reached = 0;
  /** Why it ended; "" while it has not. */
  ended = "";
  #watch: Watch | undefined;

  open(api: KvApi, request: WatchRequest, changed: () => void, now: () => Nanos): void {
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
        response: (response) => {
          if (this.ended !== "") return;
          this.responses.push(observe(response, now()));
          const last = response.events.at(-1)?.kv.modRevision ?? 0;
          if (response.kind === "progress") this.reached = Math.max(this.reached, response.header.revision);
          if (response.kind === "events" && !response.fragment) this.reached = Math.max(this.reached, last);
          if (response.kind === "canceled")
            this.#end(response.cancelReason === "" ? "canceled" : response.cancelReason, changed);
          else changed();
        },
        ended: (reason) => this.#end(reason === "" ? "ended" : reason, changed),
      },
    );
    if (this.ended !== "") this.#watch.cancel();
  }

  askForProgress(): void {
    if (this.ended === "") this.#watch?.requestProgress();
  }

  /** Ends it from this side. */
  stop(): void {
    if (this.ended !== "") return;
    this.ended = "lifetime over";
    this.#watch?.cancel();
  }

  #end(reason: string, changed: () => void): void {
    if (this.ended !== "") return;
    this.ended = reason;
    changed();
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
