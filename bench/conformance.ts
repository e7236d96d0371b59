/**
 * Holds the models against recorded histories with known verdicts, and prints the CPU time of the checks. Reads the
 * files as `faultline check` does.
 *
 *   npm run bench:conformance -- HISTORIES
 *
 * HISTORIES has the folders `knossos` (github.com/jepsen-io/knossos, data/), `porcupine` (github.com/anishathalye/
 * porcupine, test_data/) and `elle` (elle-cli/ of github.com/ligurio/elle-cli), or some of them, each with a
 * `verdicts.json` that gives `{ files: { PATH: VERDICT } }`. Exits with 1 if any verdict differs.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { specifications } from "../checkers/catalogue.ts";
import { readHistory } from "../checkers/library.ts";
import { Budget, type Validity } from "../src/checker.ts";
import type { Json } from "../src/history/op.ts";

const STEPS = 1_000_000;
/** Milliseconds after which the engine has compiled what was hot. */
const COMPILED = 300;

interface Expected {
  /** null: unusable. */
  readonly linearizable?: boolean | null;
  /** The same, and what judges it, in the folder of Elle. */
  readonly valid?: boolean;
  readonly checker?: string;
  readonly model?: string;
  readonly init?: Json;
}

/** "cas-register (etcd 0.4)" is a cas-register, "kv get/put/append (string)" a kv. */
function modelOf({ model, checker }: Expected): string | undefined {
  return (checker ?? model)?.split(" ")[0];
}

/** The models of single objects; transactions are another matter. */
const objects = specifications.filter(
  ({ name, summary }) => summary.startsWith("linearizable: ") || name === "set" || name === "counter",
);

function isOurs(expected: Expected): boolean {
  const verdict = expected.linearizable ?? expected.valid;
  return typeof verdict === "boolean" && objects.some(({ name }) => name === modelOf(expected));
}

interface Row {
  readonly model: string;
  agree: number;
  count: number;
  seconds: number;
  slowest: readonly [path: string, seconds: number];
}

/** Of a history without an operation that tells anything, the checker does not say that it is valid. */
function agrees(expected: boolean, validity: Validity, checked: number): boolean {
  if (!expected) return validity === "invalid";
  return validity === "valid" || (validity === "unknown" && checked === 0);
}

async function judge(folder: string): Promise<readonly Row[]> {
  const { files } = JSON.parse(readFileSync(join(folder, "verdicts.json"), "utf8")) as {
    files: { [path: string]: Expected };
  };
  const rows = new Map<string, Row>();
  // All are read before any is judged: what it costs to read, and to compile what reads, is measured elsewhere.
  const cases = Object.entries(files)
    .filter(([, expected]) => isOurs(expected))
    .map(([path, expected]) => {
      const history = readHistory(readFileSync(join(folder, path), "utf8"));
      return { path, expected, history };
    });
  await setTimeout(COMPILED);
  for (const { path, expected, history } of cases) {
    const model = modelOf(expected) as string;
    const row = rows.get(model) ?? { model, agree: 0, count: 0, seconds: 0, slowest: ["", 0] };
    rows.set(model, row);
    // Null is unknown to Knossos, and an empty register in the logs of etcd.
    const nilIsUnknown = !folder.endsWith("porcupine");
    const checker = objects
      .find(({ name }) => name === model)
      ?.checker({ nilIsUnknown, init: expected.init ?? null });
    const before = process.cpuUsage();
    const verdict = checker?.check(history, new Budget(STEPS));
    const { user, system } = process.cpuUsage(before);
    const seconds = (user + system) / 1e6;
    row.count++;
    row.seconds += seconds;
    if (seconds > row.slowest[1]) row.slowest = [path, seconds];
    const truth = expected.linearizable ?? expected.valid ?? false;
    if (verdict !== undefined && agrees(truth, verdict.validity, verdict.checked)) row.agree++;
    else console.log(`${path} is ${verdict?.validity} (${verdict?.reason}), not ${truth}`);
  }
  return [...rows.values()];
}

const histories = process.argv[2];
if (histories === undefined) throw new Error("say where the recorded histories are");
const folders = ["knossos", "porcupine", "elle"].filter((name) =>
  existsSync(join(histories, name, "verdicts.json")),
);
if (folders.length === 0) throw new Error(`${histories} has no folder with a verdicts.json`);
let wrong = 0;
for (const pass of ["cold", "warm"])
  for (const folder of folders)
    for (const { model, agree, count, seconds, slowest } of await judge(join(histories, folder))) {
      wrong += count - agree;
      console.log(
        `${pass} ${folder.padEnd(9)} ${model.padEnd(14)} ${agree} of ${count} verdicts agree, ${seconds.toFixed(3)} CPU-s with witnesses; slowest ${slowest[0]} ${slowest[1].toFixed(3)}`,
      );
    }
process.exitCode = wrong === 0 ? 0 : 1;
