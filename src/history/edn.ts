/**
 * Reads EDN (edn-format.org), the notation of Clojure's data, in which Jepsen keeps its histories.
 *
 * What JSON lacks becomes what comes nearest: keywords, symbols and characters are strings (`:ok` is "ok"), lists,
 * vectors and sets are arrays, map keys are strings (others as their JSON text), tags are dropped.
 */
import type { Json } from "./op.ts";

/** Thrown for text that is not EDN. */
export class EdnError extends Error {
  override readonly name = "EdnError";
  /** Characters before the place where reading stopped. */
  readonly position: number;
  constructor(position: number, what: string) {
    super(`EDN, character ${position}: ${what}`);
    this.position = position;
  }
}

/** All values in `text`, one after another. Throws EdnError. */
export function parseEdn(text: string): readonly Json[] {
  return new Reader(text).all();
}

const CLOSING: { readonly [opening: string]: string } = { "(": ")", "[": "]", "{": "}" };
const CHARACTERS: { readonly [name: string]: string } = {
  newline: "\n",
  return: "\r",
  space: " ",
  tab: "\t",
};
const ESCAPES: { readonly [letter: string]: string } = { n: "\n", r: "\r", t: "\t", b: "\b", f: "\f" };
const BLANK = /(?:[\s,]|;[^\n]*)*/y;
const TOKEN = /[^\s,;"()[\]{}]+/y;
const STRING = /"((?:[^"\\]|\\[\s\S])*)"/y;
const NUMBER = /^[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?[NM]?$/;

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  all(): Json[] {
    const values: Json[] = [];
    while (this.#more()) values.push(this.#value());
    return values;
  }

  /** Skips blanks and discarded values; false at the end of the text. */
  #more(): boolean {
    this.#match(BLANK);
    while (this.#text.startsWith("#_", this.#at)) {
      this.#at += 2;
      if (!this.#more()) throw new EdnError(this.#at, "nothing to discard");
      this.#value();
      this.#match(BLANK);
    }
    return this.#at < this.#text.length;
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match !== null) this.#at = pattern.lastIndex;
    return match;
  }

  #value(): Json {
    const start = this.#at;
    const character = this.#text[start] as string;
    if (character === '"') return this.#string();
    if (character === "{") return object(this.#items("{"), start);
    if (character === "[" || character === "(") return this.#items(character);
    if (this.#text.startsWith("#{", start)) {
      this.#at++;
      return this.#items("{");
    }
    const token = this.#match(TOKEN)?.[0];
    if (token === undefined) throw new EdnError(start, `unexpected ${character}`);
    if (!token.startsWith("#")) return atom(token);
    if (!this.#more()) throw new EdnError(start, `the tag ${token} has no value`);
    return this.#value();
  }

  #string(): string {
    const match = this.#match(STRING);
    if (match === null) throw new EdnError(this.#at, "a string does not end");
    return (match[1] as string).replace(/\\(?:u([0-9a-fA-F]{4})|([\s\S]))/g, (_, code, letter) =>
      code === undefined ? (ESCAPES[letter] ?? letter) : String.fromCharCode(Number.parseInt(code, 16)),
    );
  }

  #items(opening: string): Json[] {
    const start = this.#at++;
    const closing = CLOSING[opening] as string;
    const items: Json[] = [];
    while (this.#more()) {
      if (this.#text[this.#at] === closing) {
        this.#at++;
        return items;
      }
      items.push(this.#value());
    }
    throw new EdnError(start, `${opening} is never closed`);
  }
}

function object(items: readonly Json[], start: number): Json {
  if (items.length % 2 !== 0) throw new EdnError(start, "a map has a key without a value");
  const entries: [string, Json][] = [];
  for (let i = 0; i < items.length; i += 2) {
    const key = items[i] as Json;
    entries.push([typeof key === "string" ? key : JSON.stringify(key), items[i + 1] as Json]);
  }
  return Object.fromEntries(entries);
}

function atom(token: string): Json {
  if (token === "nil") return null;
  if (token === "true" || token === "false") return token === "true";
  if (token.startsWith(":")) return token.slice(1);
  if (token.startsWith("\\")) return CHARACTERS[token.slice(1)] ?? token.slice(1);
  return NUMBER.test(token) ? Number(token.replace(/[NM]$/, "")) : token;
}
