/**
 * A value that only grows, read together with the store's time stamp, a revision: the later, the greater, for every
 * read and whoever made it. After Jepsen's monotonic test of FaunaDB
 * (jepsen-io/faunadb, src/jepsen/faunadb/monotonic.clj).
 *
 * It holds for reads that may be stale and for reads of the past: both must be true of the revision they name. A
 * linearizable operation must moreover not name an older revision than any that had ended before it began.
 */
import type { Checker } from "../src/checker.ts";
import type { OperationOf } from "../src/history/history.ts";
import { Findings, who } from "./findings.ts";
import { visitPrecedents } from "./precedence.ts";

/** A revision, and the value there. */
export type Stamped = readonly [revision: number, value: number];

export type MonotonicSignature = {
  /** Adds one. */
  inc: { in: null; out: Stamped };
  read: { in: null; out: Stamped };
  /** The value at a revision of the past. */
  "read-at": { in: number; out: Stamped };
};

export interface MonotonicOptions {
  /** False if reads may be stale. */
  readonly linearizable: boolean;
}

type Seen = OperationOf<MonotonicSignature, "inc" | "read" | "read-at"> & { readonly type: "ok" };

export function monotonic({ linearizable }: MonotonicOptions): Checker<MonotonicSignature> {
  return {
    name: "monotonic",
    check(history) {
      const findings = new Findings();
      const seen = history.client.filter((operation): operation is Seen => operation.type === "ok");
      const increments = seen.filter(({ f }) => f === "inc");
      judgeGrowth(seen, findings);
      judgeRealTime(
        seen.filter(({ f }) => f === "inc" || (linearizable && f === "read")),
        findings,
      );
      return findings.verdict("monotonic", seen.length, "operations", {
        doubt: increments.length === 0 ? "no increment succeeded, so nothing could go back" : undefined,
        evidence: { increments: increments.length, reads: seen.length - increments.length },
      });
    },
  };
}

/** In the order of revisions, values never fall, and every increment makes one that was not there before. */
function judgeGrowth(seen: readonly Seen[], findings: Findings): void {
  // An increment comes before the reads of its own revision.
  const inOrder = [...seen].sort(
    (a, b) => a.output[0] - b.output[0] || Number(b.f === "inc") - Number(a.f === "inc"),
  );
  let earlier: Seen | undefined;
  for (const later of inOrder) {
    const before = earlier;
    earlier = later;
    if (before === undefined) continue;
    const [revision, value] = later.output;
    const [priorRevision, priorValue] = before.output;
    const witness = [before.completeIndex, later.completeIndex];
    if (revision === priorRevision && (value !== priorValue || later.f === "inc"))
      findings.add(
        "one revision, two values",
        "monotonic: one history",
        witness,
        () =>
          `${told(before)} ${priorValue} at revision ${revision}, and ${told(later)} ${value} at the same.`,
      );
    else if (value < priorValue)
      findings.add(
        "value went back",
        "monotonic: values grow",
        witness,
        () =>
          `${told(before)} ${priorValue} at revision ${priorRevision}, but ${told(later)} only ${value} at the later revision ${revision}.`,
      );
    else if (later.f === "inc" && value === priorValue)
      findings.add(
        "lost update",
        "monotonic: every increment counts",
        witness,
        () =>
          `${told(before)} ${priorValue} at revision ${priorRevision}, and ${told(later)} the same at the later revision ${revision}, although it added one.`,
      );
  }
}

function judgeRealTime(operations: readonly Seen[], findings: Findings): void {
  visitPrecedents(
    operations,
    ({ output: [revision] }) => revision,
    (later, earlier) => {
      const [revision, value] = later.output;
      const [priorRevision, priorValue] = earlier.output;
      if (revision >= priorRevision) return;
      findings.add(
        later.f === "inc" ? "revision went back" : "stale read",
        "monotonic: linearizability",
        [earlier.completeIndex, later.invokeIndex, later.completeIndex],
        () =>
          `${told(earlier)} ${priorValue} at revision ${priorRevision}, and had ended before ${who(later)} began; yet ${told(later)} ${value} at the earlier revision ${revision}.`,
      );
    },
  );
}

function told(operation: Seen): string {
  return `${who(operation)} ${operation.f === "inc" ? "made it" : "read"}`;
}
