/**
 * Watches: every change, once, in order, whole, from where it was asked to where it ended.
 *
 * The guarantees are etcd's (its documentation, "KV API guarantees: watch"; tests/robustness, validate/watch.go):
 * filter, ordered, unique, atomic, reliable, resumable, bookmarkable, prevKV and isCreate. Each watch is compared
 * with the log of all changes that left a trace, over the range of revisions that it vouches for: from its start
 * to its last event or bookmark. Near-linear in the number of events delivered.
 */
import type { Checker } from "../src/checker.ts";
import type { History } from "../src/history/history.ts";
import type { Json, Nanos, Process } from "../src/history/op.ts";
import { Findings, who } from "./findings.ts";
import {
  describe,
  type Entry,
  EventLog,
  matches,
  type ObservedEvent,
  type ObservedResponse,
  proof,
  type WatchOperation,
  type WatchRequest,
  type WatchSignature,
  witnessOf,
} from "./watch-log.ts";

const MILLISECOND = 1_000_000;

export const watchChecker: Checker<WatchSignature> = {
  name: "watch",
  check(history: History<WatchSignature>) {
    const findings = new Findings();
    const operations = history.byFunction("watch").filter((watch) => watch.type === "ok");
    const log = new EventLog(history, operations, findings);
    const compactions = new Compactions(history);
    const counts = { watches: 0, events: 0, bookmarks: 0, compacted: 0 };
    const delays: Nanos[] = [];
    let behind: string | undefined;

    const watches: JudgedWatch[] = [];
    /** What each process left open. */
    const open = new Map<Process, readonly JudgedWatch[]>();
    for (const operation of operations) {
      const { input, output, process } = operation;
      let current = input.continues ? open.get(process) : undefined;
      if (current === undefined) {
        current = input.watches.map(
          (request) => new JudgedWatch(operation, request, log, compactions, findings),
        );
        watches.push(...current);
      }
      open.set(process, current);
      for (const [i, { responses }] of output.watches.entries()) current[i]?.hear(responses, operation);
    }
    for (const watch of watches) {
      watch.compare(delays);
      counts.watches++;
      counts.events += watch.events;
      counts.bookmarks += watch.bookmarks;
      if (watch.compacted) counts.compacted++;
      behind ??= watch.behind;
    }

    const evidence = { ...counts, changes: log.entries.length, delay: quantiles(delays) };
    const nothing = counts.events === 0 ? "no watch delivered an event" : undefined;
    return findings.verdict("watch", counts.watches, "watches", { doubt: nothing ?? behind, evidence });
  },
};

/** What is known of compactions: which may have happened by when. */
class Compactions {
  readonly #requested: { readonly revision: number; readonly invokeIndex: number }[] = [];
  /** Faults compact too, at revisions the history does not tell. */
  readonly #byFaults: boolean;

  constructor(history: History<WatchSignature>) {
    for (const compact of history.byFunction("compact"))
      if (compact.type !== "fail")
        this.#requested.push({ revision: compact.input.revision, invokeIndex: compact.invokeIndex });
    this.#byFaults = history.nemesis.some((event) => event.f.includes("compact"));
  }

  /** Whether the state before `revision` may have been gone before the event `index`. */
  mayHideStateBefore(revision: number, index: number): boolean {
    return this.#byFaults || this.#requested.some((c) => c.revision >= revision && c.invokeIndex < index);
  }

  /** Whether the store may have been compacted at `revision` before the event `index`. */
  mayBeAt(revision: number, index: number): boolean {
    return this.#byFaults || this.#requested.some((c) => c.revision === revision && c.invokeIndex < index);
  }
}

/** One watch, judged response by response, then against the log. */
class JudgedWatch {
  /** The operation that told what is being judged. */
  #operation: WatchOperation;
  /** Invocation of the operation that opened it. */
  readonly #opened: number;
  readonly #request: WatchRequest;
  readonly #log: EventLog;
  readonly #compactions: Compactions;
  readonly #findings: Findings;
  /** First revision it owes; undefined while unknown: a watch from "now" that was never said to be created. */
  #first: number | undefined;
  /** Events in order and without repetition, with the time of delivery. */
  readonly #clean: ObservedEvent[] = [];
  readonly #times: Nanos[] = [];
  /** Events that came behind later ones: wrong, but not missing. */
  readonly #late: ObservedEvent[] = [];
  #lastEvent = 0;
  #lastBookmark = 0;
  /** The last response promised more of its revision. */
  #unfinished = false;
  events = 0;
  bookmarks = 0;
  compacted = false;

  constructor(
    operation: WatchOperation,
    request: WatchRequest,
    log: EventLog,
    compactions: Compactions,
    findings: Findings,
  ) {
    this.#operation = operation;
    this.#opened = operation.invokeIndex;
    this.#request = request;
    this.#log = log;
    this.#compactions = compactions;
    this.#findings = findings;
    this.#first = request.start > 0 ? request.start : undefined;
  }

  /** The last revision it vouches for: all changes up to it have been delivered. */
  get reached(): number {
    return Math.max(this.#lastBookmark, this.#unfinished ? this.#lastEvent - 1 : this.#lastEvent);
  }

  /** Why it is not sure that it was told everything, if it was to be. */
  get behind(): string | undefined {
    const { until } = this.#operation.input;
    if (until === 0 || this.compacted || this.reached >= until) return undefined;
    return `a watch of ${who(this.#operation)} was to reach revision ${until} and vouches only for those up to ${this.reached}`;
  }

  hear(responses: readonly ObservedResponse[], operation: WatchOperation): void {
    this.#operation = operation;
    for (const response of responses)
      switch (response.kind) {
        case "created":
          this.#first ??= response.revision + 1;
          break;
        case "events":
          this.#judgeEvents(response);
          break;
        case "progress":
          this.#judgeBookmark(response.revision);
          break;
        case "canceled":
          if (response.compactRevision > 0) this.#judgeCompaction(response.compactRevision);
          break;
      }
  }

  #add(name: string, guarantee: string, others: readonly number[], explain: () => string): void {
    this.#findings.add(name, `watch: ${guarantee}`, [...others, this.#operation.completeIndex], explain);
  }

  get #self(): string {
    const { key, end, start } = this.#request;
    const what =
      end === "" ? `key ${key}` : end === "\0" ? `all keys from ${key}` : `keys from ${key} to ${end}`;
    return `a watch of ${who(this.#operation)} on ${what} from ${start === 0 ? "now" : `revision ${start}`}`;
  }

  #judgeEvents(response: ObservedResponse): void {
    const before = this.#lastEvent;
    const continues = this.#unfinished;
    let fresh = true;
    for (const event of response.events) {
      this.events++;
      this.#judgeFilter(event);
      if (this.#first !== undefined && event.revision < this.#first)
        this.#add(
          "event before the start",
          "never before its start",
          [],
          () =>
            `${this.#self} got "${describe(event)}" of revision ${event.revision}, before revision ${this.#first}, where it had to begin.`,
        );
      if (event.revision <= this.#lastBookmark)
        this.#add(
          "event behind a bookmark",
          "bookmarkable",
          [],
          () =>
            `${this.#self} was told that all up to revision ${this.#lastBookmark} was delivered, then got "${describe(event)}" of revision ${event.revision}.`,
        );
      if (this.#delivered(event)) {
        this.#add(
          "duplicate event",
          "unique",
          [],
          () => `${this.#self} got "${describe(event)}" of revision ${event.revision} more than once.`,
        );
        continue;
      }
      if (event.revision < this.#lastEvent) {
        this.#late.push(event);
        const last = this.#lastEvent;
        this.#add(
          "event out of order",
          "ordered",
          [],
          () =>
            `${this.#self} got "${describe(event)}" of revision ${event.revision} after an event of revision ${last}.`,
        );
        continue;
      }
      if (fresh && !continues && event.revision === before)
        this.#add(
          "revision split over responses",
          "atomic",
          [],
          () =>
            `${this.#self} got the events of revision ${event.revision} in two responses, and the first was not marked as a fragment.`,
        );
      fresh = false;
      this.#clean.push(event);
      this.#times.push(this.#operation.invokeTime + response.at);
      this.#lastEvent = event.revision;
    }
    this.#unfinished = response.fragment;
  }

  #judgeFilter(event: ObservedEvent): void {
    const { filters } = this.#request;
    const unwanted =
      !matches(this.#request, event.key) ||
      (filters.length > 0 && filters.includes(event.type === "put" ? "no-put" : "no-delete"));
    if (!unwanted) return;
    this.#add(
      "event outside the filter",
      "filter",
      [],
      () =>
        `${this.#self}${filters.length > 0 ? ` (${filters.join(", ")})` : ""} got "${describe(event)}" of revision ${event.revision}.`,
    );
  }

  /** Whether the same revision of the same key came before. */
  #delivered(event: ObservedEvent): boolean {
    const clean = this.#clean;
    if (event.revision > this.#lastEvent) return false;
    for (const late of this.#late)
      if (late.revision === event.revision && late.key === event.key) return true;
    let low = 0;
    let high = clean.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((clean[middle] as ObservedEvent).revision < event.revision) low = middle + 1;
      else high = middle;
    }
    for (let i = low; i < clean.length; i++) {
      const candidate = clean[i] as ObservedEvent;
      if (candidate.revision !== event.revision) return false;
      if (candidate.key === event.key) return true;
    }
    return false;
  }

  #judgeBookmark(revision: number): void {
    this.bookmarks++;
    if (this.#first !== undefined && revision < this.#first - 1)
      this.#add(
        "bookmark before the start",
        "never before its start",
        [],
        () =>
          `${this.#self} got a bookmark at revision ${revision}: resuming there, it would get what it did not ask for.`,
      );
    const least = Math.max(this.#lastEvent, this.#lastBookmark);
    if (revision < least)
      this.#add(
        "bookmark went back",
        "bookmarkable",
        [],
        () => `${this.#self} had reached revision ${least} when it got a bookmark at revision ${revision}.`,
      );
    this.#lastBookmark = Math.max(this.#lastBookmark, revision);
    this.#unfinished = false;
  }

  #judgeCompaction(revision: number): void {
    this.compacted = true;
    const needed = Math.max(this.#first ?? 0, this.reached + 1);
    if (revision <= needed)
      this.#add(
        "needless cancellation",
        "ends with the right compaction error",
        [],
        () =>
          `${this.#self} needed only what came from revision ${needed} on, but was ended because of a compaction at revision ${revision}, which keeps that.`,
      );
    else if (!this.#compactions.mayBeAt(revision, this.#operation.completeIndex))
      this.#add(
        "false compaction",
        "ends with the right compaction error",
        [],
        () =>
          `${this.#self} was ended because of a compaction at revision ${revision}, which nobody had asked for.`,
      );
  }

  /** Walks the log from the first revision owed to the last one vouched for, beside the events delivered. */
  compare(delays: Nanos[]): void {
    const { entries } = this.#log;
    const clean = this.#clean;
    const first = this.#first ?? clean[0]?.revision;
    if (first === undefined) return;
    const last = this.reached;
    const { filters } = this.#request;
    let group = 0;
    for (let i = this.#log.position(first); i < entries.length; i++) {
      const entry = entries[i] as Entry;
      if (entry.revision > last) break;
      if (!matches(this.#request, entry.key)) continue;
      if (filters.length > 0 && filters.includes(entry.type === "put" ? "no-put" : "no-delete")) continue;
      // `group` is where the delivered events of this revision begin.
      while (group < clean.length && (clean[group] as ObservedEvent).revision < entry.revision) group++;
      const at = this.#inGroup(group, entry);
      if (at >= 0) this.#judgeMatch(clean[at] as ObservedEvent, entry, at, group, first, delays);
      else this.#judgeMissing(entry, group);
    }
    // An unfinished last revision is not vouched for, but its events can be judged.
    for (let at = clean.length - 1; at >= 0 && (clean[at] as ObservedEvent).revision > last; at--) {
      const event = clean[at] as ObservedEvent;
      const entry = this.#log.find(event.revision, event.key);
      if (entry !== undefined) this.#judgePrevious(event, entry);
    }
  }

  #inGroup(group: number, entry: Entry): number {
    for (let at = group; at < this.#clean.length; at++) {
      const event = this.#clean[at] as ObservedEvent;
      if (event.revision !== entry.revision) return -1;
      if (event.key === entry.key) return at;
    }
    return -1;
  }

  #judgeMatch(
    event: ObservedEvent,
    entry: Entry,
    at: number,
    group: number,
    first: number,
    delays: Nanos[],
  ): void {
    this.#judgePrevious(event, entry);
    const { before, write } = entry;
    if (
      entry.hidden &&
      before !== undefined &&
      before.revision + 1 >= first &&
      this.#request.filters.length === 0
    )
      this.#add(
        "missed event",
        "reliable",
        [proof(before)],
        () =>
          `${this.#self} got "${describe(entry)}" of revision ${entry.revision}, version ${entry.version}, but none of the changes of that key since revision ${before.revision}, version ${before.version}.`,
      );
    if (write === undefined) return;
    if (at > group) this.#judgeOrder(entry, this.#clean[at - 1] as ObservedEvent, write.completeIndex);
    if (write.invokeIndex > this.#opened)
      delays.push(Math.max(0, (this.#times[at] as Nanos) - write.completeTime));
  }

  /** Changes of one revision come in the order of the operations that made them. */
  #judgeOrder(entry: Entry, neighbour: ObservedEvent, write: number): void {
    const other = this.#log.find(neighbour.revision, neighbour.key);
    if (other?.order === undefined || entry.order === undefined || other.order < entry.order) return;
    this.#add(
      "event out of order",
      "ordered",
      [write],
      () =>
        `${this.#self} got "${describe(entry)}" right after "${describe(neighbour)}", both of revision ${entry.revision}; they were made in the other order.`,
    );
  }

  #judgeMissing(entry: Entry, group: number): void {
    if (this.#late.some((late) => late.revision === entry.revision && late.key === entry.key)) return;
    const atStart = group === 0 && this.#request.start > 0 && this.#clean.length > 0;
    this.#add(
      "missed event",
      atStart ? "resumable" : "reliable",
      [proof(entry)],
      () =>
        `${this.#self} vouches for all revisions up to ${this.reached}${this.#lastBookmark === this.reached ? " by a bookmark" : ""}, but never got "${describe(entry)}" of revision ${entry.revision}, ${witnessOf(entry)}.`,
    );
  }

  #judgePrevious(event: ObservedEvent, entry: Entry): void {
    const { previous } = event;
    const { before } = entry;
    if (!this.#request.previous) {
      if (previous !== undefined)
        this.#add(
          "wrong previous value",
          "prevKV",
          [],
          () =>
            `${this.#self} got a previous value with "${describe(event)}" of revision ${event.revision}, unasked.`,
        );
      return;
    }
    const creates = before === undefined ? event.created === event.revision : before.type === "delete";
    if (entry.hidden || (before === undefined && !creates)) return;
    const expected = creates ? undefined : before;
    if (previous === undefined) {
      if (expected === undefined) return;
      if (this.#compactions.mayHideStateBefore(event.revision, this.#operation.completeIndex)) return;
      this.#add(
        "missing previous value",
        "prevKV",
        [proof(expected)],
        () =>
          `${this.#self} got "${describe(event)}" of revision ${event.revision} without the previous value, ${expected.value} of revision ${expected.revision}, which no compaction can have taken.`,
      );
      return;
    }
    if (expected !== undefined && sameVersion(previous, expected)) return;
    this.#add(
      "wrong previous value",
      "prevKV",
      expected === undefined ? (before === undefined ? [] : [proof(before)]) : [proof(expected)],
      () =>
        `${this.#self} got "${describe(event)}" of revision ${event.revision} with the previous value ${previous.value} (revision ${previous.revision}, version ${previous.version}); it was ${expected === undefined ? "none: the key did not exist" : `${expected.value} (revision ${expected.revision}, version ${expected.version})`}.`,
    );
  }
}

function sameVersion(previous: NonNullable<ObservedEvent["previous"]>, expected: Entry): boolean {
  if (previous.revision !== expected.revision || previous.value !== expected.value) return false;
  if (expected.version === 0) return true;
  return previous.version === expected.version && previous.created === expected.created;
}

/** Delays between the acknowledgement of a write and its delivery to watches that were open, in milliseconds. */
function quantiles(delays: Nanos[]): Json {
  if (delays.length === 0) return null;
  const sorted = Float64Array.from(delays).sort();
  const at = (share: number) =>
    Math.round(
      (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] as number) / MILLISECOND,
    );
  return { count: sorted.length, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
}
