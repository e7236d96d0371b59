import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CorruptLogError, entrySize, RaftLog } from "./log.ts";
import { entriesOf } from "./lone-member.ts";
import { MemoryStorage } from "./memory-storage.ts";
import type { Configuration } from "./message.ts";

const configuration: Configuration = {
  voters: [1],
  votersOutgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
};
const nothing = new MemoryStorage(configuration);

function logOf(stable: readonly number[], unstable: readonly number[], bug = ""): [RaftLog, MemoryStorage] {
  const storage = new MemoryStorage(configuration);
  storage.append(entriesOf(stable));
  const log = new RaftLog(storage, 0, 0, bug);
  log.append(entriesOf(unstable, stable.length + 1));
  return [log, storage];
}

const terms = fc
  .array(fc.integer({ min: 1, max: 4 }), { maxLength: 8 })
  .map((list) => list.sort((a, b) => a - b));

describe("a log", () => {
  it("reads the same wherever its durable part ends, and as much as fits", () => {
    fc.assert(
      fc.property(terms, fc.nat(8), fc.nat(8), fc.nat(8), fc.nat(120), (list, cut, from, to, maxBytes) => {
        const [log] = logOf(list.slice(0, cut), list.slice(cut));
        const all = entriesOf(list);
        const low = Math.min(from, list.length) + 1;
        const high = Math.min(to, list.length) + 1;
        const expected = [];
        let bytes = 0;
        for (const entry of all.slice(low - 1, Math.max(low, high) - 1)) {
          bytes += entrySize(entry);
          if (bytes > maxBytes && expected.length > 0) break;
          expected.push(entry);
        }
        expect(log.slice(low, high, maxBytes)).toEqual(expected);
        expect([log.lastIndex, log.lastTerm]).toEqual([list.length, list.at(-1) ?? 0]);
      }),
      { seed: 6, numRuns: 300 },
    );
  });

  it("finds where two logs may meet: never before the last entry they share", () => {
    fc.assert(
      fc.property(terms, terms, (mine, theirs) => {
        const [log] = logOf(mine, []);
        let shared = 0;
        while (shared < Math.min(mine.length, theirs.length) && mine[shared] === theirs[shared]) shared++;
        const index = Math.min(mine.length, theirs.length);
        const hint = log.findConflictByTerm(index, theirs[index - 1] ?? 0);
        expect(hint).toBeGreaterThanOrEqual(shared);
        expect(hint).toBeLessThanOrEqual(index);
      }),
      { seed: 7, numRuns: 300 },
    );
  });

  it("hands out each entry to write once, and what replaces it again", () => {
    const [log] = logOf([1], [1, 1]);
    expect(log.takeUnwrittenEntries().map(({ index }) => index)).toEqual([2, 3]);
    expect([log.hasUnwritten, log.takeUnwrittenEntries()]).toEqual([false, []]);
    log.truncate(3);
    log.append(entriesOf([2, 2], 3));
    expect(log.takeUnwrittenEntries().map(({ index, term }) => [index, term])).toEqual([
      [3, 2],
      [4, 2],
    ]);
  });

  it("hands out to apply what is committed and durable", () => {
    const [log, storage] = logOf([1], [1, 1]);
    log.commitTo(3);
    expect(log.takeUnapplied(1000).map(({ index }) => index)).toEqual([1]);
    expect(log.hasUnapplied).toBe(false);
    storage.append(log.takeUnwrittenEntries());
    log.stableTo(2, 1);
    expect(log.takeUnapplied(1000).map(({ index }) => index)).toEqual([2]);
    log.stableTo(3, 1);
    expect(log.takeUnapplied(1000).map(({ index }) => index)).toEqual([3]);
  });

  it("does not take an acknowledgement for an entry of another term", () => {
    const [log] = logOf([1], [1]);
    const ack = log.ack(1);
    log.truncate(2);
    log.append(entriesOf([2], 2));
    log.stableTo(ack.lastIndex, ack.lastTerm);
    expect(log.stableIndex).toBe(1);
  });

  it("never changes an array it gave away", () => {
    const [log] = logOf([], [1, 1, 1]);
    const written = log.takeUnwrittenEntries();
    const sent = log.slice(1, 4, 1000);
    log.truncate(2);
    log.append(entriesOf([2], 2));
    log.stableTo(1, 1);
    for (const given of [written, sent]) expect(given.map(({ term }) => term)).toEqual([1, 1, 1]);
  });

  it("refuses what only a corrupt disk can bring about, but for a planted bug", () => {
    const [log] = logOf([1, 1], []);
    log.commitTo(2);
    expect(() => log.truncate(2)).toThrow(CorruptLogError);
    expect(() => log.commitTo(3)).toThrow(CorruptLogError);
    expect(() => new RaftLog(nothing, 1, 0, "")).toThrow(CorruptLogError);
    const [broken] = logOf([1, 1], [], "stale-log-vote");
    broken.commitTo(2);
    broken.truncate(2);
    expect([broken.lastIndex, broken.commit, broken.takeUnapplied(1000).length]).toEqual([1, 2, 1]);
  });
});
