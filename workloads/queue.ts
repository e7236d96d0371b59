/**
 * A queue made of transactions, as in etcd's recipes (client/v3/experimental/recipes/queue.go): an element is a key,
 * the oldest is the one created at the smallest revision, and who deletes it has dequeued it.
 */
import { z } from "zod";
import { queue as queueChecker } from "../checkers/queue.ts";
import { type QueueSignature, totalQueue } from "../checkers/total-queue.ts";
import type { KvApi } from "../cluster/api.ts";
import type { KeyValue } from "../cluster/kv/request.ts";
import { concurrencyLimit, limit, repeat, untilOk } from "../src/generator/combinators.ts";
import type { Outcome } from "../src/history/op.ts";
import { untyped, type WorkloadFactory } from "../src/workload.ts";
import { parseOptions } from "./options.ts";
import { attemptRead, attemptWrite, ok } from "./outcome.ts";
import { stateful } from "./stateful.ts";

const Options = z.strictObject({
  /** Share of the operations that enqueue. */
  enqueues: z.number().min(0).max(1).default(0.5),
});

const PREFIX = "queue/";
/** The first key after all that start with the prefix. */
const PREFIX_END = "queue0";

export const queue: WorkloadFactory<KvApi> = {
  name: "queue",
  summary: "enqueues and dequeues unique elements: what goes in comes out once, oldest first",
  create({ options }) {
    const { enqueues } = parseOptions("queue", Options, options);
    return untyped<QueueSignature, KvApi>({
      name: "queue",
      generator: stateful<QueueSignature, number>(0, {
        draw: (next, _thread, random) =>
          random.chance(enqueues)
            ? { call: { f: "enqueue", value: next }, memory: next + 1 }
            : { call: { f: "dequeue", value: null }, memory: next },
      }),
      final: concurrencyLimit(1, untilOk(limit(10, repeat({ f: "drain", value: null })))),
      checkers: [totalQueue, queueChecker],
      open: (api) => ({
        invoke: {
          enqueue: (element) =>
            attemptWrite(async () => {
              await api.request({ kind: "put", key: PREFIX + element, value: "" });
              return ok(null);
            }),
          dequeue: () => dequeue(api),
          // The last word of a run: what it reads nobody can dequeue any more. Deleting it as well would only add
          // drains of unknown outcome, after which nobody could say what was lost.
          drain: () =>
            attemptRead(async () => {
              const { kvs } = await api.request({ kind: "range", key: PREFIX, rangeEnd: PREFIX_END });
              const oldestFirst = [...kvs].sort((a, b) => a.createRevision - b.createRevision);
              return ok(oldestFirst.map(elementOf));
            }),
        },
        close: () => api.close(),
      }),
    });
  },
};

function elementOf(kv: KeyValue): number {
  return Number(kv.key.slice(PREFIX.length));
}

/** A definite failure if the queue is empty, or another took the oldest element first. */
async function dequeue(api: KvApi): Promise<Outcome<number>> {
  const oldest = await attemptRead(async () => {
    const { kvs } = await api.request({
      kind: "range",
      key: PREFIX,
      rangeEnd: PREFIX_END,
      limit: 1,
      sortTarget: "create",
      sortOrder: "ascend",
    });
    return ok([...kvs]);
  });
  if (oldest.type !== "ok") return oldest;
  const [kv] = oldest.value;
  if (kv === undefined) return { type: "fail", error: "the queue is empty" };
  return attemptWrite(async () => {
    const { succeeded } = await api.request({
      kind: "txn",
      compare: [{ key: kv.key, target: "mod", result: "equal", operand: kv.modRevision }],
      success: [{ kind: "delete-range", key: kv.key }],
      failure: [],
    });
    return succeeded ? ok(elementOf(kv)) : { type: "fail", error: "another took the element first" };
  });
}
