/**
 * Half of the threads are instances of a service: they register under a lease, renew it for a while, then leave in
 * order or without a word. The others discover them: by lists, and by following the changes with a watch.
 */
import { z } from "zod";
import { type EntryChange, type RegistrySignature, registryChecker } from "../checkers/registry.ts";
import type { KvApi } from "../cluster/api.ts";
import type { Client } from "../src/client.ts";
import { concat, limit, repeat, untilOk } from "../src/generator/combinators.ts";
import { eachThread } from "../src/generator/threads.ts";
import { sleep } from "../src/generator/timing.ts";
import type { Nanos, Outcome } from "../src/history/op.ts";
import { MILLISECOND, type Runtime, SECOND } from "../src/runtime/runtime.ts";
import { untyped, type WorkloadFactory } from "../src/workload.ts";
import { listen } from "./listening.ts";
import { parseOptions } from "./options.ts";
import { attemptRead, attemptWrite, ok } from "./outcome.ts";
import { type Behaviour, stateful } from "./stateful.ts";

const Options = z
  .strictObject({
    /** Seconds; each entry draws its ttl between the two. */
    minTtl: z.number().int().min(1).max(3_600).default(1),
    maxTtl: z.number().int().min(1).max(3_600).default(5),
    /** Most renewals of one entry. */
    renewals: z.number().int().min(0).max(1_000).default(6),
    /** Share of the instances that leave without a word. */
    crashes: z.number().min(0).max(1).default(0.5),
    /** Whether an entry hangs on a lease. If not, it stays until its instance deletes it. */
    leased: z.boolean().default(true),
    /** Longest time that one operation follows; keep it below the plan's timeout. */
    maxLifetimeMs: z.number().positive().max(3_600_000).default(900),
    /** Most that servers' clocks may deviate over one ttl; see the checker. */
    clockSlackMs: z.number().min(0).max(3_600_000).default(500),
    /** In peace, an entry must be gone this long after its ttl. */
    expirySlackMs: z.number().min(0).max(3_600_000).default(10_000),
  })
  .refine(({ minTtl, maxTtl }) => minTtl <= maxTtl, { path: ["minTtl"], message: "is greater than maxTtl" });
type Options = z.infer<typeof Options>;

const PREFIX = "registry/";
/** The first key after all that start with the prefix. */
const PREFIX_END = "registry0";

/** What one thread is about to do. Its ids are its own number plus multiples of the concurrency. */
type Instance = {
  readonly made: number;
  /** Renewals left; undefined for who has no entry. */
  readonly left: number | undefined;
  /** Not before. */
  readonly due: Nanos;
};

export const registry: WorkloadFactory<KvApi> = {
  name: "registry",
  summary: "registers instances of a service under leases and discovers them: none vanishes, none lingers",
  create({ options, concurrency }) {
    const parsed = parseOptions("registry", Options, options);
    const clockSlack = Math.round(parsed.clockSlackMs * MILLISECOND);
    const expirySlack = Math.round(parsed.expirySlackMs * MILLISECOND);
    const idle: Instance = { made: 0, left: undefined, due: 0 };
    return untyped<RegistrySignature, KvApi>({
      name: "registry",
      generator: eachThread(stateful<RegistrySignature, Instance>(idle, traffic(parsed, concurrency))),
      final: concat<RegistrySignature>(
        sleep(parsed.maxTtl * SECOND + expirySlack + clockSlack),
        eachThread(untilOk(limit(10, repeat({ f: "list", value: { settled: true } })))),
      ),
      checkers: [registryChecker({ clockSlack, expirySlack })],
      open: (api, _process, runtime) => new RegistryClient(api, runtime, parsed.leased),
    });
  },
};

function traffic(options: Options, concurrency: number): Behaviour<RegistrySignature, Instance> {
  const { minTtl, maxTtl, crashes, leased, maxLifetimeMs } = options;
  const renewals = leased ? options.renewals : 0;
  return {
    draw(instance, thread, random, { time }) {
      if (time < instance.due) return { until: instance.due };
      const { made, left } = instance;
      const serves = concurrency === 1 ? random.chance(0.5) : thread % 2 === 0;
      if (!serves && left === undefined) {
        if (random.chance(0.6)) return { call: { f: "list", value: { settled: false } }, memory: instance };
        const lifetime = Math.round(random.next() * maxLifetimeMs * MILLISECOND);
        return { call: { f: "follow", value: { lifetime } }, memory: instance };
      }
      // Who crashed comes back as another instance.
      if (left === undefined || (left === 0 && random.chance(crashes))) {
        const value = { id: thread + made * concurrency, ttl: random.between(minTtl, maxTtl) };
        const memory = { ...instance, made: made + 1, left: random.between(0, renewals) };
        return { call: { f: "register", value }, memory };
      }
      if (left === 0)
        return { call: { f: "deregister", value: null }, memory: { ...instance, left: undefined } };
      return { call: { f: "keepalive", value: null }, memory: { ...instance, left: left - 1 } };
    },
    learn(instance, event, { time, random }) {
      if (event.type === "invoke") return instance;
      const failed = event.type === "info" || (event.f === "register" && event.type === "fail");
      if (failed) return { ...instance, left: undefined };
      if (instance.left === undefined) return instance;
      return { ...instance, due: time + random.fork("pause").below(minTtl * 0.6 * SECOND) };
    },
  };
}

interface Entry {
  readonly key: string;
  readonly lease: string | undefined;
}

class RegistryClient implements Client<RegistrySignature> {
  readonly #api: KvApi;
  readonly #runtime: Runtime;
  readonly #leased: boolean;
  #entry: Entry | undefined;

  constructor(api: KvApi, runtime: Runtime, leased: boolean) {
    this.#api = api;
    this.#runtime = runtime;
    this.#leased = leased;
  }

  readonly invoke: Client<RegistrySignature>["invoke"] = {
    register: ({ id, ttl: asked }) => {
      this.#entry = undefined;
      const key = PREFIX + id;
      return attemptWrite(async () => {
        const { id: lease, ttl } = this.#leased
          ? await this.#api.request({ kind: "lease-grant", id: "0", ttl: asked })
          : { id: undefined, ttl: asked };
        const hung = lease === undefined ? {} : { lease };
        const { header } = await this.#api.request({ kind: "put", key, value: "", ...hung });
        this.#entry = { key, lease };
        return ok({ revision: header.revision, ttl, term: header.raftTerm });
      });
    },
    // Renewing is no read: an answer that got lost may have prolonged the lease.
    keepalive: async () => {
      const lease = this.#entry?.lease;
      if (lease === undefined) return NOT_REGISTERED;
      return attemptWrite(async () => {
        const { ttl } = await this.#api.request({ kind: "lease-keep-alive", id: lease });
        return ok({ ttl });
      });
    },
    deregister: async () => {
      const entry = this.#entry;
      this.#entry = undefined;
      if (entry === undefined) return NOT_REGISTERED;
      return attemptWrite(async () => {
        const { header } = await (entry.lease === undefined
          ? this.#api.request({ kind: "delete-range", key: entry.key })
          : this.#api.request({ kind: "lease-revoke", id: entry.lease }));
        return ok({ revision: header.revision });
      });
    },
    list: () =>
      attemptRead(async () => {
        const { kvs, header } = await this.#look();
        return ok({
          revision: header.revision,
          term: header.raftTerm,
          ids: kvs.map(({ key }) => idOf(key)),
        });
      }),
    follow: ({ lifetime }, { signal }) => this.#follow(lifetime, signal),
  };

  close(): void {
    this.#api.close();
  }

  #look() {
    return this.#api.request({ kind: "range", key: PREFIX, rangeEnd: PREFIX_END });
  }

  #follow(lifetime: Nanos, signal: AbortSignal): Promise<Outcome<RegistrySignature["follow"]["out"]>> {
    return attemptRead(async () => {
      const { kvs, header } = await this.#look();
      const { revision } = header;
      const changes: EntryChange[] = [];
      await listen(this.#runtime, lifetime, signal, (stop) =>
        this.#api.watch(
          { key: PREFIX, rangeEnd: PREFIX_END, startRevision: revision + 1 },
          {
            response: ({ events }) => {
              for (const { type, kv } of events)
                changes.push({ revision: kv.modRevision, id: idOf(kv.key), present: type === "put" });
            },
            ended: stop,
          },
        ),
      );
      // What comes later is no longer listened to.
      const heard = [...changes];
      const reached = heard.at(-1)?.revision ?? revision;
      return ok({ revision, ids: kvs.map(({ key }) => idOf(key)), changes: heard, reached });
    });
  }
}

function idOf(key: string): number {
  return Number(key.slice(PREFIX.length));
}

const NOT_REGISTERED = { type: "fail", error: "not registered" } as const;
