/** The built command line, checking what takes so long that threads are asked to help. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isDivisible } from "../checker.ts";
import { History } from "../history/history.ts";
import type { Json, Op } from "../history/op.ts";
import { seededRandom } from "../runtime/random.ts";
import { checkersOf } from "./check-source.ts";

const main = fileURLToPath(new URL("../../dist/src/cli/main.js", import.meta.url));
const KEYS = ["a", "b", "c", "d"];
const CLIENTS = 15;

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "faultline-jobs-"));
});
afterEach(() => {
  rmSync(home, { recursive: true });
});

type Call = { readonly key: string; readonly f: "read" | "write"; value: Json; stage: "begun" | "done" };

/**
 * Registers in which few values are written again and again, so that only a search can tell; a hundredth of the
 * operations gets no answer. Correct, but for the very first read if it is `wrong`.
 */
function history(operations: number, wrong: boolean): readonly Op[] {
  const random = seededRandom(1);
  const events: Op[] = [];
  const states = new Map<string, Json>();
  const open = new Map<number, Call>();
  const processes = Array.from({ length: CLIENTS * KEYS.length }, (_, client) => client);
  const record = (process: number, type: Op["type"], { key, f, value }: Omit<Call, "stage">) => {
    const index = events.length;
    const error = type === "info" ? { error: "timeout" } : {};
    events.push({ index, time: index, process, type, f, value, key, ...error } as Op);
  };
  if (wrong) {
    record(1_000_000, "invoke", { key: "a", f: "read", value: null });
    record(1_000_000, "ok", { key: "a", f: "read", value: 99 });
  }
  for (let begun = 0; begun < operations || open.size > 0; ) {
    const client = random.below(processes.length);
    const process = processes[client] as number;
    const call = open.get(client);
    if (call === undefined) {
      if (begun++ >= operations) continue;
      const f = random.chance(0.5) ? "read" : "write";
      const key = KEYS[client % KEYS.length] as string;
      const started: Call = { key, f, value: f === "read" ? null : random.below(20), stage: "begun" };
      open.set(client, started);
      record(process, "invoke", started);
    } else if (call.stage === "begun") {
      if (call.f === "write") states.set(call.key, call.value);
      else call.value = states.get(call.key) ?? null;
      call.stage = "done";
    } else {
      open.delete(client);
      const lost = random.chance(0.01);
      record(process, lost ? "info" : "ok", lost && call.f === "read" ? { ...call, value: null } : call);
      if (lost) processes[client] = process + processes.length;
    }
  }
  return events;
}

function check(file: string, jobs: number): { readonly code: number | null; readonly out: string } {
  const words = ["check", file, "--model", "register", "--jobs", String(jobs), "--json"];
  const { status, stdout } = spawnSync(process.execPath, [main, ...words], { cwd: home, encoding: "utf8" });
  return { code: status, out: stdout };
}

describe("a check with help", () => {
  it.each([
    ["valid", false, 0],
    ["invalid", true, 1],
  ])("says to the letter what one without says: %s", (validity, wrong, code) => {
    const events = history(16_000, wrong);
    const [checker] = checkersOf({ model: "register", conventions: { nilIsUnknown: false, init: null } });
    if (checker === undefined || !isDivisible(checker)) throw new Error("registers are judged apart");
    // Else nobody is asked.
    expect(checker.begin(new History(events), 200_000).open.length).toBeGreaterThan(1);
    writeFileSync(join(home, "history.jsonl"), events.map((event) => `${JSON.stringify(event)}\n`).join(""));
    const alone = check("history.jsonl", 1);
    expect(alone.code).toBe(code);
    expect(JSON.parse(alone.out)).toMatchObject({ validity });
    expect(check("history.jsonl", 2)).toEqual(alone);
  });
});
