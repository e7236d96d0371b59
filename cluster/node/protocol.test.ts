import { describe, expect, it } from "vitest";
import { encodeCommand } from "../kv/codec.ts";
import type { Command } from "../kv/command.ts";
import { encodeUpdate } from "./membership.ts";
import { encodeProposal } from "./proposal.ts";
import { clientProtocol, type PeerMessage, peerProtocol, snapshotProtocol } from "./protocol.ts";

const bytes = (...values: number[]) => new Uint8Array(values);
const entryOf = (body: Uint8Array) => encodeProposal(1, 1, 1, body);
const jsonEntry = (value: unknown) => entryOf(Buffer.from(JSON.stringify(value)));
const put = (value: string) => entryOf(encodeCommand({ kind: "put", key: "k", value }));
const about = (id: number) => jsonEntry({ id, node: `n${id}`, learner: false });

describe("protocols", () => {
  it("carry every byte of a key, and bytes of entries", () => {
    const key = String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i));
    const request = { kind: "request", id: 1, request: { kind: "put", key, value: key } } as const;
    expect(clientProtocol.decode(clientProtocol.encode(request))).toEqual(request);

    const append: PeerMessage = {
      type: "append",
      from: 1,
      to: 2,
      term: 3,
      previousIndex: 4,
      previousTerm: 3,
      commit: 4,
      entries: [
        { kind: "normal", index: 5, term: 3, data: put('\0\xff\x80"\\') },
        {
          kind: "config",
          index: 6,
          term: 3,
          data: about(2),
          change: { changes: [{ type: "remove", member: 2 }], transition: "auto" },
        },
      ],
    };
    expect(peerProtocol.decode(peerProtocol.encode(append))).toEqual(append);
  });

  it("carry the bytes of a Buffer as plain bytes", () => {
    const transfer = { type: "frame", frame: Buffer.from([1, 2, 3]) } as const;
    const decoded = snapshotProtocol.decode(snapshotProtocol.encode(transfer));
    expect(decoded).toEqual({ type: "frame", frame: bytes(1, 2, 3) });
  });

  it("carry names in any script", () => {
    const request = { kind: "member-update", id: 1, name: "Zoë 日本 😀" } as const;
    const ask: PeerMessage = { type: "ask-leader", from: 1, to: 2, id: 3, request };
    expect(peerProtocol.decode(peerProtocol.encode(ask))).toEqual(ask);
  });

  it("refuse what is no message", () => {
    for (const junk of [bytes(), bytes(123, 123), bytes(2, 0, 0, 0, 52, 50), bytes(255, 255, 255, 255, 1)])
      expect(() => peerProtocol.decode(junk)).toThrow("not a peer message");
  });
});

const envelope = { from: 1, to: 2, term: 3 };
const change = { changes: [{ type: "remove", member: 2 }], transition: "auto" } as const;
const data = put("v");
/** One of each type. */
const samples: { readonly [T in PeerMessage["type"]]: PeerMessage & { readonly type: T } } = {
  append: {
    type: "append",
    ...envelope,
    previousIndex: 4,
    previousTerm: 3,
    commit: 4,
    entries: [
      { kind: "normal", index: 5, term: 3, data },
      { kind: "config", index: 6, term: 3, data: about(2), change },
    ],
  },
  "append-response": {
    type: "append-response",
    ...envelope,
    index: 1,
    reject: true,
    hintIndex: 2,
    hintTerm: 3,
  },
  heartbeat: { type: "heartbeat", ...envelope, commit: 4, context: 5 },
  "heartbeat-response": { type: "heartbeat-response", ...envelope, context: 5 },
  vote: { type: "vote", ...envelope, lastIndex: 1, lastTerm: 2, force: false },
  "pre-vote": { type: "pre-vote", ...envelope, lastIndex: 1, lastTerm: 2, force: false },
  "vote-response": { type: "vote-response", ...envelope, reject: false },
  "pre-vote-response": { type: "pre-vote-response", ...envelope, reject: false },
  "timeout-now": { type: "timeout-now", ...envelope },
  propose: {
    type: "propose",
    ...envelope,
    entries: [
      { kind: "normal", data: bytes() },
      { kind: "normal", data },
    ],
  },
  "read-index": { type: "read-index", ...envelope, context: 5 },
  "read-index-response": { type: "read-index-response", ...envelope, context: 5, index: 6 },
  "transfer-leader": { type: "transfer-leader", ...envelope, transferee: 2 },
  hello: { type: "hello", clusterId: 1, from: 1, to: 2 },
  "ask-leader": {
    type: "ask-leader",
    from: 1,
    to: 2,
    id: 3,
    request: { kind: "member-add", id: 4, node: "n4", learner: true },
  },
  "leader-answer": {
    type: "leader-answer",
    from: 1,
    to: 2,
    id: 3,
    response: { kind: "members", members: [{ id: 4, node: "n4", learner: true, clientUrls: ["u"] }] },
  },
};

/** Every value like `value` with one part of it replaced by something else, or left out. */
function* spoiled(value: unknown): Generator<unknown> {
  if (value instanceof Uint8Array || typeof value !== "object" || value === null) {
    yield* [undefined, null, "x", {}, -1, 0.5].filter(
      (other) => typeof other !== typeof value || other === -1,
    );
    if (typeof value === "number") yield* [1e300, 2 ** 53];
    return;
  }
  for (const [field, part] of Object.entries(value))
    for (const worse of spoiled(part))
      if (Array.isArray(value)) yield value.map((element, i) => (String(i) === field ? worse : element));
      else yield { ...value, [field]: worse };
  yield null;
  yield "x";
}

const refused = (message: PeerMessage) =>
  expect(() => peerProtocol.decode(peerProtocol.encode(message))).toThrow("not a peer message");

describe("a log that makes no sense", () => {
  const { append } = samples;
  const entry = (index: number) => ({ kind: "normal", index, term: 3, data }) as const;

  it.each([
    ["has a gap", [entry(5), entry(7)]],
    ["does not follow what is before it", [entry(6)]],
    ["goes back", [entry(5), entry(5)]],
  ])("is refused when it %s", (_what, entries) => refused({ ...append, entries }));
});

describe("an entry that no member could apply", () => {
  const { append, propose } = samples;
  const lease = { kind: "lease-grant", id: "7", ttl: 60 };
  const txn = (op: unknown) => ({ kind: "txn", compare: [], success: [op], failure: [] });
  const compare = { key: "k", target: "mod", result: "equal", operand: 1 };

  it.each<[string, Uint8Array]>([
    ["noise", bytes(1, 2, 3)],
    ["noise behind a proposer", entryOf(bytes(1, 2, 3))],
    ["nothing behind a proposer", entryOf(bytes())],
    ["JSON that is no command", jsonEntry([])],
    ["a command of no kind", jsonEntry({ kind: "constructor" })],
    ["a query", jsonEntry({ kind: "range", key: "k" })],
    ["a put without a value", jsonEntry({ kind: "put", key: "k" })],
    ["a put of a number", jsonEntry({ kind: "put", key: "k", value: 1 })],
    [
      "a key with characters that are no bytes",
      entryOf(Buffer.from('{"kind":"put","key":"\\u0100","value":""}')),
    ],
    ["a lease whose id is no number", jsonEntry({ ...lease, id: "x" })],
    ["a lease for a moment and a half", jsonEntry({ ...lease, ttl: 1.5 })],
    ["a transaction of nothing that is", jsonEntry(txn(null))],
    ["a nested transaction that holds one", jsonEntry(txn(txn({ kind: "compact", revision: 1 })))],
    [
      "a comparison with the wrong kind",
      jsonEntry({ ...txn(lease), success: [], compare: [{ ...compare, operand: "1" }] }),
    ],
    ["an alarm of no kind", jsonEntry({ kind: "alarm", action: "activate", member: "1", alarm: "fire" })],
    ["a caller that is nobody", jsonEntry({ kind: "compact", revision: 1, caller: { user: 1 } })],
    ["an update of no member", entryOf(encodeUpdate({ id: -1, name: "n" }))],
    ["half an update", entryOf(encodeUpdate({ id: 1, name: "n" }).subarray(0, 9))],
  ])("is refused, appended or proposed: %s", (_what, data) => {
    refused({ ...append, entries: [{ kind: "normal", index: 5, term: 3, data }] });
    refused({ ...propose, entries: [{ kind: "normal", data }] });
  });

  it("is refused when it is nested beyond all measure", () => {
    const deep = `${'{"kind":"txn","compare":[],"failure":[],"success":['.repeat(50_000)}${"]}".repeat(50_000)}`;
    refused({ ...propose, entries: [{ kind: "normal", data: entryOf(Buffer.from(deep)) }] });
  });

  it.each<[string, object]>([
    ["of nobody that is known", { data: bytes() }],
    ["of one member that tells of another", { data: about(3) }],
    ["of a member that says nothing of itself", { data: jsonEntry({}) }],
    ["of a member with noise", { data: bytes(1, 2, 3) }],
    ["of two members at once", { change: { ...change, changes: [...change.changes, ...change.changes] } }],
  ])("is refused as a change of configuration %s", (_what, part) => {
    const entry = { kind: "config", index: 5, term: 3, data: about(2), change, ...part } as const;
    refused({ ...append, entries: [entry] });
  });

  it("is none of these", () => {
    const commands: Command[] = [
      { kind: "txn", compare: [{ ...compare, target: "mod", result: "equal" }], success: [], failure: [] },
      { kind: "lease-grant", id: "-9223372036854775808", ttl: 60, caller: { user: "u", revision: 3 } },
      { kind: "lease-checkpoint", leases: [{ id: "7", remaining: 3 }], caller: "member" },
      { kind: "alarm", action: "activate", member: "18446744073709551615", alarm: "nospace" },
    ];
    const bodies = [...commands.map(encodeCommand), encodeUpdate({ id: 1, name: "日本" })];
    const entries = bodies.map((body) => ({ kind: "normal", data: entryOf(body) }) as const);
    const leaving = {
      kind: "config",
      index: 5,
      term: 3,
      data: bytes(),
      change: { ...change, changes: [] },
    } as const;
    for (const message of [
      { ...propose, entries },
      { ...append, entries: [leaving] },
    ])
      expect(peerProtocol.decode(peerProtocol.encode(message))).toEqual(message);
  });

  it("is a change of configuration when it is proposed, which only leaders do", () => {
    const entries = [{ kind: "config", data: about(2), change }] as const;
    refused({ ...propose, entries });
  });
});

describe("a message that would take more memory than it has bytes", () => {
  const message = (text: string, ...after: number[]) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(text.length);
    return Buffer.concat([length, Buffer.from(text), bytes(...after)]);
  };
  const frame = (span: string) => `{"type":"frame","frame":{"$bytes":${span}}}`;

  it("is refused", () => {
    expect(snapshotProtocol.decode(message(frame("[0,2]"), 7, 8))).toEqual({
      type: "frame",
      frame: bytes(7, 8),
    });
    for (const span of ["[1,1]", "[0,3]", "[0,-1]", "[0,0.5]", "[0]", "7", "null"])
      expect(() => snapshotProtocol.decode(message(frame(span), 7, 8))).toThrow("not a snapshot message");
    const twice = `{"type":"frame","frame":{"$bytes":[0,2]},"again":{"$bytes":[0,2]}}`;
    expect(() => snapshotProtocol.decode(message(twice, 7, 8))).toThrow("not a snapshot message");
    const long = `{"type":"taken"${" ".repeat(16 << 20)}}`;
    expect(() => snapshotProtocol.decode(message(long))).toThrow("not a snapshot message");
  });
});

describe("counts that no log on disk can hold", () => {
  const absurd = 2 ** 47;
  it.each([
    { ...samples.heartbeat, term: absurd },
    { ...samples.heartbeat, commit: absurd },
    { ...samples.heartbeat, from: 2 * absurd },
    { ...samples.vote, lastIndex: absurd },
    { ...samples["append-response"], index: absurd },
    { ...samples["append-response"], hintTerm: absurd },
    { ...samples.append, previousIndex: absurd, entries: [] },
    { ...samples["read-index-response"], index: absurd },
    { ...samples["transfer-leader"], transferee: 2 * absurd },
  ])("are refused: $type", (message) => refused(message));
});

describe.each(Object.entries(samples))("a peer message of type %s", (_type, sample) => {
  it("crosses the wire", () => {
    expect(peerProtocol.decode(peerProtocol.encode(sample))).toEqual(sample);
  });

  it("is refused when any part of it is not what it should be", () => {
    const accepted = [...spoiled(sample)].filter((message) => {
      try {
        peerProtocol.decode(peerProtocol.encode(message as PeerMessage));
        return true;
      } catch {
        return false;
      }
    });
    // What a member has not published yet may be missing.
    expect(accepted.filter((message) => !JSON.stringify(message).includes('"learner":true}'))).toEqual([]);
  });
});
