/**
 * Clients take turns with a lock that hangs on a lease, and count under it.
 *
 * A holder renews its lease at irregular times and sometimes sleeps longer than it lives, as a paused client
 * would; what may go wrong then, and what may not, is for the checker to tell.
 */
import { z } from "zod";
import { type LockSignature, mutualExclusionChecker } from "../checkers/mutual-exclusion.ts";
import type { KvApi } from "../cluster/api.ts";
import type { Client } from "../src/client.ts";
import { limit, repeat, untilOk } from "../src/generator/combinators.ts";
import { eachThread } from "../src/generator/threads.ts";
import type { Call, Nanos, Outcome } from "../src/history/op.ts";
import { MILLISECOND, type Runtime, SECOND } from "../src/runtime/runtime.ts";
import { untyped, type WorkloadFactory } from "../src/workload.ts";
import { grantKept } from "./kept-lease.ts";
import { parseOptions } from "./options.ts";
import { attemptRead, attemptWrite, ok } from "./outcome.ts";
import { type Behaviour, stateful } from "./stateful.ts";

const Options = z.strictObject({
  /** Seconds a lease lives without renewal. */
  ttl: z.number().int().min(1).max(3_600).default(2),
  /** A client gives up waiting for the lock after this time; keep it below the plan's timeout. */
  patienceMs: z.number().positive().max(3_600_000).default(3_000),
  /** Most steps (increments and renewals) of one hold. */
  steps: z.number().int().min(1).max(1_000).default(4),
  /** Most that servers' clocks may deviate over one ttl; see the checker. */
  clockSlackMs: z.number().min(0).max(3_600_000).default(500),
});

const LOCK = "lock/name";
const COUNTER = "lock/counter";
const READ: Call<LockSignature> = { f: "read", value: null };

/** What one thread is about to do. */
type Turn =
  | { readonly holding: false }
  | { readonly holding: true; readonly left: number /** Not before. */; readonly due: Nanos };

export const lock: WorkloadFactory<KvApi> = {
  name: "lock",
  summary: "takes turns with a lock on a lease: never two holders, growing tokens, no lost update",
  create({ options }) {
    const { ttl, patienceMs, steps, clockSlackMs } = parseOptions("lock", Options, options);
    const clockSlack = Math.round(clockSlackMs * MILLISECOND);
    const patience = Math.round(patienceMs * MILLISECOND);
    return untyped<LockSignature, KvApi>({
      name: "lock",
      generator: eachThread(stateful<LockSignature, Turn>({ holding: false }, turns(ttl, steps))),
      final: eachThread(untilOk(limit(10, repeat(READ)))),
      checkers: [mutualExclusionChecker({ clockSlack })],
      open: (api, _process, runtime) => new LockClient(api, runtime, patience),
    });
  },
};

function turns(ttl: number, steps: number): Behaviour<LockSignature, Turn> {
  return {
    draw(turn, _thread, random, { time }) {
      if (!turn.holding) return { call: { f: "acquire", value: { ttl } }, memory: turn };
      if (time < turn.due) return { until: turn.due };
      if (turn.left === 0) return { call: { f: "release", value: null }, memory: { holding: false } };
      const memory = { ...turn, left: turn.left - 1 };
      if (random.chance(0.5)) return { call: { f: "keepalive", value: null }, memory };
      const think = random.chance(0.05) ? random.below(ttl * SECOND) : random.below(50 * MILLISECOND);
      return { call: { f: "increment", value: { think } }, memory };
    },
    learn(turn, event, { time, random }) {
      if (event.type === "invoke") return turn;
      if (event.type === "info") return { holding: false };
      const draw = random.fork("pause");
      // Mostly well inside the lease; now and then past its end.
      const pause = draw.chance(0.03) ? 2 * ttl * SECOND : 100 * MILLISECOND;
      const due = time + draw.below(pause);
      if (event.f === "acquire" && event.type === "ok")
        return { holding: true, left: draw.between(1, steps), due };
      return turn.holding ? { ...turn, due } : turn;
    },
  };
}

interface Held {
  readonly lease: string;
  readonly ownership: string;
  readonly fence: number;
}

class LockClient implements Client<LockSignature> {
  readonly #api: KvApi;
  readonly #runtime: Runtime;
  readonly #patience: Nanos;
  #held: Held | undefined;
  #closed = false;

  constructor(api: KvApi, runtime: Runtime, patience: Nanos) {
    this.#api = api;
    this.#runtime = runtime;
    this.#patience = patience;
  }

  readonly invoke: Client<LockSignature>["invoke"] = {
    acquire: ({ ttl }) => attemptWrite(() => this.#acquire(ttl)),
    keepalive: async () => {
      const held = this.#held;
      if (held === undefined) return NOT_HOLDING;
      return attemptRead(async () => {
        const { ttl } = await this.#api.request({ kind: "lease-keep-alive", id: held.lease });
        return ok({ ttl });
      });
    },
    increment: ({ think }) => this.#increment(think),
    release: async () => {
      const held = this.#held;
      this.#held = undefined;
      if (held === undefined) return NOT_HOLDING;
      return attemptWrite(async () => {
        await this.#api.request({ kind: "unlock", key: held.ownership });
        await this.#api.request({ kind: "lease-revoke", id: held.lease });
        return ok(null);
      });
    },
    read: () => attemptRead(async () => ok(await this.#count())),
  };

  close(): void {
    this.#closed = true;
    this.#api.close();
  }

  async #acquire(ttl: number): Promise<Outcome<LockSignature["acquire"]["out"]>> {
    const api = this.#api;
    const lease = await grantKept(api, this.#runtime, ttl);
    try {
      const ownership = await this.#waitForLock(lease.id);
      if (ownership === undefined) return await this.#giveUp(lease.id, "gave up waiting");
      const { kvs } = await api.request({ kind: "range", key: ownership });
      const fence = kvs[0]?.createRevision;
      if (fence === undefined) return await this.#giveUp(lease.id, "the ownership was gone at once");
      this.#held = { lease: lease.id, ownership, fence };
      return ok({ lease: lease.id, ownership, fence, ttl: lease.ttl, renewed: lease.renewed });
    } finally {
      lease.stop();
    }
  }

  /** The ownership key; undefined once patience has run out. */
  #waitForLock(lease: string): Promise<string | undefined> {
    return new Promise((resolve, reject) => {
      const patience = this.#runtime.timer(this.#patience, () => resolve(undefined));
      this.#api.request({ kind: "lock", name: LOCK, lease }).then(
        ({ key }) => {
          patience.cancel();
          resolve(key);
        },
        (error: unknown) => {
          patience.cancel();
          reject(error);
        },
      );
    });
  }

  /** The lease takes the place in the queue with it; only its revocation makes the failure definite. */
  async #giveUp(lease: string, error: string): Promise<Outcome<never>> {
    await this.#api.request({ kind: "lease-revoke", id: lease });
    return { type: "fail", error };
  }

  async #increment(think: Nanos): Promise<Outcome<LockSignature["increment"]["out"]>> {
    const held = this.#held;
    if (held === undefined) return NOT_HOLDING;
    const before = await attemptRead(async () => ok(await this.#count()));
    if (before.type !== "ok") return before;
    await new Promise<void>((resolve) => this.#runtime.timer(think, resolve));
    if (this.#closed) return { type: "fail", error: "closed before writing" };
    return attemptWrite(async () => {
      const { succeeded, header } = await this.#api.request({
        kind: "txn",
        compare: [{ key: held.ownership, target: "create", result: "equal", operand: held.fence }],
        success: [{ kind: "put", key: COUNTER, value: String(before.value + 1) }],
        failure: [],
      });
      return ok({ before: before.value, written: succeeded, revision: header.revision });
    });
  }

  async #count(): Promise<number> {
    const { kvs } = await this.#api.request({ kind: "range", key: COUNTER });
    return Number(kvs[0]?.value ?? 0);
  }
}

const NOT_HOLDING = { type: "fail", error: "not holding the lock" } as const;
