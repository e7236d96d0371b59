/** Real processes on this machine, in real time. */
import { join } from "node:path";
import type { Ability } from "../../src/cluster.ts";
import type { NodeId } from "../../src/history/op.ts";
import type { Place } from "../../src/place.ts";
import { type Plan, UsageError } from "../../src/plan.ts";
import { lacksClocks } from "../real/clocks.ts";
import { Custody } from "../real/custody.ts";
import type { Machines } from "../real/machines.ts";
import { bootReal, nodesOf, requireReal } from "../real/stage.ts";
import type { System } from "../systems/system.ts";
import type { Fabric } from "./fabric.ts";
import { loopback } from "./loopback.ts";
import { lacksNamespaces, Namespaces } from "./namespaces.ts";
import { ProcessMember } from "./process.ts";

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
      system.program(plan);
      const machine = MACHINE.filter((ability) => lacks(ability) === undefined);
      return new Set<Ability>(["processes", "recovery", ...machine, ...system.can]);
    },
    lacks,
    async boot(plan, watching) {
      const system = systemOf(plan);
      const custody = new Custody(REAPER);
      const remains = watching.remains ?? join(custody.directory, "remains");
      return bootReal(plan, system, await machinesFor(plan, system, custody), lacks, remains);
    },
  };
}

const REAPER = "cluster/processes/reaper";
/** What depends on the machine. */
const MACHINE: readonly Ability[] = ["links", "clocks"];

function lacks(ability: Ability): string | undefined {
  if (ability === "links") return lacksNamespaces();
  if (ability === "clocks") return lacksClocks();
  return undefined;
}

/** Rejects with nothing left behind. */
async function machinesFor(plan: Plan, system: System<unknown>, custody: Custody): Promise<Machines> {
  const nodes = nodesOf(plan);
  let fabric: Fabric;
  try {
    fabric =
      lacks("links") === undefined ? await Namespaces.create(nodes, custody.mark) : await loopback(nodes);
  } catch (error) {
    await custody.close();
    throw error;
  }
  const directory = (node: NodeId): string => join(custody.directory, node);
  return {
    address: (node) => fabric.address(node),
    directory,
    ...(fabric.links === undefined ? {} : { links: fabric.links }),
    member: (node, options) =>
      new ProcessMember(
        custody.mark,
        directory(node),
        (spec) => {
          const { words, environment = {} } = system.invocation(spec, plan);
          return { command: fabric.inside(node, [...system.program(plan), ...words]), environment };
        },
        options,
      ),
    async close() {
      await fabric.close();
      await custody.close();
    },
  };
}
