/**
 * Reads EDN (edn-format.org), the notation of Clojure's data, in which Jepsen keeps its histories.
 *
 * What JSON lacks becomes what comes nearest: keywords, symbols and characters are strings (`:ok` is "ok"), lists,
 * vectors and sets are arrays, map keys are strings (others as their JSON text), tags are dropped, integers that a
 * number cannot hold exactly are strings of digits.
 */
import type { Json } from "../op.ts";
import { detached, END_OF_TEXT, FormatError, TextSource } from "./text-source.ts";

/** All values in `text`, one after another. Throws FormatError. */
export function parseEdn(text: string): readonly Json[] {
  return [...readEdn(new TextSource([text]))];
}

/**
 * The values of a text, as it comes. A vector or list at the very beginning is taken for the file's own brackets:
 * with `unwrap`, its items are the values. Throws FormatError.
 */
export function* readEdn(source: TextSource, unwrap = false): Generator<Json> {
  const reader = new Reader(source);
  let closing = unwrap ? reader.enter() : undefined;
  for (;;) {
    const value = reader.next(closing);
    if (value !== undefined) yield value;
    else if (closing === undefined) return;
    else closing = undefined;
  }
}

const BLANK = 1;
const DELIMITER = 2;
/** By character code: what ends a token. */
const KIND = new Uint8Array(128);
for (const character of " \t\n\r\f\v,") KIND[character.charCodeAt(0)] = BLANK;
for (const character of ';"()[]{}') KIND[character.charCodeAt(0)] = DELIMITER;

const QUOTE = 0x22;
const HASH = 0x23;
const OPEN_LIST = 0x28;
const CLOSE_LIST = 0x29;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const SEMICOLON = 0x3b;
const OPEN_VECTOR = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_VECTOR = 0x5d;
const UNDERSCORE = 0x5f;
const OPEN_MAP = 0x7b;
const CLOSE_MAP = 0x7d;

const CHARACTERS: { readonly [name: string]: string } = {
  newline: "\n",
  return: "\r",
  space: " ",
  tab: "\t",
};
const ESCAPES: { readonly [letter: string]: string } = { n: "\n", r: "\r", t: "\t", b: "\b", f: "\f" };
const ESCAPE = /\\(?:u([0-9a-fA-F]{4})|([\s\S]))/g;
const NUMBER = /^[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?[NM]?$/;
const INTEGER = /^[+-]?\d+N?$/;
/** Digits that surely make an integer a number can hold. */
const SAFE_DIGITS = 15;
/** Words that were read are kept, as a history has few that differ. A power of two. */
const WORDS = 1 << 10;

class Reader {
  readonly #source: TextSource;
  readonly #words: string[] = new Array(WORDS).fill("");
  /** Items of the lists that are being read: a list that is cut out of it is no larger than it must be. */
  readonly #stack: Json[] = [];
  #top = 0;
  #text: string;
  #at: number;

  constructor(source: TextSource) {
    this.#source = source;
    this.#text = source.text;
    this.#at = source.at;
  }

  /** Steps into a vector or list that begins the text; the bracket that will close it. */
  enter(): number | undefined {
    const opening = this.#retry(() => (this.#more() ? this.#code() : undefined));
    const closing = closingOf(opening);
    if (closing === undefined) return undefined;
    this.#source.at = ++this.#at;
    return closing;
  }

  /** The next value; undefined at the end of the text, or at `closing`, which is then behind it. */
  next(closing: number | undefined): Json | undefined {
    return this.#retry(() => {
      if (!this.#more()) {
        if (closing === undefined) return undefined;
        throw new FormatError(`${String.fromCharCode(opening(closing))} is never closed`);
      }
      this.#source.begin(this.#at);
      if (this.#code() !== closing) return this.#value();
      this.#at++;
      return undefined;
    });
  }

  /** Reads once more with more text behind it, if a value did not end with the text that had come. */
  #retry<T>(read: () => T): T {
    for (;;) {
      this.#text = this.#source.text;
      this.#at = this.#source.at;
      this.#top = 0;
      try {
        const result = read();
        // A token that ends with the text may go on in the next piece.
        if (this.#at < this.#text.length || !this.#source.more()) {
          this.#source.at = this.#at;
          return result;
        }
      } catch (error) {
        if (this.#at < this.#text.length || !this.#source.more()) throw error;
      }
    }
  }

  #code(): number {
    return this.#text.charCodeAt(this.#at);
  }

  /** Skips blanks, comments and discarded values; false at the end of the text. */
  #more(): boolean {
    const text = this.#text;
    for (;;) {
      const code = text.charCodeAt(this.#at);
      if (Number.isNaN(code)) return false;
      if (code < 128 ? KIND[code] === BLANK : isWideBlank(code)) this.#at++;
      else if (code === SEMICOLON) {
        const end = text.indexOf("\n", this.#at);
        this.#at = end < 0 ? text.length : end;
      } else if (code === HASH && text.charCodeAt(this.#at + 1) === UNDERSCORE) {
        this.#at += 2;
        if (!this.#more()) throw new FormatError("nothing to discard");
        this.#value();
      } else return true;
    }
  }

  #value(): Json {
    const code = this.#code();
    if (code === COLON) {
      this.#at++;
      return this.#word();
    }
    if (code >= ZERO && code <= NINE) return this.#natural();
    switch (code) {
      case OPEN_MAP:
        return this.#map();
      case OPEN_VECTOR:
        return this.#items(CLOSE_VECTOR);
      case OPEN_LIST:
        return this.#items(CLOSE_LIST);
      case QUOTE:
        return this.#string();
      case HASH:
        return this.#tagged();
      case BACKSLASH:
        return this.#character();
      default:
        return this.#atom();
    }
  }

  /** What is left of a word up to its end: the same string for the same word, mostly. */
  #word(): string {
    const text = this.#text;
    const start = this.#at;
    let end = start;
    let hash = 0;
    for (;;) {
      const code = text.charCodeAt(end);
      if (code < 128 ? KIND[code] !== 0 : Number.isNaN(code) || isWideBlank(code)) break;
      hash = (Math.imul(hash, 31) + code) | 0;
      end++;
    }
    this.#at = end;
    const slot = (hash ^ (hash >>> 15)) & (WORDS - 1);
    const known = this.#words[slot] as string;
    if (known.length === end - start && text.startsWith(known, start)) return known;
    const word = detached(text.slice(start, end));
    this.#words[slot] = word;
    return word;
  }

  /** A number that begins with a digit; most are short integers. */
  #natural(): Json {
    const text = this.#text;
    const start = this.#at;
    let at = start;
    let value = 0;
    let code = text.charCodeAt(at);
    while (code >= ZERO && code <= NINE) {
      value = value * 10 + (code - ZERO);
      code = text.charCodeAt(++at);
    }
    const ends = code < 128 ? KIND[code] !== 0 : Number.isNaN(code);
    if (!ends || at - start > SAFE_DIGITS) return this.#atom();
    this.#at = at;
    return value;
  }

  #atom(): Json {
    const token = this.#word();
    if (token === "") throw new FormatError(`unexpected ${this.#text[this.#at] ?? END_OF_TEXT}`);
    if (token === "nil") return null;
    if (token === "true" || token === "false") return token === "true";
    if (!NUMBER.test(token)) return token;
    const digits = token.replace(/[NM]$/, "");
    const number = Number(digits);
    return INTEGER.test(token) && !Number.isSafeInteger(number) ? digits.replace(/^\+/, "") : number;
  }

  #character(): string {
    this.#at++;
    const first = this.#text[this.#at] ?? "";
    const name = this.#word();
    if (name !== "") return CHARACTERS[name] ?? name;
    this.#at++;
    return first;
  }

  #string(): string {
    const text = this.#text;
    const start = this.#at + 1;
    let end = text.indexOf('"', start);
    while (end >= 0 && isEscaped(text, start, end)) end = text.indexOf('"', end + 1);
    if (end < 0) {
      this.#at = text.length;
      throw new FormatError("a string does not end");
    }
    this.#at = end + 1;
    const raw = text.slice(start, end);
    if (!raw.includes("\\")) return detached(raw);
    return raw.replace(ESCAPE, (_, code, letter) =>
      code === undefined ? (ESCAPES[letter] ?? letter) : String.fromCharCode(Number.parseInt(code, 16)),
    );
  }

  #tagged(): Json {
    if (this.#text.charCodeAt(this.#at + 1) === OPEN_MAP) {
      this.#at++;
      return this.#items(CLOSE_MAP);
    }
    const tag = this.#word();
    if (!this.#more()) throw new FormatError(`the tag ${tag} has no value`);
    return this.#value();
  }

  #items(closing: number): Json[] {
    this.#at++;
    const base = this.#top;
    while (this.#more()) {
      if (this.#code() === closing) {
        this.#at++;
        const items = this.#stack.slice(base, this.#top);
        this.#top = base;
        return items;
      }
      const item = this.#value();
      this.#stack[this.#top++] = item;
    }
    throw new FormatError(`${String.fromCharCode(opening(closing))} is never closed`);
  }

  #map(): Json {
    this.#at++;
    const map: { [key: string]: Json } = {};
    while (this.#more()) {
      if (this.#code() === CLOSE_MAP) {
        this.#at++;
        return map;
      }
      const key = this.#value();
      if (!this.#more()) break;
      if (this.#code() === CLOSE_MAP) throw new FormatError("a map has a key without a value");
      const name = typeof key === "string" ? key : JSON.stringify(key);
      const value = this.#value();
      if (name === "__proto__") Object.defineProperty(map, name, { value, enumerable: true });
      else map[name] = value;
    }
    throw new FormatError("{ is never closed");
  }
}

function closingOf(code: number | undefined): number | undefined {
  return code === OPEN_VECTOR ? CLOSE_VECTOR : code === OPEN_LIST ? CLOSE_LIST : undefined;
}

function opening(closing: number): number {
  return closing === CLOSE_LIST ? OPEN_LIST : closing === CLOSE_MAP ? OPEN_MAP : OPEN_VECTOR;
}

/** Blanks beyond ASCII. */
function isWideBlank(code: number): boolean {
  return code === 0xa0 || code === 0xfeff || (code >= 0x2000 && code <= 0x200a) || code === 0x3000;
}

/** Whether an odd number of backslashes stands before `at`. */
function isEscaped(text: string, start: number, at: number): boolean {
  let backslashes = 0;
  while (at - backslashes > start && text.charCodeAt(at - backslashes - 1) === BACKSLASH) backslashes++;
  return backslashes % 2 === 1;
}
