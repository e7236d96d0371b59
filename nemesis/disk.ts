/** Faults of disks: slow, failing, full, lying, rotten. */
import type { Cluster, DiskFault } from "../src/cluster.ts";
import type { Fault } from "../src/fault.ts";
import type { Json } from "../src/history/op.ts";
import type { Random } from "../src/runtime/random.ts";
import { MILLISECOND, SECOND } from "../src/runtime/runtime.ts";
import { powerOff, sleep } from "./process.ts";
import { spanFault, total } from "./spans.ts";
import { drawTarget, resolveTarget, type Target } from "./targets.ts";

type Drawn = { readonly [field: string]: Json };

/**
 * Spoils the victims' disks for a span. A member whose disk fails gives up by itself, and is started again by the
 * cure. `blackout` ends the span with a loss of power, which is when a disk that lied is found out.
 */
function diskFault(
  name: string,
  summary: string,
  colour: string,
  usual: readonly Target[],
  draw: (random: Random) => Drawn,
  fault: (value: Drawn) => DiskFault,
  blackout = false,
): Fault {
  return spanFault({
    name,
    summary,
    needs: blackout ? ["disks", "processes", "power"] : ["disks", "processes"],
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
            if (blackout) await powerOff(cluster, node);
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

/**
 * Damages what one member's disk has kept, and restarts it so that it reads. It may repair a torn tail; otherwise it
 * must refuse to start, and is then replaced by a new member with an empty disk.
 */
function rot(
  name: string,
  summary: string,
  colour: string,
  draw: (random: Random) => Drawn,
  fault: (value: Drawn) => DiskFault,
): Fault {
  return spanFault({
    name,
    summary,
    needs: ["disks", "processes", "members"],
    leastNodes: 3,
    colour,
    stretch: 0.3,
    draw: (random, options) => ({ ...draw(random), target: drawTarget(random, options, ["one", "leaders"]) }),
    async begin(cluster, value, random, runtime) {
      const { disks, processes } = abilities(cluster);
      const { members } = cluster.can;
      if (members === undefined) throw new Error("this place cannot replace a member");
      const [node] = await resolveTarget(String(value.target), cluster, random);
      if (node === undefined || processes.state(node) !== "running")
        throw new Error("the victim is not running");
      await processes.kill(node);
      await disks.spoil(node, fault(value));
      await processes.start(node);
      let hit: { readonly [effect: string]: number } = {};
      return {
        evidence: { ...value, nodes: [node] },
        async heal() {
          hit = { ...hit, ...(await disks.heal(node)) };
          await processes.start(node);
          await sleep(runtime, SECOND / 10);
          const refused = processes.state(node) === "dead";
          if (refused) {
            await members.remove(node);
            await members.add(node, false);
          }
          return { evidence: { hit, refused }, bites: total(hit) };
        },
      };
    },
  });
}

/**
 * Each strikes one member at a time. Flipped bits are found by checksums, and the member is replaced. A log whose
 * durable tail is gone cannot be told from one that was torn by a loss of power: what it held is forgotten.
 */
export const rotFaults: readonly Fault[] = [
  rot(
    "bit-flip",
    "flips bits of what a member's log or snapshot holds on disk",
    "#4a4e69",
    (random) => ({ file: random.pick(["wal", "snap"]), bits: random.pick([1, 8]) }),
    (value) => ({ kind: "bit-flip", file: String(value.file), bits: Number(value.bits) }),
  ),
  rot(
    "truncate",
    "cuts bytes off the end of a member's log segments, which looks like a torn tail (beyond what raft can survive)",
    "#22223b",
    (random) => ({ bytes: random.pick([1, 100, 10_000]) }),
    (value) => ({ kind: "truncate", file: "wal", bytes: Number(value.bytes) }),
  ),
];
