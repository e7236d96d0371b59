import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { DiskFault } from "../../src/cluster.ts";
import {
  type Disk,
  type DiskError,
  type DiskFile,
  MILLISECOND,
  type NodeRuntime,
  SECOND,
} from "../../src/runtime/runtime.ts";
import { World } from "../../src/runtime/world.ts";
import type { DiskOptions } from "./disk.ts";
import { Host } from "./host.ts";
import { PAGE } from "./inode.ts";
import { SimulatedNetwork } from "./network.ts";

const SEED = 20_240_504;
const SECTOR = 512;

/** A machine and its disk, with the waiting done. */
class Machine {
  readonly world: World;
  readonly host: Host;
  disk: Disk;

  constructor(seed = 1, options?: DiskOptions) {
    this.world = new World(seed);
    this.host = new Host(this.world, new SimulatedNetwork(this.world), "n1", options);
    this.disk = this.#boot();
  }

  #boot(): Disk {
    let runtime: NodeRuntime | undefined;
    this.host.start((given) => {
      runtime = given;
    });
    return (runtime as NodeRuntime).disk;
  }

  restart(how: "kill" | "powerOff"): void {
    this.host[how]();
    this.disk = this.#boot();
  }

  /** What an operation ended with: its error's code, or "ok". */
  finish(operation: (done: (error?: DiskError) => void) => void): string {
    let outcome: string | undefined;
    operation((error) => {
      outcome = error === undefined ? "ok" : error.code;
    });
    this.world.runUntil(() => outcome !== undefined, this.world.now + 100 * SECOND);
    expect(outcome).toBeDefined();
    return outcome as string;
  }

  sync(file: DiskFile): string {
    return this.finish((done) => file.sync(done));
  }

  syncDirectory(path = ""): string {
    return this.finish((done) => this.disk.syncDirectory(path, done));
  }

  /** A file whose name and contents are durable. */
  create(path: string, bytes: Uint8Array = new Uint8Array(0)): DiskFile {
    const file = this.disk.open(path);
    file.append(bytes);
    expect(this.sync(file)).toBe("ok");
    expect(this.syncDirectory(path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : "")).toBe("ok");
    return file;
  }
}

/** Bytes that tell where they belong: never zero. */
function pattern(from: number, to: number, salt = 0): Uint8Array {
  return Uint8Array.from({ length: to - from }, (_, i) => (((from + i) * 31 + salt * 97) % 255) + 1);
}

function text(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? "missing" : Buffer.from(bytes).toString("latin1");
}

const letters = (some: string) => new TextEncoder().encode(some);

describe("disk", () => {
  it("shows what was written at once, and keeps it when the process is killed", () => {
    const machine = new Machine();
    machine.disk.makeDirectory("a/b");
    const file = machine.disk.open("a/b/f");
    file.append(letters("hello "));
    file.append(letters("world"));
    expect(file.size).toBe(11);
    expect(text(machine.disk.read("a/b/f"))).toBe("hello world");
    file.truncate(5);
    expect(text(machine.disk.read("a/b/f"))).toBe("hello");
    machine.restart("kill");
    expect(text(machine.disk.read("a/b/f"))).toBe("hello");
    expect(machine.disk.open("a/b/f").size).toBe(5);
  });

  it("lists names of files and directories, sorted, one level deep", () => {
    const { disk } = new Machine();
    disk.makeDirectory("wal/old");
    for (const path of ["wal/2", "wal/10", "wal/old/1", "top"]) disk.open(path);
    expect(disk.list("")).toEqual(["top", "wal"]);
    expect(disk.list("wal")).toEqual(["10", "2", "old"]);
    expect(disk.list("wal/old")).toEqual(["1"]);
    expect(disk.list("nowhere")).toEqual([]);
    expect([disk.exists("wal"), disk.exists("wal/2"), disk.exists("wal/3")]).toEqual([true, true, false]);
  });

  it("gives what `read` returned to the reader for good", () => {
    const { disk } = new Machine();
    const file = disk.open("f");
    file.append(letters("abc"));
    const before = disk.read("f");
    file.truncate(0);
    file.append(letters("xyz"));
    expect(text(before)).toBe("abc");
  });

  it("reports files and directories that do not exist", () => {
    const machine = new Machine();
    const { disk } = machine;
    expect(() => disk.read("f")).toThrow(expect.objectContaining({ code: "ENOENT" }));
    expect(() => disk.open("no/such/directory")).toThrow(expect.objectContaining({ code: "ENOENT" }));
    expect(machine.finish((done) => disk.rename("f", "g", done))).toBe("ENOENT");
    expect(machine.finish((done) => disk.remove("f", done))).toBe("ENOENT");
  });

  it("completes the requests of one file in their order", () => {
    const { world, disk } = new Machine();
    const file = disk.open("f");
    const order: number[] = [];
    for (let i = 0; i < 40; i += 2) {
      file.sync(() => order.push(i));
      file.append(letters("x"), () => order.push(i + 1));
    }
    world.runFor(SECOND);
    expect(order).toEqual(Array.from({ length: 40 }, (_, i) => i));
  });

  it("takes time for a sync, now and then a lot", () => {
    const machine = new Machine(1, { syncLatency: MILLISECOND, stallProbability: 0.05, stall: SECOND });
    const file = machine.disk.open("f");
    const times: number[] = [];
    for (let i = 0; i < 500; i++) {
      const start = machine.world.now;
      machine.sync(file);
      times.push((machine.world.now - start) / MILLISECOND);
    }
    times.sort((a, b) => a - b);
    expect(times[0]).toBeGreaterThanOrEqual(0.5);
    expect(times[250]).toBeLessThan(2);
    expect(times[499]).toBeGreaterThan(500);
  });

  describe("without power", () => {
    it("keeps what was synced, contents and name", () => {
      const machine = new Machine();
      machine.create("f", letters("kept"));
      machine.restart("powerOff");
      expect(text(machine.disk.read("f"))).toBe("kept");
    });

    it("may lose a name that was not synced, contents or no", () => {
      let lost = 0;
      for (let seed = 0; seed < 50; seed++) {
        const machine = new Machine(seed);
        const file = machine.disk.open("f");
        file.append(letters("x"));
        machine.sync(file);
        machine.restart("powerOff");
        if (machine.disk.exists("f")) expect(text(machine.disk.read("f"))).toBe("x");
        else lost++;
      }
      expect(lost).toBeGreaterThan(5);
      expect(lost).toBeLessThan(45);
    });

    it("keeps or loses each unsynced change of names by itself, but never splits a renaming", () => {
      const outcomes = new Set<string>();
      for (let seed = 0; seed < 100; seed++) {
        const machine = new Machine(seed);
        machine.create("old", letters("old"));
        machine.create("doomed");
        machine.disk.rename("old", "new", () => {});
        machine.disk.remove("doomed", () => {});
        const evidence = machine.host.powerOff();
        const names = machine.host.disk.list("").join(" ");
        outcomes.add(names);
        const lost = (names.includes("old") ? 1 : 0) + (names.includes("doomed") ? 1 : 0);
        expect(evidence).toMatchObject({ lostNames: lost });
      }
      expect(outcomes).toEqual(new Set(["new", "doomed new", "old", "doomed old"]));
    });

    it("leaves one name only to a file renamed twice", () => {
      const outcomes = new Set<string>();
      for (let seed = 0; seed < 100; seed++) {
        const machine = new Machine(seed);
        machine.create("a");
        machine.disk.rename("a", "b", () => {});
        machine.disk.rename("b", "c", () => {});
        machine.host.powerOff();
        outcomes.add(machine.host.disk.list("").join(" "));
      }
      expect(outcomes).toEqual(new Set(["a", "b", "c"]));
    });

    it("replaces atomically: the old contents or the new, synced ones", () => {
      const outcomes = new Set<string>();
      for (let seed = 0; seed < 50; seed++) {
        const machine = new Machine(seed);
        machine.create("state", letters("old"));
        machine.create("state.tmp", letters("new"));
        machine.disk.rename("state.tmp", "state", () => {});
        machine.restart("powerOff");
        outcomes.add(text(machine.disk.read("state")));
      }
      expect(outcomes).toEqual(new Set(["old", "new"]));
    });

    it("syncs names of one directory, not of others", () => {
      for (let seed = 0; seed < 20; seed++) {
        const machine = new Machine(seed);
        machine.disk.makeDirectory("a");
        machine.disk.makeDirectory("b");
        machine.disk.open("a/f");
        machine.disk.open("b/f");
        machine.syncDirectory("a");
        expect(machine.host.disk.durable("a/f")).toBeDefined();
        expect(machine.host.disk.durable("b/f")).toBeUndefined();
        machine.restart("powerOff");
        expect(machine.disk.exists("a/f")).toBe(true);
      }
    });

    it("does not keep what came after the sync was asked for", () => {
      const seen = new Set<number>();
      for (let seed = 0; seed < 60; seed++) {
        const machine = new Machine(seed);
        const file = machine.create("f");
        file.append(letters("before"));
        let synced = false;
        file.sync(() => {
          synced = true;
        });
        file.append(pattern(0, 100));
        machine.world.runUntil(() => synced, SECOND);
        machine.restart("powerOff");
        const bytes = machine.disk.read("f");
        expect(text(bytes.subarray(0, 6))).toBe("before");
        seen.add(bytes.length);
      }
      expect(seen).toEqual(new Set([6, 106]));
    });

    it("counts a sync whose process died before it was done as not done", () => {
      for (const end of ["kill", "powerOff"] as const) {
        let lost = 0;
        for (let seed = 0; seed < 40; seed++) {
          const machine = new Machine(seed);
          const file = machine.create("f");
          const told: string[] = [];
          machine.host.disk.onDurable((path) => told.push(path));
          file.append(letters("x"));
          file.sync(() => {});
          machine.restart(end);
          machine.world.runFor(SECOND);
          expect(told).toEqual([]);
          machine.restart("powerOff");
          if (machine.disk.read("f").length === 0) lost++;
        }
        expect(lost).toBeGreaterThan(5);
      }
    });

    it("brings back what an unsynced truncation had cut, or not", () => {
      const outcomes = new Set<string>();
      for (let seed = 0; seed < 60; seed++) {
        const machine = new Machine(seed);
        const file = machine.create("f", letters("kept|cut"));
        file.truncate(5);
        machine.restart("powerOff");
        outcomes.add(text(machine.disk.read("f")));
      }
      expect(outcomes).toEqual(new Set(["kept|", "kept|cut"]));
    });

    it("keeps the contents a sync was asked for, even if they are cut while it runs", () => {
      const outcomes = new Set<string>();
      for (let seed = 0; seed < 100; seed++) {
        const machine = new Machine(seed);
        const file = machine.create("f", letters("a"));
        file.append(letters("bcd"));
        let synced = false;
        file.sync(() => {
          synced = true;
        });
        file.truncate(2);
        file.append(letters("XY"));
        machine.world.runUntil(() => synced, SECOND);
        expect(text(machine.host.disk.durable("f"))).toBe("ab");
        machine.restart("powerOff");
        outcomes.add(text(machine.disk.read("f")));
      }
      expect(outcomes).toEqual(new Set(["abcd", "abXY"]));
    });

    it("tears unsynced data at sectors: each is old, zero or new, and page by page, not in order", () => {
      const synced = 5000;
      const size = 20 * PAGE + 100;
      const expected = pattern(0, size);
      const earlier = pattern(0, size, 1);
      const kinds = { lost: 0, whole: 0, torn: 0, gapBeforeData: 0 };
      for (let seed = 0; seed < 30; seed++) {
        const machine = new Machine(seed);
        // What the file once held beyond its end must not come back.
        const file = machine.create("f", earlier);
        file.truncate(0);
        file.append(expected.slice(0, synced));
        machine.sync(file);
        file.append(expected.slice(synced));
        const evidence = machine.host.powerOff() as { lostPages: number; tornPages: number };
        const bytes = machine.host.disk.read("f");
        expect(bytes.length).toBeGreaterThanOrEqual(synced);
        expect(bytes.length).toBeLessThanOrEqual(size);
        expect(Buffer.compare(bytes.subarray(0, synced), expected.subarray(0, synced))).toBe(0);
        let missingPages = 0;
        let tornPages = 0;
        let gap = false;
        for (let page = PAGE; page < size; page += PAGE) {
          let present = 0;
          let missing = 0;
          for (let sector = page; sector < Math.min(page + PAGE, size); sector += SECTOR) {
            const start = Math.max(sector, synced);
            const end = Math.min(sector + SECTOR, size);
            if (start >= end) continue;
            const part = bytes.subarray(start, end);
            if (part.length === end - start && part.every((byte, i) => byte === expected[start + i]))
              present++;
            else {
              expect(part.every((byte) => byte === 0)).toBe(true);
              missing++;
            }
          }
          if (present > 0 && gap) kinds.gapBeforeData++;
          if (missing > 0) gap = true;
          if (present > 0 && missing > 0) tornPages++;
          else if (missing > 0) missingPages++;
          else kinds.whole++;
        }
        kinds.lost += missingPages;
        kinds.torn += tornPages;
        expect(evidence).toMatchObject({ lostPages: missingPages, tornPages });
      }
      for (const count of Object.values(kinds)) expect(count).toBeGreaterThan(50);
    });

    it("changes nothing when everything is synced, whatever was done before", () => {
      const step = fc.oneof(
        fc.record({ append: fc.integer({ min: 0, max: 3 * PAGE }) }),
        fc.record({ truncate: fc.nat(3 * PAGE) }),
        fc.constant("sync" as const),
        fc.constant("sync without waiting" as const),
        fc.constant("kill" as const),
        fc.constant("powerOff" as const),
      );
      fc.assert(
        fc.property(fc.array(step, { maxLength: 25 }), fc.nat(1000), (steps, seed) => {
          const machine = new Machine(seed);
          let file = machine.create("f");
          let salt = 0;
          for (const step of steps) {
            if (step === "sync") machine.sync(file);
            else if (step === "sync without waiting") file.sync(() => {});
            else if (typeof step === "string") {
              machine.restart(step);
              file = machine.disk.open("f");
            } else if ("append" in step) file.append(pattern(file.size, file.size + step.append, salt++));
            else file.truncate(Math.min(step.truncate, file.size));
            // What is promised is a beginning of what is there, at any time.
            const promised = machine.host.disk.durable("f");
            expect(
              Buffer.compare(promised ?? pattern(0, 1), machine.disk.read("f").subarray(0, promised?.length)),
            ).toBe(0);
          }
          machine.sync(file);
          const before = machine.disk.read("f");
          expect(Buffer.compare(machine.host.disk.durable("f") ?? pattern(0, 1), before)).toBe(0);
          machine.restart("powerOff");
          expect(Buffer.compare(machine.disk.read("f"), before)).toBe(0);
        }),
        { seed: SEED, numRuns: 200 },
      );
    });

    it("never touches what is promised durable, however much is unsynced", () => {
      fc.assert(
        fc.property(
          fc.array(fc.record({ cut: fc.nat(2 * PAGE), append: fc.nat(2 * PAGE), sync: fc.boolean() }), {
            maxLength: 8,
          }),
          fc.nat(1000),
          (steps, seed) => {
            const machine = new Machine(seed);
            const file = machine.create("f", pattern(0, PAGE));
            for (const { cut, append, sync } of steps) {
              file.truncate(Math.max(0, file.size - cut));
              file.append(pattern(file.size, file.size + append, cut));
              if (sync) machine.sync(file);
            }
            const promised = machine.host.disk.durable("f")?.slice() as Uint8Array;
            machine.restart("powerOff");
            const left = machine.disk.read("f");
            expect(Buffer.compare(left.subarray(0, promised.length), promised)).toBe(0);
          },
        ),
        { seed: SEED, numRuns: 200 },
      );
    });
  });

  describe("durable", () => {
    it("grows with syncs, byte ranges are told, and needs the name to be durable", () => {
      const machine = new Machine();
      const told: [string, number, number][] = [];
      const end = machine.host.disk.onDurable((...range) => told.push(range));
      const file = machine.disk.open("f");
      file.append(letters("abc"));
      machine.sync(file);
      expect(machine.host.disk.durable("f")).toBeUndefined();
      machine.syncDirectory();
      expect(text(machine.host.disk.durable("f"))).toBe("abc");
      file.append(letters("de"));
      expect(text(machine.host.disk.durable("f"))).toBe("abc");
      machine.sync(file);
      expect(text(machine.host.disk.durable("f"))).toBe("abcde");
      file.truncate(1);
      expect(text(machine.host.disk.durable("f"))).toBe("a");
      end();
      machine.sync(file);
      expect(told).toEqual([
        ["f", 0, 3],
        ["f", 3, 5],
      ]);
    });

    it("is in doubt while a removal or renaming is", () => {
      const machine = new Machine();
      machine.create("f", letters("x"));
      machine.disk.rename("f", "g", () => {});
      expect([machine.host.disk.durable("f"), machine.host.disk.durable("g")]).toEqual([
        undefined,
        undefined,
      ]);
      machine.syncDirectory();
      expect([machine.host.disk.durable("f"), text(machine.host.disk.durable("g"))]).toEqual([
        undefined,
        "x",
      ]);
      machine.disk.remove("g", () => {});
      expect(machine.host.disk.durable("g")).toBeUndefined();
    });
  });

  describe("faults", () => {
    it("slow: every change takes longer", () => {
      const machine = new Machine();
      const file = machine.create("f");
      machine.host.disk.spoil({ kind: "slow", latency: SECOND });
      const start = machine.world.now;
      machine.sync(file);
      machine.finish((done) => file.append(letters("x"), done));
      machine.syncDirectory();
      expect(machine.world.now - start).toBeGreaterThanOrEqual(3 * SECOND);
      expect(machine.host.disk.heal()).toEqual({ slowed: 3 });
      const healed = machine.world.now;
      machine.sync(file);
      expect(machine.world.now - healed).toBeLessThan(SECOND);
    });

    it("error: every kind of request fails, and has no effect", () => {
      const machine = new Machine();
      const file = machine.create("f", letters("old"));
      machine.host.disk.spoil({ kind: "error", probability: 1 });
      const { disk } = machine;
      expect(() => disk.read("f")).toThrow(expect.objectContaining({ code: "EIO" }));
      expect(() => disk.open("g")).toThrow(expect.objectContaining({ code: "EIO" }));
      expect(machine.finish((done) => file.append(letters("new"), done))).toBe("EIO");
      expect(machine.finish((done) => file.truncate(0, done))).toBe("EIO");
      expect(machine.sync(file)).toBe("EIO");
      expect(machine.syncDirectory()).toBe("EIO");
      expect(machine.finish((done) => disk.rename("f", "g", done))).toBe("EIO");
      expect(machine.finish((done) => disk.remove("f", done))).toBe("EIO");
      expect(machine.host.disk.heal()).toEqual({ errors: 8 });
      expect(text(disk.read("f"))).toBe("old");
      expect(disk.list("")).toEqual(["f"]);
    });

    it("error: strikes with its probability", () => {
      const machine = new Machine();
      const file = machine.create("f");
      machine.host.disk.spoil({ kind: "error", probability: 0.3 });
      const outcomes = Array.from({ length: 200 }, () => machine.sync(file));
      const failed = outcomes.filter((outcome) => outcome === "EIO").length;
      expect(failed).toBeGreaterThan(30);
      expect(failed).toBeLessThan(90);
      expect(machine.host.disk.heal()).toEqual({ errors: failed });
    });

    it("full: nothing grows, and a write nobody waited for is reported by the next sync", () => {
      const machine = new Machine();
      const file = machine.create("f", letters("old"));
      machine.host.disk.spoil({ kind: "full" });
      expect(machine.finish((done) => file.append(letters("new"), done))).toBe("ENOSPC");
      expect(() => machine.disk.open("g")).toThrow(expect.objectContaining({ code: "ENOSPC" }));
      file.append(letters("new"));
      expect(machine.sync(file)).toBe("ENOSPC");
      expect(machine.sync(file)).toBe("ok");
      expect(file.size).toBe(3);
      file.truncate(1);
      expect(machine.finish((done) => machine.disk.remove("f", done))).toBe("ok");
      expect(machine.host.disk.heal()).toEqual({ full: 3 });
    });

    it("sync-error: the next sync says ok and the data is not there", () => {
      const machine = new Machine();
      const file = machine.create("f", letters("old and much longer"));
      file.truncate(3);
      expect(machine.sync(file)).toBe("ok");
      machine.host.disk.spoil({ kind: "sync-error" });
      file.append(letters("gone"));
      expect(machine.sync(file)).toBe("EIO");
      expect(machine.sync(file)).toBe("ok");
      file.append(letters("new"));
      expect(machine.sync(file)).toBe("ok");
      expect(text(machine.disk.read("f"))).toBe("oldgonenew");
      machine.restart("kill");
      expect(text(machine.disk.read("f"))).toBe("oldgonenew");
      machine.restart("powerOff");
      expect(text(machine.disk.read("f"))).toBe("old\0\0\0\0new");
      expect(machine.host.disk.heal()).toEqual({ syncErrors: 1 });
    });

    it("lying-sync: says ok and keeps nothing for sure", () => {
      let lost = 0;
      for (let seed = 0; seed < 40; seed++) {
        const machine = new Machine(seed);
        const file = machine.create("f");
        machine.host.disk.spoil({ kind: "lying-sync" });
        file.append(letters("x"));
        expect(machine.sync(file)).toBe("ok");
        machine.disk.open("g");
        expect(machine.syncDirectory()).toBe("ok");
        expect(machine.host.disk.durable("f")).toHaveLength(0);
        expect(machine.host.disk.durable("g")).toBeUndefined();
        machine.restart("powerOff");
        if (machine.disk.read("f").length === 0) lost++;
        expect(machine.host.disk.heal()).toMatchObject({ liedSyncs: 2 });
      }
      expect(lost).toBeGreaterThan(5);
    });

    it("bit-flip: changes that many bits of durable bytes of matching files", () => {
      const machine = new Machine();
      const original = pattern(0, 3000);
      machine.create("wal-1", original);
      machine.create("snapshot", original);
      expect(machine.host.disk.spoil({ kind: "bit-flip", file: "wal", bits: 5 })).toBe(5);
      expect(machine.host.disk.spoil({ kind: "bit-flip", file: "nothing", bits: 5 })).toBe(0);
      const flipped = (path: string) => {
        let bits = 0;
        machine.disk.read(path).forEach((byte, i) => {
          for (let difference = byte ^ (original[i] as number); difference > 0; difference >>= 1)
            bits += difference & 1;
        });
        return bits;
      };
      expect(flipped("wal-1")).toBe(5);
      expect(flipped("snapshot")).toBe(0);
      machine.restart("powerOff");
      expect(flipped("wal-1")).toBe(5);
      expect(machine.host.disk.heal()).toMatchObject({ bitsFlipped: 5 });
    });

    it("bit-flip: does not touch what is only in the page cache", () => {
      const machine = new Machine();
      const file = machine.create("f", pattern(0, 1000));
      file.truncate(0);
      file.append(pattern(0, 1000, 1));
      machine.host.disk.spoil({ kind: "bit-flip", file: "f", bits: 100 });
      expect(machine.disk.read("f")).toEqual(pattern(0, 1000, 1));
    });

    it("truncate: cuts the ends of matching files for good", () => {
      const machine = new Machine();
      machine.create("wal-1", letters("0123456789"));
      machine.create("wal-2", letters("01"));
      machine.create("snapshot", letters("01"));
      expect(machine.host.disk.spoil({ kind: "truncate", file: "wal", bytes: 4 })).toBe(6);
      machine.restart("powerOff");
      expect(text(machine.disk.read("wal-1"))).toBe("012345");
      expect(text(machine.disk.read("wal-2"))).toBe("");
      expect(text(machine.disk.read("snapshot"))).toBe("01");
      expect(machine.host.disk.heal()).toMatchObject({ bytesTruncated: 6 });
    });

    it("end with heal", () => {
      const machine = new Machine();
      const file = machine.create("f");
      const faults: DiskFault[] = [
        { kind: "error", probability: 1 },
        { kind: "full" },
        { kind: "sync-error" },
        { kind: "lying-sync" },
        { kind: "slow", latency: SECOND },
      ];
      for (const fault of faults) machine.host.disk.spoil(fault);
      machine.host.disk.heal();
      file.append(letters("x"));
      expect(machine.sync(file)).toBe("ok");
      expect(text(machine.host.disk.durable("f"))).toBe("x");
      expect(machine.host.disk.heal()).toEqual({});
    });
  });

  it("forgets everything when it is wiped", () => {
    const machine = new Machine();
    machine.create("f", letters("x"));
    machine.host.kill();
    machine.host.disk.wipe();
    machine.restart("powerOff");
    expect(machine.disk.list("")).toEqual([]);
  });

  it("does not let a process use a file it has closed", () => {
    const { disk } = new Machine();
    const file = disk.open("f");
    file.close();
    expect(() => file.append(letters("x"))).toThrow("closed");
  });
});
