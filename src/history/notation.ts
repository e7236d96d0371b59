/**
 * Histories as text, for tests, examples and conversation. One event per line:
 *
 * ```
 * # a stale read
 *            0     invoke write(x) 1
 *            0     ok     write(x) 1
 *       12ms 1@n2  invoke read(x)
 *            1@n2  ok     read(x)
 *            2     invoke cas(x) [1, 2]
 *            2     info   cas(x) [1, 2] ! timeout
 *            nemesis invoke start-kill "leader"
 * ```
 *
 *     [TIME] PROCESS[@NODE] invoke|ok|fail|info FUNCTION[(KEY)] [VALUE] [! ERROR]
 *
 * - The index is not written: it is the position among the events. Blank lines and lines that begin with `#` do
 *   not count.
 * - TIME is a whole number with a unit (`ns`, `us`, `ms`, `s`); without it, as many milliseconds as the index.
 * - PROCESS is a number, or `nemesis`.
 * - FUNCTION, KEY and NODE are bare words, or JSON strings where they hold blanks or any of `()@"!`.
 * - VALUE is JSON; without it, null.
 * - ERROR is the rest of the line, or a JSON string; a `fail` or `info` needs one, the others must not have one.
 */
import { History } from "./history.ts";
import { type Json, type Nanos, NEMESIS, type Op, type Signature } from "./op.ts";

/** Thrown for text that does not follow the notation. */
export class NotationError extends Error {
  override readonly name = "NotationError";
  /** Counted from 1. */
  readonly line: number;
  constructor(line: number, expected: string, found: string) {
    super(
      `line ${line}: expected ${expected}, found ${found === "" ? "the end of the line" : JSON.stringify(found)}`,
    );
    this.line = line;
  }
}

/**
 * The history a text describes. That its calls and results belong to `S` is taken on trust. Throws `NotationError`
 * for malformed text, and `MalformedHistory` for events that do not make a history.
 */
export function parseHistory<S extends Signature = Signature>(text: string): History<S> {
  return new History(parseEvents<S>(text));
}

/** As `parseHistory`, for lists of events that need not make a history. */
export function parseEvents<S extends Signature = Signature>(text: string): readonly Op<S>[] {
  const events: Op[] = [];
  const lines = text.split("\n");
  for (let i = 0; i < lines.length; i++) {
    const line = (lines[i] as string).trim();
    if (line !== "" && !line.startsWith("#")) events.push(new Line(line, i + 1).event(events.length));
  }
  return events as unknown as readonly Op<S>[];
}

const UNITS: readonly (readonly [unit: string, nanos: Nanos])[] = [
  ["s", 1_000_000_000],
  ["ms", 1_000_000],
  ["us", 1_000],
  ["ns", 1],
];

function defaultTime(index: number): Nanos {
  return index * 1_000_000;
}

const TIME = /^(\d+)(ns|us|ms|s)(?=\s)/;
const PROCESS = /^(?:\d+|nemesis)(?=[\s@])/;
const TYPE = /^(?:invoke|ok|fail|info)(?=\s)/;
const WORD = /^[^\s()@"!]+/;
const STRING = /^"(?:[^"\\]|\\.)*"/;

/** A line, read from left to right. */
class Line {
  #rest: string;
  readonly #number: number;

  constructor(text: string, number: number) {
    this.#rest = text;
    this.#number = number;
  }

  event(index: number): Op {
    const [, amount, unit] = this.#take(TIME) ?? [];
    const nanos = UNITS.find(([name]) => name === unit)?.[1] ?? 0;
    const time = amount === undefined ? defaultTime(index) : Number(amount) * nanos;
    this.#blanks();
    const process = this.#must(PROCESS, "a process number or nemesis");
    const node = this.#rest.startsWith("@") ? this.#skip(1).#word("a node after @") : undefined;
    this.#blanks();
    const type = this.#must(TYPE, "invoke, ok, fail or info");
    this.#blanks();
    const f = this.#word("a function");
    let key: string | undefined;
    if (this.#rest.startsWith("(")) {
      key = this.#skip(1).#word("a key after (");
      if (!this.#rest.startsWith(")")) throw this.#expected(") after the key");
      this.#skip(1);
    }
    if (!/^(?:\s|$)/.test(this.#rest)) throw this.#expected("a blank after the function");
    this.#blanks();
    const value = this.#rest === "" || this.#rest.startsWith("!") ? null : this.#value();
    this.#blanks();
    const failed = type === "fail" || type === "info";
    if (failed && !this.#rest.startsWith("!")) throw this.#expected(`! and an error, as the type is ${type}`);
    if (!failed && this.#rest !== "") throw this.#expected("nothing more");
    return {
      index,
      time,
      process: process === "nemesis" ? NEMESIS : Number(process),
      type,
      f,
      value,
      ...(key === undefined ? {} : { key }),
      ...(node === undefined ? {} : { node }),
      ...(failed ? { error: this.#error() } : {}),
    } as Op;
  }

  #error(): string {
    this.#skip(1).#blanks();
    if (!this.#rest.startsWith('"')) return this.#rest;
    const error = this.#word("an error");
    if (this.#rest !== "") throw this.#expected("nothing after a quoted error");
    return error;
  }

  #word(what: string): string {
    const bare = this.#take(WORD)?.[0];
    if (bare !== undefined) return bare;
    const quoted = this.#take(STRING)?.[0];
    if (quoted === undefined) throw this.#expected(what);
    try {
      return JSON.parse(quoted) as string;
    } catch {
      throw new NotationError(this.#number, `${what}, quoted as in JSON`, quoted);
    }
  }

  #value(): Json {
    const end = endOfValue(this.#rest);
    const text = this.#rest.slice(0, end);
    try {
      const value = JSON.parse(text) as Json;
      this.#skip(end);
      return value;
    } catch {
      throw new NotationError(this.#number, "a JSON value", text);
    }
  }

  #must(pattern: RegExp, what: string): string {
    const found = this.#take(pattern)?.[0];
    if (found === undefined) throw this.#expected(what);
    return found;
  }

  #take(pattern: RegExp): RegExpExecArray | undefined {
    const match = pattern.exec(this.#rest);
    if (match === null) return undefined;
    this.#skip(match[0].length);
    return match;
  }

  #skip(length: number): this {
    this.#rest = this.#rest.slice(length);
    return this;
  }

  #blanks(): void {
    this.#rest = this.#rest.trimStart();
  }

  #expected(what: string): NotationError {
    return new NotationError(this.#number, what, this.#rest);
  }
}

/** Length of the JSON value a text begins with, if it begins with one. */
function endOfValue(text: string): number {
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const character = text[i] as string;
    if (quoted) {
      if (character === "\\") i++;
      else if (character === '"') quoted = false;
    } else if (character === '"') quoted = true;
    else if (character === "[" || character === "{") depth++;
    else if (character === "]" || character === "}") depth--;
    else if (depth === 0 && /\s/.test(character)) return i;
  }
  return text.length;
}

/** The text of a list of events, in columns. Indexes are not kept: they must count up from 0. */
export function printEvents<S extends Signature>(events: readonly Op<S>[]): string {
  const lines = (events as readonly Op[]).map((event) => {
    const who = event.process === NEMESIS ? "nemesis" : String(event.process);
    return {
      time: event.time === defaultTime(event.index) ? "" : printTime(event.time),
      who: event.node === undefined ? who : `${who}@${printWord(event.node)}`,
      rest: `${event.type.padEnd(6)} ${printCall(event)}`,
    };
  });
  const times = lines.reduce((most, { time }) => Math.max(most, time.length), 0);
  const names = lines.reduce((most, { who }) => Math.max(most, who.length), 0);
  const margin = times === 0 ? 0 : times + 1;
  return lines.map(({ time, who, rest }) => `${time.padEnd(margin)}${who.padEnd(names)} ${rest}\n`).join("");
}

/** The text of all events of a history. Not for the part of one key, whose indexes would be lost. */
export function printHistory<S extends Signature>(history: History<S>): string {
  return printEvents(history.events);
}

function printCall(event: Op): string {
  const key = event.key === undefined ? "" : `(${printWord(event.key)})`;
  const value = event.value === null ? "" : ` ${JSON.stringify(event.value)}`;
  const error = event.type === "fail" || event.type === "info" ? ` ! ${printError(event.error)}` : "";
  return `${printWord(event.f)}${key}${value}${error}`;
}

function printTime(time: Nanos): string {
  const [unit, nanos] = UNITS.find(([, size]) => time % size === 0) as (typeof UNITS)[number];
  return `${time / nanos}${unit}`;
}

function printWord(word: string): string {
  return WORD.exec(word)?.[0] === word ? word : JSON.stringify(word);
}

/** Quoted where the rest of a line would not give it back. */
function printError(error: string): string {
  const plain = error !== "" && error === error.trim() && !error.startsWith('"') && !/[\r\n]/.test(error);
  return plain ? error : JSON.stringify(error);
}
