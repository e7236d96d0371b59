/** Workloads on a small simulated cluster without faults: clean builds pass, planted bugs do not, seeds repeat. */
import { describe, expect, it } from "vitest";
import type { KvResponse } from "../cluster/api.ts";
import { Store } from "../cluster/kv/store.ts";
import { Budget } from "../src/checker.ts";
import { parsePlan } from "../src/plan.ts";
import { assemble } from "../src/registry.ts";
import { run } from "../src/runner/run.ts";
import { seededRandom } from "../src/runtime/random.ts";
import { workloads } from "./index.ts";
import { set } from "./set.ts";
import { playOnSingleCopy } from "./single-copy.ts";

type Options = { readonly [name: string]: number | boolean | string };

function play(workload: string, bug = "", workloadOptions: Options = {}) {
  const plan = parsePlan({
    workload,
    workloadOptions,
    bug,
    faults: [],
    nodes: 3,
    concurrency: 6,
    duration: 6,
    seed: 7,
  });
  return run(assemble(plan), { record() {}, messages: false });
}

describe.each([
  ["watch", "watch", ["compact", "delete", "put", "read", "txn", "watch"]],
  ["lock", "mutual-exclusion", ["acquire", "increment", "keepalive", "read", "release"]],
  ["lease", "lease", ["grant", "inspect", "keepalive", "put", "read", "revoke"]],
  ["set", "set", ["add", "read"]],
  ["bank", "bank", ["read", "transfer"]],
  ["append", "list-append", ["txn"]],
  ["wr", "rw-register", ["txn"]],
])("%s workload", (workload, checker, functions) => {
  it("finds nothing wrong with a healthy cluster, succeeds with each function, and repeats", async () => {
    const first = await play(workload);
    expect(first.result.verdicts.find((verdict) => verdict.checker === checker)).toMatchObject({
      validity: "valid",
      anomalies: [],
    });
    const succeeded = new Set(first.history.client.filter(({ type }) => type === "ok").map(({ f }) => f));
    expect([...succeeded].sort()).toEqual(functions);
    const second = await play(workload);
    expect(second.history.events).toEqual(first.history.events);
  });
});

describe("planted bugs", () => {
  it.each([
    ["watch", "watch-splits-txn", "revision split over responses"],
    ["watch", "compaction-drops-tombstone", "missed event"],
    ["watch", "progress-ahead", "bookmark before the start"],
    ["watch", "future-watch-gets-old", "event before the start"],
    // Somebody must leave the middle of the queue.
    ["lock", "lock-skips-queue", "two holders at once", { patienceMs: 200 }],
    ["lease", "keepalive-revoked-lease", "keepalive of a revoked lease"],
  ])("%s finds %s", async (workload, bug, anomaly, given: Options = {}) => {
    const { result } = await play(workload, bug, given);
    const names = result.verdicts.flatMap((verdict) => verdict.anomalies.map(({ name }) => name));
    expect(names).toContain(anomaly);
  });
});

describe("answers that get lost or spoilt", () => {
  const options = { nodes: ["n1"], concurrency: 5, timeout: 5e9, random: seededRandom(1), options: {} };

  it("set: accepts lost answers", async () => {
    for (let seed = 0; seed < 5; seed++) {
      const workload = set.create(options);
      const history = await playOnSingleCopy(workload, {
        store: new Store({ bug: "" }),
        seed,
        concurrency: 5,
        operations: 300,
        lost: 0.2,
      });
      const [verdict] = workload.checkers.map((checker) => checker.check(history, new Budget(0)));
      expect(verdict).toMatchObject({ validity: "valid", anomalies: [] });
    }
  });

  it("set: notices an element that reads leave out", async () => {
    const workload = set.create(options);
    const history = await playOnSingleCopy(workload, {
      store: new Store({ bug: "" }),
      seed: 1,
      concurrency: 5,
      operations: 300,
      distort: (_, answer): KvResponse =>
        answer.kind === "range" ? { ...answer, kvs: answer.kvs.filter((kv) => kv.key !== "set/3") } : answer,
    });
    const [verdict] = workload.checkers.map((checker) => checker.check(history, new Budget(0)));
    expect(verdict?.anomalies.map(({ name }) => name)).toEqual(["lost element"]);
  });
});

describe("options", () => {
  const given = (options: Options) => ({
    nodes: ["n1"],
    concurrency: 4,
    timeout: 5e9,
    random: seededRandom(1),
    options,
  });

  it.each([
    ["watch", { keys: 0 }, /watch.*keys/],
    ["watch", { deletes: 0.9, txns: 0.9 }, /watch.*deletes/],
    ["watch", { minLifetimeMs: 5_000 }, /watch.*minLifetimeMs/],
    ["lock", { ttl: 0 }, /lock.*ttl/],
    ["lease", { minTtl: 60 }, /lease.*minTtl/],
    ["election", { ttl: 0 }, /election.*ttl/],
    ["registry", { minTtl: 60 }, /registry.*minTtl/],
    ["config", { parts: 0 }, /config.*parts/],
    ["snapshot", { keys: 500 }, /snapshot.*keys/],
    ["replica", { every: 0 }, /replica.*every/],
    ["set", { reads: 2 }, /set.*reads/],
    ["bank", { accounts: 1 }, /bank.*accounts/],
    ["append", { maxOps: 0 }, /append.*maxOps/],
    ["wr", { optimistic: 1 }, /wr.*optimistic/],
    ["bank", { acounts: 5 }, /bank.*acounts/],
  ] as const)("%s names what is wrong with %o", (name, options, message) => {
    const factory = workloads.find((workload) => workload.name === name);
    expect(() => factory?.create(given(options))).toThrow(message);
  });
});
