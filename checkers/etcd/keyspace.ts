/** The keys of a history in order, so that a range of keys is a range of numbers, and sets of them. */
import { lowerBound } from "../bisect.ts";
import type { EtcdKeys } from "./signature.ts";

/** Ranks from `low` on, below `high`. */
export interface Ranks {
  readonly low: number;
  readonly high: number;
}

export class Keyspace {
  /** In the order of code units; a key's rank is its position. */
  readonly keys: readonly string[];
  readonly #ranks: ReadonlyMap<string, number>;

  constructor(keys: ReadonlySet<string>) {
    this.keys = [...keys].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
    this.#ranks = new Map(this.keys.map((key, rank) => [key, rank]));
  }

  /** -1 for a key that is not in the history. */
  rank(key: string): number {
    return this.#ranks.get(key) ?? -1;
  }

  ranks({ key, end }: EtcdKeys): Ranks {
    if (end === undefined || end === "") {
      const rank = this.rank(key);
      return rank < 0 ? { low: 0, high: 0 } : { low: rank, high: rank + 1 };
    }
    const low = this.#position(key);
    return { low, high: end === "\0" ? this.keys.length : Math.max(low, this.#position(end)) };
  }

  /** How many keys are not larger than this one. */
  countUpTo(key: string): number {
    const rank = this.rank(key);
    return rank < 0 ? lowerBound(this.keys, (other) => other < key) : rank + 1;
  }

  /** That of the first key that is not smaller. */
  #position(key: string): number {
    return this.#ranks.get(key) ?? lowerBound(this.keys, (other) => other < key);
  }
}

/** A set of ranks. A word of `#words` holds 32 of them, a word of `#filled` says which 32 words are not empty. */
export class RankSet {
  readonly #words: Int32Array;
  readonly #filled: Int32Array;

  constructor(size: number) {
    this.#words = new Int32Array((size >> 5) + 1);
    this.#filled = new Int32Array((size >> 10) + 1);
  }

  add(rank: number): void {
    const word = rank >> 5;
    this.#words[word] = (this.#words[word] as number) | (1 << (rank & 31));
    this.#filled[word >> 5] = (this.#filled[word >> 5] as number) | (1 << (word & 31));
  }

  delete(rank: number): void {
    const word = rank >> 5;
    const left = (this.#words[word] as number) & ~(1 << (rank & 31));
    this.#words[word] = left;
    if (left === 0) this.#filled[word >> 5] = (this.#filled[word >> 5] as number) & ~(1 << (word & 31));
  }

  /** The first of `from` and above, or -1. */
  next(from: number): number {
    const bits = (this.#words[from >> 5] ?? 0) & (-1 << (from & 31));
    if (bits !== 0) return (from & ~31) + lowest(bits);
    const word = (from >> 5) + 1;
    let mask = -1 << (word & 31);
    for (let i = word >> 5; i < this.#filled.length; i++, mask = -1) {
      const filled = (this.#filled[i] as number) & mask;
      if (filled === 0) continue;
      const at = (i << 5) + lowest(filled);
      return (at << 5) + lowest(this.#words[at] as number);
    }
    return -1;
  }

  count({ low, high }: Ranks): number {
    if (high <= low) return 0;
    const [first, last] = [low >> 5, high >> 5];
    let count = 0;
    for (let word = first; word <= last; word++) {
      let bits = this.#words[word] as number;
      if (word === first) bits &= -1 << (low & 31);
      if (word === last) bits &= (1 << (high & 31)) - 1;
      if (bits !== 0) count += ones(bits);
    }
    return count;
  }
}

function lowest(bits: number): number {
  return 31 - Math.clz32(bits & -bits);
}

function ones(bits: number): number {
  let left = bits - ((bits >>> 1) & 0x55555555);
  left = (left & 0x33333333) + ((left >>> 2) & 0x33333333);
  return Math.imul((left + (left >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
