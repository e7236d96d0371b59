import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Budget } from "../src/checker.ts";
import type { History } from "../src/history/history.ts";
import { parseHistory } from "../src/history/notation.ts";
import { causalReverse } from "./causal-reverse.ts";
import type { SetSignature } from "./set.ts";
import { type Action, histories } from "./testdata/brute-force.ts";

const check = (text: string) => causalReverse.check(parseHistory<SetSignature>(text), new Budget(0));

const both = `
  0 invoke add 1
  0 ok     add
  1 invoke add 2
  1 ok     add`;

describe("causal reverse checker", () => {
  it("names a read of the later element without the earlier", () => {
    const verdict = check(`${both}
      2@n3 invoke read
      2@n3 ok     read [2]`);
    expect(verdict.anomalies).toEqual([
      {
        name: "causal reverse",
        guarantee: "strict serializability",
        explanation:
          "process 2 on n3 read element 2, which process 1 began to add only after process 0 had been told that 1 was added, but the read lacks 1.",
        witness: [1, 2, 5],
      },
    ]);
  });

  it("accepts a read that is stale as a whole", () => {
    expect(check(`${both}\n2 invoke read\n2 ok read [1]\n2 invoke read\n2 ok read []`).validity).toBe(
      "valid",
    );
  });

  it("accepts adds seen in any order if they overlapped, or the earlier was not acknowledged", () => {
    const overlapping = "0 invoke add 1\n1 invoke add 2\n1 ok add\n0 ok add\n2 invoke read\n2 ok read [2]";
    expect(check(overlapping).validity).toBe("valid");
    const unknown =
      "0 invoke add 1\n0 info add 1 ! timeout\n1 invoke add 2\n1 ok add\n1 invoke add 3\n1 ok add";
    expect(check(`${unknown}\n2 invoke read\n2 ok read [2, 3]`).validity).toBe("valid");
  });

  it("does not know without two adds, or a read", () => {
    expect(check("0 invoke add 1\n0 ok add\n0 invoke read\n0 ok read [1]").validity).toBe("unknown");
    expect(check(both).validity).toBe("unknown");
  });

  it("finds exactly the reads that the definition condemns", () => {
    const fate = fc.constantFrom<Action<SetSignature>["fate"]>("ok", "ok", "ok", "fail", "late", "lost");
    const add = fate.map((fate): Action<SetSignature> => ({ call: { f: "add", value: 0 }, fate }));
    const read = fc
      .subarray([0, 1, 2, 3, 4, 5])
      .map((lie): Action<SetSignature> => ({ call: { f: "read", value: null }, fate: "ok", lie }));
    const actions = fc
      .array(fc.oneof(add, add, read), { maxLength: 10 })
      .map((chosen) =>
        chosen.map((action, value) =>
          action.call.f === "add" ? { ...action, call: { f: "add" as const, value } } : action,
        ),
      );
    const condemned = (history: History<SetSignature>): number => {
      const adds = history.byFunction("add");
      return history
        .byFunction("read")
        .filter(({ output = [] }) =>
          adds.some((late) =>
            adds.some(
              (early) =>
                early.type === "ok" &&
                early.completeIndex < late.invokeIndex &&
                output.includes(late.input) &&
                !output.includes(early.input),
            ),
          ),
        ).length;
    };
    let wrong = 0;
    fc.assert(
      fc.property(
        histories(actions, () => () => null),
        (history) => {
          const found = causalReverse.check(history, new Budget(0)).evidence as {
            readonly anomalies?: { readonly [name: string]: number };
          };
          const count = found.anomalies?.["causal reverse"] ?? 0;
          if (count > 0) wrong++;
          expect(count).toBe(condemned(history));
        },
      ),
      { seed: 1, numRuns: 300 },
    );
    expect(wrong).toBeGreaterThan(50);
  });
});
