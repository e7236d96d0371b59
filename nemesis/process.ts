/** Faults of processes: killed, stopped, frozen, restarted, and machines that lose their power. */
import type { Cluster, Processes } from "../src/cluster.ts";
import type { Fault } from "../src/fault.ts";
import type { Json, NodeId } from "../src/history/op.ts";
import { MILLISECOND, type Runtime } from "../src/runtime/runtime.ts";
import { type Damage, spanFault } from "./spans.ts";
import { drawTarget, resolveTarget, type Target } from "./targets.ts";

function processes(cluster: Cluster<unknown>): Processes {
  const ability = cluster.can.processes;
  if (ability === undefined) throw new Error("this place cannot touch processes");
  return ability;
}

/** Takes the power of a node away. */
export function powerOff(cluster: Cluster<unknown>, node: NodeId): Promise<Json> {
  const { power } = cluster.can;
  if (power === undefined) throw new Error("this place cannot take the power away");
  return power.off(node);
}

/** Takes the victims down by `down`, brings them back by `up`; each victim that was up counts as a bite. */
async function outage(
  cluster: Cluster<unknown>,
  victims: readonly NodeId[],
  down: (processes: Processes, node: NodeId) => Promise<Json>,
  up: (processes: Processes, node: NodeId) => Promise<Json>,
): Promise<Damage> {
  const ability = processes(cluster);
  const hit = victims.filter((node) => ability.state(node) === "running");
  const effects: { [node: string]: Json } = {};
  for (const node of hit) effects[node] = await down(ability, node);
  return {
    evidence: { nodes: hit, effects },
    async heal() {
      const back: { [node: string]: Json } = {};
      for (const node of hit) back[node] = await up(ability, node);
      return { evidence: { back }, bites: hit.length };
    },
  };
}

const anyone: readonly Target[] = ["one", "one", "minority", "majority", "leaders", "leaders", "all"];

export const kill: Fault = spanFault({
  name: "kill",
  summary: "ends processes at once (SIGKILL) and starts them again later; the page cache survives",
  needs: ["processes"],
  colour: "#c0392b",
  stretch: 0.5,
  draw: (random, options) => ({ target: drawTarget(random, options, anyone) }),
  begin: async (cluster, value, random) =>
    outage(
      cluster,
      await resolveTarget(String(value.target), cluster, random),
      (ability, node) => ability.kill(node),
      (ability, node) => ability.start(node),
    ),
});

export const stop: Fault = spanFault({
  name: "stop",
  summary: "asks processes to end, and starts them again later",
  needs: ["processes"],
  colour: "#d98880",
  stretch: 0.5,
  draw: (random, options) => ({ target: drawTarget(random, options, ["one", "minority", "leaders"]) }),
  begin: async (cluster, value, random) =>
    outage(
      cluster,
      await resolveTarget(String(value.target), cluster, random),
      (ability, node) => ability.stop(node),
      (ability, node) => ability.start(node),
    ),
});

export const pause: Fault = spanFault({
  name: "pause",
  summary: "freezes processes (SIGSTOP) and thaws them; their clocks run on",
  needs: ["processes"],
  colour: "#7d6fb3",
  draw: (random, options) => ({ target: drawTarget(random, options, anyone) }),
  begin: async (cluster, value, random) =>
    outage(
      cluster,
      await resolveTarget(String(value.target), cluster, random),
      (ability, node) => ability.pause(node),
      (ability, node) => ability.resume(node),
    ),
});

export const power: Fault = spanFault({
  name: "power",
  summary: "takes machines' power away: unsynced writes are lost or torn, peers get no goodbye",
  needs: ["processes", "power"],
  colour: "#641e16",
  stretch: 0.5,
  draw: (random, options) => ({ target: drawTarget(random, options, anyone) }),
  begin: async (cluster, value, random) =>
    outage(
      cluster,
      await resolveTarget(String(value.target), cluster, random),
      (_ability, node) => powerOff(cluster, node),
      (ability, node) => ability.start(node),
    ),
});

/**
 * Kills and starts within milliseconds, several times in a span: quicker than a message takes, so that a member can
 * meet its own past (a vote it forgot, an append it acknowledged).
 */
export const restart: Fault = spanFault({
  name: "restart",
  summary: "kills and restarts processes within milliseconds, again and again",
  needs: ["processes"],
  colour: "#e67e22",
  stretch: 0.5,
  draw: (random, options) => ({
    target: drawTarget(random, options, ["one", "minority", "leaders", "followers"]),
    downMs: random.between(1, 40),
    everyMs: random.between(50, 2_000),
    power: random.chance(0.5),
  }),
  async begin(cluster, value, random, runtime) {
    const ability = processes(cluster);
    const { power } = cluster.can;
    const target = String(value.target);
    const down = Number(value.downMs) * MILLISECOND;
    const every = Number(value.everyMs) * MILLISECOND;
    let restarts = 0;
    let over = false;
    const round = async (count: number): Promise<void> => {
      while (!over) {
        const victims = await resolveTarget(target, cluster, random.fork(count++));
        for (const node of victims) {
          if (ability.state(node) !== "running") continue;
          await (value.power === true && power !== undefined ? power.off(node) : ability.kill(node));
          restarts++;
        }
        await sleep(runtime, down);
        for (const node of victims) await ability.start(node);
        await sleep(runtime, every);
      }
    };
    const rounds = round(0);
    return {
      evidence: {
        target,
        downMs: Number(value.downMs),
        everyMs: Number(value.everyMs),
        power: value.power === true && power !== undefined,
      },
      async heal() {
        over = true;
        await rounds;
        return { evidence: { restarts }, bites: restarts };
      },
    };
  },
});

/** One member after the other, each back before the next goes: what an operator does to upgrade. */
export const rollingRestart: Fault = spanFault({
  name: "rolling-restart",
  summary: "stops and starts every member in turn",
  needs: ["processes"],
  colour: "#f0b27a",
  draw: (random) => ({ downMs: random.between(10, 2_000) }),
  async begin(cluster, value, random, runtime) {
    const ability = processes(cluster);
    const down = Number(value.downMs) * MILLISECOND;
    let restarted = 0;
    let over = false;
    const roll = async (): Promise<void> => {
      for (const node of random.shuffle(cluster.nodes)) {
        if (over) return;
        if (ability.state(node) !== "running") continue;
        await ability.stop(node);
        await sleep(runtime, down);
        await ability.start(node);
        await sleep(runtime, down);
        restarted++;
      }
    };
    const rolling = roll();
    return {
      evidence: { downMs: Number(value.downMs) },
      async heal() {
        over = true;
        await rolling;
        return { evidence: { restarted }, bites: restarted };
      },
    };
  },
});

export function sleep(runtime: Runtime, delay: number): Promise<void> {
  return new Promise((resolve) => {
    runtime.timer(delay, resolve);
  });
}
