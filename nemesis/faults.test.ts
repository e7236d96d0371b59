/** Every fault against a simulated cluster: it bites, it is healed, and what a cluster must survive it survives. */
import { describe, expect, it } from "vitest";
import type { Plan } from "../src/plan.ts";
import { assemble } from "../src/registry.ts";
import type { RunResult } from "../src/result.ts";
import { run } from "../src/runner/run.ts";
import { resolvePlan, survivable } from "../src/runner/swarm.ts";
import { faults } from "./index.ts";

/** What makes a fault possible to see where the default plan would hide it. */
const settings: { readonly [fault: string]: Partial<Plan["raftkv"]> & { readonly workload?: string } } = {
  duplicate: { peerTransport: "datagram" },
  reorder: { peerTransport: "datagram" },
  "snapshot-hunt": { snapshotEvery: 20 },
  "lease-hunt": { workload: "lease" },
};

/** Faults that wait for elections need another that deposes leaders. */
const companions: { readonly [fault: string]: readonly string[] } = {
  "leader-hunt": ["kill"],
  "commit-hunt": ["kill"],
  "voter-restart": ["kill"],
};

/** Beyond what raft promises to survive: here a violation is a success of the checkers. */
const beyond: ReadonlySet<string> = new Set(["lying-sync", "truncate"]);

async function play(fault: string, seed: number): Promise<RunResult> {
  const { workload = "register", ...raftkv } = settings[fault] ?? {};
  const plan = resolvePlan({
    workload,
    faults: [fault, ...(companions[fault] ?? [])],
    faultInterval: 4,
    nodes: 3,
    duration: 25,
    rate: 20,
    seed,
    raftkv,
  });
  const { result } = await run(assemble(plan), { record: () => {}, messages: false });
  return result;
}

describe.each(faults.map(({ name }) => name))("%s", (name) => {
  it("bites and is healed", async () => {
    // Triggered faults wait for their moment, which may not come in one short run.
    const results: RunResult[] = [];
    for (let seed = 1; seed <= 6; seed++) {
      results.push(await play(name, seed));
      if ((results.at(-1)?.faults[0]?.bites ?? 0) > 0) break;
    }
    expect(results.at(-1)?.faults[0]).toMatchObject({ fault: name });
    expect(results.at(-1)?.faults[0]?.bites).toBeGreaterThan(0);
    if (!beyond.has(name)) expect(results.map(({ validity }) => validity)).not.toContain("invalid");
  });
});

it("a swarm draws only faults that exist, and none beyond what raft can survive", () => {
  const names = faults.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining([...survivable]));
  expect(survivable.filter((name) => beyond.has(name))).toEqual([]);
});

it("faults have names and colours of their own", () => {
  expect(new Set(faults.map(({ name }) => name)).size).toBe(faults.length);
  expect(new Set(faults.map(({ colour }) => colour)).size).toBe(faults.length);
});
