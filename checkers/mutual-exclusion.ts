/**
 * Mutual exclusion by a lock whose ownership hangs on a lease.
 *
 * A lease-based lock does not promise that a holder still holds it after a pause longer than the lease; that is
 * by design (Kleppmann, "How to do distributed locking", 2016). Judged is only what is promised:
 *  - two holds never overlap while both are inside the *guaranteed life* of their leases, which reaches from the
 *    answer to the acquire to the granted ttl after the last successful renewal was sent (a lease that could be
 *    renewed had been alive all along), or to the release, if that was asked for before;
 *  - the fencing token, the create revision of the ownership key, grows from hold to hold;
 *  - no write guarded by the ownership key succeeds once somebody was given the lock with a greater token;
 *  - writes guarded by the ownership key are never lost.
 * Overlaps behind the end of a guaranteed life are the holder's doing. They are counted, and the first is told in
 * the evidence, so that nobody takes them for a fault of the server.
 * Times are those of the tester. `clockSlack` shortens each guaranteed life for servers whose clocks run fast.
 */
import type { Checker } from "../src/checker.ts";
import type { History, OperationOf } from "../src/history/history.ts";
import type { Nanos, Process } from "../src/history/op.ts";
import { Findings, who } from "./findings.ts";
import { type Interval, visitPrecedents } from "./precedence.ts";
import { begin, judgeTokens, type Overlap, overlaps, renew, seconds, type Tenure } from "./tenure.ts";

export type LockSignature = {
  /** Grants a lease of `ttl` seconds and waits for the lock, keeping the lease alive meanwhile. */
  acquire: {
    in: { readonly ttl: number };
    out: {
      readonly lease: string;
      /** The key that stands for the ownership, and its create revision. */
      readonly ownership: string;
      readonly fence: number;
      /** As granted, in seconds. */
      readonly ttl: number;
      /** When the last successful renewal (or the grant) was sent, in nanoseconds since the invocation. */
      readonly renewed: Nanos;
    };
  };
  /** `ttl` in seconds; 0 means that the lease was lost. */
  keepalive: { in: null; out: { readonly ttl: number } };
  /** Reads the counter, thinks, then writes it plus one if the ownership still exists. */
  increment: {
    in: { readonly think: Nanos };
    out: { readonly before: number; readonly written: boolean; readonly revision: number };
  };
  release: { in: null; out: null };
  /** The counter at the end. */
  read: { in: null; out: number };
};

export interface MutualExclusionOptions {
  /** Taken off each guaranteed life. */
  readonly clockSlack: Nanos;
}

type Acquire = OperationOf<LockSignature, "acquire"> & { readonly type: "ok" };
type Increment = OperationOf<LockSignature, "increment"> & { readonly type: "ok" };

const FENCES = { name: "fencing token went back", guarantee: "fencing tokens grow", office: "lock" };

interface Hold extends Tenure {
  readonly acquire: Acquire;
  /** Increments under it that were written. */
  readonly writes: Increment[];
}

export function mutualExclusionChecker(options: MutualExclusionOptions): Checker<LockSignature> {
  return {
    name: "mutual-exclusion",
    check(history: History<LockSignature>) {
      const findings = new Findings();
      const holds = collectHolds(history, options.clockSlack);
      const outlived = judgeOverlaps(holds, findings);
      judgeTokens(holds, findings, FENCES);
      judgeWrites(holds, findings);
      const increments = history.byFunction("increment");
      const written = increments.filter((i) => i.type === "ok").filter((i) => i.output.written);
      judgeIncrements(written, findings);
      const unknown = increments.filter((i) => i.type === "info").length;
      judgeFinalReads(history, written, unknown, findings);
      return findings.verdict("mutual-exclusion", holds.length, "holds of the lock", {
        evidence: {
          holds: holds.length,
          outlivedTheirLease: outlived.length,
          ...(outlived[0] === undefined ? {} : { firstOutlived: excuse(outlived[0]) }),
          increments: written.length,
          refusedIncrements: increments.filter((i) => i.type === "ok").length - written.length,
          unknownIncrements: unknown,
        },
      });
    },
  };
}

function collectHolds(history: History<LockSignature>, clockSlack: Nanos): readonly Hold[] {
  const holds: Hold[] = [];
  const current = new Map<Process, Hold>();
  for (const operation of history.client) {
    const { process, f } = operation;
    if (f === "acquire") {
      if (operation.type !== "ok") continue;
      const { fence, ttl, renewed } = operation.output;
      const tenure = begin(operation, { token: fence, ttl, renewed }, clockSlack);
      const hold: Hold = { ...tenure, acquire: operation, writes: [] };
      holds.push(hold);
      current.set(process, hold);
      continue;
    }
    const hold = current.get(process);
    if (hold === undefined) continue;
    if (f === "release") {
      hold.endAsked = operation.invokeIndex;
      current.delete(process);
    } else if (f === "keepalive" && operation.type === "ok")
      renew(hold, operation, operation.output.ttl, clockSlack);
    else if (f === "increment" && operation.type === "ok" && operation.output.written)
      hold.writes.push(operation);
  }
  return holds;
}

/** Returns the holds that went on when their lease may have expired, and somebody else was given the lock. */
function judgeOverlaps(holds: readonly Hold[], findings: Findings): readonly Overlap<Hold, Hold>[] {
  const { early, outlived } = overlaps(holds, holds, () => true);
  for (const { earlier, news: later } of early) {
    const { completeIndex, completeTime } = later.acquire;
    // Given what was lost again before it was heard of, nobody held the lock twice.
    if (later.guaranteedUntil <= completeTime) continue;
    findings.add(
      "two holders at once",
      "mutual exclusion",
      [earlier.acquire.completeIndex, ...earlier.renewal, completeIndex],
      () =>
        `${who(earlier.acquire)} held the lock (token ${earlier.token}) and had not released it, its lease sure to live ${seconds(earlier.guaranteedUntil - completeTime)} longer, when ${who(later.acquire)} was given it too (token ${later.token}).`,
    );
  }
  return outlived;
}

function excuse({ earlier, news: later }: Overlap<Hold, Hold>): string {
  const over = later.acquire.completeTime - earlier.guaranteedUntil;
  return `${who(earlier.acquire)} had not released the lock (token ${earlier.token}) when ${who(later.acquire)} was given it (token ${later.token}), but its lease had not been sure to live for ${seconds(over)}: it took longer than its lease, and no server is to blame.`;
}

/** The ownership key that guards a write is gone before anybody is given the lock with a greater token. */
function judgeWrites(holds: readonly Hold[], findings: Findings): void {
  const acts = holds.flatMap(({ acquire, writes }) => [
    { ...interval(acquire), acquire, write: undefined },
    ...writes.map((write) => ({ ...interval(write), acquire, write })),
  ]);
  visitPrecedents(
    acts,
    ({ acquire }) => acquire.output.fence,
    ({ acquire, write }, earlier) => {
      const { fence } = acquire.output;
      const other = earlier.acquire.output.fence;
      if (write === undefined || other <= fence) return;
      findings.add(
        "write behind the fence",
        "guarded writes need the lock",
        [earlier.acquire.completeIndex, write.invokeIndex, write.completeIndex],
        () =>
          `${who(earlier.acquire)} had been given the lock with token ${other} before ${who(write)} began a write guarded by token ${fence}, and it was accepted at revision ${write.output.revision}.`,
      );
    },
  );
}

function interval({ invokeIndex, completeIndex }: Interval): Interval {
  return { invokeIndex, completeIndex };
}

/** No two guarded writes start from the same value, and none starts behind a write that was already acknowledged. */
function judgeIncrements(written: readonly Increment[], findings: Findings): void {
  const condemn = (first: Increment, second: Increment) =>
    findings.add(
      "lost update under lock",
      "guarded writes are not lost",
      [first.completeIndex, second.completeIndex],
      () =>
        `${who(first)} wrote ${first.output.before + 1} under the lock (revision ${first.output.revision}), and ${who(second)} wrote ${second.output.before + 1} over it (revision ${second.output.revision}), having read ${second.output.before}.`,
    );
  const startedFrom = new Map<number, Increment>();
  for (const increment of written) {
    const twin = startedFrom.get(increment.output.before);
    if (twin === undefined) startedFrom.set(increment.output.before, increment);
    else if (twin.output.revision <= increment.output.revision) condemn(twin, increment);
    else condemn(increment, twin);
  }
  visitPrecedents(
    written,
    (increment) => increment.output.before,
    (later, earlier) => {
      if (later.output.before < earlier.output.before) condemn(earlier, later);
    },
  );
}

function judgeFinalReads(
  history: History<LockSignature>,
  written: readonly Increment[],
  unknown: number,
  findings: Findings,
): void {
  const lastWrite = written.reduce((last, i) => Math.max(last, i.completeIndex), -1);
  for (const read of history.byFunction("read")) {
    if (read.type !== "ok") continue;
    const acknowledged = written.reduce((n, i) => n + (i.completeIndex < read.invokeIndex ? 1 : 0), 0);
    if (read.output < acknowledged)
      findings.add(
        "lost update under lock",
        "guarded writes are not lost",
        [lastWrite, read.completeIndex].filter((index) => index >= 0),
        () =>
          `${acknowledged} increments under the lock had been acknowledged when ${who(read)} read the counter as ${read.output}.`,
      );
    else if (read.output > written.length + unknown)
      findings.add(
        "counted twice",
        "guarded writes happen once",
        [read.completeIndex],
        () =>
          `${who(read)} read the counter as ${read.output}, but only ${written.length} increments were acknowledged and ${unknown} have an unknown outcome.`,
      );
  }
}
