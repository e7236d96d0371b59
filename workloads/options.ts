/** Validation of a plan's `workloadOptions`. */
import type { z } from "zod";
import type { Json } from "../src/history/op.ts";
import { UsageError } from "../src/plan.ts";

/** Throws a UsageError that names the workload and each wrong option. `schema` should be strict and give defaults. */
export function parseOptions<T>(
  workload: string,
  schema: z.ZodType<T>,
  options: { readonly [name: string]: Json },
): T {
  const result = schema.safeParse(options);
  if (result.success) return result.data;
  const faults = result.error.issues.map((issue) =>
    issue.path.length === 0 ? issue.message : `${issue.path.join(".")}: ${issue.message}`,
  );
  throw new UsageError(`workload ${workload}: wrong options: ${faults.join("; ")}`);
}
