import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Budget, type Verdict } from "../src/checker.ts";
import { parseHistory } from "../src/history/notation.ts";
import { type SnapshotSignature, snapshotChecker } from "./snapshot.ts";

type Content = { readonly [key: string]: number };

const check = (text: string): Verdict =>
  snapshotChecker.check(parseHistory<SnapshotSignature>(text), new Budget(0));

const entries = (content: Content, modRevision = 9) =>
  Object.entries(content).map(([key, value]) => ({
    key,
    value,
    modRevision,
    createRevision: modRevision,
    version: 1,
  }));
const call = (f: string, output: unknown) => `
  0 invoke ${f} {"id":1}
  0 ok     ${f} ${JSON.stringify(output)}`;
const backup = (content: Content) => call("backup", { revision: 5, entries: entries(content, 4) });
const restore = call("restore", { revision: 9, entries: [] });
const verify = (content: Content, written = 9) =>
  call("verify", { revision: 12, entries: entries(content, written) });
const names = (text: string) => check(text).anomalies.map(({ name }) => name);

describe("snapshot checker", () => {
  it("accepts what comes back as it was", () => {
    expect(check(backup({ a: 1, b: 2 }) + restore + verify({ b: 2, a: 1 }))).toMatchObject({
      validity: "valid",
      checked: 1,
    });
    expect(check(backup({}) + restore + verify({})).validity).toBe("valid");
  });

  it("names what is lost, changed or added, with the three operations that prove it", () => {
    const base = backup({ a: 1, b: 2 }) + restore;
    const lost = check(base + verify({ a: 1 }));
    expect(lost.anomalies).toMatchObject([{ name: "key lost in restore", witness: [1, 3, 5] }]);
    expect(lost.anomalies[0]?.explanation).toMatch(/revision 5 .*did not find b, which held 2/);
    expect(names(base + verify({ a: 1, b: 3 }))).toEqual(["value changed in restore"]);
    expect(names(base + verify({ a: 1, b: 2, c: 3 }))).toEqual(["key added in restore"]);
    expect(names(base + verify({ a: 1, b: 2 }, 8))).toEqual(["restored in pieces", "restored in pieces"]);
  });

  it("does not judge what was looked at before it was restored, nor a restore of unknown outcome", () => {
    const before = `
      ${backup({ a: 1 })}
      1 invoke verify {"id":1}
      ${restore}
      1 ok verify ${JSON.stringify({ revision: 8, entries: [] })}`;
    expect(check(before)).toMatchObject({ validity: "unknown", checked: 0 });
    const unknown = `${backup({ a: 1 })}
      0 invoke restore {"id":1}
      0 info restore {"id":1} ! timeout
      1 invoke verify {"id":1}
      1 ok verify ${JSON.stringify({ revision: 8, entries: [] })}`;
    expect(check(unknown).validity).toBe("unknown");
  });

  it("says the same as comparing the two", () => {
    const content = fc.dictionary(fc.constantFrom("a", "b", "c"), fc.nat(2));
    fc.assert(
      fc.property(content, content, (before, after) => {
        const same = Object.keys({ ...before, ...after }).every((key) => before[key] === after[key]);
        expect(check(backup(before) + restore + verify(after)).validity).toBe(same ? "valid" : "invalid");
      }),
      { seed: 1 },
    );
  });
});
