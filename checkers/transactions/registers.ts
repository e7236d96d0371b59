/**
 * Registers that transactions read and write. A read names the version it saw, if each value was written once; what
 * comes before what has to be inferred (`versions.ts`).
 */

import type { History } from "../../src/history/history.ts";
import type { Json } from "../../src/history/op.ts";
import { code, type Dependencies, type Level, RW, WR } from "./dependencies.ts";
import { digraph } from "./digraph.ts";
import { FAIL, NONE, OK, TransactionTable } from "./table.ts";
import type { TransactionSignature } from "./transaction.ts";
import type { VersionOrder } from "./versions.ts";

export class Registers {
  readonly table: TransactionTable;
  /** By micro-operation that read: the value; NONE if it is not known what was read. */
  readonly read: Int32Array;
  /** By key, the value that stands for none: what a read gives as null. NONE if never read. */
  readonly initial: Int32Array;
  /** By micro-operation: 1 if it read what came from outside: nothing in its transaction wrote the key before. */
  readonly external: Uint8Array;
  /** By micro-operation: the one before it on the same key in the same transaction. */
  readonly previous: Int32Array;
  /** By value: whether its transaction overwrote it itself. */
  readonly intermediate: Uint8Array;
  /** By micro-operation: the version number the store gave, -1 if none. */
  readonly version: Float64Array | undefined;

  /** Throws MalformedTransaction. */
  constructor(history: History<TransactionSignature>) {
    const table = new TransactionTable(history, "w", () => {});
    this.table = table;
    const count = table.key.length;
    this.read = new Int32Array(count).fill(NONE);
    this.initial = new Int32Array(table.keys.length).fill(NONE);
    this.external = new Uint8Array(count);
    this.previous = new Int32Array(count).fill(NONE);
    let version: Float64Array | undefined;
    const last = new Int32Array(table.keys.length).fill(NONE);
    for (let t = 0; t < table.size; t++) {
      const first = table.first[t] as number;
      const ops = table.ops(t);
      for (let i = 0; i < ops.length; i++) {
        const at = first + i;
        const op = ops[i] as readonly [string, Json, Json, number?];
        const k = table.key[at] as number;
        if ((last[k] as number) >= first) this.previous[at] = last[k] as number;
        last[k] = at;
        if (table.outcome[t] !== OK) continue;
        if (op[3] !== undefined) {
          version ??= new Float64Array(count).fill(NONE);
          version[at] = op[3];
        }
        if (op[0] !== "r") continue;
        const v = table.valueOf(k, op[2] ?? null);
        this.read[at] = v;
        const before = this.previous[at] as number;
        if (before === NONE || this.external[before] === 1) this.external[at] = 1;
        if ((op[2] ?? null) === null) this.initial[k] = v;
      }
    }
    this.version = version;
    this.intermediate = new Uint8Array(table.writer.length);
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
    const wr = code(WR, 0);
    const reads = new Int32Array(table.key.length);
    const byWhom = new Int32Array(table.key.length);
    let count = 0;
    for (let t = 0; t < table.size; t++) {
      if (table.outcome[t] !== OK) continue;
      for (let at = table.first[t] as number; at < (table.first[t + 1] as number); at++) {
        const k = table.key[at] as number;
        if (this.external[at] === 0 || table.ambiguous[k] === 1) continue;
        const v = this.read[at] as number;
        reads[count] = v;
        byWhom[count++] = t;
        const writer = this.#happened(v);
        if (writer !== NONE) dependencies.add(writer, t, wr, k);
      }
    }
    const readers = digraph(table.writer.length, count, reads, byWhom);
    for (let e = 0; e < order.count; ) {
      const v = order.from[e] as number;
      const edge = order.codes[e] as number;
      const k = order.keys[e] as number;
      const writer = this.#happened(v);
      const next: number[] = [];
      // Steps from one version, known in one way, follow each other.
      for (; e < order.count && order.from[e] === v && order.codes[e] === edge; e++) {
        const overwriter = this.#happened(order.to[e] as number);
        if (overwriter === NONE || next.at(-1) === overwriter) continue;
        next.push(overwriter);
        if (writer !== NONE) dependencies.add(writer, overwriter, edge, k);
      }
      const rw = code(RW, Math.floor(edge / code(0, 1)) as Level);
      const [first, end] = [readers.offsets[v] as number, readers.offsets[v + 1] as number];
      if (first < end && next.length > 0)
        dependencies.antidependencies(once(readers.targets.subarray(first, end)), once(next), rw, k);
    }
  }

  /** The transaction that wrote a value, unless it failed. */
  #happened(v: number): number {
    const writer = this.table.writerTransaction[v] as number;
    return writer !== NONE && this.table.outcome[writer] !== FAIL ? writer : NONE;
  }
}

/** Without repetition. */
function once(transactions: ArrayLike<number>): readonly number[] {
  if (transactions.length === 1) return [transactions[0] as number];
  return [...new Set(Array.from(transactions))];
}
