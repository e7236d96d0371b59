/**
 * Dependencies between transactions (Adya, "Weak Consistency", MIT 1999, section 3.1), as lists of numbers.
 *
 * A dependency is known on certain conditions only. Some follow from the answers alone; others from the order of
 * one process, or from real time, and refute nothing that does not promise to respect that (`Level`). And some orders
 * of versions are known only by contradiction: were it the other way round, there would be a cycle of another class
 * (`Kind`: WW_COMMITTED, WW_VIEW). Every cycle is thus a proof of its class, whatever it is made of.
 */

/** What a kind of edge is known by: answers alone, the order of each process, or real time. */
export const LEVELS = ["", "-process", "-realtime"] as const;
export type Level = 0 | 1 | 2;

/** The later transaction wrote the next version of what the earlier wrote. */
export const WW = 0;
/** The same, or else there is a G1c. */
export const WW_COMMITTED = 1;
/** The same, or else there is a G-single. */
export const WW_VIEW = 2;
/** The later read what the earlier wrote. */
export const WR = 3;
/** The later overwrote what the earlier read. */
export const RW = 4;
/** The later added a key to a range that the earlier read without it. */
export const RW_PREDICATE = 5;
export const KINDS = 6;

/** The codes of edges: for each level all kinds, then the orders, then what only passes on. */
export function code(kind: number, level: Level): number {
  return level * KINDS + kind;
}
export const kindOf = (edge: number): number => (edge < 3 * KINDS ? edge % KINDS : edge);
export const PROCESS = 3 * KINDS;
export const REALTIME = 3 * KINDS + 1;
/** From a node that stands for no transaction; what led there goes on. */
export const PASS = 3 * KINDS + 2;

/** A set of codes as bits. */
export type Mask = number;

export function maskOf(kinds: readonly number[], level: Level): Mask {
  let mask = 1 << PASS;
  if (level >= 1) mask |= 1 << PROCESS;
  if (level >= 2) mask |= 1 << REALTIME;
  for (let l = 0; l <= level; l++) for (const kind of kinds) mask |= 1 << code(kind, l as Level);
  return mask;
}

/** Edges in the order they were found. Nodes from `transactions` on stand for no transaction. */
export class Dependencies {
  readonly transactions: number;
  nodes: number;
  count = 0;
  from: Int32Array;
  to: Int32Array;
  codes: Uint8Array;
  /** The key by which they depend, or -1. */
  keys: Int32Array;

  constructor(transactions: number) {
    // About as many as there will be: growing costs time and memory.
    const capacity = 16 + 8 * transactions;
    this.from = new Int32Array(capacity);
    this.to = new Int32Array(capacity);
    this.codes = new Uint8Array(capacity);
    this.keys = new Int32Array(capacity);
    this.transactions = transactions;
    this.nodes = transactions;
  }

  add(from: number, to: number, edge: number, key: number): void {
    if (from === to) return;
    const at = this.count++;
    if (at === this.from.length) this.#grow();
    this.from[at] = from;
    this.to[at] = to;
    this.codes[at] = edge;
    this.keys[at] = key;
  }

  /** A node that stands for no transaction. */
  node(): number {
    return this.nodes++;
  }

  /**
   * Anti-dependencies of all `readers` of a version, those from `begin` to before `end`, on all `writers` of a next
   * one, but of no transaction on itself, in linear space: where there are many of both, they meet in a node between.
   * Those who did both depend on each other, which is told of neighbours only; the rest follows. Nobody is listed
   * twice.
   */
  antidependencies(
    readers: ArrayLike<number>,
    begin: number,
    end: number,
    writers: readonly number[],
    edge: number,
    key: number,
  ): void {
    const count = end - begin;
    if (count * writers.length <= 2 * (count + writers.length)) {
      for (let i = begin; i < end; i++)
        for (const writer of writers) this.add(readers[i] as number, writer, edge, key);
      return;
    }
    const all = Array.from({ length: count }, (_, i) => readers[begin + i] as number);
    const reading = new Set(all);
    const both = writers.filter((writer) => reading.has(writer));
    const overwriting = new Set(both);
    this.#meet(
      all,
      writers.filter((writer) => !reading.has(writer)),
      edge,
      key,
    );
    this.#meet(
      all.filter((reader) => !overwriting.has(reader)),
      both,
      edge,
      key,
    );
    for (let i = 1; i < both.length; i++) {
      this.add(both[i - 1] as number, both[i] as number, edge, key);
      this.add(both[i] as number, both[i - 1] as number, edge, key);
    }
  }

  #meet(readers: readonly number[], writers: readonly number[], edge: number, key: number): void {
    if (readers.length === 0 || writers.length === 0) return;
    const between = this.node();
    for (const reader of readers) this.add(reader, between, edge, key);
    for (const writer of writers) this.add(between, writer, PASS, key);
  }

  #grow(): void {
    const double = <T extends Int32Array | Uint8Array>(old: T, fresh: T): T => {
      fresh.set(old);
      return fresh;
    };
    const capacity = this.from.length * 2;
    this.from = double(this.from, new Int32Array(capacity));
    this.to = double(this.to, new Int32Array(capacity));
    this.codes = double(this.codes, new Uint8Array(capacity));
    this.keys = double(this.keys, new Int32Array(capacity));
  }
}
