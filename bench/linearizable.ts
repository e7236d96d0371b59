/**
 * What it costs to check long histories for linearizability, in CPU-seconds (of all threads, without making the
 * history) and in peak memory (of the whole process), each case in a process of its own. Beside them, what Porcupine
 * needs for histories made the same way.
 *
 *   npm run bench:linearizable [-- OPERATIONS]
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { asCalled, linearizable } from "../checkers/linearizable.ts";
import { kv } from "../checkers/models/kv.ts";
import { register } from "../checkers/models/register.ts";
import { Budget } from "../src/checker.ts";
import { closedLoop, type Shape } from "./closed-loop.ts";

const STEPS = 20_000_000;

interface Case extends Omit<Shape, "seed"> {
  /** CPU-seconds and MB, or how it ended. */
  readonly porcupine: string;
}

function casesOf(operations: number): readonly Case[] {
  const shape = (
    kind: Shape["kind"],
    clients: number,
    keys: number,
    unknown: number,
    stale: boolean,
    porcupine: string,
    share = 1,
  ): Case => ({
    kind,
    operations: operations * share,
    clients,
    keys,
    unknown,
    ...(stale ? { stale: 0.9 } : {}),
    porcupine,
  });
  return [
    shape("reg", 5, 1, 0, false, "2.4 s, 2514 MB", 0.1),
    shape("reg", 10, 1, 0.01, false, "13.8 s, 3790 MB", 0.01),
    shape("reg", 5, 1, 0.01, true, "over 60 s, 7.4 GB", 0.01),
    shape("reg", 100, 1, 0, false, "not feasible"),
    shape("reg", 100, 1, 0.1, false, "not feasible"),
    shape("reg", 100, 1, 0.1, true, "not feasible"),
    shape("reg", 100, 1000, 0.1, false, "not measured"),
    shape("reg", 100, 1000, 0.1, true, "not measured"),
    shape("kv", 10, 1, 0, false, "out of memory at 7 GB after 24-34 s", 0.01),
    shape("kv", 30, 10, 0, false, "out of memory at 7 GB after 26 s", 0.1),
    shape("kv", 5, 10, 0.01, true, "out of memory at 7 GB after 25-30 s", 0.1),
    shape("kv", 100, 1000, 0, false, "2.4 s, 905 MB"),
    shape("kv", 100, 1000, 0.1, true, "not measured"),
  ];
}

function nameOf({ kind, operations, clients, keys, unknown, stale }: Case): string {
  const wrong = stale === undefined ? "valid" : "one stale read";
  return `${kind}, ${operations} operations, ${clients} clients, ${keys} ${keys === 1 ? "key" : "keys"}, ${unknown * 100} % unknown, ${wrong}`;
}

/** In a process of its own. */
function measure(shape: Shape): void {
  const history = closedLoop(shape);
  const checker = shape.kind === "reg" ? linearizable(register(), asCalled) : linearizable(kv, asCalled);
  const before = process.cpuUsage();
  const { validity, reason, anomalies } = checker.check(history, new Budget(STEPS));
  const { user, system } = process.cpuUsage(before);
  const expected = shape.stale === undefined ? "valid" : "invalid";
  if (validity !== expected) throw new Error(`${validity} and not ${expected}: ${reason}`);
  const witness = anomalies[0] === undefined ? "" : `, witness of ${anomalies[0].witness.length} events`;
  const peak = process.resourceUsage().maxRSS / 1024;
  console.log(`${((user + system) / 1e6).toFixed(2)} s, ${peak.toFixed(0)} MB, ${validity}${witness}`);
}

const [argument = "1000000"] = process.argv.slice(2);
if (argument.startsWith("{")) measure(JSON.parse(argument) as Shape);
else {
  const operations = Number(argument);
  if (!Number.isSafeInteger(operations) || operations < 1000) {
    console.error(`OPERATIONS is a whole number of at least 1000, not ${argument}`);
    process.exit(254);
  }
  for (const { porcupine, ...shape } of casesOf(operations)) {
    const child = spawnSync(
      process.execPath,
      [fileURLToPath(import.meta.url), JSON.stringify({ ...shape, seed: 1 })],
      { encoding: "utf8" },
    );
    const told = child.status === 0 ? child.stdout.trim() : `failed: ${child.stderr.trim()}`;
    console.log(`${nameOf({ porcupine, ...shape })}\n    ${told}   (Porcupine: ${porcupine})`);
  }
}
