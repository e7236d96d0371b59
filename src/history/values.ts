/**
 * Json values as numbers. Lists are kept as numbers, too: a million transactions are a few large arrays instead of
 * tens of millions of objects, which every collection of garbage would walk through.
 */
import type { Json } from "./op.ts";

/** Lists begin at multiples of so many numbers: four are one step of a transaction. */
const CELL = 4;
/** Cells of a block, as a power of two. A longer list has a block of its own. */
const BLOCK = 18;
const CELLS = 1 << BLOCK;
/** Cells that the first block begins with. */
const FIRST = 1 << 8;
/** Blocks that codes can tell apart. */
const BLOCKS = 1 << (30 - BLOCK);

/** At most so many shapes of records; objects of yet others are kept. */
const MOST_SHAPES = 1 << 10;
const MOST_FIELDS = 64;

/** The names of the fields of a record, in their order. */
export class Shape {
  readonly names: readonly string[];
  readonly number: number;
  readonly #all: Shape[];
  readonly #wider = new Map<string, Shape>();

  /** Adds itself to `all`. */
  constructor(names: readonly string[], all: Shape[]) {
    this.names = names;
    this.number = all.push(this) - 1;
    this.#all = all;
  }

  /** With one field more; undefined if there are too many, or the name has a meaning of its own or is there already. */
  with(name: string): Shape | undefined {
    const known = this.#wider.get(name);
    if (known !== undefined) return known;
    const full = this.#all.length === MOST_SHAPES || this.names.length === MOST_FIELDS;
    if (full || name === "__proto__" || this.names.includes(name)) return undefined;
    const wider = new Shape([...this.names, name], this.#all);
    this.#wider.set(name, wider);
    return wider;
  }
}

/**
 * Scalars are equal exactly if their codes are. Lists and objects are not compared, so equal ones have different
 * codes; what is decoded from them is not the value that was encoded, but equal to it.
 *
 * A code that is even is a small integer, doubled. Of the others the lowest two bits are 01 for what is kept as it
 * is, and 11 for lists and records; the rest says where. A record is a list of what is in its fields.
 */
export class Values {
  readonly #kept: Json[] = [null, false, true];
  readonly #strings = new Map<string, number>();
  readonly #numbers = new Map<number, number>();
  /** Of a list, how many items it has, or of a record, the complement of its shape; and then the codes in it. */
  readonly #blocks: Int32Array[] = [];
  readonly #shapes: Shape[] = [];
  /** That of a record without fields, from which all others follow. */
  readonly emptyShape = new Shape([], this.#shapes);
  /** The next cell that is free, of the last block. */
  #free = CELLS;

  /** Throws RangeError when lists need more than 16 GB. */
  encode(value: Json): number {
    switch (typeof value) {
      case "number": {
        const small = (value << 1) >> 1;
        return small === value ? value << 1 : this.#interned(this.#numbers, value);
      }
      case "string":
        return this.#interned(this.#strings, value);
      case "boolean":
        return value ? 9 : 5;
      default:
        if (value === null) return 1;
        return Array.isArray(value) ? this.#list(value) : this.#keep(value);
    }
  }

  decode(code: number): Json {
    if ((code & 1) === 0) return code >> 1;
    if ((code & 2) === 0) return this.#kept[code >>> 2] as Json;
    const block = this.#block(code);
    const at = offset(code);
    const header = block[at] as number;
    if (header < 0) return this.#fields(this.#shapes[~header] as Shape, block, at + 1);
    const list: Json[] = [];
    const end = at + 1 + header;
    for (let i = at + 1; i < end; i++) list.push(this.decode(block[i] as number));
    return list;
  }

  #fields({ names }: Shape, block: Int32Array, from: number): Json {
    const record: { [field: string]: Json } = {};
    for (let i = 0; i < names.length; i++)
      record[names[i] as string] = this.decode(block[from + i] as number);
    return record;
  }

  /** Whether codes tell equality. */
  isScalar(code: number): boolean {
    if ((code & 1) === 0) return true;
    if ((code & 2) !== 0) return false;
    const kept = this.#kept[code >>> 2];
    return typeof kept !== "object" || kept === null;
  }

  /** The code of a text, or undefined if it is not here. */
  codeOf(text: string): number | undefined {
    return this.#strings.get(text);
  }

  /** How many items a list has; undefined if the code is of something else. */
  length(code: number): number | undefined {
    if ((code & 3) !== 3) return undefined;
    const header = this.#block(code)[offset(code)] as number;
    return header < 0 ? undefined : header;
  }

  /** The code of item `i` of a list. There is no check that it has so many. */
  item(code: number, i: number): number {
    return this.#block(code)[offset(code) + 1 + i] as number;
  }

  /** The code of a list of the items whose codes are those of `codes` from `from` on. */
  list(codes: readonly number[], from: number): number {
    return this.#taken(codes.length - from, codes, from);
  }

  /** The code of an object with the fields of a shape, whose codes are those of `codes` from `from` on. */
  record(shape: Shape, codes: readonly number[], from: number): number {
    return this.#taken(~shape.number, codes, from);
  }

  #taken(header: number, codes: readonly number[], from: number): number {
    const cell = this.#take(Math.ceil((codes.length - from + 1) / CELL));
    const number = this.#blocks.length - 1;
    const block = this.#blocks[number] as Int32Array;
    const at = cell * CELL;
    block[at] = header;
    for (let i = from; i < codes.length; i++) block[at + 1 + i - from] = codes[i] as number;
    return (((number << BLOCK) | cell) << 2) | 3;
  }

  #block(code: number): Int32Array {
    return this.#blocks[code >>> (2 + BLOCK)] as Int32Array;
  }

  #list(items: readonly Json[]): number {
    const cell = this.#take(Math.ceil((items.length + 1) / CELL));
    const number = this.#blocks.length - 1;
    const at = cell * CELL;
    (this.#blocks[number] as Int32Array)[at] = items.length;
    for (let i = 0; i < items.length; i++) {
      // Lists among the items take cells behind, perhaps of a block that is extended for them.
      const code = this.encode(items[i] as Json);
      (this.#blocks[number] as Int32Array)[at + 1 + i] = code;
    }
    return (((number << BLOCK) | cell) << 2) | 3;
  }

  /** The first of so many cells in a row, of the last block. */
  #take(cells: number): number {
    const last = this.#blocks.length - 1;
    if (this.#free + cells > CELLS) {
      if (last + 1 === BLOCKS) throw new RangeError("a history of more than 16 GB");
      // The first block begins small, and grows, as most histories do not fill it.
      this.#blocks.push(new Int32Array(Math.max(cells, last < 0 ? FIRST : CELLS) * CELL));
      this.#free = 0;
    } else if ((this.#free + cells) * CELL > (this.#blocks[last] as Int32Array).length) {
      const extended = new Int32Array(Math.min(CELLS, 2 * (this.#free + cells)) * CELL);
      extended.set(this.#blocks[last] as Int32Array);
      this.#blocks[last] = extended;
    }
    const cell = this.#free;
    this.#free += cells;
    return cell;
  }

  #interned<T extends Json>(known: Map<T, number>, value: T): number {
    let code = known.get(value);
    if (code === undefined) {
      code = this.#keep(value);
      known.set(value, code);
    }
    return code;
  }

  #keep(value: Json): number {
    return ((this.#kept.push(value) - 1) << 2) | 1;
  }
}

/** Where a list begins in its block. */
function offset(code: number): number {
  return ((code >>> 2) & (CELLS - 1)) * CELL;
}
