/** The replicated part of leases: which exist, how long they last, and which keys hang on them. */
import { compareLeaseIds } from "./lease-id.ts";
import type { Bytes, LeaseId } from "./request.ts";
import { SortedMap } from "./sorted-map.ts";
import { hashOf, hashString, mix } from "./state-hash.ts";

export type LeaseTerms = {
  /** Seconds, as granted. */
  readonly ttl: number;
  /** Seconds left at the last checkpoint; 0 when there is none. */
  readonly remaining: number;
};

export class LeaseTable {
  readonly #terms = new SortedMap<LeaseId, LeaseTerms>(undefined, compareLeaseIds);
  readonly #keys = new Map<LeaseId, Set<Bytes>>();
  #digest = 0;

  /** A sum over all leases and attachments: equal for equal tables, however they came about. */
  get digest(): number {
    return this.#digest;
  }

  has(id: LeaseId): boolean {
    return this.#keys.has(id);
  }

  terms(id: LeaseId): LeaseTerms | undefined {
    return this.#terms.get(id);
  }

  /** In no particular order. */
  keys(id: LeaseId): Iterable<Bytes> {
    return this.#keys.get(id) ?? [];
  }

  /** In ascending order. */
  ids(): LeaseId[] {
    return this.#terms.keysArray();
  }

  /** All leases as they are now, in ascending order, whatever becomes of them. */
  view(): () => Iterable<readonly [LeaseId, LeaseTerms]> {
    const terms = this.#terms.clone();
    return () => terms.entries();
  }

  /** `keys` must not change afterwards but through this table. */
  grant(id: LeaseId, ttl: number, remaining: number, keys = new Set<Bytes>()): void {
    this.#keys.set(id, keys);
    this.#set(id, { ttl, remaining });
    for (const key of keys) this.#digest = (this.#digest + hashAttachment(id, key)) | 0;
  }

  checkpoint(id: LeaseId, remaining: number): void {
    const terms = this.#terms.get(id);
    if (terms !== undefined) this.#set(id, { ttl: terms.ttl, remaining: Math.max(0, remaining) });
  }

  /** Forgets the lease and its attachments; its keys are the store's to delete. */
  revoke(id: LeaseId): void {
    const terms = this.#terms.get(id);
    if (terms === undefined) return;
    for (const key of this.keys(id)) this.detach(id, key);
    this.#keys.delete(id);
    this.#terms.delete(id);
    this.#digest = (this.#digest - hashLease(id, terms)) | 0;
  }

  attach(id: LeaseId, key: Bytes): void {
    const keys = this.#keys.get(id);
    if (keys === undefined || keys.has(key)) return;
    keys.add(key);
    this.#digest = (this.#digest + hashAttachment(id, key)) | 0;
  }

  detach(id: LeaseId, key: Bytes): void {
    if (this.#keys.get(id)?.delete(key) === true) {
      this.#digest = (this.#digest - hashAttachment(id, key)) | 0;
    }
  }

  #set(id: LeaseId, terms: LeaseTerms): void {
    const before = this.#terms.get(id);
    if (before !== undefined) this.#digest = (this.#digest - hashLease(id, before)) | 0;
    this.#terms.set(id, terms);
    this.#digest = (this.#digest + hashLease(id, terms)) | 0;
  }
}

function hashLease(id: LeaseId, { ttl, remaining }: LeaseTerms): number {
  return hashOf(mix(mix(hashString(1, id), ttl), remaining));
}

function hashAttachment(id: LeaseId, key: Bytes): number {
  return hashOf(hashString(hashString(2, id), key));
}
