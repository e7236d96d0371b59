/** The workloads of transactions on a single copy of the store: right as it is, wrong when its answers are spoilt. */
import { describe, expect, it } from "vitest";
import type { KvRequest, KvResponse } from "../cluster/api.ts";
import type { TxnResponse } from "../cluster/kv/request.ts";
import { Store } from "../cluster/kv/store.ts";
import { Budget, type Verdict } from "../src/checker.ts";
import type { History } from "../src/history/history.ts";
import { assemble } from "../src/registry.ts";
import { run } from "../src/runner/run.ts";
import { resolvePlan } from "../src/runner/swarm.ts";
import { seededRandom } from "../src/runtime/random.ts";
import type { WorkloadFactory } from "../src/workload.ts";
import { append } from "./append.ts";
import { playOnSingleCopy, type SingleCopyOptions } from "./single-copy.ts";
import { wr } from "./wr.ts";

const cases = [
  ["append", append, {}],
  ["wr, reading first", wr, { optimistic: true }],
  ["wr, in one request", wr, { optimistic: false }],
] as const;

async function judge(
  factory: WorkloadFactory<never>,
  options: { readonly [name: string]: boolean | number },
  play: Partial<SingleCopyOptions>,
): Promise<{ readonly verdict: Verdict; readonly history: History }> {
  const workload = factory.create({
    nodes: ["n1"],
    concurrency: 5,
    timeout: 5e9,
    random: seededRandom(1),
    options,
  });
  const history = await playOnSingleCopy(workload, {
    store: new Store({ bug: "" }),
    seed: 1,
    concurrency: 5,
    operations: 300,
    ...play,
  });
  const [checker] = workload.checkers;
  return { history, verdict: (checker as NonNullable<typeof checker>).check(history, new Budget(1_000_000)) };
}

/** The answer to a transaction, with every range changed. */
function spoilt(
  request: KvRequest,
  answer: KvResponse,
  change: (range: Extract<TxnResponse["responses"][number], { kind: "range" }>) => object,
): KvResponse {
  if (request.kind !== "txn" || answer.kind !== "txn") return answer;
  const responses = answer.responses.map((response) =>
    response.kind === "range" ? change(response) : response,
  );
  return { ...answer, responses } as KvResponse;
}

describe("planted bugs under faults", () => {
  it.each([
    ["append", "follower-reads-locally", "G-single-item-realtime"],
    ["wr", "follower-reads-locally", "G-single-item-realtime"],
  ])("%s: %s shows as %s within a few seeds", async (workload, bug, anomaly) => {
    const names = new Set<string>();
    for (let seed = 0; seed < 12 && !names.has(anomaly); seed++) {
      const plan = resolvePlan({ workload, bug, swarm: true, duration: 10, seed });
      const { result } = await run(assemble(plan), { record() {}, messages: false });
      for (const { anomalies } of result.verdicts) for (const { name } of anomalies) names.add(name);
    }
    expect([...names]).toContain(anomaly);
  });
});

describe.each(cases)("%s", (_, factory, options) => {
  it("finds nothing wrong with a single copy", async () => {
    for (let seed = 0; seed < 3; seed++) {
      const { verdict, history } = await judge(factory as never, options, { seed });
      expect(verdict).toMatchObject({ validity: "valid", anomalies: [] });
      expect(verdict.evidence).toMatchObject({ strongestModels: ["strict-serializable"] });
      const writes = history.client.filter(
        ({ type, input }) => type === "ok" && JSON.stringify(input).match(/append|"w"/),
      );
      expect(writes.length).toBeGreaterThan(50);
    }
  });

  it("finds nothing wrong when answers get lost", async () => {
    for (let seed = 0; seed < 3; seed++) {
      const { verdict } = await judge(factory as never, options, { seed, lost: 0.2 });
      expect(verdict).toMatchObject({ validity: "valid", anomalies: [] });
    }
  });

  it("notices a key that looks empty now and then", async () => {
    let reads = 0;
    const { verdict } = await judge(factory as never, options, {
      distort: (request, answer) =>
        // Only where nothing is written: a guard would notice.
        request.kind === "txn" && request.success.some(({ kind }) => kind === "put")
          ? answer
          : spoilt(request, answer, (range) => (++reads % 20 === 0 ? { ...range, kvs: [] } : range)),
    });
    expect(verdict.validity).toBe("invalid");
    expect(verdict.anomalies.some(({ name }) => /^G-single|^G2/.test(name))).toBe(true);
  });

  it("notices a range that misses new keys, as a phantom; not where nothing reads ranges", async () => {
    const store = (): Store => new Store({ bug: "txn-range-misses-new" });
    const { verdict } = await judge(factory as never, options, { store: store() });
    expect(verdict.validity).toBe("invalid");
    const names = Object.keys((verdict.evidence as { anomalies: object }).anomalies);
    expect(names.some((name) => /^G(-single|2)(-process|-realtime)?$/.test(name))).toBe(true);
    const without = await judge(factory as never, { ...options, ranges: 0 }, { store: store() });
    expect(without.verdict.validity).toBe("valid");
  });

  it("notices a transaction that fails although it took effect", async () => {
    let writes = 0;
    const { verdict } = await judge(factory as never, options, {
      distort(request, answer) {
        if (request.kind !== "txn" || answer.kind !== "txn" || !answer.succeeded) return answer;
        if (!request.success.some(({ kind }) => kind === "put") || ++writes % 10 !== 0) return answer;
        return { ...answer, succeeded: false, responses: [] };
      },
    });
    if ("optimistic" in options && !options.optimistic) {
      // Nothing was guarded, so nothing can have failed; but what was read is gone from the answer.
      expect(verdict.validity).toBe("invalid");
      return;
    }
    expect(verdict.anomalies.map(({ name }) => name)).toContain("G1a");
  });
});
