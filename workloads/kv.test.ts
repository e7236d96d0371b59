import { describe, expect, it } from "vitest";
import type { KvResponse } from "../cluster/api.ts";
import { Store } from "../cluster/kv/store.ts";
import { Budget } from "../src/checker.ts";
import { seededRandom } from "../src/runtime/random.ts";
import type { WorkloadOptions } from "../src/workload.ts";
import { kvWorkload } from "./kv.ts";
import { playOnSingleCopy, type SingleCopyOptions } from "./single-copy.ts";

function options(given: WorkloadOptions["options"] = {}): WorkloadOptions {
  return { nodes: ["n1"], concurrency: 5, random: seededRandom(1), options: given };
}

async function verdicts(play: Partial<SingleCopyOptions>) {
  const workload = kvWorkload.create(options({ keys: 4 }));
  const history = await playOnSingleCopy(workload, {
    store: new Store({ bug: "" }),
    seed: 1,
    concurrency: 5,
    operations: 400,
    ...play,
  });
  return workload.checkers.map((checker) => checker.check(history, new Budget(10_000_000)));
}

describe("kv workload", () => {
  it("finds nothing wrong with a single copy", async () => {
    for (let seed = 0; seed < 5; seed++)
      for (const verdict of await verdicts({ seed }))
        expect(verdict).toMatchObject({ validity: "valid", anomalies: [] });
  });

  it("finds nothing wrong when answers get lost", async () => {
    for (let seed = 0; seed < 5; seed++)
      for (const verdict of await verdicts({ seed, lost: 0.1 }))
        expect(verdict).toMatchObject({ validity: "valid", anomalies: [] });
  });

  it("succeeds with each of its functions", async () => {
    const workload = kvWorkload.create(options());
    const history = await playOnSingleCopy(workload, {
      store: new Store({ bug: "" }),
      seed: 3,
      concurrency: 5,
      operations: 600,
    });
    const succeeded = new Set(history.client.filter(({ type }) => type === "ok").map(({ f }) => f));
    expect([...succeeded].sort()).toEqual(
      ["compact", "delete", "get", "get-at", "put", "range", "stale-get", "stale-range", "txn"].sort(),
    );
  });

  it("notices a read from the past that pretends to be new", async () => {
    let old: KvResponse | undefined;
    const found = await verdicts({
      distort(request, answer) {
        if (request.kind !== "range" || request.rangeEnd !== undefined || request.serializable) return answer;
        if (request.revision !== undefined || request.key !== "kv/1") return answer;
        old ??= answer;
        return old;
      },
    });
    expect(found.map(({ validity }) => validity)).toEqual(["invalid", "invalid"]);
    expect(found[0]?.anomalies[0]?.name).toBe("stale read");
    expect(found[1]?.anomalies[0]?.name).toBe("stale read");
  });

  it("calls lying revisions a lie about revisions when the values are right", async () => {
    let puts = 0;
    const found = await verdicts({
      distort(request, answer) {
        if (request.kind !== "put" || !("header" in answer) || ++puts % 20 !== 0) return answer;
        return { ...answer, header: { ...answer.header, revision: answer.header.revision + 25 } };
      },
    });
    expect(found.map(({ validity }) => validity)).toEqual(["valid", "invalid"]);
    expect(found[0]?.reason).toMatch(/[1-9]\d* by search$/);
    expect(found[1]?.anomalies.map(({ guarantee }) => guarantee)).toContain("revision order");
  });

  it.each([
    [{ keys: 0 }, /keys/],
    [{ reads: 3 }, /reads/],
    [
      {
        get: 0,
        staleGet: 0,
        getAt: 0,
        range: 0,
        staleRange: 0,
        put: 0,
        delete: 0,
        update: 0,
        txn: 0,
        compact: 0,
      },
      /all weights are 0/,
    ],
  ])("refuses %j", (wrong, message) => {
    expect(() => kvWorkload.create(options(wrong))).toThrow(message);
  });
});
