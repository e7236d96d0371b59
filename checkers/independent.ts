/** A checker of one object, lifted to histories of many: every key is judged alone. */
import { Budget, type Checker, type Verdict } from "../src/checker.ts";
import type { Json, Signature } from "../src/history/op.ts";
import { worst } from "./compose.ts";

/**
 * Sound only for properties that hold of the whole exactly if they hold of each key: linearizability and what is
 * defined per key, but not isolation of transactions nor sequential consistency. Operations without a key are
 * not looked at; if there are no others, nothing was checked.
 */
export function independent<S extends Signature>(checker: Checker<S>): Checker<S> {
  return {
    name: checker.name,
    check(history, budget) {
      const keys = history.keys();
      const verdicts = keys.map((key, i) => {
        const share = new Budget(Math.floor(budget.left / (keys.length - i)));
        const verdict = checker.check(history.forKey(key), share);
        budget.spend(share.total - share.left);
        return verdict;
      });
      return merge(checker.name, keys, verdicts);
    },
  };
}

function merge(name: string, keys: readonly string[], verdicts: readonly Verdict[]): Verdict {
  const validity = worst(verdicts.map((verdict) => verdict.validity));
  const decisive = keys.filter((_, i) => verdicts[i]?.validity === validity);
  const first = verdicts.find((verdict) => verdict.validity === validity);
  const evidence: { [key: string]: Json } = {};
  keys.forEach((key, i) => {
    const verdict = verdicts[i] as Verdict;
    if (verdict.validity === "valid") return;
    evidence[key] = { validity: verdict.validity, reason: verdict.reason };
  });
  return {
    checker: name,
    validity,
    reason:
      first === undefined
        ? "no operation names a key"
        : validity === "valid"
          ? `${keys.length} keys: ${first.reason}${keys.length > 1 ? ", and so on" : ""}`
          : `${decisive.length} of ${keys.length} keys: key ${decisive[0]}: ${first.reason}`,
    checked: verdicts.reduce((sum, verdict) => sum + verdict.checked, 0),
    anomalies: verdicts.flatMap((verdict) => verdict.anomalies),
    ...(Object.keys(evidence).length > 0 ? { evidence } : {}),
  };
}
