import { describe, expect, it } from "vitest";
import { Budget } from "../src/checker.ts";
import { parseHistory } from "../src/history/notation.ts";
import { type UniqueIdsSignature, uniqueIds } from "./unique-ids.ts";

const check = (text: string) => uniqueIds.check(parseHistory<UniqueIdsSignature>(text), new Budget(0));

describe("unique ids checker", () => {
  it("accepts ids that differ, in whatever order", () => {
    const verdict = check(`
      0 invoke generate
      1 invoke generate
      1 ok     generate 7
      0 ok     generate 3
      1 invoke generate
      1 ok     generate "7"`);
    expect(verdict).toMatchObject({ validity: "valid", checked: 3 });
  });

  it("names both who were given one id", () => {
    const verdict = check(`
      0@n1 invoke generate
      1@n2 invoke generate
      1@n2 ok     generate 7
      0@n1 ok     generate 7
      2@n3 invoke generate
      2@n3 ok     generate 8`);
    expect(verdict.anomalies).toEqual([
      {
        name: "duplicated id",
        guarantee: "unique ids",
        explanation: "Both process 0 on n1 and process 1 on n2 were given the id 7.",
        witness: [2, 3],
      },
    ]);
  });

  it("does not count what nobody was given", () => {
    const verdict = check(`
      0 invoke generate
      0 info   generate ! timeout
      1 invoke generate
      1 ok     generate 1
      1 invoke generate
      1 ok     generate 2`);
    expect(verdict).toMatchObject({ validity: "valid", checked: 2, evidence: { attempts: 3 } });
  });

  it("does not know with fewer than two ids", () => {
    expect(check("").validity).toBe("unknown");
    expect(check("0 invoke generate\n0 ok generate 1").validity).toBe("unknown");
  });
});
