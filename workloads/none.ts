/** No clients: whatever goes wrong is the doing of the cluster and the faults alone. */
import { z } from "zod";
import type { KvApi } from "../cluster/api.ts";
import { sleep } from "../src/generator/timing.ts";
import { SECOND } from "../src/runtime/runtime.ts";
import type { WorkloadFactory } from "../src/workload.ts";
import { parseOptions } from "./options.ts";

/** Longer than any plan. */
const FOR_EVER = 1_000_001 * SECOND;

export const none: WorkloadFactory<KvApi> = {
  name: "none",
  summary: "asks nothing: the cluster alone with its faults",
  create({ options }) {
    parseOptions("none", z.strictObject({}), options);
    return {
      name: "none",
      generator: sleep(FOR_EVER),
      checkers: [],
      open: (api) => ({ invoke: {}, close: () => api.close() }),
    };
  },
};
