/**
 * Time for the leases: the leader's clock decides when one is due, and the log decides that it is gone.
 *
 * Nobody may be told that a lease lives on by a leader that was deposed without knowing: the new one started the
 * lease's life anew when it took over, and does not hear of the renewal. So the leader makes sure that it still leads
 * before it renews (etcd PR#16822). Likewise it proposes revocations only in its own name, never through another.
 */
import type { Nanos } from "../../src/history/op.ts";
import type { Clock } from "../../src/runtime/runtime.ts";
import type { KvResponses } from "../api.ts";
import type { Applied, Command, CommandResponse } from "../kv/command.ts";
import { ErrNotLeader } from "../kv/errors.ts";
import { Lessor } from "../kv/lease.ts";
import type { LeaseId, StatusError } from "../kv/request.ts";
import type { Store } from "../kv/store.ts";
import type { ProposalDone } from "./proposals.ts";
import type { ReadReady } from "./reads.ts";

export interface LeaseHost {
  readonly store: Store;
  /** Through whoever leads. */
  propose(command: Command, done: ProposalDone<Applied>): void;
  /** Only if this member leads; else nothing happens. */
  proposeAsLeader(command: Command, done: ProposalDone<Applied>): void;
  linearizable(ready: ReadReady): void;
  trace(
    kind: "lease-expired" | "lease-promoted" | "keepalive-undecided" | "keepalive-refused",
    detail: { readonly [field: string]: string | number },
  ): void;
}

export interface LeaseKeeperOptions {
  /** What a new leader adds to every lease's life, for the time it took to be elected. */
  readonly extend: Nanos;
  readonly checkpoints: boolean;
  readonly bug: string;
}

type Reply<K extends keyof KvResponses> = (answer: KvResponses[K] | StatusError) => void;
const ignore: ProposalDone<Applied> = () => {};

export class LeaseKeeper {
  readonly #clock: Clock;
  readonly #options: LeaseKeeperOptions;
  readonly #host: LeaseHost;
  #lessor: Lessor;
  #primary = false;
  /** Keepalives of leases that are due: what becomes of them is up to the log. */
  readonly #undecided = new Map<LeaseId, Reply<"lease-keep-alive">[]>();
  /** For the planted bug: every lease ever granted. */
  readonly #granted = new Map<LeaseId, number>();

  constructor(clock: Clock, options: LeaseKeeperOptions, host: LeaseHost) {
    this.#clock = clock;
    this.#options = options;
    this.#host = host;
    this.#lessor = new Lessor(host.store, { bug: options.bug });
  }

  /** To be called when this member leads and has applied an entry of its own term: only then it knows all leases. */
  promote(term: number): void {
    if (this.#primary && this.#options.bug !== "deposed-leader-revokes") return;
    this.#primary = true;
    this.#lessor.promote(this.#now(), this.#options.extend);
    this.#host.trace("lease-promoted", { term, leases: this.#host.store.leaseIds().length });
  }

  get promoted(): boolean {
    return this.#primary;
  }

  demote(): void {
    if (!this.#primary || this.#options.bug === "deposed-leader-revokes") return;
    this.#primary = false;
    this.#lessor.demote();
    this.#abandon();
  }

  /** The store was replaced. */
  restored(): void {
    this.#primary = false;
    this.#abandon();
    this.#lessor = new Lessor(this.#host.store, { bug: this.#options.bug });
  }

  /** To be called after each apply. */
  applied(command: Command, response: CommandResponse | StatusError): void {
    switch (response.kind) {
      case "lease-grant":
        this.#lessor.granted(response.id, this.#now());
        if (this.#options.bug === "keepalive-revoked-lease") this.#granted.set(response.id, response.ttl);
        return;
      case "lease-revoke":
        if (command.kind === "lease-revoke") this.#revoked(command.id);
        return;
      case "lease-checkpoint":
        if (command.kind === "lease-checkpoint")
          this.#lessor.checkpointed(command.leases.map((lease) => lease.id));
    }
  }

  tick(): void {
    if (!this.#primary) return;
    const now = this.#now();
    for (const id of this.#lessor.due(now)) {
      this.#host.trace("lease-expired", { lease: id });
      this.#propose({ kind: "lease-revoke", id }, ignore);
    }
    if (this.#options.checkpoints) this.#checkpoint(now, ignore);
  }

  /** Leader only. */
  keepAlive(id: LeaseId, reply: Reply<"lease-keep-alive">): void {
    if (this.#options.bug === "keepalive-revoked-lease") {
      const ttl = this.#lessor.renew(id, this.#now()) || (this.#granted.get(id) ?? 0);
      reply({ kind: "lease-keep-alive", id, ttl });
      return;
    }
    const decide = (error?: StatusError) => {
      if (error !== undefined || !this.#primary) {
        reply(error ?? ErrNotLeader);
        return;
      }
      const now = this.#now();
      const ttl = this.#lessor.renew(id, now);
      if (ttl === 0 && this.#host.store.lease(id) !== undefined) {
        // It is due, but the next leader may yet let it live: only its revocation makes "gone" true.
        this.#host.trace("keepalive-undecided", { lease: id });
        const waiting = this.#undecided.get(id);
        if (waiting === undefined) this.#undecided.set(id, [reply]);
        else waiting.push(reply);
        return;
      }
      if (ttl === 0) this.#host.trace("keepalive-refused", { lease: id });
      const answer = { kind: "lease-keep-alive", id, ttl } as const;
      // If a checkpoint says that less is left, the next leader would believe it: first it must be taken back.
      const recorded: ProposalDone<Applied> = (outcome) => reply("response" in outcome ? answer : outcome);
      if (ttl === 0 || !this.#options.checkpoints || !this.#checkpoint(now, recorded)) reply(answer);
    };
    if (this.#options.bug === "keepalive-without-quorum") decide();
    else this.#host.linearizable(decide);
  }

  /** Leader only. */
  timeToLive(id: LeaseId, keys: boolean, reply: Reply<"lease-time-to-live">): void {
    this.#host.linearizable((error) => {
      if (error !== undefined || !this.#primary) {
        reply(error ?? ErrNotLeader);
        return;
      }
      const lease = this.#host.store.lease(id);
      reply({
        kind: "lease-time-to-live",
        id,
        ttl: lease === undefined ? -1 : this.#lessor.remaining(id, this.#now()),
        grantedTtl: lease?.ttl ?? 0,
        keys: keys && lease !== undefined ? lease.keys : [],
      });
    });
  }

  #revoked(id: LeaseId): void {
    this.#lessor.revoked(id);
    const waiting = this.#undecided.get(id);
    if (waiting === undefined) return;
    this.#undecided.delete(id);
    for (const reply of waiting) reply({ kind: "lease-keep-alive", id, ttl: 0 });
  }

  /** Whoever leads now decides. */
  #abandon(): void {
    const waiting = [...this.#undecided.values()].flat();
    this.#undecided.clear();
    for (const reply of waiting) reply(ErrNotLeader);
  }

  /** Proposes the checkpoints that are due; false if there are none. */
  #checkpoint(now: Nanos, done: ProposalDone<Applied>): boolean {
    const leases = this.#lessor.checkpoints(now);
    if (leases.length === 0) return false;
    this.#propose({ kind: "lease-checkpoint", leases }, done);
    return true;
  }

  #propose(command: Command, done: ProposalDone<Applied>): void {
    const own: Command = { ...command, caller: "member" };
    if (this.#options.bug === "deposed-leader-revokes") this.#host.propose(own, done);
    else this.#host.proposeAsLeader(own, done);
  }

  #now(): Nanos {
    return this.#options.bug === "lease-wall-clock" ? this.#clock.wall() : this.#clock.monotonic();
  }
}
