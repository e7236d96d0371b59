import { describe, expect, it } from "vitest";
import type { Cluster } from "../../src/cluster.ts";
import type { Nanos, NodeId } from "../../src/history/op.ts";
import { parsePlan } from "../../src/plan.ts";
import { MILLISECOND, SECOND } from "../../src/runtime/runtime.ts";
import { events, sites } from "../sites.ts";
import { simulated } from "./place.ts";

type Reached = { readonly [site: string]: number };
interface Stagehand {
  readonly cluster: Cluster<unknown>;
  sleep(time: Nanos): Promise<void>;
}

/** Three nodes that have elected a leader, and what `act` does to them. */
async function reached(act: (hand: Stagehand) => Promise<unknown>, raftkv = {}): Promise<Reached> {
  const stage = await simulated.boot(parsePlan({ nodes: 3, raftkv }), { messages: false });
  const { cluster, runtime } = stage;
  const sleep = (time: Nanos) => new Promise<void>((resolve) => void runtime.timer(time, resolve));
  const work = async () => {
    await cluster.ready(cluster.nodes);
    await act({ cluster, sleep });
  };
  expect(await stage.drive(work(), 100 * SECOND)).toBeUndefined();
  return stage.observed().reached;
}

function processes(cluster: Cluster<unknown>) {
  const { processes } = cluster.can;
  if (processes === undefined) throw new Error("no processes");
  return processes;
}

async function killAll(cluster: Cluster<unknown>, nodes: readonly NodeId[]): Promise<void> {
  for (const node of nodes) await processes(cluster).kill(node);
}

/** Cuts the leader off from the others; `to`, `from`: in which direction. */
async function isolateLeader(cluster: Cluster<unknown>, to = true, from = true): Promise<void> {
  const [leader] = await cluster.leaders();
  const others = cluster.nodes.filter((node) => node !== leader);
  const pairs = others.flatMap((other) => [
    ...(to ? [[other, leader as NodeId] as const] : []),
    ...(from ? [[leader as NodeId, other] as const] : []),
  ]);
  await cluster.can.links?.spoil(pairs, { cut: true });
}

describe("sites", () => {
  it("are none in quiet times, and all that is traced is in the table", async () => {
    const quiet = await reached(({ sleep }) => sleep(5 * SECOND));
    const known = new Set<string>([...sites, ...events].map(({ name }) => name));
    expect(Object.keys(quiet).filter((name) => !known.has(name))).toEqual([]);
    for (const name of ["two-leaders", "quorum-lost", "leader-ended", "majority-down", "restarted-quickly"])
      expect(quiet[name]).toBeUndefined();
  });

  it("two leaders: while the deposed one does not know", async () => {
    const isolate = async ({ cluster, sleep }: Stagehand) => {
      await isolateLeader(cluster);
      await sleep(10 * SECOND);
    };
    expect((await reached(isolate, { checkQuorum: false }))["two-leaders"]).toBe(1);
  });

  it("not two leaders: when the first one died", async () => {
    const seen = await reached(async ({ cluster, sleep }) => {
      await killAll(cluster, await cluster.leaders());
      await sleep(10 * SECOND);
    });
    expect(seen["become-leader"]).toBeGreaterThan(1);
    expect(seen["two-leaders"]).toBeUndefined();
    expect(seen).toMatchObject({ "leader-ended": 1, "commit-without-everybody": 1 });
  });

  it("an election under a one-way cut, not under a cut in both directions", async () => {
    const cut = (to: boolean, from: boolean) =>
      reached(async ({ cluster, sleep }) => {
        await isolateLeader(cluster, to, from);
        await sleep(10 * SECOND);
      });
    expect((await cut(false, true))["election-under-one-way-cut"]).toBeGreaterThan(0);
    const both = await cut(true, true);
    expect(both["become-candidate"]).toBeGreaterThan(1);
    expect(both["election-under-one-way-cut"]).toBeUndefined();
  });

  it("a majority down, and all", async () => {
    const down = (count: number) => reached(({ cluster }) => killAll(cluster, cluster.nodes.slice(0, count)));
    expect((await down(1))["majority-down"]).toBeUndefined();
    const two = await down(2);
    expect(two["majority-down"]).toBe(1);
    expect(two["all-down"]).toBeUndefined();
    expect((await down(3))["all-down"]).toBe(1);
  });

  it("a quick restart, not a slow one", async () => {
    const restart = (pause: Nanos) =>
      reached(async ({ cluster, sleep }) => {
        await processes(cluster).kill("n1");
        await sleep(pause);
        await processes(cluster).start("n1");
      });
    expect((await restart(49 * MILLISECOND))["restarted-quickly"]).toBe(1);
    expect((await restart(51 * MILLISECOND))["restarted-quickly"]).toBeUndefined();
  });

  it("a transfer that arrives", async () => {
    const transfer = async ({ cluster, sleep }: Stagehand) => {
      const [leader] = await cluster.leaders();
      const to = cluster.nodes.find((node) => node !== leader) as NodeId;
      await cluster.can.members?.transferLeader(to);
      await sleep(SECOND);
    };
    expect(await reached(transfer)).toMatchObject({ "transfer-started": 1, "transfer-completed": 1 });
  });
});
