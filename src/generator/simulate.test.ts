import { describe, expect, it } from "vitest";
import { History } from "../history/history.ts";
import type { Call } from "../history/op.ts";
import { limit, repeat } from "./combinators.ts";
import type { OpGenerator } from "./generator.ts";
import { imperfect, LATENCY, perfect, perfectInfo, quick, simulate } from "./simulate.ts";
import { clients } from "./threads.ts";

type Register = { readonly read: { readonly in: null; readonly out: number | null } };
const reads = clients(repeat<Register>({ f: "read", value: null } satisfies Call<Register>));

describe("the test kit", () => {
  it.each([
    ["perfect", perfect],
    ["quick", quick],
    ["perfect-info", perfectInfo],
    ["imperfect", imperfect],
  ])("makes well-formed histories with the %s completer", (_, completer) => {
    const events = simulate(limit(100, reads), { completer, seed: 4 });
    const history = new History(events);
    expect(history.client).toHaveLength(100);
    for (let i = 1; i < events.length; i++)
      expect(events[i]?.time).toBeGreaterThanOrEqual(events[i - 1]?.time as number);
  });

  it("gives each completer its outcomes and latencies", () => {
    const outcomes = (completer: typeof perfect) =>
      new Set(new History(simulate(limit(60, reads), { completer })).client.map(({ type }) => type));
    expect(outcomes(perfect)).toEqual(new Set(["ok"]));
    expect(outcomes(perfectInfo)).toEqual(new Set(["info"]));
    expect(outcomes(imperfect)).toEqual(new Set(["ok", "fail", "info"]));
    const [first] = new History(simulate(limit(1, reads))).client;
    expect(first?.completeTime).toBe(LATENCY);
    expect(simulate(limit(60, reads), { completer: quick }).at(-1)?.time).toBe(0);
  });

  it("retires a process after info, and keeps its thread", () => {
    const events = simulate(limit(6, reads), { concurrency: 2, completer: perfectInfo });
    const processes = events.filter(({ type }) => type === "invoke").map(({ process }) => process);
    expect(processes.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it("answers with what the completer says", () => {
    const events = simulate(limit(1, reads), { completer: () => ({ type: "ok", latency: 1, value: 42 }) });
    expect(events[1]).toEqual({
      index: 1,
      time: 1,
      process: events[0]?.process,
      type: "ok",
      f: "read",
      value: 42,
    });
  });

  it("other seeds, other events", () => {
    const run = (seed: number) => simulate(limit(50, reads), { seed, completer: imperfect });
    expect(run(1)).toEqual(run(1));
    expect(run(1)).not.toEqual(run(2));
  });

  it("cuts generators off, and says when one is stuck", () => {
    expect(simulate(reads, { events: 77 })).toHaveLength(77);
    const stuck: OpGenerator = { next: () => ({ kind: "wait", rest: stuck }), update: () => stuck };
    expect(() => simulate(stuck)).toThrow("at 0 the generator waits for an event, but nothing is under way");
  });
});
