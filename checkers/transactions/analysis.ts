/** Everything about a history of transactions: its anomalies, and the consistency models they leave. */
import type { Budget } from "../../src/checker.ts";
import type { History } from "../../src/history/history.ts";
import type { Json } from "../../src/history/op.ts";
import { findCycles } from "./cycles.ts";
import { Dependencies } from "./dependencies.ts";
import { Discoveries } from "./discoveries.ts";
import { findListAnomalies } from "./list-anomalies.ts";
import { applyListVersions } from "./list-versions.ts";
import { Lists } from "./lists.ts";
import { models, ruledOutBy } from "./models.ts";
import { addProcessOrder, addRealTimeOrder } from "./order.ts";
import { findRegisterAnomalies } from "./register-anomalies.ts";
import { Registers } from "./registers.ts";
import { OK, type TransactionTable } from "./table.ts";
import { listReason, type Reason, registerReason, tellCycle } from "./telling.ts";
import type { TransactionSignature } from "./transaction.ts";
import { inferVersions } from "./versions.ts";
import { show, theTransaction } from "./wording.ts";

export interface Analysis {
  /** The first few of each name. */
  readonly anomalies: Discoveries["told"];
  /** How often each was found: cycles by the components of the graph that they are in. */
  readonly counts: ReadonlyMap<string, number>;
  /** Models that cannot hold. */
  readonly ruledOut: ReadonlySet<string>;
  /** Transactions that are ok. */
  readonly committed: number;
  /** Why finding nothing does not mean that all is well, if so. */
  readonly doubt: string | undefined;
}

/** Judges transactions that append to lists. The budget is for making witnesses short. Throws MalformedTransaction. */
export function analyseLists(history: History<TransactionSignature>, budget: Budget): Analysis {
  const discoveries = new Discoveries();
  const lists = new Lists(history);
  const { table } = lists;
  applyListVersions(lists, discoveries);
  findListAnomalies(lists, discoveries);
  const dependencies = new Dependencies(table.size);
  lists.addDependencies(dependencies);
  return conclude(table, dependencies, discoveries, listReason(lists), budget);
}

/** The same of transactions that read and write registers. */
export function analyseRegisters(history: History<TransactionSignature>, budget: Budget): Analysis {
  const discoveries = new Discoveries();
  const registers = new Registers(history);
  const { table } = registers;
  findRegisterAnomalies(registers, discoveries);
  const order = inferVersions(registers, discoveries);
  const dependencies = new Dependencies(table.size);
  registers.addDependencies(order, dependencies);
  return conclude(table, dependencies, discoveries, registerReason(registers, order), budget);
}

function conclude(
  table: TransactionTable,
  dependencies: Dependencies,
  discoveries: Discoveries,
  reason: Reason,
  budget: Budget,
): Analysis {
  addProcessOrder(table, dependencies);
  addRealTimeOrder(table, dependencies);
  findCycles(table, dependencies, discoveries, budget, (edges, _, shortest) =>
    tellCycle(table, edges, shortest, reason),
  );
  const ruledOut = new Set<string>();
  for (const name of discoveries.counts.keys()) for (const model of ruledOutBy(name)) ruledOut.add(model);
  return {
    anomalies: discoveries.told,
    counts: discoveries.counts,
    ruledOut: new Set(models.map(({ name }) => name).filter((name) => ruledOut.has(name))),
    committed: table.outcome.reduce((count, outcome) => count + (outcome === OK ? 1 : 0), 0),
    doubt: ambiguity(table) ?? idleness(table),
  };
}

function idleness({ size, outcome, first, writes }: TransactionTable): string | undefined {
  for (let t = 0; t < size; t++)
    for (let at = first[t] as number; outcome[t] === OK && at < (first[t + 1] as number); at++)
      if (writes[at] === 1) return undefined;
  return "no transaction that writes was committed, so nothing could go wrong";
}

function ambiguity(table: TransactionTable): string | undefined {
  if (table.duplicate === undefined) return undefined;
  const [first, second] = table.duplicate.map((at) => table.transactionOf(at)) as [number, number];
  const again = table.duplicate[1];
  const [key, value] = [table.keys[table.key[again] as number], table.scalarOf(table.value[again] as number)];
  const count = table.ambiguous.reduce((sum, one) => sum + one, 0);
  return `${show(value)} was written to ${show(key as Json)} by ${theTransaction(table, first)} and again by ${theTransaction(table, second)} so a read does not tell which it saw; ${count} of ${table.keys.length} keys were left out`;
}
