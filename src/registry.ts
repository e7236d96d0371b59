/** Everything by name, and how a plan becomes a test. Sees all parts; seen by the command line and the public API only. */
import { liveness } from "../checkers/liveness.ts";
import { stats } from "../checkers/stats.ts";
import type { KvApi } from "../cluster/api.ts";
import { mutants } from "../cluster/bugs.ts";
import { dockerPlace } from "../cluster/docker/place.ts";
import { processPlace } from "../cluster/processes/place.ts";
import { simulated } from "../cluster/simulated/place.ts";
import { systems } from "../cluster/systems/index.ts";
import { faults } from "../nemesis/index.ts";
import { parseGrudge, partitionShapes } from "../nemesis/partition.ts";
import { targets } from "../nemesis/targets.ts";
import { workloads } from "../workloads/index.ts";
import type { Checker } from "./checker.ts";
import type { Ability } from "./cluster.ts";
import type { Fault } from "./fault.ts";
import type { NodeId, Signature } from "./history/op.ts";
import type { Place } from "./place.ts";
import { datagramFaults, type Plan, parsePlan, type ScriptedCall, suggestion, UsageError } from "./plan.ts";
import type { Test } from "./runner/run.ts";
import { seededRandom } from "./runtime/random.ts";
import { SECOND } from "./runtime/runtime.ts";
import type { Workload, WorkloadFactory } from "./workload.ts";

export const places: readonly Place<KvApi>[] = [simulated, processPlace(systems), dockerPlace(systems)];

/** What judges every run, whatever its workload. */
const everyRun: readonly Checker[] = [stats, liveness];

/** All checkers, with what they judge. */
export function listCheckers(): { readonly name: string; readonly summary: string }[] {
  const judged = new Map<string, string[]>();
  for (const factory of workloads) {
    const { checkers } = createWorkload(factory, parsePlan({ workload: factory.name }));
    for (const { name } of checkers) judged.set(name, [...(judged.get(name) ?? []), factory.name]);
  }
  return [
    ...[...judged].map(([name, users]) => ({ name, summary: `judges ${users.join(", ")}` })),
    ...everyRun.map(({ name }) => ({ name, summary: "judges every run" })),
    { name: "raft-invariants", summary: "judges every simulated run, looking inside" },
    { name: "logs", summary: "judges every run on real members, by what they logged" },
    { name: "ground-truth", summary: "judges what clients of simulated runs were told, against the log" },
  ];
}

/** Names the members of a cluster: n1, n2, … */
export function nodeNames(count: number): NodeId[] {
  return Array.from({ length: count }, (_, i) => `n${i + 1}`);
}

/** Looks a name up; throws UsageError that lists what there is, the likeliest first. */
export function lookUp<T extends { readonly name: string }>(
  kind: string,
  name: string,
  items: readonly T[],
): T {
  const found = items.find((item) => item.name === name);
  if (found !== undefined) return found;
  const names = items.map((item) => item.name);
  throw new UsageError(
    `${kind} ${name === "" ? "without a name" : name} is unknown; ${suggestion(name, names)}`,
  );
}

/** Everything a run needs, checked before anything boots. Throws UsageError. */
export function assemble(plan: Plan): Test<KvApi> {
  const place = lookUp("place", plan.place, places);
  lookUp("system", plan.system, systems);
  if (!place.systems.includes(plan.system)) {
    const others = places.filter(({ systems: run }) => run.includes(plan.system));
    throw new UsageError(
      `place ${place.name} cannot run ${plan.system}, but only ${place.systems.join(", ")}; add ${others.map(({ name }) => `--place ${name}`).join(" or ")}`,
    );
  }
  const able = place.abilities(plan);
  const factory: WorkloadFactory<KvApi> = lookUp("workload", plan.workload, workloads);
  const chosen: Fault[] = [];
  for (const name of plan.faults) {
    const fault = lookUp("fault", name, faults);
    if (chosen.includes(fault)) throw new UsageError(`fault ${name} is named twice`);
    if (!canStrike(fault, able)) {
      const missing = fault.needs.filter((ability) => !able.has(ability));
      const others = faults.filter((other) => canStrike(other, able)).map((other) => other.name);
      const reasons = missing.flatMap((ability) => place.lacks?.(ability) ?? []);
      const why = reasons.length > 0 ? ` (${reasons.join("; ")})` : "";
      throw new UsageError(
        `fault ${name} needs ${missing.join(" and ")}, which place ${place.name} does not have for ${plan.system}${why}; it has what these need: ${others.join(", ")}`,
      );
    }
    if (plan.nodes < fault.leastNodes) {
      throw new UsageError(
        `fault ${name} needs at least ${fault.leastNodes} nodes, the plan has ${plan.nodes}`,
      );
    }
    if (datagramFaults.includes(name) && plan.raftkv.peerTransport === "stream") {
      throw new UsageError(
        `fault ${name} cannot bite: members speak by streams; add --set raftkv.peerTransport=datagram`,
      );
    }
    chosen.push(fault);
  }
  if (plan.raftkv.heartbeatTicks >= plan.raftkv.electionTicks) {
    throw new UsageError(
      `raftkv.heartbeatTicks: ${plan.raftkv.heartbeatTicks} must be less than raftkv.electionTicks, ${plan.raftkv.electionTicks}, or followers never wait for a heartbeat`,
    );
  }
  const names = [...targets, ...partitionShapes, ...nodeNames(plan.nodes)].map((target) => ({
    name: target,
  }));
  if (plan.target?.includes("|") === true) parseGrudge(plan.target, nodeNames(plan.nodes));
  else if (plan.target !== undefined) lookUp("target", plan.target, names);
  if (plan.bug !== "") lookUp("bug", plan.bug, mutants);
  if (plan.script !== undefined) requireScript(plan.script, plan);
  return {
    plan,
    place,
    workload: createWorkload(factory, plan),
    faults: chosen,
    checkers: checkersFor(plan),
  };
}

/**
 * Which faults can strike a cluster of this plan, and which cannot, by what the machine lacks for them: "" stands for
 * what the place never has. Throws UsageError if the plan's system cannot be run at the place at all.
 */
export function faultsFor(plan: Plan): {
  readonly can: readonly string[];
  readonly cannot: ReadonlyMap<string, readonly string[]>;
} {
  const place = lookUp("place", plan.place, places);
  const able = place.abilities(plan);
  const cannot = new Map<string, string[]>();
  for (const fault of faults.filter((each) => !canStrike(each, able))) {
    const missing = fault.needs.filter((ability) => !able.has(ability));
    const reasons = missing.map((ability) => place.lacks?.(ability) ?? "");
    // With one thing missing for good, no command helps.
    const reason = reasons.includes("") ? "" : [...new Set(reasons)].join("; ");
    cannot.set(reason, [...(cannot.get(reason) ?? []), fault.name]);
  }
  return { can: faults.filter((each) => canStrike(each, able)).map(({ name }) => name), cannot };
}

function canStrike({ needs }: Fault, able: ReadonlySet<Ability>): boolean {
  return needs.every((ability) => able.has(ability));
}

/** A script says itself what is worth doing, and need not heal what it breaks. */
function checkersFor({ script }: Plan): readonly Checker[] {
  if (script === undefined) return everyRun;
  return script.some(({ thread, f }) => thread === undefined && f === "heal-all") ? [liveness] : [];
}

function requireScript(script: readonly ScriptedCall[], { concurrency, faults: names }: Plan): void {
  const known = ["heal-core", "heal-all", ...names.flatMap((name) => [`start-${name}`, `heal-${name}`])];
  script.forEach(({ thread, f }, i) => {
    if (thread !== undefined && thread >= concurrency)
      throw new UsageError(
        `script.${i}: thread ${thread} does not exist; with a concurrency of ${concurrency} the last is ${concurrency - 1}`,
      );
    if (thread === undefined && !known.includes(f))
      throw new UsageError(`script.${i}: the nemesis has no function ${f}; ${suggestion(f, known)}`);
  });
}

function createWorkload(factory: WorkloadFactory<KvApi>, plan: Plan): Workload<Signature, KvApi> {
  return factory.create({
    nodes: nodeNames(plan.nodes),
    concurrency: plan.concurrency,
    timeout: Math.round(plan.timeout * SECOND),
    random: seededRandom(plan.seed).fork("workload"),
    options: plan.workloadOptions,
  });
}
