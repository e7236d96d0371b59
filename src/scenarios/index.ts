/** The scenario library. */
import { replicationScenarios } from "./replication.ts";
import type { Scenario } from "./scenario.ts";

export const scenarios: readonly Scenario[] = [...replicationScenarios];
