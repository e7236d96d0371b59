/** What operators do: compact, snapshot. Harmless by promise, and where bugs live. */
import type { Admin, Cluster } from "../src/cluster.ts";
import type { Fault } from "../src/fault.ts";
import type { Json } from "../src/history/op.ts";
import type { Random } from "../src/runtime/random.ts";
import { spanFault } from "./spans.ts";

function adminFault(
  name: string,
  summary: string,
  colour: string,
  act: (admin: Admin, cluster: Cluster<unknown>, random: Random) => Promise<Json>,
): Fault {
  return spanFault({
    name,
    summary,
    needs: ["admin"],
    colour,
    stretch: 0.05,
    draw: () => ({}),
    async begin(cluster, _value, random) {
      const admin = cluster.can.admin;
      if (admin === undefined) throw new Error(`this place cannot ${name}`);
      const effect = await act(admin, cluster, random);
      return { evidence: { effect }, heal: async () => ({ evidence: {}, bites: 1 }) };
    },
  });
}

export const adminFaults: readonly Fault[] = [
  adminFault(
    "compact",
    "compacts the store's history, at its head or a little before",
    "#7f8c8d",
    (admin, _cluster, random) => admin.compact(random.pick([0, 0, 1, 10])),
  ),
  adminFault("snapshot", "makes members snapshot and drop their logs", "#34495e", async (admin, cluster) => {
    const effects: { [node: string]: Json } = {};
    for (const node of cluster.nodes) effects[node] = await admin.snapshot(node);
    return effects;
  }),
];
