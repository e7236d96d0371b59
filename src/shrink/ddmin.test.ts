import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ddmin } from "./ddmin.ts";

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

describe("ddmin", () => {
  it("keeps what it takes and nothing else, in order", async () => {
    const needed = fc.tuple(fc.integer({ min: 1, max: 60 }), fc.array(fc.nat(59), { maxLength: 5 }));
    await fc.assert(
      fc.asyncProperty(needed, async ([n, wanted]) => {
        const culprits = [...new Set(wanted.filter((item) => item < n))].sort((a, b) => a - b);
        const left = await ddmin(range(n), async (part) => culprits.every((item) => part.includes(item)));
        expect(left).toEqual(culprits);
      }),
    );
  });

  it("leaves a list from which no single item can go, when failing is not monotone", async () => {
    const fails = async (part: readonly number[]): Promise<boolean> =>
      part.length >= 3 && part.reduce((sum, item) => sum + item, 0) % 3 === 0;
    const left = await ddmin(range(30), fails);
    expect(await fails(left)).toBe(true);
    for (let i = 0; i < left.length; i++) expect(await fails(left.toSpliced(i, 1))).toBe(false);
  });

  it("gives the list back if no part of it fails", async () => {
    expect(await ddmin(range(7), async (part) => part.length === 7)).toEqual(range(7));
  });

  it("finds one culprit among many in few questions", async () => {
    let asked = 0;
    const left = await ddmin(range(1024), async (part) => {
      asked++;
      return part.includes(700);
    });
    expect(left).toEqual([700]);
    expect(asked).toBeLessThan(60);
  });
});
