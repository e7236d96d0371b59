import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { agreedIndex, jointVoteResult, quorumSize, type VoteResult, voteResult } from "./quorum.ts";

const seeded = { seed: 1, numRuns: 300 };

/** All subsets of 0..n-1, as bit sets. */
const subsets = (n: number) => Array.from({ length: 1 << n }, (_, bits) => bits);
const size = (bits: number) => bits.toString(2).replaceAll("0", "").length;

describe("a quorum", () => {
  it("overlaps every other, which no smaller size ensures", () => {
    for (let n = 1; n <= 7; n++) {
      const quorums = subsets(n).filter((set) => size(set) >= quorumSize(n, false));
      expect(quorums.every((a) => quorums.every((b) => (a & b) !== 0))).toBe(true);
      const smaller = subsets(n).filter((set) => size(set) === quorumSize(n, false) - 1);
      expect(smaller.every((a) => smaller.every((b) => (a & b) !== 0))).toBe(false);
    }
  });

  it("survives as many failures as the other half has members", () => {
    expect([1, 2, 3, 4, 5, 6, 7].map((n) => n - quorumSize(n, false))).toEqual([0, 0, 1, 1, 2, 2, 3]);
  });

  it("splits under the planted bug", () => {
    expect([1, 2, 3, 4, 5].map((n) => quorumSize(n, true))).toEqual([1, 1, 1, 2, 2]);
  });
});

describe("the agreed index", () => {
  it("is the highest that a majority has reached, by brute force", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(9), { minLength: 1, maxLength: 7 }), (values) => {
        const reached = (index: number) => values.filter((value) => value >= index).length;
        let best = 0;
        for (let index = 0; index <= 9; index++) if (reached(index) * 2 > values.length) best = index;
        expect(agreedIndex([...values], values.length, quorumSize(values.length, false))).toBe(best);
      }),
      seeded,
    );
  });

  it("looks at the first values only, and never falls when one of them rises", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(9), { minLength: 1, maxLength: 7 }),
        fc.array(fc.nat(9)),
        fc.nat(6),
        (values, rest, which) => {
          const needed = quorumSize(values.length, false);
          const before = agreedIndex([...values, ...rest], values.length, needed);
          const raised = values.map((value, i) => (i === which % values.length ? value + 1 : value));
          expect(agreedIndex(raised, raised.length, needed)).toBeGreaterThanOrEqual(before);
        },
      ),
      seeded,
    );
  });

  it("is no bound if there is nobody to agree", () => {
    expect(agreedIndex([], 0, 1)).toBe(Number.MAX_SAFE_INTEGER);
  });
});

describe("a poll", () => {
  it("is decided exactly when the missing answers cannot change it", () => {
    for (let n = 1; n <= 7; n++) {
      const needed = quorumSize(n, false);
      for (let granted = 0; granted <= n; granted++) {
        for (let refused = 0; refused <= n - granted; refused++) {
          const open = n - granted - refused;
          const ends = new Set<boolean>();
          for (let more = 0; more <= open; more++) ends.add((granted + more) * 2 > n);
          const expected: VoteResult = ends.size === 2 ? "pending" : ends.has(true) ? "won" : "lost";
          expect(voteResult(granted, refused, n, needed)).toBe(expected);
        }
      }
    }
  });

  it("is won by nobody's voters, so that an empty half does not count", () => {
    expect(voteResult(0, 0, 0, 1)).toBe("won");
  });

  it("of two halves needs both", () => {
    const results: readonly VoteResult[] = ["won", "pending", "lost"];
    for (const a of results) {
      for (const b of results) {
        const expected = a === "lost" || b === "lost" ? "lost" : a === b ? a : "pending";
        expect(jointVoteResult(a, b)).toBe(expected);
      }
    }
  });
});
