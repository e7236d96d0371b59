import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Command } from "./command.ts";
import { Restoration, restore } from "./restoration.ts";
import { FORMAT, RECORD } from "./snapshot.ts";
import { Store } from "./store.ts";

const SOUND = { bug: "" };

function storeAfter(commands: readonly Command[]): Store {
  const store = new Store(SOUND);
  for (const command of commands) store.apply(command);
  return store;
}
function chunksOf(store: Store, chunkBytes: number): Buffer[] {
  return [...store.snapshot(chunkBytes)].map((chunk) => Buffer.from(chunk));
}

const key = fc.constantFrom("a", "b", "c", "d", "e", "\xff");
const lease = fc.constantFrom("7", "-8", "9");
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("put"),
      key,
      value: fc.string({ maxLength: 20 }),
      lease: fc.constantFrom("0", "0", "7", "9"),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("delete-range"), key }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("compact"), revision: fc.integer({ min: 1, max: 40 }) }),
  },
  fc.record({ kind: fc.constant("lease-grant"), id: lease, ttl: fc.integer({ min: 1, max: 100 }) }),
  fc.record({ kind: fc.constant("lease-revoke"), id: lease }),
  fc.record({
    kind: fc.constant("lease-checkpoint"),
    leases: fc.array(fc.record({ id: lease, remaining: fc.nat(50) }), { maxLength: 2 }),
  }),
  fc.record({
    kind: fc.constant("alarm"),
    action: fc.constantFrom("activate", "deactivate"),
    member: fc.constantFrom("1", "2"),
    alarm: fc.constant("corrupt"),
  }),
  fc.record({ kind: fc.constant("role-add"), name: fc.constantFrom("r", "s") }),
);
const commands = fc.array(command, { maxLength: 40, size: "max" });

describe("a snapshot", () => {
  it("is of the moment it was taken, whatever happens while it is read", () => {
    fc.assert(
      fc.property(commands, commands, fc.integer({ min: 1, max: 60 }), (before, after, chunkBytes) => {
        const expected = Buffer.concat(chunksOf(storeAfter(before), chunkBytes));
        const store = storeAfter(before);
        const [one, two] = [store.snapshot(chunkBytes), store.snapshot(chunkBytes)].map((snapshot) => ({
          iterator: snapshot[Symbol.iterator](),
          chunks: [] as Uint8Array[],
        }));
        const read = (reader: typeof one) => {
          const { done, value } = reader!.iterator.next();
          if (done !== true) reader!.chunks.push(value);
          return done;
        };
        for (const [i, next] of after.entries()) {
          store.apply(next);
          read(i % 3 === 0 ? one : two);
        }
        for (const reader of [one, two]) {
          while (read(reader) !== true);
          expect(Buffer.concat(reader!.chunks).equals(expected)).toBe(true);
        }
        // What is kept of one snapshot for the next is as good as new.
        const now = Buffer.concat(chunksOf(store, chunkBytes));
        expect(now.equals(Buffer.concat(chunksOf(storeAfter([...before, ...after]), chunkBytes)))).toBe(true);
      }),
      { seed: 20261121, numRuns: 300 },
    );
  });

  it("comes in chunks of the length that was asked for, each of whole records", () => {
    const store = storeAfter(
      Array.from({ length: 100 }, (_, i) => ({ kind: "put", key: `k${i}`, value: "v".repeat(i) }) as const),
    );
    const chunks = chunksOf(store, 500);
    const whole = chunks.slice(0, -1);
    expect(whole.length).toBeGreaterThan(5);
    for (const { length } of whole) {
      expect(length).toBeGreaterThanOrEqual(500);
      expect(length).toBeLessThan(700);
    }
    expect(restore(chunks, SOUND).hash()).toBe(store.hash());
    expect(restore(chunksOf(store, 1), SOUND).hash()).toBe(store.hash());
  });

  it("holds numbers and bytes of any size", () => {
    const large = "\0\xff\x80".repeat(1 << 19);
    const store = storeAfter([
      { kind: "lease-grant", id: "-9223372036854775808", ttl: 9_000_000_000 },
      { kind: "put", key: "\0", value: large, lease: "-9223372036854775808" },
    ]);
    const replica = restore(store.snapshot(1000), SOUND);
    expect(replica.hash()).toBe(store.hash());
    expect(replica.lease("-9223372036854775808")).toEqual({ ttl: 9_000_000_000, remaining: 0, keys: ["\0"] });
    const found = replica.range({ kind: "range", key: "\0" });
    expect(found.kind === "range" && found.kvs[0]?.value === large).toBe(true);
  });

  it("is refused when it is none, is cut off, or does not follow", () => {
    const good = storeAfter([
      { kind: "lease-grant", id: "7", ttl: 10 },
      { kind: "put", key: "a", value: "1", lease: "7" },
      { kind: "put", key: "b", value: "1" },
      { kind: "compact", revision: 3 },
      { kind: "put", key: "a", value: "2" },
    ]);
    const chunks = chunksOf(good, 1);
    const bytes = Buffer.concat(chunks);
    expect(restore([bytes], SOUND).hash()).toBe(good.hash());
    for (let length = 0; length < bytes.length; length++)
      expect(() => restore([bytes.subarray(0, length)], SOUND)).toThrow();
    expect(() => restore([...chunks, chunks[0] as Buffer], SOUND)).toThrow("something follows its end");
    const another = Buffer.from(bytes.toString("latin1").replace(FORMAT, FORMAT.replace("2", "1")), "latin1");
    expect(() => restore([another], SOUND)).toThrow("not a store's snapshot");
  });

  it("is refused when it is not the state it says, or would be too large", () => {
    const good = storeAfter([
      { kind: "lease-grant", id: "7", ttl: 10 },
      { kind: "user-add", name: "ann", password: "", noPassword: true },
      { kind: "put", key: "a", value: "value", lease: "7" },
    ]);
    const [bytes] = chunksOf(good, 1 << 20) as [Buffer];
    const other = (from: string, to: string) =>
      Buffer.from(bytes.toString("latin1").replaceAll(from, to), "latin1");
    expect(() => restore([other("value", "eulav")], SOUND)).toThrow("not the one it was taken of");
    expect(() => restore([other("\x017", "\x01x")], SOUND)).toThrow("a lease's id is no number");
    expect(() => restore([other('"roles":[]', '"roles":12')], SOUND)).toThrow("users and roles are missing");
    expect(restore([bytes], SOUND).hash()).toBe(good.hash());

    const received = (maxBytes: number) => new Restoration(SOUND, maxBytes).add(bytes);
    expect(() => received(600)).toThrow("it takes more than 600 bytes");
    received(10_000);
    const revisions = Buffer.concat([
      bytes.subarray(0, 3 + FORMAT.length),
      Buffer.alloc(1000, RECORD.revision),
    ]);
    expect(() => new Restoration(SOUND, 10_000).add(revisions)).toThrow("it takes more than 10000 bytes");
  });
});
