/** The replicated part of leases: which exist, how long they last, and which keys hang on them. */
import { compareLeaseIds } from "./lease-id.ts";
import type { Bytes, LeaseId } from "./request.ts";
import { hashOf, hashString, mix } from "./state-hash.ts";

export type Lease = {
  readonly id: LeaseId;
  /** Seconds, as granted. */
  readonly ttl: number;
  /** Seconds left at the last checkpoint; 0 when there is none. */
  remaining: number;
  readonly keys: Set<Bytes>;
};

export class LeaseTable {
  readonly #leases = new Map<LeaseId, Lease>();
  #digest = 0;

  /** A sum over all leases and attachments: equal for equal tables, however they came about. */
  get digest(): number {
    return this.#digest;
  }

  has(id: LeaseId): boolean {
    return this.#leases.has(id);
  }

  get(id: LeaseId): Lease | undefined {
    return this.#leases.get(id);
  }

  /** In ascending order. */
  ids(): LeaseId[] {
    return [...this.#leases.keys()].sort(compareLeaseIds);
  }

  grant(id: LeaseId, ttl: number, remaining: number): void {
    const lease = { id, ttl, remaining, keys: new Set<Bytes>() };
    this.#leases.set(id, lease);
    this.#digest = (this.#digest + hashLease(lease)) | 0;
  }

  checkpoint(id: LeaseId, remaining: number): void {
    const lease = this.#leases.get(id);
    if (lease === undefined) return;
    this.#digest = (this.#digest - hashLease(lease)) | 0;
    lease.remaining = Math.max(0, remaining);
    this.#digest = (this.#digest + hashLease(lease)) | 0;
  }

  /** Forgets the lease and its attachments; its keys are the store's to delete. */
  revoke(id: LeaseId): void {
    const lease = this.#leases.get(id);
    if (lease === undefined) return;
    for (const key of lease.keys) this.detach(id, key);
    this.#leases.delete(id);
    this.#digest = (this.#digest - hashLease(lease)) | 0;
  }

  attach(id: LeaseId, key: Bytes): void {
    const lease = this.#leases.get(id);
    if (lease === undefined || lease.keys.has(key)) return;
    lease.keys.add(key);
    this.#digest = (this.#digest + hashAttachment(id, key)) | 0;
  }

  detach(id: LeaseId, key: Bytes): void {
    if (this.#leases.get(id)?.keys.delete(key) === true) {
      this.#digest = (this.#digest - hashAttachment(id, key)) | 0;
    }
  }
}

function hashLease(lease: Lease): number {
  return hashOf(mix(mix(hashString(1, lease.id), lease.ttl), lease.remaining));
}

function hashAttachment(id: LeaseId, key: Bytes): number {
  return hashOf(hashString(hashString(2, id), key));
}
