/**
 * What it costs to judge transactions: histories of a simulated database in the shape of Elle's own, 200 keys at a
 * time, 100 writes to each, 1 to 5 micro-operations, 20 processes.
 *
 *   npm run bench:transactions [-- TRANSACTIONS ...]
 *
 * Each case runs in a process of its own. CPU is that of the judgement alone, all threads; memory is the peak of the
 * process, the history included. Beside it is what Elle needed for a history of this shape on such a machine (two
 * cores, JVM, a cold start; its README says 100,000 to 160,000 transactions a second on a large one).
 */
import { spawnSync } from "node:child_process";
import { argv, cpuUsage, execPath, resourceUsage, stdout } from "node:process";
import { fileURLToPath } from "node:url";
import { type Analysis, analyseLists, analyseRegisters } from "../checkers/transactions/analysis.ts";
import { simulateDatabase } from "../checkers/transactions/testdata/simulated-database.ts";
import { Budget } from "../src/checker.ts";

type Isolation = Parameters<typeof simulateDatabase>[0]["isolation"];

interface Case {
  readonly data: "list-append" | "rw-register";
  readonly isolation: Isolation;
  readonly transactions: number;
}

/** CPU-seconds and gigabytes of Elle, where it was measured. */
const elle: { readonly [name: string]: string } = {
  "list-append strict-serializable 10000": "1.5 s, 0.34 GB",
  "list-append strict-serializable 100000": "8.8 s, 1.3 GB",
  "list-append strict-serializable 1000000": "83 s, 6.9 GB",
  "list-append snapshot-isolation 100000": "12.2 s, 2.5 GB",
  "list-append prefix 10000": "4.1 s, 0.4 GB, gives up searching",
  "rw-register strict-serializable 100000": "11.8 s, 2.3 GB",
  "rw-register strict-serializable 1000000": "72 s, 8.3 GB",
};

const STEPS = 20_000_000;

function nameOf({ data, isolation, transactions }: Case): string {
  return `${data} ${isolation} ${transactions}`;
}

function measure(one: Case): void {
  const history = simulateDatabase({ ...one, seed: 1, keys: 200, writesPerKey: 100, concurrency: 20 });
  const analyse = one.data === "list-append" ? analyseLists : analyseRegisters;
  const before = cpuUsage();
  const analysis: Analysis = analyse(history, new Budget(STEPS));
  const { user, system } = cpuUsage(before);
  const found = [...analysis.counts].map(([name, count]) => `${name} ${count}`).join(", ");
  const share = Math.round((100 * analysis.committed) / one.transactions);
  const cpu = ((user + system) / 1e6).toFixed(2);
  const memory = (resourceUsage().maxRSS / 1e6).toFixed(2);
  stdout.write(
    `${nameOf(one).padEnd(48)} ${cpu.padStart(6)} CPU-s ${memory.padStart(5)} GB  ${String(share).padStart(3)} % committed  ${found === "" ? "nothing found" : found}  (Elle: ${elle[nameOf(one)] ?? "not measured"})\n`,
  );
}

function cases(sizes: readonly number[]): Case[] {
  return sizes.flatMap((transactions) =>
    (["list-append", "rw-register"] as const).flatMap((data) =>
      (["strict-serializable", "snapshot-isolation", "prefix"] as const).map((isolation) => ({
        data,
        isolation,
        transactions,
      })),
    ),
  );
}

if (argv[2] === "case") measure(JSON.parse(argv[3] as string) as Case);
else {
  const sizes = argv.length > 2 ? argv.slice(2).map(Number) : [10_000, 100_000, 1_000_000];
  for (const one of cases(sizes))
    spawnSync(
      execPath,
      ["--max-old-space-size=4096", fileURLToPath(import.meta.url), "case", JSON.stringify(one)],
      { stdio: "inherit" },
    );
}
