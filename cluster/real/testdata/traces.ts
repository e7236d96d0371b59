/** What a run could leave on a machine. */
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { marked } from "../mark.ts";

/** What of the machine must be the same before and after a run: addresses, routes, namespaces, firewall, settings. */
export function machine(): string {
  const words = [
    ["ip", "-o", "addr"],
    ["ip", "route"],
    ["ip", "netns"],
    ["nft", "list", "ruleset"],
    ["sysctl", "-a", "--pattern", "net\\.(bridge|core|ipv4\\.(ip_|tcp_|conf\\.(all|default)))"],
  ];
  return words
    .map(([command, ...rest]) => execFileSync(command as string, rest, { encoding: "utf8", stdio: "pipe" }))
    .join("\n")
    .replace(/valid_lft \d+sec|preferred_lft \d+sec/g, "");
}

/** The same without what other runs have meanwhile. */
export function machineWithoutRuns(): string {
  return machine()
    .split("\n")
    .filter((line) => !/(?:fl|faultline)-[0-9a-f]{12}|\b10\.21[34]\./.test(line))
    .join("\n");
}

/** What there still is of the run with this mark. */
export function tracesOf(mark: string): string[] {
  const names = [tmpdir(), "/sys/class/net", "/run/netns"]
    .filter((directory) => fs.existsSync(directory))
    .flatMap((directory) => fs.readdirSync(directory).map((name) => `${directory}/${name}`));
  const lines = machine().split("\n");
  return [
    ...marked(mark).map((pid) => `process ${pid}`),
    ...[...names, ...lines, ...containersAndTheLike()].filter((name) => name.includes(mark)),
  ];
}

/** Of every run, as the daemon tells it; nothing where there is none. */
function containersAndTheLike(): string[] {
  const lists = [
    ["ps", "--all", "--format", "container {{.Names}}"],
    ["network", "ls", "--format", "network {{.Name}}"],
    ["volume", "ls", "--format", "volume {{.Name}}"],
  ];
  return lists.flatMap((words) => spawnSync("docker", words, { encoding: "utf8" }).stdout?.split("\n") ?? []);
}

/** How far the machine's wall clock is from its monotonic clock, in milliseconds: changes when it is set. */
export function wallClock(): number {
  return Date.now() - performance.now();
}
