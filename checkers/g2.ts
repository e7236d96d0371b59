/**
 * No write skew: of two transactions that each insert a row only if the other's is not there, at most one succeeds.
 * Both succeeding is a cycle of two anti-dependencies over predicates, phenomenon G2 of Adya, Liskov and O'Neil,
 * "Generalized Isolation Level Definitions" (ICDE 2000). After Jepsen's G2 (jepsen/src/jepsen/tests/adya.clj).
 */
import type { Checker } from "../src/checker.ts";
import type { OperationOf } from "../src/history/history.ts";
import type { Json } from "../src/history/op.ts";
import { Findings, who } from "./findings.ts";

export type G2Signature = {
  /** One of the two rows of a key, told by which of [a, b] has an id; a failure if a row was there already. */
  insert: { in: readonly [number | null, number | null]; out: Json };
};

type Insert = OperationOf<G2Signature, "insert">;

export const g2: Checker<G2Signature> = {
  name: "g2",
  check(history) {
    const findings = new Findings();
    const attempts = new Map<string, number>();
    const first = new Map<string, Insert>();
    for (const insert of history.byFunction("insert")) {
      const key = insert.key ?? "";
      attempts.set(key, (attempts.get(key) ?? 0) + 1);
      if (insert.type !== "ok") continue;
      const other = first.get(key);
      if (other === undefined) first.set(key, insert);
      else
        findings.add(
          "write skew",
          "serializability",
          [other.completeIndex, insert.completeIndex],
          () =>
            `${who(other)} and ${who(insert)} both inserted a row for key ${key}, although each was to do so only if there was none.`,
        );
    }
    const contested = [...attempts.values()].filter((count) => count > 1).length;
    return findings.verdict("g2", contested, "keys", {
      doubt: first.size === 0 ? "no insert succeeded, so no two could" : undefined,
      evidence: { keys: attempts.size, inserted: first.size },
    });
  },
};
