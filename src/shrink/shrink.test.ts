import { describe, expect, it } from "vitest";
import { type Plan, UsageError } from "../plan.ts";
import { assemble } from "../registry.ts";
import { type Run, run } from "../runner/run.ts";
import { resolvePlan } from "../runner/swarm.ts";
import { failureOf, shows } from "./failure.ts";
import { scriptOf, sizeOf } from "./script.ts";
import { shrink } from "./shrink.ts";

const play = async (plan: Plan): Promise<Run> => run(assemble(plan), { record: () => {}, messages: false });
/** So many runs: a budget that is the same on every machine. */
const within = (count: number) => {
  let runs = 0;
  const counted = (plan: Plan): Promise<Run> => {
    runs++;
    return play(plan);
  };
  return { run: counted, spent: () => runs / count };
};

describe("a script", () => {
  it.each(["register", "lock", "watch"])("of a %s run is the same run again", async (workload) => {
    const plan = resolvePlan({ workload, duration: 6, faultInterval: 2, nodes: 3, seed: 3 });
    const first = await play(plan);
    const script = [...scriptOf(first.history, plan.concurrency, Infinity)];
    expect(sizeOf(script).faults).toBeGreaterThan(0);
    const again = await play({ ...plan, script });
    // What a script does at the moment at which something ends may come before that end, as when recovery begins.
    const { recovery = 0 } = first.result.phases;
    const load = ({ history }: Run) => history.events.filter(({ time }) => time < recovery);
    expect(load(first).length).toBeGreaterThan(100);
    expect(load(again)).toEqual(load(first));
    expect(again.result.validity).toBe(first.result.validity);
  });

  it("names what it cannot do", async () => {
    const scripted = (call: object) =>
      resolvePlan({ faults: ["kill"], script: [{ at: 1, f: "read", ...call }] as never });
    const complaint = (call: object) =>
      play(scripted(call)).then(
        () => "none",
        (error: unknown) => (error instanceof UsageError ? error.message : error),
      );
    expect(await complaint({ thread: 10 })).toMatch(
      "script.0: thread 10 does not exist; with a concurrency of 10 the last is 9",
    );
    expect(await complaint({ f: "start-kil" })).toMatch(/no function start-kil; did you mean start-kill\?/);
    expect(await complaint({ thread: 0, f: "raed" })).toMatch(/no function raed; did you mean read\?/);
  });
});

describe("shrink", () => {
  it("keeps the failure and little else", async () => {
    const plan = resolvePlan({ bug: "quorum-half", nodes: 5, duration: 20, rate: 20, seed: 5 });
    const before = await play(plan);
    const shrunk = await shrink(plan, within(120));
    expect(shrunk.failure).toEqual(failureOf(before.result));
    const { result } = await play(shrunk.plan);
    expect(shows(result, shrunk.failure)).toBe(true);
    expect(shrunk.plan.nodes).toBe(3);
    const { faults, operations } = sizeOf(shrunk.plan.script ?? []);
    expect(shrunk.plan.script).toBeDefined();
    expect(faults + operations).toBeLessThanOrEqual(8);
  });

  it("gives a failing plan whenever it is stopped", async () => {
    const plan = resolvePlan({ bug: "quorum-half", nodes: 5, duration: 20, rate: 20, seed: 5 });
    for (const count of [1, 5]) {
      const { plan: smaller, failure } = await shrink(plan, within(count));
      expect(shows((await play(smaller)).result, failure)).toBe(true);
    }
  });

  it("has nothing to do for a run that holds", async () => {
    const plan = resolvePlan({ nodes: 3, duration: 5, faults: [] });
    await expect(shrink(plan, { run: play, spent: () => 0 })).rejects.toThrow(UsageError);
  });
});
