import { describe, expect, it } from "vitest";
import { Budget, type Checker, type Validity, type Verdict } from "../src/checker.ts";
import { parseHistory } from "../src/history/notation.ts";
import { compose, worst } from "./compose.ts";
import { independent } from "./independent.ts";

const history = parseHistory(`
  0 invoke read(x)
  0 ok     read(x) 1
  0 invoke read(y)
  0 ok     read(y) 2
  0 invoke read
  0 ok     read 3`);

function saying(name: string, validity: Validity, spends = 0): Checker {
  return {
    name,
    check(seen, budget) {
      budget.spend(spends);
      const anomalies =
        validity === "invalid" ? [{ name: "bad", guarantee: "good", explanation: name, witness: [0] }] : [];
      return {
        checker: name,
        validity,
        reason: `${budget.left} left`,
        checked: seen.client.length,
        anomalies,
      };
    },
  };
}

describe("worst", () => {
  it.each<[Validity[], Validity]>([
    [["valid", "valid"], "valid"],
    [["valid", "unknown"], "unknown"],
    [["unknown", "invalid", "valid"], "invalid"],
    [["invalid"], "invalid"],
    [[], "unknown"],
  ])("of %j is %s", (validities, expected) => {
    expect(worst(validities)).toBe(expected);
  });
});

describe("compose", () => {
  it("takes the worst verdict, its reason, and all anomalies", () => {
    const checker = compose("all", [saying("a", "valid"), saying("b", "invalid"), saying("c", "unknown")]);
    const verdict = checker.check(history, new Budget(30));
    expect(verdict).toMatchObject({ checker: "all", validity: "invalid", reason: "b: 15 left", checked: 9 });
    expect(verdict.anomalies.map(({ explanation }) => explanation)).toEqual(["b"]);
  });

  it("says unknown for a checker that throws, and goes on with the others", () => {
    const broken: Checker = {
      name: "broken",
      check() {
        throw new Error("boom");
      },
    };
    const only = compose("all", [broken, saying("fine", "valid")]).check(history, new Budget(1));
    expect(only.validity).toBe("unknown");
    expect(only.reason).toContain("boom");
    expect(compose("all", [broken, saying("b", "invalid")]).check(history, new Budget(1)).validity).toBe(
      "invalid",
    );
  });

  it("leaves what one checker does not need to the next", () => {
    const reasons: string[] = [];
    const noting = (checker: Checker): Checker => ({
      name: checker.name,
      check(seen, budget) {
        const verdict: Verdict = checker.check(seen, budget);
        reasons.push(verdict.reason);
        return verdict;
      },
    });
    const budget = new Budget(30);
    compose("all", [
      noting(saying("a", "valid", 2)),
      noting(saying("b", "valid", 4)),
      noting(saying("c", "valid")),
    ]).check(history, budget);
    expect(reasons).toEqual(["8 left", "10 left", "24 left"]);
    expect(budget.left).toBe(24);
  });
});

describe("independent", () => {
  it("judges every key alone", () => {
    const sizes: number[] = [];
    const counting: Checker = {
      name: "one",
      check(seen) {
        sizes.push(seen.client.length);
        const bad = seen.client[0]?.key === "y";
        return {
          checker: "one",
          validity: bad ? "invalid" : "valid",
          reason: bad ? "no" : "yes",
          checked: 1,
          anomalies: [],
        };
      },
    };
    const verdict = independent(counting).check(history, new Budget(1));
    expect(sizes).toEqual([1, 1]);
    expect(verdict).toMatchObject({ validity: "invalid", reason: "1 of 2 keys: key y: no", checked: 2 });
    expect(verdict.evidence).toEqual({ y: { validity: "invalid", reason: "no" } });
  });

  it("is unknown where no operation names a key", () => {
    const verdict = independent(saying("a", "valid")).check(
      parseHistory("0 invoke f\n0 ok f"),
      new Budget(1),
    );
    expect(verdict).toMatchObject({ validity: "unknown", checked: 0 });
  });
});
