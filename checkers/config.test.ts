import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Budget, type Verdict } from "../src/checker.ts";
import type { History } from "../src/history/history.ts";
import { parseHistory } from "../src/history/notation.ts";
import type { Call } from "../src/history/op.ts";
import { type ConfigSignature, configChecker, type Part } from "./config.ts";
import { type Action, histories, someOrder } from "./testdata/brute-force.ts";

const judge = (history: History<ConfigSignature>): Verdict => configChecker.check(history, new Budget(0));
const check = (text: string): Verdict => judge(parseHistory<ConfigSignature>(text));
const found = (verdict: Verdict) => verdict.anomalies.map(({ name, witness }) => [name, witness]);

const whole = (version: number, token: number): readonly Part[] => [
  { version, token },
  { version, token },
];
const update = (token: number, version: number) => `
  ${token} invoke update {"token":${token}}
  ${token} ok     update {"version":${version}}`;
const read = (...parts: readonly Part[]) => `
  99 invoke read
  99 ok     read ${JSON.stringify(parts)}`;
const follow = (...views: readonly (readonly Part[])[]) => `
  98 invoke follow {"lifetime":1}
  98 ok     follow ${JSON.stringify(views)}`;
const lost = (token: number, type: "info" | "fail") => `
  ${token} invoke update {"token":${token}}
  ${token} ${type} update {"token":${token}} ! no answer`;

describe("config checker", () => {
  it("accepts versions in a row, seen whole", () => {
    const verdict = check(
      read(...whole(0, -1)) + update(1, 1) + read(...whole(1, 1)) + update(2, 2) + follow(whole(2, 2)),
    );
    expect(verdict).toMatchObject({ validity: "valid", checked: 3, evidence: { versions: 2 } });
  });

  it("names a mix, in a read and while following", () => {
    const mix = [...whole(1, 1).slice(1), ...whole(2, 2).slice(1)];
    expect(found(check(update(1, 1) + update(2, 2) + read(...mix)))).toEqual([["mixed configuration", [5]]]);
    const following = check(update(1, 1) + update(2, 2) + follow(whole(2, 2), mix));
    expect(found(following)).toEqual([["mixed configuration", [5]]]);
    expect(following.anomalies[0]?.explanation).toMatch(/version 1 .*version 2 .*following/);
  });

  it("names a stale read, but not one that began before", () => {
    const stale = update(1, 1) + update(2, 2) + read(...whole(1, 1));
    expect(found(check(stale))).toEqual([["stale configuration", [3, 4, 5]]]);
    const concurrent = `${update(1, 1)}
      99 invoke read
      ${update(2, 2)}
      99 ok read ${JSON.stringify(whole(1, 1))}`;
    expect(check(concurrent).validity).toBe("valid");
  });

  it("names a follower that goes back, and an update behind what was known", () => {
    const back = update(1, 1) + update(2, 2) + follow(whole(2, 2), whole(1, 1));
    expect(found(check(back))).toEqual([["version went back", [5]]]);
    const late = lost(1, "info") + update(2, 2) + update(3, 1) + read(...whole(2, 2));
    expect(found(check(late))).toContainEqual(["version went back", [3, 4, 5]]);
  });

  it("names a version made twice, and an update applied twice", () => {
    const twice = update(1, 1) + update(2, 1) + read(...whole(1, 2));
    expect(found(check(twice))[0]).toEqual(["version made twice", [1, 3]]);
    const again = update(1, 1) + update(2, 2) + read(...whole(3, 1));
    expect(found(check(again))).toContainEqual(["update applied twice", [1, 5]]);
  });

  it("names what nobody made, and accepts what somebody may have made", () => {
    expect(found(check(update(1, 1) + read(...whole(2, 7))))).toContainEqual([
      "configuration from nowhere",
      [3],
    ]);
    const aborted = update(1, 1) + lost(2, "fail") + read(...whole(2, 2));
    expect(found(check(aborted))).toEqual([["aborted configuration", [3, 5]]]);
    const unknown = update(1, 1) + lost(2, "info") + read(...whole(2, 2));
    expect(check(unknown).validity).toBe("valid");
    expect(check(lost(2, "info") + update(1, 2) + read(...whole(2, 1))).validity).toBe("valid");
    expect(found(check(update(1, 2) + read(...whole(2, 1))))).toEqual([["version without an update", [1]]]);
  });

  it("does not know without an update, or without a look", () => {
    expect(check(read(...whole(0, -1))).validity).toBe("unknown");
    expect(check(update(1, 1)).validity).toBe("unknown");
  });
});

describe("config checker on small histories", () => {
  type Config = Action<ConfigSignature>;
  const READ: Config = { call: { f: "read", value: null }, fate: "ok" };
  const lying: fc.Arbitrary<Config> = fc
    .record({ version: fc.nat(3), token: fc.nat(4) })
    .map((part) => ({ ...READ, lie: part.version === 0 ? [{ version: 0, token: -1 }] : [part] }));
  const actions = (fates: readonly Config["fate"][], reads: fc.Arbitrary<Config>, most: number) =>
    fc
      .array(fc.oneof(fc.constantFrom(...fates), reads), { maxLength: most })
      .map((drawn) =>
        drawn.map(
          (one, token): Config =>
            typeof one === "string" ? { call: { f: "update", value: { token } }, fate: one } : one,
        ),
      );
  const system = () => {
    let part: Part = { version: 0, token: -1 };
    return (call: Call<ConfigSignature>) => {
      if (call.f === "update") part = { version: part.version + 1, token: call.value.token };
      return call.f === "update" ? { version: part.version } : [part];
    };
  };
  const explained = (history: History<ConfigSignature>): boolean =>
    someOrder<ConfigSignature, Part>(history, { version: 0, token: -1 }, (part, operation) => {
      const { version, token } = part;
      if (operation.f === "update") {
        if (operation.type === "ok" && operation.output.version !== version + 1) return undefined;
        return { version: version + 1, token: operation.input.token };
      }
      if (operation.f !== "read" || operation.type !== "ok") return part;
      const [seen] = operation.output;
      return seen?.version === version && seen.token === token ? part : undefined;
    });

  it("only condemns what no order explains", () => {
    let condemned = 0;
    fc.assert(
      fc.property(
        histories(
          actions(["ok", "ok", "ok", "fail", "late", "lost"], fc.oneof(fc.constant(READ), lying), 7),
          system,
        ),
        (history) => {
          if (judge(history).validity !== "invalid") return;
          condemned++;
          expect(explained(history)).toBe(false);
        },
      ),
      { seed: 1, numRuns: 400 },
    );
    expect(condemned).toBeGreaterThan(50);
  });

  it("condemns all that no order explains, if every outcome is known", () => {
    let wrong = 0;
    fc.assert(
      fc.property(
        histories(
          actions(["ok", "ok", "fail"], fc.oneof(fc.constant(READ), fc.constant(READ), lying), 7),
          system,
        ),
        (history) => {
          const right = explained(history);
          if (!right) wrong++;
          expect(judge(history).anomalies.length > 0).toBe(!right);
        },
      ),
      { seed: 2, numRuns: 400 },
    );
    expect(wrong).toBeGreaterThan(50);
  });
});
