import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Budget, type Verdict } from "../src/checker.ts";
import { parseHistory } from "../src/history/notation.ts";
import { type CounterSignature, counter } from "./counter.ts";
import { type Action, histories, someOrder } from "./testdata/brute-force.ts";

function check(text: string): Verdict {
  return counter.check(parseHistory<CounterSignature>(text), new Budget(0));
}

function found(verdict: Verdict): readonly (readonly [string, readonly number[]])[] {
  return verdict.anomalies.map(({ name, witness }) => [name, witness]);
}

describe("counter checker", () => {
  it("accepts reads with and without what is under way", () => {
    const verdict = check(`
      0 invoke add 1
      0 ok     add
      0 invoke add 2
      1 invoke read
      1 ok     read 1
      1 invoke read
      1 ok     read 3
      0 ok     add`);
    expect(verdict).toMatchObject({ validity: "valid", checked: 2, evidence: { widestInterval: 2 } });
  });

  it("names a value that lacks an acknowledged add", () => {
    const verdict = check(`
      0 invoke add 1
      0 ok     add
      1@n2 invoke read
      1@n2 ok     read 0`);
    expect(found(verdict)).toEqual([["value below the bounds", [2, 3]]]);
    expect(verdict.anomalies[0]?.explanation).toBe(
      "process 1 on n2 read 0, but adds acknowledged before it began make at least 1.",
    );
  });

  it("accepts the same value if the read began before the acknowledgement", () => {
    const verdict = check(`
      0 invoke add 1
      1 invoke read
      0 ok     add
      1 ok     read 0`);
    expect(verdict.validity).toBe("valid");
  });

  it("names a value that counts a failed add, or one that had not begun", () => {
    const verdict = check(`
      0 invoke add 1
      0 fail   add 1 ! changed
      1 invoke add 1
      1 ok     add
      2 invoke read
      2 ok     read 2
      1 invoke add 1
      1 ok     add`);
    expect(found(verdict)).toEqual([["value above the bounds", [4, 5]]]);
  });

  it("accepts an add of unknown outcome at any later time, or never", () => {
    const verdict = check(`
      0 invoke add 1
      0 info   add 1 ! timeout
      1 invoke add 2
      1 ok     add
      1 invoke read
      1 ok     read 2
      1 invoke read
      1 ok     read 3`);
    expect(verdict.validity).toBe("valid");
  });

  const back = (amount: number): string => `
      0 invoke add 2
      0 ok     add
      0 invoke add ${amount}
      1 invoke read
      1 ok     read ${2 + amount}
      1 invoke read
      1 ok     read 2
      0 ok     add`;

  it("names a counter that only rises and went back, although each read is within its bounds", () => {
    expect(found(check(back(5)))).toEqual([["counter went back", [4, 5, 6]]]);
  });

  it("does not judge the direction of a counter that rises and falls", () => {
    expect(check(back(-1)).validity).toBe("valid");
  });

  it.each([
    ["no read succeeded", "0 invoke add 1\n0 ok add\n1 invoke read\n1 fail read ! down"],
    ["no add succeeded", "0 invoke read\n0 ok read 0"],
  ])("does not know when %s", (_, text) => {
    expect(check(text).validity).toBe("unknown");
  });
});

describe("counter checker on small histories", () => {
  type Counter = Action<CounterSignature>;
  const fate = fc.constantFrom<Counter["fate"]>("ok", "ok", "ok", "fail", "late", "lost");
  const add = (least: number): fc.Arbitrary<Counter> =>
    fc.record({
      call: fc.record({ f: fc.constant("add" as const), value: fc.integer({ min: least, max: 2 }) }),
      fate,
    });
  const read: fc.Arbitrary<Counter> = fc.constant({ call: { f: "read", value: null }, fate: "ok" });
  const lying = fc.nat(4).map((lie): Counter => ({ call: { f: "read", value: null }, fate: "ok", lie }));

  const system = () => {
    let sum = 0;
    return (call: Counter["call"]) => {
      if (call.f === "read") return sum;
      sum += call.value;
      return null;
    };
  };
  const explained = (history: ReturnType<typeof parseHistory<CounterSignature>>): boolean =>
    someOrder(history, 0, (sum, operation) => {
      if (operation.f === "add") return sum + operation.input;
      return operation.type !== "ok" || operation.output === sum ? sum : undefined;
    });

  it("finds nothing wrong with a counter that works", () => {
    fc.assert(
      fc.property(histories(fc.array(fc.oneof(add(-2), read), { maxLength: 12 }), system), (history) => {
        expect(counter.check(history, new Budget(0)).anomalies).toEqual([]);
      }),
      { seed: 1 },
    );
  });

  it("only condemns what no order explains", () => {
    let condemned = 0;
    fc.assert(
      fc.property(
        histories(fc.array(fc.oneof(add(-1), read, lying), { maxLength: 7 }), system),
        (history) => {
          if (counter.check(history, new Budget(0)).validity !== "invalid") return;
          condemned++;
          expect(explained(history)).toBe(false);
        },
      ),
      { seed: 2, numRuns: 300 },
    );
    expect(condemned).toBeGreaterThan(30);
  });

  it("misses nothing that a single read of a rising counter of ones can show", () => {
    const one: fc.Arbitrary<Counter> = fate.map((fate) => ({ call: { f: "add", value: 1 }, fate }));
    let wrong = 0;
    fc.assert(
      fc.property(histories(fc.array(fc.oneof(one, one, lying), { maxLength: 7 }), system), (history) => {
        fc.pre(history.byFunction("read").length === 1);
        const condemned = counter.check(history, new Budget(0)).validity === "invalid";
        if (condemned) wrong++;
        expect(condemned).toBe(!explained(history));
      }),
      { seed: 3 },
    );
    expect(wrong).toBeGreaterThan(10);
  });
});
