/**
 * Changes a few keys in ways that members might carry out differently, and asks each member for the hash of its
 * store: transactions that read at old, compacted and future revisions, deletes, and compactions (etcd#18667, #19179).
 */
import { z } from "zod";
import { type ReplicaSignature, replicaChecker } from "../checkers/replica.ts";
import type { KvApi } from "../cluster/api.ts";
import { eachThread } from "../src/generator/threads.ts";
import type { Nanos } from "../src/history/op.ts";
import type { Random } from "../src/runtime/random.ts";
import { MILLISECOND } from "../src/runtime/runtime.ts";
import { untyped, type WorkloadFactory } from "../src/workload.ts";
import { parseOptions } from "./options.ts";
import { attemptRead, attemptWrite, ok } from "./outcome.ts";
import { type Behaviour, stateful } from "./stateful.ts";

const Options = z.strictObject({
  keys: z.number().int().min(1).max(1_000).default(10),
  /** Share of the operations that ask for a hash. */
  hashes: z.number().min(0).max(1).default(0.3),
  /** Hashes are asked for at revisions that are multiples of this, so that members are asked for the same. */
  every: z.number().int().min(1).max(10_000).default(10),
});
type Options = z.infer<typeof Options>;

const PREFIX = "replica/";
/** How often a member is asked at the end, and the time between. */
const ATTEMPTS = 20;
const PATIENCE = 200 * MILLISECOND;

type Memory = { readonly values: number; readonly head: number; readonly compacted: number };

export const replica: WorkloadFactory<KvApi> = {
  name: "replica",
  summary: "changes keys and asks every member for the hash of its store: equal at equal revision",
  create({ options }) {
    const parsed = parseOptions("replica", Options, options);
    return untyped<ReplicaSignature, KvApi>({
      name: "replica",
      generator: stateful<ReplicaSignature, Memory>({ values: 0, head: 1, compacted: 0 }, traffic(parsed)),
      final: eachThread(
        stateful<ReplicaSignature, Last>({ head: 0, done: false, attempts: 0, due: 0 }, lastHash),
      ),
      checkers: [replicaChecker],
      open: (api) => ({
        invoke: {
          put: ({ key, value }) =>
            attemptWrite(async () => {
              const { header } = await api.request({ kind: "put", key, value });
              return ok({ revision: header.revision });
            }),
          delete: ({ key }) =>
            attemptWrite(async () => {
              const { header } = await api.request({ kind: "delete-range", key });
              return ok({ revision: header.revision });
            }),
          txn: ({ key, value, at }) =>
            attemptWrite(async () => {
              const { header } = await api.request({
                kind: "txn",
                compare: [],
                success: [
                  { kind: "put", key, value },
                  { kind: "range", key, revision: at },
                ],
                failure: [],
              });
              return ok({ revision: header.revision });
            }),
          compact: ({ revision }) =>
            attemptWrite(async () => {
              await api.request({ kind: "compact", revision });
              return ok(null);
            }),
          head: () =>
            attemptRead(async () => {
              const { header } = await api.request({ kind: "range", key: PREFIX, countOnly: true });
              return ok({ revision: header.revision });
            }),
          hash: ({ revision }) =>
            attemptRead(async () => {
              const { hash, compactRevision } = await api.request({ kind: "hash-kv", revision });
              return ok({ hash, compactRevision });
            }),
        },
        close: () => api.close(),
      }),
    });
  },
};

function traffic({ keys, hashes, every }: Options): Behaviour<ReplicaSignature, Memory> {
  return {
    draw(memory, _thread, random) {
      const { values, head, compacted } = memory;
      if (random.chance(hashes)) {
        const revision = Math.max(1, head - (head % every));
        return { call: { f: "hash", value: { revision } }, memory };
      }
      const key = PREFIX + random.below(keys);
      const draw = random.below(100);
      if (draw < 15) return { call: { f: "delete", value: { key } }, memory };
      if (draw < 18) {
        const revision = Math.max(1, head - random.below(30));
        return { call: { f: "compact", value: { revision } }, memory };
      }
      const after = { ...memory, values: values + 1 };
      const value = `v${values}`;
      if (draw < 60) return { call: { f: "put", value: { key, value } }, memory: after };
      const at = revisionToRead(head, compacted, random);
      return { call: { f: "txn", value: { key, value, at } }, memory: after };
    },
    learn(memory, event) {
      if (event.type !== "ok") return memory;
      if (event.f === "hash") {
        const compacted = Math.max(memory.compacted, event.value.compactRevision);
        return { ...memory, compacted };
      }
      if (event.f === "compact") return memory;
      return { ...memory, head: Math.max(memory.head, event.value.revision) };
    },
  };
}

/** Mostly one that can be read; now and then one that is compacted, or still to come. */
function revisionToRead(head: number, compacted: number, random: Random): number {
  const draw = random.below(10);
  if (draw < 6) return random.between(Math.max(1, compacted), Math.max(1, head));
  if (draw < 8) return Math.max(1, compacted - random.below(3));
  return head + random.between(1, 20);
}

/** What a thread does at the end: read the head, then ask for the hash at it until its member has caught up. */
type Last = { readonly head: number; readonly done: boolean; readonly attempts: number; readonly due: Nanos };

const lastHash: Behaviour<ReplicaSignature, Last> = {
  draw(last, _thread, _random, { time }) {
    if (last.done || last.attempts === ATTEMPTS) return undefined;
    if (time < last.due) return { until: last.due };
    const memory = { ...last, attempts: last.attempts + 1 };
    const { head } = last;
    if (head === 0) return { call: { f: "head", value: null }, memory };
    return { call: { f: "hash", value: { revision: head } }, memory };
  },
  learn(last, event, { time }) {
    if (event.type === "invoke") return last;
    if (event.type !== "ok") return { ...last, due: time + PATIENCE };
    if (event.f === "head") return { ...last, head: event.value.revision };
    return { ...last, done: event.f === "hash" };
  },
};
