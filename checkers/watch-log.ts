/**
 * The reference for all watches: every change of the store that left a trace, by revision.
 *
 * Acknowledged writes say what changed at which revision. Watch events say it too, and alone for writes whose
 * outcome is unknown: such a write is in the log if any watch delivered it. Where sources contradict each other,
 * an acknowledged write wins, then what fits the key's history, then what most watches say; the others are judged.
 */
import type { History, OperationOf } from "../src/history/history.ts";
import { lowerBound } from "./bisect.ts";
import { type Findings, who } from "./findings.ts";
import { visitPrecedents } from "./precedence.ts";
import {
  type Account,
  type AcknowledgedWrite,
  type Claim,
  contradiction,
  type Entry,
  entryOf,
  proof,
  sameChange,
  sameEvent,
  sameValue,
  settle,
  toldBy,
  type Write,
  witnessOf,
} from "./watch-change.ts";
import {
  type Change,
  describe,
  matches,
  type ObservedEvent,
  type WatchOperation,
  type WatchSignature,
} from "./watch-signature.ts";
import { type Reader, readAbreast, type WatchStream } from "./watch-stream.ts";

/** How many times as long as the log the lists of the ranges that are asked for may be, together. */
const SHARES = 4;

/** Positions in the sorted list of all keys: from `low` on, below `high`. */
export interface KeyRange {
  readonly low: number;
  readonly high: number;
}

export function isOf({ low, high }: KeyRange, { rank }: Entry): boolean {
  return rank >= low && rank < high;
}

export class EventLog {
  readonly #findings: Findings;
  readonly #history: History<WatchSignature>;
  /** The changes of each revision. */
  readonly #revisions = new Map<number, Entry[]>();
  /** Values somebody tried to put, with the attempt. */
  readonly #puts = new Map<string, Write>();
  /** Unknown writes per key that may have happened unseen. */
  readonly #openPuts = new Map<string, number>();
  readonly #openDeletes: { readonly key: string; readonly end: string }[] = [];
  /** By number. */
  readonly #accounts: (Account | undefined)[] = [undefined];
  /** Events whose previous value may be all that is left of a write of unknown outcome. */
  readonly #previous: Account[] = [];
  #entries: readonly Entry[] = [];
  #keys: readonly string[] = [];
  /** Of each key, by rank. */
  #byKey: readonly (readonly Entry[])[] = [];
  /** Of ranges of keys that were asked for, and how many entries more may be listed there. */
  readonly #shared = new Map<string, readonly Entry[]>();
  #left = 0;

  constructor(history: History<WatchSignature>, watches: readonly WatchStream[], findings: Findings) {
    this.#history = history;
    this.#findings = findings;
    for (const f of ["put", "txn"] as const)
      for (const write of history.byFunction(f))
        for (const change of changesOf(write)) if (change.type === "put") this.#puts.set(change.value, write);
    this.#addWrites();
    readAbreast(watches.map((watch) => this.#claimsOf(watch)));
    this.#addPrevious();
    this.#settle();
  }

  /** All changes by revision, and by order within it. */
  get entries(): readonly Entry[] {
    return this.#entries;
  }

  /** The keys of a request, among those that were ever changed. */
  keysOf(range: { readonly key: string; readonly end: string }): KeyRange {
    const rank = (key: string) => lowerBound(this.#keys, (candidate) => candidate < key);
    const low = rank(range.key);
    if (range.end === "") return { low, high: this.#keys[low] === range.key ? low + 1 : low };
    return { low, high: range.end === "\0" ? this.#keys.length : rank(range.end) };
  }

  /** All changes of these keys, and perhaps of others, by revision. Watches of the same keys share the list. */
  changesOf(keys: KeyRange): readonly Entry[] {
    const { low, high } = keys;
    if (high <= low) return [];
    if (high === low + 1) return this.#byKey[low] as readonly Entry[];
    if (low === 0 && high === this.#keys.length) return this.#entries;
    const name = `${low} ${high}`;
    let shared = this.#shared.get(name);
    if (shared === undefined) {
      if (this.#left <= 0) return this.#entries;
      shared = this.#entries.filter((entry) => isOf(keys, entry));
      this.#left -= shared.length;
      this.#shared.set(name, shared);
    }
    return shared;
  }

  /** Undefined for 0. */
  account(number: number): Account | undefined {
    return this.#accounts[number];
  }

  find(revision: number, key: string): Entry | undefined {
    return this.#revisions.get(revision)?.find((entry) => entry.key === key);
  }

  #addWrites(): void {
    const writes: AcknowledgedWrite[] = [];
    for (const f of ["put", "delete", "txn"] as const)
      for (const write of this.#history.byFunction(f)) if (write.type === "ok") writes.push(write);
    const effective = writes.filter((write) => effects(write).length > 0);
    for (const write of effective) {
      const { revision } = write.output;
      const owner = this.#revisions.get(revision)?.[0]?.write;
      if (owner !== undefined) {
        this.#findings.add(
          "shared revision",
          "one write per revision",
          [owner.completeIndex, write.completeIndex],
          () =>
            `The writes of ${who(owner)} and ${who(write)} were both acknowledged at revision ${revision}.`,
        );
        continue;
      }
      const entries = effects(write).map((change, order): Entry => {
        const value = change.type === "put" ? change.value : "";
        return entryOf({ revision, key: change.key, type: change.type, value }, write, order);
      });
      this.#revisions.set(revision, entries);
    }
    visitPrecedents(
      effective,
      (write) => write.output.revision,
      (later, earlier) => {
        if (later.output.revision >= earlier.output.revision) return;
        this.#findings.add(
          "revision went back",
          "linearizability of writes",
          [earlier.completeIndex, later.invokeIndex, later.completeIndex],
          () =>
            `${who(earlier)} had been acknowledged revision ${earlier.output.revision} before ${who(later)} began a write that was acknowledged at revision ${later.output.revision}.`,
        );
      },
    );
  }

  #claimsOf(watch: WatchStream): Reader {
    const { leads } = watch;
    let last: Account | undefined;
    return watch.reader(({ events }, operation, nth) => {
      let lead: Account | undefined;
      let linked = true;
      for (const event of events) {
        let account = last?.next;
        if (account !== undefined && (account.latest === event || sameEvent(account.latest, event))) {
          account.latest = event;
          account.count++;
        } else {
          account = this.#addAccount(event, operation);
          if (last !== undefined) last.next ??= account;
          if (lead !== undefined && last?.next !== account) linked = false;
        }
        lead ??= account;
        last = account;
      }
      if (linked && lead !== undefined) leads[nth] = lead.number;
    });
  }

  #entriesOf(revision: number): Entry[] {
    let entries = this.#revisions.get(revision);
    if (entries === undefined) {
      entries = [];
      this.#revisions.set(revision, entries);
    }
    return entries;
  }

  /** Undefined if it cannot be true. */
  #addAccount(event: ObservedEvent, by: WatchOperation): Account | undefined {
    const entry = this.#entryFor(this.#entriesOf(event.revision), event, by);
    if (entry === undefined) return undefined;
    let claim = entry.claims.find((other) => sameChange(other.event, event));
    if (claim === undefined) {
      claim = { event, by, accounts: [] };
      entry.claims.push(claim);
    }
    let account = claim.accounts.find((other) => sameEvent(other.event, event));
    if (account === undefined) {
      account = { number: this.#accounts.length, event, by, entry, latest: event, count: 0, next: undefined };
      claim.accounts.push(account);
      this.#accounts.push(account);
      if (event.previous !== undefined) this.#previous.push(account);
    }
    account.count++;
    return account;
  }

  #entryFor(entries: Entry[], event: ObservedEvent, by: WatchOperation): Entry | undefined {
    for (const entry of entries) if (entry.key === event.key) return entry;
    const owner = entries[0]?.write;
    if (owner !== undefined) {
      this.#phantom(event, by, owner, `revision ${event.revision} belongs to the write of ${who(owner)}`);
      return undefined;
    }
    const entry = entryOf(event, undefined, undefined);
    entries.push(entry);
    return entry;
  }

  /** A write of unknown outcome that no watch delivered may still show as the previous value of the next. */
  #addPrevious(): void {
    for (const { event, by } of this.#previous) {
      const { key, previous } = event;
      if (previous === undefined || this.#puts.get(previous.value)?.type !== "info") continue;
      const entries = this.#revisions.get(previous.revision);
      if (entries?.some((entry) => entry.write !== undefined || entry.key === key) === true) continue;
      this.#addAccount({ type: "put", key, ...previous }, by);
    }
  }

  #phantom(event: ObservedEvent, by: WatchOperation, write: Write | undefined, why: string): void {
    this.#findings.add(
      "phantom event",
      "watch: reliable",
      [write?.completeIndex ?? by.completeIndex, by.completeIndex],
      () => `A watch of ${who(by)} delivered "${describe(event)}" at revision ${event.revision}, but ${why}.`,
    );
  }

  /** Sorts, links each change to the one before it, and settles contradictions. */
  #settle(): void {
    const revisions = [...this.#revisions.keys()].sort((a, b) => a - b);
    const all: Entry[] = [];
    const last = new Map<string, Entry>();
    this.#collectOpenWrites();
    for (const revision of revisions)
      for (const entry of this.#revisions.get(revision) as Entry[]) {
        entry.before = last.get(entry.key);
        this.#choose(entry);
        last.set(entry.key, entry);
        all.push(entry);
      }
    this.#entries = all;
    this.#left = SHARES * all.length;
    this.#rank([...last.keys()]);
    this.#judgeValues();
  }

  #rank(keys: string[]): void {
    this.#keys = keys.sort(byCodeUnits);
    const ranks = new Map(keys.map((key, rank) => [key, rank]));
    const byKey = keys.map((): Entry[] => []);
    for (const entry of this.#entries) {
      entry.rank = ranks.get(entry.key) as number;
      byKey[entry.rank]?.push(entry);
    }
    this.#byKey = byKey;
  }

  #collectOpenWrites(): void {
    const seen = new Set<string>();
    for (const entries of this.#revisions.values())
      for (const entry of entries) {
        if (entry.write !== undefined) seen.add(entry.value);
        for (const { event } of entry.claims) seen.add(event.value);
      }
    for (const write of this.#history.client) {
      if (write.type !== "info") continue;
      if (write.f === "delete") this.#openDeletes.push(write.input);
      if (write.f !== "put" && write.f !== "txn") continue;
      for (const change of changesOf(write)) {
        if (change.type === "delete") this.#openDeletes.push({ key: change.key, end: "" });
        else if (!seen.has(change.value))
          this.#openPuts.set(change.key, (this.#openPuts.get(change.key) ?? 0) + 1);
      }
    }
  }

  /** Takes over the best account of a change and judges the others. */
  #choose(entry: Entry): void {
    let best: Claim | undefined;
    let bestRank = -1;
    for (const claim of entry.claims) {
      const agrees =
        entry.write === undefined || (claim.event.type === entry.type && sameValue(claim.event, entry));
      const rank = (agrees ? 4 : 0) + (this.#follows(claim.event, entry.before) === "next" ? 2 : 0);
      if (rank > bestRank || (rank === bestRank && best !== undefined && toldBy(claim) > toldBy(best))) {
        best = claim;
        bestRank = rank;
      }
    }
    if (best === undefined) {
      this.#infer(entry);
      return;
    }
    const { event } = best;
    if (entry.write === undefined) {
      entry.type = event.type;
      entry.value = event.type === "put" ? event.value : "";
    }
    if (event.type === "put" && entry.type === "put") {
      entry.created = event.created;
      entry.version = event.version;
    }
    for (const claim of entry.claims) {
      const differs = contradiction(claim.event, entry);
      if (differs === undefined) continue;
      const reference = entry.write?.completeIndex ?? best.by.completeIndex;
      this.#findings.add(
        differs === "content" ? "divergent event" : "wrong create flag",
        differs === "content" ? "watch: same events everywhere" : "watch: isCreate",
        [reference, claim.by.completeIndex],
        () =>
          `At revision ${entry.revision}, a watch of ${who(claim.by)} delivered "${describe(claim.event)}" (created at ${claim.event.created}, version ${claim.event.version}); it was "${describe(entry)}" (created at ${entry.created}, version ${entry.version}), ${witnessOf(entry)}.`,
      );
    }
    const follows = this.#follows(event, entry.before);
    entry.hidden = follows === "hidden";
    settle(entry);
    if (follows !== "impossible") return;
    const { before } = entry;
    this.#findings.add(
      "wrong create flag",
      "watch: isCreate",
      [before === undefined ? best.by.completeIndex : proof(before), best.by.completeIndex],
      () =>
        `A watch of ${who(best.by)} delivered "${describe(event)}" at revision ${event.revision} as created at ${event.created}, version ${event.version}, but the change before it was "${before === undefined ? "nothing" : describe(before)}" at revision ${before?.revision ?? 0} (created at ${before?.created ?? 0}, version ${before?.version ?? 0}).`,
    );
  }

  /** Nobody saw it: counts on from the change before, if that is known and nothing unknown may lie between. */
  #infer(entry: Entry): void {
    const { before, key } = entry;
    if (entry.type === "delete" || before === undefined) return;
    if ((this.#openPuts.get(key) ?? 0) > 0 || this.#mayBeDeleted(key)) return;
    if (before.type === "delete") {
      entry.created = entry.revision;
      entry.version = 1;
    } else if (before.version > 0) {
      entry.created = before.created;
      entry.version = before.version + 1;
    }
  }

  /** Whether a change can follow another of the same key: next, with unknown writes hidden between, or not at all. */
  #follows(event: ObservedEvent, before: Entry | undefined): "next" | "hidden" | "impossible" {
    const creates = event.created === event.revision;
    // The store may hold keys from before the run.
    if (before === undefined)
      return event.type === "delete" || creates === (event.version === 1) ? "next" : "impossible";
    if (event.type === "delete") {
      if (before.type === "put") return "next";
      return (this.#openPuts.get(event.key) ?? 0) > 0 ? "hidden" : "impossible";
    }
    if (creates !== (event.version === 1)) return "impossible";
    const unseen = before.version === 0 && before.type === "put";
    const sameLife = before.type === "put" && (unseen || event.created === before.created);
    if (sameLife && !creates) {
      if (unseen || event.version === before.version + 1) return "next";
      const missing = event.version - before.version - 1;
      return missing > 0 && missing <= (this.#openPuts.get(event.key) ?? 0) ? "hidden" : "impossible";
    }
    if (before.type === "delete" && creates) return "next";
    if (event.created <= before.revision) return "impossible";
    const deleted = before.type === "delete" || this.#mayBeDeleted(event.key);
    return deleted && event.version - 1 <= (this.#openPuts.get(event.key) ?? 0) ? "hidden" : "impossible";
  }

  #mayBeDeleted(key: string): boolean {
    return this.#openDeletes.some((range) => matches(range, key));
  }

  /** Each value was put by somebody, at most once, and not by a write that failed. */
  #judgeValues(): void {
    const first = new Map<string, Entry>();
    for (const entry of this.#entries) {
      if (entry.type !== "put") continue;
      const twin = first.get(entry.value);
      if (twin === undefined) first.set(entry.value, entry);
      else
        this.#findings.add(
          "write applied twice",
          "each write takes effect once",
          [proof(twin), proof(entry)],
          () =>
            `"${describe(entry)}" is at revision ${twin.revision}, ${witnessOf(twin)}, and again at revision ${entry.revision}, ${witnessOf(entry)}.`,
        );
      const claim = entry.claims[0];
      if (claim === undefined || entry.write !== undefined) continue;
      const put = this.#puts.get(entry.value);
      if (put === undefined || put.invokeIndex > claim.by.completeIndex)
        this.#phantom(claim.event, claim.by, undefined, "nobody had tried to put that value");
      else if (put.type === "fail")
        this.#phantom(
          claim.event,
          claim.by,
          put,
          `that put by ${who(put)} had definitely failed (${put.error})`,
        );
    }
  }
}

function byCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function changesOf(write: OperationOf<WatchSignature, "put" | "txn">): readonly Change[] {
  return write.f === "txn" ? write.input.changes : [{ type: "put", ...write.input }];
}

/** What an acknowledged write changed, in order. */
function effects(write: AcknowledgedWrite): readonly Change[] {
  if (write.f === "delete") return write.output.deleted.map((key) => ({ type: "delete", key }));
  if (write.f === "put") return [{ type: "put", ...write.input }];
  const { deleted } = write.output;
  return write.input.changes.filter((change) => change.type === "put" || deleted.includes(change.key));
}
