/** Validation of a plan's `workloadOptions`. */
import type { z } from "zod";
import type { Json } from "../src/history/op.ts";
import { parse } from "../src/plan.ts";

/** Throws a UsageError that names the workload and each wrong option. `schema` should be strict and give defaults. */
export function parseOptions<T>(
  workload: string,
  schema: z.ZodType<T>,
  options: { readonly [name: string]: Json },
): T {
  return parse(schema, options, `workload ${workload}: wrong options`);
}
