/**
 * Holds the linearizability checker against recorded histories with known verdicts, and prints the CPU time.
 *
 *   npm run bench:conformance -- HISTORIES
 *
 * HISTORIES has a folder `knossos` (github.com/
 * jepsen-io/knossos, data/) and a folder `porcupine` (github.com/anishathalye/porcupine, test_data/), each with a
 * `verdicts.json` that gives `{ files: { PATH: { linearizable } } }`. Exits with 1 if any verdict differs.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { checkLinearizable, type ObjectCall } from "../checkers/linearizable.ts";
import { type KvCall, kv } from "../checkers/models/kv.ts";
import { type RegisterCall, register } from "../checkers/models/register.ts";
import { Budget, type Verdict } from "../src/checker.ts";
import { parseEdn } from "../src/history/formats/edn.ts";
import { History, type Operation } from "../src/history/history.ts";
import type { Json, Op } from "../src/history/op.ts";

const STEPS = 1_000_000;

interface Recorded {
  readonly history: History;
  check(history: History): Verdict;
}

/** Events without index and time; a completion that does not tell the outcome is left out. */
type Recording = { process: number; type: Op["type"]; f: string; key?: string; value: Json };

function historyOf(recording: readonly Recording[]): History {
  const events = recording.map((event, index) => {
    const error = event.type === "fail" || event.type === "info" ? { error: "" } : {};
    return { index, time: index, ...event, ...error } as Op;
  });
  return new History(events);
}

/** An unknown value of a read is null in these files, as is that of an empty register in the logs of etcd. */
function registerCall(nilIsUnknown: boolean) {
  return (operation: Operation): readonly ObjectCall<RegisterCall, Json>[] => {
    const { f, input, output } = operation;
    const known = f === "read" && nilIsUnknown && output === null ? undefined : output;
    return [{ object: "", input: { f, value: input } as RegisterCall, output: f === "write" ? null : known }];
  };
}

function knossos(text: string, init: Json): Recorded {
  const parsed = parseEdn(text);
  const operations = (Array.isArray(parsed[0]) ? parsed[0] : parsed) as { [field: string]: Json }[];
  const recording: Recording[] = operations
    .filter(({ process }) => process !== "nemesis")
    .map(({ process, type, f, value }) => ({
      process: process as number,
      type: type as Op["type"],
      f: f as string,
      // The answer of a cas that was ok is that it swapped.
      value: f === "cas" && type === "ok" ? true : (value as Json),
    }));
  return {
    history: historyOf(recording),
    check: (history) => checkLinearizable(history, register(init), new Budget(STEPS), registerCall(true)),
  };
}

const LINE = /^INFO\s+jepsen\.util - (\d+|:nemesis)\s+:(\w+)\s+:(\w+)\s+(.*)$/;

function etcdLog(text: string): Recorded {
  const recording: Recording[] = [];
  for (const line of text.split("\n")) {
    const match = LINE.exec(line);
    if (match === null) continue;
    const [, process, type, f, rest] = match as unknown as [string, string, Op["type"], string, string];
    if (process === ":nemesis") continue;
    const common = { process: Number(process), f };
    const value = (parseEdn(rest)[0] ?? null) as Json;
    // A cas that failed has compared and lost: that is an observation.
    if (type === "fail" && f === "cas") recording.push({ ...common, type: "ok", value: false });
    else if (type === "ok" && f === "cas") recording.push({ ...common, type, value: true });
    else recording.push({ ...common, type, value });
  }
  return {
    history: historyOf(recording),
    check: (history) => checkLinearizable(history, register(), new Budget(STEPS), registerCall(false)),
  };
}

function kvLog(text: string): Recorded {
  const recording = parseEdn(text).map((line) => {
    const { process, type, f, key, value } = line as unknown as Required<Recording>;
    return { process, type, f, key, value };
  });
  return {
    history: historyOf(recording),
    check: (history) =>
      checkLinearizable(history, kv, new Budget(STEPS), ({ f, key, input, output }) => [
        { object: key ?? "", input: { f, value: input } as KvCall, output: f === "get" ? output : null },
      ]),
  };
}

interface Expected {
  /** null: unusable. */
  readonly linearizable: boolean | null;
  readonly init?: Json;
}

function suite(
  name: string,
  folder: string,
  read: (path: string, text: string, expected: Expected) => Recorded,
) {
  const index = join(folder, "verdicts.json");
  if (!existsSync(index)) throw new Error(`${index} does not exist`);
  const { files } = JSON.parse(readFileSync(index, "utf8")) as { files: { [path: string]: Expected } };
  let wrong = 0;
  let total = 0;
  let slowest = ["", 0] as readonly [string, number];
  let count = 0;
  for (const [path, expected] of Object.entries(files)) {
    if (expected.linearizable === null) continue;
    count++;
    const { history, check } = read(path, readFileSync(join(folder, path), "utf8"), expected);
    const before = process.cpuUsage();
    const verdict = check(history);
    const { user, system } = process.cpuUsage(before);
    const seconds = (user + system) / 1e6;
    total += seconds;
    if (seconds > slowest[1]) slowest = [path, seconds];
    // Of a history without an operation that tells anything, the checker does not say that it is valid.
    const empty = verdict.validity === "unknown" && verdict.evidence === undefined;
    const found = verdict.validity === "valid" || empty;
    if (expected.linearizable ? found : verdict.validity === "invalid") continue;
    wrong++;
    console.log(`${name}: ${path} is ${verdict.validity} (${verdict.reason}), not ${expected.linearizable}`);
  }
  console.log(
    `${name}: ${count - wrong} of ${count} verdicts agree, ${total.toFixed(3)} CPU-s with witnesses; slowest ${slowest[0]} ${slowest[1].toFixed(3)}`,
  );
  return wrong;
}

const histories = process.argv[2];
if (histories === undefined) throw new Error("say where the recorded histories are");
let wrong = 0;
for (const pass of ["cold", "warm"]) {
  wrong += suite(`knossos, ${pass}`, join(histories, "knossos"), (_, text, { init = null }) =>
    knossos(text, init),
  );
  wrong += suite(`porcupine, ${pass}`, join(histories, "porcupine"), (path, text) =>
    path.startsWith("kv/") ? kvLog(text) : etcdLog(text),
  );
}
process.exitCode = wrong === 0 ? 0 : 1;
