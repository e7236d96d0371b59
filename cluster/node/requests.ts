/** What a member does with a client's request: who must agree, and who may answer. */

import type { Nanos } from "../../src/history/op.ts";
import { type NodeRuntime, SECOND } from "../../src/runtime/runtime.ts";
import type { KvRequest, KvResponses } from "../api.ts";
import { costOf } from "../kv/alarm-table.ts";
import type { Applied, Command } from "../kv/command.ts";
import { ErrNoSpace, ErrNotCapable, ErrNotSupportedForLearner } from "../kv/errors.ts";
import { NO_LEASE } from "../kv/lease-id.ts";
import type { Caller, LeaseId, RangeRequest, Revision, StatusError, TxnRequest } from "../kv/request.ts";
import { isReadOnly, type Store } from "../kv/store.ts";
import { checkRequest, type Limits } from "../kv/validate.ts";
import type { MemberId, RaftCore } from "../raft/message.ts";
import type { LeaderRequests } from "./leader-requests.ts";
import type { Locks } from "./lock.ts";
import type { ProposalDone } from "./proposals.ts";
import type { MemberRequest } from "./protocol.ts";
import type { ReadReady } from "./reads.ts";

export type Answer = KvResponses[KvRequest["kind"]];
/** Called once. `revision` is the store's, right after the request took effect. */
export type Reply = (answer: Answer | StatusError, revision: Revision) => void;

export interface RequestHost {
  readonly self: MemberId;
  readonly raft: RaftCore;
  readonly store: Store;
  readonly applied: number;
  readonly locks: Locks;
  readonly leaderRequests: LeaderRequests;
  /** Name of a planted bug, or "". */
  readonly bug: string;
  propose(command: Command, done: ProposalDone<Applied>): void;
  linearizable(ready: ReadReady): void;
}

export interface RequestOptions extends Limits {
  /** How long an election may take: no lease is shorter than one and a half of it, as in etcd. */
  readonly electionTimeout: Nanos;
  /** Bytes of the store above which this member raises an alarm, and all refuse to store more; 0 for no quota. */
  readonly quotaBytes: number;
}

export class Requests {
  readonly #runtime: NodeRuntime;
  readonly #host: RequestHost;
  readonly #limits: Limits;
  /** Seconds. */
  readonly #minTtl: number;
  readonly #quotaBytes: number;

  constructor(runtime: NodeRuntime, host: RequestHost, options: RequestOptions) {
    this.#runtime = runtime;
    this.#host = host;
    this.#limits = options;
    this.#quotaBytes = options.quotaBytes;
    this.#minTtl = Math.ceil((options.electionTimeout * 1.5) / SECOND);
  }

  /** Returns, for a request that may wait for ever, what to call when its client no longer waits. */
  handle(request: KvRequest, caller: Caller | undefined, reply: Reply): (() => void) | undefined {
    const host = this.#host;
    if (request.kind !== "status" && this.#stateless()) {
      reply(ErrNotCapable, host.store.revision);
      return undefined;
    }
    const { learners } = host.raft.configuration;
    if (learners.length > 0 && learners.includes(host.self) && !servedByLearner(request)) {
      reply(ErrNotSupportedForLearner, host.store.revision);
      return undefined;
    }
    switch (request.kind) {
      case "range":
        this.#query(request, request.serializable === true, caller, reply, () => host.store.range(request));
        return undefined;
      case "txn":
        if (isReadOnly(request))
          this.#query(request, isSerializable(request), caller, reply, () => host.store.readTxn(request));
        else this.#write(this.#decided(request), caller, reply);
        return undefined;
      case "put":
      case "delete-range":
      case "compact":
      case "lease-revoke":
        this.#write(request, caller, reply);
        return undefined;
      case "lease-grant": {
        const id = request.id === NO_LEASE ? this.#newLease() : request.id;
        const ttl = Math.max(request.ttl, this.#minTtl);
        this.#write({ kind: "lease-grant", id, ttl }, caller, reply);
        return undefined;
      }
      case "lease-keep-alive":
      case "lease-time-to-live":
        host.leaderRequests.ask(request, (response) => {
          reply(this.#mayTell(response as Answer, caller) ?? (response as Answer), host.store.revision);
        });
        return undefined;
      case "lease-leases":
        reply({ kind: "lease-leases", leases: host.store.leaseIds() }, host.store.revision);
        return undefined;
      case "lock":
        return host.locks.lock(request, caller, (outcome) => reply(outcome, host.store.revision));
      case "unlock":
        this.#propose({ kind: "delete-range", key: request.key }, caller, (answer, revision) => {
          reply(answer.kind === "error" ? answer : { kind: "unlock" }, revision);
        });
        return undefined;
      case "alarm":
        if (request.action !== "get") this.#propose(request, caller, reply);
        else this.#read(false, reply, () => ({ kind: "alarm", alarms: host.store.alarms(request.alarm) }));
        return undefined;
      case "status":
        reply(this.#status(), host.store.revision);
        return undefined;
      case "hash":
      case "hash-kv":
        reply(host.store.auth.checkAdmin(caller) ?? this.#inspect(request), host.store.revision);
        return undefined;
      case "auth-status":
      case "user-list":
      case "user-get":
      case "role-list":
      case "role-get":
        this.#read(false, reply, () => host.store.permit(request, caller) ?? host.store.authQuery(request));
        return undefined;
      default:
        this.#propose(request, caller, reply);
        return undefined;
    }
  }

  /** Why the caller must not have the cluster changed, if so. */
  checkMember(request: MemberRequest, caller: Caller | undefined): StatusError | undefined {
    if (request.kind === "member-list") return undefined;
    return this.#stateless() ? ErrNotCapable : this.#host.store.auth.checkAdmin(caller);
  }

  /** A new member that has not been sent the state yet: it does not even know who may do what. */
  #stateless(): boolean {
    return this.#host.applied === 0;
  }

  /** The keys of a lease are told to those who may read them. */
  #mayTell(answer: Answer | StatusError, caller: Caller | undefined): StatusError | undefined {
    if (answer.kind !== "lease-time-to-live") return undefined;
    for (const key of answer.keys) {
      const refusal = this.#host.store.permit({ kind: "range", key }, caller);
      if (refusal !== undefined) return refusal;
    }
    return undefined;
  }

  #inspect(request: Extract<KvRequest, { kind: "hash" | "hash-kv" }>): Answer | StatusError {
    const { store } = this.#host;
    if (request.kind === "hash") return { kind: "hash", hash: store.hash() };
    const found = store.hashKv(request.revision ?? 0);
    return "code" in found ? found : { kind: "hash-kv", ...found };
  }

  #query(
    request: RangeRequest | TxnRequest,
    local: boolean,
    caller: Caller | undefined,
    reply: Reply,
    look: () => Answer | StatusError,
  ): void {
    const malformed = checkRequest(request, this.#limits);
    if (malformed !== undefined) reply(malformed, this.#host.store.revision);
    else this.#read(local, reply, () => this.#host.store.permit(request, caller) ?? look());
  }

  #read(local: boolean, reply: Reply, look: () => Answer | StatusError): void {
    const host = this.#host;
    if (local) {
      reply(look(), host.store.revision);
      return;
    }
    host.linearizable((error) => reply(error ?? look(), host.store.revision));
  }

  #write(
    command: Exclude<Command, { kind: "lease-checkpoint" }>,
    caller: Caller | undefined,
    reply: Reply,
  ): void {
    const refusal = checkRequest(command, this.#limits) ?? this.#checkSpace(command);
    if (refusal !== undefined) reply(refusal, this.#host.store.revision);
    else this.#propose(command, caller, reply);
  }

  /** The transaction itself; for the planted bug, what is left of it once its conditions were looked at here. */
  #decided(txn: TxnRequest): TxnRequest {
    if (this.#host.bug !== "compare-before-log") return txn;
    const { compare } = txn;
    const outcome = this.#host.store.readTxn({ kind: "txn", compare, success: [], failure: [] });
    if (outcome.kind === "error") return txn;
    const operand = outcome.succeeded ? -1 : Number.MAX_SAFE_INTEGER;
    return { ...txn, compare: [{ key: "\0", target: "mod", result: "greater", operand }] };
  }

  /** Raises the alarm instead of storing what exceeds the quota. */
  #checkSpace(command: Command): StatusError | undefined {
    const { store, self } = this.#host;
    if (this.#quotaBytes === 0) return undefined;
    const cost = costOf(command);
    if (cost === 0 || store.approximateBytes() + cost < this.#quotaBytes) return undefined;
    const alarm: Command = {
      kind: "alarm",
      action: "activate",
      member: String(self),
      alarm: "nospace",
      caller: "member",
    };
    this.#host.propose(alarm, () => {});
    return ErrNoSpace;
  }

  #propose(command: Command, caller: Caller | undefined, reply: Reply): void {
    const refusal =
      this.#host.bug === "rights-checked-on-arrival" ? this.#host.store.permit(command, caller) : undefined;
    if (refusal !== undefined) {
      reply(refusal, this.#host.store.revision);
      return;
    }
    const sure = this.#host.bug === "rights-checked-on-arrival" && caller !== undefined ? "member" : caller;
    this.#host.propose(sure === undefined ? command : { ...command, caller: sure }, (outcome) => {
      if ("response" in outcome) reply(outcome.response as Answer | StatusError, outcome.revision);
      else reply(outcome, this.#host.store.revision);
    });
  }

  /** A positive 63-bit number. */
  #newLease(): LeaseId {
    const { random } = this.#runtime;
    const id = BigInt(random.below(0x8000_0000)) * 0x1_0000_0000n + BigInt(random.below(0x1_0000_0000));
    return id === 0n ? this.#newLease() : String(id);
  }

  #status(): KvResponses["status"] {
    const { raft, store, applied, self } = this.#host;
    return {
      kind: "status",
      leader: String(raft.leader),
      learner: raft.configuration.learners.includes(self),
      raftIndex: raft.commit,
      raftAppliedIndex: applied,
      dbSize: store.approximateBytes(),
      alarms: store.alarms(),
    };
  }
}

function servedByLearner(request: KvRequest): boolean {
  return (request.kind === "range" && request.serializable === true) || request.kind === "status";
}

/**
 * Whether a read-only transaction may be answered from the local store: it has ranges, and all of them say so. etcd
 * answers one without any range locally too, whatever its conditions look at; nobody asked for a stale answer there.
 */
function isSerializable(txn: TxnRequest): boolean {
  const ranges = rangesOf(txn);
  return ranges.length > 0 && ranges.every(({ serializable }) => serializable === true);
}

function rangesOf({ success, failure }: TxnRequest): readonly RangeRequest[] {
  return [...success, ...failure].flatMap((op) =>
    op.kind === "range" ? [op] : op.kind === "txn" ? rangesOf(op) : [],
  );
}
