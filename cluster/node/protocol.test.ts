import { describe, expect, it } from "vitest";
import { clientProtocol, type PeerMessage, peerProtocol, snapshotProtocol } from "./protocol.ts";

const bytes = (...values: number[]) => new Uint8Array(values);

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
        { kind: "normal", index: 5, term: 3, data: bytes(0, 255, 128, 34, 92) },
        {
          kind: "config",
          index: 6,
          term: 3,
          data: bytes(),
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
const data = bytes(1, 2, 3);
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
      { kind: "config", index: 6, term: 3, data, change },
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
      { kind: "config", data: bytes(), change },
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
    response: { kind: "members", members: [] },
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
    // What the leader answers is only handed on.
    const loose = accepted.filter((message) => (message as PeerMessage).type !== "leader-answer");
    expect(loose).toEqual([]);
  });
});
