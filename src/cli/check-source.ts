/** Where the checkers of a history come from, as plain data: a thread makes them anew, as they cannot be sent. */
import { type Conventions, specifications } from "../../checkers/catalogue.ts";
import type { Checker } from "../checker.ts";
import type { Plan } from "../plan.ts";
import { assemble, lookUp } from "../registry.ts";

export type CheckerSource =
  | { readonly plan: Plan }
  | { readonly model: string; readonly conventions: Conventions };

/** Those of the plan's workload, or that of the model. */
export function checkersOf(source: CheckerSource): readonly Checker[] {
  if ("plan" in source) return assemble(source.plan).workload.checkers;
  return [lookUp("model", source.model, specifications).checker(source.conventions)];
}
