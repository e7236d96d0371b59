import { describe, expect, it } from "vitest";
import type { KvResponse } from "../cluster/api.ts";
import { Store } from "../cluster/kv/store.ts";
import { Budget } from "../src/checker.ts";
import { seededRandom } from "../src/runtime/random.ts";
import type { WorkloadOptions } from "../src/workload.ts";
import { registerWorkload } from "./register.ts";
import { playOnSingleCopy, type SingleCopyOptions } from "./single-copy.ts";

function options(given: WorkloadOptions["options"] = {}): WorkloadOptions {
  return { nodes: ["n1"], concurrency: 5, timeout: 5e9, random: seededRandom(1), options: given };
}

async function play(given: WorkloadOptions["options"], how: Partial<SingleCopyOptions>) {
  const workload = registerWorkload.create(options(given));
  const history = await playOnSingleCopy(workload, {
    store: new Store({ bug: "" }),
    seed: 1,
    concurrency: 5,
    operations: 400,
    ...how,
  });
  const verdicts = workload.checkers.map((checker) => checker.check(history, new Budget(10_000_000)));
  return { history, verdicts };
}

describe("register workload", () => {
  it.each(["value", "mod-revision"])("finds nothing wrong with a single copy, cas by %s", async (compare) => {
    for (let seed = 0; seed < 5; seed++)
      for (const lost of [0, 0.1])
        for (const verdict of (await play({ compare }, { seed, lost })).verdicts)
          expect(verdict).toMatchObject({ validity: "valid", anomalies: [] });
  });

  it("replaces registers after their share of operations, and reads all of them in the end", async () => {
    const { history } = await play({ keys: 2, opsPerKey: 50 }, {});
    const sizes = history.keys().map((key) => history.forKey(key).client.length);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(400 + sizes.length);
    expect(sizes.filter((size) => size === 51).length).toBeGreaterThanOrEqual(sizes.length - 2);
    expect(Math.max(...sizes)).toBe(51);
    for (const key of history.keys())
      expect(history.forKey(key).client.at(-1)).toMatchObject({ f: "read", type: "ok" });
  });

  it("swaps about half of the time", async () => {
    const { history } = await play({}, { operations: 1000 });
    const outcomes = history.client.filter(({ f }) => f === "cas").map(({ output }) => output);
    const swapped = outcomes.filter((output) => (output as { swapped: boolean }).swapped).length;
    expect(swapped / outcomes.length).toBeGreaterThan(0.2);
    expect(swapped / outcomes.length).toBeLessThan(0.95);
  });

  it("notices when an acknowledged write is forgotten", async () => {
    const { verdicts } = await play(
      { keys: 1, opsPerKey: 1000 },
      {
        distort(request, answer): KvResponse {
          const forgets =
            request.kind === "range" && request.serializable !== true && answer.header.revision > 50;
          return forgets ? ({ ...answer, kvs: [], count: 0 } as unknown as KvResponse) : answer;
        },
      },
    );
    expect(verdicts.map(({ validity }) => validity)).toEqual(["invalid", "invalid"]);
    expect(verdicts[0]?.anomalies[0]).toMatchObject({ name: "stale read", guarantee: "linearizability" });
    expect(verdicts[1]?.anomalies[0]?.name).toBe("lost write");
  });

  it("lets a serializable read be old, but not wrong", async () => {
    let first: KvResponse | undefined;
    const old = await play(
      { keys: 1, opsPerKey: 1000 },
      {
        distort(request, answer) {
          if (request.kind !== "range" || request.serializable !== true) return answer;
          first ??= answer;
          return first;
        },
      },
    );
    expect(old.verdicts.map(({ validity }) => validity)).toEqual(["valid", "valid"]);

    const wrong = await play(
      { keys: 1, opsPerKey: 1000 },
      {
        distort(request, answer) {
          if (request.kind !== "range" || request.serializable !== true) return answer;
          first ??= answer;
          // Old contents under a new revision.
          return { ...first, header: answer.header };
        },
      },
    );
    expect(wrong.verdicts.map(({ validity }) => validity)).toEqual(["valid", "invalid"]);
  });

  it.each([
    [{ keys: 0 }, /keys/],
    [{ opsPerKey: 1.5 }, /opsPerKey/],
    [{ writes: 3 }, /writes/],
    [{ compare: "version" }, /compare/],
    [{ read: 0, write: 0, cas: 0, staleRead: 0 }, /all weights are 0/],
  ])("refuses %j", (wrong, message) => {
    expect(() => registerWorkload.create(options(wrong))).toThrow(message);
  });
});
