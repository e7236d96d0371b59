/** Whether what is shown of a key later can still come about, with the writes that are left. */
import { lowerBound } from "../bisect.ts";
import { any, type Courses, type Sight } from "./courses.ts";
import type { Effect, Gaps } from "./gaps.ts";
import { same } from "./mismatch.ts";
import type { EtcdRecord } from "./signature.ts";
import type { Store, Version } from "./store.ts";
import type { Fact } from "./timeline.ts";

/** What writes of unknown outcome must do to a key, after the newest revision and up to another. */
interface Need {
  readonly effect: Effect;
  readonly until: number;
}

const IMPOSSIBLE = "impossible";

export class Prospects {
  readonly #gaps: Gaps;
  readonly #courses: Courses;
  readonly #store: Store;
  readonly #used: ReadonlyMap<EtcdRecord, number>;

  constructor(gaps: Gaps, store: Store, used: ReadonlyMap<EtcdRecord, number>) {
    this.#gaps = gaps;
    this.#courses = gaps.courses;
    this.#store = store;
    this.#used = used;
  }

  /**
   * Undefined if a key, as it is after a revision, can come to what is shown of it next; else the revisions that used
   * the writes which it would take.
   */
  obstacles(rank: number, revision: number): readonly number[] | undefined {
    const need = this.#need(rank, revision);
    if (need === undefined) return undefined;
    if (need === IMPOSSIBLE) return [];
    const users: number[] = [];
    for (const record of this.#gaps.suppliers(rank, need.effect, revision, need.until)) {
      const user = this.#used.get(record);
      if (user === undefined) return undefined;
      users.push(user);
    }
    return users;
  }

  /** The same of revisions of which something was seen, after a write was made at another. */
  rivals(record: EtcdRecord, revision: number): readonly number[] | undefined {
    for (const makers of this.#gaps.rivalry(record, revision))
      if (makers.every((maker) => this.#used.has(maker)))
        return makers.map((maker) => this.#used.get(maker) as number);
    return undefined;
  }

  #need(rank: number, revision: number): Need | typeof IMPOSSIBLE | undefined {
    const now = this.#store.at(rank);
    const sight = this.#courses.of(rank).next(revision);
    const need =
      now === undefined
        ? this.#needOfMissing(rank, revision, sight)
        : this.#needOf(now, rank, revision, sight);
    if (need === undefined || need === IMPOSSIBLE) return need;
    return this.#courses.isUnclear(rank, revision, need.until) ? undefined : need;
  }

  #needOfMissing(
    rank: number,
    revision: number,
    sight: Sight | undefined,
  ): Need | typeof IMPOSSIBLE | undefined {
    const { deletes, puts } = this.#courses.of(rank);
    if (sight !== undefined && sight.modified > 0 && (sight.created ?? sight.modified) <= revision)
      return IMPOSSIBLE;
    const deleted = deletes[lowerBound(deletes, (r) => r <= revision)];
    // A transaction that nobody acknowledged may have put it itself.
    if (
      deleted === undefined ||
      this.#gaps.factsOf(deleted).length > 0 ||
      (sight !== undefined && sight.at < deleted - 1)
    )
      return undefined;
    return any(puts, revision, deleted - 1) ? undefined : { effect: "put", until: deleted - 1 };
  }

  #needOf(
    now: Version,
    rank: number,
    revision: number,
    sight: Sight | undefined,
  ): Need | typeof IMPOSSIBLE | undefined {
    if (sight === undefined) return undefined;
    const course = this.#courses.of(rank);
    const { modified, created, version, at } = sight;
    if (modified > 0) {
      if (now.modified > modified) return IMPOSSIBLE;
      if (now.modified === modified)
        return (created ?? now.created) === now.created && (version ?? now.version) === now.version
          ? undefined
          : IMPOSSIBLE;
      if (created === undefined) return undefined;
      if (created < now.created || (created > now.created && created <= revision)) return IMPOSSIBLE;
      if (created === now.created) {
        if (version === undefined) return undefined;
        const spare = version - now.version - course.putsIn(revision, modified);
        if (spare < 0) return IMPOSSIBLE;
        return spare === 0 || this.#gaps.isManifold(rank)
          ? undefined
          : { effect: "put", until: modified - 1 };
      }
    }
    const until = modified === 0 ? at : (created as number);
    return any(course.deletes, revision, until) ? undefined : { effect: "delete", until };
  }
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
