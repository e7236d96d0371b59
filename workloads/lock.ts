/**
 * Clients take turns with a lock that hangs on a lease, and count under it.
 *
 * A holder renews its lease at irregular times and sometimes sleeps longer than it lives, as a paused client
 * would; what may go wrong then, and what may not, is for the checker to tell.
 */
import { z } from "zod";
import { type LockSignature, mutualExclusionChecker } from "../checkers/mutual-exclusion.ts";
import type { KvApi } from "../cluster/api.ts";
import type { Compare } from "../cluster/kv/request.ts";
import type { Client } from "../src/client.ts";
import { concurrencyLimit, limit, once, phases, repeat, untilOk } from "../src/generator/combinators.ts";
import { eachThread } from "../src/generator/threads.ts";
import { delay, sleep, timeLimit } from "../src/generator/timing.ts";
import type { Call, Nanos, Outcome } from "../src/history/op.ts";
import { MILLISECOND, type Runtime, SECOND } from "../src/runtime/runtime.ts";
import { untyped, type WorkloadFactory } from "../src/workload.ts";
import { grantKept } from "./kept-lease.ts";
import { parseOptions } from "./options.ts";
import { attemptRead, attemptWrite, ok } from "./outcome.ts";
import { patience } from "./patience.ts";
import { type Behaviour, stateful } from "./stateful.ts";

const Options = z.strictObject({
  /** Seconds a lease lives without renewal. */
  ttl: z.number().int().min(1).max(3_600).default(2),
  /** A client gives up waiting for the lock after this time, and after three quarters of the plan's timeout. */
  patienceMs: z.number().positive().max(3_600_000).default(3_000),
  /** Most steps (increments and renewals) of one hold. */
  steps: z.number().int().min(1).max(1_000).default(4),
  /** Share of the increments between whose read and write the owner pauses, for up to a ttl. */
  pauses: z.number().min(0).max(1).default(0.05),
  /**
   * What makes sure that only the owner writes: a condition of the write itself (the fencing token), a look at the
   * lock before it, or nothing. Only the first is enough.
   */
  guard: z.enum(["fence", "check", "none"]).default("fence"),
  /** Whether the lock hangs on a lease. If not, it is a key that stays until its owner deletes it. */
  leased: z.boolean().default(true),
  /** Most that servers' clocks may deviate over one ttl; see the checker. */
  clockSlackMs: z.number().min(0).max(3_600_000).default(500),
});

type Options = z.infer<typeof Options>;

const LOCK = "lock/name";
/** The ownership key of a lock without a lease. */
const OWNER = "lock/owner";
/** How often a client looks whether that key is gone. */
const POLL: Nanos = 100 * MILLISECOND;
const COUNTER = "lock/counter";
const READ: Call<LockSignature> = { f: "read", value: null };
const RELEASE: Call<LockSignature> = { f: "release", value: null };
/** How long one client tries to get the lock in the end: longer than a cluster may take to recover. */
const BLOCKED: Nanos = 120 * SECOND;

/** What one thread is about to do. */
type Turn =
  | { readonly holding: false }
  | { readonly holding: true; readonly left: number /** Not before. */; readonly due: Nanos };

export const lock: WorkloadFactory<KvApi> = {
  name: "lock",
  summary: "takes turns with a lock on a lease: never two holders, growing tokens, no lost update",
  create({ options, timeout }) {
    const parsed = parseOptions("lock", Options, options);
    const { ttl } = parsed;
    const clockSlack = Math.round(parsed.clockSlackMs * MILLISECOND);
    const acquire: Call<LockSignature> = { f: "acquire", value: { ttl } };
    return untyped<LockSignature, KvApi>({
      name: "lock",
      generator: eachThread(stateful<LockSignature, Turn>({ holding: false }, turns(parsed))),
      // Whatever became of its owners, somebody can have the lock again, and let go of it.
      final: phases<LockSignature>(
        eachThread(once(RELEASE)),
        sleep(ttl * SECOND),
        concurrencyLimit(1, untilOk(timeLimit(BLOCKED, delay(SECOND, repeat(acquire))))),
        eachThread(once(RELEASE)),
        eachThread(untilOk(limit(10, repeat(READ)))),
      ),
      checkers: [mutualExclusionChecker({ clockSlack })],
      open: (api, _process, runtime) =>
        new LockClient(api, runtime, patience(parsed.patienceMs, timeout), parsed),
    });
  },
};

function turns({ ttl, steps, pauses, leased }: Options): Behaviour<LockSignature, Turn> {
  return {
    draw(turn, _thread, random, { time }) {
      if (!turn.holding) return { call: { f: "acquire", value: { ttl } }, memory: turn };
      if (time < turn.due) return { until: turn.due };
      if (turn.left === 0) return { call: RELEASE, memory: { holding: false } };
      const memory = { ...turn, left: turn.left - 1 };
      if (leased && random.chance(0.5)) return { call: { f: "keepalive", value: null }, memory };
      const think = random.chance(pauses) ? random.below(ttl * SECOND) : random.below(50 * MILLISECOND);
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
  /** Undefined for a lock without one. */
  readonly lease: string | undefined;
  readonly ownership: string;
  readonly fence: number;
}

/** Holds of a transaction if the lock is still that of `held`. */
function stillOwns({ ownership, fence }: Held): Compare {
  return { key: ownership, target: "create", result: "equal", operand: fence };
}

/** The counter before an increment; if its owner has found the lock lost, the revision at which. */
type Look = { readonly before: number; readonly lost: number | null };

class LockClient implements Client<LockSignature> {
  readonly #api: KvApi;
  readonly #runtime: Runtime;
  readonly #patience: Nanos;
  readonly #guard: Options["guard"];
  readonly #leased: boolean;
  #held: Held | undefined;
  #closed = false;

  constructor(api: KvApi, runtime: Runtime, patience: Nanos, { guard, leased }: Options) {
    this.#api = api;
    this.#runtime = runtime;
    this.#patience = patience;
    this.#guard = guard;
    this.#leased = leased;
  }

  readonly invoke: Client<LockSignature>["invoke"] = {
    acquire: ({ ttl }) => attemptWrite(() => (this.#leased ? this.#acquire(ttl) : this.#seize(ttl))),
    keepalive: async () => {
      const lease = this.#held?.lease;
      if (lease === undefined) return NOT_HOLDING;
      return attemptRead(async () => {
        const { ttl } = await this.#api.request({ kind: "lease-keep-alive", id: lease });
        return ok({ ttl });
      });
    },
    increment: ({ think }) => this.#increment(think),
    release: async () => {
      const held = this.#held;
      this.#held = undefined;
      if (held === undefined) return NOT_HOLDING;
      return attemptWrite(async () => {
        await this.#release(held);
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
      if (ownership === undefined) return await this.#giveUp(lease.id, GAVE_UP);
      const { kvs } = await api.request({ kind: "range", key: ownership });
      const fence = kvs[0]?.createRevision;
      if (fence === undefined) return await this.#giveUp(lease.id, "the ownership was gone at once");
      this.#held = { lease: lease.id, ownership, fence };
      return ok({ lease: lease.id, ownership, fence, ttl: lease.ttl, renewed: lease.renewed });
    } finally {
      lease.stop();
    }
  }

  /** Puts the ownership key as soon as there is none: whoever does so has the lock, for as long as it likes. */
  async #seize(ttl: number): Promise<Outcome<LockSignature["acquire"]["out"]>> {
    const { monotonic } = this.#runtime.clock;
    for (const deadline = monotonic() + this.#patience; monotonic() < deadline; await this.#sleep(POLL)) {
      const { succeeded, header } = await this.#api.request({
        kind: "txn",
        compare: [{ key: OWNER, target: "create", result: "equal", operand: 0 }],
        success: [{ kind: "put", key: OWNER, value: "" }],
        failure: [],
      });
      if (!succeeded) continue;
      this.#held = { lease: undefined, ownership: OWNER, fence: header.revision };
      return ok({ lease: "0", ownership: OWNER, fence: header.revision, ttl, renewed: 0 });
    }
    return { type: "fail", error: GAVE_UP };
  }

  async #release(held: Held): Promise<void> {
    const { lease, ownership: key } = held;
    if (lease === undefined) {
      const success = [{ kind: "delete-range", key }] as const;
      await this.#api.request({ kind: "txn", compare: [stillOwns(held)], success, failure: [] });
    } else {
      await this.#api.request({ kind: "unlock", key });
      await this.#api.request({ kind: "lease-revoke", id: lease });
    }
  }

  #sleep(time: Nanos): Promise<void> {
    return new Promise((resolve) => this.#runtime.timer(time, resolve));
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
    const looked = await attemptRead(async () => {
      const before = await this.#count();
      if (this.#guard !== "check") return ok<Look>({ before, lost: null });
      const { kvs, header } = await this.#api.request({ kind: "range", key: held.ownership });
      return ok<Look>({ before, lost: kvs[0]?.createRevision === held.fence ? null : header.revision });
    });
    if (looked.type !== "ok") return looked;
    const { before, lost } = looked.value;
    if (lost !== null) return ok({ before, written: false, revision: lost });
    await this.#sleep(think);
    if (this.#closed) return { type: "fail", error: "closed before writing" };
    return attemptWrite(async () => {
      const { succeeded, header } = await this.#api.request({
        kind: "txn",
        compare: this.#guard === "fence" ? [stillOwns(held)] : [],
        success: [{ kind: "put", key: COUNTER, value: String(before + 1) }],
        failure: [],
      });
      return ok({ before, written: succeeded, revision: header.revision });
    });
  }

  async #count(): Promise<number> {
    const { kvs } = await this.#api.request({ kind: "range", key: COUNTER });
    return Number(kvs[0]?.value ?? 0);
  }
}

const GAVE_UP = "gave up waiting";
const NOT_HOLDING = { type: "fail", error: "not holding the lock" } as const;
