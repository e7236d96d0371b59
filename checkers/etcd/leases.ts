/** Which leases exist, as far as grants and revocations tell: those of unknown outcome as they are needed. */
import { LEASES, type Mismatch, told } from "./mismatch.ts";
import type { Deadlines } from "./order.ts";
import type { EtcdRecord } from "./signature.ts";
import type { Store } from "./store.ts";
import type { Timeline } from "./timeline.ts";

export class Leases {
  readonly #store: Store;
  readonly #timeline: Timeline;
  readonly #deadlines: Deadlines;
  /** Revocations of unknown outcome that made a revision. */
  readonly #used: ReadonlyMap<EtcdRecord, number>;

  constructor(store: Store, timeline: Timeline, deadlines: Deadlines, used: ReadonlyMap<EtcdRecord, number>) {
    this.#store = store;
    this.#timeline = timeline;
    this.#deadlines = deadlines;
    this.#used = used;
  }

  /** Whether it exists before the change at `revision`, be it by a grant of unknown outcome. */
  isUsable(lease: string, revision: number): boolean {
    return this.#isUsable(lease, this.#deadline(revision));
  }

  end(lease: string): void {
    this.#store.setLease(lease, { ...this.#store.lease(lease), alive: false });
  }

  /** Whether a revocation of unknown outcome is left that can have made `revision`. */
  mayEnd(lease: string, revision: number): boolean {
    return this.#mayEnd(lease, this.#deadline(revision));
  }

  /** Grants and revocations that were acknowledged with `revision` and did not make it. */
  judge(records: readonly EtcdRecord[], revision: number): readonly Mismatch[] {
    const mismatches: Mismatch[] = [];
    const byLease = new Map<string, EtcdRecord[]>();
    for (const record of [...records].sort((a, b) => a.completeIndex - b.completeIndex)) {
      const others = byLease.get(record.input as string);
      if (others === undefined) byLease.set(record.input as string, [record]);
      else others.push(record);
    }
    for (const left of byLease.values())
      while (left.length > 0) {
        // The first to end of those that fit, and that began before any other had ended.
        const deadline = (left[0] as EtcdRecord).completeIndex;
        const fitting = left.findIndex((record) => record.invokeIndex < deadline && this.#fits(record));
        const [record] = left.splice(Math.max(0, fitting), 1) as [EtcdRecord];
        const wrong = this.#judgeOne(record, revision);
        if (wrong !== undefined) mismatches.push(wrong);
      }
    return mismatches;
  }

  #fits(record: EtcdRecord): boolean {
    return this.#store.lease(record.input as string).alive === (record.f === "revoke");
  }

  #judgeOne(record: EtcdRecord, revision: number): Mismatch | undefined {
    const lease = record.input as string;
    const keys = this.#store.attachedTo(lease);
    const all = { low: 0, high: this.#store.keyspace.keys.length };
    const found = (name: string, what: string, ranks = all, since = 0): Mismatch => ({
      name,
      guarantee: LEASES,
      by: record,
      others: [],
      ranks,
      since,
      explain: () => `At revision ${revision}, ${told(record)} succeeded, but ${what}.`,
    });
    const deadline = Math.min(record.completeIndex, this.#deadline(revision + 1));
    if (record.f === "revoke") {
      const usable = this.#isUsable(lease, deadline);
      this.end(lease);
      if (!usable) return found("revocation of a missing lease", `lease ${lease} did not exist`);
      const [rank] = keys;
      if (rank === undefined) return undefined;
      const what = `${this.#store.keyspace.keys[rank]} hung on lease ${lease} and was not deleted with it`;
      const since = this.#store.at(rank)?.modified;
      return found("key outlived its lease", what, { low: rank, high: rank + 1 }, since);
    }
    if (this.#store.lease(lease).alive) {
      if (keys.length > 0 || !this.#mayEnd(lease, deadline))
        return found("lease granted twice", `lease ${lease} existed already`);
      const { grants, revokes } = this.#store.lease(lease);
      this.#store.setLease(lease, { alive: false, grants, revokes: revokes + 1 });
    }
    this.#store.setLease(lease, { ...this.#store.lease(lease), alive: true });
    return undefined;
  }

  #isUsable(lease: string, deadline: number): boolean {
    const state = this.#store.lease(lease);
    if (state.alive) return true;
    if (this.#begun(this.#timeline.unknownGrants, lease, deadline) <= state.grants) return false;
    this.#store.setLease(lease, { alive: true, grants: state.grants + 1, revokes: state.revokes });
    return true;
  }

  #mayEnd(lease: string, deadline: number): boolean {
    return this.#begun(this.#timeline.unknownRevokes, lease, deadline) > this.#store.lease(lease).revokes;
  }

  /** How many of unknown outcome began before an event and did not make a revision. */
  #begun(unknown: ReadonlyMap<string, readonly EtcdRecord[]>, lease: string, deadline: number): number {
    const records = unknown.get(lease) ?? [];
    return records.filter((record) => record.invokeIndex < deadline && !this.#used.has(record)).length;
  }

  #deadline(revision: number): number {
    return this.#deadlines[revision - this.#timeline.first] ?? Number.POSITIVE_INFINITY;
  }
}
