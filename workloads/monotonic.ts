/** Increments one value, reads it now and as of past revisions: the later the revision, the greater the value. */
import { z } from "zod";
import {
  type MonotonicSignature,
  monotonic as monotonicChecker,
  type Stamped,
} from "../checkers/monotonic.ts";
import type { KvApi } from "../cluster/api.ts";
import type { Revision } from "../cluster/kv/request.ts";
import { limit, repeat, untilOk } from "../src/generator/combinators.ts";
import { eachThread } from "../src/generator/threads.ts";
import type { Call, Outcome } from "../src/history/op.ts";
import { untyped, type WorkloadFactory } from "../src/workload.ts";
import { parseOptions } from "./options.ts";
import { attemptRead, attemptWrite, ok } from "./outcome.ts";
import { stateful } from "./stateful.ts";

const Options = z.strictObject({
  /** Share of the operations that increment. */
  increments: z.number().min(0).max(1).default(0.5),
  /** Share of the reads that are of a past revision. */
  past: z.number().min(0).max(1).default(0.3),
  /** Read from one member alone, which may lag behind but must tell the truth of the revision it names. */
  serializable: z.boolean().default(false),
});

const KEY = "monotonic";
const READ: Call<MonotonicSignature> = { f: "read", value: null };

export const monotonic: WorkloadFactory<KvApi> = {
  name: "monotonic",
  summary: "increments a value, reads it now and in the past: the later, the greater",
  create({ options }) {
    const { increments, past, serializable } = parseOptions("monotonic", Options, options);
    return untyped<MonotonicSignature, KvApi>({
      name: "monotonic",
      /** Remembers the newest revision that was heard of; 0 for none yet. */
      generator: stateful<MonotonicSignature, Revision>(0, {
        draw(newest, _thread, random) {
          if (random.chance(increments)) return { call: { f: "inc", value: null }, memory: newest };
          if (newest === 0 || !random.fork("past").chance(past)) return { call: READ, memory: newest };
          const revision = random.fork("revision").between(1, newest);
          return { call: { f: "read-at", value: revision }, memory: newest };
        },
        learn: (newest, event) =>
          event.type === "ok" && event.f !== "read-at" ? Math.max(newest, event.value[0]) : newest,
      }),
      final: eachThread(untilOk(limit(10, repeat(READ)))),
      checkers: [monotonicChecker({ linearizable: !serializable })],
      open: (api) => ({
        invoke: {
          inc: () => increment(api),
          read: () => attemptRead(async () => ok((await look(api, 0, serializable)).stamped)),
          "read-at": (revision) =>
            attemptRead(async () => {
              const { stamped } = await look(api, revision, serializable);
              return ok([revision, stamped[1]] as const);
            }),
        },
        close: () => api.close(),
      }),
    });
  },
};

/** The value now, or at `revision` if that is not 0; a key that does not exist counts as 0. */
async function look(
  api: KvApi,
  revision: Revision,
  serializable: boolean,
): Promise<{ readonly stamped: Stamped; readonly modRevision: Revision }> {
  const { kvs, header } = await api.request({ kind: "range", key: KEY, revision, serializable });
  return {
    stamped: [header.revision, Number(kvs[0]?.value ?? 0)],
    modRevision: kvs[0]?.modRevision ?? 0,
  };
}

/** A definite failure if the value changed between the read and the write. */
async function increment(api: KvApi): Promise<Outcome<Stamped>> {
  const before = await attemptRead(async () => ok(await look(api, 0, false)));
  if (before.type !== "ok") return before;
  const value = before.value.stamped[1] + 1;
  return attemptWrite(async () => {
    const { succeeded, header } = await api.request({
      kind: "txn",
      compare: [{ key: KEY, target: "mod", result: "equal", operand: before.value.modRevision }],
      success: [{ kind: "put", key: KEY, value: String(value) }],
      failure: [],
    });
    return succeeded
      ? ok([header.revision, value] as const)
      : { type: "fail", error: "the value changed meanwhile" };
  });
}
