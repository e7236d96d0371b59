/** A history of transactions as columns of numbers: one pass over the history, some sixty bytes a transaction. */
import type { History } from "../../src/history/history.ts";
import type { Json } from "../../src/history/op.ts";
import type { Values } from "../../src/history/values.ts";
import { KeyOrder } from "./key-order.ts";
import { PairNumbers } from "./pair-numbers.ts";
import { type MicroOp, MicroOpReader, RANGE, READ, type TransactionSignature, WRITE } from "./transaction.ts";

/** What became of a transaction, as in the columns of a history. */
export const OK = 0;
export const FAIL = 1;

/** In place of a number that is not there. */
export const NONE = -1;

/** The function whose operations are transactions. */
const TRANSACTION = "txn";

/** Code of null, which is what reads show whose answer is not known. */
const NOTHING = 1;

/**
 * Transactions are numbered by invocation, their accesses one after another, keys and values by first appearance. A
 * value belongs to one key: the same scalar at two keys is two values.
 *
 * An access is a micro-operation that reads or writes a key. A range whose answer is known is one for every key that
 * it found, and one, a `predicate` access that read nothing, for every other key within it that somebody writes.
 */
export class TransactionTable {
  readonly history: History<TransactionSignature>;
  /** Number of transactions. */
  readonly size: number;
  /** Of each transaction, its row in the columns of the history. */
  readonly rows: Int32Array;
  readonly outcome: Uint8Array;
  readonly process: Int32Array;
  readonly invoked: Int32Array;
  /** NONE if it never completed. */
  readonly completed: Int32Array;
  /** Accesses of transaction t: from `first[t]` to before `first[t + 1]`. */
  readonly first: Int32Array;
  /** Of each access, its key. */
  key: Int32Array;
  /** Of each access: 1 if it writes. */
  writes: Uint8Array;
  /** Of a write, the value; of a read NONE: what reads mean is up to the kind of the data. */
  value: Int32Array;
  /** Of a read of a transaction that is ok, the code in the history's values of what it showed. */
  answers: Int32Array;
  /** Of each access: the version number that the store gave, -1 if none. Undefined if there are none at all. */
  versions: Float64Array | undefined;
  /** Of each access: 1 if it stands for a key that a range did not find. Undefined if there are none at all. */
  predicate: Uint8Array | undefined;
  readonly keys: readonly Json[];
  /** Number of values. */
  valueCount = 0;
  /** By value: the access that wrote it, NONE if nobody did, and its transaction. */
  writer: Int32Array;
  writerTransaction: Int32Array;
  /** By key: whether some value was written to it twice, so that a read does not tell who wrote what it saw. */
  readonly ambiguous: Uint8Array;
  /** Two writes of one value, the first such pair of the history. */
  readonly duplicate: readonly [number, number] | undefined;

  readonly #codes: Values;
  readonly #keyNumbers = new Map<number, number>();
  /** Of pairs of a key and the code of a value. */
  readonly #values = new PairNumbers();
  /** By text, the code that stands for all equal lists or objects. */
  readonly #compounds = new Map<string, number>();
  #length = 0;

  /** `write` is what the micro-operations that write are called. Throws MalformedTransaction. */
  constructor(history: History<TransactionSignature>, write: "append" | "w") {
    this.history = history;
    const { columns } = history;
    this.#codes = columns.values;
    const f = columns.functions.indexOf(TRANSACTION);
    const all = history.rows.every((row, i) => row === i && columns.f[row] === f);
    this.rows = all ? history.rows : history.rows.filter((row) => columns.f[row] === f);
    const { rows } = this;
    this.size = rows.length;
    const column = <T extends Int32Array | Uint8Array>(source: T): T =>
      (all ? source.subarray(0, this.size) : rows.map((row) => source[row] as number)) as T;
    this.outcome = all
      ? columns.type.subarray(0, this.size)
      : new Uint8Array(this.size).map((_, t) => columns.type[rows[t] as number] as number);
    this.process = column(columns.process);
    this.invoked = column(columns.invokeIndex);
    this.completed = column(columns.completeIndex);
    this.first = new Int32Array(this.size + 1);
    const keys: Json[] = [];
    this.keys = keys;
    const capacity = 16 + 3 * this.size;
    this.key = new Int32Array(capacity);
    this.writes = new Uint8Array(capacity);
    this.value = new Int32Array(capacity);
    this.answers = new Int32Array(capacity);
    this.writer = new Int32Array(capacity);
    this.writerTransaction = new Int32Array(capacity);

    const reader = new MicroOpReader(columns.values, write);
    const order = columns.values.codeOf("range") === undefined ? undefined : this.#written(reader, keys);
    const twice = new Set<number>();
    for (let t = 0; t < this.size; t++) {
      const ok = this.outcome[t] === OK;
      const { code, event } = this.#recorded(t);
      const count = reader.count(code, event);
      for (let i = 0; i < count; i++) {
        const op = this.#codes.item(code, i);
        const kind = reader.kind(op, event);
        if (kind === RANGE) {
          if (ok && order !== undefined) this.#addRange(op, order, reader, keys);
          continue;
        }
        const k = this.#keyNumber(this.#codes.item(op, 1), keys);
        const answered = kind === READ && ok && this.#codes.length(op) !== 2;
        const at = this.#add(k, answered ? this.#codes.item(op, 2) : NOTHING);
        if (ok) this.#claim(at, reader.version(op, 3));
        if (kind !== WRITE) continue;
        this.writes[at] = 1;
        const v = this.valueOf(k, this.#codes.item(op, 2));
        this.value[at] = v;
        if (this.writer[v] === NONE) {
          this.writer[v] = at;
          this.writerTransaction[v] = t;
        } else {
          twice.add(k);
          this.duplicate ??= [this.writer[v] as number, at];
        }
      }
      this.first[t + 1] = this.#length;
    }
    this.key = this.key.subarray(0, this.#length);
    this.ambiguous = new Uint8Array(keys.length);
    for (const k of twice) this.ambiguous[k] = 1;
  }

  /** The micro-operations of transaction t: those of its answer if it is ok, else what was asked for. */
  ops(t: number): readonly MicroOp[] {
    return this.#codes.decode(this.#recorded(t).code) as unknown as readonly MicroOp[];
  }

  /** The transaction of an access. */
  transactionOf(at: number): number {
    let low = 0;
    let high = this.size;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if ((this.first[middle] as number) <= at) low = middle;
      else high = middle;
    }
    return low;
  }

  /** What a read showed. */
  answer(at: number): Json {
    return this.#codes.decode(this.answers[at] as number);
  }

  /** Whether a read found no value. */
  showsNothing(at: number): boolean {
    return this.answers[at] === NOTHING;
  }

  /** How many items the answer of a read has: none if it is no list. */
  answerLength(at: number): number {
    return this.#codes.length(this.answers[at] as number) ?? 0;
  }

  /** The code of an item of the answer of a read. */
  answerItem(at: number, i: number): number {
    return this.#codes.item(this.answers[at] as number, i);
  }

  /** Whether it took effect, or may have. */
  happened(t: number): boolean {
    return this.outcome[t] !== FAIL;
  }

  /** Number of a value of key k by its code; that of one never seen before is new, and nobody wrote it. */
  valueOf(k: number, code: number): number {
    const v = this.#values.number(k, this.canonical(code));
    if (v === this.valueCount) {
      if (v === this.writer.length) {
        this.writer = extended(this.writer);
        this.writerTransaction = extended(this.writerTransaction);
      }
      this.writer[v] = NONE;
      this.writerTransaction[v] = NONE;
      this.valueCount++;
    }
    return v;
  }

  /** The value behind a number. */
  scalarOf(v: number): Json {
    return this.#codes.decode(this.#values.second(v));
  }

  /** Equal for equal values, whatever they are. */
  canonical(code: number): number {
    if (this.#codes.isScalar(code)) return code;
    const text = JSON.stringify(this.#codes.decode(code));
    const known = this.#compounds.get(text);
    if (known !== undefined) return known;
    this.#compounds.set(text, code);
    return code;
  }

  /** The code of what is known of a transaction, and the event that tells it. */
  #recorded(t: number): { readonly code: number; readonly event: number } {
    const { columns } = this.history;
    const row = this.rows[t] as number;
    return this.outcome[t] === OK
      ? { code: columns.output[row] as number, event: this.completed[t] as number }
      : { code: columns.input[row] as number, event: this.invoked[t] as number };
  }

  /** All keys that somebody writes. */
  #written(reader: MicroOpReader, keys: Json[]): KeyOrder {
    const written = new Map<number, Json>();
    for (let t = 0; t < this.size; t++) {
      const { code, event } = this.#recorded(t);
      for (let i = reader.count(code, event) - 1; i >= 0; i--) {
        const op = this.#codes.item(code, i);
        if (reader.kind(op, event) !== WRITE) continue;
        const k = this.#keyNumber(this.#codes.item(op, 1), keys);
        written.set(k, keys[k] as Json);
      }
    }
    return new KeyOrder([...written].map(([k, key]) => [key, k]));
  }

  #addRange(op: number, order: KeyOrder, reader: MicroOpReader, keys: Json[]): void {
    const codes = this.#codes;
    const entries = codes.length(op) === 2 ? NOTHING : codes.item(op, 2);
    const found = new Set<number>();
    for (let i = 0; i < (codes.length(entries) ?? 0); i++) {
      const entry = codes.item(entries, i);
      const k = this.#keyNumber(codes.item(entry, 0), keys);
      found.add(k);
      this.#claim(this.#add(k, codes.item(entry, 1)), reader.version(entry, 2));
    }
    const [from, to] = codes.decode(codes.item(op, 1)) as readonly [Json, Json];
    for (const k of order.between(from, to)) {
      if (found.has(k)) continue;
      const at = this.#add(k, NOTHING);
      this.predicate ??= new Uint8Array(this.key.length);
      this.predicate[at] = 1;
    }
  }

  /** A new access, which reads unless more is said. */
  #add(k: number, answer: number): number {
    const at = this.#length++;
    if (at === this.key.length) {
      this.key = extended(this.key);
      this.writes = extended(this.writes);
      this.value = extended(this.value);
      this.answers = extended(this.answers);
      this.versions = this.versions && extended(this.versions);
      this.predicate = this.predicate && extended(this.predicate);
    }
    this.key[at] = k;
    this.value[at] = NONE;
    this.answers[at] = answer;
    return at;
  }

  #claim(at: number, version: number): void {
    if (version < 0) return;
    this.versions ??= new Float64Array(this.key.length).fill(NONE);
    this.versions[at] = version;
  }

  #keyNumber(code: number, keys: Json[]): number {
    const atom = this.canonical(code);
    let k = this.#keyNumbers.get(atom);
    if (k === undefined) {
      k = keys.push(this.#codes.decode(atom)) - 1;
      this.#keyNumbers.set(atom, k);
    }
    return k;
  }
}

/** Twice as long. What is new of versions is -1. */
function extended<T extends Int32Array | Uint8Array | Float64Array>(old: T): T {
  const fresh = new (old.constructor as new (length: number) => T)(2 * old.length);
  if (fresh instanceof Float64Array) fresh.fill(NONE);
  fresh.set(old);
  return fresh;
}
