import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Budget, type Verdict } from "../src/checker.ts";
import { parseHistory } from "../src/history/notation.ts";
import { type ElectionSignature, electionChecker, type Leader } from "./election.ts";

function check(text: string): Verdict {
  const history = parseHistory<ElectionSignature>(text);
  return electionChecker({ clockSlack: 0 }).check(history, new Budget(0));
}

const found = (verdict: Verdict) => verdict.anomalies.map(({ name, witness }) => [name, witness]);
const names = (text: string) => check(text).anomalies.map(({ name }) => name);

const led = (term: number, value: number, changed = term): Leader => ({ term, value, changed });

function call(at: number, process: number, f: string, input: unknown, output: unknown, type = "ok"): string {
  const ending = type === "ok" ? JSON.stringify(output) : `${JSON.stringify(input)} ! no`;
  return `
    ${at}ms      ${process} invoke ${f} ${JSON.stringify(input)}
    ${at + 10}ms ${process} ${type} ${f} ${ending}`;
}

/** Elected for two seconds; the value is the term. */
const elect = (at: number, process: number, term: number, revision = term) =>
  call(at, process, "campaign", { ttl: 2, value: term }, { term, revision, ttl: 2, renewed: 0 });
const proclaim = (at: number, process: number, value: number, revision: number, accepted = true) =>
  call(at, process, "proclaim", { value }, { accepted, revision });
const resign = (at: number, process: number, revision: number, accepted = true) =>
  call(at, process, "resign", null, { accepted, revision });
const observe = (at: number, revision: number, leader: Leader) =>
  call(at, 99, "observe", null, { revision, leader });
const follow = (at: number, ...views: readonly (readonly [number, Leader])[]) =>
  call(
    at,
    98,
    "follow",
    { lifetime: 1 },
    views.map(([revision, leader]) => ({ revision, leader })),
  );

describe("election checker", () => {
  it("accepts terms one after another", () => {
    const verdict = check(
      elect(0, 0, 5) +
        proclaim(100, 0, 70, 6) +
        observe(200, 6, led(5, 70, 6)) +
        resign(300, 0, 7) +
        observe(400, 7, null) +
        elect(500, 1, 8) +
        follow(600, [8, led(8, 8)], [9, led(8, 8)]),
    );
    expect(verdict).toMatchObject({ validity: "valid", checked: 2, evidence: { outlivedTheirLease: 0 } });
  });

  it("names two leaders at once, but not one whose lease may have expired", () => {
    const second = (at: number) => elect(0, 0, 5) + elect(at, 1, 6) + observe(at + 50, 6, led(6, 6));
    expect(found(check(second(500)))).toEqual([
      ["two leaders at once", [0, 1, 3]],
      ["leader lost early", [0, 1, 5]],
    ]);
    expect(check(second(1_995))).toMatchObject({ validity: "valid", evidence: { outlivedTheirLease: 1 } });
    const renewed = elect(0, 0, 5) + call(1_500, 0, "keepalive", null, { ttl: 2 }) + elect(2_500, 1, 6);
    expect(names(`${renewed}${observe(2_600, 6, null)}`)).toContain("two leaders at once");
  });

  it("names two leaders in one term, and terms that do not grow", () => {
    const twice = elect(0, 0, 5) + resign(100, 0, 6) + elect(200, 1, 5, 7) + observe(300, 7, led(5, 5));
    expect(names(twice)).toEqual(expect.arrayContaining(["two leaders in one term", "term went back"]));
  });

  it("names a past leader: seen or heard after its term was over", () => {
    const heard = `
      ${elect(0, 0, 5)}
      ${elect(2_100, 1, 6)}
      ${observe(2_150, 6, led(6, 6))}
      ${proclaim(2_200, 0, 70, 7)}`;
    expect(found(check(heard))).toEqual([["past leader", [3, 7]]]);
    expect(check(heard.replace('"accepted":true', '"accepted":false')).validity).toBe("valid");
    const seen = elect(0, 0, 5) + resign(100, 0, 6) + observe(200, 6, led(5, 5));
    expect(found(check(seen))).toEqual([["past leader", [3, 5]]]);
    const vacant = elect(0, 0, 5) + observe(2_100, 9, null) + proclaim(2_200, 0, 70, 10);
    expect(names(vacant)).toEqual(["past leader"]);
  });

  it("names a leader that is gone while its lease lives", () => {
    expect(found(check(elect(0, 0, 5) + observe(1_900, 6, null)))).toEqual([
      ["leader lost early", [0, 1, 3]],
    ]);
    expect(check(elect(0, 0, 5) + observe(1_995, 6, null)).validity).toBe("valid");
    const asked = `${elect(0, 0, 5)}
      100ms 0 invoke resign
      ${observe(200, 6, null)}
      300ms 0 info resign ! timeout`;
    expect(check(asked).validity).toBe("valid");
  });

  it("names observations that differ, or are of the past", () => {
    const differ =
      elect(0, 0, 5) + proclaim(100, 0, 70, 6) + follow(200, [6, led(5, 70, 6)], [7, led(5, 70, 6)]);
    expect(check(differ + observe(300, 7, led(5, 70, 6))).validity).toBe("valid");
    expect(names(differ + observe(300, 7, led(5, 5)))).toEqual([
      "stale proclamation",
      "divergent observation",
    ]);
    const stale = elect(0, 0, 5) + proclaim(100, 0, 70, 6) + observe(200, 5, led(5, 5));
    expect(found(check(stale))).toEqual([["stale observation", [3, 4, 5]]]);
    const back = elect(0, 0, 5) + observe(50, 9, led(5, 5)) + proclaim(100, 0, 70, 8);
    expect(names(back)).toContain("revision went back");
  });

  it("names values that are not the leader's newest word", () => {
    const seen = (leader: Leader) =>
      elect(0, 0, 5) + proclaim(100, 0, 70, 6) + proclaim(200, 0, 71, 7, false) + observe(300, 8, leader);
    expect(names(seen(led(5, 70, 6)))).toEqual([]);
    expect(names(seen(led(5, 5)))).toEqual(["stale proclamation"]);
    expect(names(seen(led(5, 71, 7)))).toEqual(["refused proclamation"]);
    expect(names(seen(led(5, 72, 7)))).toEqual(["proclamation from nowhere"]);
    expect(names(seen(led(5, 70, 7)))).toEqual(["wrong proclamation"]);
  });

  it("accepts a value of unknown outcome, and that of a candidate who gave up", () => {
    const unknown = elect(0, 0, 5) + call(100, 0, "proclaim", { value: 70 }, null, "info");
    expect(check(unknown + observe(200, 8, led(5, 70, 6))).validity).toBe("valid");
    const gaveUp =
      elect(0, 0, 5) + resign(50, 0, 7) + call(100, 1, "campaign", { ttl: 2, value: 6 }, null, "fail");
    expect(check(gaveUp + observe(200, 8, led(6, 6))).validity).toBe("valid");
  });

  it("does not know without a term, or without a look", () => {
    expect(check(observe(0, 1, null)).validity).toBe("unknown");
    expect(check(elect(0, 0, 5)).validity).toBe("unknown");
  });
});

describe("election checker on random histories", () => {
  /** Terms, proclamations, resignations and looks in a row, each a tenth of a second after the last. */
  function play(draws: readonly number[], lieAt: number, lie: (truth: Leader, revision: number) => Leader) {
    let text = "";
    let revision = 1;
    let leader: Leader = null;
    let process = 0;
    let elected = 0;
    let values = 1_000;
    let told = false;
    for (const [i, draw] of draws.entries()) {
      const at = i * 100;
      // A lease ends by itself now and then, no sooner than it may.
      if (leader !== null && at > elected + 2_100 && draw % 3 === 0) {
        leader = null;
        revision++;
      }
      if (draw < 3 && leader === null) {
        revision++;
        elected = at;
        leader = led(revision, revision);
        text += elect(at, ++process, revision);
      } else if (draw < 5 && leader !== null) {
        leader = led(leader.term, values, ++revision);
        text += proclaim(at, process, values++, revision);
      } else if (draw === 5 && leader !== null) {
        leader = null;
        text += resign(at, process, ++revision);
      } else {
        const shown: Leader = i >= lieAt && !told && leader !== null ? lie(leader, revision) : leader;
        told ||= shown !== leader;
        const alive: boolean = at + 10 < elected + 2_000;
        if (shown !== leader && !alive) return undefined;
        text += draw % 2 === 0 ? observe(at, revision, shown) : follow(at, [revision, shown]);
      }
    }
    return { text, told };
  }
  const draws = fc.array(fc.nat(9), { minLength: 5, maxLength: 40 });

  it("finds nothing wrong with an election that works", () => {
    fc.assert(
      fc.property(draws, (drawn) => {
        const played = play(drawn, Number.POSITIVE_INFINITY, (leader) => leader);
        expect(names(played?.text ?? "")).toEqual([]);
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  it.each<[string, (truth: Leader & object, revision: number) => Leader]>([
    ["no leader", () => null],
    ["an earlier term", ({ term, value }) => led(term - 1, value)],
    ["a later term", ({ value }, revision) => led(revision + 1, value)],
    ["another value", ({ term, changed }) => led(term, 999_999, changed)],
    ["an earlier change", ({ term, value, changed }) => led(term, value, changed - 1)],
  ])("condemns every look that shows %s", (_, lie) => {
    let lies = 0;
    fc.assert(
      fc.property(draws, fc.nat(30), (drawn, at) => {
        const played = play(drawn, at, (truth, revision) => (truth === null ? null : lie(truth, revision)));
        if (played?.told !== true) return;
        lies++;
        expect(names(played.text)).not.toEqual([]);
      }),
      { seed: 2, numRuns: 200 },
    );
    expect(lies).toBeGreaterThan(20);
  });
});
