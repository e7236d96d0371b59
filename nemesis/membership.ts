/** Changes of membership, one at a time, and the leader's office handed over. */
import type { Cluster, LinkHandle, Links, Members } from "../src/cluster.ts";
import type { Fault } from "../src/fault.ts";
import type { Json, NodeId } from "../src/history/op.ts";
import { cutBetween } from "./partition.ts";
import { spanFault, total } from "./spans.ts";

function membersOf(cluster: Cluster<unknown>): Members {
  const members = cluster.can.members;
  if (members === undefined) throw new Error("this place cannot change the membership");
  return members;
}

/**
 * A span removes a member (wiped, so that it never returns under its old identity) and the heal brings one in, as a
 * learner first every other time: the cluster is back at its size once healed. With `estranged` it joins and is
 * promoted while it cannot reach a member that probably follows, which costs no quorum.
 */
export const membership: Fault = spanFault({
  name: "membership",
  summary: "removes members and adds new ones, as voters or as learners that are promoted",
  needs: ["members"],
  leastNodes: 3,
  colour: "#16a085",
  draw: (random) => ({ learner: random.chance(0.5), estranged: random.fork("estranged").chance(0.3) }),
  async begin(cluster, value, random) {
    const members = membersOf(cluster);
    const { voters } = await members.list();
    if (voters.length < 3) throw new Error(`only ${voters.length} voters are left: none can be spared`);
    const victim = random.pick(voters);
    const removed = await attempt(members.remove(victim));
    return {
      evidence: { victim, removed },
      async heal() {
        const cut = value.estranged === true ? await estrange(cluster, victim) : undefined;
        try {
          const added = await members.add(victim, value.learner === true);
          return { evidence: { added }, bites: 1 };
        } finally {
          await cut?.heal();
        }
      },
    };
  },
});

/** Cuts a node off from one that does not lead, if this place can cut links. */
async function estrange(cluster: Cluster<unknown>, node: NodeId): Promise<LinkHandle | undefined> {
  const leaders = await cluster.leaders();
  const other = cluster.nodes.find((name) => name !== node && !leaders.includes(name));
  return other === undefined
    ? undefined
    : cluster.can.links?.spoil(cutBetween([node], [other]), { cut: true });
}

/** A request without an answer may still take effect, so that the heal is due in any case. */
async function attempt(request: Promise<Json>): Promise<Json> {
  try {
    return await request;
  } catch (error) {
    return { unknown: error instanceof Error ? error.message : String(error) };
  }
}

export const transfer: Fault = spanFault({
  name: "transfer",
  summary: "asks the leader to hand its office to another member",
  needs: ["members"],
  leastNodes: 2,
  colour: "#1abc9c",
  stretch: 0.2,
  draw: () => ({}),
  async begin(cluster, _value, random) {
    const to = random.pick(cluster.nodes);
    const effect = await membersOf(cluster).transferLeader(to);
    return { evidence: { to, effect }, heal: async () => ({ evidence: {}, bites: 1 }) };
  },
});

/** A transfer that is likely to fail: the leader must notice, and go on. */
export const transferCut: Fault = spanFault({
  name: "transfer-cut",
  summary: "asks the leader to hand its office to another member, and cuts off one of the two meanwhile",
  needs: ["members", "links"],
  leastNodes: 3,
  colour: "#117a65",
  stretch: 0.3,
  draw: (random) => ({ whom: random.pick(["successor", "successor", "leader"]) }),
  async begin(cluster, value, random) {
    const [leader] = await cluster.leaders();
    if (leader === undefined) throw new Error("there is no leader");
    const successor = random.pick(cluster.nodes.filter((node) => node !== leader));
    const victim = value.whom === "leader" ? leader : successor;
    const transferred = attempt(membersOf(cluster).transferLeader(successor));
    const rest = cluster.nodes.filter((node) => node !== victim);
    const cut = await linksOf(cluster).spoil(cutBetween([victim], rest), { cut: true });
    return {
      evidence: { leader, successor, victim },
      async heal() {
        const bites = total(await cut.heal());
        return { evidence: { effect: await transferred }, bites };
      },
    };
  },
});

function linksOf(cluster: Cluster<unknown>): Links {
  const { links } = cluster.can;
  if (links === undefined) throw new Error("this place cannot cut links");
  return links;
}
