/** Every scenario of the library, in both forms: the broken one fails as its story says, the right one does not. */
import { describe, expect, it } from "vitest";
import { Plan, parsePlan } from "../plan.ts";
import { assemble } from "../registry.ts";
import type { RunResult } from "../result.ts";
import { run } from "../runner/run.ts";
import type { Failure } from "../shrink/failure.ts";
import { scenarios } from "./index.ts";
import { departure, FORMS, planOf, type Scenario } from "./scenario.ts";

describe.each(scenarios)("$name", (scenario) => {
  it.each(FORMS)("%s", async (form) => {
    const test = assemble(parsePlan(planOf(scenario, form)));
    const { result } = await run(test, { record() {}, messages: false });
    expect({ departure: departure(scenario, form, result), summary: result.summary }).toMatchObject({
      departure: 0,
    });
  });

  it("differs between its forms in what they say alone", () => {
    const common = Plan.parse(scenario.plan);
    for (const form of FORMS)
      for (const path of Object.keys(scenario[form].settings))
        expect(common).toHaveProperty(path.split(".")[0] as string);
    expect(planOf(scenario, "broken")).not.toEqual({ ...planOf(scenario, "right"), failFast: true });
  });
});

it("have names of their own", () => {
  expect(new Set(scenarios.map(({ name }) => name)).size).toBe(scenarios.length);
});

describe("the departure from a story", () => {
  const scenario = scenarios[0] as Scenario;
  const [failure] = scenario.broken.failures as [Failure];
  const result = (validity: RunResult["validity"], anomaly?: string) =>
    ({
      validity,
      vacuous: false,
      nodeEnds: [],
      verdicts:
        anomaly === undefined ? [] : [{ ...failure, validity, anomalies: [{ name: anomaly, witness: [] }] }],
    }) as unknown as RunResult;

  it("of a broken form is none if what it should show is shown", () => {
    expect(departure(scenario, "broken", result("invalid", failure.anomaly))).toBe(0);
    expect(departure(scenario, "broken", result("invalid", "something else"))).toBe(1);
    expect(departure(scenario, "broken", result("valid"))).toBe(2);
    expect(departure(scenario, "broken", result("unknown"))).toBe(2);
  });

  it("of a right form is that of any run", () => {
    expect(departure(scenario, "right", result("valid"))).toBe(0);
    expect(departure(scenario, "right", { ...result("valid"), vacuous: true })).toBe(2);
    expect(departure(scenario, "right", result("invalid", failure.anomaly))).toBe(1);
  });
});
