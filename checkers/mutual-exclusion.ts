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
import type { History, Operation, OperationOf } from "../src/history/history.ts";
import type { Nanos, Process } from "../src/history/op.ts";
import { Findings, who } from "./findings.ts";
import { type Interval, visitPrecedents } from "./precedence.ts";

const SECOND = 1_000_000_000;

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

interface Hold {
  readonly acquire: Acquire;
  /** Index of the invocation of the release; Infinity if never asked for. */
  releasedAt: number;
  /** The end of the lease's guaranteed life. */
  guaranteedUntil: Nanos;
  /** Invocation and completion of the renewal that guarantees most. */
  renewal: readonly [invoked: number, completed: number];
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
      judgeFences(holds, findings);
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

/** In order of the completions of the acquires. */
function collectHolds(history: History<LockSignature>, clockSlack: Nanos): readonly Hold[] {
  const holds: Hold[] = [];
  const current = new Map<Process, Hold>();
  for (const operation of history.client) {
    const { process, f } = operation;
    if (f === "acquire") {
      if (operation.type !== "ok") continue;
      const { ttl, renewed } = operation.output;
      const hold: Hold = {
        acquire: operation,
        releasedAt: Number.POSITIVE_INFINITY,
        guaranteedUntil: operation.invokeTime + renewed + ttl * SECOND - clockSlack,
        renewal: [operation.invokeIndex, operation.completeIndex],
        writes: [],
      };
      holds.push(hold);
      current.set(process, hold);
      continue;
    }
    const hold = current.get(process);
    if (hold === undefined) continue;
    if (f === "release") {
      hold.releasedAt = operation.invokeIndex;
      current.delete(process);
    } else if (f === "keepalive") renew(hold, operation, clockSlack);
    else if (f === "increment" && operation.type === "ok" && operation.output.written)
      hold.writes.push(operation);
  }
  return holds.sort((a, b) => a.acquire.completeIndex - b.acquire.completeIndex);
}

function renew(hold: Hold, keepalive: Operation<LockSignature>, clockSlack: Nanos): void {
  if (keepalive.f !== "keepalive" || keepalive.type !== "ok" || keepalive.output.ttl <= 0) return;
  const until = keepalive.invokeTime + keepalive.output.ttl * SECOND - clockSlack;
  if (until <= hold.guaranteedUntil) return;
  hold.guaranteedUntil = until;
  hold.renewal = [keepalive.invokeIndex, keepalive.completeIndex];
}

/** A hold that was not released, and the first that began after its lease may have expired. */
interface Outlived {
  readonly earlier: Hold;
  readonly later: Hold;
}

/**
 * Both hold at the completion of the later acquire, or they do not overlap at all. Returns the holds that went on
 * when their lease may have expired, and somebody else was given the lock.
 */
function judgeOverlaps(holds: readonly Hold[], findings: Findings): readonly Outlived[] {
  const outlived: Outlived[] = [];
  let open: Hold[] = [];
  for (const later of holds) {
    const { completeIndex, completeTime } = later.acquire;
    open = open.filter((earlier) => {
      if (earlier.releasedAt < completeIndex) return false;
      if (earlier.guaranteedUntil > completeTime) return true;
      outlived.push({ earlier, later });
      return false;
    });
    if (later.guaranteedUntil > completeTime)
      for (const earlier of open)
        findings.add(
          "two holders at once",
          "mutual exclusion",
          [earlier.acquire.completeIndex, ...earlier.renewal, completeIndex],
          () =>
            `${who(earlier.acquire)} held the lock (token ${earlier.acquire.output.fence}) and had not released it, its lease sure to live ${seconds(earlier.guaranteedUntil - completeTime)} longer, when ${who(later.acquire)} was given it too (token ${later.acquire.output.fence}).`,
        );
    open.push(later);
  }
  return outlived;
}

function excuse({ earlier, later }: Outlived): string {
  const over = later.acquire.completeTime - earlier.guaranteedUntil;
  return `${who(earlier.acquire)} had not released the lock (token ${earlier.acquire.output.fence}) when ${who(later.acquire)} was given it (token ${later.acquire.output.fence}), but its lease had not been sure to live for ${seconds(over)}: it took longer than its lease, and no server is to blame.`;
}

function seconds(time: Nanos): string {
  return `${(Math.max(0, time) / SECOND).toFixed(3)} s`;
}

function judgeFences(holds: readonly Hold[], findings: Findings): void {
  const acquires = holds.map((hold) => hold.acquire);
  const condemn = (earlier: Acquire, later: Acquire) =>
    findings.add(
      "fencing token went back",
      "fencing tokens grow",
      [earlier.completeIndex, later.invokeIndex, later.completeIndex],
      () =>
        `${who(earlier)} was given the lock with token ${earlier.output.fence}, then ${who(later)} with token ${later.output.fence}, which is not greater.`,
    );
  visitPrecedents(
    acquires,
    (acquire) => acquire.output.fence,
    (later, earlier) => {
      if (later.output.fence <= earlier.output.fence) condemn(earlier, later);
    },
  );
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
    else condemn(twin, increment);
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
