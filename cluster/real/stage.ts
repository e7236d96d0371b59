/** A booted cluster of real members, in real time. */
import fs from "node:fs";
import type { Verdict } from "../../src/checker.ts";
import type { Ability } from "../../src/cluster.ts";
import type { Nanos, NodeId } from "../../src/history/op.ts";
import type { Observed, Stage } from "../../src/place.ts";
import { type Plan, parsePlan, UsageError } from "../../src/plan.ts";
import { SECOND } from "../../src/runtime/runtime.ts";
import type { System } from "../systems/system.ts";
import { RealCluster } from "./cluster.ts";
import type { Machines } from "./machines.ts";
import { RealRuntime } from "./runtime.ts";

/** Findings that a verdict shows. */
const SHOWN = 20;

/** The names of a plan's members. */
export function nodesOf({ nodes }: Plan): NodeId[] {
  return Array.from({ length: nodes }, (_, i) => `n${i + 1}`);
}

/** Throws UsageError if a plan asks for what only the simulator can promise. */
export function requireReal(plan: Plan): void {
  const simulated = parsePlan({});
  if (plan.future !== undefined)
    throw new UsageError(
      `future: only a simulated run can take another course from a moment on; place ${plan.place} has real members`,
    );
  for (const group of ["network", "disk"] as const)
    for (const [name, value] of Object.entries(plan[group]))
      if (value !== (simulated[group] as { readonly [name: string]: unknown })[name])
        throw new UsageError(
          `${group}.${name} describes simulated machines; place ${plan.place} has real ones: leave it out`,
        );
}

/** Boots a cluster on machines, which are its own from now on. `remains` is the directory of what it leaves behind. */
export async function bootReal<Api>(
  plan: Plan,
  system: System<Api>,
  machines: Machines,
  lacks: (ability: Ability) => string | undefined,
  remains: string,
): Promise<Stage<Api>> {
  try {
    fs.mkdirSync(remains, { recursive: true });
    const runtime = new RealRuntime(plan.seed);
    const nodes = nodesOf(plan);
    const cluster = new RealCluster({ plan, nodes, system, machines, runtime, lacks, logs: remains });
    await cluster.boot();
    runtime.begin();
    return new RealStage(system, cluster, machines, runtime, remains);
  } catch (error) {
    await machines.close();
    throw error;
  }
}

class RealStage<Api> implements Stage<Api> {
  readonly cluster: RealCluster<Api>;
  readonly runtime: RealRuntime;
  readonly #system: System<Api>;
  readonly #machines: Machines;
  readonly #remains: string;

  constructor(
    system: System<Api>,
    cluster: RealCluster<Api>,
    machines: Machines,
    runtime: RealRuntime,
    remains: string,
  ) {
    this.#system = system;
    this.cluster = cluster;
    this.#machines = machines;
    this.runtime = runtime;
    this.#remains = remains;
  }

  async drive(work: Promise<void>, limit: Nanos): Promise<string | undefined> {
    return new Promise((resolve, reject) => {
      const timer = this.runtime.timer(limit, () =>
        resolve(`the run did not come to its end: no progress after ${Math.round(limit / SECOND)} seconds`),
      );
      work.then(
        () => {
          timer.cancel();
          resolve(undefined);
        },
        (error: unknown) => {
          timer.cancel();
          reject(error);
        },
      );
    });
  }

  observed(): Observed {
    return {
      verdicts: [this.#judgeLogs()],
      nodeEnds: this.cluster.nodeEnds,
      trace: this.runtime.events,
      messages: [],
      reached: {},
      events: 0,
      traceHash: "",
    };
  }

  async close(failed: boolean): Promise<void> {
    await this.cluster.stop();
    if (failed) await this.cluster.keepData(this.#remains);
    await this.#machines.close();
  }

  /** A member that panics, or finds itself in a state it holds impossible, has told of a bug. */
  #judgeLogs(): Verdict {
    const found: { readonly node: NodeId; readonly what: string }[] = [];
    let lines = 0;
    for (const { node, line } of this.cluster.logged()) {
      lines++;
      const what = this.#system.finding(line);
      if (what !== undefined) found.push({ node, what });
    }
    return {
      checker: "logs",
      validity: found.length > 0 ? "invalid" : lines > 0 ? "valid" : "unknown",
      reason: `${lines} lines checked, ${found.length} of them fatal`,
      checked: lines,
      anomalies: found.slice(0, SHOWN).map(({ node, what }) => ({
        name: "fatal log entry",
        guarantee: "members: none panics or finds itself in an impossible state",
        explanation: `${node} logged: ${what}`,
        witness: [],
      })),
    };
  }
}
