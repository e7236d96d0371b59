/**
 * Sequential consistency, seen through one pair of eyes: keys are written one after another, and read in the opposite
 * order. Once a read has found a key, the reads after it must find all keys that were written before that one. After
 * Jepsen's sequential test of CockroachDB (jepsen-io/jepsen, cockroachdb/src/jepsen/cockroach/sequential.clj).
 */
import type { Checker } from "../src/checker.ts";
import type { Json } from "../src/history/op.ts";
import { Findings, who } from "./findings.ts";

export type SequentialSignature = {
  /** A part of a key, from 1 on; begun only after the part before was acknowledged. */
  write: { in: number; out: number };
  /** What was found of each part, the last part first; null for nothing. */
  read: { in: null; out: readonly Json[] };
};

export const sequential: Checker<SequentialSignature> = {
  name: "sequential",
  check(history) {
    const findings = new Findings();
    const counts = { sawNothing: 0, sawSome: 0, sawAll: 0 };
    for (const read of history.byFunction("read")) {
      if (read.type !== "ok") continue;
      const found = read.output.findIndex((value) => value !== null);
      if (found === -1) counts.sawNothing++;
      else if (found === 0) counts.sawAll++;
      else counts.sawSome++;
      const missing = found === -1 ? -1 : read.output.indexOf(null, found);
      if (missing === -1) continue;
      const part = (position: number): number => read.output.length - position;
      findings.add(
        "writes out of order",
        "sequential consistency",
        [read.completeIndex],
        () =>
          `${who(read)} found part ${part(found)} of key ${read.key ?? "?"} and, reading on, no part ${part(missing)}, which was written before it.`,
      );
    }
    const reads = counts.sawNothing + counts.sawSome + counts.sawAll;
    return findings.verdict("sequential", reads, "reads", {
      doubt: reads === counts.sawNothing ? "no read found anything, so no order could show" : undefined,
      evidence: counts,
    });
  },
};
