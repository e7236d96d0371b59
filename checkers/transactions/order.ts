/** The orders that a history has by itself: of each process, and of real time. */
import { type Dependencies, PASS, PROCESS, REALTIME } from "./dependencies.ts";
import { FAIL, NONE, OK, type TransactionTable } from "./table.ts";

/** From each transaction that took effect to the next of its process. */
export function addProcessOrder(table: TransactionTable, dependencies: Dependencies): void {
  const last = new Map<number, number>();
  for (let t = 0; t < table.size; t++) {
    if (table.outcome[t] === FAIL) continue;
    const process = table.process[t] as number;
    const before = last.get(process);
    if (before !== undefined) dependencies.add(before, t, PROCESS, NONE);
    last.set(process, t);
  }
}

/**
 * From each transaction that ended ok to all that were invoked later, by a chain of nodes that stand for moments:
 * one wherever an invocation follows a completion. At most three edges for a transaction.
 */
export function addRealTimeOrder(table: TransactionTable, dependencies: Dependencies): void {
  const { invoked, completed, outcome } = table;
  const byCompletion = completedInOrder(table);
  let next = 0;
  let moment = NONE;
  for (let t = 0; t < table.size; t++) {
    if (outcome[t] === FAIL) continue;
    let open = NONE;
    for (; next < byCompletion.length; next++) {
      const earlier = byCompletion[next] as number;
      if ((completed[earlier] as number) > (invoked[t] as number)) break;
      if (open === NONE) open = dependencies.node();
      dependencies.add(earlier, open, REALTIME, NONE);
    }
    if (open !== NONE) {
      if (moment !== NONE) dependencies.add(moment, open, PASS, NONE);
      moment = open;
    }
    if (moment !== NONE) dependencies.add(moment, t, PASS, NONE);
  }
}

/** The transactions that ended ok, by completion. */
export function completedInOrder({ size, outcome, completed }: TransactionTable): Int32Array {
  let events = 0;
  let count = 0;
  for (let t = 0; t < size; t++) {
    if (outcome[t] !== OK) continue;
    count++;
    events = Math.max(events, (completed[t] as number) + 1);
  }
  const at = new Int32Array(events).fill(NONE);
  for (let t = 0; t < size; t++) if (outcome[t] === OK) at[completed[t] as number] = t;
  const inOrder = new Int32Array(count);
  let next = 0;
  for (const t of at) if (t !== NONE) inOrder[next++] = t;
  return inOrder;
}
