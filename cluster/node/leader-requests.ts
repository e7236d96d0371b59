/**
 * Requests that only the leader can answer, from clients of any member: a member that does not lead asks the one
 * that does. What may be asked twice is asked again when no answer comes; a change of membership may not.
 */
import type { Nanos } from "../../src/history/op.ts";
import { ErrBadLeaderTransferee, ErrNotLeader, ErrTimeout, ErrUnhealthy } from "../kv/errors.ts";
import type { StatusError } from "../kv/request.ts";
import type { MemberId, RaftCore } from "../raft/message.ts";
import type { Deadlines, Waiting } from "./deadlines.ts";
import type { LeaseKeeper } from "./lease-keeper.ts";
import type { MemberChange, MembersChanged, Membership, MemberUpdate } from "./membership.ts";
import type { Peers } from "./peers.ts";
import type { ProposalDone } from "./proposals.ts";
import type { LeaderRequest, LeaderResponse, MemberRequest, PeerMessage } from "./protocol.ts";

export const ErrTimeoutLeaderTransfer: StatusError = {
  kind: "error",
  code: "UNAVAILABLE",
  message: "etcdserver: request timed out, leader transfer took too long",
};

/** Ticks until a question without an answer is put again. */
const RETRY_TICKS = 5;

export type LeaderReply = (response: LeaderResponse) => void;

class Asked implements Waiting {
  readonly request: LeaderRequest;
  readonly deadline: Nanos;
  readonly #reply: LeaderReply;
  settled = false;
  /** Whom it was put to, 0 for nobody, and when. */
  asked: MemberId = 0;
  age = 0;

  constructor(request: LeaderRequest, deadline: Nanos, reply: LeaderReply) {
    this.request = request;
    this.deadline = deadline;
    this.#reply = reply;
  }

  settle(response: LeaderResponse): void {
    if (this.settled) return;
    this.settled = true;
    this.#reply(response);
  }

  expire(): void {
    this.settle(this.request.kind === "transfer-leader" ? ErrTimeoutLeaderTransfer : ErrTimeout);
  }
}

export interface LeaderRequestsHost {
  readonly self: MemberId;
  readonly raft: RaftCore;
  readonly peers: Peers;
  readonly membership: Membership;
  readonly leases: LeaseKeeper;
  readonly deadlines: Deadlines;
  /** When a request that begins now has waited too long. */
  readonly deadline: Nanos;
  /** Answers once the change is applied. */
  proposeChange(
    change: MemberChange,
    done: ProposalDone<MembersChanged>,
  ): "proposed" | "config-change-pending" | "refused";
  /** Answers once the update is applied. */
  proposeUpdate(
    update: MemberUpdate,
    done: ProposalDone<MembersChanged>,
  ): "proposed" | "config-change-pending" | "refused";
}

/** What answers what, unless it is an error. */
const ANSWERS: { readonly [kind in LeaderRequest["kind"]]: LeaderResponse["kind"] } = {
  "lease-keep-alive": "lease-keep-alive",
  "lease-time-to-live": "lease-time-to-live",
  "member-list": "members",
  "member-add": "members",
  "member-promote": "members",
  "member-remove": "members",
  "member-update": "members",
  "transfer-leader": "leader-transferred",
};

/** Questions of one incarnation. */
const QUESTIONS = 0x1_0000_0000;

export class LeaderRequests {
  readonly #host: LeaderRequestsHost;
  readonly #asked = new Map<number, Asked>();
  /** Never used by another incarnation: an answer to an older question must not settle a newer one. */
  #lastId: number;
  /** The transfer of leadership that this member, as the leader, was last asked for. */
  #transfer: { readonly to: MemberId; readonly reply: LeaderReply } | undefined;

  constructor(host: LeaderRequestsHost, incarnation: number) {
    this.#host = host;
    this.#lastId = incarnation * QUESTIONS;
  }

  /** Answers here, or by way of the leader. */
  ask(request: LeaderRequest, reply: LeaderReply): void {
    const id = ++this.#lastId;
    const asked = new Asked(request, this.#host.deadline, (response) => {
      this.#asked.delete(id);
      reply(response);
    });
    this.#asked.set(id, asked);
    this.#host.deadlines.add(asked);
    this.#put(id, asked);
  }

  /** Another member asks, on behalf of its client. */
  received(message: Extract<PeerMessage, { type: "ask-leader" | "leader-answer" }>): void {
    if (message.type === "ask-leader") {
      const { from, to, id } = message;
      const { self, peers } = this.#host;
      this.#answer(message.request, (response) => {
        peers.send({ type: "leader-answer", from: self, to: from, id, response });
      });
      if (to !== self) return;
    } else {
      this.#settle(message.id, message.response);
    }
  }

  tick(): void {
    if (this.#asked.size === 0) return;
    for (const [id, asked] of this.#asked) {
      if (asked.asked === 0) this.#put(id, asked);
      else if (mayRepeat(asked.request) && ++asked.age >= RETRY_TICKS) this.#put(id, asked);
    }
  }

  /** The leader is another one now, or there is none. */
  leaderChanged(leader: MemberId): void {
    if (leader === 0) return;
    this.#endTransfer(leader);
    for (const [id, asked] of this.#asked)
      if (asked.asked === 0 || (mayRepeat(asked.request) && asked.asked !== leader)) this.#put(id, asked);
  }

  #put(id: number, asked: Asked): void {
    const { raft, self, peers } = this.#host;
    const { leader } = raft;
    if (leader === 0) return;
    asked.asked = leader;
    asked.age = 0;
    if (leader === self) this.#answer(asked.request, (response) => this.#settle(id, response));
    else peers.send({ type: "ask-leader", from: self, to: leader, id, request: asked.request });
  }

  #settle(id: number, response: LeaderResponse): void {
    const asked = this.#asked.get(id);
    if (asked === undefined) return;
    const { kind } = response;
    // Whoever was asked has done nothing: the next tick asks whom it takes for the leader then.
    if (kind === "error" && response.message === ErrNotLeader.message) asked.asked = 0;
    else if (kind === "error" || kind === ANSWERS[asked.request.kind]) asked.settle(response);
  }

  #answer(request: LeaderRequest, reply: LeaderReply): void {
    const { raft, leases } = this.#host;
    if (raft.role !== "leader") {
      reply(ErrNotLeader);
      return;
    }
    switch (request.kind) {
      case "lease-keep-alive":
        leases.keepAlive(request.id, reply);
        return;
      case "lease-time-to-live":
        leases.timeToLive(request.id, request.keys === true, reply);
        return;
      case "member-list":
        reply({ kind: "members", members: this.#host.membership.list() });
        return;
      case "transfer-leader":
        this.#beginTransfer(request.to, reply);
        return;
      case "member-update":
        this.#update(request, reply);
        return;
      default:
        this.#change(request, reply);
    }
  }

  #change(
    request: Exclude<MemberRequest, { kind: "member-list" | "member-update" | "transfer-leader" }>,
    reply: LeaderReply,
  ): void {
    const { membership, peers, raft, self } = this.#host;
    const plan = membership.plan(request, self, {
      connected: (member) => peers.connected(member),
      match: (member) => raft.status().progress.find((progress) => progress.member === member)?.match ?? 0,
    });
    if ("code" in plan) {
      reply(plan);
      return;
    }
    const result = this.#host.proposeChange(plan, (outcome) => {
      reply("members" in outcome ? { kind: "members", members: outcome.members } : outcome);
    });
    if (result === "config-change-pending") reply(ErrUnhealthy);
    else if (result === "refused") reply(ErrNotLeader);
  }

  #update(
    { kind: _, ...update }: Extract<MemberRequest, { kind: "member-update" }>,
    reply: LeaderReply,
  ): void {
    const refusal = this.#host.membership.checkUpdate(update);
    if (refusal !== undefined) {
      reply(refusal);
      return;
    }
    const result = this.#host.proposeUpdate(update, (outcome) => {
      reply("members" in outcome ? { kind: "members", members: outcome.members } : outcome);
    });
    if (result !== "proposed") reply(ErrNotLeader);
  }

  #beginTransfer(to: MemberId, reply: LeaderReply): void {
    const { membership, raft, self } = this.#host;
    const member = membership.get(to);
    if (member === undefined || member.learner) {
      reply(ErrBadLeaderTransferee);
      return;
    }
    if (to === self) {
      reply({ kind: "leader-transferred", leader: self });
      return;
    }
    this.#endTransfer(self);
    this.#transfer = { to, reply };
    raft.transferLeader(to);
  }

  #endTransfer(leader: MemberId): void {
    const transfer = this.#transfer;
    if (transfer === undefined) return;
    this.#transfer = undefined;
    transfer.reply(
      transfer.to === leader ? { kind: "leader-transferred", leader } : ErrTimeoutLeaderTransfer,
    );
  }
}

/** A lease's keepalive does no harm twice, a change of membership might. */
function mayRepeat(request: LeaderRequest): boolean {
  return (
    request.kind === "lease-keep-alive" ||
    request.kind === "lease-time-to-live" ||
    request.kind === "member-list" ||
    request.kind === "member-update"
  );
}
