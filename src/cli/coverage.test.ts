import { describe, expect, it } from "vitest";
import { sitesOf } from "../../cluster/sites.ts";
import { toothlessFaults, unreachedSites } from "./coverage.ts";

const struck = (fault: string, starts: number, bites: number) => ({
  faults: [{ fault, colour: "#000", starts, bites }],
});

describe("faults without teeth", () => {
  it("are those that bit in no run", () => {
    expect(toothlessFaults([struck("kill", 2, 0), struck("kill", 1, 1), struck("pause", 3, 0)])).toEqual([
      "pause",
    ]);
  });

  it("are none of those that were never started, while others were", () => {
    expect(toothlessFaults([struck("kill", 0, 0), struck("pause", 1, 1)])).toEqual([]);
  });

  it("are all if none was ever started", () => {
    expect(toothlessFaults([struck("kill", 0, 0)])).toEqual(["kill"]);
    expect(toothlessFaults([{ faults: [] }])).toEqual([]);
  });
});

describe("unreached sites", () => {
  it("are those that no seed reached", () => {
    const all = Object.fromEntries(sitesOf("register").map(({ name }) => [name, 1]));
    const { "two-leaders": _, ...most } = all;
    const names = (...reached: { [site: string]: number }[]) =>
      unreachedSites(
        "register",
        reached.map((sites) => ({ reached: sites })),
      ).map(({ name }) => name);
    expect(names(most)).toEqual(["two-leaders"]);
    expect(names(most, { "two-leaders": 1 })).toEqual([]);
    expect(names({ ...all, "two-leaders": 0 })).toEqual(["two-leaders"]);
  });

  it("are only asked of workloads that can come there", () => {
    const names = unreachedSites("register", []).map(({ name }) => name);
    expect(names).toContain("two-leaders");
    expect(names).not.toContain("lock-granted");
  });
});
