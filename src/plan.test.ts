import { describe, expect, it } from "vitest";
import { parsePlan, UsageError } from "./plan.ts";

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
    [{ nodes: 0 }, /nodes: .*>=1/],
    [{ nodes: 3.5 }, /nodes: /],
    [{ seed: -1 }, /seed: /],
    [{ node: 3 }, /"node"/],
    [{ network: { loss: 2 } }, /network\.loss: /],
    [{ raftkv: { preVote: "yes" } }, /raftkv\.preVote: .*boolean/],
    [{ faults: "partition" }, /faults: .*array/],
    ["register", /expected object/],
  ])("refuses %j", (value, message) => {
    expect(() => parsePlan(value, "plan.yaml")).toThrow(UsageError);
    expect(() => parsePlan(value, "plan.yaml")).toThrow(message);
  });

  it("names every mistake at once", () => {
    expect(() => parsePlan({ nodes: 0, rate: -1 })).toThrow(/nodes.*rate/);
  });
});
