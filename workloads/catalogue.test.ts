/** Jepsen's catalogue of data types and weak consistency: clean builds pass, lost answers or not; planted bugs do not. */
import { describe, expect, it } from "vitest";
import type { KvRequest, KvResponse } from "../cluster/api.ts";
import { Store } from "../cluster/kv/store.ts";
import { Budget } from "../src/checker.ts";
import { parsePlan } from "../src/plan.ts";
import { assemble } from "../src/registry.ts";
import { run } from "../src/runner/run.ts";
import { seededRandom } from "../src/runtime/random.ts";
import { workloads } from "./index.ts";
import { playOnSingleCopy, type SingleCopyOptions } from "./single-copy.ts";

type Options = { readonly [name: string]: number | boolean };

async function onSingleCopy(name: string, how: Partial<SingleCopyOptions>, given: Options = {}) {
  const factory = workloads.find((workload) => workload.name === name);
  if (factory === undefined) throw new Error(`no workload ${name}`);
  const workload = factory.create({
    nodes: ["n1"],
    concurrency: 5,
    timeout: 5e9,
    random: seededRandom(1),
    options: given,
  });
  const history = await playOnSingleCopy(workload, {
    store: new Store({ bug: "" }),
    seed: 1,
    concurrency: 5,
    operations: 300,
    ...how,
  });
  const verdicts = workload.checkers.map((checker) => checker.check(history, new Budget(0)));
  return { history, verdicts };
}

const anomalies = (verdicts: readonly { readonly anomalies: readonly { readonly name: string }[] }[]) => [
  ...new Set(verdicts.flatMap((verdict) => verdict.anomalies.map(({ name }) => name))),
];

describe.each<[workload: string, functions: readonly string[], options?: Options]>([
  ["counter", ["add", "read"]],
  ["counter", ["add", "read"], { negative: 0.5 }],
  ["unique-ids", ["generate"]],
  ["queue", ["dequeue", "drain", "enqueue"]],
  ["long-fork", ["read", "write"]],
  ["g2", ["insert"]],
  ["monotonic", ["inc", "read", "read-at"]],
  ["sequential", ["read", "write"]],
  ["causal", ["read", "write"]],
  ["causal", ["read", "write"], { serializable: true }],
])("%s workload", (name, functions, given) => {
  it("finds nothing wrong with a single copy, succeeds with each function, and repeats", async () => {
    const { history, verdicts } = await onSingleCopy(name, {}, given);
    for (const verdict of verdicts) expect(verdict).toMatchObject({ validity: "valid", anomalies: [] });
    const succeeded = new Set(history.client.filter(({ type }) => type === "ok").map(({ f }) => f));
    expect([...succeeded].sort()).toEqual(functions);
    expect((await onSingleCopy(name, {}, given)).history.events).toEqual(history.events);
  });

  it("holds nothing against lost answers", async () => {
    for (let seed = 0; seed < 2; seed++)
      expect(anomalies((await onSingleCopy(name, { seed, lost: 0.2 }, given)).verdicts)).toEqual([]);
  });
});

describe("spoilt answers", () => {
  it.each<[string, string, (request: KvRequest, answer: KvResponse) => KvResponse]>([
    [
      "counter",
      "value below the bounds",
      (request, answer) =>
        request.kind === "range" && answer.header.revision > 50
          ? ({ ...answer, kvs: [] } as unknown as KvResponse)
          : answer,
    ],
    [
      "counter",
      "value above the bounds",
      (request, answer) =>
        request.kind === "txn" ? ({ ...answer, succeeded: false } as KvResponse) : answer,
    ],
    [
      "unique-ids",
      "duplicated id",
      (_, answer) => ({
        ...answer,
        header: { ...answer.header, revision: Math.max(9, answer.header.revision) },
      }),
    ],
    [
      "queue",
      "lost element",
      (request, answer) =>
        request.kind === "txn" ? ({ ...answer, succeeded: false } as KvResponse) : answer,
    ],
  ])("%s: %s", async (name, anomaly, distort) => {
    expect(anomalies((await onSingleCopy(name, { distort })).verdicts)).toContain(anomaly);
  });

  it("queue: a head from the past, and a guard that always holds", async () => {
    let head: KvResponse | undefined;
    const distort = (request: KvRequest, answer: KvResponse): KvResponse => {
      if (request.kind === "txn") return { ...answer, succeeded: true } as KvResponse;
      if (answer.kind !== "range" || answer.kvs.length === 0) return answer;
      head ??= answer;
      return head;
    };
    expect(anomalies((await onSingleCopy("queue", { distort })).verdicts)).toContain("duplicated element");
  });

  it("queue: an order that is not that of the queue", async () => {
    const store = new Store({ bug: "" });
    const byKey = {
      revision: 0,
      // Forgets to sort: "queue/10" comes before "queue/9".
      range: (request: Parameters<Store["range"]>[0]) => store.range({ ...request, sortOrder: "none" }),
      apply: (request: Parameters<Store["apply"]>[0]) => store.apply(request),
    };
    const { verdicts } = await onSingleCopy("queue", { store: byKey });
    expect(anomalies(verdicts)).toEqual(["element out of order"]);
  });
});

describe("planted bugs", () => {
  /** Two members and a partition: with `quorum-half`, each goes on alone. */
  const split = { nodes: 2, faults: ["partition"], faultInterval: 2, duration: 6, rate: 60 };
  const cut = { faults: ["partition"], faultInterval: 2, duration: 6, rate: 60 };
  /** A member that restarts has forgotten what it had shown. */
  const restarted = { faults: ["kill", "restart", "power"], faultInterval: 3, duration: 20 };
  it.each([
    ["counter", "follower-reads-locally", cut, ["value below the bounds"]],
    ["unique-ids", "quorum-half", split, ["duplicated id"]],
    ["set", "quorum-half", split, ["causal reverse"]],
    ["long-fork", "quorum-half", split, ["long fork"]],
    ["g2", "quorum-half", split, ["write skew"]],
    ["monotonic", "quorum-half", split, ["one revision, two values"]],
    ["monotonic", "follower-reads-locally", cut, ["stale read"]],
    ["sequential", "quorum-half", split, ["writes out of order"]],
    ["causal", "quorum-half", split, ["causality violation"]],
    ["causal", "follower-reads-locally", restarted, ["own write not read"]],
    ["queue", "quorum-half", split, ["lost element", "element out of order"]],
  ])("%s finds %s", async (workload, bug, given, expected) => {
    const base = { workload, nodes: 3 };
    const found = new Set<string>();
    for (let seed = 0; seed < 10 && !expected.every((name) => found.has(name)); seed++) {
      const broken = await run(assemble(parsePlan({ ...base, ...given, bug, seed })), {
        record() {},
        messages: false,
      });
      for (const name of anomalies(broken.result.verdicts)) found.add(name);
    }
    expect([...found]).toEqual(expect.arrayContaining(expected));
    const healthy = await run(assemble(parsePlan({ ...base, ...given, seed: 0 })), {
      record() {},
      messages: false,
    });
    expect(anomalies(healthy.result.verdicts)).toEqual([]);
  });
});

describe("none", () => {
  it("lets the cluster alone for as long as the plan says, and does not call that valid", async () => {
    const plan = parsePlan({ workload: "none", nodes: 3, duration: 8, faults: ["kill"], faultInterval: 3 });
    const { result, history } = await run(assemble(plan), { record() {}, messages: false });
    expect(history.client).toEqual([]);
    expect(history.events.at(-1)?.time).toBeGreaterThan(5e9);
    expect(result.validity).toBe("unknown");
    expect(anomalies(result.verdicts)).toEqual([]);
  });
});

it.each([
  ["counter", { most: 0 }, /counter.*most/],
  ["queue", { enqueues: 2 }, /queue.*enqueues/],
  ["unique-ids", { keys: 1 }, /unique-ids.*keys/],
  ["none", { keys: 1 }, /none.*keys/],
  ["long-fork", { group: 1 }, /long-fork.*group/],
  ["g2", { keys: 1 }, /g2.*keys/],
  ["monotonic", { past: 2 }, /monotonic.*past/],
  ["sequential", { parts: 1 }, /sequential.*parts/],
  ["causal", { keys: 1 }, /causal.*keys/],
] as const)("%s names what is wrong with %o", async (name, given, message) => {
  await expect(onSingleCopy(name, {}, given)).rejects.toThrow(message);
});
