/** Real processes on this machine, in real time. */
import fs from "node:fs";
import { join } from "node:path";
import type { Verdict } from "../../src/checker.ts";
import type { Ability } from "../../src/cluster.ts";
import type { Nanos, NodeId } from "../../src/history/op.ts";
import type { Observed, Place, Stage } from "../../src/place.ts";
import { type Plan, parsePlan, UsageError } from "../../src/plan.ts";
import { SECOND } from "../../src/runtime/runtime.ts";
import type { System } from "../systems/system.ts";
import { lacksClocks } from "./clocks.ts";
import { ProcessCluster } from "./cluster.ts";
import { Custody } from "./custody.ts";
import type { Fabric } from "./fabric.ts";
import { loopback } from "./loopback.ts";
import { lacksNamespaces, Namespaces } from "./namespaces.ts";
import { RealRuntime } from "./runtime.ts";

/** Findings that a verdict shows. */
const SHOWN = 20;

/** The place where members are processes of this machine. It needs Linux. */
export function processPlace<Api>(systems: readonly System<Api>[]): Place<Api> {
  const systemOf = (plan: Plan): System<Api> =>
    systems.find(({ name }) => name === plan.system) as System<Api>;
  return {
    name: "processes",
    summary:
      "a process per member on this machine, in real time: real crashes, real disks, nothing repeats exactly",
    systems: systems.map(({ name }) => name),
    abilities(plan) {
      if (process.platform !== "linux")
        throw new UsageError(`place processes needs Linux, and this is ${process.platform}`);
      requireReal(plan);
      const system = systemOf(plan);
      system.check(plan);
      const machine = MACHINE.filter((ability) => lacks(ability) === undefined);
      return new Set<Ability>(["processes", "recovery", ...machine, ...system.can]);
    },
    lacks,
    async boot(plan, watching) {
      const nodes = Array.from({ length: plan.nodes }, (_, i) => `n${i + 1}`);
      const custody = new Custody();
      let fabric: Fabric | undefined;
      try {
        fabric =
          lacks("links") === undefined ? await Namespaces.create(nodes, custody.mark) : await loopback(nodes);
        const remains = watching.remains ?? join(custody.directory, "remains");
        fs.mkdirSync(remains, { recursive: true });
        const runtime = new RealRuntime(plan.seed);
        const system = systemOf(plan);
        const cluster = new ProcessCluster({ plan, nodes, system, fabric, custody, runtime, logs: remains });
        await cluster.boot();
        runtime.begin();
        return new ProcessStage(system, cluster, fabric, custody, runtime, remains);
      } catch (error) {
        await fabric?.close();
        await custody.close();
        throw error;
      }
    },
  };
}

/** What depends on the machine. */
const MACHINE: readonly Ability[] = ["links", "clocks"];

function lacks(ability: Ability): string | undefined {
  if (ability === "links") return lacksNamespaces();
  if (ability === "clocks") return lacksClocks();
  return undefined;
}

/** What only the simulator can promise. */
function requireReal(plan: Plan): void {
  const simulated = parsePlan({});
  for (const group of ["network", "disk"] as const)
    for (const [name, value] of Object.entries(plan[group]))
      if (value !== (simulated[group] as { readonly [name: string]: unknown })[name])
        throw new UsageError(
          `${group}.${name} describes simulated machines; place processes has real ones: leave it out`,
        );
}

class ProcessStage<Api> implements Stage<Api> {
  readonly cluster: ProcessCluster<Api>;
  readonly runtime: RealRuntime;
  readonly #system: System<Api>;
  readonly #fabric: Fabric;
  readonly #custody: Custody;
  readonly #remains: string;

  constructor(
    system: System<Api>,
    cluster: ProcessCluster<Api>,
    fabric: Fabric,
    custody: Custody,
    runtime: RealRuntime,
    remains: string,
  ) {
    this.#system = system;
    this.cluster = cluster;
    this.#fabric = fabric;
    this.#custody = custody;
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
    if (failed) this.cluster.keepData(this.#remains);
    await this.#fabric.close();
    await this.#custody.close();
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
