import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NEMESIS } from "../history/op.ts";
import { script, type TimedCall } from "./script.ts";
import { imperfect, LATENCY, perfect, simulate } from "./simulate.ts";
import { validate } from "./validate.ts";

const call = (at: number, thread: number, value: number): TimedCall => ({
  at,
  thread,
  call: { f: "write", value },
});
const begun = (calls: readonly TimedCall[], completer = perfect) =>
  simulate(validate(script(calls)), { completer })
    .filter(({ type }) => type === "invoke")
    .map(({ time, process, value }) => ({
      time,
      thread: process === NEMESIS ? NEMESIS : process % 3,
      value,
    }));

describe("a script", () => {
  it("starts each call at its time on its thread", () => {
    expect(begun([call(50, 2, 2), call(0, NEMESIS, 1), call(100, 0, 3)])).toEqual([
      { time: 0, thread: NEMESIS, value: 1 },
      { time: 50, thread: 2, value: 2 },
      { time: 100, thread: 0, value: 3 },
    ]);
  });

  it("waits for a busy thread without holding up the others", () => {
    expect(begun([call(0, 0, 1), call(1, 0, 2), call(2, 1, 3)])).toEqual([
      { time: 0, thread: 0, value: 1 },
      { time: 2, thread: 1, value: 3 },
      { time: LATENCY, thread: 0, value: 2 },
    ]);
  });

  it("makes every call once, never early, in the order of its thread", () => {
    const calls = fc.array(
      fc.tuple(fc.nat(200), fc.integer({ min: NEMESIS, max: 2 })).map(([at, thread]) => ({ at, thread })),
      { maxLength: 30 },
    );
    fc.assert(
      fc.property(calls, (list) => {
        const sorted = [...list].sort((a, b) => a.at - b.at);
        const made = begun(
          sorted.map(({ at, thread }, value) => call(at, thread, value)),
          imperfect,
        );
        expect(made.map(({ value }) => value).sort((a, b) => Number(a) - Number(b))).toEqual(
          sorted.map((_, value) => value),
        );
        for (const thread of [NEMESIS, 0, 1, 2]) {
          const own = made.filter((one) => one.thread === thread).map(({ value }) => Number(value));
          expect(own).toEqual(sorted.flatMap((one, value) => (one.thread === thread ? [value] : [])));
        }
        for (const { time, value } of made)
          expect(time).toBeGreaterThanOrEqual(sorted[Number(value)]?.at as number);
      }),
    );
  });
});
