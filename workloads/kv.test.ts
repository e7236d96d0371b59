import { describe, expect, it } from "vitest";
import type { KvResponse } from "../cluster/api.ts";
import type { KeyValue } from "../cluster/kv/request.ts";
import { Store } from "../cluster/kv/store.ts";
import { Budget } from "../src/checker.ts";
import { seededRandom } from "../src/runtime/random.ts";
import type { WorkloadOptions } from "../src/workload.ts";
import { kvWorkload } from "./kv.ts";
import { playOnSingleCopy, type SingleCopyOptions } from "./single-copy.ts";

function options(given: WorkloadOptions["options"] = {}): WorkloadOptions {
  return { nodes: ["n1"], concurrency: 5, timeout: 5e9, random: seededRandom(1), options: given };
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
      ["compact", "delete", "grant", "put", "range", "revoke", "txn"].sort(),
    );
  });

  it("notices a read from the past that pretends to be new", async () => {
    let old: KvResponse | undefined;
    const [verdict] = await verdicts({
      distort(request, answer) {
        if (request.kind !== "range" || request.rangeEnd !== undefined || request.serializable) return answer;
        if (request.revision !== undefined || request.key !== "kv/1") return answer;
        old ??= answer;
        return old;
      },
    });
    expect(verdict?.validity).toBe("invalid");
    expect(verdict?.anomalies[0]?.name).toBe("stale read");
  });

  it("notices lying revisions although the values are right", async () => {
    let puts = 0;
    const [verdict] = await verdicts({
      distort(request, answer) {
        if (request.kind !== "put" || !("header" in answer) || ++puts % 20 !== 0) return answer;
        return { ...answer, header: { ...answer.header, revision: answer.header.revision + 25 } };
      },
    });
    expect(verdict?.validity).toBe("invalid");
    expect(verdict?.anomalies.map(({ guarantee }) => guarantee)).toContain("revision order");
  });

  it("notices a torn range: all right, but one key of a moment before", async () => {
    const seen = new Map<string, KeyValue>();
    const [verdict] = await verdicts({
      distort(request, answer) {
        if (request.kind !== "range" || !("kvs" in answer) || request.rangeEnd === undefined) return answer;
        const kvs = answer.kvs.map((kv) => {
          const before = seen.get(kv.key);
          seen.set(kv.key, kv);
          return kv.key === "kv/2" && !request.keysOnly && before !== undefined ? before : kv;
        });
        return { ...answer, kvs };
      },
    });
    expect(verdict?.anomalies.map(({ name }) => name)).toEqual(
      expect.arrayContaining([expect.stringMatching(/^stale (read|value)$/)]),
    );
  });

  it.each([
    [{ keys: 0 }, /keys/],
    [{ reads: 3 }, /reads/],
    [
      {
        ...Object.fromEntries(
          ["get", "staleGet", "getAt", "range", "staleRange", "list", "put", "delete"].map((name) => [
            name,
            0,
          ]),
        ),
        ...Object.fromEntries(
          ["deleteRange", "update", "txn", "grant", "leasedPut", "revoke", "compact"].map((name) => [
            name,
            0,
          ]),
        ),
      },
      /all weights are 0/,
    ],
  ])("refuses %j", (wrong, message) => {
    expect(() => kvWorkload.create(options(wrong))).toThrow(message);
  });
});
