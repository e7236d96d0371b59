import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Budget, type Verdict } from "../src/checker.ts";
import { parseHistory } from "../src/history/notation.ts";
import { type ReplicaSignature, replicaChecker } from "./replica.ts";

function check(
  ...hashes: readonly (readonly [node: number, revision: number, hash: number, compacted?: number])[]
) {
  const text = hashes.map(
    ([node, revision, hash, compactRevision = 0]) => `
      ${node}@n${node} invoke hash {"revision":${revision}}
      ${node}@n${node} ok     hash ${JSON.stringify({ hash, compactRevision })}`,
  );
  return replicaChecker.check(parseHistory<ReplicaSignature>(text.join("")), new Budget(0));
}

const found = (verdict: Verdict) => verdict.anomalies.map(({ name, witness }) => [name, witness]);

describe("replica checker", () => {
  it("accepts equal hashes of one state, and any of different states", () => {
    expect(check([1, 7, 11], [2, 7, 11], [3, 8, 12], [3, 7, 13, 5])).toMatchObject({
      validity: "valid",
      checked: 4,
      evidence: { comparedStates: 1 },
    });
  });

  it("names two members that differ", () => {
    const verdict = check([1, 7, 11], [3, 8, 12], [2, 7, 99]);
    expect(found(verdict)).toEqual([["replicas differ", [1, 5]]]);
    expect(verdict.anomalies[0]?.explanation).toMatch(/revision 7.*11 on n1 and 99 on n2/);
  });

  it("names a member whose past changed", () => {
    expect(found(check([1, 7, 11], [1, 7, 12]))).toEqual([["hash changed", [1, 3]]]);
  });

  it("does not know if no state was seen by two members, or none at all", () => {
    expect(check([1, 7, 11], [1, 7, 11], [2, 8, 12]).validity).toBe("unknown");
    expect(check().validity).toBe("unknown");
  });

  it("says the same as comparing all pairs", () => {
    const hash = fc.tuple(
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 0, max: 1 }),
      fc.integer({ min: 0, max: 1 }),
    );
    fc.assert(
      fc.property(fc.array(hash, { maxLength: 8 }), (hashes) => {
        const differ = hashes.some(([, revision, value, compacted]) =>
          hashes.some(([, r, v, c]) => r === revision && c === compacted && v !== value),
        );
        expect(check(...hashes).validity === "invalid").toBe(differ);
      }),
      { seed: 1, numRuns: 300 },
    );
  });
});
