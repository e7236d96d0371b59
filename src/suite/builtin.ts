/** The suites that come with Faultline. */
import type { SuiteInput } from "./suite.ts";

/** Every workload once or twice, under faults that each seed draws: minutes on two cores. */
const smoke: SuiteInput = {
  name: "smoke",
  base: { swarm: true, duration: 30, rate: 20 },
  matrices: [
    {
      name: "simulated",
      vary: {
        workload: ["register", "kv", "watch", "lock", "lease", "append", "bank", "set"],
      },
      seeds: 2,
    },
  ],
};

/** As long as its budget, for whoever wants to know in the morning. */
const nightly: SuiteInput = {
  name: "nightly",
  matrices: [
    {
      name: "swarm",
      base: { swarm: true, duration: 60, rate: 20 },
      vary: {
        workload: [
          "register",
          "kv",
          "watch",
          "mirror",
          "lock",
          "election",
          "lease",
          "registry",
          "rights",
          "set",
          "bank",
          "append",
          "wr",
          "counter",
          "unique-ids",
          "queue",
          "replica",
          "snapshot",
          "config",
          "long-fork",
          "g2",
          "monotonic",
          "sequential",
          "causal",
        ],
      },
      seeds: 1_000,
    },
    {
      name: "faults",
      base: { duration: 60 },
      vary: {
        workload: ["register", "kv", "watch"],
        faults: [["partition"], ["kill"], ["pause"], ["clock"], ["membership", "snapshot"]],
        nodes: [3, 5],
      },
      seeds: 20,
    },
    {
      name: "processes",
      base: { place: "processes", duration: 20, nodes: 3 },
      vary: {
        workload: ["register", "kv", "watch", "lock"],
        faults: [
          ["partition", "kill"],
          ["pause", "clock"],
        ],
      },
      seeds: 5,
      required: false,
    },
    {
      name: "docker",
      base: { place: "docker", duration: 20, nodes: 3 },
      vary: { workload: ["register", "watch"], faults: [["partition", "kill"]] },
      seeds: 2,
      required: false,
    },
  ],
};

export const builtinSuites: readonly SuiteInput[] = [smoke, nightly];
