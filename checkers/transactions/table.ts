/** A history of transactions as columns of numbers: one pass over the history, some forty bytes a transaction. */
import type { History } from "../../src/history/history.ts";
import type { Json } from "../../src/history/op.ts";
import { PairNumbers } from "./pair-numbers.ts";
import { checkMicroOps, type MicroOp, type TransactionSignature } from "./transaction.ts";

/** What became of a transaction, as in the columns of a history. */
export const OK = 0;
export const FAIL = 1;

/** In place of a number that is not there. */
export const NONE = -1;

/** The function whose operations are transactions. */
const TRANSACTION = "txn";

/**
 * Transactions are numbered by invocation, their micro-operations one after another, keys and values by first
 * appearance. A value belongs to one key: the same scalar at two keys is two values.
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
  /** Micro-operations of transaction t: from `first[t]` to before `first[t + 1]`. */
  readonly first: Int32Array;
  /** Of each micro-operation, its key. */
  readonly key: Int32Array;
  /** Of each micro-operation: 1 if it writes. */
  readonly writes: Uint8Array;
  /** Of a write, the value; of a read NONE: what reads mean is up to the kind of the data. */
  readonly value: Int32Array;
  readonly keys: readonly Json[];
  /** By value: the micro-operation that wrote it, NONE if nobody did, and its transaction. */
  readonly writer: readonly number[];
  readonly writerTransaction: readonly number[];
  /** By key: whether some value was written to it twice, so that a read does not tell who wrote what it saw. */
  readonly ambiguous: Uint8Array;
  /** Two writes of one value, the first such pair of the history. */
  readonly duplicate: readonly [number, number] | undefined;

  readonly #keyNumbers = new Map<Json, number>();
  /** Of pairs of a key and the code of a value. */
  readonly #values = new PairNumbers();
  /** Values that are no small integers, by code; and their codes. */
  readonly #others: Json[] = [];
  readonly #codes = new Map<Json, number>();

  /**
   * `write` is what the micro-operations that write are called. `read` is told of all reads of transactions that are
   * ok: which micro-operation, of which key, and what it gave. Throws MalformedTransaction.
   */
  constructor(
    history: History<TransactionSignature>,
    write: "append" | "w",
    read: (at: number, key: number, value: Json) => void,
  ) {
    this.history = history;
    const { columns } = history;
    const f = columns.functions.indexOf(TRANSACTION);
    const all = history.rows.every((row, i) => row === i && columns.f[row] === f);
    this.rows = all ? history.rows : history.rows.filter((row) => columns.f[row] === f);
    const { rows } = this;
    this.size = rows.length;
    const column = (source: Int32Array): Int32Array =>
      all ? source.subarray(0, this.size) : rows.map((row) => source[row] as number);
    this.outcome = new Uint8Array(this.size).map((_, t) => columns.type[rows[t] as number] as number);
    this.process = column(columns.process);
    this.invoked = column(columns.invokeIndex);
    this.completed = column(columns.completeIndex);
    this.first = new Int32Array(this.size + 1);
    const keys: Json[] = [];
    const writer: number[] = [];
    const writerTransaction: number[] = [];
    this.keys = keys;
    this.writer = writer;
    this.writerTransaction = writerTransaction;
    let [key, writes, value] = [
      new Int32Array(4 * this.size),
      new Uint8Array(4 * this.size),
      new Int32Array(4 * this.size),
    ];
    const twice = new Set<number>();
    let at = 0;
    for (let t = 0; t < this.size; t++) {
      const ok = this.outcome[t] === OK;
      const ops = this.ops(t);
      checkMicroOps(ops, write, ok ? (this.completed[t] as number) : (this.invoked[t] as number));
      if (at + ops.length > key.length) {
        const capacity = 2 * (at + ops.length);
        [key, writes, value] = [
          extended(key, capacity),
          extended(writes, capacity),
          extended(value, capacity),
        ];
      }
      for (const op of ops) {
        const k = this.#number(op[1], keys);
        key[at] = k;
        value[at] = NONE;
        if (op[0] === "r") {
          if (ok) read(at, k, op[2] ?? null);
        } else {
          writes[at] = 1;
          const v = this.valueOf(k, op[2]);
          value[at] = v;
          if (writer[v] === NONE) {
            writer[v] = at;
            writerTransaction[v] = t;
          } else {
            twice.add(k);
            this.duplicate ??= [writer[v] as number, at];
          }
        }
        at++;
      }
      this.first[t + 1] = at;
    }
    this.key = key.subarray(0, at);
    this.writes = writes.subarray(0, at);
    this.value = value.subarray(0, at);
    this.ambiguous = new Uint8Array(keys.length);
    for (const k of twice) this.ambiguous[k] = 1;
  }

  /** The micro-operations of transaction t: those of its answer if it is ok, else what was asked for. */
  ops(t: number): readonly MicroOp[] {
    const { columns } = this.history;
    const row = this.rows[t] as number;
    const code = this.outcome[t] === OK ? columns.output[row] : columns.input[row];
    return columns.values.decode(code as number) as unknown as readonly MicroOp[];
  }

  /** The transaction of a micro-operation. */
  transactionOf(op: number): number {
    let low = 0;
    let high = this.size;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if ((this.first[middle] as number) <= op) low = middle;
      else high = middle;
    }
    return low;
  }

  op(at: number): MicroOp {
    const t = this.transactionOf(at);
    return this.ops(t)[at - (this.first[t] as number)] as MicroOp;
  }

  /** Whether it took effect, or may have. */
  happened(t: number): boolean {
    return this.outcome[t] !== FAIL;
  }

  /** Number of a value of key k; that of one never seen before is new, and nobody wrote it. */
  valueOf(k: number, value: Json): number {
    const v = this.#values.number(k, this.#code(value));
    if (v === this.writer.length) {
      (this.writer as number[]).push(NONE);
      (this.writerTransaction as number[]).push(NONE);
    }
    return v;
  }

  /** The value behind a number. */
  scalarOf(v: number): Json {
    const code = this.#values.second(v);
    return (code & 1) === 0 ? code >> 1 : (this.#others[code >> 1] as Json);
  }

  /** Equal for equal values. Small integers are their own code, doubled. */
  #code(value: Json): number {
    if (typeof value === "number" && (value << 1) >> 1 === value) return value << 1;
    const atom = scalar(value);
    let code = this.#codes.get(atom);
    if (code === undefined) {
      code = ((this.#others.push(value) - 1) << 1) | 1;
      this.#codes.set(atom, code);
    }
    return code;
  }

  #number(key: Json, keys: Json[]): number {
    const atom = scalar(key);
    let k = this.#keyNumbers.get(atom);
    if (k === undefined) {
      k = keys.push(key) - 1;
      this.#keyNumbers.set(atom, k);
    }
    return k;
  }
}

function extended<T extends Int32Array | Uint8Array>(old: T, capacity: number): T {
  const fresh = new (old.constructor as new (length: number) => T)(capacity);
  fresh.set(old);
  return fresh;
}

/** Equal for equal values. */
export function scalar(value: Json): Json {
  return typeof value === "object" && value !== null ? `\u0000${JSON.stringify(value)}` : value;
}
