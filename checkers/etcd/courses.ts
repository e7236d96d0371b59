/**
 * What the replies of a history tell of each key's course through the revisions, and what they leave open: where
 * somebody unknown may have put or deleted it. A reply that contradicts the others is left out; it is judged when the
 * replay comes to it.
 */
import { lowerBound } from "../bisect.ts";
import type { Ranks } from "./keyspace.ts";
import type {
  EtcdEntry,
  EtcdOperation,
  EtcdRange,
  EtcdRangeResult,
  EtcdRecord,
  EtcdResult,
  EtcdTxn,
  EtcdTxnResult,
} from "./signature.ts";
import type { Fact, Reply, Timeline } from "./timeline.ts";

/** Keys of a range, of which each is looked at. */
export const WIDE = 100;

/** What may happen to a key at a revision: a put, a deletion; and whether it surely exists, just before it and after. */
export const PUT = 1;
export const DELETE = 2;
export const EXISTS = 4;

/** A key was seen in the state of revision `at`: as changed at `modified`; not at all if that is 0. */
export interface Sight {
  readonly modified: number;
  at: number;
  created: number | undefined;
  version: number | undefined;
  /** Whether value and lease were seen, too. */
  whole: boolean;
}

/** How many sights back one that tells all is looked for. */
const NEAR = 10;

export class Course {
  /** Revisions at which it was surely put, one for each time, and surely deleted; and those of which nobody can tell. */
  readonly puts: number[] = [];
  readonly deletes: number[] = [];
  readonly unclear: number[] = [];
  readonly sights: Sight[] = [];
  /** What may happen from each of these revisions on, up to the next. */
  readonly #starts: number[] = [];
  readonly #possible: number[] = [];

  see(at: number, modified: number, entry?: EtcdEntry): void {
    const { created, version, whole } = {
      created: entry?.createRevision,
      version: entry?.version,
      whole: modified === 0 || (entry?.value !== undefined && entry.lease !== undefined),
    };
    const last = this.sights.at(-1);
    if (last === undefined || last.modified !== modified || (modified === 0 && last.at !== at)) {
      this.sights.push({ at, modified, created, version, whole });
      return;
    }
    if (last.created !== undefined && created !== undefined && last.created !== created) return;
    if (last.version !== undefined && version !== undefined && last.version !== version) return;
    last.at = Math.max(last.at, at);
    last.created ??= created;
    last.version ??= version;
    last.whole ||= whole;
  }

  /** To be called when all is noted. `first` is the revision at which no key exists. */
  finish(first: number): void {
    for (const revisions of [this.puts, this.deletes, this.unclear]) revisions.sort((a, b) => a - b);
    const seen = this.sights.splice(0).sort((a, b) => a.at - b.at || a.modified - b.modified);
    let before: Sight = { at: first, modified: 0, created: undefined, version: undefined, whole: true };
    for (const sight of seen) {
      if (sight.at < first || !this.#follows(sight, before)) continue;
      if (sight.modified > 0 && sight.modified === before.modified) join(before, sight);
      else if (sight.at > before.at) {
        this.#open(before, sight);
        this.sights.push(sight);
        before = sight;
      }
    }
    this.#add(before.at + 1, PUT | DELETE);
  }

  /** What may happen at a revision that belongs to no acknowledged write. */
  possibleAt(revision: number): number {
    const at = lowerBound(this.#starts, (start) => start <= revision) - 1;
    const possible = this.#possible[at] ?? PUT | DELETE;
    return (possible & PUT) === 0 && has(this.puts, revision) ? possible | PUT : possible;
  }

  /** The first revision after this one from which on something else is possible. */
  changesAfter(revision: number): number {
    return this.#starts[lowerBound(this.#starts, (start) => start <= revision)] ?? Number.POSITIVE_INFINITY;
  }

  /** The first sight of the state of that revision or a later one. */
  next(revision: number): Sight | undefined {
    return this.sights[lowerBound(this.sights, ({ at }) => at < revision)];
  }

  /** From which revision on its changes decide what it is before `revision`: all that is known of it was seen before. */
  knownSince(revision: number): number {
    const last = lowerBound(this.sights, ({ at }) => at < revision) - 1;
    for (let i = last; i >= Math.max(0, last - NEAR); i--) {
      const { at, modified, created, version, whole } = this.sights[i] as Sight;
      if (modified === 0 || (whole && created !== undefined && version !== undefined)) return at + 1;
    }
    return 0;
  }

  #follows({ at, modified, created, version }: Sight, before: Sight): boolean {
    if (modified === 0) return at > before.at || before.modified === 0;
    if (modified > at || (created !== undefined && created > modified)) return false;
    if (modified < before.at && modified !== before.modified) return false;
    if (any(this.puts, modified, at) || any(this.deletes, modified - 1, at)) return false;
    if (modified === before.modified)
      return !(
        (created !== undefined && before.created !== undefined && created !== before.created) ||
        (version !== undefined && before.version !== undefined && version !== before.version)
      );
    if (at <= before.at) return false;
    if (created === undefined) return true;
    if (any(this.deletes, created - 1, at)) return false;
    if (created > before.at) return true;
    return before.modified > 0 && (before.created === undefined || before.created === created);
  }

  /** What may have happened between two sights. */
  #open(before: Sight, { at, modified, created, version }: Sight): void {
    const from = before.at + 1;
    if (modified === 0) {
      this.#add(from, PUT | DELETE);
      this.#add(at, DELETE);
      return;
    }
    if (created === undefined) {
      this.#add(from, PUT | DELETE);
      this.#add(modified, PUT);
    } else if (created > before.at) {
      this.#add(from, PUT | DELETE);
      const spare = version === undefined ? 1 : version - this.putsIn(created - 1, modified, created);
      if (created < modified) this.#add(created + 1, spare > 0 ? PUT | EXISTS : EXISTS);
      if (created < modified) this.#add(modified, PUT | EXISTS);
    } else {
      const known = version !== undefined && before.version !== undefined && before.created === created;
      const spare = known ? version - (before.version as number) - this.putsIn(before.at, modified) : 1;
      this.#add(from, spare > 0 ? PUT | EXISTS : EXISTS);
      this.#add(modified, PUT | EXISTS);
    }
    this.#add(modified + 1, EXISTS);
  }

  /** How often it was surely put after `from`, up to `to`: at `to`, where it was seen, and at `created` at least once. */
  putsIn(from: number, to: number, created = to): number {
    let count = between(this.puts, from, to);
    for (const revision of new Set([to, created])) if (!has(this.puts, revision)) count++;
    return count;
  }

  #add(from: number, possible: number): void {
    while (this.#starts.length > 0 && (this.#starts.at(-1) as number) >= from) {
      this.#starts.pop();
      this.#possible.pop();
    }
    if (this.#possible.at(-1) === possible) return;
    this.#starts.push(from);
    this.#possible.push(possible);
  }
}

/** The same was seen again, later. */
function join(before: Sight, sight: Sight): void {
  before.at = sight.at;
  before.created ??= sight.created;
  before.version ??= sight.version;
  before.whole ||= sight.whole;
}

/** What is known of each key. */
export class Courses {
  readonly #timeline: Timeline;
  readonly #courses: readonly Course[];
  /** Acknowledged deletions of wide ranges that do not tell which keys they deleted, by revision. */
  readonly #wide: { readonly revision: number; readonly ranks: Ranks }[] = [];

  constructor(timeline: Timeline, facts: ReadonlyMap<number, readonly Fact[]>) {
    this.#timeline = timeline;
    this.#courses = timeline.keyspace.keys.map(() => new Course());
    // Else there is little to choose from, and nothing worth the time.
    if (timeline.unknown.length > 0)
      for (const reply of timeline.replies) if (reply.record.type === "ok") this.#addReply(reply);
    for (const [revision, shown] of facts)
      for (const { rank, deleted } of shown) {
        const { puts, deletes } = this.of(rank);
        const revisions = deleted ? deletes : puts;
        if (revisions.at(-1) !== revision) revisions.push(revision);
      }
    for (const course of this.#courses) course.finish(timeline.first);
    this.#wide.sort((a, b) => a.revision - b.revision);
  }

  of(rank: number): Course {
    return this.#courses[rank] as Course;
  }

  /** Whether an acknowledged write may have changed a key after `from`, up to `to`, for all that is known. */
  isUnclear(rank: number, from: number, to: number): boolean {
    if (any(this.of(rank).unclear, from, to)) return true;
    for (let i = lowerBound(this.#wide, ({ revision }) => revision <= from); i < this.#wide.length; i++) {
      const { revision, ranks } = this.#wide[i] as { revision: number; ranks: Ranks };
      if (revision > to) return false;
      if (rank >= ranks.low && rank < ranks.high) return true;
    }
    return false;
  }

  #addReply({ revision, record, writes }: Reply): void {
    const { keyspace } = this.#timeline;
    const before = writes ? revision - 1 : revision;
    if (record.f === "txn" && record.output?.succeeded === true) this.#addGuards(record.input, before);
    const effects = new Map<number, number>();
    const own: Own = { effects, wide: false };
    for (const [operation, result] of stepsOf(record as Answered)) {
      const ranks = keyspace.ranks(operation);
      switch (result.kind) {
        case "range": {
          const asked = (operation as EtcdRange).revision ?? 0;
          const at = asked > 0 ? asked : before;
          this.#addEntries(result.entries, at);
          this.#addMissing(operation as EtcdRange, ranks, result, at, asked > 0 ? undefined : own);
          break;
        }
        case "put": {
          if (result.previous) this.#addEntries([result.previous], before);
          else if (result.previous === null && record.f === "put") this.of(ranks.low).see(before, 0);
          const times = effects.get(ranks.low) ?? 0;
          effects.set(ranks.low, times > 0 || !effects.has(ranks.low) ? times + 1 : Number.NaN);
          break;
        }
        case "delete": {
          this.#addEntries(result.previous ?? [], before);
          const narrow = ranks.high - ranks.low <= WIDE;
          if (result.deleted === 0) {
            if (narrow)
              for (let rank = ranks.low; rank < ranks.high; rank++) this.#seeMissing(rank, before, own);
            break;
          }
          const single = ranks.high - ranks.low === 1 ? [ranks.low] : undefined;
          const told = result.previous?.map(({ key }) => keyspace.rank(key)) ?? single;
          if (told !== undefined)
            for (const rank of told) effects.set(rank, effects.has(rank) ? Number.NaN : 0);
          else if (narrow)
            for (let rank = ranks.low; rank < ranks.high; rank++) effects.set(rank, Number.NaN);
          else {
            this.#wide.push({ revision, ranks });
            own.wide = true;
          }
          break;
        }
      }
    }
    for (const [rank, times] of effects) {
      const course = this.#courses[rank];
      if (Number.isNaN(times)) course?.unclear.push(revision);
      else if (times === 0) course?.deletes.push(revision);
      else for (let i = 0; i < times; i++) course?.puts.push(revision);
    }
  }

  /** What a comparison that held tells. */
  #addGuards({ compare = [] }: EtcdTxn, at: number): void {
    for (const { key, end = "", target, operator, operand } of compare)
      if (end === "" && operator === "=" && target === "mod")
        this.#courses[this.#timeline.keyspace.rank(key)]?.see(at, operand as number);
  }

  /** Those that had been changed by then: others are of the transaction that shows them. */
  #addEntries(entries: readonly EtcdEntry[], at: number): void {
    for (const entry of entries)
      if (entry.modRevision <= at)
        this.#courses[this.#timeline.keyspace.rank(entry.key)]?.see(at, entry.modRevision, entry);
  }

  /** What a range does not show does not exist; of ranges that are not too wide to tell of each key. */
  #addMissing(
    { limit = 0 }: EtcdRange,
    { low, high }: Ranks,
    { entries, count }: EtcdRangeResult,
    at: number,
    own?: Own,
  ): void {
    const { keyspace } = this.#timeline;
    const last = entries.at(-1)?.key;
    const end =
      entries.length === count ? high : limit > 0 && last !== undefined ? keyspace.countUpTo(last) : low;
    if (Math.min(end, high) - low > WIDE) return;
    let shown = 0;
    for (let rank = low; rank < end && rank < high; rank++) {
      if (entries[shown]?.key === keyspace.keys[rank]) shown++;
      else this.#seeMissing(rank, at, own);
    }
  }

  /** Unless the transaction that shows it as missing may have deleted it before. */
  #seeMissing(rank: number, at: number, own?: Own): void {
    if (own === undefined || (!own.wide && !own.effects.has(rank))) this.of(rank).see(at, 0);
  }
}

/** What a transaction has done so far. */
interface Own {
  /** How often it put a key in the end, by rank; 0: deleted, NaN: not known. */
  readonly effects: Map<number, number>;
  /** Whether it deleted keys of a wide range, without telling which. */
  wide: boolean;
}

type Answered = EtcdRecord & { readonly type: "ok" };
type Step = Exclude<EtcdOperation, { readonly kind: "txn" }>;

/** The operations that a reply tells of, with their results. */
function* stepsOf(record: Answered): Generator<[Step, EtcdResult]> {
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

/** How many of the sorted revisions lie after `from`, and up to `to`. */
export function between(revisions: readonly number[], from: number, to: number): number {
  return lowerBound(revisions, (r) => r <= to) - lowerBound(revisions, (r) => r <= from);
}

export function any(revisions: readonly number[], from: number, to: number): boolean {
  const next = revisions[lowerBound(revisions, (r) => r <= from)];
  return next !== undefined && next <= to;
}

function has(revisions: readonly number[], revision: number): boolean {
  return revisions[lowerBound(revisions, (r) => r < revision)] === revision;
}
