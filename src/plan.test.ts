import { describe, expect, it } from "vitest";
import { parsePlan, suggestion, UsageError } from "./plan.ts";

describe("a plan", () => {
  it("is complete without a word", () => {
    const plan = parsePlan({});
    expect(plan).toMatchObject({
      system: "raftkv",
      place: "simulated",
      workload: "register",
      nodes: 5,
      bug: "",
    });
    expect(parsePlan(plan)).toEqual(plan);
  });

  it.each([
    [{ nodes: 0 }, "nodes: 0 is too small; it must be at least 1"],
    [{ nodes: 10 }, "nodes: 10 is too big; it must be at most 9"],
    [{ nodes: 3.5 }, "nodes: 3.5 is not a whole number"],
    [{ duration: 0 }, "duration: 0 is too small; it must be more than 0"],
    [{ seed: -1 }, "seed: -1 is too small; it must be at least 0"],
    [{ node: 3 }, 'there is no "node"; did you mean nodes?'],
    [{ network: { loss: 2 } }, "network.loss: 2 is too big; it must be at most 1"],
    [{ raftkv: { prevote: false } }, 'raftkv: there is no "prevote"; did you mean preVote?'],
    [{ disk: { speed: 1 } }, 'disk: there is no "speed"; there is only syncMs'],
    [{ raftkv: { preVote: "yes" } }, 'raftkv.preVote: "yes" is not true or false'],
    [{ raftkv: { readMode: "fast" } }, 'raftkv.readMode: "fast" is not safe or lease'],
    [{ raftkv: 3 }, "raftkv: 3 is not a map of settings"],
    [{ faults: "partition" }, 'faults: "partition" is not a list'],
    [
      { nodes: 0, rate: -1 },
      "nodes: 0 is too small; it must be at least 1; rate: -1 is too small; it must be at least 0",
    ],
    ["register", '"register" is not a map of settings'],
  ])("refuses %j", (value, message) => {
    expect(() => parsePlan(value, "plan.yaml")).toThrow(new UsageError(`plan.yaml: ${message}`));
  });
});

describe("a suggestion", () => {
  it.each([
    ["regster", "did you mean register?"],
    ["KILL", "did you mean kill?"],
    ["pu", "there are register, kill, n1"],
    ["n2", "there are register, kill, n1"],
  ])("for %s", (name, hint) => {
    expect(suggestion(name, ["register", "kill", "n1"])).toBe(hint);
  });

  it("names the only choice", () => {
    expect(suggestion("docker", ["simulated"])).toBe("there is only simulated");
  });
});
