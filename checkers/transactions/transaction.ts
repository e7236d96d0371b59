/**
 * Transactions as lists of micro-operations, in Elle's form (Kingsbury and Alvaro, "Elle: Inferring Isolation
 * Anomalies from Experimental Observations", VLDB 2020), with versions and ranges besides.
 */
import type { Json } from "../../src/history/op.ts";
import type { Values } from "../../src/history/values.ts";

/**
 * One step of a transaction. Lists: `["append", key, element]` and `["r", key, [elements]]`. Registers:
 * `["w", key, value]` and `["r", key, value]`. A read of a key that has no value gives null; an empty list may be
 * given as null. In an invocation, what a read will give is null.
 *
 * The store's own number of the version may follow, as etcd's modification revisions: greater for a later version of
 * the same key, 0 for a key without a value. A read that shows what its own transaction wrote has none.
 *
 * `["range", [from, to], entries]` reads all keys from `from` to before `to`, numbers by size or strings by their
 * characters' codes: those that have a value are in `entries`, each as `[key, value]` or `[key, value, version]`.
 */
export type MicroOp =
  | readonly [f: "append" | "w" | "r", key: Json, value: Json]
  | readonly [f: "append" | "w" | "r", key: Json, value: Json, version: number]
  | readonly [f: "range", bounds: readonly [from: Json, to: Json], entries: readonly Entry[] | null];

/** A key that a range found. */
export type Entry = readonly [key: Json, value: Json] | readonly [key: Json, value: Json, version: number];

/** A history of transactions has one function. */
export type TransactionSignature = {
  readonly txn: { readonly in: readonly MicroOp[]; readonly out: readonly MicroOp[] };
};

/** Thrown for a value that is no list of micro-operations. */
export class MalformedTransaction extends Error {
  override readonly name = "MalformedTransaction";
}

export const READ = 0;
export const WRITE = 1;
export const RANGE = 2;
export type MicroOpKind = typeof READ | typeof WRITE | typeof RANGE;

/** Tells micro-operations apart by their codes in a history's values. `write`: what those that write are called. */
export class MicroOpReader {
  readonly #values: Values;
  readonly #write: "append" | "w";
  readonly #writeCode: number | undefined;
  readonly #readCode: number | undefined;
  readonly #rangeCode: number | undefined;

  constructor(values: Values, write: "append" | "w") {
    this.#values = values;
    this.#write = write;
    this.#writeCode = values.codeOf(write);
    this.#readCode = values.codeOf("r");
    this.#rangeCode = values.codeOf("range");
  }

  /** How many micro-operations a transaction has. Throws MalformedTransaction; `event` is where it stands. */
  count(transaction: number, event: number): number {
    const count = this.#values.length(transaction);
    if (count !== undefined) return count;
    const text = JSON.stringify(this.#values.decode(transaction));
    throw new MalformedTransaction(
      `event ${event}: a transaction is a list of micro-operations, not ${text}`,
    );
  }

  /** What a micro-operation does. Throws MalformedTransaction. */
  kind(op: number, event: number): MicroOpKind {
    const length = this.#values.length(op) ?? 0;
    const f = length < 2 ? undefined : this.#values.item(op, 0);
    if (f === undefined) throw this.#malformed(op, event);
    if (f === this.#writeCode && length >= 3 && this.#mayEnd(op, 3, length)) return WRITE;
    if (f === this.#readCode && this.#mayEnd(op, 3, length)) {
      if (length < 3 || this.#isContent(this.#values.item(op, 2))) return READ;
    }
    if (f === this.#rangeCode && length <= 3 && this.#isRange(op, length)) return RANGE;
    throw this.#malformed(op, event);
  }

  /** The version at position `i` of a list, or -1 if it is not so long. */
  version(list: number, i: number): number {
    return this.#values.length(list) === i + 1
      ? (this.#values.decode(this.#values.item(list, i)) as number)
      : -1;
  }

  /** Nothing, or a version, follows after `length`. */
  #mayEnd(list: number, end: number, length: number): boolean {
    if (length <= end) return true;
    const version = length === end + 1 ? this.version(list, end) : undefined;
    return Number.isSafeInteger(version) && (version as number) >= 0;
  }

  /** What a read may show. */
  #isContent(answer: number): boolean {
    if (this.#write === "w") return true;
    return this.#values.length(answer) !== undefined || this.#values.decode(answer) === null;
  }

  #isRange(op: number, length: number): boolean {
    const values = this.#values;
    if (values.length(values.item(op, 1)) !== 2) return false;
    if (length < 3) return true;
    const entries = values.item(op, 2);
    const count = values.length(entries);
    if (count === undefined) return values.decode(entries) === null;
    for (let i = 0; i < count; i++) {
      const entry = values.item(entries, i);
      const size = values.length(entry) ?? 0;
      if (size < 2 || !this.#mayEnd(entry, 2, size) || !this.#isContent(values.item(entry, 1))) return false;
    }
    return true;
  }

  #malformed(op: number, event: number): MalformedTransaction {
    const forms =
      this.#write === "append"
        ? '["append", KEY, ELEMENT] or ["r", KEY, LIST]'
        : '["w", KEY, VALUE] or ["r", KEY, VALUE]';
    const text = JSON.stringify(this.#values.decode(op));
    return new MalformedTransaction(
      `event ${event}: ${text} is no micro-operation; it takes ${forms}, and perhaps VERSION, an integer from 0, after that; or ["range", [FROM, TO], [[KEY, VALUE], …]]`,
    );
  }
}
