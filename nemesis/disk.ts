/** Faults of disks: slow, failing, full, lying, rotten. */
import type { Cluster, DiskFault } from "../src/cluster.ts";
import type { Fault } from "../src/fault.ts";
import type { Json } from "../src/history/op.ts";
import type { Random } from "../src/runtime/random.ts";
import { MILLISECOND } from "../src/runtime/runtime.ts";
import { spanFault, total } from "./spans.ts";
import { drawTarget, resolveTarget, type Target } from "./targets.ts";

type Drawn = { readonly [field: string]: Json };

/**
 * Spoils the victims' disks for a span. A member whose disk fails gives up by itself, and is started again by the
 * cure. `powerOff` ends the span with a loss of power, which is when a disk that lied is found out.
 */
function diskFault(
  name: string,
  summary: string,
  colour: string,
  usual: readonly Target[],
  draw: (random: Random) => Drawn,
  fault: (value: Drawn) => DiskFault,
  powerOff = false,
): Fault {
  return spanFault({
    name,
    summary,
    needs: ["disks", "processes"],
    colour,
    draw: (random, options) => ({ ...draw(random), target: drawTarget(random, options, usual) }),
    async begin(cluster, value, random) {
      const { disks, processes } = abilities(cluster);
      const nodes = await resolveTarget(String(value.target), cluster, random);
      for (const node of nodes) await disks.spoil(node, fault(value));
      return {
        evidence: { ...value, nodes },
        async heal() {
          const effects: { [node: string]: { readonly [effect: string]: number } } = {};
          let bites = 0;
          for (const node of nodes) {
            if (powerOff) await processes.powerOff(node);
            const hit = await disks.heal(node);
            effects[node] = hit;
            bites += total(hit);
            await processes.start(node);
          }
          return { evidence: { effects }, bites };
        },
      };
    },
  });
}

function abilities(cluster: Cluster<unknown>) {
  const { disks, processes } = cluster.can;
  if (disks === undefined || processes === undefined) throw new Error("this place cannot touch disks");
  return { disks, processes };
}

export const diskFaults: readonly Fault[] = [
  diskFault(
    "disk-slow",
    "fsyncs and writes take long",
    "#a3b18a",
    ["one", "minority", "leaders", "all"],
    (random) => ({ latencyMs: random.pick([20, 100, 500, 2_000]) }),
    (value) => ({ kind: "slow", latency: Number(value.latencyMs) * MILLISECOND }),
  ),
  diskFault(
    "disk-error",
    "writes and fsyncs fail with EIO",
    "#588157",
    ["one", "minority", "leaders"],
    (random) => ({ probability: random.pick([0.01, 0.1, 1]) }),
    (value) => ({ kind: "error", probability: Number(value.probability) }),
  ),
  diskFault(
    "disk-full",
    "writes fail with ENOSPC",
    "#3a5a40",
    ["one", "minority", "leaders"],
    () => ({}),
    () => ({ kind: "full" }),
  ),
  diskFault(
    "sync-error",
    "one fsync fails, the next reports success without having written (fsyncgate)",
    "#344e41",
    ["one", "minority", "leaders"],
    () => ({}),
    () => ({ kind: "sync-error" }),
  ),
  // Beyond what a cluster promises to survive: safety may be lost, and a checker should say so.
  diskFault(
    "lying-sync",
    "fsyncs report success and do nothing, then the power fails (beyond what raft can survive)",
    "#1b4332",
    ["majority", "all"],
    () => ({}),
    () => ({ kind: "lying-sync" }),
    true,
  ),
];
