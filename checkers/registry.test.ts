import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Budget, type Verdict } from "../src/checker.ts";
import { parseHistory } from "../src/history/notation.ts";
import { type EntryChange, type RegistrySignature, registryChecker } from "./registry.ts";

function check(text: string): Verdict {
  const checker = registryChecker({ clockSlack: 0, expirySlack: 1_000_000_000 });
  return checker.check(parseHistory<RegistrySignature>(text), new Budget(0));
}

const found = (verdict: Verdict) => verdict.anomalies.map(({ name, witness }) => [name, witness]);

function call(at: number, process: number, f: string, input: unknown, output: unknown, type = "ok"): string {
  const ending = type === "ok" ? JSON.stringify(output) : `${JSON.stringify(input)} ! no`;
  return `
    ${at}ms      ${process} invoke ${f} ${JSON.stringify(input)}
    ${at + 10}ms ${process} ${type} ${f} ${ending}`;
}

/** Entry `id` of the process with that number, on a lease of two seconds. */
const register = (at: number, id: number, revision: number, type = "ok") =>
  call(at, id, "register", { id, ttl: 2 }, { revision, ttl: 2, term: 1 }, type);
const keepalive = (at: number, id: number, ttl = 2) => call(at, id, "keepalive", null, { ttl });
const deregister = (at: number, id: number, revision: number, type = "ok") =>
  call(at, id, "deregister", null, { revision }, type);
const list = (at: number, revision: number, ids: readonly number[], settled = false, term = 1) =>
  call(at, 99, "list", { settled }, { revision, term, ids });
const follow = (at: number, revision: number, ids: readonly number[], ...changes: readonly EntryChange[]) =>
  call(
    at,
    98,
    "follow",
    { lifetime: 1 },
    { revision, ids, changes, reached: changes.at(-1)?.revision ?? revision },
  );
const came = (revision: number, id: number): EntryChange => ({ revision, id, present: true });
const went = (revision: number, id: number): EntryChange => ({ revision, id, present: false });

describe("registry checker", () => {
  it("accepts entries that come, are renewed, and go", () => {
    const verdict = check(
      register(0, 1, 2) +
        list(100, 2, [1]) +
        register(200, 2, 3) +
        follow(300, 2, [1], came(3, 2)) +
        keepalive(1_500, 1) +
        deregister(1_600, 2, 4) +
        follow(1_700, 3, [1, 2], went(4, 2)) +
        list(3_600, 5, []) +
        list(9_000, 5, [], true),
    );
    expect(verdict).toMatchObject({ validity: "valid", checked: 2, evidence: { seenToEnd: 2 } });
  });

  it("names an entry that vanished, but not one whose lease may have expired", () => {
    expect(found(check(register(0, 1, 2) + list(1_900, 3, [])))).toEqual([["vanished entry", [0, 1, 3]]]);
    expect(check(register(0, 1, 2) + list(1_990, 3, [])).validity).toBe("valid");
    const followed = register(0, 1, 2) + follow(1_900, 2, [1], went(3, 1));
    expect(found(check(followed))).toEqual([["vanished entry", [0, 1, 3]]]);
    const renewed = register(0, 1, 2) + keepalive(1_500, 1) + list(2_500, 3, []);
    expect(found(check(renewed))).toEqual([["vanished entry", [1, 2, 3, 5]]]);
    expect(check(register(0, 1, 2) + keepalive(1_500, 1, 0) + list(2_500, 3, [])).validity).toBe("valid");
    for (const type of ["ok", "info"])
      expect(check(register(0, 1, 2) + deregister(100, 1, 3, type) + list(200, 3, [])).validity).toBe(
        "valid",
      );
  });

  it("judges by who learnt first, whatever the revisions", () => {
    const late = `
      ${register(0, 1, 2)}
      1500ms 97 invoke follow {"lifetime":1}
      1600ms 97 ok follow {"revision":2,"ids":[1],"changes":[{"revision":4,"id":7,"present":false}],"reached":9}
      ${list(1_700, 9, [])}
      ${list(5_000, 3, [])}`;
    expect(check(late).anomalies.map(({ name }) => name)).toContain("vanished entry");
  });

  it("names an entry that lingers after its end was acknowledged, or in peace", () => {
    const ended = register(0, 1, 2) + deregister(100, 1, 3);
    expect(found(check(ended + list(200, 3, [1])))).toEqual([["lingering entry", [3, 5]]]);
    expect(check(ended + follow(200, 2, [1], went(3, 1))).validity).toBe("valid");
    expect(found(check(register(0, 1, 2) + list(3_100, 2, [1], true)))).toEqual([
      ["lingering entry", [1, 3]],
    ]);
    expect(check(register(0, 1, 2) + list(3_000, 2, [1], true)).validity).toBe("valid");
    const newLeader = register(0, 1, 2) + list(3_100, 2, [1], true, 2);
    expect(check(newLeader).validity).toBe("valid");
  });

  it("names views that diverge", () => {
    const base = register(0, 1, 2) + register(100, 2, 3) + list(2_200, 4, [2]);
    expect(check(base + follow(2_300, 3, [1, 2], went(4, 1))).validity).toBe("valid");
    expect(found(check(base + list(2_300, 4, [1, 2])))).toEqual([["diverging views", [5, 7]]]);
    const missed = base + follow(2_300, 3, [1, 2], went(6, 2));
    expect(found(check(missed))).toEqual([["diverging views", [5, 7]]]);
  });

  it("names an entry nobody registered", () => {
    expect(found(check(register(0, 1, 2) + list(100, 3, [1, 7])))).toEqual([["entry from nowhere", [3]]]);
    expect(found(check(register(0, 1, 2, "fail") + list(100, 3, [1])))).toEqual([
      ["entry from nowhere", [3]],
    ]);
    expect(check(register(0, 1, 2, "info") + list(100, 3, [1]) + list(200, 4, [])).validity).toBe("valid");
  });

  it("does not know without an entry, or without a look", () => {
    expect(check(register(0, 1, 2)).validity).toBe("unknown");
    expect(check(list(0, 1, [])).validity).toBe("unknown");
  });

  it("says the same as trying all lives of every entry", () => {
    // Entries are registered at revisions 2, 3 and 4; nothing is known of their ends but what is seen.
    const look = fc.record({ revision: fc.integer({ min: 4, max: 7 }), ids: fc.subarray([1, 2, 3]) });
    let wrong = 0;
    fc.assert(
      fc.property(fc.array(look, { minLength: 1, maxLength: 5 }), (looks) => {
        const possible = [1, 2, 3].every((id) =>
          [3, 4, 5, 6, 7, 8].some(
            (end) => end > id + 1 && looks.every(({ revision, ids }) => ids.includes(id) === revision < end),
          ),
        );
        if (!possible) wrong++;
        const text = looks.map(({ revision, ids }, i) => list(5_000 + i * 20, revision, ids)).join("");
        const verdict = check(register(0, 1, 2) + register(20, 2, 3) + register(40, 3, 4) + text);
        expect(verdict.validity).toBe(possible ? "valid" : "invalid");
      }),
      { seed: 1, numRuns: 300 },
    );
    expect(wrong).toBeGreaterThan(50);
  });
});
