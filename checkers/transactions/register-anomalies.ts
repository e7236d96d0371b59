/** Anomalies of registers that need no cycle: each shows in one read, or in two. */
import type { Json } from "../../src/history/op.ts";
import type { Discoveries } from "./discoveries.ts";
import type { Registers } from "./registers.ts";
import { FAIL, NONE, OK } from "./table.ts";
import { capitalised, eventOf, show, theTransaction } from "./wording.ts";

export function findRegisterAnomalies(registers: Registers, discoveries: Discoveries): void {
  const { table, read, previous, external, intermediate, initial } = registers;
  const { predicate } = table;
  const key = (at: number): string => show(table.keys[table.key[at] as number] as Json);
  const value = (v: number): string => show(table.scalarOf(v));
  /** By value: the write of the first transaction that read it and then wrote the key. */
  const updater = new Map<number, number>();
  for (let t = 0; t < table.size; t++) {
    if (table.outcome[t] !== OK) continue;
    for (let at = table.first[t] as number; at < (table.first[t + 1] as number); at++) {
      const k = table.key[at] as number;
      if (table.ambiguous[k] === 1) continue;
      const before = previous[at] as number;
      if (table.writes[at] === 1) {
        if (before === NONE || external[before] === 0 || predicate?.[before] === 1) continue;
        const version = read[before] as number;
        const other = updater.get(version);
        if (other === undefined) updater.set(version, at);
        else if (table.transactionOf(other) !== t) {
          const first = table.transactionOf(other);
          discoveries.add("lost-update", () => ({
            witness: [eventOf(table, first), eventOf(table, t)],
            explanation: `${capitalised(theTransaction(table, first))} and ${theTransaction(table, t)} both read ${key(at)} = ${value(version)}; the one then wrote ${value(table.value[other] as number)}, the other ${value(table.value[at] as number)}, and neither saw the other's.`,
          }));
        }
        continue;
      }
      const v = read[at] as number;
      const expected =
        before === NONE ? v : ((table.writes[before] === 1 ? table.value[before] : read[before]) as number);
      // That a range has grown meanwhile is a phantom, and told as such.
      const grown = (predicate?.[at] === 1 || predicate?.[before] === 1) && table.writes[before] === 0;
      if (v !== expected && !grown)
        discoveries.add("internal", () => ({
          witness: [eventOf(table, t)],
          explanation: `${capitalised(theTransaction(table, t))} ${table.writes[before] === 1 ? "wrote" : "read"} ${key(at)} = ${value(expected)} and then read ${value(v)}.`,
        }));
      if (v === initial[k]) continue;
      const writer = table.writerTransaction[v] as number;
      if (writer === NONE)
        discoveries.add("garbage-read", () => ({
          witness: [eventOf(table, t)],
          explanation: `${capitalised(theTransaction(table, t))} read ${key(at)} = ${value(v)}, which nobody wrote.`,
        }));
      else if (table.outcome[writer] === FAIL)
        discoveries.add("G1a", () => ({
          witness: [eventOf(table, writer), eventOf(table, t)],
          explanation: `${capitalised(theTransaction(table, t))} read ${key(at)} = ${value(v)}, although ${theTransaction(table, writer)} which was to write it, had failed.`,
        }));
      else if (writer === t) {
        if ((table.writer[v] as number) > at)
          discoveries.add("future-read", () => ({
            witness: [eventOf(table, t)],
            explanation: `${capitalised(theTransaction(table, t))} read ${key(at)} = ${value(v)} before it wrote it.`,
          }));
      } else if (intermediate[v] === 1)
        discoveries.add("G1b", () => ({
          witness: [eventOf(table, writer), eventOf(table, t)],
          explanation: `${capitalised(theTransaction(table, t))} read ${key(at)} = ${value(v)}, which ${theTransaction(table, writer)} overwrote itself.`,
        }));
    }
  }
}
