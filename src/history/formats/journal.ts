/**
 * Our own journal: one event as JSON per line, each exactly as the history has it.
 *
 * It is read from bytes. The scanner takes the lines that look as the driver writes them, in a fraction of the time
 * that `JSON.parse` takes; the others are parsed as what they are, JSON.
 */
import { ColumnsBuilder, NONE } from "../columns.ts";
import { History } from "../history.ts";
import type { Json, Op } from "../op.ts";
import { JournalScanner } from "./journal-scanner.ts";
import { notJson, parseJsonValue } from "./json.ts";
import { FormatError, type TextSource } from "./text-source.ts";

const NEWLINE = 10;

/** Reads one journal, from pieces of bytes that may end anywhere. */
export class JournalReader {
  readonly #pieces: Iterable<Uint8Array>;
  readonly #decoder = new TextDecoder();
  /** Number of the line, from 1, that was read last. */
  line = 0;
  /** Whether the last line is cut off: its writer died there. */
  torn = false;

  constructor(pieces: Iterable<Uint8Array>) {
    this.#pieces = pieces;
  }

  /** To be called once. Throws FormatError for what is not an event, and MalformedHistory; `line` then says where. */
  history(): History {
    const builder = new ColumnsBuilder();
    const scanner = new JournalScanner(builder);
    for (const block of wholeLines(this.#pieces))
      for (let at = 0; at < block.length; ) {
        this.line++;
        const next = scanner.scan(block, at);
        if (next !== NONE) {
          at = next;
          continue;
        }
        const newline = block.indexOf(NEWLINE, at);
        const end = newline < 0 ? block.length : newline;
        const event = this.#parsed(this.#decoder.decode(block.subarray(at, end)), newline >= 0);
        if (event !== undefined) builder.add(event);
        at = end + 1;
      }
    return new History(builder.build());
  }

  /** Undefined for what is no line. */
  #parsed(line: string, whole: boolean): Op | undefined {
    if (line.trim() === "") return undefined;
    const value = parseJsonValue(line);
    if (value !== undefined) return asOp(value);
    if (whole) throw notJson(line);
    this.torn = true;
    return undefined;
  }
}

/** The history in a journal that is text. */
export function journalIn(source: TextSource): History {
  const reader = new JournalReader(encoded(source));
  const history = reader.history();
  source.torn = reader.torn;
  return history;
}

function* encoded(source: TextSource): Generator<Uint8Array> {
  const encoder = new TextEncoder();
  do {
    const text = source.text.slice(source.at);
    // Half of a character waits for the other half.
    const end = /[\ud800-\udbff]$/.test(text) ? text.length - 1 : text.length;
    source.at += end;
    yield encoder.encode(text.slice(0, end));
  } while (source.more());
}

/** The same bytes in blocks that end with a line; only the last may not. */
function* wholeLines(pieces: Iterable<Uint8Array>): Generator<Uint8Array> {
  let held: Uint8Array[] = [];
  for (const piece of pieces) {
    const end = piece.lastIndexOf(NEWLINE) + 1;
    if (end === 0) {
      // Whose bytes they are may write others there.
      held.push(new Uint8Array(piece));
      continue;
    }
    yield held.length === 0 ? piece.subarray(0, end) : joined([...held, piece.subarray(0, end)]);
    held = end === piece.length ? [] : [new Uint8Array(piece.subarray(end))];
  }
  if (held.length > 0) yield joined(held);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const TYPES = new Set<unknown>(["invoke", "ok", "fail", "info"]);

function asOp(value: Json): Op {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new FormatError("an operation is a JSON object");
  const { index, time, process, f, type } = value as { readonly [field: string]: Json };
  if (!Number.isSafeInteger(index)) throw new FormatError("an operation has an integer `index`");
  if (!Number.isSafeInteger(time)) throw new FormatError("an operation has an integer `time` in nanoseconds");
  if (!Number.isSafeInteger(process)) throw new FormatError("an operation has an integer `process`");
  if (typeof f !== "string") throw new FormatError("an operation has a function name `f`");
  if (!TYPES.has(type)) throw new FormatError("`type` is invoke, ok, fail or info");
  if (!("value" in value)) throw new FormatError("an operation has a `value`");
  return value as unknown as Op;
}
