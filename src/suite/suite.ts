/**
 * A suite: what to run, as a value. Each matrix gives a cell for every combination of what it varies, and each cell
 * is run with several seeds.
 */
import { z } from "zod";
import type { Json } from "../history/op.ts";
import { type PlanInput, parse, parsePlan, UsageError, withSetting } from "../plan.ts";

const name = z.string().regex(/^[A-Za-z0-9][\w.-]*$/, "is no name; use letters, digits, dots and dashes");
const settings = z.record(z.string(), z.json());

export const Matrix = z.strictObject({
  name,
  /** Settings of the plan that all its cells share, over those of the suite. */
  base: settings.default({}),
  /** By path of a setting, such as raftkv.preVote, the values it takes. */
  vary: z.record(z.string(), z.array(z.json()).min(1)).default({}),
  /** Seeds of each cell. */
  seeds: z.number().int().min(1).max(1_000_000).default(1),
  first: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).default(0),
  /** How often a run that failed on a real cluster is tried again, to tell how often it fails. */
  reruns: z.number().int().min(0).max(100).default(2),
  /** Findings that are known, as "checker: anomaly": told, but no reason for the suite to fail. */
  known: z.array(z.string()).default([]),
  /** Whether a machine that cannot run it refuses the suite, or leaves it out and says so. */
  required: z.boolean().default(true),
});
export type Matrix = z.infer<typeof Matrix>;

export const Suite = z.strictObject({
  name,
  base: settings.default({}),
  matrices: z.array(Matrix).min(1),
});
export type Suite = z.infer<typeof Suite>;
export type SuiteInput = z.input<typeof Suite>;

/** One plan of a suite, but for its seed. */
export interface Cell {
  /** Unique in the suite: the matrix and what is special about the cell. */
  readonly id: string;
  readonly matrix: string;
  readonly plan: PlanInput;
  readonly seeds: readonly number[];
  readonly reruns: number;
  readonly known: readonly string[];
  /** Why this machine cannot run it, if so. */
  readonly impossible?: string;
}

/** Throws UsageError that begins with `source`. */
export function parseSuite(value: unknown, source: string): Suite {
  const suite = parse(Suite, value, source);
  const names = suite.matrices.map((matrix) => matrix.name);
  const twice = names.find((each, index) => names.indexOf(each) !== index);
  if (twice !== undefined) throw new UsageError(`${source}: two matrices are called ${twice}`);
  return suite;
}

/**
 * The cells of a suite, matrix by matrix. `require` throws UsageError for a plan that cannot be run here.
 * Throws UsageError that names the cell if its plan is none, or cannot be run although it is required.
 */
export function cellsOf(suite: Suite, require: (plan: PlanInput) => void): readonly Cell[] {
  return suite.matrices.flatMap((matrix) =>
    combinations(Object.entries(matrix.vary)).map((chosen): Cell => {
      const special = chosen.map(([path, value]) => `${path}=${shown(value)}`).join(" ");
      const id = special === "" ? matrix.name : `${matrix.name}: ${special}`;
      let plan: Record<string, unknown> = { ...suite.base, ...matrix.base };
      for (const [path, value] of chosen) plan = withSetting(plan, path, value);
      if ("seed" in plan)
        throw new UsageError(`${suite.name}, ${id}: seed: a suite sets it; use "first" and "seeds"`);
      parsePlan(plan, `${suite.name}, ${id}`);
      const seeds = Array.from({ length: matrix.seeds }, (_, index) => matrix.first + index);
      const cell = { id, matrix: matrix.name, plan, seeds, reruns: matrix.reruns, known: matrix.known };
      try {
        require(plan);
      } catch (error) {
        if (!(error instanceof UsageError)) throw error;
        if (matrix.required) throw new UsageError(`${suite.name}, ${id}: ${error.message}`);
        return { ...cell, impossible: error.message };
      }
      return cell;
    }),
  );
}

/** The last path varies fastest. */
function combinations(
  axes: readonly (readonly [path: string, values: readonly Json[]])[],
): readonly (readonly (readonly [path: string, value: Json])[])[] {
  return axes.reduce<(readonly (readonly [string, Json])[])[]>(
    (all, [path, values]) =>
      all.flatMap((chosen) => values.map((value) => [...chosen, [path, value] as const])),
    [[]],
  );
}

function shown(value: Json): string {
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.map(shown).join(",");
  return typeof value === "string" ? value : JSON.stringify(value);
}
