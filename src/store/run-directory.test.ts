import { appendFileSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { journal } from "../history/formats/format.ts";
import type { Op } from "../history/op.ts";
import { parsePlan, UsageError } from "../plan.ts";
import { readHistory } from "./history-file.ts";
import { RunDirectory } from "./run-directory.ts";

const invoke: Op = { index: 0, time: 5, process: 0, type: "invoke", f: "read", value: null, key: "x" };
const ok: Op = { index: 1, time: 9, process: 0, type: "ok", f: "read", value: "é\u0000", key: "x" };

let store: string;
beforeEach(() => {
  store = mkdtempSync(join(tmpdir(), "faultline-store-"));
});
afterEach(() => {
  rmSync(store, { recursive: true });
});

const noon = new Date("2026-01-02T12:00:00Z");

describe("a run directory", () => {
  it("reads back what was written", () => {
    const run = RunDirectory.create(store, parsePlan({ seed: 7 }), noon);
    const journal = run.openJournal();
    journal.append(invoke);
    journal.append(ok);
    journal.close();
    const read = RunDirectory.open(join(store, "latest")).read();
    expect(read.plan.seed).toBe(7);
    expect(read.history.events).toEqual([invoke, ok]);
    expect(read.torn).toBe(false);
    expect(read.result).toBeUndefined();
  });

  it("may hold no operation if the run came to its end without any, as a shrunk one may", () => {
    const run = RunDirectory.create(store, parsePlan({}), noon);
    run.openJournal().close();
    expect(() => run.read()).toThrow(/holds no operations/);
    writeFileSync(run.file("result"), "{}");
    expect(run.read().history.events).toEqual([]);
  });

  it("never takes another run's place, and moves `latest`", () => {
    const first = RunDirectory.create(store, parsePlan({}), noon);
    const second = RunDirectory.create(store, parsePlan({}), noon);
    expect(second.path).not.toBe(first.path);
    expect(join(store, readlinkSync(join(store, "latest")))).toBe(second.path);
    first.openJournal().close();
    expect(() => first.openJournal()).toThrow(/EEXIST/);
  });

  it("is refused if it is something else, and left alone", () => {
    const file = join(store, "notes.txt");
    writeFileSync(file, "dear diary");
    expect(() => RunDirectory.open(file)).toThrow(UsageError);
    expect(() => RunDirectory.open(join(store, "nothing"))).toThrow(/no such run/);
    expect(readFileSync(file, "utf8")).toBe("dear diary");
  });
});

describe("a journal", () => {
  const path = (): string => join(store, "history.jsonl");
  const write = (...lines: string[]): void =>
    writeFileSync(path(), lines.map((line) => `${line}\n`).join(""));

  it("forgives a torn last line", () => {
    write(JSON.stringify(invoke));
    appendFileSync(path(), '{"index":1,"time":9,"pro');
    const { history, torn } = readHistory(path(), journal);
    expect(torn).toBe(true);
    expect(history.events).toEqual([invoke]);
  });

  it.each([
    ["a torn line in the middle", '{"index":1,"ti', /history\.jsonl:2: not JSON/],
    ["a foreign line", '{"ts":1,"level":"info"}', /history\.jsonl:2: an operation has an integer `index`/],
    ["an array", "[1,2]", /history\.jsonl:2: an operation is a JSON object/],
    [
      "an unknown type",
      JSON.stringify({ ...ok, type: "done" }),
      /history\.jsonl:2: `type` is invoke, ok, fail or info/,
    ],
    ["a completion of nothing", JSON.stringify({ ...ok, process: 3 }), /nothing is pending/],
  ])("names %s", (_, line, message) => {
    write(JSON.stringify(invoke), line, JSON.stringify({ ...ok, index: 2 }));
    expect(() => readHistory(path(), journal)).toThrow(message);
    expect(() => readHistory(path(), journal)).toThrow(UsageError);
  });

  it("without operations is no history", () => {
    writeFileSync(path(), "");
    expect(() => readHistory(path(), journal)).toThrow(/holds no operations/);
  });
});
