import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Budget, type Verdict } from "../src/checker.ts";
import { parseHistory } from "../src/history/notation.ts";
import { type MonotonicSignature, monotonic, type Stamped } from "./monotonic.ts";
import { type Action, histories } from "./testdata/brute-force.ts";

function check(text: string, linearizable = true): Verdict {
  return monotonic({ linearizable }).check(parseHistory<MonotonicSignature>(text), new Budget(0));
}

function found(verdict: Verdict): readonly (readonly [string, readonly number[]])[] {
  return verdict.anomalies.map(({ name, witness }) => [name, witness]);
}

const inc = (revision: number, value: number): string => `0 invoke inc\n0 ok inc [${revision}, ${value}]\n`;
const read = (revision: number, value: number): string =>
  `1@n2 invoke read\n1@n2 ok read [${revision}, ${value}]\n`;
const readAt = (revision: number, value: number): string =>
  `2 invoke read-at ${revision}\n2 ok read-at [${revision}, ${value}]\n`;

describe("monotonic checker", () => {
  it("accepts values that grow with the revisions, and reads of the past", () => {
    const verdict = check(inc(2, 1) + read(2, 1) + inc(5, 2) + readAt(4, 1) + readAt(1, 0) + read(6, 2));
    expect(verdict).toMatchObject({ validity: "valid", checked: 6, evidence: { increments: 2, reads: 4 } });
  });

  it("names a value that went back at a later revision", () => {
    const verdict = check(inc(2, 1) + inc(3, 2) + read(4, 1));
    expect(found(verdict)).toEqual([["value went back", [3, 5]]]);
    expect(verdict.anomalies[0]?.explanation).toBe(
      "process 0 made it 2 at revision 3, but process 1 on n2 read only 1 at the later revision 4.",
    );
  });

  it("names a past that is not what it was", () => {
    expect(found(check(inc(2, 1) + inc(3, 2) + readAt(2, 0)))).toEqual([
      ["one revision, two values", [1, 5]],
    ]);
  });

  it("names an increment that made nothing new, or shares its revision", () => {
    expect(found(check(inc(2, 1) + inc(3, 1)))).toEqual([["lost update", [1, 3]]]);
    expect(found(check(inc(2, 1) + inc(2, 1)))).toEqual([["one revision, two values", [1, 3]]]);
  });

  const stale = inc(2, 1) + inc(3, 2) + read(2, 1);

  it("names a stale read, unless reads may be stale", () => {
    expect(found(check(stale))).toEqual([["stale read", [3, 4, 5]]]);
    expect(check(stale, false).validity).toBe("valid");
  });

  it("accepts an old read that began before the increment was acknowledged", () => {
    const text = `${inc(2, 1)}0 invoke inc\n1 invoke read\n0 ok inc [3, 2]\n1 ok read [2, 1]`;
    expect(check(text).validity).toBe("valid");
  });

  it("names an increment at a revision older than what had been read", () => {
    expect(found(check(inc(2, 1) + read(9, 1) + inc(5, 2)))).toContainEqual([
      "revision went back",
      [3, 4, 5],
    ]);
  });

  it("does not know without an increment", () => {
    expect(check(read(1, 0)).validity).toBe("unknown");
  });

  it("condemns exactly the histories in which some two operations contradict each other", () => {
    const stamped = fc.tuple(fc.nat(4), fc.nat(2)) as fc.Arbitrary<Stamped>;
    const action = fc
      .tuple(fc.constantFrom("inc" as const, "read" as const, "read" as const), stamped)
      .map(([f, lie]): Action<MonotonicSignature> => ({ call: { f, value: null }, fate: "ok", lie }));
    let valid = 0;
    fc.assert(
      fc.property(
        histories(fc.array(action, { minLength: 1, maxLength: 4 }), () => () => null),
        fc.boolean(),
        (history, linearizable) => {
          const all = history.client;
          const contradict = all.some((a, i) =>
            all.some((b, j) => {
              if (i === j || a.type !== "ok" || b.type !== "ok") return false;
              const [early, low] = a.output;
              const [late, high] = b.output;
              if (early === late && (low !== high || (a.f === "inc" && b.f === "inc"))) return true;
              if (early < late && (high < low || (b.f === "inc" && high === low))) return true;
              const timed = [a, b].every(({ f }) => f === "inc" || linearizable);
              return timed && a.completeIndex < b.invokeIndex && late < early;
            }),
          );
          const { validity } = monotonic({ linearizable }).check(history, new Budget(0));
          if (!contradict) valid++;
          expect(validity === "invalid").toBe(contradict);
        },
      ),
      { seed: 1, numRuns: 500 },
    );
    expect(valid).toBeGreaterThan(50);
    expect(valid).toBeLessThan(450);
  });
});
