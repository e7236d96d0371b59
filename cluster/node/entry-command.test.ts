import { describe, expect, test } from "vitest";
import { encodeCommand } from "../kv/codec.ts";
import type { Entry } from "../raft/message.ts";
import { commandOf } from "./entry-command.ts";
import { encodeProposal } from "./proposal.ts";

function put(index: number, value: string): Entry {
  const body = encodeCommand({ kind: "put", key: "k", value });
  return { kind: "normal", index, term: 1, data: encodeProposal(1, 1, index, body) };
}

describe("the command of an entry", () => {
  test("is that of its bytes, whatever stood at its index before", () => {
    expect(commandOf(put(7, "old"))).toMatchObject({ value: "old" });
    expect(commandOf(put(7, "new"))).toMatchObject({ value: "new" });
    // A place may serve several indexes: far neighbours come and go between two looks.
    const entries = Array.from({ length: 2000 }, (_, index) => put(index, String(index)));
    for (const entry of [...entries, ...entries.toReversed()])
      expect(commandOf(entry)).toMatchObject({ value: String(entry.index) });
  });

  test("is decoded once for all who share its bytes, and anew for a copy of them", () => {
    const entry = put(7, "v");
    const command = commandOf(entry);
    expect(commandOf({ ...entry, term: 2 })).toBe(command);
    const copy = { ...entry, data: entry.data.slice() };
    expect(commandOf(copy)).not.toBe(command);
    expect(commandOf(copy)).toEqual(command);
  });
});
