/**
 * Who belongs to the cluster, and where: replicated through the log's config entries and kept in snapshots, so
 * that a member that comes late learns the addresses of all. Who votes is raft's business; `learner` follows it.
 */
import type { NodeId } from "../../src/history/op.ts";
import type { StatusError } from "../kv/request.ts";
import type { ConfigChange, Configuration, MemberId } from "../raft/message.ts";
import { PROPOSAL_HEADER_BYTES } from "./proposal.ts";
import type { MemberRequest } from "./protocol.ts";

export interface Member {
  readonly id: MemberId;
  readonly node: NodeId;
  readonly learner: boolean;
  /** What the member has published of itself, once it has started. */
  readonly name?: string;
  readonly clientUrls?: readonly string[];
}

/** A change of what is known about a member; its place in the cluster stays. */
export type MemberUpdate = { readonly id: MemberId } & Partial<Pick<Member, "node" | "name" | "clientUrls">>;

function failed(message: string): StatusError {
  return { kind: "error", code: "FAILED_PRECONDITION", message: `etcdserver: ${message}` };
}
export const ErrMemberNotFound: StatusError = {
  kind: "error",
  code: "NOT_FOUND",
  message: "etcdserver: member not found",
};
export const ErrMemberExist = failed("member ID already exist");
export const ErrPeerURLExist = failed("Peer URLs already exists");
export const ErrNotEnoughStarted = failed("re-configuration failed due to not enough started members");
export const ErrMemberNotLearner = failed("can only promote a learner member");
export const ErrLearnerNotReady = failed("can only promote a learner member which is in sync with leader");
export const ErrTooManyLearners = failed("too many learner members in cluster");

/** As in etcd: one learner at a time. */
const MAX_LEARNERS = 1;
/** A learner is in sync when it has this part of the leader's log, as in etcd. */
const READY_FRACTION = 0.9;

/** A change of membership as it goes through the log. */
export interface MemberChange {
  readonly change: ConfigChange;
  readonly member: Member;
}

/** Begins a log entry that holds an update. Every other one is a command in JSON, which begins with a brace. */
const UPDATE = 0x55;

export function encodeUpdate(update: MemberUpdate): Uint8Array {
  return Uint8Array.of(UPDATE, ...new TextEncoder().encode(JSON.stringify(update)));
}

/** Whether an entry with this data holds an update. Asked of every entry: nothing is made for it. */
export function isUpdate(data: Uint8Array): boolean {
  return data[PROPOSAL_HEADER_BYTES] === UPDATE;
}

export function decodeUpdate(data: Uint8Array): MemberUpdate {
  return JSON.parse(new TextDecoder().decode(data.subarray(PROPOSAL_HEADER_BYTES + 1))) as MemberUpdate;
}

/** What applying a change gives whoever asked for it. */
export interface MembersChanged {
  readonly members: readonly Member[];
}

/** What the leader knows of its peers, for the checks. */
export interface PeerView {
  connected(member: MemberId): boolean;
  /** Last index known to be in the member's log. */
  match(member: MemberId): number;
}

export class Membership {
  readonly #members = new Map<MemberId, Member>();

  constructor(members: readonly Member[]) {
    for (const member of members) this.#members.set(member.id, member);
  }

  /** By id. */
  list(): readonly Member[] {
    return [...this.#members.values()].sort((a, b) => a.id - b.id);
  }

  get(id: MemberId): Member | undefined {
    return this.#members.get(id);
  }

  apply({ change, member }: MemberChange): void {
    for (const { type, member: id } of change.changes) {
      if (type === "remove") this.#members.delete(id);
      else this.#members.set(id, { ...member, learner: type === "add-learner" });
    }
  }

  update({ id, ...fields }: MemberUpdate): void {
    const known = this.#members.get(id);
    if (known !== undefined) this.#members.set(id, { ...known, ...fields });
  }

  /** Why the leader refuses an update, if so. */
  checkUpdate({ id, node }: MemberUpdate): StatusError | undefined {
    if (!this.#members.has(id)) return ErrMemberNotFound;
    for (const member of this.#members.values())
      if (member.id !== id && member.node === node) return ErrPeerURLExist;
    return undefined;
  }

  /** The change a request asks for, or why the leader `self` refuses it. */
  plan(
    request: Extract<MemberRequest, { kind: "member-add" | "member-promote" | "member-remove" }>,
    self: MemberId,
    peers: PeerView,
  ): MemberChange | StatusError {
    const known = this.#members.get(request.id);
    const healthy = (voters: readonly Member[]) => {
      const up = voters.filter((voter) => voter.id === self || peers.connected(voter.id)).length;
      return up > voters.length / 2;
    };
    const voters = [...this.#members.values()].filter((member) => !member.learner);
    switch (request.kind) {
      case "member-add": {
        if (known !== undefined) return ErrMemberExist;
        const { id, node, learner } = request;
        for (const member of this.#members.values()) if (member.node === node) return ErrPeerURLExist;
        const added: Member = { id, node, learner };
        if (learner && this.#members.size - voters.length >= MAX_LEARNERS) return ErrTooManyLearners;
        if (!learner && !healthy([...voters, added])) return ErrNotEnoughStarted;
        return single(learner ? "add-learner" : "add-voter", added);
      }
      case "member-promote": {
        if (known === undefined) return ErrMemberNotFound;
        if (!known.learner) return ErrMemberNotLearner;
        if (peers.match(known.id) < READY_FRACTION * peers.match(self)) return ErrLearnerNotReady;
        if (!healthy([...voters, known])) return ErrNotEnoughStarted;
        return single("add-voter", { ...known, learner: false });
      }
      case "member-remove": {
        if (known === undefined) return ErrMemberNotFound;
        const rest = voters.filter((voter) => voter.id !== known.id);
        if (!known.learner && (rest.length === 0 || !healthy(rest))) return ErrNotEnoughStarted;
        return single("remove", known);
      }
    }
  }
}

function single(type: ConfigChange["changes"][number]["type"], member: Member): MemberChange {
  return { change: { changes: [{ type, member: member.id }], transition: "auto" }, member };
}

/** The configuration a cluster of these members begins with. */
export function initialConfiguration(members: readonly Member[]): Configuration {
  const ids = (learner: boolean) =>
    members
      .filter((member) => member.learner === learner)
      .map((member) => member.id)
      .sort((a, b) => a - b);
  return {
    voters: ids(false),
    votersOutgoing: [],
    learners: ids(true),
    learnersNext: [],
    autoLeave: false,
  };
}
