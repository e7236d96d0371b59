/** The scenario library. */
import { clientScenarios } from "./clients.ts";
import { lockScenarios } from "./locks.ts";
import { replicationScenarios } from "./replication.ts";
import type { Scenario } from "./scenario.ts";
import { watchScenarios } from "./watches.ts";

export const scenarios: readonly Scenario[] = [
  ...replicationScenarios,
  ...watchScenarios,
  ...lockScenarios,
  ...clientScenarios,
];
