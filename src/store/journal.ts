/**
 * The journal: a history on disk, one JSON value per line, in order.
 *
 * Each line is handed to the operating system before the driver goes on, so a tester that dies at any moment, even
 * by SIGKILL, leaves every invocation it sent. Only the machine losing power can take the tail.
 */
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { History } from "../history/history.ts";
import type { Op } from "../history/op.ts";
import { UsageError } from "../plan.ts";

export class Journal {
  readonly #descriptor: number;

  /** Creates the file; throws if it exists, for a journal is never overwritten. */
  constructor(path: string) {
    this.#descriptor = openSync(path, "wx");
  }

  append(event: Op): void {
    writeSync(this.#descriptor, `${JSON.stringify(event)}\n`);
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

/** One JSON value per line of a file; a torn last line (no newline) is dropped, and said so. */
export function* jsonLines(
  path: string,
): Generator<{ readonly line: number; readonly value: unknown }, { readonly torn: boolean }> {
  const bytes = readFileSync(path);
  let start = 0;
  let line = 0;
  while (start < bytes.length) {
    const end = bytes.indexOf(10, start);
    if (end < 0) return { torn: true };
    line++;
    const text = bytes.toString("utf8", start, end);
    start = end + 1;
    if (text === "") continue;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw new UsageError(`${path}:${line}: not JSON; a journal has one operation per line`);
    }
    yield { line, value };
  }
  return { torn: false };
}

/** Reads a journal back. Throws UsageError naming the line of the first thing that is not an operation. */
export function readJournal(path: string): { readonly history: History; readonly torn: boolean } {
  const events: Op[] = [];
  const lines = jsonLines(path);
  for (;;) {
    const next = lines.next();
    if (next.done === true) {
      if (events.length === 0) throw new UsageError(`${path}: holds no operations`);
      return { history: buildHistory(events, path), torn: next.value.torn };
    }
    events.push(asOp(next.value.value, path, next.value.line));
  }
}

function buildHistory(events: readonly Op[], path: string): History {
  try {
    return new History(events);
  } catch (error) {
    throw new UsageError(`${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

const TYPES = new Set(["invoke", "ok", "fail", "info"]);

function asOp(value: unknown, path: string, line: number): Op {
  const bad = (what: string): never => {
    throw new UsageError(`${path}:${line}: ${what}`);
  };
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return bad("an operation is a JSON object");
  const op = value as { readonly [field: string]: unknown };
  if (!Number.isSafeInteger(op["index"])) return bad("an operation has an integer `index`");
  if (!Number.isSafeInteger(op["time"])) return bad("an operation has an integer `time` in nanoseconds");
  if (!Number.isSafeInteger(op["process"])) return bad("an operation has an integer `process`");
  if (typeof op["f"] !== "string") return bad("an operation has a function name `f`");
  if (typeof op["type"] !== "string" || !TYPES.has(op["type"]))
    return bad("`type` is invoke, ok, fail or info");
  if (!("value" in op)) return bad("an operation has a `value`");
  return value as Op;
}
