/**
 * No causal reverse: who sees an element also sees every element whose add had been acknowledged before the add of
 * the first began. Reads may be stale, but only as a whole: strict serializability forbids more than this, a
 * serializable database that assigns places in its order without regard to real time breaks it (CockroachDB's
 * "causal reverse"). After Jepsen's causal-reverse (jepsen/src/jepsen/tests/causal_reverse.clj).
 *
 * Linear in the number of elements read, after a sort.
 */
import type { Checker } from "../src/checker.ts";
import type { OperationOf } from "../src/history/history.ts";
import { Findings, who } from "./findings.ts";
import type { SetSignature } from "./set.ts";

type Add = OperationOf<SetSignature, "add">;

export const causalReverse: Checker<SetSignature> = {
  name: "causal-reverse",
  check(history) {
    const findings = new Findings();
    const adds = new Map<number, Add>();
    for (const add of history.byFunction("add")) adds.set(add.input, add);
    const acknowledged = [...adds.values()]
      .filter((add) => add.type === "ok")
      .sort((a, b) => a.completeIndex - b.completeIndex);
    let judged = 0;
    for (const read of history.byFunction("read")) {
      if (read.type !== "ok") continue;
      judged++;
      const seen = new Set(read.output);
      let latest: Add | undefined;
      for (const value of read.output) {
        const add = adds.get(value);
        if (add !== undefined && (latest === undefined || add.invokeIndex > latest.invokeIndex)) latest = add;
      }
      if (latest === undefined) continue;
      const late = latest;
      for (const early of acknowledged) {
        if (early.completeIndex > late.invokeIndex) break;
        if (seen.has(early.input)) continue;
        findings.add(
          "causal reverse",
          "strict serializability",
          [early.completeIndex, late.invokeIndex, read.completeIndex],
          () =>
            `${who(read)} read element ${late.input}, which ${who(late)} began to add only after ${who(early)} had been told that ${early.input} was added, but the read lacks ${early.input}.`,
        );
        break;
      }
    }
    return findings.verdict("causal-reverse", judged, "reads", {
      doubt: acknowledged.length < 2 ? "fewer than two adds succeeded, so no order could show" : undefined,
    });
  },
};
