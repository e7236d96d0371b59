/**
 * Whether something that came over a wire has the shape of a message between members. The node behind it trusts what
 * it is given: a field that is missing would otherwise surface as a crash far from here.
 */
import type { Entry, Message, Proposal } from "../raft/message.ts";
import { U48_LIMIT } from "./bytes.ts";
import type { LeaderRequest, PeerMessage, RaftMessage, SnapshotTransfer } from "./protocol.ts";
import type { SnapshotHead } from "./snapshot-format.ts";

type Check = (value: unknown) => boolean;
/** A check for each field but those that the union is told apart by. */
type Shape<M, Known extends PropertyKey> = {
  readonly [F in keyof Omit<M, Known>]-?: Check;
};
/** The member of a union that a tag stands for, also when it shares it with other tags. */
type Case<M, Tag extends keyof M, T> = M extends unknown ? (T extends M[Tag] ? M : never) : never;
type Shapes<M, Tag extends keyof M, Known extends PropertyKey> = {
  readonly [T in M[Tag] & string]: Shape<Case<M, Tag, T>, Known>;
};

export function isObject(value: unknown): value is { readonly [field: string]: unknown } {
  return typeof value === "object" && value !== null;
}

const below =
  (limit: number): Check =>
  (value) =>
    Number.isInteger(value) && (value as number) >= 0 && (value as number) < limit;
/** Of members and clusters; and what is only sent back. */
const id = below(U48_LIMIT);
const number = below(Number.MAX_SAFE_INTEGER);
/** Terms and indexes: no cluster lives to count so far, and a member that counts on from here can still write it down. */
const count = below(U48_LIMIT / 2);
const boolean: Check = (value) => typeof value === "boolean";
const string: Check = (value) => typeof value === "string";
const bytes: Check = (value) => value instanceof Uint8Array;
const list =
  (each: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(each);
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);
const shaped =
  (shape: { readonly [field: string]: Check }): Check =>
  (value) =>
    isObject(value) && Object.entries(shape).every(([field, check]) => check(value[field]));

/** One of a union, told apart by `tag`. */
function union<M, Tag extends keyof M & string, Known extends PropertyKey>(
  tag: Tag,
  common: { readonly [field: string]: Check },
  shapes: Shapes<M, Tag, Known>,
): Check {
  const byTag = new Map(
    Object.entries<{ readonly [field: string]: Check }>(shapes).map(([name, shape]) => [
      name,
      shaped({ ...common, ...shape }),
    ]),
  );
  return (value) => isObject(value) && byTag.get(value[tag] as string)?.(value) === true;
}

const change = shaped({
  changes: list(
    shaped({
      type: (value) => value === "add-voter" || value === "add-learner" || value === "remove",
      member: id,
    }),
  ),
  transition: (value) => value === "auto" || value === "implicit" || value === "explicit",
});
const entry = union<Entry, "kind", "kind">(
  "kind",
  {},
  {
    normal: { index: count, term: count, data: bytes },
    config: { index: count, term: count, data: bytes, change },
  },
);
const proposal = union<Proposal, "kind", "kind">(
  "kind",
  {},
  {
    normal: { data: bytes },
    config: { data: bytes, change },
  },
);
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
const isSnapshotHeadLike = shaped({
  meta: snapshotMeta,
  members: list(shaped({ id, node: string, learner: boolean })),
});

export function isSnapshotHead(value: unknown): value is SnapshotHead {
  return isSnapshotHeadLike(value);
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
    "member-update": {
      id,
      node: optional(string),
      name: optional(string),
      clientUrls: optional(list(string)),
    },
    "transfer-leader": { to: id },
  },
);
/** Only handed on. */
const leaderResponse = shaped({ kind: string });

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
  return message.type !== "append" || isPartOfLog(message);
}

/** Entries follow what is before them, and each other. */
function isPartOfLog({ previousIndex, entries }: Message & { readonly type: "append" }): boolean {
  return entries.every(({ index }, i) => index === previousIndex + 1 + i);
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
