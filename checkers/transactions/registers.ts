/**
 * Registers that transactions read and write. A read names the version it saw, if each value was written once; what
 * comes before what has to be inferred (`versions.ts`).
 */

import type { History } from "../../src/history/history.ts";
import { code, type Dependencies, type Level, RW, RW_PREDICATE, WR } from "./dependencies.ts";
import { type Digraph, digraph } from "./digraph.ts";
import { FAIL, NONE, OK, TransactionTable } from "./table.ts";
import type { TransactionSignature } from "./transaction.ts";
import type { VersionOrder } from "./versions.ts";

export class Registers {
  readonly table: TransactionTable;
  /** By access that read: the value; NONE if it is not known what was read. */
  readonly read: Int32Array;
  /** By key, the value that stands for none: what a read gives as null. NONE if never read. */
  readonly initial: Int32Array;
  /** By access: 1 if it read what came from outside: nothing in its transaction wrote the key before. */
  readonly external: Uint8Array;
  /** By access: the one before it on the same key in the same transaction. */
  readonly previous: Int32Array;
  /** By value: whether its transaction overwrote it itself. */
  readonly intermediate: Uint8Array;

  /** Throws MalformedTransaction. */
  constructor(history: History<TransactionSignature>) {
    const table = new TransactionTable(history, "w");
    this.table = table;
    const count = table.key.length;
    this.read = new Int32Array(count).fill(NONE);
    this.initial = new Int32Array(table.keys.length).fill(NONE);
    this.external = new Uint8Array(count);
    this.previous = new Int32Array(count).fill(NONE);
    const last = new Int32Array(table.keys.length).fill(NONE);
    for (let t = 0; t < table.size; t++) {
      const first = table.first[t] as number;
      for (let at = first; at < (table.first[t + 1] as number); at++) {
        const k = table.key[at] as number;
        if ((last[k] as number) >= first) this.previous[at] = last[k] as number;
        last[k] = at;
        if (table.outcome[t] !== OK || table.writes[at] === 1) continue;
        const v = table.valueOf(k, table.answers[at] as number);
        this.read[at] = v;
        const before = this.previous[at] as number;
        if (before === NONE || this.external[before] === 1) this.external[at] = 1;
        if (table.showsNothing(at)) this.initial[k] = v;
      }
    }
    this.intermediate = new Uint8Array(table.valueCount);
    for (let at = 0; at < count; at++) {
      if (table.writes[at] !== 1) continue;
      for (let b = this.previous[at] as number; b !== NONE; b = this.previous[b] as number)
        if (table.writes[b] === 1) {
          this.intermediate[table.value[b] as number] = 1;
          break;
        }
    }
  }

  /** Dependencies by what was read, and by the order of versions. Keys where a value was written twice have none. */
  addDependencies(order: VersionOrder, dependencies: Dependencies): void {
    const { table } = this;
    const items = this.#readers(false);
    const ranges = table.predicate === undefined ? undefined : this.#readers(true);
    const wr = code(WR, 0);
    for (let v = 0; v < table.valueCount; v++) {
      const writer = this.#happened(v);
      if (writer === NONE) continue;
      const k = table.key[table.writer[v] as number] as number;
      for (let at = items.offsets[v] as number; at < (items.offsets[v + 1] as number); at++)
        dependencies.add(writer, items.targets[at] as number, wr, k);
    }
    const { targets: steps } = order.byVersion(table.valueCount);
    const next: number[] = [];
    for (let i = 0; i < steps.length; ) {
      const v = order.from[steps[i] as number] as number;
      const edge = order.codes[steps[i] as number] as number;
      const k = order.keys[steps[i] as number] as number;
      const writer = this.#happened(v);
      next.length = 0;
      // Steps from one version, known in one way, follow each other.
      for (; i < steps.length; i++) {
        const step = steps[i] as number;
        if (order.from[step] !== v || order.codes[step] !== edge) break;
        const overwriter = this.#happened(order.to[step] as number);
        if (overwriter === NONE || next.at(-1) === overwriter) continue;
        next.push(overwriter);
        if (writer !== NONE) dependencies.add(writer, overwriter, edge, k);
      }
      if (next.length === 0) continue;
      const writers = next.length === 1 ? next : [...new Set(next)];
      const level = Math.floor(edge / code(0, 1)) as Level;
      const { offsets, targets } = items;
      const [begin, end] = [offsets[v] as number, offsets[v + 1] as number];
      dependencies.antidependencies(targets, begin, end, writers, code(RW, level), k);
      if (ranges === undefined) continue;
      const [first, last] = [ranges.offsets[v] as number, ranges.offsets[v + 1] as number];
      dependencies.antidependencies(ranges.targets, first, last, writers, code(RW_PREDICATE, level), k);
    }
  }

  /** By value, the transactions that read it from outside, once each: as such, or as what a range did not find. */
  #readers(predicate: boolean): Digraph {
    const { table } = this;
    const reads = new Int32Array(table.key.length);
    const byWhom = new Int32Array(table.key.length);
    let count = 0;
    for (let t = 0; t < table.size; t++) {
      if (table.outcome[t] !== OK) continue;
      for (let at = table.first[t] as number; at < (table.first[t + 1] as number); at++) {
        if (this.external[at] === 0 || table.ambiguous[table.key[at] as number] === 1) continue;
        if ((table.predicate?.[at] === 1) !== predicate || this.#repeats(at, predicate)) continue;
        reads[count] = this.read[at] as number;
        byWhom[count++] = t;
      }
    }
    return digraph(table.valueCount, count, reads, byWhom);
  }

  /** Whether the transaction had read the same of the key in the same way before. */
  #repeats(at: number, predicate: boolean): boolean {
    const { predicate: ranges } = this.table;
    for (let b = this.previous[at] as number; b !== NONE; b = this.previous[b] as number)
      if (this.read[b] === this.read[at] && (ranges?.[b] === 1) === predicate) return true;
    return false;
  }

  /** The transaction that wrote a value, unless it failed. */
  #happened(v: number): number {
    const writer = this.table.writerTransaction[v] as number;
    return writer !== NONE && this.table.outcome[writer] !== FAIL ? writer : NONE;
  }
}
