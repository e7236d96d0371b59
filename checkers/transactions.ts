/**
 * Judges transactions by their dependencies on each other, as Elle does (Kingsbury and Alvaro, VLDB 2020): the
 * answers tell who read and overwrote whose writes, and a cycle of such dependencies breaks the promises of some
 * consistency models. Nothing is searched for: the time is nearly linear in the size of the history.
 */
import type { Budget, Checker, Verdict } from "../src/checker.ts";
import type { History } from "../src/history/history.ts";
import type { Json } from "../src/history/op.ts";
import { type Analysis, analyseLists, analyseRegisters } from "./transactions/analysis.ts";
import { models, ruledOutBy, strongest, weakest } from "./transactions/models.ts";
import type { TransactionSignature } from "./transactions/transaction.ts";

export interface TransactionCheckerOptions {
  /** The consistency model that is promised; `strict-serializable` if not given. */
  readonly model?: string;
}

/** For lists that are appended to. */
export function listAppendChecker(options: TransactionCheckerOptions = {}): Checker<TransactionSignature> {
  return checker("list-append", analyseLists, options);
}

/** For registers that are written. */
export function rwRegisterChecker(options: TransactionCheckerOptions = {}): Checker<TransactionSignature> {
  return checker("rw-register", analyseRegisters, options);
}

function checker(
  name: string,
  analyse: (history: History<TransactionSignature>, budget: Budget) => Analysis,
  { model = "strict-serializable" }: TransactionCheckerOptions,
): Checker<TransactionSignature> {
  if (!models.some((known) => known.name === model))
    throw new RangeError(
      `there is no consistency model ${model}; there are ${models.map((m) => m.name).join(", ")}`,
    );
  return { name, check: (history, budget) => judge(name, model, analyse(history, budget)) };
}

function judge(checkerName: string, model: string, analysis: Analysis): Verdict {
  const { ruledOut, counts, committed, doubt } = analysis;
  const surviving = new Set(models.map(({ name }) => name).filter((name) => !ruledOut.has(name)));
  const holds = strongest(surviving);
  const best = holds.length === 0 ? "no consistency model at all" : holds.join(" and ");
  const anomalies = analysis.anomalies
    .filter(({ name }) => ruledOutBy(name).has(model))
    .map(({ name, witness, explanation }) => ({
      name,
      guarantee: weakest(ruledOutBy(name)).join(", "),
      explanation,
      witness: [...new Set(witness)].sort((a, b) => a - b),
    }));
  const evidence: { [field: string]: Json } = {
    committed,
    strongestModels: holds,
    weakestRuledOut: weakest(ruledOut),
    anomalies: Object.fromEntries(counts),
    cycles: analysis.anomalies.flatMap(({ name, cycle }) => (cycle === undefined ? [] : [{ name, cycle }])),
  };
  const verdict = { checker: checkerName, checked: committed, anomalies, evidence };
  const found = [...counts].map(([name, count]) => `${name} (${count})`).join(", ");
  if (ruledOut.has(model))
    return {
      ...verdict,
      validity: "invalid",
      reason: `not ${model}: found ${found}; what is left is ${best}`,
    };
  if (committed === 0)
    return {
      ...verdict,
      validity: "unknown",
      reason: "no transaction was committed, so there is nothing to check",
    };
  if (doubt !== undefined) return { ...verdict, validity: "unknown", reason: doubt };
  const besides = found === "" ? "" : `; found ${found}, which it allows`;
  return {
    ...verdict,
    validity: "valid",
    reason: `${committed} committed transactions are ${best}${besides}`,
  };
}
