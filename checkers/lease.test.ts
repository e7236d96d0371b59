import { describe, expect, it } from "vitest";
import { Budget, type Verdict } from "../src/checker.ts";
import { parseHistory } from "../src/history/notation.ts";
import { type LeaseSignature, leaseChecker } from "./lease.ts";

const MILLISECOND = 1_000_000;

function check(text: string, clockSlackMs = 0): Verdict {
  const checker = leaseChecker({ clockSlack: clockSlackMs * MILLISECOND, expirySlack: 1_000 * MILLISECOND });
  return checker.check(parseHistory<LeaseSignature>(text), new Budget(0));
}

function found(verdict: Verdict): readonly (readonly [string, readonly number[]])[] {
  return verdict.anomalies.map(({ name, witness }) => [name, witness]);
}

/** Lease 7 with a ttl of 2 s and key k1 at revision 2. */
const GRANTED = `
  0ms    0 invoke grant {"ttl":2}
  100ms  0 ok     grant {"lease":"7","ttl":2}
  200ms  0 invoke put {"lease":"7","key":"k1"}
  300ms  0 ok     put {"revision":2,"term":1}`;

function read(
  at: number,
  revision: number,
  keys: readonly string[],
  settled = false,
  lease = "7",
  term = 1,
): string {
  const leases = Object.fromEntries(keys.map((key) => [key, lease]));
  return `
    ${at}ms      9 invoke read {"settled":${settled}}
    ${at + 10}ms 9 ok     read ${JSON.stringify({ revision, term, leases })}`;
}

describe("lease checker", () => {
  it("accepts a life and death", () => {
    const verdict = check(`${GRANTED}
      ${read(400, 2, ["k1"])}
      1000ms 0 invoke keepalive {"lease":"7"}
      1100ms 0 ok     keepalive {"ttl":2}
      ${read(2_900, 2, ["k1"])}
      ${read(5_000, 3, [], true)}`);
    expect(verdict).toMatchObject({ validity: "valid", checked: 1, evidence: { seenExpired: 1 } });
  });

  it("names a key that is gone too early", () => {
    expect(found(check(GRANTED + read(1_900, 3, [])))).toEqual([["expired early", [0, 1, 5]]]);
  });

  it("accepts the same loss once the ttl has passed since the grant was asked for", () => {
    expect(check(GRANTED + read(1_990, 3, [])).validity).toBe("valid");
    expect(check(GRANTED + read(1_900, 3, []), 200).validity).toBe("valid");
  });

  it("counts a renewal from when it was sent", () => {
    const renewed = `${GRANTED}
      1000ms 0 invoke keepalive {"lease":"7"}
      1800ms 0 ok     keepalive {"ttl":2}`;
    expect(found(check(renewed + read(2_900, 3, [])))).toEqual([["expired early", [4, 5, 7]]]);
    expect(check(renewed + read(3_000, 3, [])).validity).toBe("valid");
  });

  it("accepts that a key is gone once a revocation was asked for", () => {
    const revoked = (at: number) =>
      check(`${GRANTED}
        ${at}ms 1 invoke revoke {"lease":"7"}
        ${read(1_000, 3, [])}
        1200ms 1 info revoke {"lease":"7"} ! timeout`);
    expect(revoked(900).validity).toBe("valid");
    expect(found(check(`${GRANTED}${read(1_000, 3, [])}\n1200ms 1 invoke revoke {"lease":"7"}`))).toEqual([
      ["expired early", [0, 1, 5]],
    ]);
  });

  it("does not excuse an early end with a revocation that failed", () => {
    const verdict = check(`${GRANTED}
      400ms 1 invoke revoke {"lease":"7"}
      500ms 1 fail revoke {"lease":"7"} ! refused
      ${read(1_000, 3, [])}`);
    expect(found(verdict)).toEqual([["expired early", [0, 1, 7]]]);
  });

  it.each([
    ['invoke keepalive {"lease":"7"}', 'ok keepalive {"ttl":0}'],
    ['invoke inspect {"lease":"7"}', 'ok inspect {"ttl":-1,"keys":[]}'],
  ])("names a lease that is denied too early: %s", (asked, answered) => {
    const at = (time: number) => check(`${GRANTED}\n${time}ms 1 ${asked}\n${time + 10}ms 1 ${answered}`);
    expect(found(at(1_000))).toEqual([["expired early", [0, 1, 5]]]);
    expect(at(1_995).validity).toBe("valid");
  });

  it("names a lease that comes back", () => {
    const verdict = check(`${GRANTED}
      ${read(2_500, 3, [])}
      2600ms 1 invoke keepalive {"lease":"7"}
      2700ms 1 ok     keepalive {"ttl":2}`);
    expect(found(verdict)).toEqual([["lease came back", [5, 6, 7]]]);
  });

  it("names a key that a settled read still has", () => {
    expect(found(check(GRANTED + read(3_400, 2, ["k1"], true)))).toEqual([["expired late", [1, 5]]]);
    expect(check(GRANTED + read(3_400, 2, ["k1"], false)).validity).toBe("valid");
    expect(check(GRANTED + read(3_300, 2, ["k1"], true)).validity).toBe("valid");
  });

  it("lets a new leader start the lease afresh, once", () => {
    const deposed = GRANTED + read(1_000, 2, ["k1"], false, "7", 2);
    expect(check(deposed + read(4_000, 2, ["k1"], true, "7", 2)).validity).toBe("valid");
    expect(found(check(deposed + read(4_100, 2, ["k1"], true, "7", 2)))).toEqual([["expired late", [1, 7]]]);
    expect(check(deposed + read(4_100, 2, ["k1"], true, "7", 3)).validity).toBe("valid");
  });

  it("gives a keepalive of unknown outcome the benefit of the doubt in both directions", () => {
    const renewed = `${GRANTED}
      1500ms 1 invoke keepalive {"lease":"7"}
      1900ms 1 info   keepalive {"lease":"7"} ! timeout`;
    expect(check(renewed + read(4_800, 2, ["k1"], true)).validity).toBe("valid");
    expect(check(renewed + read(2_000, 3, [])).validity).toBe("valid");
    expect(found(check(renewed + read(5_000, 2, ["k1"], true)))).toEqual([["expired late", [1, 7]]]);
  });

  it("names a renewal after the revocation was acknowledged", () => {
    const revoked = (sent: number) => `${GRANTED}
      400ms 1 invoke revoke {"lease":"7"}
      ${sent < 500 ? `${sent}ms 2 invoke keepalive {"lease":"7"}` : ""}
      500ms 1 ok     revoke {"revision":3}
      ${sent < 500 ? "" : `${sent}ms 2 invoke keepalive {"lease":"7"}`}
      900ms 2 ok     keepalive {"ttl":2}`;
    expect(found(check(revoked(600)))).toEqual([["keepalive of a revoked lease", [5, 6, 7]]]);
    expect(check(revoked(450)).validity).toBe("valid");
  });

  it("names keys that part", () => {
    const two = `${GRANTED}
      310ms  0 invoke put {"lease":"7","key":"k2"}
      320ms  0 ok     put {"revision":3,"term":1}`;
    expect(found(check(two + read(2_500, 4, ["k2"])))).toEqual([["keys parted from their lease", [3, 7]]]);
    expect(found(check(two + read(2_500, 4, []) + read(2_600, 5, ["k1"])))).toEqual([
      ["keys parted from their lease", [3, 7, 9]],
    ]);
    // The second key was not yet there at revision 2.
    expect(check(two + read(400, 2, ["k1"])).validity).toBe("valid");
  });

  it("names a key that outlives the revocation", () => {
    const revoked = `${GRANTED}
      400ms 1 invoke revoke {"lease":"7"}
      500ms 1 ok     revoke {"revision":3}`;
    expect(found(check(revoked + read(600, 3, ["k1"])))).toEqual([["key outlived its lease", [5, 7]]]);
    expect(check(revoked + read(600, 2, ["k1"])).validity).toBe("valid");
  });

  it("names a put under a revoked lease", () => {
    const verdict = check(`${GRANTED}
      400ms 1 invoke revoke {"lease":"7"}
      500ms 1 ok     revoke {"revision":3}
      600ms 1 invoke put {"lease":"7","key":"k2"}
      700ms 1 ok     put {"revision":4,"term":1}`);
    expect(found(verdict)).toEqual([["put under a revoked lease", [5, 6, 7]]]);
  });

  it("names an id that is given twice, and a key under the wrong lease", () => {
    const twice = `${GRANTED}
      310ms 1 invoke grant {"ttl":2}
      320ms 1 ok     grant {"lease":"7","ttl":2}`;
    expect(found(check(twice))).toEqual([["lease id given twice", [1, 5]]]);
    expect(found(check(GRANTED + read(400, 2, ["k1"], false, "8")))).toContainEqual(["wrong lease", [5]]);
  });

  it("does not know without a lease", () => {
    expect(check(read(0, 1, [])).validity).toBe("unknown");
  });
});
