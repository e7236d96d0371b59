/**
 * The leader's clockwork over the replicated leases: when each is due, and when to checkpoint it.
 *
 * Only the leader keeps time. It proposes to revoke what is due and to checkpoint what lives long; the store changes
 * when that is applied. A new leader gives every lease its full (or last checkpointed) life again, so a lease may
 * live longer than granted, never shorter. `now` is monotonic nanoseconds of the leader's own clock.
 */
import type { LeaseId } from "./request.ts";
import type { Store } from "./store.ts";

export type LessorOptions = {
  /** A planted bug by name, "" for none. */
  readonly bug: string;
};

const SECOND = 1_000_000_000;
/** How often a lease's remaining time goes through the log. */
const CHECKPOINT_INTERVAL = 300 * SECOND;
/** How long a proposal may take before it is made again. */
const RETRY_INTERVAL = 3 * SECOND;

type Deadline = {
  /** Seconds, as granted. */
  readonly ttl: number;
  expires: number;
  /** When to offer it for revocation (again). */
  offer: number;
  /** Whether it was offered: from then on it is as good as gone, and cannot be renewed. */
  offered: boolean;
  /** When to offer a checkpoint (again); infinite for a lease too short to need one. */
  checkpoint: number;
  /** When the checkpoint under way was offered. */
  checkpointedAt: number;
  /** Renewed since its last checkpoint, which therefore must be taken back. */
  stale: boolean;
  /** Whether the log may hold a checkpoint of it. */
  recorded: boolean;
};

const NONE: readonly never[] = Object.freeze([]);
const NEVER = Number.POSITIVE_INFINITY;

export class Lessor {
  readonly #store: Store;
  readonly #bug: string;
  readonly #deadlines = new Map<LeaseId, Deadline>();
  #primary = false;
  /** The least `offer` and the least `checkpoint`, or something earlier: what lies before needs no search. */
  #soonestOffer = NEVER;
  #soonestCheckpoint = NEVER;

  constructor(store: Store, options: LessorOptions) {
    this.#store = store;
    this.#bug = options.bug;
  }

  /** On becoming leader: every lease has its checkpointed or full life before it, and `extend` nanoseconds more. */
  promote(now: number, extend: number): void {
    const known = this.#bug === "lease-promote-keeps-deadlines" ? this.#deadlines : undefined;
    this.#primary = true;
    this.#soonestOffer = now;
    this.#soonestCheckpoint = now;
    for (const id of this.#store.leaseIds()) {
      if (known?.has(id) === true) continue;
      const { ttl, remaining } = this.#store.lease(id)!;
      this.#start(id, ttl, now, (remaining > 0 ? remaining : ttl) * SECOND + extend, remaining > 0);
    }
  }

  /** On ceasing to be leader: nothing is due any more, and no time is known. */
  demote(): void {
    this.#primary = false;
    if (this.#bug !== "lease-promote-keeps-deadlines") this.#deadlines.clear();
    this.#soonestOffer = NEVER;
    this.#soonestCheckpoint = NEVER;
  }

  /** After a grant was applied. */
  granted(id: LeaseId, now: number): void {
    const lease = this.#store.lease(id);
    if (this.#primary && lease !== undefined) this.#start(id, lease.ttl, now, lease.ttl * SECOND, false);
  }

  /** After a revocation was applied. */
  revoked(id: LeaseId): void {
    this.#deadlines.delete(id);
  }

  /** Gives a lease its full life again. Returns that in seconds; 0 when it is unknown, due, or this is no leader. */
  renew(id: LeaseId, now: number): number {
    const deadline = this.#primary ? this.#deadlines.get(id) : undefined;
    if (deadline === undefined) return 0;
    const gone = deadline.offered || now >= deadline.expires;
    if (gone && this.#bug !== "lease-renew-after-due") return 0;
    const { ttl } = deadline;
    // Never sooner: what a new leader added to the life stays.
    const life = this.#bug === "keepalive-forgotten" ? 0 : ttl * SECOND;
    deadline.expires = Math.max(deadline.expires, now + life);
    deadline.offer = deadline.expires;
    deadline.stale = deadline.recorded;
    this.#scheduleCheckpoint(deadline, deadline.stale ? now : nextCheckpoint(deadline, now));
    return ttl;
  }

  /** Whole seconds left, 0 when due; -1 when unknown. */
  remaining(id: LeaseId, now: number): number {
    const deadline = this.#primary ? this.#deadlines.get(id) : undefined;
    if (deadline === undefined) return -1;
    return Math.max(0, Math.floor((deadline.expires - now) / SECOND));
  }

  /** The leases to revoke through the log. One whose revocation is not applied within 3 s is offered again. */
  due(now: number): readonly LeaseId[] {
    if (now < this.#soonestOffer) return NONE;
    const due: LeaseId[] = [];
    let soonest = NEVER;
    for (const [id, deadline] of this.#deadlines) {
      if (now >= deadline.offer) {
        due.push(id);
        deadline.offered = true;
        deadline.offer = now + RETRY_INTERVAL;
      }
      soonest = Math.min(soonest, deadline.offer);
    }
    this.#soonestOffer = soonest;
    return due;
  }

  /**
   * What to record through the log, in seconds left: of leases longer than 5 minutes every 5 minutes, and 0 ("none")
   * when a renewal has made the last record untrue. What is not `checkpointed` within 3 s is offered again.
   */
  checkpoints(now: number): readonly { readonly id: LeaseId; readonly remaining: number }[] {
    if (now < this.#soonestCheckpoint) return NONE;
    const checkpoints: { id: LeaseId; remaining: number }[] = [];
    let soonest = NEVER;
    for (const [id, deadline] of this.#deadlines) {
      if (now >= deadline.checkpoint) {
        if (deadline.stale) {
          checkpoints.push({ id, remaining: 0 });
        } else if (now < deadline.expires) {
          checkpoints.push({ id, remaining: Math.ceil((deadline.expires - now) / SECOND) });
          deadline.recorded = true;
        }
        deadline.checkpointedAt = now;
        deadline.checkpoint = now + RETRY_INTERVAL;
      }
      soonest = Math.min(soonest, deadline.checkpoint);
    }
    this.#soonestCheckpoint = soonest;
    return checkpoints;
  }

  /** After a checkpoint of these leases was applied. */
  checkpointed(ids: readonly LeaseId[]): void {
    for (const id of ids) {
      const deadline = this.#deadlines.get(id);
      if (deadline === undefined) continue;
      // One from before the renewal may have been under way; the store tells which it was.
      deadline.recorded = this.#remaining(id) > 0;
      deadline.stale &&= deadline.recorded;
      if (deadline.stale) continue;
      this.#scheduleCheckpoint(deadline, nextCheckpoint(deadline, deadline.checkpointedAt));
    }
  }

  /** When `due` will first have something; undefined when there is no lease to expire. */
  nextDue(): number | undefined {
    let soonest = NEVER;
    if (this.#primary) for (const { offer } of this.#deadlines.values()) soonest = Math.min(soonest, offer);
    this.#soonestOffer = soonest;
    return soonest === NEVER ? undefined : soonest;
  }

  #remaining(id: LeaseId): number {
    return this.#store.lease(id)?.remaining ?? 0;
  }

  #start(id: LeaseId, ttl: number, now: number, life: number, recorded: boolean): void {
    const expires = now + life;
    const deadline: Deadline = {
      ttl,
      expires,
      offer: expires,
      offered: false,
      checkpoint: NEVER,
      checkpointedAt: now,
      stale: false,
      recorded,
    };
    this.#deadlines.set(id, deadline);
    this.#soonestOffer = Math.min(this.#soonestOffer, expires);
    this.#scheduleCheckpoint(deadline, nextCheckpoint(deadline, now));
  }

  #scheduleCheckpoint(deadline: Deadline, at: number): void {
    deadline.checkpoint = at;
    this.#soonestCheckpoint = Math.min(this.#soonestCheckpoint, at);
  }
}

function nextCheckpoint(deadline: Deadline, now: number): number {
  return deadline.expires - now > CHECKPOINT_INTERVAL ? now + CHECKPOINT_INTERVAL : NEVER;
}
