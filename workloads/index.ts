/** The workloads by name. */
import type { KvApi } from "../cluster/api.ts";
import type { WorkloadFactory } from "../src/workload.ts";
import { append } from "./append.ts";
import { bank } from "./bank.ts";
import { causal } from "./causal.ts";
import { config } from "./config.ts";
import { counter } from "./counter.ts";
import { election } from "./election.ts";
import { g2 } from "./g2.ts";
import { kvWorkload } from "./kv.ts";
import { lease } from "./lease.ts";
import { lock } from "./lock.ts";
import { longFork } from "./long-fork.ts";
import { mirror } from "./mirror.ts";
import { monotonic } from "./monotonic.ts";
import { none } from "./none.ts";
import { queue } from "./queue.ts";
import { registerWorkload } from "./register.ts";
import { registry } from "./registry.ts";
import { replica } from "./replica.ts";
import { rights } from "./rights.ts";
import { sequential } from "./sequential.ts";
import { set } from "./set.ts";
import { snapshot } from "./snapshot.ts";
import { uniqueIds } from "./unique-ids.ts";
import { watch } from "./watch.ts";
import { wr } from "./wr.ts";

export const workloads: readonly WorkloadFactory<KvApi>[] = [
  registerWorkload,
  kvWorkload,
  watch,
  mirror,
  lock,
  election,
  lease,
  registry,
  rights,
  set,
  bank,
  append,
  wr,
  counter,
  uniqueIds,
  queue,
  replica,
  snapshot,
  config,
  longFork,
  g2,
  monotonic,
  sequential,
  causal,
  none,
];
