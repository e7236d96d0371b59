/**
 * Whether something that came over a wire has the shape of a message between members. The node behind it trusts what
 * it is given: a field that is missing would otherwise surface as a crash far from here.
 */

import {
  below,
  boolean,
  type Check,
  integer,
  list,
  oneOf,
  optional,
  type Shapes,
  shaped,
  string,
  union,
} from "../kv/check.ts";
import { decodeCommand } from "../kv/codec.ts";
import type { Command } from "../kv/command.ts";
import { isCommand } from "../kv/command-shape.ts";
import { STATUS_CODES } from "../kv/request.ts";
import { makesSense } from "../raft/configuration.ts";
import type { ConfigChange, Entry, Message } from "../raft/message.ts";
import { U48_LIMIT } from "./bytes.ts";
import { commandOf } from "./entry-command.ts";
import { decodeUpdate, isUpdate, type Member } from "./membership.ts";
import { proposalBody } from "./proposal.ts";
import type {
  LeaderRequest,
  LeaderResponse,
  PeerMessage,
  RaftMessage,
  SnapshotTransfer,
} from "./protocol.ts";
import type { SnapshotHead } from "./snapshot-format.ts";

type Append = Message & { readonly type: "append" };
type Propose = Message & { readonly type: "propose" };

/** Of members and clusters; and what is only sent back. */
const id = below(U48_LIMIT);
const number = below(Number.MAX_SAFE_INTEGER);
/** Terms and indexes: no cluster lives to count so far, and a member that counts on from here can still write it down. */
const count = below(U48_LIMIT / 2);
const bytes: Check = (value) => value instanceof Uint8Array;
const change = shaped({
  changes: list(shaped({ type: oneOf("add-voter", "add-learner", "remove"), member: id })),
  transition: oneOf("auto", "implicit", "explicit"),
});
const entry = union<Entry, "kind", "kind">(
  "kind",
  {},
  {
    normal: { index: count, term: count, data: bytes },
    config: { index: count, term: count, data: bytes, change },
  },
);
/** Changes of the cluster are proposed by its leader alone. */
const proposal = shaped({ kind: oneOf("normal"), data: bytes });
const snapshotMeta = shaped({
  index: count,
  term: count,
  configuration: shaped({
    voters: list(id),
    votersOutgoing: list(id),
    learners: list(id),
    learnersNext: list(id),
    autoLeave: boolean,
  }),
});
const updated = {
  id,
  node: optional(string),
  name: optional(string),
  clientUrls: optional(list(string)),
};
const update = shaped(updated);
const member = shaped({ ...updated, node: string, learner: boolean });
const isSnapshotHeadLike = shaped({ meta: snapshotMeta, members: list(member) });

export function isSnapshotHead(value: unknown): value is SnapshotHead {
  return isSnapshotHeadLike(value) && makesSense((value as SnapshotHead).meta.configuration);
}

const leaderRequest = union<LeaderRequest, "kind", "kind">(
  "kind",
  {},
  {
    "lease-keep-alive": { id: string },
    "lease-time-to-live": { id: string, keys: optional(boolean) },
    "member-list": {},
    "member-add": { id, node: string, learner: boolean },
    "member-promote": { id },
    "member-remove": { id },
    "member-update": updated,
    "transfer-leader": { to: id },
  },
);
const leaderResponse = union<LeaderResponse, "kind", "kind">(
  "kind",
  {},
  {
    "lease-keep-alive": { id: string, ttl: integer },
    "lease-time-to-live": { id: string, ttl: integer, grantedTtl: integer, keys: list(string) },
    members: { members: list(member) },
    "leader-transferred": { leader: id },
    error: { code: oneOf(...STATUS_CODES), message: string },
  },
);

type Addressed = "type" | "from" | "to";
const addressed = { from: id, to: id };
const raft = { ...addressed, term: count };

const raftShapes: Shapes<RaftMessage, "type", Addressed | "term"> = {
  append: { previousIndex: count, previousTerm: count, entries: list(entry), commit: count },
  "append-response": { index: count, reject: boolean, hintIndex: count, hintTerm: count },
  heartbeat: { commit: count, context: number },
  "heartbeat-response": { context: number },
  vote: { lastIndex: count, lastTerm: count, force: boolean },
  "pre-vote": { lastIndex: count, lastTerm: count, force: boolean },
  "vote-response": { reject: boolean },
  "pre-vote-response": { reject: boolean },
  "timeout-now": {},
  propose: { entries: list(proposal) },
  "read-index": { context: number },
  "read-index-response": { context: number, index: count },
  "transfer-leader": { transferee: id },
};
const isRaftMessageLike = union<RaftMessage, "type", Addressed | "term">("type", raft, raftShapes);

function isRaftMessage(value: unknown): value is RaftMessage {
  if (!isRaftMessageLike(value)) return false;
  const message = value as RaftMessage;
  if (message.type === "append") return isPartOfLog(message) && message.entries.every(isSound);
  return message.type !== "propose" || message.entries.every(mayBecomeEntry);
}

/** Entries follow what is before them, and each other. */
function isPartOfLog({ previousIndex, entries }: Append): boolean {
  return entries.every(({ index }, i) => index === previousIndex + 1 + i);
}

/** Every member will apply what is in the log: what none of them could must not get there. */
function isSound(entry: Entry): boolean {
  return entry.kind === "normal"
    ? isBody(entry.data, () => commandOf(entry))
    : isChange(entry.change, entry.data);
}

function mayBecomeEntry({ data }: Propose["entries"][number]): boolean {
  return isBody(data, () => decodeCommand(proposalBody(data)));
}

/** What members put into an entry: nothing, what is new about a member, or a command. */
function isBody(data: Uint8Array, decoded: () => Command): boolean {
  if (data.length === 0) return true;
  try {
    return isUpdate(data) ? update(decodeUpdate(data)) : isCommand(decoded());
  } catch {
    return false;
  }
}

/** Raft's own, of which it says nothing more, or one of a single member, with what is known of it. */
function isChange({ changes }: ConfigChange, data: Uint8Array): boolean {
  if (data.length === 0) return changes.length === 0;
  try {
    const about: unknown = JSON.parse(new TextDecoder().decode(proposalBody(data)));
    return member(about) && changes.length === 1 && changes[0]?.member === (about as Member).id;
  } catch {
    return false;
  }
}

type OwnMessage = Exclude<PeerMessage, RaftMessage>;
const isOwnMessage = union<OwnMessage, "type", Addressed>("type", addressed, {
  hello: { clusterId: id },
  "ask-leader": { id: number, request: leaderRequest },
  "leader-answer": { id: number, response: leaderResponse },
});

export function isPeerMessage(value: unknown): value is PeerMessage {
  return isRaftMessage(value) || isOwnMessage(value);
}

export const isSnapshotTransfer = union<SnapshotTransfer, "type", "type">(
  "type",
  {},
  {
    hello: { clusterId: id, from: id, to: id, term: count },
    frame: { frame: bytes },
    taken: {},
    received: {},
  },
);
