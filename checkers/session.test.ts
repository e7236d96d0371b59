import { describe, expect, it } from "vitest";
import { Budget, type Verdict } from "../src/checker.ts";
import { parseHistory } from "../src/history/notation.ts";
import { sessionGuarantees, type VersionedSignature } from "./session.ts";

function check(text: string): Verdict {
  return sessionGuarantees.check(parseHistory<VersionedSignature>(text), new Budget(0));
}

const write = (process: number, key: string, value: number, revision: number): string =>
  `${process} invoke write(${key}) ${value}\n${process} ok write(${key}) {"revision":${revision}}\n`;
const read = (process: number, key: string, value: number | null, revision: number): string =>
  `${process} invoke read(${key})\n${process} ok read(${key}) {"value":${value},"revision":${revision}}\n`;

describe("session guarantees", () => {
  it.each<[name: string, guarantee: string, text: string, witness: readonly number[], words: string]>([
    [
      "own write not read",
      "read your writes",
      write(0, "x", 1, 2) + read(0, "x", null, 0),
      [1, 3],
      "process 0 had written 1 to x at revision 2, and then read that it does not exist.",
    ],
    [
      "read went back",
      "monotonic reads",
      write(1, "x", 1, 2) + write(1, "x", 2, 3) + read(0, "x", 2, 3) + read(0, "x", 1, 2),
      [5, 7],
      "process 0 had read 2, of revision 3 of x, and then read 1, of revision 2.",
    ],
    [
      "write went back",
      "monotonic writes",
      write(0, "x", 1, 5) + write(0, "y", 2, 4),
      [1, 3],
      "process 0 wrote 2 to y at revision 4, although its write before, of 1 to x, was at revision 5.",
    ],
    [
      "write before what was read",
      "writes follow reads",
      write(1, "x", 1, 5) + read(0, "x", 1, 5) + write(0, "y", 2, 4),
      [3, 5],
      "process 0 had read 1, of revision 5 of x, and then wrote 2 to y at revision 4, which is no later.",
    ],
  ])("%s: %s does not hold", (name, guarantee, text, witness, explanation) => {
    expect(check(text).anomalies).toEqual([{ name, guarantee, explanation, witness }]);
  });

  it.each([
    ["another session reads what is old", write(0, "x", 1, 2) + write(0, "x", 2, 3) + read(1, "x", 1, 2)],
    ["a session reads another key that does not exist", write(0, "x", 1, 2) + read(0, "y", null, 0)],
    [
      "a read shows a newer version than one's own",
      write(0, "x", 1, 2) + write(1, "x", 2, 3) + read(0, "x", 2, 3),
    ],
    [
      "a write of unknown outcome is not seen: its session is over",
      `0 invoke write(x) 1\n0 info write(x) 1 ! timeout\n${read(1, "x", null, 0)}${read(1, "x", 1, 2)}`,
    ],
  ])("accepts that %s", (_, text) => {
    // One more operation, so that some session has two.
    const verdict = check(text + write(7, "z", 8, 90) + write(7, "z", 9, 91));
    expect(verdict).toMatchObject({ validity: "valid", anomalies: [] });
  });

  it("does not believe revisions blindly", () => {
    const names = (text: string) => check(text).anomalies.map(({ name, witness }) => [name, witness]);
    const both = write(0, "x", 1, 2) + read(1, "x", 3, 2);
    expect(names(both)).toEqual([["one revision, two values", [1, 3]]]);
    expect(names(write(0, "x", 1, 2) + write(1, "x", 2, 2))).toEqual([["one revision, two values", [1, 3]]]);
  });

  it("does not know when no session had two operations", () => {
    expect(check(write(0, "x", 1, 2) + read(1, "x", 1, 2)).validity).toBe("unknown");
    expect(check("").validity).toBe("unknown");
  });
});
