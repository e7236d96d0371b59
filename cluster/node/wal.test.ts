import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Disk, MICROSECOND, MILLISECOND, type NodeRuntime } from "../../src/runtime/runtime.ts";
import { World } from "../../src/runtime/world.ts";
import type { Entry, HardState } from "../raft/message.ts";
import { Host } from "../simulated/host.ts";
import { SimulatedNetwork } from "../simulated/network.ts";
import { complete } from "./recovery.ts";
import { replayWal, WAL_DIRECTORY, Wal, type WalContents, WalError } from "./wal.ts";
import { HEADER_BYTES, type SnapshotMarker } from "./wal-format.ts";

const IDENTITY = { clusterId: 7, member: 3 };

interface Append {
  readonly hard?: HardState;
  readonly entries: readonly Entry[];
  readonly marker?: SnapshotMarker;
}

/** One machine with nothing but a log on its disk. */
class Machine {
  readonly world: World;
  readonly host: Host;
  /** Appends that were called back for. */
  durable = 0;
  wal: Wal | undefined;
  contents: WalContents | undefined;
  readonly #segmentBytes: number;
  readonly #bug: string;

  constructor(seed: number, segmentBytes: number, bug = "") {
    this.world = new World(seed);
    this.host = new Host(this.world, new SimulatedNetwork(this.world), "n1");
    this.#segmentBytes = segmentBytes;
    this.#bug = bug;
  }

  /** Replays and opens the log; `opened` runs when it can be written. */
  boot(opened: (wal: Wal) => void): void {
    this.host.start((runtime: NodeRuntime) => {
      runtime.disk.makeDirectory(WAL_DIRECTORY);
      const contents = complete(replayWal(runtime.disk, IDENTITY, this.#bug));
      const wal = new Wal(
        runtime.disk,
        {
          ...IDENTITY,
          segmentBytes: this.#segmentBytes,
          bug: this.#bug,
          trace: (kind, detail) => runtime.trace(kind, detail),
          failed: (error) => runtime.exit(error.message),
        },
        contents,
      );
      this.wal = wal;
      this.contents = contents;
      wal.open(contents, () => opened(wal));
    });
  }

  append(wal: Wal, { hard, entries, marker }: Append): void {
    wal.append(hard, entries, marker, { durable: () => this.durable++ });
  }

  files(): Map<string, Uint8Array> {
    const paths = this.host.disk.list(WAL_DIRECTORY).map((name) => `${WAL_DIRECTORY}/${name}`);
    return new Map(paths.map((path) => [path, this.host.disk.read(path)]));
  }
}

/** A disk that can only be read. */
function frozen(files: ReadonlyMap<string, Uint8Array>): Disk {
  const disk: Partial<Disk> = {
    list: (directory) => [...files.keys()].map((path) => path.slice(directory.length + 1)).sort(),
    read: (path) => files.get(path) as Uint8Array,
  };
  return disk as Disk;
}

function entry(index: number, term: number, size = 5): Entry {
  const data = new Uint8Array(size).fill(index % 251);
  if (index % 7 !== 0) return { kind: "normal", index, term, data };
  const change = { changes: [{ type: "add-learner", member: index }], transition: "auto" } as const;
  return { kind: "config", index, term, data, change };
}

/** What a log holds after some appends. */
function outcome(appends: readonly Append[]): { entries: Entry[]; hard: HardState } {
  const entries: Entry[] = [];
  let hard: HardState = { term: 0, vote: 0, commit: 0 };
  for (const append of appends) {
    if (append.hard !== undefined) hard = append.hard;
    for (const each of append.entries) {
      entries.length = each.index - 1;
      entries.push(each);
    }
  }
  return { entries, hard };
}

/** Appends as raft makes them: entries follow on, or replace a suffix under a higher term. */
const appendsArbitrary = fc
  .array(fc.record({ count: fc.nat(4), back: fc.nat(5), size: fc.nat(700) }), { minLength: 1, maxLength: 25 })
  .map((steps) => {
    const appends: Append[] = [];
    let last = 0;
    let term = 1;
    for (const { count, back, size } of steps) {
      const from = Math.max(1, last + 1 - (back === 5 ? back : 0));
      if (from <= last) term++;
      const entries = Array.from({ length: count }, (_, i) => entry(from + i, term, size));
      if (count > 0) last = from + count - 1;
      appends.push({ hard: { term, vote: count, commit: 0 }, entries });
    }
    return appends;
  });

const RUNS = { seed: 20260101, numRuns: 60 };

describe("replay", () => {
  it("gives back what was appended, over any number of segments and restarts", () => {
    fc.assert(
      fc.property(
        appendsArbitrary,
        fc.integer({ min: 200, max: 5000 }),
        fc.nat(25),
        (appends, segmentBytes, split) => {
          const machine = new Machine(1, segmentBytes);
          for (const part of [appends.slice(0, split), appends.slice(split), []]) {
            machine.boot((wal) => {
              for (const append of part) machine.append(wal, append);
            });
            machine.world.runFor(200 * MILLISECOND);
            machine.host.kill();
          }
          expect(machine.durable).toBe(appends.length);
          const { entries, hard } = outcome(appends);
          expect(machine.contents?.entries).toEqual(entries);
          expect(machine.contents?.hard).toEqual(hard);
          expect(machine.contents?.incarnation).toBe(2);
        },
      ),
      RUNS,
    );
  });

  it("after a loss of power gives a prefix with everything that was called back for", () => {
    fc.assert(
      fc.property(
        appendsArbitrary,
        fc.integer({ min: 200, max: 5000 }),
        fc.nat(1000),
        fc.integer({ min: 0, max: 10_000 }),
        (appends, segmentBytes, seed, cut) => {
          const machine = new Machine(seed, segmentBytes);
          let next = 0;
          machine.boot((wal) => {
            const more = () => {
              const append = appends[next++];
              if (append === undefined) return;
              machine.append(wal, append);
              machine.world.tester.timer((next % 3) * 150 * MICROSECOND, more);
            };
            more();
          });
          machine.world.runFor(cut * MICROSECOND);
          machine.host.powerOff();
          const acknowledged = machine.durable;
          machine.boot(() => {});
          const found = machine.contents as WalContents;
          const prefixes = appends
            .slice(acknowledged)
            .map((_, i) => outcome(appends.slice(0, acknowledged + i + 1)));
          expect([outcome(appends.slice(0, acknowledged)), ...prefixes]).toContainEqual({
            entries: found.entries,
            hard: found.hard,
          });
          expect(machine.world.crashes).toEqual([]);
        },
      ),
      { ...RUNS, numRuns: 300 },
    );
  });

  it("can write on after any loss of power, however often", () => {
    const machine = new Machine(5, 1000);
    let repairs = 0;
    machine.world.onTrace(({ kind }) => {
      if (kind === "wal-repaired") repairs++;
    });
    for (let round = 0; round < 60; round++) {
      machine.boot((wal) => {
        const first = (machine.contents?.entries.length ?? 0) + 1;
        for (let i = 0; i < 20; i++) {
          const append = () => machine.append(wal, { entries: [entry(first + i, round + 1, 300)] });
          machine.world.tester.timer(i * 250 * MICROSECOND, append);
        }
      });
      const entries = machine.contents?.entries ?? [];
      expect(entries.map((each) => each.index)).toEqual(entries.map((_, i) => i + 1));
      machine.world.runFor((10 + ((round * 37) % 23)) * 150 * MICROSECOND);
      machine.host.powerOff();
    }
    expect(repairs).toBeGreaterThan(3);
  });
});

describe("damage", () => {
  function written(): Map<string, Uint8Array> {
    const machine = new Machine(1, 600);
    machine.boot((wal) => {
      for (let i = 1; i <= 12; i++) {
        machine.world.tester.timer(i * MILLISECOND, () =>
          machine.append(wal, { hard: { term: i, vote: 1, commit: i - 1 }, entries: [entry(i, i, 90)] }),
        );
      }
    });
    machine.world.runFor(100 * MILLISECOND);
    return machine.files();
  }

  it("is refused wherever a byte is wrong in what a later write has proved durable", () => {
    const files = written();
    const paths = [...files.keys()];
    expect(paths.length).toBeGreaterThan(2);
    for (const path of paths) {
      const bytes = files.get(path) as Uint8Array;
      const last = path === paths.at(-1);
      const frame = lastFrame(bytes);
      const without = withoutLastFrame(files, path);
      for (let at = 0; at < bytes.length; at++) {
        for (const mask of [1, 0x80]) {
          const copy = bytes.slice();
          copy[at] = (copy[at] as number) ^ mask;
          const replay = () => complete(replayWal(frozen(new Map(files).set(path, copy)), IDENTITY, ""));
          if (!last || at < frame) expect(replay).toThrow(WalError);
          else {
            // The newest frame may look torn, and is then given up as a whole.
            try {
              expect(replay().entries).toEqual(without);
            } catch (error) {
              expect(error).toBeInstanceOf(WalError);
            }
          }
        }
      }
    }
  });

  it("is a torn tail when the last segment just ends early", () => {
    const files = written();
    const path = [...files.keys()].at(-1) as string;
    const bytes = files.get(path) as Uint8Array;
    const without = withoutLastFrame(files, path);
    for (let length = lastFrame(bytes); length < bytes.length; length++) {
      const found = complete(
        replayWal(frozen(new Map(files).set(path, bytes.slice(0, length))), IDENTITY, ""),
      );
      expect(found.entries).toEqual(without);
      expect(found.tornBytes).toBe(length - found.length);
    }
  });

  it("is refused when a segment is missing, or another member's", () => {
    const files = written();
    const second = [...files.keys()][1] as string;
    const fewer = new Map(files);
    fewer.delete(second);
    expect(() => complete(replayWal(frozen(fewer), IDENTITY, ""))).toThrow(/a segment is missing/);
    expect(() => complete(replayWal(frozen(files), { ...IDENTITY, member: 4 }, ""))).toThrow(
      /member 3 of cluster 7, not to member 4/,
    );
    expect(() => complete(replayWal(frozen(files), { ...IDENTITY, clusterId: 8 }, ""))).toThrow(WalError);
  });

  /** The entries if one segment lacked its last frame; only the last segment may. */
  function withoutLastFrame(files: ReadonlyMap<string, Uint8Array>, path: string): readonly Entry[] {
    if (path !== [...files.keys()].at(-1)) return [];
    const bytes = files.get(path) as Uint8Array;
    const cut = new Map(files).set(path, bytes.slice(0, lastFrame(bytes)));
    return complete(replayWal(frozen(cut), IDENTITY, "")).entries;
  }

  /** Where the last frame of a segment begins. */
  function lastFrame(bytes: Uint8Array): number {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    for (;;) {
      const next = at + HEADER_BYTES + view.getUint32(at + 4, true);
      if (next >= bytes.length) return at;
      at = next;
    }
  }
});

describe("a snapshot's marker", () => {
  const contents = (appends: readonly Append[]) => {
    const machine = new Machine(1, 10_000);
    machine.boot((wal) => {
      for (const append of appends) machine.append(wal, append);
    });
    machine.world.runFor(20 * MILLISECOND);
    return complete(replayWal(frozen(machine.files()), IDENTITY, ""));
  };
  const five = { entries: [1, 2, 3, 4, 5].map((index) => entry(index, 1)) };

  it("leaves a log alone that leads to it", () => {
    const found = contents([five, { entries: [], marker: { index: 3, term: 1 } }]);
    expect(found.entries.length).toBe(5);
    expect(found.markers).toEqual([{ index: 3, term: 1 }]);
  });

  it("replaces a log that ends before it, or has another history", () => {
    const ahead = contents([
      five,
      { entries: [], marker: { index: 9, term: 2 } },
      { entries: [entry(10, 2)] },
    ]);
    expect(ahead.entries.map((each) => each.index)).toEqual([10]);
    const other = contents([
      five,
      { entries: [], marker: { index: 4, term: 2 } },
      { entries: [entry(5, 2)] },
    ]);
    expect(other.entries).toEqual([entry(5, 2)]);
  });
});

describe("segments", () => {
  it("are removed once a snapshot covers them, and the rest still stands", () => {
    const machine = new Machine(1, 500);
    machine.boot((wal) => {
      for (let i = 1; i <= 40; i++) {
        machine.world.tester.timer(i * MILLISECOND, () =>
          machine.append(wal, { hard: { term: 1, vote: 2, commit: i }, entries: [entry(i, 1, 100)] }),
        );
      }
      machine.world.tester.timer(60 * MILLISECOND, () => {
        machine.append(wal, { entries: [], marker: { index: 30, term: 1 } });
      });
      machine.world.tester.timer(70 * MILLISECOND, () => wal.release(30));
    });
    machine.world.runFor(65 * MILLISECOND);
    const before = machine.files().size;
    machine.world.runFor(100 * MILLISECOND);
    const found = complete(replayWal(frozen(machine.files()), IDENTITY, ""));
    expect(machine.files().size).toBeLessThan(before - 3);
    expect(found.entries[0]?.index).toBeLessThanOrEqual(31);
    expect(found.entries.at(-1)?.index).toBe(40);
    expect(found.hard).toEqual({ term: 1, vote: 2, commit: 40 });
    machine.host.powerOff();
    expect(() => complete(replayWal(frozen(machine.files()), IDENTITY, ""))).not.toThrow();
  });

  it("may begin with entries that were replaced from before them, once those are removed", () => {
    const machine = new Machine(2, 150);
    const steps: ((wal: Wal) => void)[] = [
      (wal) => machine.append(wal, { entries: [entry(1, 1, 200), entry(2, 1), entry(3, 1)] }),
      // In a segment of its own, whose name says that it begins with index 4.
      (wal) => machine.append(wal, { entries: [entry(4, 1)] }),
      (wal) => machine.append(wal, { entries: [entry(3, 2), entry(4, 2), entry(5, 2)] }),
      (wal) => machine.append(wal, { entries: [], marker: { index: 4, term: 2 } }),
      (wal) => wal.release(4),
    ];
    machine.boot((wal) => {
      for (const [i, step] of steps.entries()) {
        machine.world.tester.timer((10 + 20 * i) * MILLISECOND, () => step(wal));
      }
    });
    machine.world.runFor(200 * MILLISECOND);
    const found = complete(replayWal(frozen(machine.files()), IDENTITY, ""));
    expect(found.segments[0]?.firstIndex).toBe(4);
    expect(found.entries.map(({ index, term }) => [index, term])).toEqual([
      [3, 2],
      [4, 2],
      [5, 2],
    ]);
  });
});

describe("planted bugs", () => {
  it("wal-keeps-suffix brings a replaced entry back", () => {
    const machine = new Machine(1, 10_000, "wal-keeps-suffix");
    const replaced = [entry(1, 1), entry(2, 1), entry(3, 1)];
    machine.boot((wal) => {
      machine.append(wal, { entries: replaced });
      machine.append(wal, { entries: [entry(2, 2)] });
    });
    machine.world.runFor(20 * MILLISECOND);
    machine.host.kill();
    machine.boot(() => {});
    expect(machine.contents?.entries.map((each) => each.term)).toEqual([1, 2, 1]);
  });

  it("vote-not-persisted forgets the vote", () => {
    const machine = new Machine(1, 10_000, "vote-not-persisted");
    machine.boot((wal) => machine.append(wal, { hard: { term: 4, vote: 2, commit: 0 }, entries: [] }));
    machine.world.runFor(20 * MILLISECOND);
    machine.host.kill();
    machine.boot(() => {});
    expect(machine.contents?.hard).toEqual({ term: 4, vote: 0, commit: 0 });
  });

  it.each(["ack-before-fsync", "directory-not-synced", "torn-tail-unchecked"])(
    "%s loses or spoils something",
    (bug) => {
      let broken = 0;
      for (let seed = 0; seed < 150; seed++) {
        const machine = new Machine(seed, 3000, bug);
        const appends = Array.from({ length: 30 }, (_, i) => ({ entries: [entry(i + 1, 1, 400)] }));
        let next = 0;
        machine.boot((wal) => {
          const more = () => {
            const append = appends[next++];
            if (append === undefined) return;
            machine.append(wal, append);
            machine.world.tester.timer(250 * MICROSECOND, more);
          };
          more();
        });
        machine.world.runFor((seed % 80) * 100 * MICROSECOND);
        machine.host.powerOff();
        const acknowledged = machine.durable;
        machine.boot(() => {});
        const found = machine.contents?.entries ?? [];
        const sound = found.every((each, i) => Buffer.compare(each.data, entry(i + 1, 1, 400).data) === 0);
        if (found.length < acknowledged || !sound) broken++;
      }
      expect(broken).toBeGreaterThan(0);
    },
  );
});
