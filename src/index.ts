/** The public API: what is needed to test a system of one's own, and to run plans from code. */
export type { Anomaly, Checker, Validity, Verdict } from "./checker.ts";
export { Budget } from "./checker.ts";
export type { Client, Handlers, InvokeContext } from "./client.ts";
export type * from "./cluster.ts";
export type { Fault, FaultOptions, Injector } from "./fault.ts";
export type { Context, OpGenerator, Step } from "./generator/generator.ts";
export { History, type Operation } from "./history/history.ts";
export type * from "./history/op.ts";
export type { Observed, Place, Stage } from "./place.ts";
export { type Plan, type PlanInput, parsePlan, UsageError } from "./plan.ts";
export type { RunResult } from "./result.ts";
export { type Run, run, type Sink, type Test } from "./runner/run.ts";
export { resolvePlan } from "./runner/swarm.ts";
export type { Random } from "./runtime/random.ts";
export type { Runtime } from "./runtime/runtime.ts";
export { version } from "./version.ts";
export type { Workload, WorkloadFactory, WorkloadOptions } from "./workload.ts";
