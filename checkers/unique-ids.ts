/** Identifiers: no two requests may get the same. After Jepsen's unique-ids (jepsen/src/jepsen/checker.clj). */
import type { Checker } from "../src/checker.ts";
import type { OperationOf } from "../src/history/history.ts";
import { Findings, who } from "./findings.ts";

export type UniqueIdsSignature = {
  generate: { in: null; out: number | string };
};

type Generate = OperationOf<UniqueIdsSignature, "generate">;

export const uniqueIds: Checker<UniqueIdsSignature> = {
  name: "unique-ids",
  check(history) {
    const findings = new Findings();
    const first = new Map<number | string, Generate>();
    const repeated = new Set<number | string>();
    const attempts = history.byFunction("generate");
    let generated = 0;
    for (const one of attempts) {
      if (one.type !== "ok") continue;
      generated++;
      const other = first.get(one.output);
      if (other === undefined) {
        first.set(one.output, one);
        continue;
      }
      repeated.add(one.output);
      findings.add(
        "duplicated id",
        "unique ids",
        [other.completeIndex, one.completeIndex],
        () => `Both ${who(other)} and ${who(one)} were given the id ${JSON.stringify(one.output)}.`,
      );
    }
    return findings.verdict("unique-ids", generated, "ids", {
      doubt: generated === 1 ? "a single id cannot be anything but unique" : undefined,
      evidence: { attempts: attempts.length, duplicated: repeated.size },
    });
  },
};
