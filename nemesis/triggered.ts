/**
 * Faults that wait for their moment. Blind chance rarely strikes between a leader's first append and its first
 * commit; a listener on the protocol's own events always does. Figure 8 of the raft paper was not met in 540,000
 * simulated seconds of blind faults, and within half a CPU-second by isolating fresh leaders.
 */
import type { Cluster, ClusterEvent } from "../src/cluster.ts";
import type { Fault } from "../src/fault.ts";
import type { Json, NodeId } from "../src/history/op.ts";
import type { Random } from "../src/runtime/random.ts";
import { MILLISECOND, type Runtime } from "../src/runtime/runtime.ts";
import { cutBetween, cutTowards } from "./partition.ts";
import { powerOff, sleep } from "./process.ts";
import { spanFault, total } from "./spans.ts";

/** A blow struck at the node where the event happened: breaks, waits, heals; resolves to the number of bites. */
type Blow = (
  cluster: Cluster<unknown>,
  node: NodeId,
  hold: number,
  random: Random,
  runtime: Runtime,
) => Promise<number>;

const isolate: Blow = async (cluster, node, hold, _random, runtime) => {
  const links = cluster.can.links;
  if (links === undefined) throw new Error("this place cannot cut links");
  const handle = await links.spoil(cutBetween([node], others(cluster, node)), { cut: true });
  await sleep(runtime, hold);
  return total(await handle.heal());
};

const mute: Blow = async (cluster, node, hold, _random, runtime) => {
  const links = cluster.can.links;
  if (links === undefined) throw new Error("this place cannot cut links");
  const handle = await links.spoil(cutTowards([node], others(cluster, node)), { cut: true });
  await sleep(runtime, hold);
  return total(await handle.heal());
};

const crash: Blow = async (cluster, node, hold, random, runtime) => {
  const processes = cluster.can.processes;
  if (processes === undefined || processes.state(node) !== "running") return 0;
  await (random.chance(0.5) ? powerOff(cluster, node) : processes.kill(node));
  await sleep(runtime, hold);
  await processes.start(node);
  return 1;
};

const freeze: Blow = async (cluster, node, hold, _random, runtime) => {
  const processes = cluster.can.processes;
  if (processes === undefined || processes.state(node) !== "running") return 0;
  await processes.pause(node);
  await sleep(runtime, hold);
  await processes.resume(node);
  return 1;
};

function others(cluster: Cluster<unknown>, node: NodeId): readonly NodeId[] {
  return cluster.nodes.filter((other) => other !== node);
}

interface Trigger {
  readonly name: string;
  readonly summary: string;
  readonly colour: string;
  readonly leastNodes: number;
  /** Kinds of protocol events to strike at. */
  readonly on: readonly string[];
  readonly blows: readonly Blow[];
  /** Chance to strike at each such event, and how long to hold, drawn per span. */
  readonly chances: readonly number[];
  readonly holdMs: readonly [low: number, high: number];
  /** Longest wait between event and blow; every other span strikes at once, before any message arrives. */
  readonly lagMs: number;
}

function triggered(trigger: Trigger): Fault {
  return spanFault({
    name: trigger.name,
    summary: trigger.summary,
    needs: ["events", "links", "processes", "power"],
    colour: trigger.colour,
    leastNodes: trigger.leastNodes,
    stretch: 1.5,
    draw: (random) => ({
      chance: random.pick(trigger.chances),
      holdMs: random.between(...trigger.holdMs),
      lagMs: random.fork("lag").pick([0, trigger.lagMs]),
    }),
    async begin(cluster, value, random, runtime) {
      const events = cluster.can.events;
      if (events === undefined) throw new Error("this place cannot hear protocol events");
      const struck: Promise<void>[] = [];
      const victims: NodeId[] = [];
      let bites = 0;
      let count = 0;
      const strike = async (event: ClusterEvent, stream: Random): Promise<void> => {
        const lag = stream.fork("lag").below(Number(value.lagMs) * MILLISECOND + 1);
        if (lag > 0) await sleep(runtime, lag);
        const blow = stream.fork("blow").pick(trigger.blows);
        bites += await blow(cluster, event.node, Number(value.holdMs) * MILLISECOND, stream, runtime);
      };
      const unsubscribe = events.subscribe(trigger.on, (event) => {
        const stream = random.fork(count++);
        if (!stream.fork("strike").chance(Number(value.chance))) return;
        victims.push(event.node);
        struck.push(strike(event, stream));
      });
      return {
        evidence: { ...value, on: trigger.on },
        async heal() {
          unsubscribe();
          await Promise.all(struck);
          return { evidence: { struck: victims as readonly Json[] }, bites };
        },
      };
    },
  });
}

export const triggeredFaults: readonly Fault[] = [
  triggered({
    name: "leader-hunt",
    summary: "isolates or kills members right after they become leader",
    colour: "#922b21",
    leastNodes: 3,
    on: ["become-leader"],
    blows: [isolate, isolate, mute, crash],
    chances: [0.3, 0.7, 1],
    holdMs: [100, 4_000],
    lagMs: 20,
  }),
  triggered({
    name: "commit-hunt",
    summary: "strikes a leader at the first commit of its term",
    colour: "#7b241c",
    leastNodes: 3,
    on: ["first-commit-of-term"],
    blows: [isolate, crash, freeze],
    chances: [0.3, 0.7],
    holdMs: [100, 4_000],
    lagMs: 10,
  }),
  triggered({
    name: "voter-restart",
    summary: "restarts members right after they voted, quicker than the next candidate's request",
    colour: "#af601a",
    leastNodes: 2,
    on: ["vote-granted", "become-candidate"],
    blows: [crash],
    chances: [0.1, 0.5, 1],
    holdMs: [1, 30],
    lagMs: 5,
  }),
  triggered({
    name: "snapshot-hunt",
    summary: "strikes members that begin to save a snapshot, have saved, send or restore one",
    colour: "#1f618d",
    leastNodes: 2,
    on: ["snapshot-begun", "snapshot-sent", "snapshot-saved", "snapshot-restored"],
    blows: [crash, freeze, isolate],
    chances: [0.1, 0.5],
    holdMs: [1, 2_000],
    lagMs: 20,
  }),
  triggered({
    name: "lease-hunt",
    summary: "freezes or isolates the leader when a lease is about to be expired",
    colour: "#6c3483",
    leastNodes: 2,
    on: ["lease-expired"],
    blows: [freeze, isolate],
    chances: [0.3, 1],
    holdMs: [500, 6_000],
    lagMs: 5,
  }),
];
