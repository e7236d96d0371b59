/**
 * Read committed, read atomic and causal consistency, of transactions on registers whose values are written once:
 * levels below those that a lattice of dependencies can tell apart, and decided without guessing who overwrote whom.
 */
import type { Checker } from "../src/checker.ts";
import type { Json } from "../src/history/op.ts";
import { Findings } from "./findings.ts";
import { CommitOrder, type Edge, type Level, levels } from "./transactions/commit-order.ts";
import { Discoveries } from "./transactions/discoveries.ts";
import { findRegisterAnomalies } from "./transactions/register-anomalies.ts";
import { Registers } from "./transactions/registers.ts";
import { NONE, OK } from "./transactions/table.ts";
import type { TransactionSignature } from "./transactions/transaction.ts";
import { capitalised, eventOf, show, theTransaction } from "./transactions/wording.ts";

/** What a cycle is called that is there at this level, and not below. */
const NAMES = {
  "read-committed": "non-monotonic read",
  "read-atomic": "fractured read",
  causal: "causality violation",
};
/** Of those that show in one read: what no level allows. */
const ALWAYS = ["G1a", "G1b", "garbage-read", "future-read"];

/** `level` is what is promised; causal consistency if not given. Throws RangeError if there is none of that name. */
export function weakIsolationChecker({
  level = "causal",
}: {
  readonly level?: string;
} = {}): Checker<TransactionSignature> {
  const asked = (levels as readonly string[]).indexOf(level);
  if (asked < 0) throw new RangeError(`there is no level ${level}; there are ${levels.join(", ")}`);
  return {
    name: "weak-isolation",
    check(history) {
      const findings = new Findings();
      const registers = new Registers(history);
      const { table } = registers;
      const discoveries = new Discoveries();
      findRegisterAnomalies(registers, discoveries);
      for (const { name, witness, explanation } of discoveries.told)
        if (ALWAYS.includes(name)) findings.add(name, "read-committed", witness, () => explanation);
      addForgotten(registers, findings);
      const order = new CommitOrder(registers);
      const add = (name: string, guarantee: string, cycle: readonly Edge[]) => {
        const involved = new Set(cycle.flatMap(({ from, to, reader }) => [from, to, reader]));
        involved.delete(order.initial);
        const witness = [...involved].map((t) => eventOf(table, t));
        findings.add(name, guarantee, witness, () => tell(cycle, registers, order.initial));
      };
      let strongest: Json = null;
      const basis = order.basis();
      if (basis !== undefined) add("cyclic reads", "read-committed", basis);
      let doubt =
        table.duplicate === undefined
          ? undefined
          : "a value was written twice: a read does not tell which it saw";
      for (let i = 0; i <= asked && findings.none; i++) {
        const name = levels[i] as Level;
        if (name === "causal" && !order.isFeasible) {
          doubt ??= "there are too many sessions for causal consistency to be decided";
          break;
        }
        const cycle = order.broken(name);
        if (cycle === undefined) strongest = name;
        else add(NAMES[name], name, cycle);
      }
      const committed = table.outcome.reduce((count, outcome) => count + (outcome === OK ? 1 : 0), 0);
      return findings.verdict("weak-isolation", committed, "committed transactions", {
        doubt,
        evidence: { strongest },
      });
    },
  };
}

/** A transaction sees what it wrote itself, until it writes again. */
function addForgotten({ table, read, external, previous }: Registers, findings: Findings): void {
  for (let t = 0; t < table.size; t++) {
    if (table.outcome[t] !== OK) continue;
    for (let at = table.first[t] as number; at < (table.first[t + 1] as number); at++) {
      const key = table.key[at] as number;
      if (table.writes[at] === 1 || external[at] === 1 || table.ambiguous[key] === 1) continue;
      const before = previous[at] as number;
      const known = (table.writes[before] === 1 ? table.value[before] : read[before]) as number;
      const shown = read[at] as number;
      if (known === shown || known === NONE || shown === NONE) continue;
      const [own, other] = [known, shown].map((value) => show(table.scalarOf(value)));
      findings.add(
        "internal",
        "read-committed",
        [eventOf(table, t)],
        () =>
          `${capitalised(theTransaction(table, t))} wrote ${show(table.keys[key] as Json)} = ${own} and then read ${other}.`,
      );
    }
  }
}

function tell(cycle: readonly Edge[], { table }: Registers, initial: number): string {
  const name = (t: number) => (t === initial ? "the beginning" : theTransaction(table, t).replace(/,$/, ""));
  const steps = cycle.map(({ from, to, why, key, reader }) => {
    if (from === initial && why === "session") return `${name(to)} comes after the beginning`;
    if (why === "session") return `${name(from)} comes before ${name(to)} in its session`;
    const k = show(table.keys[key] as Json);
    if (why === "read") return `${name(to)} read ${k} as ${name(from)} had written it`;
    return `${name(from)} must come before ${name(to)}, as ${name(reader)} follows the former and read ${k} as the latter had left it`;
  });
  return `No order of commits is possible: ${steps.join("; ")}.`;
}
