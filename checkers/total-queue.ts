/**
 * What goes into a queue must come out, once, and nothing else may. After Jepsen's total-queue
 * (jepsen/src/jepsen/checker.clj). The order is judged by `queue`.
 *
 * A dequeue or a drain of unknown outcome may have taken elements that nobody was told of. Each such dequeue excuses
 * one missing element and each such drain all of them; Jepsen's checker would call them lost.
 */
import type { Checker } from "../src/checker.ts";
import type { History, OperationOf } from "../src/history/history.ts";
import { Findings, who } from "./findings.ts";

export type QueueSignature = {
  enqueue: { in: number | string; out: null };
  /** A dequeue of an empty queue is a failure, or gives null. */
  dequeue: { in: null; out: number | string | null };
  /** Takes everything there is, oldest first. */
  drain: { in: null; out: readonly (number | string)[] };
};

export type Enqueue = OperationOf<QueueSignature, "enqueue">;
export type Taking = OperationOf<QueueSignature, "dequeue" | "drain"> & { readonly type: "ok" };
type Value = number | string;

/** Everything that was taken out and by whom, by invocation; a drain takes several. */
export function* taken(
  history: History<QueueSignature>,
): Generator<{ readonly value: Value; readonly by: Taking }> {
  for (const by of history.client) {
    if (by.type !== "ok") continue;
    if (by.f === "dequeue") {
      if (by.output !== null) yield { value: by.output, by };
    } else if (by.f === "drain") for (const value of by.output) yield { value, by };
  }
}

/** What became of all elements of one value. */
interface Fate {
  /** Enqueues that were acknowledged, that failed, and that may have taken effect. */
  readonly acknowledged: Enqueue[];
  readonly failed: Enqueue[];
  readonly unknown: Enqueue[];
  readonly taken: Taking[];
}

export const totalQueue: Checker<QueueSignature> = {
  name: "total-queue",
  check(history) {
    const findings = new Findings();
    const fates = fatesOf(history);
    const missing: Enqueue[] = [];
    const counts = { acknowledged: 0, dequeued: 0, recovered: 0, excused: 0 };
    for (const [value, fate] of fates) {
      counts.acknowledged += fate.acknowledged.length;
      counts.dequeued += fate.taken.length;
      judgeOrigin(value, fate, findings);
      const surplus = Math.max(0, fate.taken.length - fate.acknowledged.length);
      counts.recovered += Math.min(surplus, fate.unknown.length);
      missing.push(...fate.acknowledged.slice(fate.taken.length));
    }

    const drains = history.byFunction("drain");
    const lastDrain = drains.filter((drain) => drain.type === "ok").at(-1);
    if (lastDrain === undefined)
      return findings.verdict("total-queue", counts.dequeued, "elements", {
        doubt: "the queue was never drained, so what is missing may still be in it",
        evidence: counts,
      });
    // What was acknowledged only after the drain had begun may have come after it.
    const gone = missing.filter((enqueue) => enqueue.completeIndex < lastDrain.invokeIndex);
    const excuse = drains.some((drain) => drain.type === "info")
      ? Number.POSITIVE_INFINITY
      : history.byFunction("dequeue").filter((dequeue) => dequeue.type === "info").length;
    counts.excused = Math.min(gone.length, excuse);
    for (const enqueue of gone.length > excuse ? gone : [])
      findings.add(
        "lost element",
        "queue: what goes in comes out",
        [enqueue.completeIndex, lastDrain.invokeIndex, lastDrain.completeIndex],
        () =>
          `Element ${JSON.stringify(enqueue.input)} was enqueued by ${who(enqueue)}, yet nobody ever dequeued it and the last drain, by ${who(lastDrain)}, did not find it${excuse > 0 ? `; ${gone.length} elements are missing, and only ${excuse} dequeues had an unknown outcome` : ""}.`,
      );
    return findings.verdict("total-queue", counts.dequeued, "elements", {
      doubt:
        excuse === Number.POSITIVE_INFINITY && gone.length > 0
          ? `${gone.length} elements are missing, but a drain of unknown outcome may have taken them`
          : undefined,
      evidence: counts,
    });
  },
};

function fatesOf(history: History<QueueSignature>): ReadonlyMap<Value, Fate> {
  const fates = new Map<Value, Fate>();
  const fateOf = (value: Value): Fate => {
    let fate = fates.get(value);
    if (fate === undefined) {
      fate = { acknowledged: [], failed: [], unknown: [], taken: [] };
      fates.set(value, fate);
    }
    return fate;
  };
  for (const enqueue of history.byFunction("enqueue")) {
    const { acknowledged, failed, unknown } = fateOf(enqueue.input);
    (enqueue.type === "ok" ? acknowledged : enqueue.type === "fail" ? failed : unknown).push(enqueue);
  }
  for (const { value, by } of taken(history)) fateOf(value).taken.push(by);
  return fates;
}

/** Takes of one value, last ones first to be suspected, are more than enqueues that can have taken effect. */
function judgeOrigin(value: Value, fate: Fate, findings: Findings): void {
  const effective = fate.acknowledged.length + fate.unknown.length;
  const [failed] = fate.failed;
  for (const by of fate.taken.slice(effective)) {
    const name = JSON.stringify(value);
    if (failed !== undefined)
      findings.add(
        "aborted read",
        "queue: a failed enqueue has no effect",
        [failed.completeIndex, by.completeIndex],
        () =>
          `${who(by)} dequeued ${name}, although its enqueue by ${who(failed)} had definitely failed (${failed.error}).`,
      );
    else if (effective === 0)
      findings.add(
        "unexpected element",
        "queue: nothing from nowhere",
        [by.completeIndex],
        () => `${who(by)} dequeued ${name}, which nobody had enqueued.`,
      );
    else {
      const other = fate.taken[0] as Taking;
      findings.add(
        "duplicated element",
        "queue: each element once",
        [other.completeIndex, by.completeIndex],
        () =>
          `${who(by)} dequeued ${name}, which ${who(other)} had also dequeued; it was enqueued ${effective === 1 ? "once" : `${effective} times`}.`,
      );
    }
  }
}
