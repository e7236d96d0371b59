import { describe, expect, it } from "vitest";
import type { Cell } from "./suite.ts";
import { parseSuite } from "./suite.ts";
import { type SuiteSummary, suiteExitCode, summarize } from "./summary.ts";
import type { Trial } from "./trial.ts";

const suite = parseSuite({ name: "s", matrices: [{ name: "m" }] }, "test");
const cell = (id: string, more: Partial<Cell> = {}): Cell => ({
  id,
  matrix: "m",
  plan: {},
  seeds: [0, 1],
  reruns: 0,
  known: [],
  ...more,
});
const trial = (where: string, seed: number, more: Partial<Trial> = {}): Trial => ({
  cell: where,
  seed,
  status: "valid",
  summary: "fine",
  operations: 100,
  seconds: 10,
  faults: [{ fault: "kill", starts: 1, bites: 1 }],
  elapsed: 5,
  ...more,
});
const struck = (fault: string, bites: number) => ({ fault, starts: 1, bites });
const stale = { status: "invalid", failure: { checker: "linearizable", anomaly: "stale read" } } as const;
const STALE = "linearizable: stale read";

const sum = (
  cells: readonly Cell[],
  trials: readonly Trial[],
  earlier: readonly SuiteSummary[] = [],
  day = 1,
) => summarize(suite, cells, trials, `2030-01-0${day}T00:00:00.000Z`, earlier);
const states = (summary: SuiteSummary) => summary.cells.map(({ state }) => state);

describe("the state of a cell", () => {
  it("is that of its worst trial, and the suite's that of its worst cell", () => {
    const trials = [
      trial("valid", 0),
      trial("invalid", 0, stale),
      trial("invalid", 1, { status: "unknown" }),
      trial("broken", 0, { status: "broken" }),
      trial("broken", 1, stale),
      trial("unknown", 0, { status: "unknown" }),
      trial("vacuous", 0, { faults: [struck("kill", 1), struck("pause", 0)] }),
      trial("vacuous", 1, { faults: [struck("kill", 0), struck("pause", 0)] }),
    ];
    const cells = ["valid", "invalid", "broken", "unknown", "vacuous", "not run"].map((id) => cell(id));
    const found = sum([...cells, cell("impossible", { impossible: "no" })], trials);
    expect(states(found)).toEqual(found.cells.map(({ id }) => id));
    expect(found.cells.find(({ id }) => id === "vacuous")?.toothless).toEqual(["pause"]);
    expect([found.state, suiteExitCode(found)]).toEqual(["broken", 255]);
    expect([found.planned, found.done]).toEqual([12, 8]);
    const without = (...ids: readonly string[]) =>
      sum(
        cells.filter(({ id }) => !ids.includes(id)),
        trials.filter((each) => !ids.includes(each.cell)),
      );
    expect(suiteExitCode(without("broken"))).toBe(1);
    expect(suiteExitCode(without("broken", "invalid"))).toBe(2);
    expect(suiteExitCode(without("broken", "invalid", "unknown"))).toBe(2);
    expect(suiteExitCode(without("broken", "invalid", "unknown", "vacuous"))).toBe(0);
  });

  it("is unknown if nothing was run", () => {
    expect(suiteExitCode(sum([cell("a"), cell("b", { impossible: "no" })], []))).toBe(2);
  });

  it("is not made worse by what is known, and by nothing else", () => {
    const known = cell("a", { known: [STALE] });
    const other = { ...stale, failure: { checker: "linearizable", anomaly: "lost update" } };
    const good = sum([known], [trial("a", 0, stale)]);
    expect([states(good), suiteExitCode(good), good.findings[0]?.known]).toEqual([["known"], 0, true]);
    expect(suiteExitCode(sum([known], [trial("a", 0, stale), trial("a", 1, other)]))).toBe(1);
    const elsewhere = sum([known, cell("b")], [trial("a", 0, stale), trial("b", 0, stale)]);
    expect([states(elsewhere), elsewhere.findings[0]?.known]).toEqual([["known", "invalid"], false]);
  });
});

describe("a finding", () => {
  it("is all trials of one signature, told by one that was kept", () => {
    const kept = { run: "store/b", repeat: "again", failed: { times: 2, of: 2 } };
    const found = sum([cell("a"), cell("b")], [trial("a", 0, stale), trial("b", 1, { ...stale, ...kept })]);
    expect(found.findings).toMatchObject([
      {
        signature: STALE,
        trials: 2,
        cells: ["a", "b"],
        example: { cell: "b", seed: 1, run: "store/b", repeat: "again" },
        failed: { times: 2, of: 2 },
        suites: 1,
      },
    ]);
  });

  it("is as old as the unbroken line of suites that have seen it", () => {
    const bad = [trial("a", 0, stale)];
    const nights: SuiteSummary[] = [];
    const good = [trial("a", 0), trial("a", 1)];
    // A night that did not get to run it says nothing.
    for (const [day, trials] of [bad, good, bad, bad, [trial("a", 0)], bad].entries())
      nights.unshift(sum([cell("a")], trials, nights, day + 1));
    expect(nights[0]?.findings).toMatchObject([{ since: "2030-01-03T00:00:00.000Z", suites: 3 }]);
  });

  it("is gone if what had shown it was run again in full, and not before", () => {
    const before = [sum([cell("a")], [trial("a", 0, stale)])];
    expect(sum([cell("a")], [trial("a", 0), trial("a", 1)], before, 2).gone).toEqual([STALE]);
    expect(sum([cell("a")], [trial("a", 0)], before, 2).gone).toEqual([]);
    expect(sum([cell("a")], [trial("a", 0), trial("a", 1, stale)], before, 2).gone).toEqual([]);
  });
});
