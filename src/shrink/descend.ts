/**
 * Descends from a failing plan to simpler ones that fail in the same way with some seed. Thinning out the schedule
 * of one run does not get far: without one fault the next election ends differently, and everything after it. In a
 * simpler configuration a search finds runs that are small to begin with.
 */
import { type Plan, RaftKvOptions } from "../plan.ts";

/** Runs a plan; true if it fails in the way wanted. False also if it cannot be run at all. */
export type Fails = (plan: Plan) => Promise<boolean>;

/** A simpler plan, or undefined if the plan is as simple already in this respect. */
type Move = (plan: Plan) => Plan | undefined;

const SECONDS = [2, 5, 10, 20] as const;
const CLIENTS = [2, 3, 5] as const;
/** Seeds tried for each move, at least and at most; in between, some times as many as the last success took. */
const SEEDS = { least: 15, most: 120, patience: 4 };

const defaults = RaftKvOptions.parse({});

function withoutFault(fault: string): Move {
  return (plan) =>
    plan.faults.length > 1 && plan.faults.includes(fault)
      ? { ...plan, faults: plan.faults.filter((other) => other !== fault) }
      : undefined;
}

const nodes: Move = (plan) => (plan.nodes > 3 ? { ...plan, nodes: 3 } : undefined);
const calmNetwork: Move = (plan) => {
  const { latencyMs, loss, duplicate, codec } = plan.network;
  if (latencyMs === 1 && loss === 0 && duplicate === 0 && !codec) return undefined;
  return { ...plan, network: { latencyMs: 1, loss: 0, duplicate: 0, codec: false } };
};
const oneKey: Move = (plan) =>
  plan.workloadOptions.keys === 1
    ? undefined
    : { ...plan, workloadOptions: { ...plan.workloadOptions, keys: 1 } };
const quickClients: Move = (plan) => (plan.timeout > 1 ? { ...plan, timeout: 1 } : undefined);

function clients(count: number): Move {
  return (plan) => (plan.concurrency > count ? { ...plan, concurrency: count } : undefined);
}

function shorter(duration: number): Move {
  return (plan) =>
    plan.duration > duration
      ? { ...plan, duration, faultInterval: Math.min(plan.faultInterval, duration / 2) }
      : undefined;
}

const allKnobs: Move = (plan) =>
  (Object.keys(defaults) as (keyof RaftKvOptions)[]).some((name) => plan.raftkv[name] !== defaults[name])
    ? { ...plan, raftkv: defaults }
    : undefined;

function knob(name: keyof RaftKvOptions): Move {
  return (plan) =>
    plan.raftkv[name] === defaults[name]
      ? undefined
      : { ...plan, raftkv: { ...plan.raftkv, [name]: defaults[name] } };
}

/**
 * The first plan that fails when moves are tried from the large to the small, each with many seeds; `plan` itself if
 * none does. `plan` must fail.
 */
export async function descend(plan: Plan, fails: Fails): Promise<Plan> {
  let current = plan;
  let took = 1;
  const attempt = async (move: Move): Promise<boolean> => {
    const simpler = move(current);
    if (simpler === undefined) return false;
    const tries = Math.min(SEEDS.most, Math.max(SEEDS.least, SEEDS.patience * took));
    for (let i = 0; i < tries; i++) {
      const candidate = { ...simpler, seed: current.seed + i };
      if (!(await fails(candidate))) continue;
      current = candidate;
      took = i + 1;
      return true;
    }
    return false;
  };
  const firstOf = async (moves: readonly Move[]): Promise<void> => {
    for (const move of moves) if (await attempt(move)) return;
  };

  await firstOf(SECONDS.slice(2).map(shorter));
  await attempt(nodes);
  for (const fault of plan.faults) await attempt(withoutFault(fault));
  if (!(await attempt(allKnobs)))
    for (const name of Object.keys(defaults)) await attempt(knob(name as keyof RaftKvOptions));
  await attempt(calmNetwork);
  await attempt(oneKey);
  await attempt(quickClients);
  await firstOf(CLIENTS.map(clients));
  await firstOf(SECONDS.map(shorter));
  return current;
}
