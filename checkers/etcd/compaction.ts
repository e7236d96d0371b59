/** What compactions took, and what was refused because of them, or because it had not come yet. */

import type { Findings } from "../findings.ts";
import { told } from "./mismatch.ts";
import { eventsOf } from "./order.ts";
import type { EtcdRecord } from "./signature.ts";
import type { Asking, Reply, Timeline } from "./timeline.ts";

const GUARANTEE = "compaction";
const COMPACTED = "required revision has been compacted";
const FUTURE = "required revision is a future revision";

type Compaction = Asking & { readonly f: "compact" };

export function judgeCompaction({ history, replies, asking }: Timeline, findings: Findings): void {
  const compactions = asking.filter((record) => record.f === "compact");
  // Faults compact too, at revisions that the history does not tell.
  const unseen = history.nemesis.some(({ f }) => f.includes("compact"));
  const done = new Highest(
    compactions.filter(({ type }) => type === "ok").map((record) => ({ revision: record.input, record })),
  );
  let known: Highest | undefined;
  for (const record of asking) {
    const revision = record.f === "compact" ? record.input : (record.input.revision as number);
    if (record.type === "ok") judgeAnswer(record, revision, done, findings);
    else if (record.type === "fail" && record.error.includes(FUTURE)) {
      known ??= new Highest(replies);
      judgeFuture(record, revision, known, findings);
    } else if (record.type === "fail" && record.error.includes(COMPACTED) && !unseen)
      judgeRefusal(record, revision, compactions, findings);
  }
}

/** What was compacted before is not shown, nor compacted again. */
function judgeAnswer(record: Asking, revision: number, done: Highest, findings: Findings): void {
  const earlier = done.before(record.invokeIndex);
  if (earlier === undefined || earlier.revision < revision) return;
  if (record.f === "range" && earlier.revision === revision) return;
  const name = record.f === "compact" ? "compaction went back" : "read of what was compacted";
  findings.add(
    name,
    GUARANTEE,
    eventsOf(earlier.record, record),
    () =>
      `${told(record)} succeeded at revision ${revision}, although ${told(earlier.record)} had compacted at revision ${earlier.revision} before.`,
  );
}

/** Refused as of the future, though it was known to be past. */
function judgeFuture(record: EtcdRecord, revision: number, known: Highest, findings: Findings): void {
  const earlier = known.before(record.invokeIndex);
  if (earlier === undefined || earlier.revision < revision) return;
  findings.add(
    "refusal of a past revision",
    GUARANTEE,
    eventsOf(earlier.record, record),
    () =>
      `${told(record)} was refused, as if revision ${revision} were of the future, although ${told(earlier.record)} had been answered at revision ${earlier.revision} before.`,
  );
}

/** Refused as compacted, though nobody had compacted that far. */
function judgeRefusal(
  record: Asking,
  revision: number,
  compactions: readonly Compaction[],
  findings: Findings,
): void {
  const least = record.f === "compact" ? revision : revision + 1;
  const explained = compactions.some(
    ({ type, input, invokeIndex }) => type !== "fail" && input >= least && invokeIndex < record.completeIndex,
  );
  if (explained) return;
  findings.add(
    "false compaction",
    GUARANTEE,
    eventsOf(record),
    () =>
      `${told(record)} was refused as compacted at revision ${revision}, but nobody had compacted that far.`,
  );
}

/** The greatest revision that had been told before an event. */
class Highest {
  readonly #indexes: number[] = [];
  readonly #highest: Pick<Reply, "revision" | "record">[] = [];

  constructor(replies: readonly Pick<Reply, "revision" | "record">[]) {
    const sorted = [...replies].sort((a, b) => a.record.completeIndex - b.record.completeIndex);
    for (const reply of sorted) {
      if ((this.#highest.at(-1)?.revision ?? 0) >= reply.revision) continue;
      this.#indexes.push(reply.record.completeIndex);
      this.#highest.push(reply);
    }
  }

  before(index: number): Pick<Reply, "revision" | "record"> | undefined {
    let low = 0;
    let high = this.#indexes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#indexes[middle] as number) < index) low = middle + 1;
      else high = middle;
    }
    return this.#highest[low - 1];
  }
}
