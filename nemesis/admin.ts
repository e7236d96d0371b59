/** What operators do: compact, snapshot. Harmless by promise, and where bugs live. */
import type { Ability, Cluster, Snapshots } from "../src/cluster.ts";
import type { Fault } from "../src/fault.ts";
import type { Json, NodeId } from "../src/history/op.ts";
import type { Random } from "../src/runtime/random.ts";
import { spanFault } from "./spans.ts";

function adminFault(
  name: string,
  summary: string,
  needs: Ability,
  colour: string,
  act: (cluster: Cluster<unknown>, random: Random) => Promise<Json> | undefined,
): Fault {
  return spanFault({
    name,
    summary,
    needs: [needs],
    colour,
    stretch: 0.05,
    draw: () => ({}),
    async begin(cluster, _value, random) {
      const effect = await act(cluster, random);
      if (effect === undefined) throw new Error(`this place cannot ${name}`);
      return { evidence: { effect }, heal: async () => ({ evidence: {}, bites: 1 }) };
    },
  });
}

export const adminFaults: readonly Fault[] = [
  adminFault(
    "compact",
    "compacts the store's history, at its head or a little before",
    "admin",
    "#7f8c8d",
    ({ can }, random) => can.admin?.compact(random.pick([0, 0, 1, 10])),
  ),
  adminFault("snapshot", "makes members snapshot and drop their logs", "snapshots", "#34495e", (cluster) => {
    const { snapshots } = cluster.can;
    return snapshots && takeAll(snapshots, cluster.nodes);
  }),
];

async function takeAll(snapshots: Snapshots, nodes: readonly NodeId[]): Promise<Json> {
  const effects: { [node: string]: Json } = {};
  for (const node of nodes) effects[node] = await snapshots.take(node);
  return effects;
}
