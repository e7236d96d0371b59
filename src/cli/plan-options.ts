/** Plans from the command line: flags over a YAML file over defaults; and back, as the line that repeats a run. */
import { readFileSync } from "node:fs";
import { type Command, Option } from "commander";
import { parse as parseYaml } from "yaml";
import type { Json } from "../history/op.ts";
import { Plan, type PlanInput, parsePlan, UsageError, withSetting } from "../plan.ts";

export interface PlanFlags {
  readonly config?: string;
  readonly workload?: string;
  readonly faults?: string;
  readonly faultInterval?: string;
  readonly target?: string;
  readonly system?: string;
  readonly place?: string;
  readonly nodes?: string;
  readonly concurrency?: string;
  readonly rate?: string;
  readonly duration?: string;
  readonly timeout?: string;
  readonly seed?: string;
  readonly bug?: string;
  readonly budget?: string;
  readonly failFast?: boolean;
  readonly swarm?: boolean;
  readonly set?: readonly string[];
}

const collect = (value: string, earlier: readonly string[] = []): readonly string[] => [...earlier, value];

/** Adds the flags that describe a run. Everything a plan holds can also be set by `--set path=value`. */
export function addPlanOptions(command: Command): Command {
  return command
    .option("-c, --config <file>", "plan as YAML or JSON; flags override it")
    .option("-w, --workload <name>", "what clients do (faultline list workloads)")
    .option("-f, --faults <names>", "faults, separated by commas, or none (faultline list faults)")
    .option("--fault-interval <time>", "mean time between the starts of two faults, such as 10s")
    .option("--target <name>", "whom faults hit: one, minority, majority, leaders, all, …")
    .option("--system <name>", "system under test (faultline list systems)")
    .option("--place <name>", "where it runs (faultline list places)")
    .option("-n, --nodes <count>", "members of the cluster, 1 to 9")
    .option("--concurrency <count>", "client threads, such as 10, or 2n for two per node")
    .option("--rate <count>", "operations per second of all clients together; 0 for no limit")
    .option("-d, --duration <time>", "how long to work and break things: 60s, 5m, 1h")
    .option("--timeout <time>", "how long a client waits for an answer")
    .option("-s, --seed <number>", "what chance is drawn from; the same seed repeats the same run")
    .option("--bug <name>", "switch a planted bug on (faultline list bugs)")
    .option("--budget <steps>", "steps each checker may take before it says unknown")
    .option("--fail-fast", "end soon after a promise is broken")
    .addOption(new Option("--swarm", "draw sizes, knobs and fault classes from the seed"))
    .option("--set <path=value>", "any other setting of the plan, such as raftkv.preVote=false", collect);
}

/** Where runs are kept. */
export function storeOption(): Option {
  return new Option("--store <directory>", "where runs are kept").default("store");
}

/** What the flags and the file say, nothing added. Throws UsageError. */
export function planInput(flags: PlanFlags): PlanInput {
  let input: Record<string, unknown> = flags.config === undefined ? {} : readPlanFile(flags.config);
  const put = (field: string, value: unknown): void => {
    if (value !== undefined) input[field] = value;
  };
  put("workload", flags.workload);
  put("faults", flags.faults === undefined ? undefined : faultList(flags.faults));
  put("faultInterval", seconds("--fault-interval", flags.faultInterval));
  put("target", flags.target);
  put("system", flags.system);
  put("place", flags.place);
  put("nodes", number("--nodes", flags.nodes));
  put("rate", number("--rate", flags.rate));
  put("duration", seconds("--duration", flags.duration));
  put("timeout", seconds("--timeout", flags.timeout));
  put("seed", number("--seed", flags.seed));
  put("bug", flags.bug);
  put("budget", number("--budget", flags.budget));
  put("failFast", flags.failFast);
  put("swarm", flags.swarm);
  for (const setting of flags.set ?? []) input = assigned(input, setting);
  const nodes = typeof input.nodes === "number" ? input.nodes : Plan.parse({}).nodes;
  put("concurrency", concurrency(flags.concurrency, nodes));
  parsePlan(input, flags.config ?? "plan");
  return input as PlanInput;
}

/** The flags that say the same as `input`: paste them behind `faultline run` to repeat it. */
export function planFlags(given: PlanInput): string {
  const words: string[] = [];
  // What is set to its default says nothing, unless a swarm would draw it.
  const input = given.swarm === true ? given : withoutDefaults(given);
  const { workload, faults, faultInterval, duration, timeout, failFast, swarm, version: _, ...rest } = input;
  if (workload !== undefined) words.push("--workload", quote(workload));
  if (faults !== undefined) words.push("--faults", faults.length === 0 ? "none" : quote(faults.join(",")));
  if (faultInterval !== undefined) words.push("--fault-interval", `${faultInterval}s`);
  if (duration !== undefined) words.push("--duration", `${duration}s`);
  if (timeout !== undefined) words.push("--timeout", `${timeout}s`);
  for (const name of [
    "system",
    "place",
    "target",
    "nodes",
    "concurrency",
    "rate",
    "bug",
    "budget",
    "seed",
  ] as const) {
    const value = rest[name];
    if (value !== undefined && value !== "") words.push(`--${name}`, quote(String(value)));
  }
  if (failFast === true) words.push("--fail-fast");
  if (swarm === true) words.push("--swarm");
  for (const [group, settings] of Object.entries(rest)) {
    if (typeof settings !== "object" || Array.isArray(settings)) continue;
    for (const [name, value] of Object.entries(settings)) {
      if (value !== undefined) words.push("--set", quote(`${group}.${name}=${JSON.stringify(value)}`));
    }
  }
  return words.join(" ");
}

function withoutDefaults(input: PlanInput): PlanInput {
  const defaults: Record<string, unknown> = Plan.parse({});
  const kept = (value: unknown, standard: unknown): unknown => {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      return JSON.stringify(value) === JSON.stringify(standard) ? undefined : value;
    const fields = (standard ?? {}) as Record<string, unknown>;
    return Object.fromEntries(
      Object.entries(value).filter(([name, inner]) => kept(inner, fields[name]) !== undefined),
    );
  };
  return Object.fromEntries(
    Object.entries(input).flatMap(([name, value]) => {
      // Names of what was run are worth their place.
      const left = name === "workload" || name === "seed" ? value : kept(value, defaults[name]);
      return left === undefined ? [] : [[name, left]];
    }),
  );
}

/** "90", "90s", "1.5m", "2h", "250ms" as seconds. Throws UsageError. */
export function seconds(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text);
  if (match === null) throw new UsageError(`${flag}: ${text} is not a time; write 250ms, 60s, 5m or 1h`);
  const scale = { ms: 0.001, s: 1, m: 60, h: 3_600 }[(match[2] ?? "s") as "ms" | "s" | "m" | "h"];
  return Number(match[1]) * scale;
}

/** The number that a flag gives. Throws UsageError. */
export function number(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^-?\d+(\.\d+)?$/.test(text)) throw new UsageError(`${flag}: ${text} is not a number`);
  return Number(text);
}

/** The whole number that a flag gives. Throws UsageError if it is less than `least`. */
export function natural(flag: string, text: string, least: number): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < least)
    throw new UsageError(`${flag}: ${text} is not a whole number of at least ${least}`);
  return value;
}

function concurrency(text: string | undefined, nodes: number): number | undefined {
  if (text === undefined) return undefined;
  const match = /^(\d+)(n?)$/.exec(text);
  if (match === null)
    throw new UsageError(`--concurrency: ${text} is not a count; write 10, or 2n for two per node`);
  return Number(match[1]) * (match[2] === "n" ? nodes : 1);
}

function faultList(text: string): string[] {
  if (text === "none" || text === "") return [];
  const names = text.split(",").map((name) => name.trim());
  if (names.includes(""))
    throw new UsageError(`--faults: ${text} lacks a name; write kill,partition, or none`);
  return names;
}

function assigned(input: Record<string, unknown>, setting: string): Record<string, unknown> {
  const at = setting.indexOf("=");
  if (at <= 0)
    throw new UsageError(`--set: ${setting} has no value; write path=value, such as raftkv.preVote=false`);
  const path = setting.slice(0, at);
  return withSetting(input, path, settingValue(path, setting.slice(at + 1)));
}

function settingValue(path: string, text: string): Json {
  try {
    return parseYaml(text) as Json;
  } catch (error) {
    throw new UsageError(`--set ${path}: ${text} is not a value: ${firstLine(error)}`);
  }
}

function readPlanFile(path: string): Record<string, unknown> {
  return readSettings(path, 'a plan is a map of settings, such as "workload: register"');
}

/** The map in a YAML or JSON file. Throws UsageError; `expected` says what it should hold. */
export function readSettings(path: string, expected: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new UsageError(
      `${path}: cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`,
    );
  }
  let value: unknown;
  try {
    value = parseYaml(text);
  } catch (error) {
    throw new UsageError(`${path}: neither YAML nor JSON: ${firstLine(error)}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new UsageError(`${path}: ${expected}`);
  return { ...value };
}

function firstLine(error: unknown): string {
  const line = (error instanceof Error ? error.message : String(error)).split("\n")[0] as string;
  return line.replace(/:$/, "");
}

function quote(word: string): string {
  return /^[\w.,:=/@+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
