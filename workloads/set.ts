/** Adds unique elements to one set, a key for each, and reads the whole set now and then. */
import { z } from "zod";
import { causalReverse } from "../checkers/causal-reverse.ts";
import { type SetSignature, setChecker } from "../checkers/set.ts";
import type { KvApi } from "../cluster/api.ts";
import { limit, repeat, untilOk } from "../src/generator/combinators.ts";
import { eachThread } from "../src/generator/threads.ts";
import type { Call } from "../src/history/op.ts";
import { untyped, type WorkloadFactory } from "../src/workload.ts";
import { parseOptions } from "./options.ts";
import { attemptRead, attemptWrite, ok } from "./outcome.ts";
import { stateful } from "./stateful.ts";

const Options = z.strictObject({
  /** Share of the operations that read the whole set. */
  reads: z.number().min(0).max(1).default(0.1),
  /** Serializable reads may be stale; a stale element is then no anomaly, but reads are prefixes. */
  serializable: z.boolean().default(false),
});

const PREFIX = "set/";
/** The first key after all that start with the prefix. */
const PREFIX_END = "set0";

const READ: Call<SetSignature> = { f: "read", value: null };

export const set: WorkloadFactory<KvApi> = {
  name: "set",
  summary: "adds unique elements, reads them all: nothing acknowledged may be lost",
  create({ options }) {
    const { reads, serializable } = parseOptions("set", Options, options);
    return untyped<SetSignature, KvApi>({
      name: "set",
      generator: stateful<SetSignature, number>(0, {
        draw: (next, _thread, random) =>
          random.chance(reads)
            ? { call: READ, memory: next }
            : { call: { f: "add", value: next }, memory: next + 1 },
      }),
      final: eachThread(untilOk(limit(10, repeat(READ)))),
      checkers: [setChecker({ linearizable: !serializable }), causalReverse],
      open: (api) => ({
        invoke: {
          add: (value) =>
            attemptWrite(async () => {
              await api.request({ kind: "put", key: PREFIX + value, value: String(value) });
              return ok(null);
            }),
          read: () =>
            attemptRead(async () => {
              const { kvs } = await api.request({
                kind: "range",
                key: PREFIX,
                rangeEnd: PREFIX_END,
                serializable,
                keysOnly: true,
              });
              return ok(kvs.map((kv) => Number(kv.key.slice(PREFIX.length))));
            }),
        },
        close: () => api.close(),
      }),
    });
  },
};
