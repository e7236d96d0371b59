/** `faultline doctor`: what this machine can do, which faults follow, and what would add the rest. */
import { arch, platform, release, userInfo } from "node:os";
import { version as node, stdout } from "node:process";
import { Command } from "commander";
import pc from "picocolors";
import { survey } from "../../cluster/docker/engine.ts";
import { serverBundle } from "../../cluster/installation.ts";
import { lacksNamespaces } from "../../cluster/processes/namespaces.ts";
import { lacksClocks } from "../../cluster/real/clocks.ts";
import { versionOf } from "../../cluster/systems/etcd.ts";
import { parsePlan, UsageError } from "../plan.ts";
import { faultsFor, places } from "../registry.ts";

/** What is there of something, or why it is not and what would help. */
type Finding = { readonly has: string } | { readonly lacks: string };

export function doctorCommand(): Command {
  return new Command("doctor")
    .description("say what can be run on this machine, and what would add the rest")
    .action(async () => {
      stdout.write(`${pc.bold("machine")}  ${platform()} ${release()} on ${arch()}, `);
      stdout.write(`Node ${node.slice(1)}, as ${userInfo().username}\n`);
      for (const [name, finding] of Object.entries(await examine())) print(name, finding);
      for (const { name, systems } of places) {
        stdout.write(`${pc.bold(`place ${name}`)}\n`);
        for (const system of systems) printSystem(name, system);
      }
    });
}

async function examine(): Promise<{ readonly [name: string]: Finding }> {
  const { version, lacks } = await survey();
  return {
    "network namespaces": unless(lacksNamespaces()),
    "clocks of processes": unless(lacksClocks()),
    Docker: lacks === undefined ? { has: version ?? "" } : { lacks },
    etcd: attempt(() => `${versionOf("etcd")}`),
    "server in one file": attempt(serverBundle),
  };
}

function unless(lacks: string | undefined): Finding {
  return lacks === undefined ? { has: "" } : { lacks };
}

function attempt(find: () => string): Finding {
  try {
    return { has: find() };
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return { lacks: error.message };
  }
}

function print(name: string, finding: Finding): void {
  if ("has" in finding) stdout.write(`  ${pc.green("yes")}  ${[name, finding.has].join(" ").trimEnd()}\n`);
  else stdout.write(`  ${pc.red("no ")}  ${name}: ${finding.lacks}\n`);
}

function printSystem(place: string, system: string): void {
  try {
    const { can, cannot } = faultsFor(parsePlan({ place, system, faults: [] }));
    stdout.write(`  ${pc.green("yes")}  ${system} with ${can.length} faults: ${can.join(", ")}\n`);
    for (const [reason, names] of cannot)
      stdout.write(`       ${reason === "" ? "never here" : pc.red(reason)}: ${names.join(", ")}\n`);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    stdout.write(`  ${pc.red("no ")}  ${system}: ${error.message}\n`);
  }
}
