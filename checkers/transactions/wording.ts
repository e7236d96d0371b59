/** Transactions in words. */
import type { Json } from "../../src/history/op.ts";
import { who } from "../findings.ts";
import { NONE, type TransactionTable } from "./table.ts";
import type { MicroOp } from "./transaction.ts";

/** Elements of a list, or micro-operations, that are shown before the rest is left out. */
const SHOWN = 8;

export function show(value: Json): string {
  if (Array.isArray(value)) {
    const items = value as readonly Json[];
    const shown = items.slice(-SHOWN).map(show).join(" ");
    return items.length > SHOWN ? `[… ${shown}]` : `[${shown}]`;
  }
  return typeof value === "string" ? value : JSON.stringify(value);
}

export function showOp(op: MicroOp): string {
  if (op[0] === "range") {
    const [, [from, to], entries] = op;
    const found = (entries ?? []).map(([key, value]) => `${show(key)} = ${show(value)}`).join(", ");
    return `read all from ${show(from)} to before ${show(to)} as ${found === "" ? "nothing" : found}`;
  }
  const [f, key, value] = op;
  if (f === "append") return `append ${show(value)} to ${show(key)}`;
  if (f === "w") return `write ${show(key)} = ${show(value)}`;
  return value === null ? `read ${show(key)} as nothing` : `read ${show(key)} as ${show(value)}`;
}

/** "process 3 on n2, events 4 and 7". */
export function whoRan(table: TransactionTable, t: number): string {
  const { columns } = table.history;
  const row = table.rows[t] as number;
  const node = [columns.invokeNode[row], columns.completeNode[row]].find((n) => n !== NONE);
  const name = who({
    process: table.process[t] as number,
    node: node === undefined ? undefined : columns.nodes[node],
  });
  const completed = table.completed[t];
  return completed === NONE
    ? `${name}, event ${table.invoked[t]}`
    : `${name}, events ${table.invoked[t]} and ${completed}`;
}

/** "the transaction of process 3 (events 4 and 7)". */
export function theTransaction(table: TransactionTable, t: number): string {
  return `the transaction of ${whoRan(table, t)},`;
}

/** What a transaction did, shortened if it did much. */
export function showTransaction(table: TransactionTable, t: number): string {
  const ops = table.ops(t);
  const shown = ops.slice(0, SHOWN).map(showOp).join(", ");
  return ops.length > SHOWN ? `${shown}, …` : shown;
}

/** The events that show what a transaction did: its completion, or its invocation if there is none. */
export function eventOf(table: TransactionTable, t: number): number {
  const completed = table.completed[t] as number;
  return completed === NONE ? (table.invoked[t] as number) : completed;
}

export function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
