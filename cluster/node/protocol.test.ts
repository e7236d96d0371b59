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
    const configuration = {
      voters: [1],
      votersOutgoing: [],
      learners: [],
      learnersNext: [],
      autoLeave: false,
    };
    const snapshot = { meta: { index: 1, term: 1, configuration }, data: Buffer.from([1, 2, 3]) };
    const transfer = {
      type: "hello",
      clusterId: 1,
      message: { type: "snapshot", from: 1, to: 2, term: 1, snapshot },
    } as const;
    const decoded = snapshotProtocol.decode(snapshotProtocol.encode(transfer));
    expect(decoded).toMatchObject({ message: { snapshot: { data: bytes(1, 2, 3) } } });
  });

  it("refuse what is no message", () => {
    expect(() => peerProtocol.decode(bytes(123, 123))).toThrow();
    expect(() => peerProtocol.decode(bytes(52))).toThrow("not a peer message");
  });
});
