/**
 * Lists that transactions append to. A read shows all appends before it in their order, so the longest read of a key
 * gives the order of its versions, and every other read is a prefix of it or proves an anomaly. What nobody read
 * comes after it; in which order, the store's numbers of the versions can tell (`list-versions.ts`).
 *
 * A version is thus a length: that of the list before the element at that position was appended.
 */

import type { History } from "../../src/history/history.ts";
import { code, type Dependencies, RW, RW_PREDICATE, WR, WW, WW_COMMITTED } from "./dependencies.ts";
import { FAIL, NONE, OK, TransactionTable } from "./table.ts";
import type { TransactionSignature } from "./transaction.ts";

export class Lists {
  readonly table: TransactionTable;
  /**
   * The elements of key k in their order, as values of the table, from `start[k]` to before `start[k + 1]`: those of
   * the longest read, `readLength[k]` of them, and then those whose place their version numbers tell.
   */
  start: Int32Array;
  chain: Int32Array;
  readonly readLength: Int32Array;
  /** By value: its position in the chain of its key, NONE if it is not there. */
  position: Int32Array;
  /**
   * By access that read: the length of what it read, if that is a prefix of the chain; else `-2 - i`, where `i` is
   * its place in `odd`. NONE if it is not known what was read.
   */
  readonly length: Int32Array;
  /** Reads that are no prefix of the longest, as values of the table. */
  readonly odd: readonly Int32Array[];
  /** By key, the access of its longest read. */
  readonly longest: Int32Array;
  /** By key: 1 if some read is odd. */
  readonly contradicted: Uint8Array;

  /** Throws MalformedTransaction. */
  constructor(history: History<TransactionSignature>) {
    const table = new TransactionTable(history, "append");
    this.table = table;
    const keys = table.keys.length;
    this.longest = new Int32Array(keys).fill(NONE);
    this.readLength = new Int32Array(keys);
    this.#eachRead((at, k) => {
      const length = table.answerLength(at);
      if (this.longest[k] !== NONE && length <= (this.readLength[k] as number)) return;
      this.longest[k] = at;
      this.readLength[k] = length;
    });
    this.start = new Int32Array(keys + 1);
    for (let k = 0; k < keys; k++)
      this.start[k + 1] = (this.start[k] as number) + (this.readLength[k] as number);
    this.chain = new Int32Array(this.start[keys] as number);
    for (let k = 0; k < keys; k++) {
      const start = this.start[k] as number;
      for (let i = 0; i < (this.readLength[k] as number); i++)
        this.chain[start + i] = table.valueOf(k, table.answerItem(this.longest[k] as number, i));
    }
    this.length = new Int32Array(table.key.length).fill(NONE);
    const odd: Int32Array[] = [];
    this.odd = odd;
    this.contradicted = new Uint8Array(keys);
    this.#eachRead((at, k) => {
      const length = table.answerLength(at);
      if (this.#isPrefix(at, this.longest[k] as number, length)) this.length[at] = length;
      else {
        const read = new Int32Array(length).map((_, i) => table.valueOf(k, table.answerItem(at, i)));
        this.length[at] = -1 - odd.push(read);
        this.contradicted[k] = 1;
      }
    });
    this.position = this.#positions();
  }

  /** Puts elements that nobody read behind the others of their keys: by key, values in their order. */
  extend(behind: ReadonlyMap<number, readonly number[]>): void {
    if (behind.size === 0) return;
    const { start, chain } = this;
    const keys = this.table.keys.length;
    this.start = new Int32Array(keys + 1);
    for (let k = 0; k < keys; k++) {
      const length = (start[k + 1] as number) - (start[k] as number) + (behind.get(k)?.length ?? 0);
      this.start[k + 1] = (this.start[k] as number) + length;
    }
    this.chain = new Int32Array(this.start[keys] as number);
    for (let k = 0; k < keys; k++) {
      const read = chain.subarray(start[k], start[k + 1]);
      this.chain.set(read, this.start[k]);
      this.chain.set(behind.get(k) ?? [], (this.start[k] as number) + read.length);
    }
    this.position = this.#positions();
  }

  /** Number of elements that a read showed. */
  size(at: number): number {
    const length = this.length[at] as number;
    return length >= 0 ? length : (this.odd[-2 - length] as Int32Array).length;
  }

  /** The element at position `i` of what a read showed. */
  element(at: number, i: number): number {
    const length = this.length[at] as number;
    return length >= 0
      ? (this.chain[(this.start[this.table.key[at] as number] as number) + i] as number)
      : ((this.odd[-2 - length] as Int32Array)[i] as number);
  }

  /** What a read showed, without what its own transaction had appended at its end. */
  sizeBefore(t: number, at: number): number {
    let size = this.size(at);
    while (size > 0 && this.table.writerTransaction[this.element(at, size - 1)] === t) {
      if ((this.table.writer[this.element(at, size - 1)] as number) > at) break;
      size--;
    }
    return size;
  }

  chainLength(k: number): number {
    return (this.start[k + 1] as number) - (this.start[k] as number);
  }

  /** Dependencies by the order of the versions. Keys where a value was appended twice have none. */
  addDependencies(dependencies: Dependencies): void {
    const { table } = this;
    /** By position in all chains: the last append before it that took effect, and the next from it on. */
    const before = new Int32Array(this.chain.length + table.keys.length).fill(NONE);
    const after = new Int32Array(this.chain.length + table.keys.length).fill(NONE);
    for (let k = 0; k < table.keys.length; k++) this.#addChain(k, before, after, dependencies);
    /** By key: who read all of its chain, or found nothing of it in a range, and who appended what is not in it. */
    const whole = new Map<number, number[]>();
    const absent = new Map<number, number[]>();
    const unseen = new Map<number, number[]>();
    const wr = code(WR, 0);
    const rw = code(RW, 0);
    const phantom = code(RW_PREDICATE, 0);
    for (let t = 0; t < table.size; t++) {
      if (table.outcome[t] !== OK) continue;
      for (let at = table.first[t] as number; at < (table.first[t + 1] as number); at++) {
        const k = table.key[at] as number;
        if (table.ambiguous[k] === 1) continue;
        if (table.writes[at] === 1) {
          if (this.position[table.value[at] as number] === NONE) push(unseen, k, t);
          continue;
        }
        const length = this.length[at] as number;
        if (length === NONE) continue;
        const size = this.sizeBefore(t, at);
        if (length < NONE) {
          const writer = size === 0 ? NONE : this.#lastWriter(at, size);
          if (writer !== NONE) dependencies.add(writer, t, wr, k);
          continue;
        }
        const place = (this.start[k] as number) + k + size;
        const isAbsent = table.predicate?.[at] === 1;
        if (before[place] !== NONE) dependencies.add(before[place] as number, t, wr, k);
        if (after[place] !== NONE) dependencies.add(t, after[place] as number, isAbsent ? phantom : rw, k);
        else push(isAbsent ? absent : whole, k, t);
      }
    }
    for (const [k, appenders] of unseen) {
      const ww = code(this.contradicted[k] === 1 ? WW_COMMITTED : WW, 0);
      const last = before[(this.start[k + 1] as number) + k] as number;
      if (last !== NONE) for (const t of appenders) dependencies.add(last, t, ww, k);
      const [readers, lookers] = [whole.get(k) ?? [], absent.get(k) ?? []];
      dependencies.antidependencies(readers, 0, readers.length, appenders, rw, k);
      dependencies.antidependencies(lookers, 0, lookers.length, appenders, phantom, k);
    }
  }

  /** Fills `before` and `after` for the chain of one key: as many places as elements, and one for the end. */
  #addChain(k: number, before: Int32Array, after: Int32Array, dependencies: Dependencies): void {
    const { table } = this;
    if (table.ambiguous[k] === 1) return;
    const start = this.start[k] as number;
    const length = this.chainLength(k);
    // Where reads contradict each other, the longest tells the order only if what is read is committed.
    const ww = code(this.contradicted[k] === 1 ? WW_COMMITTED : WW, 0);
    let last = NONE;
    for (let i = 0; i < length; i++) {
      before[start + k + i] = last;
      const writer = this.#appenderAt(k, i);
      if (writer === NONE) continue;
      if (last !== NONE) dependencies.add(last, writer, ww, k);
      last = writer;
    }
    before[start + k + length] = last;
    let next = NONE;
    for (let i = length - 1; i >= 0; i--) {
      const writer = this.#appenderAt(k, i);
      if (writer !== NONE) next = writer;
      after[start + k + i] = next;
    }
  }

  /** Who appended the element at a place of a chain: NONE if nobody is known to have, or not there. */
  #appenderAt(k: number, i: number): number {
    const v = this.chain[(this.start[k] as number) + i] as number;
    const writer = this.table.writerTransaction[v] as number;
    const there = writer !== NONE && this.table.outcome[writer] !== FAIL && this.position[v] === i;
    return there ? writer : NONE;
  }

  /** Who appended the last element of a read that took effect. */
  #lastWriter(at: number, size: number): number {
    for (let i = size - 1; i >= 0; i--) {
      const writer = this.table.writerTransaction[this.element(at, i)] as number;
      if (writer !== NONE && this.table.outcome[writer] !== FAIL) return writer;
    }
    return NONE;
  }

  #positions(): Int32Array {
    const position = new Int32Array(this.table.valueCount).fill(NONE);
    for (let k = 0; k < this.table.keys.length; k++) {
      const start = this.start[k] as number;
      // Of an element that is there twice, the first place counts.
      for (let at = (this.start[k + 1] as number) - 1; at >= start; at--)
        position[this.chain[at] as number] = at - start;
    }
    return position;
  }

  /** Whether the answer of a read is the beginning of that of another, which is at least as long. */
  #isPrefix(at: number, longest: number, length: number): boolean {
    const { table } = this;
    if (at === longest) return true;
    for (let i = 0; i < length; i++) {
      const [a, b] = [table.answerItem(at, i), table.answerItem(longest, i)];
      if (a !== b && table.canonical(a) !== table.canonical(b)) return false;
    }
    return true;
  }

  /** All reads of transactions that are ok. */
  #eachRead(visit: (at: number, k: number) => void): void {
    const { table } = this;
    for (let t = 0; t < table.size; t++) {
      if (table.outcome[t] !== OK) continue;
      for (let at = table.first[t] as number; at < (table.first[t + 1] as number); at++)
        if (table.writes[at] === 0) visit(at, table.key[at] as number);
    }
  }
}

/** Appends unless it is the last already. */
function push(lists: Map<number, number[]>, key: number, item: number): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [item]);
  else if (list.at(-1) !== item) list.push(item);
}
