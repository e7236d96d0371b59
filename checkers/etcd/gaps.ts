/**
 * Revisions that no acknowledged write owns, and the writes of unknown outcome that may have made them. What replies
 * show of such a revision mostly leaves one; the others are tried in the order of their likelihood.
 */
import { lowerBound } from "../bisect.ts";
import type { Ranks } from "./keyspace.ts";
import { identity, same } from "./mismatch.ts";
import type { Deadlines } from "./order.ts";
import {
  type EtcdCompare,
  type EtcdEntry,
  type EtcdKeys,
  type EtcdOperation,
  type EtcdRange,
  type EtcdRecord,
  type EtcdResult,
  type EtcdTxn,
  type EtcdTxnResult,
  partsOf,
} from "./signature.ts";
import type { Store } from "./store.ts";
import type { Fact, Timeline } from "./timeline.ts";

/** How many writes of unknown outcome are weighed at once. */
const WINDOW = 2_000;
/** Keys of a range. */
const WIDE = 100;
const ANY_TIME = Number.POSITIVE_INFINITY;
const NEVER = -1;

type Step = Exclude<EtcdOperation, { readonly kind: "txn" }>;

/** Which single keys a write puts, and which ranges of keys it may delete. */
interface Reach {
  readonly puts: readonly number[];
  readonly deletes: readonly Ranks[];
}

/** What is known of a key, by revision. */
interface Course {
  /** Revisions at which it was surely put, and deleted. */
  readonly puts: number[];
  readonly deletes: number[];
  /** What was shown of it: the state, and the entry if it existed. */
  readonly sights: { readonly at: number; readonly entry: EtcdEntry | undefined }[];
}

export class Gaps {
  readonly #timeline: Timeline;
  readonly #deadlines: Deadlines;
  readonly #facts: ReadonlyMap<number, readonly Fact[]>;
  readonly #reach = new Map<EtcdRecord, Reach>();
  /** By key and value: those of unknown outcome that put it. */
  readonly #putting = new Map<string, EtcdRecord[]>();
  /** The only revision at which a write can have been made, as what it put was seen there. */
  readonly #shownAt = new Map<EtcdRecord, number>();
  /** Revisions that only one write can have made, and one that does the same in every state. */
  readonly #forced = new Set<number>();
  /** Until which revision a write was found to be needed; negative: not to fit. */
  readonly #learnt = new Map<EtcdRecord, number>();
  #charted = false;
  /** By rank. */
  readonly #courses: readonly Course[];

  constructor(timeline: Timeline, deadlines: Deadlines) {
    this.#timeline = timeline;
    this.#deadlines = deadlines;
    this.#facts = timeline.unknown.length === 0 ? new Map() : timeline.facts();
    for (const record of timeline.unknown) this.#addWrite(record);
    for (const [revision, facts] of this.#facts)
      for (const { rank, entry } of facts) {
        const writers = this.#writersOf(rank, entry);
        if (writers?.length !== 1) continue;
        const [writer] = writers as [EtcdRecord];
        this.#shownAt.set(writer, revision);
        if (timeline.leases.get(revision) === undefined && this.comparedBy(writer).length === 0)
          this.#forced.add(revision);
      }
    this.#courses = timeline.keyspace.keys.map(() => ({ puts: [], deletes: [], sights: [] }));
  }

  factsOf(revision: number): readonly Fact[] {
    return this.#facts.get(revision) ?? [];
  }

  /** The writes that can have made a revision, as far as is known without the state before it; likely ones first. */
  *candidates(revision: number, store: Store, used: ReadonlySet<EtcdRecord>): Generator<EtcdRecord> {
    const { unknown, first, leases } = this.#timeline;
    const deadline = this.#deadlines[revision - first] as number;
    const [fact] = this.factsOf(revision);
    for (const record of leases.get(revision) ?? [])
      if (record.f === "revoke" && record.invokeIndex < deadline) yield record;
    if (fact !== undefined) {
      for (const record of this.#writersOf(fact.rank, fact.entry) ?? unknown) {
        if (record.invokeIndex >= deadline) break;
        if (this.#mayBeAt(record, revision) && this.touches(record, { low: fact.rank, high: fact.rank + 1 }))
          yield record;
      }
      return;
    }
    const begun = lowerBound(unknown, ({ invokeIndex }) => invokeIndex < deadline);
    const rest: EtcdRecord[][] = [];
    // What takes effect does so soon, mostly.
    for (let to = begun; to > 0; to -= WINDOW) {
      const demanded: { readonly record: EtcdRecord; readonly until: number }[] = [];
      const possible: EtcdRecord[] = [];
      const unlikely: EtcdRecord[] = [];
      for (let i = to - 1; i >= Math.max(0, to - WINDOW); i--) {
        const record = unknown[i] as EtcdRecord;
        if (used.has(record) || !this.#mayBeAt(record, revision)) continue;
        const until = this.#neededBefore(record, revision, store);
        if (until === NEVER) unlikely.push(record);
        else if (until === ANY_TIME) possible.push(record);
        else demanded.push({ record, until });
      }
      demanded.sort((a, b) => a.until - b.until);
      for (const { record } of demanded) yield record;
      yield* possible;
      rest.push(unlikely);
    }
    for (const unlikely of rest) yield* unlikely;
  }

  /** Whether it depends on who made a revision if these keys were changed at it. */
  mayTouch(revision: number, ranks: Ranks): boolean {
    if (this.#forced.has(revision)) return false;
    const { unknown, first, leases } = this.#timeline;
    if (leases.get(revision)?.some(({ f }) => f === "revoke") === true) return true;
    const deadline = this.#deadlines[revision - first] as number;
    for (const record of unknown) {
      if (record.invokeIndex >= deadline) return false;
      if (this.#mayBeAt(record, revision) && this.touches(record, ranks)) return true;
    }
    return false;
  }

  touches(record: EtcdRecord, { low, high }: Ranks): boolean {
    const reach = this.#reach.get(record);
    if (reach === undefined) return true;
    return (
      reach.puts.some((rank) => rank >= low && rank < high) ||
      reach.deletes.some((ranks) => ranks.low < high && ranks.high > low)
    );
  }

  /** The keys that decide what a write does. */
  comparedBy(record: EtcdRecord): readonly Ranks[] {
    if (record.f !== "txn") return [];
    return comparisonsOf(record.input).map((compare) => this.#timeline.keyspace.ranks(compare));
  }

  #mayBeAt(record: EtcdRecord, revision: number): boolean {
    const shownAt = this.#shownAt.get(record);
    return shownAt === undefined || shownAt === revision;
  }

  #writersOf(rank: number, entry: EtcdEntry | undefined): readonly EtcdRecord[] | undefined {
    if (entry?.value === undefined) return undefined;
    return this.#putting.get(identity(this.#timeline.keyspace.keys[rank] as string, entry.value)) ?? [];
  }

  #addWrite(record: EtcdRecord): void {
    const { keyspace } = this.#timeline;
    const puts: number[] = [];
    const deletes: Ranks[] = [];
    const put = (key: string, value: Parameters<typeof identity>[1]) => {
      puts.push(keyspace.rank(key));
      const name = identity(key, value);
      const writers = this.#putting.get(name);
      if (writers === undefined) this.#putting.set(name, [record]);
      else if (!writers.includes(record)) writers.push(record);
    };
    const remove = (keys: EtcdKeys) => deletes.push(keyspace.ranks(keys));
    if (record.f === "put") put(record.input.key, record.input.value);
    else if (record.f === "delete") remove(record.input);
    else if (record.f === "txn")
      for (const part of partsOf(record.input)) {
        if (part.kind === "put") put(part.key, part.value);
        else if (part.kind === "delete") remove(part);
      }
    else deletes.push({ low: 0, high: keyspace.keys.length });
    this.#reach.set(record, { puts, deletes });
  }

  /** Notes what is known of each key. */
  #chart(): void {
    this.#charted = true;
    const { replies, keyspace } = this.#timeline;
    const course = (key: string) => this.#courses[keyspace.rank(key)];
    for (const { revision, record, writes } of replies)
      if (record.type === "ok") {
        if (record.f === "txn" && record.output.succeeded)
          for (const { key, end, target, operator, operand } of record.input.compare ?? [])
            if (end === undefined && operator === "=" && target === "mod") {
              const at = writes ? revision - 1 : revision;
              const entry = operand === 0 ? undefined : { key, modRevision: operand as number };
              course(key)?.sights.push({ at, entry });
            }
        for (const [operation, result] of stepsOf(record)) {
          const alone = (operation as EtcdKeys).end === undefined ? course(operation.key) : undefined;
          if (result.kind === "range") {
            const at = (operation as EtcdRange).revision || revision;
            for (const entry of result.entries) course(entry.key)?.sights.push({ at, entry });
            if (result.count === result.entries.length) this.#chartMissing(operation, result.entries, at);
          } else if (result.kind === "put") alone?.puts.push(revision);
          else if (result.kind === "delete") {
            const at = writes ? revision - 1 : revision;
            for (const entry of result.previous ?? []) course(entry.key)?.sights.push({ at, entry });
            if (result.deleted > 0) alone?.deletes.push(revision);
            else alone?.sights.push({ at, entry: undefined });
          }
        }
      }
    for (const [revision, facts] of this.#facts)
      for (const { rank, deleted } of facts) {
        const course = this.#courses[rank] as Course;
        const revisions = deleted ? course.deletes : course.puts;
        if (revisions.at(-1) !== revision) revisions.push(revision);
      }
    for (const { puts, deletes, sights } of this.#courses) {
      puts.sort((a, b) => a - b);
      deletes.sort((a, b) => a - b);
      sights.sort((a, b) => a.at - b.at);
    }
  }

  /** What a range does not show does not exist; of ranges that are not too wide to tell of each key. */
  #chartMissing(range: EtcdKeys, entries: readonly EtcdEntry[], at: number): void {
    const { low, high } = this.#timeline.keyspace.ranks(range);
    if (high - low > WIDE) return;
    let shown = 0;
    for (let rank = low; rank < high; rank++) {
      if (entries[shown]?.key === this.#timeline.keyspace.keys[rank]) shown++;
      else this.#courses[rank]?.sights.push({ at, entry: undefined });
    }
  }

  /** Notes that a write turned out not to fit before a revision, or to be what was needed. */
  learn(record: EtcdRecord, revision: number, fits: boolean): void {
    this.#learnt.set(record, fits ? revision : -revision);
  }

  /** Before which revision something that is shown later asks for this write. */
  #neededBefore(record: EtcdRecord, revision: number, store: Store): number {
    if (!this.#charted) this.#chart();
    const learnt = this.#learnt.get(record) ?? 0;
    if (-learnt >= revision) return NEVER;
    if (learnt >= revision) return learnt;
    let until = ANY_TIME;
    if (record.f === "revoke") {
      for (const rank of store.attachedTo(record.input))
        until = Math.min(until, this.#deleteBefore(rank, revision));
      return until;
    }
    const { puts, deletes } = this.#reach.get(record) as Reach;
    for (const rank of puts) until = Math.min(until, this.#putBefore(rank, revision, store));
    for (const { low, high } of deletes) {
      let rank = store.present.next(low);
      if (high - low === 1 && rank !== low) return NEVER;
      for (; rank >= 0 && rank < high; rank = store.present.next(rank + 1))
        until = Math.min(until, this.#deleteBefore(rank, revision));
    }
    return until;
  }

  /** By the versions that are shown later. */
  #putBefore(rank: number, revision: number, store: Store): number {
    const course = this.#courses[rank] as Course;
    const entry = next(course, revision);
    if (entry === undefined) return ANY_TIME;
    if (entry === null || entry.modRevision < revision) return NEVER;
    const { createRevision, version, modRevision } = entry;
    if (version === undefined || createRevision === undefined) return ANY_TIME;
    const now = store.at(rank);
    if (createRevision > revision || now === undefined) return NEVER;
    return version > now.version + between(course.puts, revision, modRevision) ? modRevision : NEVER;
  }

  /** If the key, which exists, is not seen to go on existing, nor deleted later. */
  #deleteBefore(rank: number, revision: number): number {
    const course = this.#courses[rank] as Course;
    const sight = course.sights[lowerBound(course.sights, ({ at }) => at < revision)];
    const created = sight?.entry === undefined ? sight?.at : sight.entry.createRevision;
    if (sight?.entry !== undefined && created !== undefined && created <= revision) return NEVER;
    const [deleted = ANY_TIME, put = ANY_TIME] = [course.deletes, course.puts].map(
      (revisions) => revisions[lowerBound(revisions, (r) => r <= revision)],
    );
    if (deleted < put) return NEVER;
    return created ?? ANY_TIME;
  }
}

function comparisonsOf({ compare = [], success = [], failure = [] }: EtcdTxn): readonly EtcdCompare[] {
  const inner = [...success, ...failure].flatMap((part) => (part.kind === "txn" ? comparisonsOf(part) : []));
  return [...compare, ...inner];
}

/** The operations that a reply tells of, with their results. */
function* stepsOf(record: EtcdRecord & { readonly type: "ok" }): Generator<[Step, EtcdResult]> {
  const { f } = record;
  if (f === "txn") yield* stepsOfTxn(record.input, record.output);
  else if (f === "range" || f === "put" || f === "delete")
    yield [{ kind: f, ...record.input } as Step, { kind: f, ...record.output } as EtcdResult];
}

function* stepsOfTxn(txn: EtcdTxn, { succeeded, results }: EtcdTxnResult): Generator<[Step, EtcdResult]> {
  for (const [i, operation] of ((succeeded ? txn.success : txn.failure) ?? []).entries()) {
    const result = results[i];
    if (result === undefined) continue;
    if (operation.kind !== "txn") yield [operation, result];
    else if (result.kind === "txn") yield* stepsOfTxn(operation, result);
  }
}

/** What is shown of a key next: null if that it does not exist, undefined if nothing. */
function next({ sights }: Course, revision: number): EtcdEntry | null | undefined {
  const sight = sights[lowerBound(sights, ({ at }) => at < revision)];
  return sight === undefined ? undefined : (sight.entry ?? null);
}

/** How many of the sorted revisions lie after `from`, and up to `to`. */
function between(revisions: readonly number[], from: number, to: number): number {
  return lowerBound(revisions, (r) => r <= to) - lowerBound(revisions, (r) => r <= from);
}

/** Whether the store now shows what was seen of a revision. */
export function shows(store: Store, revision: number, { rank, deleted, entry, created }: Fact): boolean {
  if (deleted) return store.at(rank) === undefined && store.last(rank)?.modified === revision;
  const version = store.at(rank);
  if (version === undefined || version.modified !== revision) return false;
  if (created && version.created !== revision) return false;
  if (entry === undefined) return true;
  if (entry.version !== undefined && entry.version !== version.version) return false;
  if (entry.createRevision !== undefined && entry.createRevision !== version.created) return false;
  return entry.value === undefined || same(entry.value, version.value);
}
