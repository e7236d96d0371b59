/**
 * Revisions that no acknowledged write owns, and the writes of unknown outcome that may have made them. What replies
 * show of such a revision, and of the keys before and after it, mostly leaves few; those are tried in the order of
 * their likelihood.
 */
import { lowerBound } from "../bisect.ts";
import { any, type Course, Courses, DELETE, EXISTS, PUT, WIDE } from "./courses.ts";
import { identity } from "./mismatch.ts";
import type { Deadlines } from "./order.ts";
import { type Reach, reachOf } from "./reach.ts";
import { type EtcdCompare, type EtcdEntry, type EtcdRecord, partsOf } from "./signature.ts";
import type { Store } from "./store.ts";
import type { Fact, Timeline } from "./timeline.ts";

/** How many writes of unknown outcome are weighed at once. */
const WINDOW = 2_000;
/** How many revisions without an owner are looked through for one where a write fits. */
const FAR = 64;
const ANY_TIME = Number.POSITIVE_INFINITY;
const NEVER = -1;

/** What a write can do to a key. */
export type Effect = "put" | "delete";

export class Gaps {
  readonly courses: Courses;
  readonly #timeline: Timeline;
  readonly #deadlines: Deadlines;
  readonly #facts: ReadonlyMap<number, readonly Fact[]>;
  readonly #revisions: readonly number[];
  readonly #reach = new Map<EtcdRecord, Reach>();
  /** By rank: writes of unknown outcome that may change it, without those that may delete many keys; and those. */
  readonly #touching: EtcdRecord[][];
  readonly #wide: EtcdRecord[] = [];
  /** Keys that one write may put more than once. */
  readonly #manifold = new Set<number>();
  /** By key and value: those of unknown outcome that put it. */
  readonly #putting = new Map<string, EtcdRecord[]>();
  /** The only revision at which a write can have been made, as what it put was seen there. */
  readonly #shownAt = new Map<EtcdRecord, number>();
  /** Revisions that only one write can have made, and one that does the same in every state. */
  readonly #forced = new Set<number>();
  /** Until which revision a write was found to be needed; negative: not to fit. */
  readonly #learnt = new Map<EtcdRecord, number>();
  /** By revision of which something was seen: the writes that may have made it. And by write: those revisions. */
  readonly #makers = new Map<number, readonly EtcdRecord[]>();
  readonly #makes = new Map<EtcdRecord, number[]>();
  /** By revision and rank, what was asked for before. */
  readonly #mayTouch = new Map<number, Map<number, boolean>>();
  #leased: Map<string, Set<number>> | undefined;

  constructor(timeline: Timeline, deadlines: Deadlines) {
    this.#timeline = timeline;
    this.#deadlines = deadlines;
    this.#facts = timeline.unknown.length === 0 ? new Map() : timeline.facts();
    this.courses = new Courses(timeline, this.#facts);
    this.#touching = timeline.keyspace.keys.map(() => []);
    const revisions: number[] = [];
    for (let revision = timeline.first + 1; revision <= timeline.last; revision++)
      if (timeline.writes.get(revision) === undefined) revisions.push(revision);
    this.#revisions = revisions;
    for (const record of timeline.unknown) this.#addWrite(record);
    for (const [revision, facts] of this.#facts)
      for (const { rank, entry } of facts) {
        const writers = this.#writersOf(rank, entry);
        if (writers?.length !== 1) continue;
        const [writer] = writers as [EtcdRecord];
        this.#shownAt.set(writer, revision);
        if (timeline.leases.get(revision) === undefined && this.reachOf(writer).compares.length === 0)
          this.#forced.add(revision);
      }
    for (const revision of this.#facts.keys()) if (!this.#forced.has(revision)) this.#addMakers(revision);
  }

  factsOf(revision: number): readonly Fact[] {
    return this.#facts.get(revision) ?? [];
  }

  reachOf(record: EtcdRecord): Reach {
    let reach = this.#reach.get(record);
    if (reach === undefined) {
      reach = reachOf(record, this.#timeline.keyspace, (lease) => this.#keysUnder(lease));
      this.#reach.set(record, reach);
    }
    return reach;
  }

  /**
   * The writes that can have made a revision, as far as is known without the state before it; first those that may
   * change one of the `preferred` keys, then likely ones.
   */
  *candidates(
    revision: number,
    store: Store,
    used: ReadonlyMap<EtcdRecord, number>,
    preferred: readonly number[] = [],
  ): Generator<EtcdRecord> {
    for (const rank of preferred)
      for (const record of this.#changing(rank)) if (this.isPossible(record, revision)) yield record;
    const { unknown, first } = this.#timeline;
    const deadline = this.#deadlines[revision - first] as number;
    const [fact] = this.factsOf(revision);
    for (const record of this.#revocationsAt(revision)) if (this.isPossible(record, revision)) yield record;
    if (fact !== undefined) {
      for (const record of this.#writersOf(fact.rank, fact.entry) ?? this.#changing(fact.rank))
        if (this.isPossible(record, revision)) yield record;
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
        if (!this.isPossible(record, revision)) continue;
        const until = used.has(record) ? NEVER : this.#neededBefore(record, revision, store);
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

  /** Whether a write, unless it is made elsewhere, may have made a revision, as far as replies tell. */
  isPossible(record: EtcdRecord, revision: number): boolean {
    if (record.invokeIndex >= (this.#deadlines[revision - this.#timeline.first] as number)) return false;
    const shownAt = this.#shownAt.get(record);
    if (shownAt !== undefined && shownAt !== revision) return false;
    const { puts, deletes, always } = this.reachOf(record);
    for (const rank of always.puts)
      if ((this.courses.of(rank).possibleAt(revision) & PUT) === 0) return false;
    for (const fact of this.factsOf(revision)) {
      const { rank, deleted } = fact;
      if (deleted ? !deletes.some(({ low, high }) => rank >= low && rank < high) : !puts.includes(rank))
        return false;
      if (!deleted && this.#writersOf(rank, fact.entry)?.includes(record) === false) return false;
    }
    for (const { low, high } of always.deletes) {
      if (high - low > WIDE) continue;
      let may = 0;
      for (let rank = low; rank < high; rank++) {
        const possible = this.courses.of(rank).possibleAt(revision);
        may |= possible;
        if ((possible & EXISTS) !== 0 && !puts.includes(rank)) return false;
      }
      if (record.f === "delete" && (may & DELETE) === 0) return false;
    }
    if (
      record.f === "revoke" &&
      !deletes.some(({ low }) => (this.courses.of(low).possibleAt(revision) & DELETE) !== 0)
    )
      return false;
    return always.holds.every((compare) => this.#mayHold(compare, revision));
  }

  /** The revisions after one that a write may have made, by what was seen of them, with all that may have made each. */
  *rivalry(record: EtcdRecord, after: number): Generator<readonly EtcdRecord[]> {
    for (const revision of this.#makes.get(record) ?? [])
      if (revision > after) yield this.#makers.get(revision) as readonly EtcdRecord[];
  }

  /** Whether a key's state after a revision depends on who made that revision. */
  mayTouch(revision: number, rank: number): boolean {
    if (this.#forced.has(revision)) return false;
    if ((this.courses.of(rank).possibleAt(revision) & (PUT | DELETE)) === 0) return false;
    let known = this.#mayTouch.get(revision);
    if (known === undefined) {
      known = new Map();
      this.#mayTouch.set(revision, known);
    }
    let may = known.get(rank);
    if (may === undefined) {
      const makers = this.#makers.get(revision);
      may =
        makers?.some((record) => this.touches(record, rank)) ??
        [...this.#revocationsAt(revision), ...this.#changing(rank)].some(
          (record) => this.touches(record, rank) && this.isPossible(record, revision),
        );
      known.set(rank, may);
    }
    return may;
  }

  isForced(revision: number): boolean {
    return this.#forced.has(revision);
  }

  touches(record: EtcdRecord, rank: number, effect?: Effect): boolean {
    const { puts, deletes } = this.reachOf(record);
    if (effect !== "delete" && puts.includes(rank)) return true;
    return effect !== "put" && deletes.some(({ low, high }) => rank >= low && rank < high);
  }

  isManifold(rank: number): boolean {
    return this.#manifold.has(rank);
  }

  /** The writes that may have changed a key in such a way after `from`, up to `to`, whoever else uses them. */
  *suppliers(rank: number, effect: Effect, from: number, to: number): Generator<EtcdRecord> {
    const begin = lowerBound(this.#revisions, (revision) => revision <= from);
    const end = lowerBound(this.#revisions, (revision) => revision <= to);
    if (begin === end) return;
    const bit = effect === "put" ? PUT : DELETE;
    const course = this.courses.of(rank);
    const revisions: number[] = [];
    for (let i = begin; i < end && i < begin + FAR; i++) {
      const revision = this.#revisions[i] as number;
      if ((course.possibleAt(revision) & bit) === 0) continue;
      revisions.push(revision);
      for (const record of this.#revocationsAt(revision))
        if (this.touches(record, rank, effect)) yield record;
    }
    const deadline = this.#deadlines[(this.#revisions[end - 1] as number) - this.#timeline.first] as number;
    const far = end > begin + FAR;
    for (const record of this.#changing(rank)) {
      if (record.invokeIndex >= deadline) continue;
      if (!this.touches(record, rank, effect)) continue;
      if (far || revisions.some((revision) => this.isPossible(record, revision))) yield record;
    }
  }

  /** Notes that a write turned out not to fit before a revision, or to be what was needed. */
  learn(record: EtcdRecord, revision: number, fits: boolean): void {
    this.#learnt.set(record, fits ? revision : -revision);
  }

  /** Acknowledged revocations that may have made a revision. */
  #revocationsAt(revision: number): readonly EtcdRecord[] {
    return this.#timeline.leases.get(revision)?.filter(({ f }) => f === "revoke") ?? [];
  }

  *#changing(rank: number): Generator<EtcdRecord> {
    const touching = this.#touching[rank] as readonly EtcdRecord[];
    for (let i = touching.length - 1; i >= 0; i--) yield touching[i] as EtcdRecord;
    for (let i = this.#wide.length - 1; i >= 0; i--) yield this.#wide[i] as EtcdRecord;
  }

  /** Whether a comparison can have held just before a revision. */
  #mayHold({ key, end = "", target, operator, operand }: EtcdCompare, revision: number): boolean {
    if (end !== "" || target !== "mod" || operator !== "=") return true;
    const rank = this.#timeline.keyspace.rank(key);
    const modified = operand as number;
    if (rank < 0) return modified === 0;
    const course = this.courses.of(rank);
    if (modified === 0) return (course.possibleAt(revision) & EXISTS) === 0;
    if (modified >= revision) return false;
    if (any(course.puts, modified, revision - 1) || any(course.deletes, modified - 1, revision - 1))
      return false;
    return isAsChangedAt(course, modified, revision - 1);
  }

  #writersOf(rank: number, entry: EtcdEntry | undefined): readonly EtcdRecord[] | undefined {
    if (entry?.value === undefined) return undefined;
    return this.#putting.get(identity(this.#timeline.keyspace.keys[rank] as string, entry.value)) ?? [];
  }

  #addWrite(record: EtcdRecord): void {
    const add = (key: string, value: Parameters<typeof identity>[1]) => {
      const name = identity(key, value);
      const writers = this.#putting.get(name);
      if (writers === undefined) this.#putting.set(name, [record]);
      else if (!writers.includes(record)) writers.push(record);
    };
    if (record.f === "put") add(record.input.key, record.input.value);
    else if (record.f === "txn") {
      const keys = new Set<string>();
      for (const part of partsOf(record.input)) {
        if (part.kind !== "put") continue;
        add(part.key, part.value);
        if (keys.has(part.key)) this.#manifold.add(this.#timeline.keyspace.rank(part.key));
        keys.add(part.key);
      }
    }
    const { puts, deletes } = this.reachOf(record);
    const ranks = new Set(puts);
    let wide = false;
    for (const { low, high } of deletes) {
      if (high - low > WIDE) wide = true;
      else for (let rank = low; rank < high; rank++) ranks.add(rank);
    }
    if (wide) this.#wide.push(record);
    else for (const rank of ranks) this.#touching[rank]?.push(record);
  }

  #addMakers(revision: number): void {
    const [fact] = this.factsOf(revision) as readonly [Fact];
    const unknown = this.#writersOf(fact.rank, fact.entry) ?? this.#changing(fact.rank);
    const makers = [...this.#revocationsAt(revision), ...unknown].filter((record) =>
      this.isPossible(record, revision),
    );
    this.#makers.set(revision, makers);
    for (const record of makers) {
      const revisions = this.#makes.get(record);
      if (revisions === undefined) this.#makes.set(record, [revision]);
      else revisions.push(revision);
    }
  }

  /** The keys that were ever put under a lease, as far as is known. */
  #keysUnder(lease: string): Iterable<number> {
    if (this.#leased === undefined) {
      this.#leased = new Map();
      for (const { f, input, type } of this.#timeline.history.operations()) {
        if (type === "fail" || (f !== "put" && f !== "txn")) continue;
        for (const part of f === "put" ? [{ kind: f, ...input }] : partsOf(input)) {
          if (part.kind !== "put" || (part.lease ?? "") === "") continue;
          const ranks = this.#leased.get(part.lease as string) ?? new Set();
          this.#leased.set(part.lease as string, ranks.add(this.#timeline.keyspace.rank(part.key)));
        }
      }
    }
    return this.#leased.get(lease) ?? [];
  }

  /** Before which revision something that is shown later asks for this write. */
  #neededBefore(record: EtcdRecord, revision: number, store: Store): number {
    const learnt = this.#learnt.get(record) ?? 0;
    if (-learnt >= revision) return NEVER;
    if (learnt >= revision) return learnt;
    let until = ANY_TIME;
    if (record.f === "revoke") {
      for (const rank of store.attachedTo(record.input))
        until = Math.min(until, this.#deleteBefore(rank, revision));
      return until;
    }
    const { puts, deletes } = this.reachOf(record);
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
    const course = this.courses.of(rank);
    const sight = course.next(revision);
    if (sight === undefined) return ANY_TIME;
    const { created, version, modified } = sight;
    if (modified < revision) return NEVER;
    if (version === undefined || created === undefined) return ANY_TIME;
    const now = store.at(rank);
    if (created > revision || now === undefined) return NEVER;
    return version > now.version + course.putsIn(revision, modified) ? modified : NEVER;
  }

  /** If the key, which exists, is not seen to go on existing, nor deleted later. */
  #deleteBefore(rank: number, revision: number): number {
    const course = this.courses.of(rank);
    const sight = course.next(revision);
    const created = sight === undefined || sight.modified === 0 ? sight?.at : sight.created;
    if (sight !== undefined && sight.modified > 0 && created !== undefined && created <= revision)
      return NEVER;
    const [deleted = ANY_TIME, put = ANY_TIME] = [course.deletes, course.puts].map(
      (revisions) => revisions[lowerBound(revisions, (r) => r <= revision)],
    );
    if (deleted < put) return NEVER;
    return created ?? ANY_TIME;
  }
}

/** Whether a key that was changed at a revision may be the same still at a later one, by what was seen of it. */
function isAsChangedAt(course: Course, modified: number, at: number): boolean {
  const sight = course.next(modified);
  if (sight === undefined) return true;
  if (sight.at <= at) return sight.modified === modified;
  return sight.modified > at || sight.modified === modified || sight.modified === 0;
}
