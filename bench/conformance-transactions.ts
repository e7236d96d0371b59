/**
 * Holds the transaction checkers against recorded histories with known verdicts.
 *
 *   npm run bench:conformance-transactions [-- HISTORIES]
 *
 * HISTORIES (../shared/histories if not given) has a folder `elle` with a `verdicts.json`: the histories of Elle's
 * own tests (github.com/jepsen-io/elle), with what Elle found there, and one `awdit` with the litmus tests of AWDIT
 * (github.com/lassemoldrup/AWDIT, histories/tests). Exits with 1 if a verdict differs that is not in the list of
 * differences below.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Analysis, analyseLists, analyseRegisters } from "../checkers/transactions/analysis.ts";
import { implied } from "../checkers/transactions/anomalies.ts";
import { levels } from "../checkers/transactions/commit-order.ts";
import type { TransactionSignature } from "../checkers/transactions/transaction.ts";
import { weakIsolationChecker } from "../checkers/weak-isolation.ts";
import { Budget } from "../src/checker.ts";
import { parseEdn } from "../src/history/formats/edn.ts";
import { History } from "../src/history/history.ts";
import type { Json, Op } from "../src/history/op.ts";

const STEPS = 20_000_000;

type Recorded = {
  readonly process: number;
  readonly type: Op["type"];
  readonly value: Json;
  readonly index?: number;
};

/** Where only completions were recorded, nothing is known of time and processes: all began at once, on their own. */
function withInvocations(recorded: readonly Recorded[]): readonly Recorded[] {
  if (recorded.some(({ type }) => type === "invoke")) return recorded;
  const alone = recorded.map((event, i) => ({ ...event, process: i }));
  return [...alone.map((event) => ({ ...event, type: "invoke" as const })), ...alone];
}

/** An event without its invocation gets one just before it; a process that ended as info goes on as another. */
function historyOf(given: readonly Recorded[]): History<TransactionSignature> {
  const recorded = withInvocations(given);
  const events: Op[] = [];
  const open = new Set<number>();
  const successor = new Map<number, number>();
  let fresh = 1 + Math.max(0, ...recorded.map(({ process }) => (typeof process === "number" ? process : 0)));
  for (const { process = 0, type, value } of recorded) {
    if (typeof process !== "number") continue;
    const now = (): number => successor.get(process) ?? process;
    const push = (kind: Op["type"]): void => {
      const error = kind === "fail" || kind === "info" ? { error: kind } : {};
      events.push({
        index: events.length,
        time: events.length,
        process: now(),
        type: kind,
        f: "txn",
        value,
        ...error,
      } as Op);
    };
    if (type === "invoke" && open.has(process)) successor.set(process, fresh++);
    if (type !== "invoke" && !open.has(process)) push("invoke");
    push(type);
    if (type === "invoke") open.add(process);
    else open.delete(process);
    if (type === "info") successor.set(process, fresh++);
  }
  return new History(events) as unknown as History<TransactionSignature>;
}

function parse(path: string, text: string): Recorded[] {
  if (path.endsWith(".edn")) {
    const parsed = parseEdn(text);
    return (Array.isArray(parsed[0]) ? parsed[0] : parsed) as unknown as Recorded[];
  }
  if (path.endsWith(".jsonl"))
    return text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Recorded);
  return JSON.parse(text) as Recorded[];
}

interface Options {
  readonly "consistency-models"?: readonly string[] | null;
  readonly anomalies?: readonly string[];
  readonly [option: string]: unknown;
}

interface Expected {
  readonly checker: string;
  readonly valid: boolean | "unknown";
  readonly anomalyTypes?: readonly string[];
  readonly opts?: Options | string;
}

/** Where we judge otherwise, and why we hold to it. */
const differences: { readonly [path: string]: string } = {
  "recorded/rw-register/checker-test-038.jsonl": "a value was read that nobody wrote",
  "recorded/rw-register/checker-test-057.jsonl": "values were read that nobody wrote",
  "recorded/rw-register/checker-test-061.jsonl":
    "a value was read that nobody wrote; and if writes do not follow reads here, then there is a G1c",
  "elle-cli/elle/rw-register.edn":
    "a value was read that nobody wrote; and one process wrote 2, read 3 and read 2",
  "elle-cli/elle/rw-register.json":
    "a value was read that nobody wrote; and one process wrote 2, read 3 and read 2",
  "recorded/rw-register/checker-test-047.jsonl": "needs an order of transactions that the test hands over",
  "recorded/rw-register/checker-test-049.jsonl": "needs an order of transactions that the test hands over",
  "recorded/list-append/sim-prefix-test-001.jsonl":
    "the G0 rests on the longest of contradicting reads, which proves a G1c only",
  "recorded/rw-register/checker-test-041.jsonl":
    "the order of versions is known by process only: it proves G-single-item-process, not G0",
  "recorded/rw-register/checker-test-063.jsonl":
    "told as the cycle of the transactions that wrote the versions: G-single-item-process",
  "recorded/rw-register/scc-sort-bug-test-001.jsonl":
    "told as the cycle of the transactions, which is there without real time: G1c-process",
};

/** What Elle says when it did not get to an answer. */
const NO_ANSWER = /timeout|cycle-exists|empty-transaction-graph/;

/** What the groups of anomalies mean that Elle can be asked for. */
function asked(names: readonly string[]): RegExp {
  const patterns = names.map((name) => {
    if (name === "G1") return "G0|G1.|incompatible-order|dirty-update";
    if (name === "G2") return "G-single|G-single-item|G-nonadjacent|G-nonadjacent-item|G2|G2-item";
    return name === "G-single" ? "G-single|G-single-item" : name;
  });
  return new RegExp(`^(?:${patterns.join("|")})$`);
}

/** What is wrong with our judgement by that of Elle, if anything. */
function difference(
  analysis: Analysis,
  { valid, anomalyTypes = [], opts = {} }: Expected,
): string | undefined {
  const options: Options =
    typeof opts === "string"
      ? { "consistency-models": [/--consistency-models (\S+)/.exec(opts)?.[1] ?? "strict-serializable"] }
      : opts;
  const assumed = Object.entries(options).some(([name, value]) => name.endsWith("keys?") && value === true);
  // What Elle assumed of the versions we prove, and say by what.
  const found = [...analysis.counts.keys()].map((name) =>
    assumed ? name.replace(/-(process|realtime)$/, "") : name,
  );
  const { "consistency-models": models = ["strict-serializable"], anomalies } = options;
  const broken =
    anomalies === undefined
      ? (models ?? []).some((model) =>
          analysis.ruledOut.has(model.replace(/^strong-serializable$/, "strict-serializable")),
        )
      : found.some((name) => asked(anomalies).test(name));
  if (valid !== "unknown" && broken === valid) return `is ${broken ? "invalid" : "valid"} here`;
  const proved = new Set(found.flatMap((name) => [...implied(name)]));
  const missing = anomalyTypes.filter((name) => !NO_ANSWER.test(name) && !proved.has(name));
  return missing.length === 0 ? undefined : `${missing.join(", ")} not found here`;
}

const folder = process.argv[2] ?? "../shared/histories";
const index = join(folder, "elle", "verdicts.json");
if (!existsSync(index)) throw new Error(`${index} does not exist: say where the recorded histories are`);
const { files } = JSON.parse(readFileSync(index, "utf8")) as { files: { [path: string]: Expected } };
const judged = Object.entries(files).filter(([, { checker }]) => /^(list-append|rw-register)$/.test(checker));
let agreeing = 0;
let unexpected = 0;
let total = 0;
for (const [path, expected] of judged) {
  const history = historyOf(parse(path, readFileSync(join(folder, "elle", path), "utf8")));
  const before = process.cpuUsage();
  const analyse = expected.checker === "list-append" ? analyseLists : analyseRegisters;
  const analysis = analyse(history, new Budget(STEPS));
  const { user, system } = process.cpuUsage(before);
  total += (user + system) / 1e6;
  const names = [...analysis.counts.keys()].join(", ");
  if (expected.anomalyTypes?.some((name) => /timeout/.test(name)))
    console.log(`${path}: Elle gives up (${expected.anomalyTypes.join(", ")}); here: ${names}`);
  const differs = difference(analysis, expected);
  const reason = differences[path];
  if (differs === undefined && reason === undefined) agreeing++;
  else if (differs !== undefined && reason !== undefined)
    console.log(`${path}: ${differs} (${names}): ${reason}`);
  else {
    unexpected++;
    console.log(`${path}: ${differs ?? "agrees, though it is in the list of differences"}; found ${names}`);
  }
}
console.log(
  `elle: ${agreeing} of ${judged.length} agree, ${judged.length - agreeing - unexpected} differ for a reason, ${unexpected} without; ${total.toFixed(2)} CPU-s with witnesses`,
);
unexpected += judgeWeakly(join(folder, "awdit"));
process.exitCode = unexpected === 0 ? 0 : 1;

/** Sessions between lines of ===, transactions between lines of ---, "r KEY VALUE" and "w KEY VALUE". */
function sessionsOf(text: string): History<TransactionSignature> {
  const events: Op[] = [];
  text.split(/^=+$/m).forEach((session, process) => {
    for (const transaction of session.split(/^-+$/m)) {
      const value = [...transaction.matchAll(/^(\w) (\S+) (\d+)\s*$/gm)].map(([, f, key, value]) => [
        f as string,
        key as string,
        Number(value),
      ]);
      for (const type of ["invoke", "ok"] as const)
        events.push({ index: events.length, time: events.length, process, type, f: "txn", value } as Op);
    }
  });
  return new History(events) as unknown as History<TransactionSignature>;
}

/** How many verdicts about the weak levels differ. */
function judgeWeakly(path: string): number {
  const verdicts = join(path, "verdicts.json");
  if (!existsSync(verdicts)) return 0;
  const { files } = JSON.parse(readFileSync(verdicts, "utf8")) as {
    files: { [path: string]: { [level: string]: boolean } };
  };
  const named = { "read-committed": "readCommitted", "read-atomic": "readAtomic", causal: "causal" } as const;
  let [count, differing] = [0, 0];
  const before = process.cpuUsage();
  for (const [file, expected] of Object.entries(files)) {
    const history = sessionsOf(readFileSync(join(path, file), "utf8"));
    for (const level of levels) {
      const { validity, reason } = weakIsolationChecker({ level }).check(history, new Budget(STEPS));
      count++;
      if ((validity === "valid") === expected[named[level]]) continue;
      differing++;
      console.log(`awdit ${file}: ${level} is ${validity} here: ${reason}`);
    }
  }
  const { user, system } = process.cpuUsage(before);
  console.log(
    `awdit: ${count - differing} of ${count} agree; ${((user + system) / 1e6).toFixed(2)} CPU-s with witnesses`,
  );
  return differing;
}
