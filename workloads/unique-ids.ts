/** Draws identifiers from the store's revisions: every put has one of its own. */
import { z } from "zod";
import { type UniqueIdsSignature, uniqueIds as uniqueIdsChecker } from "../checkers/unique-ids.ts";
import type { KvApi } from "../cluster/api.ts";
import { lift } from "../src/generator/combinators.ts";
import { untyped, type WorkloadFactory } from "../src/workload.ts";
import { parseOptions } from "./options.ts";
import { attemptWrite, ok } from "./outcome.ts";

export const uniqueIds: WorkloadFactory<KvApi> = {
  name: "unique-ids",
  summary: "draws identifiers from the revisions of puts: no two are equal",
  create({ options }) {
    parseOptions("unique-ids", z.strictObject({}), options);
    return untyped<UniqueIdsSignature, KvApi>({
      name: "unique-ids",
      generator: lift(() => ({ f: "generate", value: null })),
      checkers: [uniqueIdsChecker],
      open: (api) => ({
        invoke: {
          generate: () =>
            attemptWrite(async () => {
              const { header } = await api.request({ kind: "put", key: "unique-ids", value: "" });
              return ok(header.revision);
            }),
        },
        close: () => api.close(),
      }),
    });
  },
};
