/** What peers might say that are broken, or lie: bytes for the fuzzer. */

import { encodeCommand } from "../cluster/kv/codec.ts";
import type { Command } from "../cluster/kv/command.ts";
import { Store } from "../cluster/kv/store.ts";
import { frameOf } from "../cluster/live/frames.ts";
import { encodeHello } from "../cluster/live/handshake.ts";
import { encodeUpdate } from "../cluster/node/membership.ts";
import { encodeProposal } from "../cluster/node/proposal.ts";
import { type PeerMessage, peerProtocol, snapshotProtocol } from "../cluster/node/protocol.ts";
import { framesOf } from "../cluster/node/snapshot-format.ts";
import type { Configuration } from "../cluster/raft/message.ts";
import type { Random } from "../src/runtime/random.ts";

/** Whom a peer believes to speak to, and how far it has come. */
export interface PeerTarget {
  readonly clusterId: number;
  readonly member: number;
  /** A learner: a member, without a vote. */
  readonly liar: number;
  readonly index: number;
  readonly term: number;
}

export function noise(random: Random, most: number): Buffer {
  return Buffer.from(Array.from({ length: random.below(most) }, () => random.below(256)));
}

/** With some bytes changed, left out, or repeated. */
export function broken(random: Random, bytes: Buffer): Buffer {
  let changed = Buffer.from(bytes);
  for (let i = random.below(4); i > 0 && changed.length > 0; i--) {
    const at = random.below(changed.length);
    switch (random.below(3)) {
      case 0:
        changed[at] = random.pick([0, 1, 0x7f, 0x80, 0xff, random.below(256)]);
        break;
      case 1:
        changed = Buffer.concat([changed.subarray(0, at), changed.subarray(at + 1 + random.below(8))]);
        break;
      default:
        changed = Buffer.concat([changed.subarray(0, at), noise(random, 8), changed.subarray(at)]);
    }
  }
  return changed;
}

/** A message of a peer, in form or not, after a handshake that is right or not. */
export function peerBytes(random: Random): Buffer[] {
  const hello = encodeHello({
    clusterId: random.pick([0, 1]),
    member: random.pick([0, 7]),
    node: "http://127.0.0.1:1",
    port: random.pick(["peer", "snapshot", "members", "client", ""]),
  });
  const message = peerProtocol.encode({ type: "hello", clusterId: 1, from: 7, to: random.below(3) });
  const frame = (payload: Uint8Array) => Buffer.from(frameOf(payload));
  switch (random.below(4)) {
    case 0:
      return [noise(random, 400)];
    case 1:
      return [broken(random, frame(hello)), noise(random, 100)];
    case 2:
      return [frame(hello), frame(message), frame(broken(random, Buffer.from(message)))];
    default:
      return [frame(broken(random, Buffer.from(hello))), frame(noise(random, 2000))];
  }
}

const COUNTS = [
  0,
  1,
  2,
  3,
  5,
  1_000,
  2 ** 32,
  2 ** 47 - 1,
  2 ** 47,
  2 ** 48 - 1,
  2 ** 48,
  2 ** 53 - 1,
  1e300,
  -1,
];

const frame = (payload: Uint8Array) => Buffer.from(frameOf(payload));

/** From the greeting on: as the liar, or as a stranger. */
function greeting(random: Random, { clusterId, member, liar }: PeerTarget, port: string, term?: number) {
  const from = random.chance(0.8) ? liar : 7;
  const hello = { type: "hello", clusterId, from, to: member, ...(term !== undefined && { term }) };
  const greeted = [
    frame(encodeHello({ clusterId, member: from, node: "http://127.0.0.1:1", port })),
    frame(peerProtocol.encode(hello as PeerMessage)),
  ];
  return { from, greeted };
}

/** Something else in the place of one of its parts, or of what is in that. */
function bent(random: Random, value: unknown): unknown {
  if (typeof value !== "object" || value === null || random.chance(0.2))
    return random.pick([null, 0, -1, 1.5, 1e300, 2 ** 53, "", "x", "\u0100", [], {}, true, "-5"]);
  const entries = Object.entries(value);
  if (entries.length === 0) return [value];
  const [field, part] = random.pick(entries);
  return Array.isArray(value)
    ? value.with(Number(field), bent(random, part))
    : { ...value, [field]: bent(random, part) };
}

/** Of every kind but those that would shut out well-meant requests for good. */
function command(random: Random): Command {
  const key = random.pick(["a", "b", "\0", "\xff".repeat(300)]);
  const id = random.pick(["1", "7", "-9223372036854775808", "9223372036854775807"]);
  const number = () => random.pick(COUNTS.filter(Number.isInteger));
  const put = { kind: "put", key, value: "v", lease: random.pick(["0", id]) } as const;
  const range = { kind: "range", key, rangeEnd: "\0", limit: number(), revision: number() } as const;
  const compare = { key, target: "mod", result: "greater", operand: number() } as const;
  const txn = { kind: "txn", compare: [compare], success: [put, range], failure: [range] } as const;
  const name = random.pick(["ann", ""]);
  return random.pick<Command>([
    put,
    { kind: "delete-range", key, rangeEnd: "\0", prevKv: true },
    txn,
    { ...txn, success: [txn, txn], failure: [{ ...txn, failure: [txn] }] },
    { kind: "compact", revision: number() },
    { kind: "lease-grant", id, ttl: number() },
    { kind: "lease-revoke", id },
    { kind: "lease-checkpoint", leases: [{ id, remaining: number() }], caller: "member" },
    { kind: "alarm", action: "activate", member: "5", alarm: random.pick(["nospace", "corrupt", "none"]) },
    { kind: "user-add", name, password: "p", noPassword: false },
    { kind: "user-grant-role", name, role: "r" },
    { kind: "role-add", name: "r" },
    { kind: "role-grant-permission", name: "r", permission: { type: "read", key, rangeEnd: "" } },
    { kind: "authenticate", name, token: "t", issued: number(), revision: number() },
  ]);
}

/** What an entry may hold, or nearly. */
function content(random: Random, { member, liar }: PeerTarget): Uint8Array {
  const sound = command(random);
  const body = random.pick([
    () => encodeCommand(sound),
    () => encodeCommand(sound),
    () => encodeCommand(bent(random, sound) as Command),
    () => encodeUpdate({ id: random.pick([member, liar, 7]), name: random.pick(["n", "日本"]), node: "x" }),
    () => broken(random, Buffer.from(encodeCommand(sound))),
    () => noise(random, 50),
  ])();
  return random.chance(0.95) ? encodeProposal(random.pick([member, liar]), 1, random.below(100), body) : body;
}

/**
 * What a peer says that knows whom it speaks to: in form, or nearly, and far off. Left out is what a peer has the
 * right to bring about: other members, and a commit of what is not there, which proves that something durable was
 * lost and must end the member.
 */
export function peerTalk(random: Random, target: PeerTarget): Buffer[] {
  const { member, index, term: newest } = target;
  const { from, greeted } = greeting(random, target, "peer");
  // What is out of bounds ends the connection: mostly it has to be kept.
  const count = () => (random.chance(0.95) ? random.pick(COUNTS.slice(0, 8)) : random.pick(COUNTS));
  const near = () => random.pick([index, index + 1, random.below(index + 1), count()]);
  const term = () =>
    random.chance(0.98)
      ? random.pick([newest, newest, newest + 1, random.below(newest + 1)])
      : random.pick([newest + 2 ** 33, 2 ** 47, 2 ** 53]);
  const raft = () => ({ from: random.chance(0.98) ? from : 8, to: member, term: term() });
  const entry = (at: number) => ({
    kind: random.chance(0.98) ? "normal" : "none",
    index: at,
    term: term(),
    data: random.chance(0.2) ? new Uint8Array(0) : content(random, target),
  });
  const append = () => {
    const previousIndex = near();
    const at = random.chance(0.95) ? previousIndex + 1 : count();
    const entries = Array.from({ length: random.below(4) }, (_, i) => entry(at + i));
    return { type: "append", ...raft(), previousIndex, previousTerm: term(), commit: near(), entries };
  };
  const log = () => ({ lastIndex: near(), lastTerm: term(), force: random.chance(0.5) });
  const messages: readonly (() => object)[] = [
    append,
    append,
    append,
    () => ({
      type: "append-response",
      ...raft(),
      index: near(),
      reject: random.chance(0.5),
      hintIndex: near(),
      hintTerm: term(),
    }),
    () => ({ type: "propose", ...raft(), entries: [{ kind: "normal", data: content(random, target) }] }),
    () => ({ type: "heartbeat", ...raft(), commit: random.below(index), context: count() }),
    () => ({ type: "heartbeat-response", ...raft(), context: count() }),
    () => ({ type: "vote", ...raft(), ...log() }),
    () => ({ type: "pre-vote", ...raft(), ...log() }),
    () => ({ type: "vote-response", ...raft(), reject: random.chance(0.5) }),
    () => ({ type: "pre-vote-response", ...raft(), reject: random.chance(0.5) }),
    () => ({ type: "timeout-now", ...raft() }),
    () => ({ type: "read-index", ...raft(), context: count() }),
    () => ({ type: "read-index-response", ...raft(), context: count(), index: near() }),
    () => ({ type: "transfer-leader", ...raft(), transferee: random.pick([from, member, 0]) }),
    () => ({
      type: "ask-leader",
      from,
      to: member,
      id: count(),
      request: random.pick([
        { kind: "member-list" },
        { kind: "lease-keep-alive", id: String(count()) },
        { kind: "lease-time-to-live", id: "x", keys: true },
        { kind: "member-promote", id: random.pick([from, count()]) },
        { kind: "member-update", id: from, name: "liar", clientUrls: ["no URL"] },
        { kind: "transfer-leader", to: count() },
        { kind: "member-add" },
        null,
      ]),
    }),
    () => ({
      type: "leader-answer",
      from,
      to: member,
      id: 2 ** 32 + random.below(1000),
      response: random.pick([
        { kind: "members", members: [] },
        { kind: "members" },
        { kind: "lease-keep-alive", id: "1", ttl: 5 },
        { kind: "leader-transferred", leader: from },
        { kind: "error", code: "UNKNOWN", message: "no" },
        { kind: "error", code: 7 },
      ]),
    }),
    () => ({ type: "frame", frame: noise(random, 100) }),
  ];
  const talk = Array.from({ length: random.between(1, 20) }, () => {
    const bytes = Buffer.from(peerProtocol.encode(random.pick(messages)() as PeerMessage));
    return frame(random.chance(0.98) ? bytes : broken(random, bytes));
  });
  return [...greeted, ...talk];
}

const NONSENSE: readonly Partial<Configuration>[] = [
  { voters: [] },
  { voters: [2, 1] },
  { voters: [0] },
  { learners: [1] },
  { votersOutgoing: [1], learnersNext: [2] },
  { autoLeave: true },
  { voters: "all" as never },
];

/** A snapshot whose frames check out, while something in them does not. */
export function peerSnapshot(random: Random, target: PeerTarget): Buffer[] {
  const store = new Store({ bug: "" });
  for (let i = random.below(30); i > 0; i--) store.apply(command(random));
  const sense = { voters: [1], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
  const configuration = random.chance(0.3) ? { ...sense, ...random.pick(NONSENSE) } : sense;
  const index = random.pick([...COUNTS, target.index + 10]);
  const meta = { index, term: random.pick([target.term, ...COUNTS]), configuration };
  const chunks = [...store.snapshot(random.pick([1, 100, 1 << 20]))].map((chunk) => Buffer.from(chunk));
  const worse = chunks.map((chunk) => (random.chance(0.5) ? broken(random, chunk) : chunk));
  const same = configuration === sense && worse.every((chunk, i) => chunk.equals(chunks[i] as Buffer));
  // A state that makes sense is one that a peer has the right to send.
  const frames = [...framesOf({ meta, members: [], chunks: same ? worse.slice(1) : worse })];
  const kept = random.chance(0.8) ? frames : frames.toSpliced(random.below(frames.length), 1);
  return [
    ...greeting(random, target, "snapshot", random.chance(0.9) ? target.term : random.pick(COUNTS)).greeted,
    ...kept.map((each) => frame(snapshotProtocol.encode({ type: "frame", frame: each }))),
  ];
}
