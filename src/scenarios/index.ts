/** The scenario library. */
import { clientScenarios } from "./clients.ts";
import { lockScenarios } from "./locks.ts";
import { replicationScenarios } from "./replication.ts";
import type { Scenario } from "./scenario.ts";

export const scenarios: readonly Scenario[] = [...replicationScenarios, ...lockScenarios, ...clientScenarios];
