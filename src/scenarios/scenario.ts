/** A scenario: a bug that people come to reproduce, as a plan in two forms. One fails as its story says, one does not. */
import { type PlanInput, withSetting } from "../plan.ts";
import { exitCode, type RunResult } from "../result.ts";
import { type Failure, shows } from "../shrink/failure.ts";

export const FORMS = ["broken", "right"] as const;
export type FormName = (typeof FORMS)[number];

export interface Scenario {
  readonly name: string;
  /** What goes wrong, in one sentence. */
  readonly summary: string;
  /** The promise that is broken, as the literature calls it. */
  readonly guarantee: string;
  /** How it comes about, for somebody who has never met it. */
  readonly story: string;
  /** What a user sees of it. */
  readonly symptom: string;
  /** What prevents it. */
  readonly remedy: string;
  /** What both forms have in common. */
  readonly plan: PlanInput;
  /** Any one of the failures is the story's; they are the same mistake, seen from different sides. */
  readonly broken: Form & { readonly failures: readonly Failure[] };
  readonly right: Form;
}

interface Form {
  /** What is done in this form, in a few words. */
  readonly way: string;
  /** By path, what only this form sets. */
  readonly settings: { readonly [path: string]: string | number | boolean };
}

/** One form as a plan. The broken one ends soon after it has failed. */
export function planOf(scenario: Scenario, form: FormName): PlanInput {
  let plan: Record<string, unknown> = { ...scenario.plan, failFast: form === "broken" };
  for (const [path, value] of Object.entries(scenario[form].settings)) plan = withSetting(plan, path, value);
  return plan as PlanInput;
}

/**
 * How far the run of a form is from the story, as an exit code: 0 as told, 1 something else was found, 2 nothing was
 * found where something should have been, or too little was checked.
 */
export function departure(scenario: Scenario, form: FormName, result: RunResult): 0 | 1 | 2 {
  if (form === "right") return exitCode(result);
  if (shownBy(scenario, result) !== undefined) return 0;
  return result.validity === "invalid" ? 1 : 2;
}

/** The first of the story's failures that a result holds. */
export function shownBy(scenario: Scenario, result: RunResult): Failure | undefined {
  return scenario.broken.failures.find((failure) => shows(result, failure));
}
