/** The newest state of a store while its history is replayed, with a way back. */
import type { Json } from "../../src/history/op.ts";
import { type Keyspace, RankSet } from "./keyspace.ts";
import type { EtcdRecord } from "./signature.ts";

/** The last change of a key. Immutable. */
export interface Version {
  /** False for a deletion; value, created, version and lease then mean nothing. */
  readonly alive: boolean;
  readonly value: Json;
  readonly created: number;
  readonly modified: number;
  readonly version: number;
  /** Of the deletion before it was created; 0 if there was none. */
  readonly vanished: number;
  /** "": none. */
  readonly lease: string;
  readonly by: EtcdRecord;
}

/** A position in the list of what can be taken back. */
export interface Mark {
  readonly changes: number;
  readonly leases: number;
}

/** What was there before a change. */
interface Change {
  readonly rank: number;
  readonly before: Version | undefined;
}
interface LeaseChange {
  readonly lease: string;
  readonly before: Lease;
}

/** Immutable. */
export interface Lease {
  readonly alive: boolean;
  /** How many grants, and revocations that deleted nothing, it took of which the outcome is unknown. */
  readonly grants: number;
  readonly revokes: number;
}

const NO_LEASE: Lease = { alive: false, grants: 0, revokes: 0 };

export class Store {
  readonly keyspace: Keyspace;
  readonly present: RankSet;
  /** Whether changes are to be taken back, perhaps. */
  reversible = false;
  readonly #versions: (Version | undefined)[];
  /** By lease: the ranks of the keys attached to it. */
  readonly #attached = new Map<string, Set<number>>();
  readonly #granted = new Map<string, Lease>();
  readonly #changes: Change[] = [];
  readonly #leases: LeaseChange[] = [];

  constructor(keyspace: Keyspace) {
    this.keyspace = keyspace;
    this.present = new RankSet(keyspace.keys.length);
    this.#versions = keyspace.keys.map(() => undefined);
  }

  /** The last change, be it a deletion; undefined if there was none. */
  last(rank: number): Version | undefined {
    return this.#versions[rank];
  }

  /** Undefined if the key does not exist. */
  at(rank: number): Version | undefined {
    const version = this.#versions[rank];
    return version?.alive === true ? version : undefined;
  }

  set(rank: number, version: Version): void {
    if (this.reversible) this.#changes.push({ rank, before: this.#versions[rank] });
    this.#replace(rank, version);
  }

  attachedTo(lease: string): readonly number[] {
    return [...(this.#attached.get(lease) ?? [])];
  }

  lease(lease: string): Lease {
    return this.#granted.get(lease) ?? NO_LEASE;
  }

  setLease(lease: string, state: Lease): void {
    if (this.reversible) this.#leases.push({ lease, before: this.lease(lease) });
    this.#granted.set(lease, state);
  }

  mark(): Mark {
    return { changes: this.#changes.length, leases: this.#leases.length };
  }

  /** The keys that were changed since. */
  changedSince({ changes }: Mark): ReadonlySet<number> {
    return new Set(this.#changes.slice(changes).map(({ rank }) => rank));
  }

  rollback({ changes, leases }: Mark): void {
    while (this.#changes.length > changes) {
      const { rank, before } = this.#changes.pop() as Change;
      this.#replace(rank, before);
    }
    while (this.#leases.length > leases) {
      const { lease, before } = this.#leases.pop() as LeaseChange;
      this.#granted.set(lease, before);
    }
  }

  #replace(rank: number, version: Version | undefined): void {
    const before = this.at(rank);
    this.#versions[rank] = version;
    const after = version?.alive === true ? version : undefined;
    if (after === undefined) this.present.delete(rank);
    else if (before === undefined) this.present.add(rank);
    const [from, to] = [before?.lease ?? "", after?.lease ?? ""];
    if (from === to) return;
    if (from !== "") this.#attached.get(from)?.delete(rank);
    if (to === "") return;
    const ranks = this.#attached.get(to);
    if (ranks === undefined) this.#attached.set(to, new Set([rank]));
    else ranks.add(rank);
  }
}
