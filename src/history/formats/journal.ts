/**
 * Our own journal: one event as JSON per line, each exactly as the history has it.
 *
 * A journal has millions of lines of one shape, so they are read by a scanner for that shape, in a third of the time
 * that `JSON.parse` takes. It gives up at the first surprise, be it only a blank or a field in another place; such
 * lines are parsed as what they are, JSON.
 */
import type { Json, Op } from "../op.ts";
import { parseJsonLine, parseJsonValue } from "./json.ts";
import { detached, FormatError, type TextSource } from "./text-source.ts";

/** The events of a journal. Throws FormatError for what is not an event. */
export function* readJournal(source: TextSource): Generator<Op> {
  const scanner = new LineScanner();
  for (;;) {
    while (source.hasLine()) {
      const event = scanner.scan(source.text, source.at);
      if (event === undefined) break;
      source.begin(source.at);
      source.at = scanner.end;
      yield event;
    }
    const value = parseJsonLine(source);
    if (value === undefined) return;
    yield asOp(value);
  }
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

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;
const OPEN = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE = 0x5d;
const OPEN_MAP = 0x7b;
const CLOSE_MAP = 0x7d;
/** Digits of an integer that a number surely holds. */
const SAFE_DIGITS = 15;

interface ScannedEvent {
  index: number;
  time: number;
  process: number;
  type: Op["type"];
  f: string;
  value: Json;
  node: string | undefined;
  key: string | undefined;
  error: string | undefined;
}

/** Reads a line that looks as `JSON.stringify` makes it of an event of the driver. */
class LineScanner {
  #text = "";
  #at = 0;
  /** Words that were read before: the same string for the same word. */
  readonly #words = new Map<number, string>();
  /** Behind the newline of the line that was scanned. */
  end = 0;

  /** The event of the line that begins at `from`; undefined if it looks different. It must end in a newline. */
  scan(text: string, from: number): Op | undefined {
    this.#text = text;
    this.#at = from;
    if (!this.#skip('{"index":')) return undefined;
    const index = this.#integer();
    if (index === undefined || !this.#skip(',"time":')) return undefined;
    const time = this.#integer();
    if (time === undefined || !this.#skip(',"process":')) return undefined;
    const process = this.#integer();
    if (process === undefined) return undefined;
    if (!this.#skip(',"type":"')) return undefined;
    const type = this.#word();
    if (!TYPES.has(type) || !this.#skip(',"f":"')) return undefined;
    const f = this.#word();
    if (f === undefined || !this.#skip(',"value":')) return undefined;
    const value = this.#value();
    if (value === undefined) return undefined;
    const event: ScannedEvent = {
      index,
      time,
      process,
      type: type as Op["type"],
      f,
      value,
      node: undefined,
      key: undefined,
      error: undefined,
    };
    return this.#rest(event) ? (event as unknown as Op) : undefined;
  }

  #rest(event: ScannedEvent): boolean {
    while (this.#text.charCodeAt(this.#at) === COMMA) {
      const name = this.#skip(',"node":"')
        ? "node"
        : this.#skip(',"key":"')
          ? "key"
          : this.#skip(',"error":"')
            ? "error"
            : undefined;
      if (name === undefined) return false;
      const word = this.#word();
      if (word === undefined) return false;
      event[name] = word;
    }
    if (!this.#skip("}\n")) return false;
    this.end = this.#at;
    return true;
  }

  #skip(literal: string): boolean {
    const text = this.#text;
    const start = this.#at;
    // Faster than startsWith, which is a call out of compiled code.
    for (let i = 0; i < literal.length; i++)
      if (text.charCodeAt(start + i) !== literal.charCodeAt(i)) return false;
    this.#at = start + literal.length;
    return true;
  }

  #integer(): number | undefined {
    const text = this.#text;
    const negative = text.charCodeAt(this.#at) === MINUS;
    const start = negative ? this.#at + 1 : this.#at;
    let at = start;
    let value = 0;
    let code = text.charCodeAt(at);
    while (code >= ZERO && code <= NINE) {
      value = value * 10 + (code - ZERO);
      code = text.charCodeAt(++at);
    }
    // A fraction or exponent is a surprise like any other.
    if (at === start || at - start > SAFE_DIGITS || (code !== COMMA && code !== CLOSE_MAP)) return undefined;
    this.#at = at;
    return negative ? -value : value;
  }

  /** The rest of a string without escapes, and its quote. */
  #word(): string | undefined {
    const text = this.#text;
    const start = this.#at;
    let at = start;
    let hash = 0;
    for (;;) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) break;
      if (code === BACKSLASH || !(code >= 0x20)) return undefined;
      hash = (Math.imul(hash, 31) + code) | 0;
      at++;
    }
    this.#at = at + 1;
    const known = this.#words.get(hash);
    if (known !== undefined && known.length === at - start && text.startsWith(known, start)) return known;
    const word = detached(text.slice(start, at));
    if (this.#words.size < MOST_WORDS) this.#words.set(hash, word);
    return word;
  }

  #value(): Json | undefined {
    const code = this.#text.charCodeAt(this.#at);
    if (code === OPEN || code === OPEN_MAP) return this.#compound();
    if (code === QUOTE) {
      this.#at++;
      return this.#word();
    }
    if (this.#skip("null")) return null;
    if (this.#skip("true")) return true;
    if (this.#skip("false")) return false;
    return this.#integer();
  }

  #compound(): Json | undefined {
    const text = this.#text;
    const start = this.#at;
    let depth = 0;
    for (let at = start; ; at++) {
      const code = text.charCodeAt(at);
      if (code === OPEN || code === OPEN_MAP) depth++;
      else if (code === CLOSE || code === CLOSE_MAP) {
        if (--depth > 0) continue;
        this.#at = at + 1;
        return parseJsonValue(text.slice(start, at + 1));
      } else if (code === QUOTE) {
        do at++;
        while (text.charCodeAt(at) !== QUOTE && text.charCodeAt(at) !== BACKSLASH && at < text.length);
        if (text.charCodeAt(at) !== QUOTE) return undefined;
      } else if (!(code >= 0x20)) return undefined;
    }
  }
}

/** Keys may be as many as operations; what is no longer kept is made anew. */
const MOST_WORDS = 1 << 16;
