/** Grants, renews, revokes and abandons leases with keys attached, and looks which keys and leases are left. */
import { z } from "zod";
import { type LeaseSignature, leaseChecker } from "../checkers/lease.ts";
import type { KvApi } from "../cluster/api.ts";
import { concat, limit, repeat, untilOk } from "../src/generator/combinators.ts";
import { eachThread } from "../src/generator/threads.ts";
import { sleep } from "../src/generator/timing.ts";
import { MILLISECOND, SECOND } from "../src/runtime/runtime.ts";
import { untyped, type WorkloadFactory } from "../src/workload.ts";
import { parseOptions } from "./options.ts";
import { attemptRead, attemptWrite, ok } from "./outcome.ts";
import { type Behaviour, stateful } from "./stateful.ts";

const Options = z
  .strictObject({
    /** Seconds; each lease draws its ttl between the two. */
    minTtl: z.number().int().min(1).max(3_600).default(1),
    maxTtl: z.number().int().min(1).max(3_600).default(12),
    /** Leases that clients use at a time. */
    pool: z.number().int().min(1).max(1_000).default(12),
    /** Most that servers' clocks may deviate over one ttl; see the checker. */
    clockSlackMs: z.number().min(0).max(3_600_000).default(500),
    /** In peace, a lease must be gone this long after its ttl. */
    expirySlackMs: z.number().min(0).max(3_600_000).default(10_000),
  })
  .refine(({ minTtl, maxTtl }) => minTtl <= maxTtl, { path: ["minTtl"], message: "is greater than maxTtl" });

const PREFIX = "lease/";
/** The first key after all that start with the prefix. */
const PREFIX_END = "lease0";

type Memory = {
  /** Number of the next key. */
  readonly next: number;
  /** Leases in use. */
  readonly leases: readonly string[];
};

export const lease: WorkloadFactory<KvApi> = {
  name: "lease",
  summary: "leases live as long as promised, die soon after, and take their keys with them",
  create({ options }) {
    const { minTtl, maxTtl, pool, clockSlackMs, expirySlackMs } = parseOptions("lease", Options, options);
    const clockSlack = Math.round(clockSlackMs * MILLISECOND);
    const expirySlack = Math.round(expirySlackMs * MILLISECOND);
    return untyped<LeaseSignature, KvApi>({
      name: "lease",
      generator: stateful<LeaseSignature, Memory>({ next: 0, leases: [] }, traffic(minTtl, maxTtl, pool)),
      final: concat<LeaseSignature>(
        sleep(maxTtl * SECOND + expirySlack + clockSlack),
        eachThread(untilOk(limit(10, repeat({ f: "read", value: { settled: true } })))),
      ),
      checkers: [leaseChecker({ clockSlack, expirySlack })],
      open: (api) => ({
        invoke: {
          grant: ({ ttl }) =>
            attemptWrite(async () => {
              const answer = await api.request({ kind: "lease-grant", id: "0", ttl });
              return ok({ lease: answer.id, ttl: answer.ttl });
            }),
          // Renewing is no read: an answer that got lost may have prolonged the lease.
          keepalive: ({ lease: id }) =>
            attemptWrite(async () => {
              const { ttl } = await api.request({ kind: "lease-keep-alive", id });
              return ok({ ttl });
            }),
          inspect: ({ lease: id }) =>
            attemptRead(async () => {
              const { ttl, keys } = await api.request({ kind: "lease-time-to-live", id, keys: true });
              return ok({ ttl, keys });
            }),
          revoke: ({ lease: id }) =>
            attemptWrite(async () => {
              const { header } = await api.request({ kind: "lease-revoke", id });
              return ok({ revision: header.revision });
            }),
          put: ({ lease: id, key }) =>
            attemptWrite(async () => {
              const { header } = await api.request({ kind: "put", key, value: id, lease: id });
              return ok({ revision: header.revision, term: header.raftTerm });
            }),
          read: () =>
            attemptRead(async () => {
              const { kvs, header } = await api.request({ kind: "range", key: PREFIX, rangeEnd: PREFIX_END });
              const leases = Object.fromEntries(kvs.map((kv) => [kv.key, kv.lease]));
              return ok({ revision: header.revision, term: header.raftTerm, leases });
            }),
        },
        close: () => api.close(),
      }),
    });
  },
};

function traffic(minTtl: number, maxTtl: number, pool: number): Behaviour<LeaseSignature, Memory> {
  return {
    draw(memory, _thread, random) {
      const { leases, next } = memory;
      const draw = random.below(100);
      if (leases.length === 0 || draw < 8)
        return { call: { f: "grant", value: { ttl: random.between(minTtl, maxTtl) } }, memory };
      const id = random.pick(leases);
      if (draw < 38)
        return {
          call: { f: "put", value: { lease: id, key: PREFIX + next } },
          memory: { ...memory, next: next + 1 },
        };
      if (draw < 68) return { call: { f: "keepalive", value: { lease: id } }, memory };
      if (draw < 75) return { call: { f: "inspect", value: { lease: id } }, memory };
      if (draw < 80) return { call: { f: "revoke", value: { lease: id } }, memory };
      return { call: { f: "read", value: { settled: false } }, memory };
    },
    // A new lease pushes out any other: some stay in use for long. So do dead ones, which must stay dead.
    learn(memory, event, { random }) {
      if (event.f !== "grant" || event.type !== "ok") return memory;
      const { leases } = memory;
      const { lease: id } = event.value;
      if (leases.length < pool) return { ...memory, leases: [...leases, id] };
      return { ...memory, leases: leases.with(random.fork("pushed out").below(pool), id) };
    },
  };
}
