/**
 * A key-value store with revisions: etcd's operations on a small pool of keys, as its own robustness tests mix
 * them (etcd-io/etcd, tests/robustness/traffic), with serializable reads, ranges, deletes of ranges, leases, and
 * transactions within transactions.
 *
 * Every value is written at most once, every reply tells its revision, and all are replayed in the order of these.
 */
import { z } from "zod";
import type { EtcdKeys, EtcdSignature } from "../checkers/etcd/signature.ts";
import { etcdChecker } from "../checkers/etcd.ts";
import type { KvApi } from "../cluster/api.ts";
import type { Client } from "../src/client.ts";
import { concat, concurrencyLimit, limit, repeat, untilOk } from "../src/generator/combinators.ts";
import type { OpGenerator } from "../src/generator/generator.ts";
import type { Signature } from "../src/history/op.ts";
import { UsageError } from "../src/plan.ts";
import type { Workload, WorkloadFactory } from "../src/workload.ts";
import { ALL_KEYS, kvLoad, PREFIX } from "./kv-load.ts";
import { requestOf, resultOf } from "./kv-requests.ts";
import { parseOptions } from "./options.ts";
import { attemptRead, attemptWrite, ok } from "./outcome.ts";

const weight = z.number().int().min(0).max(1000);
const Options = z.strictObject({
  keys: z.number().int().min(1).max(1000).default(10),
  /** Shares of what is asked for. */
  get: weight.default(15),
  staleGet: weight.default(10),
  getAt: weight.default(5),
  range: weight.default(8),
  staleRange: weight.default(5),
  /** A range with a limit, of keys only, as a count, or at an old revision. */
  list: weight.default(5),
  put: weight.default(22),
  delete: weight.default(8),
  deleteRange: weight.default(2),
  /** A put of one key, guarded by the revision of its last change. */
  update: weight.default(10),
  /** Several operations in one transaction. */
  txn: weight.default(10),
  grant: weight.default(2),
  /** A put under a lease. */
  leasedPut: weight.default(4),
  revoke: weight.default(2),
  compact: weight.default(2),
});
type Options = z.infer<typeof Options>;

/** Seconds: no lease expires in any run. */
const FOR_EVER = 1_000_000;

export const kvWorkload: WorkloadFactory<KvApi> = {
  name: "kv",
  summary:
    "etcd's mix of reads, writes, transactions, leases and compactions is answered as one store would answer it",
  create(options) {
    const parsed = parseOptions("kv", Options, options.options);
    const { keys: _, ...weights } = parsed;
    if (Object.values(weights).every((share) => share === 0))
      throw new UsageError(
        `workload kv: wrong options: ${Object.keys(weights).join(", ")}: all weights are 0`,
      );
    return create(parsed) as unknown as Workload<Signature, KvApi>;
  },
};

function create({ keys: count, ...weights }: Options): Workload<EtcdSignature, KvApi> {
  const keys = Array.from({ length: count }, (_, i) => `${PREFIX}${i}`);
  return {
    name: "kv",
    generator: kvLoad(weights, keys),
    // Until they succeed: the first requests after a loss of power are lost, as their connections are half-open.
    final: concurrencyLimit(1, concat(...[ALL_KEYS, ...keys.map((key) => ({ key }))].map(lastRange))),
    checkers: [etcdChecker()],
    open,
  };
}

function lastRange(value: EtcdKeys): OpGenerator<EtcdSignature> {
  return untilOk(limit(10, repeat<EtcdSignature>({ f: "range", value })));
}

function open(api: KvApi): Client<EtcdSignature> {
  return {
    invoke: {
      range: (value) =>
        attemptRead(async () => {
          const operation = { kind: "range", ...value } as const;
          const answer = await api.request(requestOf(operation));
          return ok({ revision: answer.header.revision, ...resultOf(operation, answer) });
        }),
      put: (value) =>
        attemptWrite(async () => {
          const operation = { kind: "put", ...value } as const;
          const answer = await api.request(requestOf(operation));
          return ok({ revision: answer.header.revision, ...resultOf(operation, answer) });
        }),
      delete: (value) =>
        attemptWrite(async () => {
          const operation = { kind: "delete", ...value } as const;
          const answer = await api.request(requestOf(operation));
          return ok({ revision: answer.header.revision, ...resultOf(operation, answer) });
        }),
      txn: (value) =>
        attemptWrite(async () => {
          const operation = { kind: "txn", ...value } as const;
          const answer = await api.request(requestOf(operation));
          return ok({ revision: answer.header.revision, ...resultOf(operation, answer) });
        }),
      compact: (revision) =>
        attemptWrite(async () => {
          await api.request({ kind: "compact", revision });
          return ok(null);
        }),
      grant: (id) =>
        attemptWrite(async () => {
          const { header } = await api.request({ kind: "lease-grant", id, ttl: FOR_EVER });
          return ok({ revision: header.revision });
        }),
      revoke: (id) =>
        attemptWrite(async () => {
          const { header } = await api.request({ kind: "lease-revoke", id });
          return ok({ revision: header.revision });
        }),
    },
    close: () => api.close(),
  };
}
