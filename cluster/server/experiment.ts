/**
 * What a tester changes in a member that no user of it should: planted bugs, and settings of the plan that the server
 * has no flag for. Given in the environment, so that no help text offers it.
 */
import { z } from "zod";
import { parse, RaftKvOptions, UsageError } from "../../src/plan.ts";
import { MILLISECOND } from "../../src/runtime/runtime.ts";
import { mutants } from "../bugs.ts";
import type { Configuration } from "./configuration.ts";

/** The variable's name; its value is JSON. */
export const EXPERIMENT = "FAULTLINE_EXPERIMENT";

const schema = z.strictObject({
  /** Name of a planted bug, or "". */
  bug: z
    .string()
    .refine((bug) => bug === "" || mutants.some(({ name }) => name === bug), "there is no such bug"),
  raftkv: RaftKvOptions.omit({ peerTransport: true }),
});
export type Experiment = z.infer<typeof schema>;

/** The configuration as the experiment, if there is one, wants it. Throws UsageError. */
export function withExperiment(configuration: Configuration, text: string | undefined): Configuration {
  if (text === undefined) return configuration;
  const { bug, raftkv } = parse(schema, parseJson(text), EXPERIMENT);
  const { tickMs, requestTimeoutMs, ...settings } = raftkv;
  const tuning = {
    ...configuration.member.tuning,
    ...settings,
    tick: tickMs * MILLISECOND,
    requestTimeout: requestTimeoutMs * MILLISECOND,
    bug,
  };
  return { ...configuration, member: { ...configuration.member, tuning } };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${EXPERIMENT}: ${(error as Error).message}`);
  }
}
