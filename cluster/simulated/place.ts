/** The simulated place: one process, virtual time, nothing to install. */
import type { Ability, ClusterEvent } from "../../src/cluster.ts";
import type { Nanos } from "../../src/history/op.ts";
import type { Observed, Place, Stage } from "../../src/place.ts";
import type { Plan } from "../../src/plan.ts";
import type { MessageRecord, NodeEnd } from "../../src/result.ts";
import { MILLISECOND, SECOND } from "../../src/runtime/runtime.ts";
import { World, type WorldOptions } from "../../src/runtime/world.ts";
import type { KvApi } from "../api.ts";
import { SimulatedCluster } from "./cluster.ts";
import { describeMessage } from "./describe.ts";
import { GroundTruth } from "./ground-truth.ts";
import { InvariantWatch } from "./invariant-watch.ts";
import { SimulatedNetwork } from "./network.ts";
import { SiteWatch } from "./site-watch.ts";

/** Messages kept for the space-time diagram; a longer run keeps its last ones. */
const KEPT_MESSAGES = 400_000;
/**
 * What is no storm: an operation takes about 40 events and an idle cluster some hundreds per second; a member that
 * catches up over half a millisecond of reordered datagrams takes 200,000 in one, but not for long.
 */
function calm({ rate }: Plan): WorldOptions {
  return { eventsPerSecond: rate > 0 ? 20_000 + 100 * rate : 10_000_000, burst: 1_000_000 };
}
const ABILITIES: ReadonlySet<Ability> = new Set([
  "processes",
  "power",
  "links",
  "packets",
  "clocks",
  "disks",
  "members",
  "admin",
  "snapshots",
  "events",
  "recovery",
]);
/** Protocol events that happen with every operation: counted, not kept. */
const HOT: ReadonlySet<string> = new Set(["commit-advanced", "read-confirmed"]);

/** The simulated place. `watch` is shown each world before anything happens in it. */
export function simulatedPlace(watch: (world: World) => void): Place<KvApi> {
  return {
    name: "simulated",
    summary: "one process in virtual time, deterministic: the same plan gives the same bytes",
    systems: ["raftkv"],
    abilities: () => ABILITIES,
    async boot(plan, watching) {
      const world = new World(plan.seed, calm(plan));
      watch(world);
      if (plan.future !== undefined) world.reseedAt(Math.round(plan.future.at * SECOND), plan.future.seed);
      return new SimulatedStage(world, plan, watching.messages);
    },
  };
}

export const simulated = simulatedPlace(() => {});

class SimulatedStage implements Stage<KvApi> {
  readonly cluster: SimulatedCluster;
  readonly runtime: Stage<KvApi>["runtime"];
  readonly #world: World;
  readonly #watch: InvariantWatch;
  readonly #trace: ClusterEvent[] = [];
  readonly #sites: SiteWatch;
  readonly #truth: GroundTruth;
  readonly #messages: MessageRecord[] = [];

  constructor(world: World, plan: Plan, keepMessages: boolean) {
    const mean = plan.network.latencyMs * MILLISECOND;
    const network = new SimulatedNetwork(world, {
      latency: { mean, jitter: mean / 3, tailProbability: 0.001, tail: 20 * mean },
      loss: plan.network.loss,
      duplicate: plan.network.duplicate,
      codec: plan.network.codec,
      reached: (site) => this.#sites.reach(site),
    });
    this.#world = world;
    this.runtime = world.tester;
    const { maxInflightMessages } = plan.raftkv;
    this.#sites = new SiteWatch(world, {
      maxInflight: maxInflightMessages,
      cut: (from, to) => network.link(network.endpoint(from), network.endpoint(to)).cut,
    });
    this.#truth = new GroundTruth(this.#sites);
    this.#watch = new InvariantWatch(maxInflightMessages, () => world.now, this.#sites, this.#truth);
    this.cluster = new SimulatedCluster(world, network, plan, this.#watch, this.#truth);
    if (keepMessages) {
      world.onTrace((event) => {
        if (!HOT.has(event.kind)) this.#trace.push(event);
      });
      network.onMessage(({ from, to, protocol, message, sentAt, deliveredAt }) => {
        if (this.#messages.length >= KEPT_MESSAGES * 2) this.#messages.splice(0, KEPT_MESSAGES);
        this.#messages.push({
          from,
          to,
          what: describeMessage(protocol, message),
          sent: sentAt,
          arrived: deliveredAt ?? null,
        });
      });
    }
    this.cluster.boot();
  }

  async drive(work: Promise<void>, limit: Nanos): Promise<string | undefined> {
    const world = this.#world;
    let settled = false;
    let failure: { readonly error: unknown } | undefined;
    work.then(
      () => {
        settled = true;
      },
      (error: unknown) => {
        settled = true;
        failure = { error };
      },
    );
    const verdict = await world.run(() => settled, world.now + limit);
    if (failure !== undefined) throw failure.error;
    const at = `after ${(world.now / 1e9).toFixed(1)} virtual seconds`;
    switch (verdict) {
      case "done":
        return undefined;
      case "storm":
        return `the nodes kept each other busy without end (an event storm) ${at}`;
      case "limit":
        return `the run did not come to its end: no progress ${at}`;
      case "idle":
        return `nothing was left to happen ${at}, though operations were under way`;
    }
  }

  observed(): Observed {
    const world = this.#world;
    const ends: NodeEnd[] = [
      ...world.crashes.map(({ node, time, error }) => {
        const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
        return { node, time, kind: "crash", reason } as const;
      }),
      ...world.exits.map(({ node, time, reason }) => ({ node, time, kind: "exit", reason }) as const),
    ];
    const truth = this.#truth.verdict();
    return {
      verdicts: truth === undefined ? [this.#watch.verdict()] : [this.#watch.verdict(), truth],
      nodeEnds: ends.sort((a, b) => a.time - b.time),
      trace: this.#trace,
      messages: this.#messages.slice(-KEPT_MESSAGES),
      reached: this.#sites.reached,
      events: world.events,
      traceHash: world.traceHash,
    };
  }

  async close(): Promise<void> {
    this.#world.stop();
  }
}
