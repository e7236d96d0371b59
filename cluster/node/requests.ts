/** What a member does with a client's request: who must agree, and who may answer. */

import type { Nanos } from "../../src/history/op.ts";
import { type NodeRuntime, SECOND } from "../../src/runtime/runtime.ts";
import type { KvRequest, KvResponses } from "../api.ts";
import { costOf } from "../kv/alarm-table.ts";
import type { Applied, Command } from "../kv/command.ts";
import { ErrNoSpace, ErrNotSupportedForLearner } from "../kv/errors.ts";
import { NO_LEASE } from "../kv/lease-id.ts";
import type { LeaseId, RequestOp, Revision, StatusError, TxnRequest } from "../kv/request.ts";
import { isReadOnly, type Store } from "../kv/store.ts";
import { checkRequest, type Limits } from "../kv/validate.ts";
import type { MemberId, RaftCore } from "../raft/message.ts";
import type { LeaderRequests } from "./leader-requests.ts";
import type { Locks } from "./lock.ts";
import type { ProposalDone } from "./proposals.ts";
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
  propose(command: Command, done: ProposalDone<Applied>): void;
  linearizable(ready: ReadReady): void;
  /** The whole state, as snapshots hold it. */
  state(): Uint8Array;
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
  handle(request: KvRequest, reply: Reply): (() => void) | undefined {
    const host = this.#host;
    const { learners } = host.raft.configuration;
    if (learners.length > 0 && learners.includes(host.self) && !servedByLearner(request)) {
      reply(ErrNotSupportedForLearner, host.store.revision);
      return undefined;
    }
    switch (request.kind) {
      case "range":
        this.#read(request.serializable === true, reply, () => host.store.range(request));
        return undefined;
      case "txn":
        if (isReadOnly(request))
          this.#read(isSerializable(request), reply, () => host.store.readTxn(request));
        else this.#write(request, reply);
        return undefined;
      case "put":
      case "delete-range":
      case "compact":
      case "lease-revoke":
        this.#write(request, reply);
        return undefined;
      case "lease-grant": {
        const id = request.id === NO_LEASE ? this.#newLease() : request.id;
        this.#write({ kind: "lease-grant", id, ttl: Math.max(request.ttl, this.#minTtl) }, reply);
        return undefined;
      }
      case "lease-keep-alive":
      case "lease-time-to-live":
        host.leaderRequests.ask(request, (response) => reply(response as Answer, host.store.revision));
        return undefined;
      case "lease-leases":
        reply({ kind: "lease-leases", leases: host.store.leaseIds() }, host.store.revision);
        return undefined;
      case "lock":
        return host.locks.lock(request, (outcome) => reply(outcome, host.store.revision));
      case "unlock":
        this.#propose({ kind: "delete-range", key: request.key }, (answer, revision) => {
          reply(answer.kind === "error" ? answer : { kind: "unlock" }, revision);
        });
        return undefined;
      case "alarm":
        if (request.action !== "get") this.#propose(request, reply);
        else this.#read(false, reply, () => ({ kind: "alarm", alarms: host.store.alarms(request.alarm) }));
        return undefined;
      case "status":
        reply(this.#status(), host.store.revision);
        return undefined;
      case "hash":
        reply({ kind: "hash", hash: host.store.hash() }, host.store.revision);
        return undefined;
      case "snapshot":
        reply({ kind: "snapshot", data: host.state() }, host.store.revision);
        return undefined;
      case "hash-kv": {
        const found = host.store.hashKv(request.revision ?? 0);
        reply("code" in found ? found : { kind: "hash-kv", ...found }, host.store.revision);
        return undefined;
      }
    }
  }

  #read(local: boolean, reply: Reply, look: () => Answer | StatusError): void {
    const host = this.#host;
    if (local) {
      reply(look(), host.store.revision);
      return;
    }
    host.linearizable((error) => reply(error ?? look(), host.store.revision));
  }

  #write(command: Exclude<Command, { kind: "lease-checkpoint" }>, reply: Reply): void {
    const refusal = checkRequest(command, this.#limits) ?? this.#checkSpace(command);
    if (refusal !== undefined) reply(refusal, this.#host.store.revision);
    else this.#propose(command, reply);
  }

  /** Raises the alarm instead of storing what exceeds the quota. */
  #checkSpace(command: Command): StatusError | undefined {
    const { store, self } = this.#host;
    if (this.#quotaBytes === 0) return undefined;
    const cost = costOf(command);
    if (cost === 0 || store.approximateBytes() + cost < this.#quotaBytes) return undefined;
    const alarm: Command = { kind: "alarm", action: "activate", member: String(self), alarm: "nospace" };
    this.#host.propose(alarm, () => {});
    return ErrNoSpace;
  }

  #propose(command: Command, reply: Reply): void {
    this.#host.propose(command, (outcome) => {
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
  return (
    (request.kind === "range" && request.serializable === true) ||
    request.kind === "status" ||
    request.kind === "snapshot"
  );
}

/** Whether a read-only transaction may be answered from the local store. */
function isSerializable(txn: TxnRequest): boolean {
  const local = (op: RequestOp): boolean =>
    op.kind === "range" ? op.serializable === true : op.kind === "txn" && isSerializable(op);
  return txn.success.every(local) && txn.failure.every(local);
}
