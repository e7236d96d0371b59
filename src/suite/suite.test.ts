import { describe, expect, it } from "vitest";
import { type PlanInput, UsageError } from "../plan.ts";
import { builtinSuites } from "./builtin.ts";
import { cellsOf, parseSuite, type SuiteInput } from "./suite.ts";

const anything = (): void => {};
const cells = (input: SuiteInput, require: (plan: PlanInput) => void = anything) =>
  cellsOf(parseSuite(input, "test"), require);

describe("a suite", () => {
  it("has a cell for every combination, the nearest setting on top", () => {
    const found = cells({
      name: "s",
      base: { duration: 10, nodes: 3, raftkv: { preVote: false } },
      matrices: [
        {
          name: "m",
          base: { nodes: 5 },
          vary: { faults: [["kill", "pause"], []], "raftkv.checkQuorum": [true, false] },
          seeds: 2,
          first: 7,
        },
        { name: "alone" },
      ],
    });
    expect(found.map(({ id }) => id)).toEqual([
      "m: faults=kill,pause raftkv.checkQuorum=true",
      "m: faults=kill,pause raftkv.checkQuorum=false",
      "m: faults=none raftkv.checkQuorum=true",
      "m: faults=none raftkv.checkQuorum=false",
      "alone",
    ]);
    expect(found[1]).toMatchObject({
      plan: {
        duration: 10,
        nodes: 5,
        faults: ["kill", "pause"],
        raftkv: { preVote: false, checkQuorum: false },
      },
      seeds: [7, 8],
    });
    expect(found[4]?.plan).toEqual({ duration: 10, nodes: 3, raftkv: { preVote: false } });
  });

  it("refuses what cannot be run here, or leaves it out and says why", () => {
    const refuse = (plan: PlanInput): void => {
      if (plan.place === "docker") throw new UsageError("there is no Docker");
    };
    const matrix = { name: "m", vary: { place: ["simulated", "docker"] } };
    expect(() => cells({ name: "s", matrices: [matrix] }, refuse)).toThrow(
      "s, m: place=docker: there is no Docker",
    );
    const found = cells({ name: "s", matrices: [{ ...matrix, required: false }] }, refuse);
    expect(found.map(({ impossible }) => impossible)).toEqual([undefined, "there is no Docker"]);
  });

  it.each<[string, unknown, RegExp]>([
    ["no matrices", { name: "s", matrices: [] }, /^f: matrices: /],
    [
      "a name that is a path",
      { name: "../s", matrices: [{ name: "m" }] },
      /^f: name: is no name; use letters/,
    ],
    ["a slip", { name: "s", matrices: [{ name: "m", seed: 3 }] }, /there is no "seed"; did you mean seeds\?/],
    [
      "one name twice",
      { name: "s", matrices: [{ name: "m" }, { name: "m" }] },
      /^f: two matrices are called m$/,
    ],
  ])("says what is wrong: %s", (_, value, message) => {
    expect(() => parseSuite(value, "f")).toThrow(message);
  });

  it.each<[string, SuiteInput["matrices"][number], RegExp]>([
    [
      "a field that plans lack",
      { name: "m", base: { node: 3 } },
      /^s, m: there is no "node"; did you mean nodes/,
    ],
    [
      "a value out of bounds",
      { name: "m", vary: { nodes: [3, 30] } },
      /^s, m: nodes=30: nodes: 30 is too big/,
    ],
    [
      "a seed of its own",
      { name: "m", base: { seed: 3 } },
      /^s, m: seed: a suite sets it; use "first" and "seeds"/,
    ],
  ])("says where a plan is none: %s", (_, matrix, message) => {
    expect(() => cells({ name: "s", matrices: [matrix] })).toThrow(message);
  });
});

it.each(builtinSuites)("the built-in suite $name is one", (suite) => {
  const found = cells(suite);
  expect(new Set(found.map(({ id }) => id)).size).toBe(found.length);
});
