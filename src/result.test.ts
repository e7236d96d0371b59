import { describe, expect, it } from "vitest";
import { toothlessFaults } from "./result.ts";

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
