import { describe, expect, it } from "vitest";
import { type Plan, UsageError } from "../plan.ts";
import { assemble } from "../registry.ts";
import { type Run, run } from "../runner/run.ts";
import { resolvePlan } from "../runner/swarm.ts";
import { seededRandom } from "../runtime/random.ts";
import { areApart, bounds, explore, noReturn, rate, steepest } from "./futures.ts";

const play = async (plan: Plan): Promise<Run> => run(assemble(plan), { record: () => {}, messages: false });
/** So many runs: a budget that is the same on every machine. */
const within = (count: number, playing: (plan: Plan) => Promise<Run>) => {
  let runs = 0;
  const counted = (plan: Plan): Promise<Run> => {
    runs++;
    return playing(plan);
  };
  return { run: counted, spent: () => runs / count };
};

describe("another future", () => {
  const plan = resolvePlan({ workload: "register", nodes: 3, duration: 6, faultInterval: 2, seed: 3 });
  const future = { at: 2.5, seed: 1 };

  it("is the same run until its moment, and another one after", async () => {
    const [was, is] = [await play(plan), await play({ ...plan, future })];
    const beginning = ({ history }: Run) => history.events.filter(({ time }) => time < future.at * 1e9);
    expect(beginning(was).length).toBeGreaterThan(100);
    expect(beginning(is)).toEqual(beginning(was));
    expect(is.history.events).not.toEqual(was.history.events);
  });

  it("is repeated by its plan, and differs by its seed", async () => {
    const [one, again] = [await play({ ...plan, future }), await play({ ...plan, future })];
    expect(again.result.traceHash).toBe(one.result.traceHash);
    const other = await play({ ...plan, future: { ...future, seed: 2 } });
    expect(other.history.events).not.toEqual(one.history.events);
  });
});

describe("moments", () => {
  /** Fails in one of ten futures drawn before `lost` seconds, and in all from then on. */
  const model = (lost: number) => {
    let failing: Promise<Run> | undefined;
    let sound: Promise<Run> | undefined;
    return async ({ future }: Plan): Promise<Run> => {
      failing ??= play(
        resolvePlan({ workload: "bank", bug: "txn-sees-own-puts", duration: 5, seed: 1, faults: [] }),
      );
      sound ??= play(resolvePlan({ workload: "bank", duration: 1, seed: 1, faults: [] }));
      const fails = future === undefined || future.at >= lost || seededRandom(future.seed).chance(0.1);
      return fails ? failing : sound;
    };
  };

  it("are found on both sides of the one at which it was lost, as near as the budget allows", async () => {
    const plan = resolvePlan({ duration: 60 });
    const { proved } = await explore(plan, within(18, model(0)));
    for (const part of [0.3, 0.77]) {
      const lost = part * proved;
      const { moments } = await explore(plan, within(1_000, model(lost)));
      const after = steepest(moments);
      const [from, to] = [moments[after - 1], moments[after]] as const;
      expect(from?.at).toBeLessThan(lost);
      expect(to?.at).toBeGreaterThanOrEqual(lost);
      expect((to?.at ?? 0) - (from?.at ?? 0)).toBeLessThan(proved / 500);
      expect(areApart(from as never, to as never)).toBe(true);
      expect(noReturn(moments)).toBe(to);
    }
  });

  it("are all tried, however small the budget", async () => {
    const { moments } = await explore(resolvePlan({ duration: 60 }), within(1, model(1)));
    expect(moments).toHaveLength(17);
    for (const { futures } of moments) expect(futures).toBe(1);
  });

  it("are not those of a run that keeps its promises", async () => {
    const sound = resolvePlan({ duration: 1, faults: [], nodes: 3 });
    await expect(explore(sound, within(9, play))).rejects.toThrow(UsageError);
  });
});

describe("the bounds of a likelihood", () => {
  // Wilson's interval as published for these counts (Newcombe, Statistics in Medicine 17, 1998, table I, method 3).
  it.each([
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ])("%i of %i", (failed, futures, low, high) => {
    const [from, to] = bounds({ at: 0, failed, futures });
    expect(from).toBeCloseTo(low, 4);
    expect(to).toBeCloseTo(high, 4);
  });

  it("are everything where nothing was tried", () => {
    expect(bounds({ at: 0, failed: 0, futures: 0 })).toEqual([0, 1]);
    expect(rate({ at: 0, failed: 0, futures: 0 })).toBe(0);
  });
});
