/** Workloads of coordination on a small simulated cluster: clean builds pass, planted bugs do not, seeds repeat. */
import { describe, expect, it } from "vitest";
import { parsePlan } from "../src/plan.ts";
import { assemble } from "../src/registry.ts";
import { run } from "../src/runner/run.ts";

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

/** Checkers of every run. */
const everywhere = new Set(["stats", "liveness", "raft-invariants", "ground-truth"]);

describe.each([
  ["replica", ["compact", "delete", "hash", "head", "put", "txn"]],
  ["snapshot", ["backup", "compact", "delete", "discard", "put", "restore", "verify"]],
  ["registry", ["deregister", "follow", "keepalive", "list", "register"]],
  ["rights", ["act", "enrol", "grant", "reinstate", "revoke", "setup", "suspend"]],
  ["config", ["follow", "read", "update"]],
  ["election", ["campaign", "follow", "keepalive", "observe", "proclaim", "resign"]],
])("%s workload", (workload, functions) => {
  it("finds nothing wrong with a healthy cluster, succeeds with each function, and repeats", async () => {
    const first = await play(workload);
    const verdict = first.result.verdicts.find(({ checker }) => !everywhere.has(checker));
    expect(verdict).toMatchObject({
      validity: "valid",
      anomalies: [],
    });
    const succeeded = new Set(first.history.client.filter(({ type }) => type === "ok").map(({ f }) => f));
    expect([...succeeded].sort()).toEqual(functions);
    const second = await play(workload);
    expect(second.history.events).toEqual(first.history.events);
  });
});

describe("whoever waits in a queue", () => {
  // His lease outlives the run: lost in the queue, he would be in everybody's way to its end.
  it.each([
    ["lock", "acquire"],
    ["election", "campaign"],
  ])("leaves it in time, be the time of an operation ever so short: %s", async (workload, waits) => {
    const plan = parsePlan({
      workload,
      workloadOptions: { ttl: 60 },
      timeout: 0.4,
      faults: [],
      nodes: 3,
      duration: 15,
      rate: 20,
      seed: 7,
    });
    const { history } = await run(assemble(plan), { record() {}, messages: false });
    const outcomes = history.client.filter(({ f }) => f === waits).map(({ type }) => type);
    const count = (type: string) => outcomes.filter((other) => other === type).length;
    expect(count("fail")).toBeGreaterThan(0);
    expect(count("ok")).toBeGreaterThan(5);
    expect(count("info")).toBe(0);
  });
});

describe("planted bugs", () => {
  it.each([
    ["replica", "txn-checked-by-one", "replicas differ"],
    ["registry", "revoke-leaves-keys", "lingering entry"],
    ["snapshot", "limit-forgets-revision", "read from the future"],
    ["config", "watch-splits-txn", "mixed configuration"],
    ["election", "range-sorts-by-change", "past leader"],
    ["rights", "nested-txn-unchecked", "forbidden act"],
    ["rights", "range-checked-at-start", "forbidden act"],
  ])("%s finds %s", async (workload, bug, anomaly) => {
    const { result } = await play(workload, bug);
    const names = result.verdicts.flatMap((verdict) => verdict.anomalies.map(({ name }) => name));
    expect(names).toContain(anomaly);
  });
});
