import { describe, expect, it } from "vitest";
import { Budget } from "../src/checker.ts";
import { parseHistory } from "../src/history/notation.ts";
import { type G2Signature, g2 } from "./g2.ts";

const check = (text: string) => g2.check(parseHistory<G2Signature>(text), new Budget(0));

describe("g2 checker", () => {
  it("names two inserts that should have excluded each other", () => {
    const verdict = check(`
      0@n1 invoke insert(k1) [1, null]
      1@n2 invoke insert(k1) [null, 2]
      0@n1 ok     insert(k1)
      1@n2 ok     insert(k1)`);
    expect(verdict.anomalies).toEqual([
      {
        name: "write skew",
        guarantee: "serializability",
        explanation:
          "process 0 on n1 and process 1 on n2 both inserted a row for key k1, although each was to do so only if there was none.",
        witness: [2, 3],
      },
    ]);
  });

  it("accepts one winner for each key, whatever became of the other", () => {
    const verdict = check(`
      0 invoke insert(k1) [1, null]
      1 invoke insert(k1) [null, 2]
      1 fail   insert(k1) [null, 2] ! there was a row already
      0 ok     insert(k1)
      0 invoke insert(k2) [3, null]
      0 ok     insert(k2)
      1 invoke insert(k2) [null, 4]
      1 info   insert(k2) [null, 4] ! timeout`);
    expect(verdict).toMatchObject({ validity: "valid", checked: 2 });
  });

  it("does not know when nobody contested a key, or nobody won", () => {
    expect(check("0 invoke insert(k1) [1, null]\n0 ok insert(k1)").validity).toBe("unknown");
    const lost = (process: number) =>
      `${process} invoke insert(k1) [1, null]\n${process} fail insert(k1) [1, null] ! refused\n`;
    expect(check(lost(0) + lost(1)).validity).toBe("unknown");
  });
});
