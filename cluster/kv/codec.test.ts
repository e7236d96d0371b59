import { describe, expect, it } from "vitest";
import { decodeCommand, encodeCommand } from "./codec.ts";
import type { Command } from "./command.ts";

const everyByte = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join("");

describe("codec", () => {
  it.each<Command>([
    { kind: "put", key: everyByte, value: everyByte, lease: "-9223372036854775808", prevKv: true },
    { kind: "delete-range", key: "a", rangeEnd: "\0" },
    {
      kind: "txn",
      compare: [{ key: "a", target: "mod", result: "less", operand: Number.MAX_SAFE_INTEGER }],
      success: [{ kind: "txn", compare: [], success: [], failure: [{ kind: "range", key: "\xff" }] }],
      failure: [],
    },
    { kind: "compact", revision: 7, physical: true },
    { kind: "lease-grant", id: "7", ttl: 9_000_000_000 },
    { kind: "lease-revoke", id: "7" },
    { kind: "lease-checkpoint", leases: [{ id: "7", remaining: 3 }] },
  ])("gives back $kind", (command) => {
    const bytes = encodeCommand(command);
    expect(decodeCommand(bytes)).toEqual(command);
    // A view into something larger, as a log hands it out.
    const framed = new Uint8Array([1, 2, 3, ...bytes, 4]);
    expect(decodeCommand(framed.subarray(3, 3 + bytes.length))).toEqual(command);
  });

  it.each(["", "{", "null", "[]", '"put"', "{}", '{"kind":"range","key":"a"}', '{"kind":7}'])(
    "refuses %j",
    (text) => {
      expect(() => decodeCommand(Buffer.from(text, "latin1"))).toThrow();
    },
  );
});
