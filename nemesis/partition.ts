/**
 * Partitions: who cannot hear whom. A grudge is a list of directed pairs whose messages vanish.
 * Shapes after Jepsen's nemesis namespace and Alquraan et al., OSDI 2018 (complete, partial and simplex partitions).
 */
import type { Cluster } from "../src/cluster.ts";
import type { Fault, FaultOptions } from "../src/fault.ts";
import type { NodeId } from "../src/history/op.ts";
import { UsageError } from "../src/plan.ts";
import type { Random } from "../src/runtime/random.ts";
import { MILLISECOND, type Runtime, type Timer } from "../src/runtime/runtime.ts";
import { type Damage, spanFault, total } from "./spans.ts";

export type Grudge = readonly (readonly [from: NodeId, to: NodeId])[];

/** Both directions between every member of `left` and every member of `right`. */
export function cutBetween(left: readonly NodeId[], right: readonly NodeId[]): Grudge {
  return [...cutTowards(left, right), ...cutTowards(right, left)];
}

/** What `from` sends does not arrive at `to`; answers do. */
export function cutTowards(from: readonly NodeId[], to: readonly NodeId[]): Grudge {
  return from.flatMap((a) => to.filter((b) => b !== a).map((b) => [a, b] as const));
}

/** Two halves that share one member, which both can reach. */
export function bridge(nodes: readonly NodeId[]): Grudge {
  const middle = Math.floor(nodes.length / 2);
  return cutBetween(nodes.slice(0, middle), nodes.slice(middle + 1));
}

/**
 * Every member sees a majority, yet no two see the same one: each hears only its nearest neighbours on a ring.
 * With three members or fewer that is a bridge.
 */
export function majoritiesRing(nodes: readonly NodeId[]): Grudge {
  const n = nodes.length;
  const near = Math.ceil(Math.floor(n / 2) / 2);
  const pairs: (readonly [NodeId, NodeId])[] = [];
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      if (Math.min((i - j + n) % n, (j - i + n) % n) > near)
        pairs.push([nodes[i] as NodeId, nodes[j] as NodeId]);
    }
  }
  return pairs.length > 0 ? pairs : bridge(nodes);
}

const shapes = {
  /** The first half against the rest. */
  halves: (nodes: readonly NodeId[]) => split(nodes),
  "random-halves": (nodes: readonly NodeId[], random: Random) => split(random.shuffle(nodes)),
  "isolate-one": (nodes: readonly NodeId[], random: Random) => isolate(nodes, random.pick(nodes)),
  bridge: (nodes: readonly NodeId[], random: Random) => bridge(random.shuffle(nodes)),
  "majorities-ring": (nodes: readonly NodeId[], random: Random) => majoritiesRing(random.shuffle(nodes)),
  "isolate-leader": (nodes: readonly NodeId[], _random: Random, leader: NodeId) => isolate(nodes, leader),
  /** The leader among as few as possible: the others can elect another. */
  "leader-in-minority": (nodes: readonly NodeId[], random: Random, leader: NodeId) =>
    split([leader, ...random.shuffle(others(nodes, leader))], Math.ceil(nodes.length / 2) - 1),
  "leader-in-majority": (nodes: readonly NodeId[], random: Random, leader: NodeId) =>
    split([leader, ...random.shuffle(others(nodes, leader))], Math.floor(nodes.length / 2) + 1),
  /** It hears everybody, nobody hears it. */
  mute: (nodes: readonly NodeId[], random: Random, leader: NodeId) => {
    const victim = random.chance(0.5) ? leader : random.pick(nodes);
    return cutTowards([victim], others(nodes, victim));
  },
  /** Everybody hears it, it hears nobody. */
  deaf: (nodes: readonly NodeId[], random: Random, leader: NodeId) => {
    const victim = random.chance(0.5) ? leader : random.pick(nodes);
    return cutTowards(others(nodes, victim), [victim]);
  },
} as const satisfies {
  readonly [shape: string]: (nodes: readonly NodeId[], random: Random, leader: NodeId) => Grudge;
};

export type Shape = keyof typeof shapes;
export const partitionShapes = Object.keys(shapes) as readonly Shape[];

/** The pairs a shape cuts. `leader` is used by those that look for it. */
export function grudge(shape: Shape, nodes: readonly NodeId[], random: Random, leader: NodeId): Grudge {
  return shapes[shape](nodes, random, leader);
}

function others(nodes: readonly NodeId[], one: NodeId): readonly NodeId[] {
  return nodes.filter((node) => node !== one);
}

function isolate(nodes: readonly NodeId[], victim: NodeId): Grudge {
  return cutBetween([victim], others(nodes, victim));
}

function split(nodes: readonly NodeId[], at: number = Math.floor(nodes.length / 2)): Grudge {
  const cut = Math.max(1, at);
  return cutBetween(nodes.slice(0, cut), nodes.slice(cut));
}

/** A grudge in words: "n1,n2|n3" cuts the groups off from each other, members that are not named from nobody. */
export function parseGrudge(text: string, nodes: readonly NodeId[]): Grudge {
  const groups = text.split("|").map((group) => group.split(",").map((name) => name.trim()));
  const named = groups.flat();
  const stranger = named.find((name) => !nodes.includes(name));
  if (stranger !== undefined || groups.length < 2 || new Set(named).size < named.length) {
    throw new UsageError(
      `target ${text} is no partition; write groups of members such as n1,n2|n3 with each of ${nodes.join(", ")} at most once`,
    );
  }
  return groups.flatMap((group, i) => groups.slice(i + 1).flatMap((other) => cutBetween(group, other)));
}

/** Whether a plan's target says what partitions cut, and nothing of the victims of other faults. */
export function isCut(target: string): boolean {
  return target.includes("|") || Object.hasOwn(shapes, target);
}

/** The shape a plan's target asks for, or one of `usual`. */
function drawShape(random: Random, { target }: FaultOptions, usual: readonly Shape[]): string {
  return target !== undefined && isCut(target) ? target : random.pick(usual);
}

async function cutPairs(shape: string, cluster: Cluster<unknown>, random: Random): Promise<Grudge> {
  if (shape.includes("|")) return parseGrudge(shape, cluster.nodes);
  return grudge(shape as Shape, cluster.nodes, random, await anyLeader(cluster, random));
}

async function anyLeader(cluster: Cluster<unknown>, random: Random): Promise<NodeId> {
  const leaders = await cluster.leaders();
  return leaders[0] ?? random.pick(cluster.nodes);
}

export const partition: Fault = spanFault({
  name: "partition",
  summary: "cuts the network: halves, a lone member, a bridge, rings, one-way, around the leader",
  needs: ["links"],
  leastNodes: 2,
  colour: "#e8a33d",
  draw: (random, options) => ({ shape: drawShape(random, options, partitionShapes) }),
  async begin(cluster, value, random) {
    const shape = String(value.shape);
    return cut(cluster, shape, await cutPairs(shape, cluster, random));
  },
});

async function cut(cluster: Cluster<unknown>, shape: string, pairs: Grudge): Promise<Damage> {
  const links = cluster.can.links;
  if (links === undefined) throw new Error("this place cannot cut links");
  const handle = await links.spoil(pairs, { cut: true });
  return {
    evidence: { shape, cut: pairs.map(([from, to]) => `${from}>${to}`) },
    async heal() {
      const effects = await handle.heal();
      return { evidence: effects, bites: total(effects) };
    },
  };
}

/** A link that comes and goes faster than an election: connections die again and again, terms may climb. */
export const flapping: Fault = spanFault({
  name: "flapping",
  summary: "cuts and heals a partition again and again, faster than elections settle",
  needs: ["links"],
  leastNodes: 2,
  colour: "#c98522",
  draw: (random, options) => ({
    shape: drawShape(random, options, ["isolate-one", "isolate-leader", "random-halves"]),
    periodMs: random.between(50, 1_500),
  }),
  async begin(cluster, value, random, runtime) {
    const shape = String(value.shape);
    const pairs = await cutPairs(shape, cluster, random);
    return flap(cluster, runtime, shape, pairs, Number(value.periodMs));
  },
});

function flap(
  cluster: Cluster<unknown>,
  runtime: Runtime,
  shape: string,
  pairs: Grudge,
  periodMs: number,
): Damage {
  let current: Promise<Damage> | undefined = cut(cluster, shape, pairs);
  let bites = 0;
  let flips = 0;
  let timer: Timer;
  const flip = async (): Promise<void> => {
    const damage = current;
    flips++;
    if (damage === undefined) current = cut(cluster, shape, pairs);
    else {
      current = undefined;
      bites += (await (await damage).heal()).bites;
    }
  };
  const again = (): void => {
    timer = runtime.timer(periodMs * MILLISECOND, () => {
      flip().then(again, again);
    });
  };
  again();
  return {
    evidence: { shape, periodMs, cut: pairs.map(([from, to]) => `${from}>${to}`) },
    async heal() {
      timer.cancel();
      if (current !== undefined) bites += (await (await current).heal()).bites;
      current = undefined;
      return { evidence: { flips }, bites };
    },
  };
}
