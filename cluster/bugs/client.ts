/** Mistakes of clients. */
import type { PlantedBug } from "./bug.ts";

export const clientBugs: readonly PlantedBug[] = [
  {
    name: "client-retries-writes",
    area: "client",
    mutation: "a write that timed out or lost its connection is silently sent again",
    reference: "jetcd 0.8.2; SERVER-48307; redisraft#13",
    workload: "register",
  },
  {
    name: "timeout-is-fail",
    area: "client",
    mutation: "a timeout is reported as a definite failure",
    reference: "jetcd 0.8.2",
    workload: "register",
  },
  {
    name: "client-falls-back",
    area: "client",
    mutation: "a read that got no answer is tried again as a serializable one",
    reference: "textbook: failover to a weaker read",
    workload: "register",
  },
  {
    name: "client-mixes-answers",
    area: "client",
    mutation: "an answer that comes too late is taken for that to a later request of the kind",
    reference: "redis-py CVE-2023-28858",
    workload: "register",
  },
  {
    name: "lost-connection-is-fail",
    area: "client",
    mutation: "a connection that breaks is reported as a definite failure",
    reference: "jetcd 0.8.2",
    workload: "register",
  },
  {
    name: "server-timeout-is-fail",
    area: "client",
    mutation: "a member's own timeout is reported as a definite failure",
    reference: "jetcd 0.8.2",
    workload: "register",
  },
];
