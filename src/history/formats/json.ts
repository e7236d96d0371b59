/** JSON values one after another: one per line, or over many lines, or as the items of one array. */
import type { Json } from "../op.ts";
import { FormatError, type TextSource } from "./text-source.ts";

/** One value per line; blank lines do not count. Throws FormatError. */
export function* readJsonLines(source: TextSource): Generator<Json> {
  for (let line = source.nextLine(); line !== undefined; line = source.nextLine()) {
    if (line.trim() === "") continue;
    const value = parseJsonValue(line);
    if (value !== undefined) yield value;
    // A writer that died left part of a line, and no newline after it.
    else if (source.text[source.at - 1] === "\n") throw notJson(line);
    else source.torn = true;
  }
}

/** Values that may span lines, with or without an array around them. Throws FormatError. */
export function* readJsonValues(source: TextSource): Generator<Json> {
  let brackets = 0;
  for (;;) {
    const first = source.skip(BLANKS);
    if (first === undefined) break;
    if (first === "[" && brackets === 0) {
      brackets = 1;
      source.at++;
    } else if (first === "]" && brackets === 1) {
      brackets = 2;
      source.at++;
    } else if (brackets === 2) throw new FormatError(`unexpected ${first} after the end of the list`);
    else yield next(source);
  }
  if (brackets === 1) throw new FormatError("[ is never closed");
}

const BLANKS = /[\s,]*/y;
/** Digits of an integer that may be one a number cannot hold. */
const LONG = /\d{16}/;
const STRING_OR_LONG = /"(?:[^"\\]|\\.)*"|-?\d{16,}(?![\d.eE])/g;

function next(source: TextSource): Json {
  for (;;) {
    const end = endOfValue(source.text, source.at);
    if (end !== undefined && (end < source.text.length || !source.more())) {
      const text = source.text.slice(source.at, Math.max(end, source.at + 1));
      const value = parseJsonValue(text);
      if (value === undefined) throw notJson(text);
      source.at = end;
      return value;
    }
    if (end === undefined && !source.more())
      throw new FormatError(`${source.text[source.at]} is never closed`);
  }
}

/** Undefined for what is no JSON. Integers that a number cannot hold exactly become strings of digits. */
export function parseJsonValue(text: string): Json | undefined {
  try {
    return JSON.parse(LONG.test(text) ? text.replace(STRING_OR_LONG, quoted) : text) as Json;
  } catch {
    return undefined;
  }
}

function quoted(token: string): string {
  return token.startsWith('"') || Number.isSafeInteger(Number(token)) ? token : `"${token}"`;
}

/** Where the value at `from` ends; undefined if it goes on behind the text. */
function endOfValue(text: string, from: number): number | undefined {
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x22) {
      at = endOfString(text, at + 1);
      if (at < 0) return undefined;
      if (depth === 0) return at + 1;
    } else if (code === 0x7b || code === 0x5b) depth++;
    else if (code === 0x7d || code === 0x5d) {
      if (--depth <= 0) return depth < 0 ? at : at + 1;
    } else if (depth === 0 && (code === 0x2c || code <= 0x20)) return at;
  }
  return depth === 0 ? text.length : undefined;
}

/** Position of the quote that ends the string, or -1. */
function endOfString(text: string, from: number): number {
  for (let at = text.indexOf('"', from); at >= 0; at = text.indexOf('"', at + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(at - backslashes - 1) === 0x5c) backslashes++;
    if (backslashes % 2 === 0) return at;
  }
  return -1;
}

/** Shows the beginning of the text, in one line. */
export function notJson(text: string): FormatError {
  const line = text.trim().split("\n")[0] as string;
  return new FormatError(`not JSON: ${JSON.stringify(line.length > 60 ? `${line.slice(0, 60)}…` : line)}`);
}
