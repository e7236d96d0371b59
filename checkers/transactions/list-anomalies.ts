/** Anomalies of lists that need no cycle: each shows in one read, or in two. */
import type { Json } from "../../src/history/op.ts";
import type { Discoveries } from "./discoveries.ts";
import type { Lists } from "./lists.ts";
import { FAIL, NONE, OK } from "./table.ts";
import { capitalised, eventOf, show, theTransaction, whoRan } from "./wording.ts";

export function findListAnomalies(lists: Lists, discoveries: Discoveries): void {
  new Search(lists, discoveries).run();
}

class Search {
  readonly #lists: Lists;
  readonly #discoveries: Discoveries;
  /** By micro-operation: the one before it on the same key in the same transaction. */
  readonly #previous: Int32Array;
  /** By value: 1 if its transaction appended to the key again. */
  readonly #intermediate: Uint8Array;
  /** By key: position of the first element in its chain whose append failed. */
  readonly #firstFailed: Int32Array;
  /** By place of a version in the chains: the append of the first transaction that read and then extended it. */
  readonly #updater: Int32Array;

  constructor(lists: Lists, discoveries: Discoveries) {
    this.#lists = lists;
    this.#discoveries = discoveries;
    const { table } = lists;
    this.#previous = new Int32Array(table.key.length).fill(NONE);
    this.#intermediate = new Uint8Array(lists.position.length);
    this.#firstFailed = new Int32Array(table.keys.length).fill(0x7fff_ffff);
    this.#updater = new Int32Array(lists.chain.length + table.keys.length).fill(NONE);
  }

  run(): void {
    const { table } = this.#lists;
    this.#link();
    for (let k = 0; k < table.keys.length; k++) this.#judgeChain(k);
    for (let t = 0; t < table.size; t++) {
      if (table.outcome[t] !== OK) continue;
      for (let at = table.first[t] as number; at < (table.first[t + 1] as number); at++) {
        const ambiguous = table.ambiguous[table.key[at] as number] === 1;
        if (table.writes[at] === 1) {
          if (!ambiguous) this.#judgeUpdate(t, at);
        } else this.#judgeRead(t, at, ambiguous);
      }
    }
  }

  #link(): void {
    const { table } = this.#lists;
    const last = new Int32Array(table.keys.length).fill(NONE);
    for (let t = 0; t < table.size; t++) {
      const first = table.first[t] as number;
      for (let at = first; at < (table.first[t + 1] as number); at++) {
        const k = table.key[at] as number;
        const before = last[k] as number;
        if (before >= first) this.#previous[at] = before;
        if (table.writes[at] === 1)
          for (let b = before; b >= first && table.writes[b] === 1; b = this.#previous[b] as number) {
            if (this.#intermediate[table.value[b] as number] === 1) break;
            this.#intermediate[table.value[b] as number] = 1;
          }
        last[k] = at;
      }
    }
  }

  #judgeChain(k: number): void {
    const lists = this.#lists;
    const { table } = lists;
    const start = lists.start[k] as number;
    const length = lists.readLength[k] as number;
    const read = lists.longest[k] as number;
    if (length === 0 || table.ambiguous[k] === 1) return;
    const reader = table.transactionOf(read);
    let failed = NONE;
    let onFailed = false;
    for (let i = 0; i < length; i++) {
      const v = lists.chain[start + i] as number;
      const writer = table.writerTransaction[v] as number;
      if (lists.position[v] !== i) this.#duplicate(reader, k, v);
      else if (writer === NONE) this.#garbage(reader, k, v);
      else if (table.outcome[writer] === FAIL) {
        if (failed === NONE) {
          failed = v;
          this.#firstFailed[k] = i;
        }
      } else if (failed !== NONE && !onFailed && table.outcome[writer] === OK) {
        onFailed = true;
        this.#dirtyUpdate(failed, v, reader, k);
      }
    }
  }

  #judgeRead(t: number, at: number, ambiguous: boolean): void {
    const lists = this.#lists;
    const { table } = lists;
    const k = table.key[at] as number;
    const length = lists.length[at] as number;
    if (length < NONE) this.#judgeOdd(t, at, k);
    if (ambiguous) return;
    if (length > (this.#firstFailed[k] as number))
      this.#aborted(t, k, lists.element(at, this.#firstFailed[k] as number));
    const size = lists.sizeBefore(t, at);
    if (size > 0) {
      const v = lists.element(at, size - 1);
      const writer = table.writerTransaction[v] as number;
      if (writer !== NONE && writer !== t && this.#intermediate[v] === 1)
        this.#intermediateRead(t, writer, at, v);
    }
    this.#judgeInternal(t, at);
  }

  /** A read that is no prefix of the longest, and may hold elements of its own. */
  #judgeOdd(t: number, at: number, k: number): void {
    const lists = this.#lists;
    const { table } = lists;
    const seen = new Set<number>();
    for (let i = 0; table.ambiguous[k] !== 1 && i < lists.size(at); i++) {
      const v = lists.element(at, i);
      if (seen.has(v)) this.#duplicate(t, k, v);
      seen.add(v);
      const writer = table.writerTransaction[v] as number;
      if (writer === NONE) {
        if (lists.position[v] === NONE) this.#garbage(t, k, v);
      } else if (table.outcome[writer] === FAIL) this.#aborted(t, k, v);
      else if (writer === t && (table.writer[v] as number) > at) this.#future(t, k, v);
    }
    const longest = lists.longest[k] as number;
    const other = table.transactionOf(longest);
    this.#discoveries.add("incompatible-order", () => ({
      witness: [eventOf(table, other), eventOf(table, t)],
      explanation: `${capitalised(theTransaction(table, t))} read ${this.#key(k)} as ${show(table.answer(at))}, but ${theTransaction(table, other)} read it as ${show(table.answer(longest))}: neither can have grown into the other.`,
    }));
  }

  /** What the transaction had read before and appended since must be what it reads. */
  #judgeInternal(t: number, at: number): void {
    const lists = this.#lists;
    const { table } = lists;
    let size = lists.size(at);
    let before = this.#previous[at] as number;
    if (before === NONE) return;
    let fits = true;
    for (; before !== NONE && table.writes[before] === 1; before = this.#previous[before] as number) {
      size--;
      if (size < 0 || lists.element(at, size) !== table.value[before]) fits = false;
    }
    if (fits && before !== NONE) {
      fits = size === lists.size(before);
      const alike = (lists.length[at] as number) > NONE && (lists.length[before] as number) > NONE;
      // That a range has grown meanwhile is a phantom, and told as such.
      if (table.predicate?.[at] === 1 || table.predicate?.[before] === 1) fits = true;
      else if (!alike)
        for (let i = 0; fits && i < size; i++) fits = lists.element(at, i) === lists.element(before, i);
    }
    if (fits) return;
    this.#discoveries.add("internal", () => {
      const done: string[] = [];
      for (let b = this.#previous[at] as number; b !== NONE; b = this.#previous[b] as number) {
        if (table.writes[b] === 0) {
          done.unshift(`read ${show(table.answer(b) ?? [])}`);
          break;
        }
        done.unshift(`appended ${show(table.scalarOf(table.value[b] as number))}`);
      }
      return {
        witness: [eventOf(table, t)],
        explanation: `${capitalised(theTransaction(table, t))} ${done.join(", ")} and then read ${show(table.answer(at) ?? [])}, all of ${this.#key(table.key[at] as number)}.`,
      };
    });
  }

  /** An append at `at`: whether its transaction had read the element, or the version that another extended too. */
  #judgeUpdate(t: number, at: number): void {
    const lists = this.#lists;
    const { table } = lists;
    const k = table.key[at] as number;
    const own = lists.position[table.value[at] as number] as number;
    let before = this.#previous[at] as number;
    for (let b = before; own !== NONE && b !== NONE; b = this.#previous[b] as number)
      if (table.writes[b] === 0 && (lists.length[b] as number) > own) {
        this.#future(t, k, table.value[at] as number);
        break;
      } else if (table.writes[b] === 1) break;
    while (before !== NONE && table.writes[before] === 1) before = this.#previous[before] as number;
    if (before === NONE || (lists.length[before] as number) < 0 || table.predicate?.[before] === 1) return;
    const size = lists.sizeBefore(t, before);
    const place = (lists.start[k] as number) + k + size;
    const other = this.#updater[place] as number;
    if (other === NONE) {
      this.#updater[place] = at;
      return;
    }
    const first = table.transactionOf(other);
    if (first === t) return;
    this.#discoveries.add("lost-update", () => ({
      witness: [eventOf(table, first), eventOf(table, t)],
      explanation: `${capitalised(theTransaction(table, first))} and ${theTransaction(table, t)} both read ${this.#key(k)} as ${show(table.answer(before) ?? [])}; the one then appended ${show(table.scalarOf(table.value[other] as number))}, the other ${show(table.scalarOf(table.value[at] as number))}, and neither saw the other's.`,
    }));
  }

  #duplicate(t: number, k: number, v: number): void {
    const { table } = this.#lists;
    this.#discoveries.add("duplicate-elements", () => ({
      witness: [...this.#writerEvent(v), eventOf(table, t)],
      explanation: `${capitalised(theTransaction(table, t))} read ${show(table.scalarOf(v))} more than once in ${this.#key(k)}.`,
    }));
  }

  #garbage(t: number, k: number, v: number): void {
    const { table } = this.#lists;
    this.#discoveries.add("garbage-read", () => ({
      witness: [eventOf(table, t)],
      explanation: `${capitalised(theTransaction(table, t))} read ${show(table.scalarOf(v))} in ${this.#key(k)}, which nobody appended.`,
    }));
  }

  #aborted(t: number, k: number, v: number): void {
    const { table } = this.#lists;
    this.#discoveries.add("G1a", () => ({
      witness: [...this.#writerEvent(v), eventOf(table, t)],
      explanation: `${capitalised(theTransaction(table, t))} read ${show(table.scalarOf(v))} in ${this.#key(k)}, although ${theTransaction(table, table.writerTransaction[v] as number)} which was to append it, had failed.`,
    }));
  }

  #intermediateRead(t: number, writer: number, at: number, v: number): void {
    const { table } = this.#lists;
    this.#discoveries.add("G1b", () => ({
      witness: [eventOf(table, writer), eventOf(table, t)],
      explanation: `${capitalised(theTransaction(table, t))} read ${this.#key(table.key[at] as number)} as ${show(table.answer(at))}, where ${theTransaction(table, writer)} was not done: it appended more after ${show(table.scalarOf(v))}.`,
    }));
  }

  #future(t: number, k: number, v: number): void {
    const { table } = this.#lists;
    this.#discoveries.add("future-read", () => ({
      witness: [eventOf(table, t)],
      explanation: `${capitalised(theTransaction(table, t))} read ${show(table.scalarOf(v))} in ${this.#key(k)} before it appended it.`,
    }));
  }

  #dirtyUpdate(failed: number, v: number, reader: number, k: number): void {
    const { table } = this.#lists;
    const [aborted, writer] = [failed, v].map((w) => table.writerTransaction[w] as number) as [
      number,
      number,
    ];
    this.#discoveries.add("dirty-update", () => ({
      witness: [eventOf(table, aborted), eventOf(table, writer), eventOf(table, reader)],
      explanation: `The append of ${show(table.scalarOf(failed))} to ${this.#key(k)} by ${whoRan(table, aborted)}, failed, yet ${show(table.scalarOf(v))} by ${whoRan(table, writer)}, was added to it, as ${theTransaction(table, reader)} read.`,
    }));
  }

  #writerEvent(v: number): number[] {
    const { table } = this.#lists;
    const writer = table.writerTransaction[v] as number;
    return writer === NONE ? [] : [eventOf(table, writer)];
  }

  #key(k: number): string {
    return show(this.#lists.table.keys[k] as Json);
  }
}
