/** Faults of packets between members: late, lost, doubled, out of order, few, garbled, held back, connections reset. */
import type { Ability, Cluster, LinkFault, Links } from "../src/cluster.ts";
import type { Fault } from "../src/fault.ts";
import type { Json, NodeId } from "../src/history/op.ts";
import type { Random } from "../src/runtime/random.ts";
import { MILLISECOND } from "../src/runtime/runtime.ts";
import { sleep } from "./process.ts";
import { spanFault, total } from "./spans.ts";
import { drawTarget, resolveTarget } from "./targets.ts";

function linksOf(cluster: Cluster<unknown>): Links {
  const links = cluster.can.links;
  if (links === undefined) throw new Error("this place cannot touch links");
  return links;
}

/** All links from and to the victims; with `oneWay` only what they send. */
function around(
  nodes: readonly NodeId[],
  victims: readonly NodeId[],
  oneWay: boolean,
): (readonly [NodeId, NodeId])[] {
  const pairs: (readonly [NodeId, NodeId])[] = [];
  for (const from of nodes) {
    for (const to of nodes) {
      if (from === to) continue;
      if (victims.includes(from) || (!oneWay && victims.includes(to))) pairs.push([from, to]);
    }
  }
  return pairs;
}

type Drawn = { readonly [field: string]: Json };

/** One kind of link damage; `fault` turns what was drawn into what the links are told. */
function packetFault(
  name: string,
  summary: string,
  colour: string,
  draw: (random: Random) => Drawn,
  fault: (value: Drawn) => LinkFault,
  needs: readonly Ability[] = ["links", "packets"],
): Fault {
  return spanFault({
    name,
    summary,
    needs,
    leastNodes: 2,
    colour,
    draw: (random, options) => ({
      ...draw(random),
      target: drawTarget(random, options, ["one", "minority", "leaders", "all"]),
      oneWay: random.chance(0.3),
    }),
    async begin(cluster, value, random) {
      const victims = await resolveTarget(String(value.target), cluster, random);
      const oneWay = value.oneWay === true;
      const handle = await linksOf(cluster).spoil(around(cluster.nodes, victims, oneWay), fault(value));
      return {
        evidence: { ...value, nodes: victims },
        async heal() {
          const effects = await handle.heal();
          return { evidence: effects, bites: total(effects) };
        },
      };
    },
  });
}

const ms = (value: Json | undefined): number => Number(value) * MILLISECOND;

export const packetFaults: readonly Fault[] = [
  packetFault(
    "delay",
    "messages take longer, by a fixed time and a random one",
    "#95a5a6",
    (random) => ({ delayMs: random.between(5, 400), jitterMs: random.between(0, 400) }),
    (value) => ({ delay: ms(value.delayMs), jitter: ms(value.jitterMs) }),
  ),
  packetFault(
    "loss",
    "messages get lost; streams have to send again",
    "#b7950b",
    (random) => ({ loss: random.pick([0.05, 0.2, 0.5]) }),
    (value) => ({ loss: Number(value.loss) }),
    ["links"],
  ),
  packetFault(
    "duplicate",
    "datagrams arrive twice",
    "#a569bd",
    (random) => ({ duplicate: random.pick([0.1, 0.5]) }),
    (value) => ({ duplicate: Number(value.duplicate) }),
  ),
  packetFault(
    "reorder",
    "datagrams overtake each other",
    "#48c9b0",
    (random) => ({ reorder: random.pick([0.1, 0.5]) }),
    (value) => ({ reorder: Number(value.reorder) }),
  ),
  packetFault(
    "rate",
    "links carry only so many messages per second",
    "#808b96",
    (random) => ({ rate: random.pick([5, 20, 100]) }),
    (value) => ({ rate: Number(value.rate) }),
    ["links"],
  ),
  packetFault(
    "corrupt",
    "messages arrive garbled; streams break",
    "#6e2c00",
    (random) => ({ corrupt: random.pick([0.01, 0.1]) }),
    (value) => ({ corrupt: Number(value.corrupt) }),
  ),
  packetFault(
    "hold",
    "streams stall, then everything held back arrives in order",
    "#5d6d7e",
    () => ({}),
    () => ({ hold: true }),
    ["links"],
  ),
];

/** Connections die with a reset, between members and towards clients: streams must be resumed. */
export const reset: Fault = spanFault({
  name: "reset",
  summary: "resets open connections, of members and of clients",
  needs: ["links"],
  colour: "#d35400",
  stretch: 0.5,
  draw: (random) => ({ everyMs: random.between(20, 2_000), clients: random.chance(0.7) }),
  async begin(cluster, value, random, runtime) {
    const links = linksOf(cluster);
    let resets = 0;
    let over = false;
    const strike = async (): Promise<void> => {
      while (!over) {
        const [a, b] = random.shuffle(cluster.nodes);
        if (value.clients === true && random.chance(0.5)) await links.resetClients(a as NodeId);
        else if (b !== undefined) await links.reset(a as NodeId, b);
        resets++;
        await sleep(runtime, Number(value.everyMs) * MILLISECOND);
      }
    };
    const striking = strike();
    return {
      evidence: value,
      async heal() {
        over = true;
        await striking;
        return { evidence: { resets }, bites: resets };
      },
    };
  },
});
