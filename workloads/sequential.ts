/** Writes the parts of a key one after another, each through any member, and reads them from the last to the first. */
import { z } from "zod";
import { type SequentialSignature, sequential as sequentialChecker } from "../checkers/sequential.ts";
import type { KvApi } from "../cluster/api.ts";
import type { Call } from "../src/history/op.ts";
import { untyped, type WorkloadFactory } from "../src/workload.ts";
import { parseOptions } from "./options.ts";
import { attemptRead, attemptWrite, ok } from "./outcome.ts";
import { stateful } from "./stateful.ts";

const Options = z.strictObject({
  /** Parts of each key. */
  parts: z.number().int().min(2).max(100).default(5),
  /** Share of the operations that read. */
  reads: z.number().min(0).max(1).default(0.5),
});

/** Keys of which a part is written or read now and then. */
const WINDOW = 5;

interface Memory {
  readonly keys: number;
  /** By key: the part to write next. A key whose part is under way, or got lost, is not there. */
  readonly open: ReadonlyMap<string, number>;
}

export const sequential: WorkloadFactory<KvApi> = {
  name: "sequential",
  summary: "writes parts in order, reads them backwards: no later part without the earlier",
  create({ options }) {
    const { parts, reads } = parseOptions("sequential", Options, options);
    const backwards = Array.from({ length: parts }, (_, i) => parts - i);
    const name = (key: string | undefined, part: number): string => `sequential/${key}/${part}`;
    return untyped<SequentialSignature, KvApi>({
      name: "sequential",
      generator: stateful<SequentialSignature, Memory>(
        { keys: 0, open: new Map() },
        {
          draw(memory, _thread, random) {
            const { keys, open } = memory;
            if (keys > 0 && random.chance(reads)) {
              const key = `k${Math.max(0, keys - 1 - random.fork("key").below(WINDOW))}`;
              return { call: { f: "read", value: null, key }, memory };
            }
            if (open.size < WINDOW && random.fork("new").chance(1 / parts))
              return { call: write(`k${keys}`, 1), memory: { keys: keys + 1, open } };
            const unfinished = [...open][random.fork("open").below(Math.max(1, open.size))];
            if (unfinished === undefined)
              return { call: write(`k${keys}`, 1), memory: { keys: keys + 1, open } };
            const left = new Map(open);
            left.delete(unfinished[0]);
            return { call: write(...unfinished), memory: { keys, open: left } };
          },
          learn(memory, event) {
            if (event.type !== "ok" || event.f !== "write" || event.key === undefined) return memory;
            if (event.value === parts) return memory;
            return { ...memory, open: new Map(memory.open).set(event.key, event.value + 1) };
          },
        },
      ),
      checkers: [sequentialChecker],
      open: (api) => ({
        invoke: {
          write: (part, { key }) =>
            attemptWrite(async () => {
              await api.request({ kind: "put", key: name(key, part), value: String(part) });
              return ok(part);
            }),
          read: (_, { key }) =>
            attemptRead(async () => {
              const found: (string | null)[] = [];
              for (const part of backwards) {
                const { kvs } = await api.request({ kind: "range", key: name(key, part) });
                found.push(kvs[0]?.value ?? null);
              }
              return ok(found);
            }),
        },
        close: () => api.close(),
      }),
    });
  },
};

function write(key: string, part: number): Call<SequentialSignature> {
  return { f: "write", value: part, key };
}
