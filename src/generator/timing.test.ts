import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Call, Op } from "../history/op.ts";
import { any, concat, cycle, limit, repeat, type Source } from "./combinators.ts";
import type { OpGenerator } from "./generator.ts";
import { imperfect, quick, type SimulateOptions, simulate } from "./simulate.ts";
import { clients, nemesis } from "./threads.ts";
import { cycleTimes, delay, delayUntil, flipFlop, sleep, stagger, timeLimit } from "./timing.ts";
import { validate } from "./validate.ts";

type Register = { readonly write: { readonly in: number; readonly out: number } };

const write = (value: number): Call<Register> => ({ f: "write", value });
const invocations = (events: readonly Op<Register>[]) => events.filter(({ type }) => type === "invoke");
const run = (source: Source<Register>, options: SimulateOptions = { completer: quick }) =>
  invocations(simulate(clients(validate(source)), options));
const times = (source: Source<Register>, options?: SimulateOptions) =>
  run(source, options).map(({ time }) => time);
const values = (source: Source<Register>, options?: SimulateOptions) =>
  run(source, options).map(({ value }) => value);

describe("timeLimit", () => {
  it("starts nothing at or after its end", () => {
    expect(times(timeLimit(30, delay(10, repeat(write(1)))))).toEqual([0, 10, 20]);
    expect(times(timeLimit(31, delay(10, repeat(write(1)))))).toEqual([0, 10, 20, 30]);
  });

  it("counts from when it is first asked", () => {
    expect(times([sleep(100), timeLimit(15, delay(10, repeat(write(1))))])).toEqual([100, 110]);
  });

  it("ends a source that waits for a time", () => {
    expect(times([timeLimit(30, [sleep(1_000), write(1)]), write(2)])).toEqual([30]);
  });

  it("ends a source that waits for an event that never comes", () => {
    const never: OpGenerator<Register> = { next: () => ({ kind: "wait", rest: never }), update: () => never };
    expect(times([timeLimit(30, never), write(2)])).toEqual([30]);
  });

  it("ends while all threads are busy", () => {
    const events = simulate(clients(timeLimit(30, repeat<Register>(write(1)))), {
      completer: () => ({ type: "ok", latency: 1_000 }),
    });
    expect(invocations(events).map(({ time }) => time)).toEqual([0, 0, 0]);
  });

  it("keeps its end although the operation that lies ahead is thrown away", () => {
    const ahead: OpGenerator<Register> = {
      next: ({ free, time }) =>
        free[0] === undefined
          ? { kind: "wait", rest: ahead }
          : { kind: "op", at: Math.max(time, 200), thread: free[0], call: write(1), rest: ahead },
      update: () => ahead,
    };
    const source = any(clients(timeLimit(100, ahead)), nemesis(limit(30, delay(7, repeat(write(2))))));
    expect(invocations(simulate<Register>(source)).map(({ value }) => value)).toEqual(new Array(30).fill(2));
  });

  it("is due when the first of its sources is, or at its end", () => {
    const spaced = (gap: number, value: number) => delay<Register>(gap, repeat(write(value)));
    const both = validate(timeLimit(45, any(clients(spaced(20, 1)), nemesis(spaced(30, 2)))));
    const events = invocations(simulate<Register>(both, { completer: quick }));
    expect(events.map(({ time, value }) => [time, value]).sort()).toEqual([
      [0, 1],
      [0, 2],
      [20, 1],
      [30, 2],
      [40, 1],
    ]);
  });

  it("refuses durations that are none", () => {
    for (const duration of [-1, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => timeLimit(duration, write(1))).toThrow(RangeError);
  });
});

describe("spacing", () => {
  it("delay keeps exact distances", () => {
    expect(times(limit(4, delay(25, repeat(write(1)))))).toEqual([0, 25, 50, 75]);
  });

  it("delay falls behind rather than crowd when threads are slow", () => {
    const slow = { concurrency: 1, completer: () => ({ type: "ok" as const, latency: 40 }) };
    expect(times(limit(3, delay(25, repeat(write(1)))), slow)).toEqual([0, 40, 80]);
  });

  it("stagger spreads over [0, 2 mean], with the mean asked for", () => {
    const at = times(limit(2_000, stagger(100, repeat(write(1)))), { completer: quick, seed: 3 });
    const gaps = at.slice(1).map((time, i) => time - (at[i] as number));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(200);
    const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
    expect(mean).toBeGreaterThan(95);
    expect(mean).toBeLessThan(105);
  });

  it("stagger's rate does not depend on the number of threads", () => {
    const end = (concurrency: number) =>
      times(limit(500, stagger(100, repeat(write(1)))), { concurrency }).at(-1) as number;
    expect(end(20) / end(2)).toBeCloseTo(1, 0);
  });

  it("two staggers beside each other do not march in step", () => {
    const branch = (value: number) => limit(50, stagger(100, repeat<Register>(write(value))));
    const events = run(any(branch(1), branch(2)));
    const at = (value: number) => events.filter((event) => event.value === value).map(({ time }) => time);
    expect(at(1)).not.toEqual(at(2));
  });
});

describe("waiting", () => {
  it("sleep passes time and ends", () => {
    expect(times([write(1), sleep(50), write(2), sleep(0), write(3)])).toEqual([0, 50, 50]);
  });

  it("sleep in a cycle starts anew each time", () => {
    expect(times(limit(3, cycle([sleep(10), write(1)])))).toEqual([10, 20, 30]);
  });

  it("sleep beside busy branches does not start over", () => {
    const source = any<Register>(
      clients(limit(100, repeat(write(1)))),
      nemesis(cycle([sleep(55), write(2)])),
    );
    const events = invocations(simulate(timeLimit(300, source)));
    expect(events.filter(({ value }) => value === 2).map(({ time }) => time)).toEqual([
      55, 110, 165, 220, 275,
    ]);
  });

  it("delayUntil waits for an absolute time", () => {
    expect(times([sleep(30), delayUntil(100, write(1)), delayUntil(20, write(2))])).toEqual([100, 100]);
  });
});

describe("turns", () => {
  it("cycleTimes goes by the clock, each source where it left off", () => {
    const counting = (base: number): Source<Register> => [0, 1, 2, 3, 4, 5].map((n) => write(base + n));
    const source = timeLimit(60, delay(4, cycleTimes([10, counting(10)], [20, counting(20)])));
    expect(run(source).map(({ time, value }) => [time, value])).toEqual([
      [0, 10],
      [4, 11],
      [8, 12],
      [12, 20],
      [16, 21],
      [20, 22],
      [24, 23],
      [28, 24],
      [32, 13],
      [36, 14],
      [40, 25],
    ]);
  });

  it("cycleTimes ends when all have", () => {
    expect(values(cycleTimes([10, [write(1), write(2)]], [10, [write(3)]]))).toEqual([1, 2, 3]);
    expect(() => cycleTimes([0, write(1)])).toThrow(RangeError);
  });

  it("cycleTimes interrupts a source that waits", () => {
    expect(
      run(cycleTimes([10, [sleep(15), write(1)]], [10, write(2)])).map(({ time, value }) => [time, value]),
    ).toEqual([
      [10, 2],
      [20, 1],
    ]);
  });

  it("flipFlop alternates until one has ended", () => {
    expect(values(flipFlop([write(1), write(2)], repeat(write(0))))).toEqual([1, 0, 2, 0]);
  });
});

describe("laws", () => {
  const source = fc
    .array(fc.tuple(fc.nat(60), fc.nat(9)), { maxLength: 6 })
    .map((items): Source<Register> => items.flatMap(([pause, value]) => [sleep(pause), write(value)]));

  it("nothing starts at or after a time limit, and what follows it does", () => {
    fc.assert(
      fc.property(source, fc.nat(200), fc.nat(), (inner, bound, seed) => {
        const limited = concat(timeLimit(bound, any<Register>(cycle([sleep(1), inner]), inner)), write(99));
        const events = run(limited, { seed, completer: imperfect });
        expect(events.at(-1)?.value).toBe(99);
        for (const { time } of events.slice(0, -1)) expect(time).toBeLessThan(bound);
      }),
      { seed: 2, numRuns: 100 },
    );
  });

  it("delay never puts two operations closer than asked", () => {
    fc.assert(
      fc.property(source, fc.nat(40), fc.nat(), (inner, gap, seed) => {
        const at = times(delay(gap, inner), { seed, completer: imperfect });
        for (let i = 1; i < at.length; i++)
          expect((at[i] as number) - (at[i - 1] as number)).toBeGreaterThanOrEqual(gap);
      }),
      { seed: 2, numRuns: 100 },
    );
  });
});
