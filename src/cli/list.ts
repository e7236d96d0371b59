/** `faultline list KIND`: what can be named in a plan, one a line, name first. */
import { stdout } from "node:process";
import { Argument, Command } from "commander";
import { specifications } from "../../checkers/catalogue.ts";
import { plantedBugs } from "../../cluster/bugs.ts";
import { sites } from "../../cluster/sites.ts";
import { systems } from "../../cluster/systems/index.ts";
import { faults } from "../../nemesis/index.ts";
import { workloads } from "../../workloads/index.ts";
import { listCheckers, places } from "../registry.ts";
import { scenarios } from "../scenarios/index.ts";

interface Item {
  readonly name: string;
  readonly summary: string;
}

const kinds: { readonly [kind: string]: () => readonly Item[] } = {
  workloads: () => workloads,
  faults: () => faults,
  checkers: listCheckers,
  models: () => specifications,
  systems: () => systems,
  places: () => places,
  bugs: () => plantedBugs.map(({ name, area, mutation }) => ({ name, summary: `${area}: ${mutation}` })),
  scenarios: () => scenarios,
  sites: () => sites.map(({ name, where, summary }) => ({ name, summary: `${where}: ${summary}` })),
};

export function listCommand(): Command {
  return new Command("list")
    .description("list what a plan can name")
    .addArgument(new Argument("<kind>", "what to list").choices(Object.keys(kinds)))
    .action((kind: string) => printItems(kinds[kind]?.() ?? []));
}

/** One a line, name first. */
export function printItems(items: readonly Item[]): void {
  const width = Math.max(...items.map((item) => item.name.length));
  for (const { name, summary } of items) stdout.write(`${name.padEnd(width)}  ${summary}\n`);
}
