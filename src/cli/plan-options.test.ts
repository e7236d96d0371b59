import { expect, it } from "vitest";
import { Plan, type PlanInput, parsePlan } from "../plan.ts";
import { planFlags, planInput } from "./plan-options.ts";

/** A value for every group of settings that a plan has. */
const groups: { readonly [group: string]: { readonly [setting: string]: unknown } } = {
  workloadOptions: { keys: 3 },
  raftkv: { preVote: false },
  etcd: { heartbeatMs: 90 },
  docker: { baseImage: "mine:1 & yours" },
  network: { latencyMs: 3 },
  disk: { syncMs: 2 },
};

it("writes every group of settings into the line that repeats a run", () => {
  const known = Object.entries(parsePlan({}))
    .filter(([, value]) => typeof value === "object" && !Array.isArray(value))
    .map(([name]) => name);
  expect(Object.keys(groups).sort()).toEqual(known.sort());
  const settings = [...planFlags(groups as PlanInput).matchAll(/--set (?:'([^']*)'|(\S+))/g)];
  const set = settings.map(([, quoted, plain]) => quoted ?? (plain as string));
  expect(Plan.parse(planInput({ set }))).toEqual(Plan.parse(groups));
});
