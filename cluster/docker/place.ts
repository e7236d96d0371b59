/** Containers of a Docker daemon on this machine, in real time. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import type { Ability } from "../../src/cluster.ts";
import type { Place } from "../../src/place.ts";
import { type Plan, UsageError } from "../../src/plan.ts";
import { program } from "../installation.ts";
import { lacksClocks } from "../real/clocks.ts";
import { Custody } from "../real/custody.ts";
import { bootReal, requireReal } from "../real/stage.ts";
import type { System } from "../systems/system.ts";
import type { Survey } from "./engine.ts";
import { DockerMachines } from "./machines.ts";

const REAPER = "cluster/docker/reaper";

/** The place where members are containers. It needs a Docker daemon on this machine. */
export function dockerPlace<Api>(systems: readonly System<Api>[]): Place<Api> {
  const systemOf = (plan: Plan): System<Api> =>
    systems.find(({ name }) => name === plan.system) as System<Api>;
  return {
    name: "docker",
    summary:
      "a container per member, in real time: a network and a volume of its own, nothing repeats exactly",
    systems: systems.map(({ name }) => name),
    abilities(plan) {
      requireReal(plan);
      const system = systemOf(plan);
      system.check(plan);
      system.packed(plan);
      const missing = lacksDocker();
      if (missing !== undefined) throw new UsageError(`place docker: ${missing}`);
      const clocks: readonly Ability[] = lacks("clocks") === undefined ? ["clocks"] : [];
      return new Set<Ability>(["processes", "links", "recovery", ...clocks, ...system.can]);
    },
    lacks,
    async boot(plan, watching) {
      const system = systemOf(plan);
      const custody = new Custody(REAPER);
      const remains = watching.remains ?? join(custody.directory, "remains");
      return bootReal(plan, system, await DockerMachines.create(plan, system, custody), lacks, remains);
    },
  };
}

function lacks(ability: Ability): string | undefined {
  if (ability !== "clocks") return undefined;
  return process.getuid?.() === 0
    ? lacksClocks()
    : "the clock of a container can be moved by root only: run it with sudo";
}

/** Why there is no daemon for members; undefined if there is one. Asks anew each time. */
export function lacksDocker(): string | undefined {
  const { stdout } = spawnSync(process.execPath, [program("cluster/docker/probe")], { encoding: "utf8" });
  return (JSON.parse(stdout) as Survey).lacks;
}
