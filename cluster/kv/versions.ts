/**
 * Every key's versions and the log of changes: the multi-version part of the store.
 *
 * A key's versions form a chain in revision order; a delete leaves a tombstone, a version numbered 0. The log holds
 * the same versions again, by revision, for watchers. Compaction at R removes what no read or watch from R on can
 * see: all but each key's newest version at or below R, and that too when it is a tombstone below R. So changes of
 * revision R itself stay watchable, deletes included, until a later compaction.
 *
 * A view of it costs nothing to make: trees copy on write once they were cloned, chains and the log only grow, and
 * compaction replaces those that it shortens.
 */
import { upperBound } from "./interval.ts";
import type { Bytes, KeyValue, LeaseId, Revision, WatchEvent } from "./request.ts";
import type { StoreView } from "./snapshot.ts";
import { SortedMap } from "./sorted-map.ts";
import { hashOf, hashString, mix } from "./state-hash.ts";

type Chain = KeyValue[];

const NO_EVENTS: readonly WatchEvent[] = Object.freeze([]);
/** What a version costs in memory beyond the characters of its key and value. Bytes, roughly. */
const VERSION_OVERHEAD = 450;

export class Versions {
  readonly #bug: string;
  /** The same chains twice: by hash for single keys, in order for ranges. */
  readonly #chains = new Map<Bytes, Chain>();
  readonly #ordered = new SortedMap<Bytes, Chain>(undefined, compareBytes);
  /** Changes by revision from `#logStart` to the newest, without gaps. */
  #log: (readonly WatchEvent[])[] = [NO_EVENTS];
  /** Invariant: the compact revision, or 1 before the first compaction. */
  #logStart: Revision = 1;
  #compactRevision: Revision = 0;
  #digest = 0;
  #bytes = 0;

  constructor(bug: string) {
    this.#bug = bug;
  }

  get revision(): Revision {
    return this.#logStart + this.#log.length - 1;
  }

  /** 0 before the first compaction. */
  get compactRevision(): Revision {
    return this.#compactRevision;
  }

  /** A sum over all retained versions: equal for equal sets, however they came about. */
  get digest(): number {
    return this.#digest;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The key's newest version, changes in progress included; undefined when there is none or it is deleted. */
  newest(key: Bytes): KeyValue | undefined {
    const chain = this.#chains.get(key);
    if (chain === undefined) return undefined;
    const kv = chain[chain.length - 1]!;
    return kv.version > 0 ? kv : undefined;
  }

  /**
   * Collects the live keys of an interval as of a revision (undefined: the newest, changes in progress included) in
   * key order, at most `limit` of them, and returns how many there are.
   */
  scan(
    key: Bytes,
    rangeEnd: Bytes | undefined,
    revision: Revision | undefined,
    limit: number,
    into: KeyValue[],
  ): number {
    const end = upperBound(rangeEnd);
    if (end === undefined) {
      const chain = this.#chains.get(key);
      const kv = chain === undefined ? undefined : versionAt(chain, revision);
      if (kv === undefined) return 0;
      if (limit > 0) into.push(kv);
      return 1;
    }
    let count = 0;
    this.#ordered.forRange(key, end, false, (_, chain) => {
      const kv = versionAt(chain, revision);
      if (kv === undefined) return;
      count++;
      if (count <= limit) into.push(kv);
    });
    return count;
  }

  /** Writes at the revision in progress, one above the newest; `commit` ends it. Returns the change. */
  put(key: Bytes, value: Bytes, lease: LeaseId): WatchEvent {
    const revision = this.revision + 1;
    const previous = this.newest(key);
    const former =
      this.#bug === "recreate-keeps-version"
        ? this.#chains.get(key)?.findLast(({ version }) => version > 0)
        : previous;
    const kv: KeyValue = {
      key,
      createRevision: previous === undefined ? revision : previous.createRevision,
      modRevision: revision,
      version: former === undefined ? 1 : former.version + 1,
      value,
      lease,
    };
    this.#push(kv);
    return previous === undefined ? { type: "put", kv } : { type: "put", kv, prevKv: previous };
  }

  /** Like `put`, of a live key. */
  delete(previous: KeyValue): WatchEvent {
    const kv = tombstone(previous.key, this.revision + 1);
    this.#push(kv);
    return { type: "delete", kv, prevKv: previous };
  }

  /** Ends the revision in progress with its changes in order. */
  commit(events: readonly WatchEvent[]): void {
    this.#log.push(events);
  }

  /** Changes by revision, both ends included. Throws a RangeError outside compact revision .. newest. */
  changes(from: Revision, to: Revision): readonly (readonly WatchEvent[])[] {
    if (from < this.#logStart || to > this.revision) {
      throw new RangeError(
        `changes ${from}..${to} asked, ${this.#logStart}..${this.revision} are in the log of changes`,
      );
    }
    return this.#log.slice(from - this.#logStart, to - this.#logStart + 1);
  }

  /** Forgets what is older. `revision` is above the compact revision and at most the newest. */
  compact(revision: Revision): void {
    const keepsTombstones = this.#bug !== "compaction-drops-tombstone";
    const length = revision - this.#logStart + 1;
    for (let i = 0; i < length; i++) {
      // Only keys changed since the last compaction, or at it, can have something to forget.
      for (const event of this.#log[i]!) {
        const chain = this.#chains.get(event.kv.key);
        if (chain === undefined) continue;
        let superseded = newestIndex(chain, revision);
        const kept = chain[superseded];
        if (kept !== undefined && kept.version === 0 && (kept.modRevision < revision || !keepsTombstones)) {
          superseded++;
        }
        if (superseded <= 0) continue;
        for (let forgotten = 0; forgotten < superseded; forgotten++) this.#forget(chain[forgotten]!);
        this.#replace(event.kv.key, chain.slice(superseded));
      }
    }
    const boundary: WatchEvent[] = [];
    for (const event of this.#log[length - 1]!) {
      // The versions before these are gone, so their watchers get no previous value any more, wherever they ask.
      if (this.#chains.get(event.kv.key)?.[0] === event.kv) boundary.push({ type: event.type, kv: event.kv });
    }
    this.#log = [boundary as readonly WatchEvent[]].concat(this.#log.slice(length));
    this.#logStart = revision;
    this.#compactRevision = revision;
  }

  /** A hash of all retained versions at or below `revision`, compact revision .. newest. */
  digestAt(revision: Revision): number {
    let digest = 0;
    for (const chain of this.#chains.values()) {
      for (const kv of chain) if (kv.modRevision <= revision) digest = (digest + hashVersion(kv)) | 0;
    }
    return digest;
  }

  /** The part of a snapshot that is kept here, as it is now. */
  view(): Pick<StoreView, "compactRevision" | "base" | "log" | "revisions"> {
    const ordered = this.#ordered.clone();
    const logStart = this.#logStart;
    function* base(): Generator<KeyValue> {
      for (const [, chain] of ordered.entries()) {
        const kv = chain[0]!;
        if (kv.modRevision < logStart) yield kv;
      }
    }
    return { compactRevision: this.#compactRevision, base, log: this.#log, revisions: this.#log.length };
  }

  /**
   * Nothing yet: what a view held is to be added piece by piece, in its order. The pieces throw on versions that
   * cannot follow one another.
   */
  static emptyAt(bug: string, compactRevision: Revision): Versions {
    const versions = new Versions(bug);
    versions.#compactRevision = compactRevision;
    versions.#logStart = Math.max(1, compactRevision);
    versions.#log = [];
    return versions;
  }

  /** A version that the log does not hold: at most one of a key, none a tombstone. */
  addBase(kv: KeyValue): void {
    const misplaced = kv.version === 0 || kv.modRevision >= this.#logStart || this.#chains.has(kv.key);
    if (misplaced || this.#log.length > 0) throw new Error("malformed snapshot: a version is out of place");
    this.#push(kv);
  }

  /** Not even the first revision was added. */
  get empty(): boolean {
    return this.#log.length === 0;
  }

  addRevision(): void {
    this.#log.push([]);
  }

  /** A change of the newest revision. */
  addChange(kv: KeyValue): void {
    const events = this.#log.at(-1);
    if (events === undefined || kv.modRevision !== this.revision)
      throw new Error("malformed snapshot: a change is out of place");
    const previous = this.newest(kv.key);
    const type = kv.version === 0 ? "delete" : "put";
    this.#push(kv);
    (events as WatchEvent[]).push(previous === undefined ? { type, kv } : { type, kv, prevKv: previous });
  }

  #replace(key: Bytes, chain: Chain): void {
    if (chain.length === 0) {
      this.#chains.delete(key);
      this.#ordered.delete(key);
    } else {
      this.#chains.set(key, chain);
      this.#ordered.set(key, chain);
    }
  }

  #push(kv: KeyValue): void {
    const chain = this.#chains.get(kv.key);
    if (chain === undefined) {
      const created = [kv];
      this.#chains.set(kv.key, created);
      this.#ordered.set(kv.key, created);
    } else {
      chain.push(kv);
    }
    this.#digest = (this.#digest + hashVersion(kv)) | 0;
    this.#bytes += kv.key.length + kv.value.length + VERSION_OVERHEAD;
  }

  #forget(kv: KeyValue): void {
    this.#digest = (this.#digest - hashVersion(kv)) | 0;
    this.#bytes -= kv.key.length + kv.value.length + VERSION_OVERHEAD;
  }
}

function compareBytes(a: Bytes, b: Bytes): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** What watchers see of a deleted key. */
function tombstone(key: Bytes, modRevision: Revision): KeyValue {
  return { key, createRevision: 0, modRevision, version: 0, value: "", lease: "0" };
}

/** Index of the newest version at or below `revision`; -1 when all are above. */
function newestIndex(chain: Chain, revision: Revision): number {
  let low = 0;
  let high = chain.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (chain[middle]!.modRevision <= revision) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function versionAt(chain: Chain, revision: Revision | undefined): KeyValue | undefined {
  const kv = chain[revision === undefined ? chain.length - 1 : newestIndex(chain, revision)];
  return kv !== undefined && kv.version > 0 ? kv : undefined;
}

function hashVersion(kv: KeyValue): number {
  let h = hashString(hashString(hashString(0, kv.key), kv.value), kv.lease);
  h = mix(h, kv.createRevision);
  h = mix(h, kv.modRevision);
  return hashOf(mix(h, kv.version));
}
