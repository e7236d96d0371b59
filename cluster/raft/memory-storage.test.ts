import { describe, expect, it } from "vitest";
import { entriesOf } from "./lone-member.ts";
import { MemoryStorage } from "./memory-storage.ts";
import type { Configuration } from "./message.ts";

const configuration: Configuration = {
  voters: [1, 2],
  votersOutgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
};

function storageOf(terms: readonly number[]): MemoryStorage {
  const storage = new MemoryStorage(configuration);
  storage.append(entriesOf(terms));
  return storage;
}

const termsOf = (storage: MemoryStorage) =>
  Array.from({ length: storage.lastIndex - storage.firstIndex + 2 }, (_, i) =>
    storage.term(storage.firstIndex - 1 + i),
  );

describe("memory storage", () => {
  it("begins with the configuration, and no snapshot to send", () => {
    const storage = new MemoryStorage(configuration);
    expect([storage.firstIndex, storage.lastIndex, storage.term(0), storage.term(1)]).toEqual([
      1,
      0,
      0,
      undefined,
    ]);
    expect(storage.snapshotMeta).toEqual({ index: 0, term: 0, configuration });
    expect(storage.snapshot()).toBeUndefined();
  });

  it("replaces everything from the first appended entry on", () => {
    const storage = storageOf([1, 1, 1]);
    storage.append(entriesOf([2], 2));
    expect(termsOf(storage)).toEqual([0, 1, 2]);
    storage.append([]);
    expect(termsOf(storage)).toEqual([0, 1, 2]);
    expect(() => storage.append(entriesOf([2], 4))).toThrow(RangeError);
  });

  it("keeps the term before the first entry when it is compacted", () => {
    const storage = storageOf([1, 2, 3]);
    expect(() => storage.compact(2)).toThrow(RangeError);
    storage.keepSnapshot(3, configuration, "state");
    storage.compact(2);
    expect([storage.firstIndex, ...termsOf(storage)]).toEqual([3, 2, 3]);
    expect(storage.term(1)).toBeUndefined();
    expect(() => storage.entries(2, 4, 1000)).toThrow(RangeError);
    expect(() => storage.append(entriesOf([4], 2))).toThrow(RangeError);
    expect(storage.snapshot()).toEqual({ meta: { index: 3, term: 3, configuration }, data: "state" });
  });

  it("gives at least one entry, and as many as fit", () => {
    const storage = storageOf([1, 1, 1]);
    // Each has one byte of data, and counts 17.
    const counts = [0, 33, 34, 50, 51].map((maxBytes) => storage.entries(1, 4, maxBytes).length);
    expect(counts).toEqual([1, 1, 2, 2, 3]);
    expect(storage.entries(2, 2, 1000)).toEqual([]);
  });

  it("forgets its log for a snapshot from the leader", () => {
    const storage = storageOf([1, 1, 1]);
    storage.restore({ meta: { index: 7, term: 4, configuration }, data: "state" });
    expect([storage.firstIndex, storage.lastIndex, storage.term(7)]).toEqual([8, 7, 4]);
    storage.append(entriesOf([4], 8));
    expect(termsOf(storage)).toEqual([4, 4]);
  });
});
