/** Several checkers as one: the worst verdict wins. */
import { Budget, type Checker, type Validity, type Verdict } from "../src/checker.ts";
import type { History } from "../src/history/history.ts";
import type { Json, Signature } from "../src/history/op.ts";

/** From harmless to grave. A proven violation outweighs everything that could not be checked. */
const SEVERITY: readonly Validity[] = ["valid", "unknown", "invalid"];

/** The gravest of some validities; `unknown` for none at all, for nothing was checked. */
export function worst(validities: readonly Validity[]): Validity {
  if (validities.length === 0) return "unknown";
  return SEVERITY[Math.max(...validities.map((validity) => SEVERITY.indexOf(validity)))] as Validity;
}

/**
 * Runs each checker on its own share of what is left of the budget. A checker that throws says `unknown` with
 * the error: its failure proves nothing about the history.
 */
export function checkAll<S extends Signature>(
  checkers: readonly Checker<S>[],
  history: History<S>,
  budget: Budget,
): readonly Verdict[] {
  return checkers.map((checker, i) => {
    const share = new Budget(Math.floor(budget.left / (checkers.length - i)));
    const verdict = guarded(checker, history, share);
    budget.spend(share.total - share.left);
    return verdict;
  });
}

/** One verdict on several. Its reason is that of the first of the gravest. */
export function combine(name: string, verdicts: readonly Verdict[]): Verdict {
  const validity = worst(verdicts.map((verdict) => verdict.validity));
  const decisive = verdicts.filter((verdict) => verdict.validity === validity);
  const reason =
    validity === "valid"
      ? `all of ${verdicts.map((verdict) => verdict.checker).join(", ")} hold`
      : decisive.map((verdict) => `${verdict.checker}: ${verdict.reason}`).join("; ");
  return {
    checker: name,
    validity,
    reason: verdicts.length === 0 ? "there is no checker" : reason,
    checked: verdicts.reduce((sum, verdict) => sum + verdict.checked, 0),
    anomalies: verdicts.flatMap((verdict) => verdict.anomalies),
    evidence: Object.fromEntries(verdicts.map((verdict) => [verdict.checker, summary(verdict)])),
  };
}

/** A checker that holds if all of `checkers` do. */
export function compose<S extends Signature>(name: string, checkers: readonly Checker<S>[]): Checker<S> {
  return { name, check: (history, budget) => combine(name, checkAll(checkers, history, budget)) };
}

function guarded<S extends Signature>(checker: Checker<S>, history: History<S>, budget: Budget): Verdict {
  try {
    return checker.check(history, budget);
  } catch (error) {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return {
      checker: checker.name,
      validity: "unknown",
      reason: `the checker failed: ${message}`,
      checked: 0,
      anomalies: [],
    };
  }
}

function summary({ validity, reason, checked, evidence }: Verdict): Json {
  return { validity, reason, checked, ...(evidence === undefined ? {} : { evidence }) };
}
