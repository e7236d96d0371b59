/**
 * Lines of a journal, from bytes straight into columns.
 *
 * A journal has millions of lines of one shape, which need neither text nor objects. The scanner knows that shape and
 * gives up at the first surprise, be it only a blank, an escape or a field in another place: such lines are left to
 * whoever parses them as what they are, JSON.
 */
import { type ColumnsBuilder, NONE } from "../columns.ts";
import type { Op } from "../op.ts";
import type { Values } from "../values.ts";

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const OPEN = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE = 0x5d;
const OPEN_MAP = 0x7b;
const CLOSE_MAP = 0x7d;
/** Digits of an integer that a number surely holds. */
const SAFE_DIGITS = 15;
/** Lists in lists. */
const MOST_DEPTH = 100;

const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));

const INDEX = bytesOf('{"index":');
const TIME = bytesOf(',"time":');
const PROCESS = bytesOf(',"process":');
const TYPE = bytesOf(',"type":"');
const FUNCTION = bytesOf(',"f":"');
const VALUE = bytesOf(',"value":');
const NODE = bytesOf(',"node":"');
const KEY = bytesOf(',"key":"');
const ERROR = bytesOf(',"error":"');
const END = bytesOf("}\n");
const NULL = bytesOf("null");
const TRUE = bytesOf("true");
const FALSE = bytesOf("false");

/** A surprise, in place of a number or of a code. */
const STRANGE = Number.NaN;

export class JournalScanner {
  readonly #builder: ColumnsBuilder;
  readonly #values: Values;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  readonly #types = new Words();
  readonly #functions = new Words();
  readonly #nodes = new Words();
  readonly #keys = new Words();
  readonly #errors = new Words();
  readonly #strings = new Words();
  readonly #fields = new Words();
  /** Codes of the items of the lists that are being read, and below them the names of fields. */
  readonly #stack: number[] = [];

  constructor(builder: ColumnsBuilder) {
    this.#builder = builder;
    this.#values = builder.values;
  }

  /**
   * Adds the event of the line that begins at `from` and gives where the next one begins; `NONE`, and nothing is added,
   * if it looks different or has no newline. Throws MalformedHistory.
   */
  scan(bytes: Uint8Array, from: number): number {
    this.#bytes = bytes;
    this.#at = from;
    if (!this.#skip(INDEX)) return NONE;
    const index = this.#integer();
    if (!this.#skip(TIME)) return NONE;
    const time = this.#integer();
    if (!this.#skip(PROCESS)) return NONE;
    const process = this.#integer();
    // The nemesis has few events, and they are kept as they are.
    if (Number.isNaN(index + time) || !(process >= 0) || !this.#skip(TYPE)) return NONE;
    const type = this.#word(this.#types);
    if (type === undefined || !this.#skip(FUNCTION)) return NONE;
    const f = this.#word(this.#functions);
    if (f === undefined || !this.#skip(VALUE)) return NONE;
    const value = this.#value(0);
    if (Number.isNaN(value)) return NONE;
    let node: string | undefined;
    let key: string | undefined;
    let error: string | undefined;
    while (bytes[this.#at] === COMMA) {
      if (node === undefined && this.#skip(NODE)) node = this.#word(this.#nodes);
      else if (key === undefined && this.#skip(KEY)) key = this.#word(this.#keys);
      else if (error === undefined && this.#skip(ERROR)) error = this.#word(this.#errors);
      else return NONE;
    }
    if (!this.#skip(END)) return NONE;
    if (!isType(type) || (error !== undefined) !== (type === "fail" || type === "info")) return NONE;
    this.#builder.addCoded(index, time, process, type, f, value, key, node, error);
    return this.#at;
  }

  #skip(literal: Uint8Array): boolean {
    const bytes = this.#bytes;
    const start = this.#at;
    for (let i = 0; i < literal.length; i++) if (bytes[start + i] !== literal[i]) return false;
    this.#at = start + literal.length;
    return true;
  }

  #integer(): number {
    const bytes = this.#bytes;
    const negative = bytes[this.#at] === MINUS;
    const start = negative ? this.#at + 1 : this.#at;
    let at = start;
    let value = 0;
    let code = bytes[at] as number;
    while (code >= ZERO && code <= NINE) {
      value = value * 10 + (code - ZERO);
      code = bytes[++at] as number;
    }
    const digits = at - start;
    // A fraction or an exponent is a surprise like any other, and so are zeros in front.
    if (digits === 0 || digits > SAFE_DIGITS || (digits > 1 && bytes[start] === ZERO)) return STRANGE;
    if (code !== COMMA && code !== CLOSE_MAP && code !== CLOSE) return STRANGE;
    this.#at = at;
    return negative ? -value : value;
  }

  /** The rest of a string of plain characters, and its quote. */
  #word(words: Words): string | undefined {
    const bytes = this.#bytes;
    const start = this.#at;
    let at = start;
    let hash = 0;
    for (;;) {
      const code = bytes[at] as number;
      if (code === QUOTE) break;
      if (code === BACKSLASH || !(code >= 0x20 && code < 0x80)) return undefined;
      hash = (Math.imul(hash, 31) + code) | 0;
      at++;
    }
    this.#at = at + 1;
    return words.text(bytes, start, at, hash);
  }

  /** The code of a value, or `STRANGE`. */
  #value(depth: number): number {
    const code = this.#bytes[this.#at];
    switch (code) {
      case QUOTE: {
        this.#at++;
        const word = this.#word(this.#strings);
        return word === undefined ? STRANGE : this.#values.encode(word);
      }
      case OPEN:
        return this.#list(depth);
      case OPEN_MAP:
        return this.#record(depth);
      case NULL[0]:
        return this.#skip(NULL) ? this.#values.encode(null) : STRANGE;
      case TRUE[0]:
        return this.#skip(TRUE) ? this.#values.encode(true) : STRANGE;
      case FALSE[0]:
        return this.#skip(FALSE) ? this.#values.encode(false) : STRANGE;
      default: {
        const number = this.#integer();
        return Number.isNaN(number) ? STRANGE : this.#values.encode(number);
      }
    }
  }

  #list(depth: number): number {
    if (depth === MOST_DEPTH) return STRANGE;
    const stack = this.#stack;
    const base = stack.length;
    this.#at++;
    if (this.#bytes[this.#at] === CLOSE) {
      this.#at++;
      return this.#values.list(stack, base);
    }
    for (;;) {
      const item = this.#value(depth + 1);
      if (Number.isNaN(item)) return this.#strange(base);
      stack.push(item);
      const code = this.#bytes[this.#at++];
      if (code === CLOSE) break;
      if (code !== COMMA) return this.#strange(base);
    }
    const list = this.#values.list(stack, base);
    stack.length = base;
    return list;
  }

  #record(depth: number): number {
    if (depth === MOST_DEPTH) return STRANGE;
    const stack = this.#stack;
    const base = stack.length;
    let shape = this.#values.emptyShape;
    this.#at++;
    if (this.#bytes[this.#at] === CLOSE_MAP) return STRANGE;
    for (;;) {
      if (this.#bytes[this.#at++] !== QUOTE) return this.#strange(base);
      const name = this.#word(this.#fields);
      if (name === undefined || this.#bytes[this.#at++] !== COLON) return this.#strange(base);
      const wider = shape.with(name);
      if (wider === undefined) return this.#strange(base);
      shape = wider;
      const item = this.#value(depth + 1);
      if (Number.isNaN(item)) return this.#strange(base);
      stack.push(item);
      const code = this.#bytes[this.#at++];
      if (code === CLOSE_MAP) break;
      if (code !== COMMA) return this.#strange(base);
    }
    const record = this.#values.record(shape, stack, base);
    stack.length = base;
    return record;
  }

  #strange(base: number): number {
    this.#stack.length = base;
    return STRANGE;
  }
}

function isType(word: string): word is Op["type"] {
  return word === "invoke" || word === "ok" || word === "fail" || word === "info";
}

/** Slots of words; a power of two. What finds its slot taken takes it over. */
const SLOTS = 1 << 14;

/** Strings that were made before, by their bytes. */
class Words {
  readonly #known: string[] = new Array(SLOTS).fill("");

  text(bytes: Uint8Array, from: number, to: number, hash: number): string {
    const slot = (hash ^ (hash >>> 14)) & (SLOTS - 1);
    const known = this.#known[slot] as string;
    if (known.length === to - from) {
      let same = 0;
      while (from + same < to && known.charCodeAt(same) === bytes[from + same]) same++;
      if (from + same === to) return known;
    }
    const text = textOf(bytes, from, to);
    this.#known[slot] = text;
    return text;
  }
}

/** Characters that a function takes as arguments. */
const MOST_ARGUMENTS = 1 << 12;

/** Of bytes that are characters each. */
function textOf(bytes: Uint8Array, from: number, to: number): string {
  let text = "";
  for (let at = from; at < to; at += MOST_ARGUMENTS)
    text += String.fromCharCode.apply(null, bytes.subarray(at, Math.min(to, at + MOST_ARGUMENTS)) as never);
  return text;
}
