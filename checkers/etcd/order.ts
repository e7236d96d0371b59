/** The revisions that replies name, against each other and against real time; in linear time. */

import type { Findings } from "../findings.ts";
import { who } from "../findings.ts";
import { ORDER, told } from "./mismatch.ts";
import type { EtcdRecord } from "./signature.ts";
import type { Reply, Timeline } from "./timeline.ts";

/** By revision minus the first: before which event that revision must have been made. */
export type Deadlines = Float64Array;

/**
 * Adds what is wrong to the findings. Undefined if the replies do not even say one thing each about which revisions
 * there are and who made them: then there is no order to replay.
 */
export function judgeOrder(timeline: Timeline, findings: Findings): Deadlines | undefined {
  const distinct = judgeDistinct(timeline, findings);
  judgeRealTime(timeline, findings);
  judgeFuture(timeline, findings);
  const deadlines = deadlinesOf(timeline);
  return judgeGaps(timeline, deadlines, findings) && distinct ? deadlines : undefined;
}

/** Two acknowledged changes never share a revision. */
function judgeDistinct({ replies, writes, first }: Timeline, findings: Findings): boolean {
  let distinct = true;
  for (const { revision, record, writes: isWrite } of replies) {
    if (!isWrite) continue;
    const other = writes.get(revision) as EtcdRecord;
    if (other === record && revision > first) continue;
    distinct = false;
    if (other === record)
      findings.add(
        "revision went back",
        ORDER,
        eventsOf(record),
        () => `${told(record)} was acknowledged with revision ${revision}, but the store began at ${first}.`,
      );
    else
      findings.add(
        "two writes share a revision",
        ORDER,
        eventsOf(other, record),
        () => `${told(other)} and ${told(record)} were both acknowledged with revision ${revision}.`,
      );
  }
  return distinct;
}

/** A linearizable reply names no smaller revision than any that was known when it was asked for; a write, a larger one. */
function judgeRealTime({ replies }: Timeline, findings: Findings): void {
  let end = 0;
  for (const { record } of replies) if (record.completeIndex >= end) end = record.completeIndex + 1;
  const completing = new Int32Array(end).fill(-1);
  replies.forEach(({ record }, i) => {
    completing[record.completeIndex] = i;
  });
  let event = 0;
  let newest: Reply | undefined;
  for (const reply of replies) {
    const { revision, record, writes } = reply;
    for (; event < record.invokeIndex; event++) {
      const completed = completing[event] as number;
      if (completed < 0) continue;
      const earlier = replies[completed] as Reply;
      if (newest === undefined || earlier.revision > newest.revision) newest = earlier;
    }
    if (newest === undefined || (record.f === "range" && record.input.serializable === true)) continue;
    if (writes ? revision > newest.revision : revision >= newest.revision) continue;
    const { record: earlier, revision: known } = newest;
    const name =
      writes || record.f === "grant" || record.f === "revoke" ? "revision went back" : "stale read";
    findings.add(
      name,
      ORDER,
      eventsOf(earlier, record),
      () =>
        `${told(record)} was answered at revision ${revision}, although ${told(earlier)} had been answered at revision ${known} before it was invoked.`,
    );
  }
}

/** Nothing is shown of a revision after the one that was current. */
function judgeFuture({ recollections, writes }: Timeline, findings: Findings): void {
  for (const { at, record } of recollections) {
    if (record.type !== "ok" || record.f === "compact") continue;
    const { revision } = record.output;
    if (at < revision || (at === revision && writes.get(at) !== record)) continue;
    findings.add(
      "read from the future",
      ORDER,
      eventsOf(record),
      () => `${told(record)} shows the state of revision ${at}, but was answered at revision ${revision}.`,
    );
  }
}

/** No more revisions than there can be writes, and one to prove that there are too many. */
function deadlinesOf({ first, last, replies, writes, unknown, leases, asking }: Timeline): Deadlines {
  const length = Math.min(last - first, writes.size + unknown.length + leases.size + 1) + 1;
  const deadlines = new Float64Array(length).fill(Number.POSITIVE_INFINITY);
  const note = (revision: number, completeIndex: number) => {
    const at = Math.min(revision - first, length - 1);
    if (at >= 0) deadlines[at] = Math.min(deadlines[at] as number, completeIndex);
  };
  for (const { revision, record } of replies) note(revision, record.completeIndex);
  for (const record of asking)
    if (record.f === "compact" && record.type === "ok") note(record.input, record.completeIndex);
  for (let at = length - 2; at >= 0; at--)
    deadlines[at] = Math.min(deadlines[at] as number, deadlines[at + 1] as number);
  return deadlines;
}

/** Every revision belongs to a change: to an acknowledged one, or to one of unknown outcome that had begun by then. */
function judgeGaps(timeline: Timeline, deadlines: Deadlines, findings: Findings): boolean {
  const { first, writes, unknown, leases } = timeline;
  let missing = 0;
  let available = 0;
  let before: EtcdRecord | undefined;
  for (let at = 1; at < deadlines.length; at++) {
    const revision = first + at;
    const owner = writes.get(revision);
    if (owner !== undefined) {
      before = owner;
      continue;
    }
    if (leases.get(revision)?.some(({ f }) => f === "revoke") === true) continue;
    missing++;
    const deadline = deadlines[at] as number;
    while (available < unknown.length && (unknown[available] as EtcdRecord).invokeIndex < deadline)
      available++;
    if (missing <= available) continue;
    const proof = timeline.history.client.find((record) => record.completeIndex === deadline) as EtcdRecord;
    const since = before === undefined ? "" : `; the last before it is that of ${told(before)}`;
    findings.add(
      "revision without a write",
      ORDER,
      eventsOf(...(before === undefined ? [] : [before]), proof),
      () =>
        `${told(proof)} shows that there was a revision ${revision}${since}, but up to there ${missing} revisions belong to no acknowledged write, and only ${available} writes of unknown outcome had begun (${who(proof)}).`,
    );
    return false;
  }
  return true;
}

export function eventsOf(...records: readonly EtcdRecord[]): number[] {
  return records.flatMap(({ invokeIndex, completeIndex }) => [invokeIndex, completeIndex]);
}
