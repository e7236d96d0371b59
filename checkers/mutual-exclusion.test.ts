import { describe, expect, it } from "vitest";
import { Budget, type Verdict } from "../src/checker.ts";
import { parseHistory } from "../src/history/notation.ts";
import { type LockSignature, mutualExclusionChecker } from "./mutual-exclusion.ts";

function check(text: string, clockSlack = 0): Verdict {
  return mutualExclusionChecker({ clockSlack }).check(parseHistory<LockSignature>(text), new Budget(0));
}

function found(verdict: Verdict): readonly (readonly [string, readonly number[]])[] {
  return verdict.anomalies.map(({ name, witness }) => [name, witness]);
}

/** What an acquire gives: a lease of 2 s. */
function held(fence: number, renewed = 0): string {
  return JSON.stringify({ lease: `${fence}`, ownership: `lock/${fence}`, fence, ttl: 2, renewed });
}

function written(before: number): string {
  return JSON.stringify({ before, written: true, revision: 100 + before });
}

describe("mutual exclusion checker", () => {
  it("accepts turns", () => {
    const verdict = check(`
      0ms   0 invoke acquire {"ttl":2}
      10ms  0 ok     acquire ${held(5)}
      20ms  1 invoke acquire {"ttl":2}
      500ms 0 invoke release
      510ms 1 ok     acquire ${held(6)}
      520ms 0 ok     release`);
    expect(verdict).toMatchObject({ validity: "valid", checked: 2 });
  });

  it("names two holders at once", () => {
    const verdict = check(`
      0ms   0 invoke acquire {"ttl":2}
      10ms  0 ok     acquire ${held(5)}
      20ms  1 invoke acquire {"ttl":2}
      500ms 1 ok     acquire ${held(6)}
      510ms 0 invoke release
      520ms 0 ok     release`);
    expect(found(verdict)).toEqual([["two holders at once", [0, 1, 3]]]);
  });

  it("accepts a second holder once the lease of the first may have expired", () => {
    const verdict = check(`
      0ms    0 invoke acquire {"ttl":2}
      500ms  0 ok     acquire ${held(5)}
      600ms  1 invoke acquire {"ttl":2}
      2000ms 1 ok     acquire ${held(6)}`);
    expect(verdict.validity).toBe("valid");
  });

  it("counts a renewal from when it was sent", () => {
    const renewed = (sent: number) => `
      0ms    0 invoke acquire {"ttl":2}
      10ms   0 ok     acquire ${held(5)}
      20ms   1 invoke acquire {"ttl":2}
      ${sent}ms 0 invoke keepalive
      1950ms 0 ok     keepalive {"ttl":2}
      3000ms 1 ok     acquire ${held(6, 2_900_000_000)}`;
    expect(found(check(renewed(1900)))).toEqual([["two holders at once", [1, 3, 4, 5]]]);
    expect(check(renewed(1000)).validity).toBe("valid");
  });

  it("counts the renewals during the wait", () => {
    const renewed = (sentMs: number) => `
      0ms    0 invoke acquire {"ttl":2}
      1900ms 0 ok     acquire ${held(5, sentMs * 1_000_000)}
      2000ms 1 invoke acquire {"ttl":2}
      3000ms 1 ok     acquire ${held(6)}`;
    expect(found(check(renewed(1_500)))).toEqual([["two holders at once", [0, 1, 3]]]);
    expect(check(renewed(1_000)).validity).toBe("valid");
  });

  it("does not count a renewal that found the lease lost, failed or stayed unknown", () => {
    for (const ending of ['ok keepalive {"ttl":0}', "fail keepalive ! down", "info keepalive ! timeout"])
      expect(
        check(`
          0ms    0 invoke acquire {"ttl":2}
          10ms   0 ok     acquire ${held(5)}
          20ms   1 invoke acquire {"ttl":2}
          1900ms 0 invoke keepalive
          1950ms 0 ${ending}
          2100ms 1 ok     acquire ${held(6, 2_000_000_000)}`).validity,
      ).toBe("valid");
  });

  it("takes the clock slack off each guaranteed life", () => {
    const text = `
      0ms    0 invoke acquire {"ttl":2}
      10ms   0 ok     acquire ${held(5)}
      1000ms 1 invoke acquire {"ttl":2}
      1800ms 1 ok     acquire ${held(6)}`;
    expect(check(text).validity).toBe("invalid");
    expect(check(text, 300_000_000).validity).toBe("valid");
  });

  it("names a token that does not grow", () => {
    const verdict = check(`
      0ms    0 invoke acquire {"ttl":2}
      10ms   0 ok     acquire ${held(5)}
      20ms   0 invoke release
      30ms   0 ok     release
      40ms   1 invoke acquire {"ttl":2}
      50ms   1 ok     acquire ${held(5)}`);
    expect(found(verdict)).toEqual([["fencing token went back", [1, 4, 5]]]);
  });

  it("accepts tokens out of order if the acquires overlap", () => {
    const verdict = check(`
      0ms    0 invoke acquire {"ttl":2}
      5ms    1 invoke acquire {"ttl":2}
      10ms   0 ok     acquire ${held(6)}
      20ms   0 invoke release
      30ms   0 ok     release
      50ms   1 ok     acquire ${held(5)}`);
    expect(verdict.validity).toBe("valid");
  });

  const count = (
    second: number,
    read: number,
    last = 'ok increment {"before":9,"written":false,"revision":9}',
  ) => `
    0 invoke acquire {"ttl":2}
    0 ok     acquire ${held(5)}
    0 invoke increment {"think":0}
    0 ok     increment ${written(0)}
    0 invoke increment {"think":0}
    0 ok     increment ${written(second)}
    1 invoke increment {"think":0}
    1 ${last}
    2 invoke read
    2 ok     read ${read}`;

  it("accepts a counter that counts", () => {
    expect(check(count(1, 2)).validity).toBe("valid");
    expect(check(count(1, 3, "info increment ! timeout")).validity).toBe("valid");
  });

  it("names a guarded write that starts where another started", () => {
    expect(found(check(count(0, 2)))).toEqual([["lost update under lock", [3, 5]]]);
  });

  it("names a counter that stays behind or runs ahead", () => {
    expect(found(check(count(1, 1)))).toEqual([["lost update under lock", [5, 9]]]);
    expect(found(check(count(1, 3)))).toEqual([["counted twice", [9]]]);
  });

  it("tells a hold that outlived its lease from a fault of the server", () => {
    const paused = (wakes: string) => `
      0ms    0 invoke acquire {"ttl":2}
      500ms  0 ok     acquire ${held(5)}
      600ms  1 invoke acquire {"ttl":2}
      2400ms 1 ok     acquire ${held(6, 2_000_000_000)}
      3000ms 0 invoke increment {"think":0}
      3100ms 0 ok     increment ${wakes}`;
    const refused = check(paused('{"before":0,"written":false,"revision":9}'));
    expect(refused).toMatchObject({
      validity: "valid",
      evidence: { holds: 2, outlivedTheirLease: 1, refusedIncrements: 1 },
    });
    expect(refused.evidence).toHaveProperty("firstOutlived", expect.stringMatching(/0\.400 s.*no server/));
    const accepted = check(paused('{"before":0,"written":true,"revision":9}'));
    expect(found(accepted)).toEqual([["write behind the fence", [3, 4, 5]]]);
  });

  it("tells by their revisions who wrote over whom", () => {
    const verdict = check(`
      0 invoke acquire {"ttl":2}
      0 ok     acquire ${held(5)}
      0 invoke increment {"think":0}
      1 invoke acquire {"ttl":2}
      1 ok     acquire ${held(6)}
      1 invoke increment {"think":0}
      1 ok     increment {"before":0,"written":true,"revision":101}
      0 ok     increment {"before":0,"written":true,"revision":102}`);
    const lost = verdict.anomalies.find(({ name }) => name === "lost update under lock");
    expect(lost?.explanation).toMatch(/^process 1.*revision 101.*process 0.* over it \(revision 102\)/);
  });

  it("accepts a guarded write that was under way when the lock changed hands", () => {
    const verdict = check(`
      0ms    0 invoke acquire {"ttl":2}
      500ms  0 ok     acquire ${held(5)}
      600ms  1 invoke acquire {"ttl":2}
      1900ms 0 invoke increment {"think":0}
      2400ms 1 ok     acquire ${held(6, 2_000_000_000)}
      3100ms 0 ok     increment {"before":0,"written":true,"revision":9}`);
    expect(verdict.validity).toBe("valid");
  });

  it("does not know without a single hold", () => {
    expect(check('0 invoke acquire {"ttl":2}\n0 info acquire ! timeout').validity).toBe("unknown");
  });
});
