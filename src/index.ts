/** The public API: what is needed to test a system of one's own, and to run plans from code. */

export * from "../checkers/index.ts";
export type { KvApi } from "../cluster/api.ts";
export { dockerPlace } from "../cluster/docker/place.ts";
export { processPlace } from "../cluster/processes/place.ts";
export { simulated } from "../cluster/simulated/place.ts";
export type { Control, Invocation, MemberSpec, Membership, Peer, System } from "../cluster/systems/system.ts";
export { faults } from "../nemesis/index.ts";
export { spanFault } from "../nemesis/spans.ts";
export { drawTarget, resolveTarget, targets } from "../nemesis/targets.ts";
export { workloads } from "../workloads/index.ts";
export { parseOptions } from "../workloads/options.ts";
export { attemptRead, attemptWrite, ok } from "../workloads/outcome.ts";
export { stateful } from "../workloads/stateful.ts";
export type { Client, Handlers, InvokeContext } from "./client.ts";
export type * from "./cluster.ts";
export type { Fault, FaultOptions, Injector } from "./fault.ts";
export {
  any,
  concat,
  concurrencyLimit,
  cycle,
  empty,
  filter,
  fMap,
  limit,
  map,
  mix,
  once,
  onUpdate,
  phases,
  processLimit,
  repeat,
  type Source,
  synchronize,
  untilOk,
  weightedMix,
} from "./generator/combinators.ts";
export * from "./generator/distributions.ts";
export type { Context, OpGenerator, Step } from "./generator/generator.ts";
export { concurrentKeys, everyKey, rotatingKeys, sequentialKeys } from "./generator/independent.ts";
export { simulate } from "./generator/simulate.ts";
export { clients, eachProcess, eachThread, nemesis, onThreads, reserve } from "./generator/threads.ts";
export { cycleTimes, delay, delayUntil, flipFlop, sleep, stagger, timeLimit } from "./generator/timing.ts";
export type { Observed, Place, Stage } from "./place.ts";
export { type Plan, type PlanInput, parsePlan, UsageError } from "./plan.ts";
export { assemble, nodeNames, places } from "./registry.ts";
export type { RunResult } from "./result.ts";
export { type Run, run, type Sink, type Test } from "./runner/run.ts";
export { resolvePlan } from "./runner/swarm.ts";
export { type Random, seededRandom } from "./runtime/random.ts";
export { MILLISECOND, type Runtime, SECOND } from "./runtime/runtime.ts";
export { version } from "./version.ts";
export { untyped, type Workload, type WorkloadFactory, type WorkloadOptions } from "./workload.ts";
