/**
 * Why a search of choices came to a dead end: which of the choices made it inevitable, whatever the others are. The
 * last of them is the one to go back to. P. Prosser, "Hybrid Algorithms for the Constraint Satisfaction Problem"
 * (1993), section 3: conflict-directed backjumping.
 */
import type { Gaps } from "./gaps.ts";
import type { Ranks } from "./keyspace.ts";
import type { EtcdRecord } from "./signature.ts";
import type { Store } from "./store.ts";

/** A revision, and who is taken to have made it. */
export interface Made {
  readonly revision: number;
  readonly chosen: EtcdRecord | undefined;
}

/** Keys whose state is to blame: by rank, the revision from which on their changes matter. */
export class Blame {
  readonly #gaps: Gaps;
  readonly #store: Store;
  readonly #since = new Map<number, number>();
  /** Everything is to blame: all keys since ever, and which leases there are. */
  #all = false;

  constructor(gaps: Gaps, store: Store) {
    this.#gaps = gaps;
    this.#store = store;
  }

  /** The keys as far as their changes matter since a revision, if all before another was found to fit. */
  add({ low, high }: Ranks, revision: number, since = 0): void {
    if (high - low === this.#store.keyspace.keys.length) this.#all = true;
    else for (let rank = low; rank < high; rank++) this.#add(rank, since, revision);
  }

  /** The same of keys that are as they were just before the revision. */
  addPresent({ low, high }: Ranks, revision: number): void {
    if (high - low === this.#store.keyspace.keys.length) this.#all = true;
    else
      for (let rank = low; rank < high; rank++) {
        const last = this.#store.last(rank);
        // A deletion leaves nothing of what was before.
        this.#add(rank, last === undefined ? 0 : last.alive ? last.vanished : last.modified, revision);
      }
  }

  addAll(): void {
    this.#all = true;
  }

  /** The revisions of those choices that bring about what is to blame. */
  culprits(choices: readonly Made[]): Set<number> {
    const culprits = new Set<number>();
    for (let i = choices.length - 1; i >= 0; i--) {
      const { revision, chosen } = choices[i] as Made;
      if (!this.#depends(revision)) continue;
      culprits.add(revision);
      if (chosen === undefined || this.#all) continue;
      // What it did depends on what was there before.
      for (const { low, high } of this.#gaps.reachOf(chosen).compares)
        for (let rank = low; rank < high; rank++) this.#add(rank, 0, revision);
      if (chosen.f !== "revoke") continue;
      for (const rank of this.#since.keys())
        if (this.#gaps.touches(chosen, rank)) this.#add(rank, 0, revision);
    }
    return culprits;
  }

  #add(rank: number, since: number, revision: number): void {
    const from = Math.max(since, this.#gaps.courses.of(rank).knownSince(revision));
    this.#since.set(rank, Math.min(from, this.#since.get(rank) ?? from));
  }

  #depends(revision: number): boolean {
    if (this.#all) return !this.#gaps.isForced(revision);
    for (const [rank, since] of this.#since)
      if (revision >= since && this.#gaps.mayTouch(revision, rank)) return true;
    return false;
  }
}
