/**
 * Proposals of this member: from a client's request to the log entry that answers it. One that raft drops is
 * certain to have had no effect, and is handed in again while its client waits; one that raft took is never
 * handed in twice.
 */
import type { Nanos } from "../../src/history/op.ts";
import { ErrNoLeader, ErrTimeout, ErrTooManyRequests } from "../kv/errors.ts";
import type { StatusError } from "../kv/request.ts";
import type { ConfigChange, MemberId, RaftCore } from "../raft/message.ts";
import type { Waiting } from "./deadlines.ts";
import { encodeProposal, ownCounter } from "./proposal.ts";

/** Called once, with what applying gave, or why there is nothing to wait for. */
export type ProposalDone<T> = (outcome: T | StatusError) => void;

class Pending<T> implements Waiting {
  readonly counter: number;
  readonly data: Uint8Array;
  readonly deadline: Nanos;
  readonly done: ProposalDone<T>;
  readonly #forget: (counter: number) => void;
  settled = false;
  /** Raft has taken it: from then on it may take effect. */
  proposed = false;

  constructor(
    counter: number,
    data: Uint8Array,
    deadline: Nanos,
    done: ProposalDone<T>,
    forget: (counter: number) => void,
  ) {
    this.counter = counter;
    this.data = data;
    this.deadline = deadline;
    this.done = done;
    this.#forget = forget;
  }

  settle(outcome: T | StatusError): void {
    if (this.settled) return;
    this.settled = true;
    this.#forget(this.counter);
    this.done(outcome);
  }

  expire(): void {
    this.settle(this.proposed ? ErrTimeout : ErrNoLeader);
  }
}

/** `T` is what the host's state machine gives back. */
export class Proposals<T> {
  readonly #raft: RaftCore;
  readonly #member: MemberId;
  readonly #incarnation: number;
  readonly #pending = new Map<number, Pending<T>>();
  readonly #forget = (counter: number): void => {
    this.#pending.delete(counter);
  };
  /** Not handed to raft yet. */
  #unproposed: Pending<T>[] = [];
  #counter = 0;
  readonly #bug: string;
  /** For the planted bug: what other members were asked to propose. */
  #forwarded: Pending<T>[] = [];

  /** `bug`: name of a planted bug, or "". */
  constructor(raft: RaftCore, member: MemberId, incarnation: number, bug: string) {
    this.#raft = raft;
    this.#member = member;
    this.#incarnation = incarnation;
    this.#bug = bug;
  }

  /** `body` goes out with the next `flush`. */
  add(body: Uint8Array, deadline: Nanos, done: ProposalDone<T>): Waiting & { readonly data: Uint8Array } {
    const pending = this.#create(body, deadline, done);
    this.#unproposed.push(pending);
    return pending;
  }

  /**
   * Proposes at once, in this member's own name: what it asks for holds only if it is still the leader, so it is
   * neither forwarded nor kept for later.
   */
  addAsLeader(
    proposal: { readonly kind: "normal" } | { readonly kind: "config"; readonly change: ConfigChange },
    body: Uint8Array,
    deadline: Nanos,
    done: ProposalDone<T>,
  ): Waiting | "config-change-pending" | "refused" {
    if (this.#raft.role !== "leader") return "refused";
    const pending = this.#create(body, deadline, done);
    pending.proposed = true;
    const result = this.#raft.propose([{ ...proposal, data: pending.data }]);
    if (result.outcome !== "dropped") return pending;
    this.#forget(pending.counter);
    return result.reason === "config-change-pending" ? result.reason : "refused";
  }

  /** Whether `flush` has something to hand in. */
  get waiting(): boolean {
    return this.#unproposed.length > 0;
  }

  /** Hands what waits to raft. To be called before raft's work is taken. */
  flush(): void {
    if (this.#unproposed.length === 0 || this.#raft.leader === 0) return;
    const batch = this.#unproposed.filter((pending) => !pending.settled);
    this.#unproposed = [];
    if (batch.length === 0) return;
    const result = this.#raft.propose(batch.map((pending) => ({ kind: "normal", data: pending.data })));
    if (result.outcome !== "dropped") {
      for (const pending of batch) pending.proposed = true;
      if (this.#bug === "forwarded-proposed-again") this.#forwarded.push(...batch);
    } else if (result.reason === "too-much-uncommitted") {
      for (const pending of batch) pending.settle(ErrTooManyRequests);
    } else this.#unproposed = batch;
  }

  leaderChanged(): void {
    if (this.#forwarded.length === 0) return;
    this.#unproposed.push(...this.#forwarded.filter((pending) => !pending.settled));
    this.#forwarded = [];
  }

  /** The proposal that an entry with this data came from, if it is one of this incarnation and still waits. */
  find(data: Uint8Array): { settle(outcome: T): void } | undefined {
    if (this.#pending.size === 0 || data.length === 0) return undefined;
    const counter = ownCounter(data, this.#member, this.#incarnation);
    return counter === undefined ? undefined : this.#pending.get(counter);
  }

  #create(body: Uint8Array, deadline: Nanos, done: ProposalDone<T>): Pending<T> {
    const counter = ++this.#counter;
    const data = encodeProposal(this.#member, this.#incarnation, counter, body);
    const pending = new Pending(counter, data, deadline, done, this.#forget);
    this.#pending.set(counter, pending);
    return pending;
  }
}
