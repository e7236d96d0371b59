/** The client of the election workload, after etcd's client/v3/concurrency/election.go. */
import type { ElectionSignature, Leader, View } from "../checkers/election.ts";
import type { KvApi } from "../cluster/api.ts";
import type { KeyValue, RequestOp } from "../cluster/kv/request.ts";
import type { Client } from "../src/client.ts";
import type { Nanos, Outcome } from "../src/history/op.ts";
import type { Runtime } from "../src/runtime/runtime.ts";
import { grantKept } from "./kept-lease.ts";
import { listen } from "./listening.ts";
import { attemptRead, attemptWrite, ok } from "./outcome.ts";

const PREFIX = "election/";
/** The first key after all that start with the prefix. */
const PREFIX_END = "election0";

interface Office {
  readonly lease: string;
  readonly key: string;
  readonly term: number;
}

const NOT_LEADING = { type: "fail", error: "not leading" } as const;

export class ElectionClient implements Client<ElectionSignature> {
  readonly #api: KvApi;
  readonly #runtime: Runtime;
  readonly #patience: Nanos;
  #office: Office | undefined;

  constructor(api: KvApi, runtime: Runtime, patience: Nanos) {
    this.#api = api;
    this.#runtime = runtime;
    this.#patience = patience;
  }

  readonly invoke: Client<ElectionSignature>["invoke"] = {
    campaign: ({ ttl, value }) => attemptWrite(() => this.#campaign(ttl, value)),
    keepalive: async () => {
      const office = this.#office;
      if (office === undefined) return NOT_LEADING;
      return attemptRead(async () => {
        const { ttl } = await this.#api.request({ kind: "lease-keep-alive", id: office.lease });
        return ok({ ttl });
      });
    },
    proclaim: async ({ value }) => {
      const office = this.#office;
      if (office === undefined) return NOT_LEADING;
      return attemptWrite(async () =>
        ok(
          await this.#guarded(office, {
            kind: "put",
            key: office.key,
            value: String(value),
            lease: office.lease,
          }),
        ),
      );
    },
    resign: async () => {
      const office = this.#office;
      this.#office = undefined;
      if (office === undefined) return NOT_LEADING;
      return attemptWrite(async () => {
        const gone = await this.#guarded(office, { kind: "delete-range", key: office.key });
        await this.#api.request({ kind: "lease-revoke", id: office.lease }).catch(() => undefined);
        return ok(gone);
      });
    },
    observe: () =>
      attemptRead(async () => {
        const { kvs, header } = await this.#api.request({
          kind: "range",
          key: PREFIX,
          rangeEnd: PREFIX_END,
          sortTarget: "create",
          sortOrder: "ascend",
          limit: 1,
        });
        return ok({ revision: header.revision, leader: leaderOf(kvs) });
      }),
    follow: ({ lifetime }, { signal }) => this.#follow(lifetime, signal),
  };

  close(): void {
    this.#api.close();
  }

  /** One write, if the key of the office is still that of the term. */
  async #guarded({ key, term }: Office, write: RequestOp) {
    const { succeeded, header } = await this.#api.request({
      kind: "txn",
      compare: [{ key, target: "create", result: "equal", operand: term }],
      success: [write],
      failure: [],
    });
    return { accepted: succeeded, revision: header.revision };
  }

  async #campaign(ttl: number, value: number): Promise<Outcome<ElectionSignature["campaign"]["out"]>> {
    const api = this.#api;
    const deadline = this.#runtime.clock.monotonic() + this.#patience;
    const lease = await grantKept(api, this.#runtime, ttl);
    try {
      const key = `${PREFIX}${BigInt(lease.id).toString(16)}`;
      const { header } = await api.request({
        kind: "txn",
        compare: [{ key, target: "create", result: "equal", operand: 0 }],
        success: [{ kind: "put", key, value: String(value), lease: lease.id }],
        failure: [],
      });
      const term = header.revision;
      const revision = await this.#waitForTurn(term, deadline);
      if (revision === undefined) {
        // The lease takes the place in the queue with it; only its revocation makes the failure definite.
        await api.request({ kind: "lease-revoke", id: lease.id });
        return { type: "fail", error: "gave up waiting" };
      }
      this.#office = { lease: lease.id, key, term };
      return ok({ term, revision, ttl: lease.ttl, renewed: lease.renewed });
    } finally {
      lease.stop();
    }
  }

  /** Waits until no older candidate is left; the revision at which that was seen, or undefined if it took too long. */
  async #waitForTurn(term: number, deadline: Nanos): Promise<number | undefined> {
    for (;;) {
      const { kvs, header } = await this.#api.request({
        kind: "range",
        key: PREFIX,
        rangeEnd: PREFIX_END,
        maxCreateRevision: term - 1,
        sortTarget: "create",
        sortOrder: "descend",
        limit: 1,
      });
      const [ahead] = kvs;
      if (ahead === undefined) return header.revision;
      const left = deadline - this.#runtime.clock.monotonic();
      if (left <= 0) return undefined;
      await this.#deletion(ahead.key, header.revision + 1, left);
    }
  }

  /** Until the key is deleted, the watch ends, or the time is over. */
  #deletion(key: string, startRevision: number, most: Nanos): Promise<void> {
    return listen(this.#runtime, most, undefined, (stop) =>
      this.#api.watch(
        { key, startRevision, filters: ["no-put"] },
        {
          response: ({ events }) => {
            if (events.length > 0) stop();
          },
          ended: stop,
        },
      ),
    );
  }

  #follow(lifetime: Nanos, signal: AbortSignal): Promise<Outcome<ElectionSignature["follow"]["out"]>> {
    return attemptRead(async () => {
      const { kvs, header } = await this.#api.request({
        kind: "range",
        key: PREFIX,
        rangeEnd: PREFIX_END,
      });
      const candidates = new Map(kvs.map((kv) => [kv.key, kv]));
      const views: View[] = [{ revision: header.revision, leader: leaderOf([...candidates.values()]) }];
      await listen(this.#runtime, lifetime, signal, (stop) =>
        this.#api.watch(
          { key: PREFIX, rangeEnd: PREFIX_END, startRevision: header.revision + 1 },
          {
            response: ({ events }) => {
              for (const { type, kv } of events)
                if (type === "put") candidates.set(kv.key, kv);
                else candidates.delete(kv.key);
              const last = events.at(-1);
              if (last !== undefined)
                views.push({ revision: last.kv.modRevision, leader: leaderOf([...candidates.values()]) });
            },
            ended: stop,
          },
        ),
      );
      // What comes later is no longer listened to.
      return ok([...views]);
    });
  }
}

/** The oldest candidate. */
function leaderOf(candidates: readonly KeyValue[]): Leader {
  let oldest: KeyValue | undefined;
  for (const kv of candidates)
    if (oldest === undefined || kv.createRevision < oldest.createRevision) oldest = kv;
  if (oldest === undefined) return null;
  return { term: oldest.createRevision, value: Number(oldest.value), changed: oldest.modRevision };
}
