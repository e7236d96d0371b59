/** Reads and writes of a few keys: sessions see what they did and saw before, and the causes of what they see. */
import { z } from "zod";
import { causal as causalChecker } from "../checkers/causal.ts";
import { sessionGuarantees, type VersionedSignature } from "../checkers/session.ts";
import type { KvApi } from "../cluster/api.ts";
import type { Revision } from "../cluster/kv/request.ts";
import type { Client } from "../src/client.ts";
import { untyped, type WorkloadFactory } from "../src/workload.ts";
import { parseOptions } from "./options.ts";
import { attemptRead, attemptWrite, ok } from "./outcome.ts";
import { stateful } from "./stateful.ts";

const Options = z.strictObject({
  keys: z.number().int().min(2).max(100).default(4),
  /** Share of the operations that read. */
  reads: z.number().min(0).max(1).default(0.6),
  /**
   * Read from one member alone. A member that restarts may have forgotten what it had shown, so the client keeps the
   * session's promise, as Terry et al. let it: it drops answers older than what the session has seen.
   */
  serializable: z.boolean().default(false),
});

export const causal: WorkloadFactory<KvApi> = {
  name: "causal",
  summary: "reads and writes a few keys: session guarantees, and no effect without its causes",
  create({ options }) {
    const { keys, reads, serializable } = parseOptions("causal", Options, options);
    return untyped<VersionedSignature, KvApi>({
      name: "causal",
      generator: stateful<VersionedSignature, number>(1, {
        draw(next, _thread, random) {
          const key = `k${random.fork("key").below(keys)}`;
          return random.chance(reads)
            ? { call: { f: "read", value: null, key }, memory: next }
            : { call: { f: "write", value: next, key }, memory: next + 1 };
        },
      }),
      checkers: [sessionGuarantees, causalChecker],
      open: (api) => open(api, serializable),
    });
  },
};

function open(api: KvApi, serializable: boolean): Client<VersionedSignature> {
  /** The newest state of the store that this session knows of. */
  let past: Revision = 0;
  const name = (key: string | undefined): string => `causal/${key}`;
  return {
    invoke: {
      write: (value, { key }) =>
        attemptWrite(async () => {
          const { header } = await api.request({ kind: "put", key: name(key), value: String(value) });
          past = Math.max(past, header.revision);
          return ok({ revision: header.revision });
        }),
      read: (_, { key }) =>
        attemptRead(async () => {
          const { kvs, header } = await api.request({ kind: "range", key: name(key), serializable });
          if (serializable && header.revision < past)
            return { type: "fail", error: "the member is behind what this session has seen" };
          past = Math.max(past, header.revision);
          const [kv] = kvs;
          return ok(
            kv === undefined
              ? { value: null, revision: 0 }
              : { value: Number(kv.value), revision: kv.modRevision },
          );
        }),
    },
    close: () => api.close(),
  };
}
