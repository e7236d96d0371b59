/** Writes keys once each, and reads small groups of them at once: all must see the writes in one order. */
import { z } from "zod";
import { type LongForkSignature, longFork as longForkChecker } from "../checkers/long-fork.ts";
import type { KvApi } from "../cluster/api.ts";
import { untyped, type WorkloadFactory } from "../src/workload.ts";
import { parseOptions } from "./options.ts";
import { attemptRead, attemptWrite, ok } from "./outcome.ts";
import { stateful } from "./stateful.ts";

const Options = z.strictObject({
  /** Keys that are read together. */
  group: z.number().int().min(2).max(100).default(4),
  /** Share of the operations that read. */
  reads: z.number().min(0).max(1).default(0.6),
  /** Each member may lag behind; but all of them go through the same states. */
  serializable: z.boolean().default(true),
});

export const longFork: WorkloadFactory<KvApi> = {
  name: "long-fork",
  summary: "writes keys once, reads groups of them: no two reads see writes in opposite orders",
  create({ options }) {
    const { group, reads, serializable } = parseOptions("long-fork", Options, options);
    return untyped<LongForkSignature, KvApi>({
      name: "long-fork",
      generator: stateful<LongForkSignature, number>(0, {
        draw: (next, _thread, random) => {
          if (!random.chance(reads))
            return { call: { f: "write", value: [["w", next, 1]] }, memory: next + 1 };
          // The group being written, or the one before, whose last writes may still be under way.
          const current = Math.floor(next / group);
          const first = Math.max(0, random.fork("group").chance(0.7) ? current : current - 1) * group;
          const keys = Array.from({ length: group }, (_, i) => first + i);
          return { call: { f: "read", value: keys.map((key) => ["r", key, null]) }, memory: next };
        },
      }),
      checkers: [longForkChecker],
      open: (api) => ({
        invoke: {
          write: (value) =>
            attemptWrite(async () => {
              const success = value.map(([, key]) => ({ kind: "put", key: name(key), value: "1" }) as const);
              await api.request({ kind: "txn", compare: [], success, failure: [] });
              return ok(value);
            }),
          read: (value) =>
            attemptRead(async () => {
              const { responses } = await api.request({
                kind: "txn",
                compare: [],
                success: value.map(([, key]) => ({ kind: "range", key: name(key), serializable })),
                failure: [],
              });
              return ok(
                value.map(([, key], i) => {
                  const found = responses[i];
                  return ["r", key, found?.kind === "range" && found.kvs.length > 0 ? 1 : null] as const;
                }),
              );
            }),
        },
        close: () => api.close(),
      }),
    });
  },
};

function name(key: number | string): string {
  return `long-fork/${key}`;
}
