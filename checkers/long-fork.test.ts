import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Budget, type Verdict } from "../src/checker.ts";
import { parseHistory } from "../src/history/notation.ts";
import { type LongForkSignature, longFork } from "./long-fork.ts";

function check(text: string): Verdict {
  return longFork.check(parseHistory<LongForkSignature>(text), new Budget(0));
}

const write = (process: number, key: number): string =>
  `${process} invoke write [["w",${key},1]]\n${process} ok write [["w",${key},1]]\n`;

/** A read of the keys 0, 1, … that finds those of `seen`. */
function read(process: number, size: number, ...seen: readonly number[]): string {
  const txn = Array.from({ length: size }, (_, key) => ["r", key, seen.includes(key) ? 1 : null]);
  return `${process} invoke read ${JSON.stringify(txn.map(([r, key]) => [r, key, null]))}\n${process} ok read ${JSON.stringify(txn)}\n`;
}

describe("long fork checker", () => {
  it("names two reads that see two writes in opposite orders", () => {
    const verdict = check(write(0, 0) + write(1, 1) + read(2, 2, 0) + read(3, 2, 1));
    expect(verdict.anomalies).toEqual([
      {
        name: "long fork",
        guarantee: "snapshot isolation",
        explanation:
          "process 2 saw the write of key 0 but not that of key 1; process 3 saw key 1 but not key 0. No single order of the two writes explains both.",
        witness: [5, 7],
      },
    ]);
  });

  it("accepts reads that see more and more, or less and less", () => {
    const verdict = check(write(0, 0) + write(1, 1) + read(2, 2, 0, 1) + read(3, 2, 1) + read(3, 2));
    expect(verdict).toMatchObject({ validity: "valid", checked: 3, evidence: { sawAll: 1, sawNothing: 1 } });
  });

  it("does not compare reads of different keys", () => {
    expect(check(write(0, 0) + write(1, 1) + read(2, 2, 0) + read(3, 3, 1)).validity).toBe("valid");
  });

  it("does not know when a key was written twice, or no read saw a part", () => {
    expect(check(write(0, 0) + write(0, 0) + read(1, 2, 0)).validity).toBe("unknown");
    expect(check(write(0, 0) + write(0, 1) + read(1, 2, 0, 1) + read(1, 2)).validity).toBe("unknown");
    expect(check("").validity).toBe("unknown");
  });

  it("finds a fork exactly if some two reads of one group are incomparable", () => {
    let forks = 0;
    fc.assert(
      fc.property(fc.array(fc.subarray([0, 1, 2, 3]), { maxLength: 8 }), (reads) => {
        const text = reads.map((seen, process) => read(process, 4, ...seen)).join("");
        const within = (a: readonly number[], b: readonly number[]) => a.every((key) => b.includes(key));
        const forked = reads.some((a) => reads.some((b) => !within(a, b) && !within(b, a)));
        if (forked) forks++;
        expect(check(text).validity === "invalid").toBe(forked);
      }),
      { seed: 1, numRuns: 200 },
    );
    expect(forks).toBeGreaterThan(20);
    expect(forks).toBeLessThan(180);
  });
});
