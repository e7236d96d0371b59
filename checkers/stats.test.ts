import { describe, expect, it } from "vitest";
import { Budget } from "../src/checker.ts";
import { parseHistory } from "../src/history/notation.ts";
import { stats } from "./stats.ts";

function check(lines: readonly string[]) {
  return stats.check(parseHistory(lines.join("\n")), new Budget(0));
}
const fine = ["0 invoke read", "0 ok read 1"];
function failing(times: number): string[] {
  return Array.from({ length: times }, () => [
    "0 invoke write 1",
    "0 fail write 1 ! UNAVAILABLE: no leader",
  ]).flat();
}

describe("stats", () => {
  it("counts outcomes by function, and errors", () => {
    const verdict = check([
      ...fine,
      ...fine,
      ...failing(3),
      "0 invoke write 2",
      "0 info write 2 ! timeout",
      "1 invoke read",
    ]);
    expect(verdict).toMatchObject({ validity: "valid", checked: 7, reason: "2 of 7 operations succeeded" });
    expect(verdict.evidence).toEqual({
      functions: { read: { ok: 2, fail: 0, info: 1 }, write: { ok: 0, fail: 3, info: 1 } },
      errors: { "UNAVAILABLE: no leader": 3, timeout: 1, "no completion": 1 },
    });
  });

  it("doubts a run in which a function was tried ten times in vain", () => {
    expect(check([...fine, ...failing(9)]).validity).toBe("valid");
    expect(check([...fine, ...failing(10)])).toMatchObject({
      validity: "unknown",
      reason: "write was tried 10 times and never succeeded",
    });
  });

  it("doubts a run without a success, or without operations", () => {
    expect(check(failing(1)).validity).toBe("unknown");
    expect(check([]).validity).toBe("unknown");
  });

  it("tells a defect of the client from an error of the system", () => {
    const defect = check([...fine, "0 invoke write 1", "0 info write 1 ! TypeError: x is undefined"]);
    expect(defect.validity).toBe("unknown");
    expect(defect.reason).toContain("event 3: TypeError: x is undefined");
  });
});
