/** One watch against the log of all changes: what it was told, and what it should have been told. */
import type { Nanos } from "../src/history/op.ts";
import { lowerBound } from "./bisect.ts";
import type { Delays } from "./delays.ts";
import { type Findings, who } from "./findings.ts";
import { type Account, type Entry, proof, replaced, sameVersion, witnessOf } from "./watch-change.ts";
import { type EventLog, isOf, type KeyRange } from "./watch-log.ts";
import {
  describe,
  matches,
  type ObservedEvent,
  type ObservedResponse,
  type WatchOperation,
  type WatchRequest,
} from "./watch-signature.ts";
import type { WatchStream } from "./watch-stream.ts";

/** What a watch is compared with, and where what is found goes. */
export interface Reference {
  readonly log: EventLog;
  readonly compactions: {
    /** Whether the state before `revision` may have been gone before the event `index`. */
    mayHideStateBefore(revision: number, index: number): boolean;
    /** Whether the store may have been compacted at `revision` before the event `index`. */
    mayBeAt(revision: number, index: number): boolean;
  };
  readonly delays: Delays;
  readonly findings: Findings;
}

/** An event that did not come in its place in the log; compared when its revision is over. */
interface Displaced {
  readonly event: ObservedEvent;
  readonly time: Nanos;
  /** What was delivered just before it, of the same revision. */
  readonly neighbour: ObservedEvent | undefined;
}

/** A change passed over, and whether it came before all that was delivered. */
interface Missed {
  readonly entry: Entry;
  readonly operation: WatchOperation;
  readonly atStart: boolean;
}

export class JudgedWatch {
  readonly #request: WatchRequest;
  readonly #reference: Reference;
  /** Invocation of the operation that opened it. */
  readonly #opened: number;
  /** The operation that told what is being judged. */
  #operation: WatchOperation;
  readonly #keys: KeyRange;
  /** Changes of the keys asked for, and perhaps of others. */
  readonly #changes: readonly Entry[];
  /** First revision it owes; undefined while unknown: a watch from "now" that was never said to be created. */
  #first: number | undefined;
  /** First revision that is compared; undefined before the first event. */
  #from: number | undefined;
  /** The change to be delivered next, or to be passed over. */
  #next = 0;
  /** Position of the first change of the last revision delivered. */
  #group = 0;
  /** Events of the last revision that did not come in their place. */
  readonly #displaced: Displaced[] = [];
  /** Nothing was delivered before the last revision. */
  #beginning = true;
  readonly #missed = new Map<Entry, Missed>();
  /** Events that came behind later ones, or are not in the log of what it asked for: wrong, but not missing. */
  readonly #strays = new Set<string>();
  #lastEvent = 0;
  #lastDelivered: ObservedEvent | undefined;
  #lastBookmark = 0;
  /** The last response promised more of its revision. */
  #unfinished = false;
  events = 0;
  bookmarks = 0;
  compacted = false;

  constructor({ request, opening }: WatchStream, reference: Reference) {
    this.#operation = opening;
    this.#opened = opening.invokeIndex;
    this.#request = request;
    this.#reference = reference;
    this.#keys = reference.log.keysOf(request);
    this.#changes = reference.log.changesOf(this.#keys);
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

  /** `lead` tells of its events, if that is known: see WatchStream. */
  hear(response: ObservedResponse, operation: WatchOperation, lead: Account | undefined): void {
    this.#operation = operation;
    switch (response.kind) {
      case "created":
        this.#first ??= response.revision + 1;
        break;
      case "events":
        this.#judgeEvents(response, lead);
        break;
      case "progress":
        this.#judgeBookmark(response.revision);
        break;
      case "canceled":
        if (response.compactRevision > 0) this.#judgeCompaction(response.compactRevision);
        break;
    }
  }

  /** To be called once it has heard everything. */
  end(): void {
    this.#finishRevision(this.#lastEvent <= this.reached);
    if (this.#from === undefined && this.#first !== undefined) this.#startFrom(this.#first);
    if (this.#from !== undefined) this.#passOver(this.reached + 1, false);
    for (const missed of this.#missed.values()) this.#judgeMissed(missed);
  }

  #add(name: string, guarantee: string, others: readonly number[], explain: () => string): void {
    const witness = [...others, this.#operation.completeIndex];
    this.#reference.findings.add(name, `watch: ${guarantee}`, witness, explain);
  }

  get #self(): string {
    const { key, end, start } = this.#request;
    const what =
      end === "" ? `key ${key}` : end === "\0" ? `all keys from ${key}` : `keys from ${key} to ${end}`;
    return `a watch of ${who(this.#operation)} on ${what} from ${start === 0 ? "now" : `revision ${start}`}`;
  }

  #judgeEvents(response: ObservedResponse, lead: Account | undefined): void {
    const before = this.#lastEvent;
    const continues = this.#unfinished;
    const { events } = response;
    const time = this.#operation.invokeTime + response.at;
    this.events += events.length;
    let at = this.#follow(events, lead, time);
    let fresh = at === 0;
    for (; at < events.length; at++) {
      const event = events[at] as ObservedEvent;
      const { revision } = event;
      if (this.#first !== undefined && revision < this.#first) this.#judgeEarly(event, this.#first);
      if (revision <= this.#lastBookmark) this.#judgeBehindBookmark(event);
      if (revision > this.#lastEvent) this.#begin(revision);
      else if (this.#isRepeated(event)) {
        this.#judgeRepeated(event);
        continue;
      } else if (revision < this.#lastEvent) {
        this.#judgeLate(event);
        continue;
      } else if (fresh && !continues && revision === before) this.#judgeSplit(event);
      fresh = false;
      this.#deliver(event, time);
    }
    this.#unfinished = response.fragment;
  }

  /**
   * The common case: how many of the events are the very next changes in the log, one after another, with nothing
   * told of them that is disputed.
   */
  #follow(events: readonly ObservedEvent[], lead: Account | undefined, time: Nanos): number {
    if (lead === undefined || this.#from === undefined || this.#displaced.length > 0) return 0;
    const least = Math.max(this.#first ?? 0, this.#lastBookmark + 1, this.#lastEvent + 1);
    if (lead.entry.revision < least) return 0;
    const { previous } = this.#request;
    let followed = 0;
    for (let account: Account | undefined = lead; followed < events.length; account = account.next) {
      if (account === undefined) break;
      const { entry } = account;
      if (!entry.agreed || entry !== this.#changes[this.#next] || !this.#wants(entry)) break;
      if ((account.event.previous !== undefined) !== (previous && entry.replaces)) break;
      if (entry.revision > this.#lastEvent) {
        if (this.#lastEvent >= this.#from) this.#beginning = false;
        this.#group = this.#next;
        this.#lastEvent = entry.revision;
      }
      this.#next++;
      this.#judgeDelay(entry, time);
      followed++;
    }
    if (followed > 0) this.#lastDelivered = events[followed - 1];
    return followed;
  }

  /** Whether the same revision of the same key came before. */
  #isRepeated({ revision, key }: ObservedEvent): boolean {
    if (revision === this.#lastEvent) {
      for (let at = this.#group; at < this.#next; at++)
        if ((this.#changes[at] as Entry).key === key && this.#wants(this.#changes[at] as Entry)) return true;
      return this.#displaced.some(({ event }) => event.key === key);
    }
    if (this.#strays.has(`${revision} ${key}`)) return true;
    const entry = this.#reference.log.find(revision, key);
    if (entry === undefined || this.#from === undefined || revision < this.#from) return false;
    return this.#wants(entry) && !this.#missed.has(entry);
  }

  #startFrom(revision: number): void {
    this.#from = revision;
    this.#next = lowerBound(this.#changes, (entry) => entry.revision < revision);
  }

  /** The first event of a greater revision than all before has come. */
  #begin(revision: number): void {
    if (this.#from === undefined) this.#startFrom(this.#first ?? revision);
    else this.#finishRevision(true);
    this.#passOver(revision, this.#beginning && this.#request.start > 0);
    this.#group = this.#next;
    this.#lastEvent = revision;
    this.#lastDelivered = undefined;
  }

  /** Most events are the very next change in the log. */
  #deliver(event: ObservedEvent, time: Nanos): void {
    const changes = this.#changes;
    const neighbour = this.#lastDelivered;
    this.#lastDelivered = event;
    let entry = changes[this.#next];
    // What was not asked for is not waited for.
    while (entry !== undefined && !this.#wants(entry)) entry = changes[++this.#next];
    if (entry !== undefined && entry.revision === event.revision && entry.key === event.key) {
      this.#next++;
      this.#judgeMatch(entry, event, time, this.#displaced.length === 0 ? undefined : neighbour);
    } else this.#displaced.push({ event, time, neighbour });
  }

  /** What is left of the last revision was delivered out of its place, or is missing if the watch vouches for it. */
  #finishRevision(vouched: boolean): void {
    const revision = this.#lastEvent;
    const changes = this.#changes;
    const atStart = this.#beginning && this.#request.start > 0;
    const displaced = this.#displaced;
    for (; this.#next < changes.length; this.#next++) {
      const entry = changes[this.#next] as Entry;
      if (entry.revision !== revision) break;
      if (!this.#wants(entry)) continue;
      const at = displaced.findIndex(({ event }) => event.key === entry.key);
      const [found] = at < 0 ? [] : displaced.splice(at, 1);
      if (found !== undefined) this.#judgeMatch(entry, found.event, found.time, found.neighbour);
      else if (vouched) this.#missed.set(entry, { entry, operation: this.#operation, atStart });
    }
    if (revision >= (this.#from ?? 0)) this.#beginning = false;
    if (displaced.length === 0) return;
    for (const { event } of displaced) this.#judgeStray(event);
    displaced.length = 0;
  }

  #wants(entry: Entry): boolean {
    if (!isOf(this.#keys, entry)) return false;
    const { filters } = this.#request;
    return filters.length === 0 || !filters.includes(entry.type === "put" ? "no-put" : "no-delete");
  }

  /** Goes on to the first change of `revision`; what was to be delivered before it is missing. */
  #passOver(revision: number, atStart: boolean): void {
    const changes = this.#changes;
    for (; this.#next < changes.length; this.#next++) {
      const entry = changes[this.#next] as Entry;
      if (entry.revision >= revision) return;
      if (this.#wants(entry)) this.#missed.set(entry, { entry, operation: this.#operation, atStart });
    }
  }

  /** An event that is not among those it asked for. */
  #judgeStray(event: ObservedEvent): void {
    this.#strays.add(`${event.revision} ${event.key}`);
    this.#judgeFilter(event);
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

  #judgeEarly(event: ObservedEvent, first: number): void {
    this.#add(
      "event before the start",
      "never before its start",
      [],
      () =>
        `${this.#self} got "${describe(event)}" of revision ${event.revision}, before revision ${first}, where it had to begin.`,
    );
  }

  #judgeBehindBookmark(event: ObservedEvent): void {
    this.#add(
      "event behind a bookmark",
      "bookmarkable",
      [],
      () =>
        `${this.#self} was told that all up to revision ${this.#lastBookmark} was delivered, then got "${describe(event)}" of revision ${event.revision}.`,
    );
  }

  #judgeRepeated(event: ObservedEvent): void {
    this.#add(
      "duplicate event",
      "unique",
      [],
      () => `${this.#self} got "${describe(event)}" of revision ${event.revision} more than once.`,
    );
  }

  #judgeLate(event: ObservedEvent): void {
    this.#strays.add(`${event.revision} ${event.key}`);
    this.#judgeFilter(event);
    const last = this.#lastEvent;
    this.#add(
      "event out of order",
      "ordered",
      [],
      () =>
        `${this.#self} got "${describe(event)}" of revision ${event.revision} after an event of revision ${last}.`,
    );
  }

  #judgeSplit({ revision }: ObservedEvent): void {
    this.#add(
      "revision split over responses",
      "atomic",
      [],
      () =>
        `${this.#self} got the events of revision ${revision} in two responses, and the first was not marked as a fragment.`,
    );
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
    else if (!this.#reference.compactions.mayBeAt(revision, this.#operation.completeIndex))
      this.#add(
        "false compaction",
        "ends with the right compaction error",
        [],
        () =>
          `${this.#self} was ended because of a compaction at revision ${revision}, which nobody had asked for.`,
      );
  }

  #judgeMatch(entry: Entry, event: ObservedEvent, time: Nanos, neighbour: ObservedEvent | undefined): void {
    if (event.type !== entry.type) this.#judgeFilter(event);
    this.#judgePrevious(event, entry);
    if (entry.hidden) this.#judgeHidden(entry);
    if (entry.write !== undefined && neighbour !== undefined)
      this.#judgeOrder(entry, neighbour, entry.write.completeIndex);
    this.#judgeDelay(entry, time);
  }

  #judgeDelay({ write }: Entry, time: Nanos): void {
    if (write !== undefined && write.invokeIndex > this.#opened)
      this.#reference.delays.add(Math.max(0, time - write.completeTime));
  }

  /** Writes nobody saw must have come before this change, which was delivered. */
  #judgeHidden(entry: Entry): void {
    const { before } = entry;
    if (before === undefined || before.revision + 1 < (this.#from as number)) return;
    if (this.#request.filters.length > 0) return;
    this.#add(
      "missed event",
      "reliable",
      [proof(before)],
      () =>
        `${this.#self} got "${describe(entry)}" of revision ${entry.revision}, version ${entry.version}, but none of the changes of that key since revision ${before.revision}, version ${before.version}.`,
    );
  }

  /** Changes of one revision come in the order of the operations that made them. */
  #judgeOrder(entry: Entry, neighbour: ObservedEvent, write: number): void {
    const other = this.#reference.log.find(neighbour.revision, neighbour.key);
    if (other?.order === undefined || entry.order === undefined || other.order < entry.order) return;
    this.#add(
      "event out of order",
      "ordered",
      [write],
      () =>
        `${this.#self} got "${describe(entry)}" right after "${describe(neighbour)}", both of revision ${entry.revision}; they were made in the other order.`,
    );
  }

  #judgeMissed({ entry, operation, atStart }: Missed): void {
    if (this.#strays.has(`${entry.revision} ${entry.key}`)) return;
    this.#reference.findings.add(
      "missed event",
      atStart ? "watch: resumable" : "watch: reliable",
      [proof(entry), operation.completeIndex],
      () =>
        `${this.#self} vouches for all revisions up to ${this.reached}${this.#lastBookmark === this.reached ? " by a bookmark" : ""}, but never got "${describe(entry)}" of revision ${entry.revision}, ${witnessOf(entry)}.`,
    );
  }

  #judgePrevious(event: ObservedEvent, entry: Entry): void {
    const { previous } = event;
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
    const expected = replaced(entry, event);
    if (expected === undefined) return;
    if (previous === undefined) {
      if (expected === null) return;
      if (this.#reference.compactions.mayHideStateBefore(event.revision, this.#operation.completeIndex))
        return;
      this.#add(
        "missing previous value",
        "prevKV",
        [proof(expected)],
        () =>
          `${this.#self} got "${describe(event)}" of revision ${event.revision} without the previous value, ${expected.value} of revision ${expected.revision}, which no compaction can have taken.`,
      );
      return;
    }
    if (expected !== null && sameVersion(previous, expected)) return;
    const { before } = entry;
    this.#add(
      "wrong previous value",
      "prevKV",
      before === undefined ? [] : [proof(before)],
      () =>
        `${this.#self} got "${describe(event)}" of revision ${event.revision} with the previous value ${previous.value} (revision ${previous.revision}, version ${previous.version}); it was ${expected === null ? "none: the key did not exist" : `${expected.value} (revision ${expected.revision}, version ${expected.version})`}.`,
    );
  }
}
