/** Runs that end soon after a promise is broken. */
import { describe, expect, it } from "vitest";
import { workloads } from "../../workloads/index.ts";
import { type PlanInput, parsePlan } from "../plan.ts";
import { assemble } from "../registry.ts";
import { type Run, run } from "./run.ts";

function play(input: PlanInput): Promise<Run> {
  return run(assemble(parsePlan(input)), { record() {}, messages: false });
}

/** Names of what the workload's checkers found. */
function found({ result }: Run): readonly string[] {
  return result.verdicts.flatMap(({ anomalies }) => anomalies.map(({ name }) => name));
}

describe("a run with a planted bug", () => {
  it.each([
    ["register", "follower-reads-locally"],
    ["kv", "failed-txn-takes-revision"],
    ["bank", "txn-sees-own-puts"],
  ])(
    "ends early if it may, always at the same event, for what is wrong with the whole: %s, %s",
    async (workload, bug) => {
      const plan: PlanInput = {
        workload,
        bug,
        faults: ["partition"],
        faultInterval: 4,
        nodes: 3,
        duration: 12,
        seed: 1,
      };
      const whole = await play(plan);
      const [fast, again] = [
        await play({ ...plan, failFast: true }),
        await play({ ...plan, failFast: true }),
      ];
      const events = fast.history.events.length;
      expect(events).toBeLessThan(whole.history.events.length / 2);
      expect(fast.result.validity).toBe("invalid");
      expect(found(fast).length).toBeGreaterThan(0);
      expect(found(whole)).toEqual(expect.arrayContaining([...new Set(found(fast))]));
      expect(fast.result.phases).not.toHaveProperty("recovery");
      expect(again.result).toEqual(fast.result);
      // Up to where it stopped, it is the same run; after that only what was under way ends.
      const begun = fast.history.events.findLastIndex(({ type }) => type === "invoke");
      expect(fast.history.events.slice(0, begun)).toEqual(whole.history.events.slice(0, begun));
      expect(events - begun).toBeLessThanOrEqual(11);
    },
  );
});

describe("a run in which nothing is wrong", () => {
  it.each(workloads.map(({ name }) => name))("is the same when it may fail fast: %s", async (workload) => {
    const plan: PlanInput = {
      workload,
      faults: ["kill"],
      faultInterval: 2,
      nodes: 3,
      duration: 4.5,
      seed: 4,
    };
    const [plain, fast] = [await play(plan), await play({ ...plan, failFast: true })];
    expect(plain.result.validity).not.toBe("invalid");
    expect(fast.result).toEqual(plain.result);
    expect(fast.history.events).toEqual(plain.history.events);
  });
});
