/**
 * What it costs to read a history into columns: a journal of a million operations, and EDN as Jepsen writes it. Each
 * file is read by a process of its own, so that its peak of memory is that of the reading.
 *
 *   npm run bench:ingest [-- OPERATIONS]
 */
import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { JepsenPrinter } from "../src/history/formats/edn-print.ts";
import type { Json, Op } from "../src/history/op.ts";
import { seededRandom } from "../src/runtime/random.ts";
import { readHistory } from "../src/store/history-file.ts";

const CLIENTS = 30;
const KEYS = 100;
/** Nanoseconds between two events. */
const GAP = 50_000;

/** Reads and writes of keys; what is read has its revisions beside it, as the register workload records it. */
function* registers(operations: number): Generator<Op> {
  const random = seededRandom(1).fork("registers");
  yield* closedLoop(operations, (i) => {
    const f = random.chance(0.5) ? "read" : "write";
    const answer = f === "read" ? { value: i, revision: i, modRevision: i } : { revision: i };
    return { f, key: `r${random.below(KEYS)}`, value: f === "read" ? null : i, answer };
  });
}

/** Transactions of one append and one read of a short list. */
function* transactions(operations: number): Generator<Op> {
  const random = seededRandom(1).fork("transactions");
  yield* closedLoop(operations, (i) => {
    const [a, b] = [random.below(KEYS), random.below(KEYS)];
    const list = Array.from({ length: random.below(10) }, (_, n) => i + n);
    return {
      f: "txn",
      value: [
        ["append", a, i],
        ["r", b, null],
      ],
      answer: [
        ["append", a, i],
        ["r", b, list],
      ],
    };
  });
}

interface Drawn {
  readonly f: string;
  readonly key?: string;
  readonly value: Json;
  readonly answer: Json;
}

/** Every client always has an operation open. */
function* closedLoop(operations: number, draw: (i: number) => Drawn): Generator<Op> {
  const open: Drawn[] = [];
  let index = 0;
  for (let i = 0; i < operations + CLIENTS; i++) {
    const process = i % CLIENTS;
    const ended = open[process];
    if (ended !== undefined && i - CLIENTS < operations) {
      const { f, key, answer } = ended;
      yield { index, time: index++ * GAP, process, type: "ok", f, value: answer, ...(key && { key }) } as Op;
    }
    if (i >= operations) continue;
    const drawn = draw(i);
    open[process] = drawn;
    const { f, key, value } = drawn;
    yield { index, time: index++ * GAP, process, type: "invoke", f, value, ...(key && { key }) } as Op;
  }
}

function write(path: string, events: Iterable<Op>, print: (event: Op) => string): void {
  const descriptor = openSync(path, "w");
  let block = "";
  for (const event of events) {
    block += print(event);
    if (block.length < 1 << 20) continue;
    writeSync(descriptor, block);
    block = "";
  }
  writeSync(descriptor, block);
  closeSync(descriptor);
}

/** In a process of its own. */
function measure(path: string): void {
  const before = process.cpuUsage();
  const { history, format } = readHistory(path);
  const { user, system } = process.cpuUsage(before);
  const seconds = (user + system) / 1e6;
  const megabytes = statSync(path).size / 1e6;
  const peak = process.resourceUsage().maxRSS / 1024;
  console.log(
    `${format.name}: ${history.columns.length} operations, ${megabytes.toFixed(0)} MB in ${seconds.toFixed(2)} CPU-s, ${(megabytes / seconds).toFixed(1)} MB/s, ${peak.toFixed(0)} MiB at most`,
  );
}

const [argument = "1000000", file] = process.argv.slice(2);
if (argument === "read" && file !== undefined) measure(file);
else {
  const folder = mkdtempSync(join(tmpdir(), "faultline-ingest-"));
  const printer = new JepsenPrinter();
  try {
    const journal = join(folder, "history.jsonl");
    write(journal, registers(Number(argument)), (event) => `${JSON.stringify(event)}\n`);
    const edn = join(folder, "history.edn");
    write(edn, transactions(Number(argument) / 4), (event) => printer.print(event));
    for (const path of [journal, edn])
      for (let pass = 0; pass < 3; pass++)
        spawnSync(process.execPath, [fileURLToPath(import.meta.url), "read", path], { stdio: "inherit" });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
