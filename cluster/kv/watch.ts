/**
 * All watches of one member: what each has been told, and what it is owed.
 *
 * A synced watch is owed nothing older than what is applied next, and is told of it at once. An unsynced one (it
 * began in the past, its reader was slow, or the store was replaced) is owed changes from `next` on; `drain` reads
 * them from the store's log until it is synced. All responses pass through one queue, so a progress response,
 * queued only when its watches are synced, cannot overtake an event.
 *
 * As in etcd, a watch may begin at the compact revision, whose changes are still held; below it, it is canceled.
 */
import type { Applied } from "./command.ts";
import { ErrCompacted } from "./errors.ts";
import { contains, upperBound } from "./interval.ts";
import type { Bytes, Revision, WatchCreateRequest, WatchEvent } from "./request.ts";
import type { Store } from "./store.ts";

export type WatchOutput = {
  /** The watch; for requested progress, the first remaining of those it was requested for. */
  readonly id: number;
  readonly response: {
    readonly kind: "created" | "events" | "progress" | "canceled";
    /** The store's revision. In progress: all changes up to it have been delivered. */
    readonly revision: Revision;
    readonly events: readonly WatchEvent[];
    /** More of the same revision follow. */
    readonly fragment: boolean;
    /** Progress that was asked for: it speaks for all watches it was asked for. */
    readonly requested: boolean;
    /** In a cancellation because of compaction, the oldest revision that can be watched; else 0. */
    readonly compactRevision: Revision;
    readonly cancelReason: string;
  };
};

export type WatchHubOptions = {
  /** A planted bug by name, "" for none. */
  readonly bug: string;
  /** A response takes further revisions only below this; a `fragment` watch gets larger revisions in pieces. */
  readonly maxEventsPerResponse: number;
};

type Watch = {
  readonly id: number;
  readonly key: Bytes;
  readonly end: string | undefined;
  readonly puts: boolean;
  readonly deletes: boolean;
  readonly prevKv: boolean;
  readonly fragment: boolean;
  readonly progressNotify: boolean;
  /** No event below is to be queued. While unsynced, exactly what is owed. */
  next: Revision;
  synced: boolean;
  paused: boolean;
  /** Nothing was queued since the last tick. */
  idle: boolean;
};

const NO_EVENTS: readonly WatchEvent[] = Object.freeze([]);

export class WatchHub {
  readonly #bug: string;
  readonly #maxEvents: number;
  #store: Store;
  /** Of what was notified or restored last. */
  #revision: Revision;
  #lastId = 0;
  readonly #watches = new Map<number, Watch>();
  /** Watches of single keys, by key, and of intervals. */
  readonly #byKey = new Map<Bytes, Watch[]>();
  readonly #intervals: Watch[] = [];
  /** Unsynced and not paused, oldest first. */
  readonly #unsynced = new Set<Watch>();
  #queue: WatchOutput[] = [];

  constructor(store: Store, options: WatchHubOptions) {
    this.#store = store;
    this.#revision = store.revision;
    this.#bug = options.bug;
    this.#maxEvents = Math.max(1, options.maxEventsPerResponse);
  }

  /** Of what was notified or restored last. */
  get revision(): Revision {
    return this.#revision;
  }

  /** Whether `drain` has something to do. */
  get hasPending(): boolean {
    return this.#queue.length > 0 || this.#unsynced.size > 0;
  }

  /** Returns the watch's id, never used before. Queues "created", and "canceled" at once if it cannot be. */
  create(request: WatchCreateRequest): number {
    const id = ++this.#lastId;
    // As in etcd: no key means the smallest.
    const key = request.key === "" ? "\0" : request.key;
    const bound = upperBound(request.rangeEnd);
    const end = bound !== undefined && this.#bug === "watch-includes-end" ? `${bound}\0` : bound;
    const start = request.startRevision ?? 0;
    this.#queue.push(this.#output(id, "created"));
    if (start < 0) {
      this.#queue.push(this.#output(id, "canceled", NO_EVENTS, 0, ErrCompacted.message));
      return id;
    }
    if (end !== undefined && key >= end) {
      this.#queue.push(this.#output(id, "canceled", NO_EVENTS, 0, "mvcc: watcher range is empty"));
      return id;
    }
    const watch: Watch = {
      id,
      key,
      end,
      puts: request.filters?.includes("no-put") !== true,
      deletes: request.filters?.includes("no-delete") !== true,
      prevKv: request.prevKv === true,
      fragment: request.fragment === true,
      progressNotify: request.progressNotify === true,
      next: start === 0 ? this.#store.revision + 1 : start,
      synced: true,
      paused: false,
      idle: true,
    };
    this.#watches.set(id, watch);
    if (end !== undefined) this.#intervals.push(watch);
    else {
      const peers = this.#byKey.get(key);
      if (peers === undefined) this.#byKey.set(key, [watch]);
      else peers.push(watch);
    }
    this.#settle(watch);
    if (this.#bug === "future-watch-gets-old" && watch.synced) {
      // Takes the future for something to catch up with, and the store's revision for having done so.
      watch.next = this.#store.revision + 1;
    }
    return id;
  }

  /** Queues "canceled", after what is queued already. Does nothing for an unknown id. */
  cancel(id: number): void {
    const watch = this.#watches.get(id);
    if (watch === undefined) return;
    this.#forget(watch);
    this.#queue.push(this.#output(id, "canceled"));
  }

  /** Forgets a watch whose stream is gone, with all that is queued for it. */
  drop(id: number): void {
    const watch = this.#watches.get(id);
    if (watch !== undefined) this.#forget(watch);
    if (this.#queue.some((output) => output.id === id)) {
      this.#queue = this.#queue.filter((output) => output.id !== id);
    }
  }

  /** Tells synced watches of a command's changes. To be called after every apply, in order. */
  notify(applied: Applied): void {
    this.#revision = applied.revision;
    if (applied.events.length > 0) this.#deliver(applied);
  }

  /**
   * Queues one progress response on behalf of a stream's watches, after all they are owed. As in etcd, there is no
   * answer while one of them is paused or still to reach its start: the client asks again.
   */
  requestProgress(ids: readonly number[]): void {
    const ahead = this.#bug === "progress-ahead";
    let spokesman: number | undefined;
    for (const id of ids) {
      const watch = this.#watches.get(id);
      if (watch === undefined) continue;
      while (this.#unsynced.has(watch) && !ahead) this.#catchUp(watch);
      if (!this.#watches.has(id)) continue; // canceled by that
      if (!this.#isCurrent(watch) && !ahead) return;
      spokesman ??= id;
    }
    if (spokesman !== undefined)
      this.#queue.push(this.#output(spokesman, "progress", NO_EVENTS, 0, "", false, true));
  }

  /** Queues progress for every watch that wants it, is synced, and was told nothing since the last tick. */
  tickProgress(): void {
    for (const watch of this.#watches.values()) {
      if (!watch.progressNotify) continue;
      if (watch.idle && this.#isCurrent(watch)) this.#queue.push(this.#output(watch.id, "progress"));
      watch.idle = true;
    }
  }

  /** The store was replaced by a snapshot's: every watch catches up from its own next revision. */
  restored(store: Store): void {
    const last = this.#revision;
    this.#store = store;
    this.#revision = store.revision;
    if (this.#bug === "watch-restore-synced") return;
    for (const watch of this.#watches.values()) this.#desync(watch, last);
  }

  /** The reader is slow: nothing more is queued for it until `resume`. */
  pause(id: number): void {
    const watch = this.#watches.get(id);
    if (watch === undefined || watch.paused) return;
    watch.paused = true;
    this.#desync(watch, this.#revision);
  }

  resume(id: number): void {
    const watch = this.#watches.get(id);
    if (watch === undefined || !watch.paused) return;
    watch.paused = false;
    this.#settle(watch);
  }

  /**
   * Takes queued responses in order, at most `maxBatches`, letting unsynced watches catch up, oldest first and in
   * turns, as far as that allows.
   */
  drain(maxBatches = Number.POSITIVE_INFINITY): readonly WatchOutput[] {
    while (this.#unsynced.size > 0 && this.#queue.length < maxBatches) {
      for (const watch of this.#unsynced) {
        this.#catchUp(watch);
        if (this.#queue.length >= maxBatches) break;
      }
    }
    if (this.#queue.length <= maxBatches) {
      const all = this.#queue;
      this.#queue = [];
      return all;
    }
    return this.#queue.splice(0, maxBatches);
  }

  #deliver(applied: Applied): void {
    const { events, revision } = applied;
    if (events.length === 1) {
      const event = events[0]!;
      const peers = this.#byKey.get(event.kv.key);
      if (peers !== undefined) for (const watch of peers) this.#offer(watch, events, revision);
    } else if (this.#byKey.size > 0) {
      const touched = new Set<Watch>();
      for (const event of events) {
        const peers = this.#byKey.get(event.kv.key);
        if (peers !== undefined) for (const watch of peers) touched.add(watch);
      }
      for (const watch of touched) this.#offer(watch, events, revision);
    }
    for (const watch of this.#intervals) this.#offer(watch, events, revision);
  }

  #offer(watch: Watch, events: readonly WatchEvent[], revision: Revision): void {
    if (!watch.synced || revision < watch.next) return;
    const matching: WatchEvent[] = [];
    select(watch, events, matching);
    if (matching.length > 0) this.#queueRevision(watch, matching);
  }

  /** Queues the next batch a watch is owed, and finds it synced when that was the last. */
  #catchUp(watch: Watch): void {
    const store = this.#store;
    if (watch.next < store.compactRevision && this.#bug === "watch-skips-compacted")
      watch.next = store.compactRevision;
    if (watch.next < store.compactRevision) {
      this.#forget(watch);
      this.#queue.push(this.#output(watch.id, "canceled", NO_EVENTS, store.compactRevision));
      return;
    }
    const batch: WatchEvent[] = [];
    while (watch.next <= this.#revision) {
      const before = batch.length;
      const [events] = store.changes(watch.next, watch.next);
      select(watch, events!, batch);
      if (before > 0 && batch.length > this.#maxEvents) {
        batch.length = before; // A revision is not begun that does not fit.
        if (this.#bug === "watch-drops-unfitting") watch.next++;
        break;
      }
      watch.next++;
    }
    if (batch.length > 0) this.#queueRevision(watch, batch);
    this.#settle(watch);
  }

  /** Queues whole revisions; one alone that is too large is cut, if the watch agreed to fragments. */
  #queueRevision(watch: Watch, events: readonly WatchEvent[]): void {
    watch.idle = false;
    const splits = this.#bug === "watch-splits-txn" && !watch.fragment;
    const size = splits ? 1 : watch.fragment ? this.#maxEvents : events.length;
    for (let from = 0; from < events.length; from += size) {
      const piece = size >= events.length ? events : events.slice(from, from + size);
      const fragment = !splits && from + size < events.length;
      this.#queue.push(this.#output(watch.id, "events", piece, 0, "", fragment));
    }
  }

  /** Whether all changes up to now are queued, and the watch's start is no further than the next. */
  #isCurrent(watch: Watch): boolean {
    const begun = watch.next <= this.#revision + 1 || this.#bug === "progress-before-start";
    return watch.synced && begun;
  }

  /** Decides whether a watch that is not paused is synced. */
  #settle(watch: Watch): void {
    watch.synced = !watch.paused && watch.next > this.#revision;
    if (watch.synced || watch.paused) this.#unsynced.delete(watch);
    else this.#unsynced.add(watch);
  }

  /** Makes a synced watch, told of all changes up to `last`, remember what it is owed from then on. */
  #desync(watch: Watch, last: Revision): void {
    if (watch.synced) {
      const replayed = this.#bug === "watch-resume-replays" ? 1 : 0;
      watch.next = Math.max(watch.next, last + 1 - replayed);
    }
    this.#settle(watch);
  }

  #forget(watch: Watch): void {
    this.#watches.delete(watch.id);
    this.#unsynced.delete(watch);
    const peers = watch.end === undefined ? this.#byKey.get(watch.key)! : this.#intervals;
    peers.splice(peers.indexOf(watch), 1);
    if (peers.length === 0 && watch.end === undefined) this.#byKey.delete(watch.key);
  }

  #output(
    id: number,
    kind: WatchOutput["response"]["kind"],
    events = NO_EVENTS,
    compactRevision = 0,
    cancelReason = "",
    fragment = false,
    requested = false,
  ): WatchOutput {
    return {
      id,
      response: {
        kind,
        revision: this.#revision,
        events,
        fragment,
        requested,
        compactRevision,
        cancelReason,
      },
    };
  }
}

/** Appends what the watch wants of the events, as it wants it. */
function select(watch: Watch, events: readonly WatchEvent[], into: WatchEvent[]): void {
  for (const event of events) {
    if (!contains(watch.key, watch.end, event.kv.key)) continue;
    if (!(event.type === "put" ? watch.puts : watch.deletes)) continue;
    into.push(watch.prevKv || event.prevKv === undefined ? event : { type: event.type, kv: event.kv });
  }
}
