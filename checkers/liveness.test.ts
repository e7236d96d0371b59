import { describe, expect, it } from "vitest";
import { Budget } from "../src/checker.ts";
import { parseHistory } from "../src/history/notation.ts";
import { liveness } from "./liveness.ts";

function check(text: string) {
  return liveness.check(parseHistory(text), new Budget(0));
}
const healed = `
  10s nemesis invoke heal-core
  11s nemesis ok     heal-core {"core": ["n1", "n2"], "bound": 20000000000, "recovered": 1000000000}
  12s nemesis invoke heal-all
  13s nemesis ok     heal-all {"nodes": ["n1", "n2", "n3"], "bound": 20000000000, "recovered": 500000000}`;

describe("liveness", () => {
  it("accepts a system that serves again after each heal", () => {
    const verdict = check(`${healed}
      14s 0 invoke read
      14s 0 ok     read 1`);
    expect(verdict).toMatchObject({ validity: "valid", checked: 3, anomalies: [] });
    expect(verdict.evidence).toEqual({
      "heal-core": { recovered: 1_000_000_000 },
      "heal-all": { recovered: 500_000_000 },
    });
    expect(check(healed).validity).toBe("valid");
  });

  it.each(["heal-core", "heal-all"])("rejects a system that does not recover after %s", (heal) => {
    const broken = healed.replace(new RegExp(`(ok +${heal} .*"recovered": )\\d+`), "$1null");
    expect(check(broken)).toMatchObject({ validity: "invalid", anomalies: [{ name: "no recovery" }] });
  });

  it("asks nothing of operations before everything was healed", () => {
    const verdict = check(`
      1s 0 invoke read
      9s 0 fail   read ! UNAVAILABLE
      1s 1 invoke write 1 ${healed}
      40s 1 info write 1 ! timeout`);
    expect(verdict.validity).toBe("valid");
  });

  it("excuses a failure within the bound, not after it", () => {
    const final = (at: number) => `${healed}
      14s 0 invoke read
      14s 0 ok     read 1
      ${at}s 0 invoke read
      ${at}s 0 fail   read ! UNAVAILABLE`;
    expect(check(final(32)).validity).toBe("valid");
    expect(check(final(33))).toMatchObject({
      validity: "invalid",
      anomalies: [{ name: "no progress", witness: [3, 6, 7] }],
    });
  });

  it("rejects an answer that takes longer than the bound, or never comes", () => {
    const late = check(`${healed}
      14s 0 invoke read
      35s 0 ok     read 1`);
    expect(late).toMatchObject({
      validity: "invalid",
      anomalies: [{ name: "no progress", witness: [3, 4, 5] }],
    });
    const open = check(`${healed}
      14s 0 invoke read`);
    expect(open).toMatchObject({
      validity: "invalid",
      anomalies: [{ name: "no progress", witness: [3, 4] }],
    });
  });

  it("is unknown if nothing was healed, or nothing had to succeed and nothing did", () => {
    expect(check("0 invoke read\n0 ok read 1").validity).toBe("unknown");
    const verdict = check(`${healed}
      14s 0 invoke read
      14s 0 fail   read ! UNAVAILABLE`);
    expect(verdict.validity).toBe("unknown");
  });
});
