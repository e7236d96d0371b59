/** Faults of clocks. The tester's own clock is never touched. */
import type { Clocks, Cluster } from "../src/cluster.ts";
import type { Fault } from "../src/fault.ts";
import type { NodeId } from "../src/history/op.ts";
import type { Random } from "../src/runtime/random.ts";
import { MILLISECOND } from "../src/runtime/runtime.ts";
import { sleep } from "./process.ts";
import { type Damage, spanFault } from "./spans.ts";
import { drawTarget, resolveTarget } from "./targets.ts";

const kinds = ["jump-forward", "jump-back", "strobe", "drift"] as const;

export const clock: Fault = spanFault({
  name: "clock",
  summary: "wall clocks jump and strobe, all clocks run too fast or too slow",
  needs: ["clocks"],
  colour: "#2e86ab",
  draw: (random, options) => ({
    kind: random.pick(kinds),
    target: drawTarget(random, options, ["one", "minority", "majority", "leaders", "all"]),
    // Uniform in the exponent: milliseconds to minutes.
    byMs: Math.round(Math.exp(random.next() * Math.log(250_000)) * 4),
    // Up to 5 % either way, as on a bad virtual machine.
    rate: 1 + (random.below(1_001) - 500) / 10_000,
  }),
  async begin(cluster, value, random, runtime) {
    const clocks = clocksOf(cluster);
    const nodes = await resolveTarget(String(value.target), cluster, random);
    const by = Number(value.byMs) * MILLISECOND;
    const kind = String(value.kind) as (typeof kinds)[number];
    switch (kind) {
      case "jump-forward":
      case "jump-back":
        return jump(clocks, nodes, kind === "jump-forward" ? by : -by, kind);
      case "drift": {
        const rate = Number(value.rate);
        for (const node of nodes) await clocks.drift(node, rate);
        return withReset(clocks, nodes, { kind, nodes, rate }, () => (rate === 1 ? 0 : nodes.length));
      }
      case "strobe": {
        let strobes = 0;
        let over = false;
        const strobe = async (): Promise<void> => {
          for (let sign = 1; !over; sign = -sign) {
            for (const node of nodes) await clocks.jump(node, sign * by);
            strobes++;
            await sleep(runtime, strobePeriod(random));
          }
        };
        const strobing = strobe();
        return withReset(
          clocks,
          nodes,
          { kind, nodes, byMs: Number(value.byMs) },
          () => strobes,
          async () => {
            over = true;
            await strobing;
          },
        );
      }
    }
  },
});

function strobePeriod(random: Random): number {
  return random.between(5, 200) * MILLISECOND;
}

function clocksOf(cluster: Cluster<unknown>): Clocks {
  const clocks = cluster.can.clocks;
  if (clocks === undefined) throw new Error("this place cannot touch clocks");
  return clocks;
}

async function jump(clocks: Clocks, nodes: readonly NodeId[], by: number, kind: string): Promise<Damage> {
  for (const node of nodes) await clocks.jump(node, by);
  const offsets: { [node: string]: number } = {};
  for (const node of nodes) offsets[node] = await clocks.offset(node);
  return withReset(
    clocks,
    nodes,
    { kind, nodes, offsets },
    () => Object.values(offsets).filter((offset) => offset !== 0).length,
  );
}

function withReset(
  clocks: Clocks,
  nodes: readonly NodeId[],
  evidence: Damage["evidence"],
  bites: () => number,
  before: () => Promise<void> = async () => {},
): Damage {
  return {
    evidence,
    async heal() {
      await before();
      const offsets: { [node: string]: number } = {};
      for (const node of nodes) {
        offsets[node] = await clocks.offset(node);
        await clocks.reset(node);
      }
      return { evidence: { offsets }, bites: bites() };
    },
  };
}
