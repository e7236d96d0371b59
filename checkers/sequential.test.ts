import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Budget } from "../src/checker.ts";
import { parseHistory } from "../src/history/notation.ts";
import { type SequentialSignature, sequential } from "./sequential.ts";

const check = (text: string) => sequential.check(parseHistory<SequentialSignature>(text), new Budget(0));

/** `found` from the last part to the first. */
const read = (...found: readonly (string | null)[]): string =>
  `1@n2 invoke read(k)\n1@n2 ok read(k) ${JSON.stringify(found)}\n`;

describe("sequential checker", () => {
  it("names a later part without an earlier one", () => {
    const verdict = check(read(null, "3", null, "1"));
    expect(verdict.anomalies).toEqual([
      {
        name: "writes out of order",
        guarantee: "sequential consistency",
        explanation:
          "process 1 on n2 found part 3 of key k and, reading on, no part 2, which was written before it.",
        witness: [1],
      },
    ]);
  });

  it("accepts that the latest parts are missing, or all", () => {
    const verdict = check(
      read(null, null, "2", "1") + read(null, null, null, null) + read("4", "3", "2", "1"),
    );
    expect(verdict).toMatchObject({
      validity: "valid",
      checked: 3,
      evidence: { sawNothing: 1, sawSome: 1, sawAll: 1 },
    });
  });

  it("does not know when no read found anything", () => {
    expect(check(read(null, null)).validity).toBe("unknown");
    expect(check("1 invoke read(k)\n1 fail read(k) ! down").validity).toBe("unknown");
  });

  it("accepts exactly the reads whose missing parts all come before those found", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("x", null), { minLength: 1, maxLength: 6 }), (found) => {
        const ordered = found.every(
          (later, i) => later === null || found.slice(i).every((part) => part !== null),
        );
        expect(check(read(...found)).validity === "invalid").toBe(!ordered);
      }),
      { seed: 1 },
    );
  });
});
