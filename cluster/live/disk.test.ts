/** What a node may rely on from a disk, asked of the simulated and of a real one. */
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Disk, DiskError, type Done, type NodeRuntime, SECOND } from "../../src/runtime/runtime.ts";
import { World } from "../../src/runtime/world.ts";
import { Host } from "../simulated/host.ts";
import { SimulatedNetwork } from "../simulated/network.ts";
import { LiveDisk } from "./disk.ts";
import { EventLoop } from "./event-loop.ts";

interface DiskPlace {
  /** As the present process sees it. */
  readonly disk: Disk;
  /** The process is killed, and another one started. */
  restart(): void;
  /** What an operation ends with: its error's code, or "ok". */
  finish(operation: (done: Done) => void): Promise<string>;
  end(): void;
}

function simulated(): DiskPlace {
  const world = new World(1);
  const host = new Host(world, new SimulatedNetwork(world), "n1");
  const boot = (): Disk => {
    let runtime: NodeRuntime | undefined;
    host.start((given) => {
      runtime = given;
    });
    return (runtime as NodeRuntime).disk;
  };
  let disk = boot();
  return {
    get disk() {
      return disk;
    },
    restart() {
      host.kill();
      disk = boot();
    },
    async finish(operation) {
      let outcome: string | undefined;
      operation((error) => {
        outcome = error?.code ?? "ok";
      });
      world.runUntil(() => outcome !== undefined, world.now + 100 * SECOND);
      return outcome ?? "never";
    },
    end: () => {},
  };
}

function live(): DiskPlace {
  const home = fs.mkdtempSync(join(tmpdir(), "faultline-disk-"));
  const crash = (error: unknown) => {
    throw error;
  };
  let loop = new EventLoop(crash);
  let disk = new LiveDisk(home, loop);
  const stop = () => {
    loop.end();
    disk.end();
  };
  return {
    get disk() {
      return disk;
    },
    restart() {
      stop();
      loop = new EventLoop(crash);
      disk = new LiveDisk(home, loop);
    },
    finish: (operation) =>
      new Promise((resolve) => {
        operation((error) => resolve(error?.code ?? "ok"));
      }),
    end() {
      stop();
      fs.rmSync(home, { recursive: true });
    },
  };
}

const bytes = (text: string) => Buffer.from(text, "latin1");
const text = (read: Uint8Array) => Buffer.from(read).toString("latin1");
const codeOf = (action: () => unknown): string => {
  try {
    action();
  } catch (error) {
    return error instanceof DiskError ? error.code : String(error);
  }
  return "ok";
};

describe.each([
  ["a simulated disk", simulated],
  ["a real disk", live],
] as const)("%s", (_name, make) => {
  let place: DiskPlace;
  beforeEach(() => {
    place = make();
  });
  afterEach(() => place.end());

  it("shows what was written at once, and keeps it when the process is killed", () => {
    place.disk.makeDirectory("a/b");
    const file = place.disk.open("a/b/f");
    file.append(bytes("hello "));
    file.append(bytes("world"));
    expect(file.size).toBe(11);
    expect(text(place.disk.read("a/b/f"))).toBe("hello world");
    file.truncate(5);
    expect(text(place.disk.read("a/b/f"))).toBe("hello");
    place.restart();
    expect(text(place.disk.read("a/b/f"))).toBe("hello");
    const again = place.disk.open("a/b/f");
    again.append(bytes("!"));
    expect(text(place.disk.read("a/b/f"))).toBe("hello!");
  });

  it("lists names of files and directories, sorted, one level deep", () => {
    place.disk.makeDirectory("wal/old");
    for (const path of ["wal/2", "wal/10", "wal/old/1", "top"]) place.disk.open(path);
    expect(place.disk.list("")).toEqual(["top", "wal"]);
    expect(place.disk.list("wal")).toEqual(["10", "2", "old"]);
    expect(place.disk.list("nowhere")).toEqual([]);
    expect(["wal", "wal/2", "wal/3"].map((path) => place.disk.exists(path))).toEqual([true, true, false]);
  });

  it("reports files and directories that do not exist", async () => {
    expect(codeOf(() => place.disk.read("f"))).toBe("ENOENT");
    expect(codeOf(() => place.disk.open("d/f"))).toBe("ENOENT");
    expect(await place.finish((done) => place.disk.rename("f", "g", done))).toBe("ENOENT");
    expect(await place.finish((done) => place.disk.remove("f", done))).toBe("ENOENT");
  });

  it("renames over what is there, removes, and syncs names", async () => {
    const file = place.disk.open("new");
    file.append(bytes("new"));
    place.disk.open("old").append(bytes("old"));
    expect(await place.finish((done) => file.sync(done))).toBe("ok");
    expect(await place.finish((done) => place.disk.rename("new", "old", done))).toBe("ok");
    expect(text(place.disk.read("old"))).toBe("new");
    expect(place.disk.list("")).toEqual(["old"]);
    expect(await place.finish((done) => place.disk.syncDirectory("", done))).toBe("ok");
    expect(await place.finish((done) => place.disk.remove("old", done))).toBe("ok");
    expect(place.disk.list("")).toEqual([]);
  });

  it("completes the requests of one file in their order, never within the call", async () => {
    const file = place.disk.open("f");
    const order: string[] = [];
    let within = true;
    const note = (what: string): Done => {
      return (error) => order.push(`${what} ${within ? "early" : (error?.code ?? "ok")}`);
    };
    const last = place.finish((done) => {
      file.append(bytes("1"), note("append"));
      file.sync(note("sync"));
      file.truncate(0, note("truncate"));
      file.sync((error) => {
        note("sync again")(error);
        done(error);
      });
      within = false;
    });
    expect(await last).toBe("ok");
    expect(order.filter((what) => what.startsWith("sync"))).toEqual(["sync ok", "sync again ok"]);
    expect([...order].sort()).toEqual(["append ok", "sync again ok", "sync ok", "truncate ok"]);
  });

  it("keeps the order of large and small changes", async () => {
    const file = place.disk.open("f");
    const large = (letter: string) => Buffer.alloc(700_000, letter);
    file.append(large("a"));
    file.append(bytes("b"));
    file.truncate(700_000);
    file.append(large("c"));
    file.append(bytes("d"));
    expect(file.size).toBe(1_400_001);
    const synced = await place.finish((done) => {
      file.sync(done);
      file.close();
    });
    expect(synced).toBe("ok");
    const expected = Buffer.concat([large("a"), large("c"), bytes("d")]);
    expect(Buffer.from(place.disk.read("f")).equals(expected)).toBe(true);
  });

  it("does not let a process use a file it has closed, and finishes what it had asked for", async () => {
    const file = place.disk.open("f");
    file.append(bytes("x"));
    const synced = place.finish((done) => {
      file.sync(done);
      file.close();
    });
    expect(() => file.append(bytes("y"))).toThrow("closed");
    expect(() => file.sync(() => {})).toThrow("closed");
    expect(await synced).toBe("ok");
    expect(text(place.disk.read("f"))).toBe("x");
  });

  it("is inert in the hands of a process that has ended", () => {
    const old = place.disk;
    const file = old.open("f");
    place.restart();
    file.append(bytes("from the grave"));
    old.makeDirectory("d");
    old.remove("f", () => {
      throw new Error("called back");
    });
    expect(text(place.disk.read("f"))).toBe("");
    expect(place.disk.list("")).toEqual(["f"]);
  });
});

describe("a real disk", () => {
  it("maps what it knows by name, and takes everything else for a failing disk", () => {
    const place = live();
    place.disk.makeDirectory("d");
    expect(codeOf(() => place.disk.read("d"))).toBe("EIO");
    expect(codeOf(() => place.disk.open("d"))).toBe("EIO");
    place.end();
  });

  it.runIf(fs.existsSync("/dev/full"))("says that it is full, at the next sync and ever after", async () => {
    const place = live();
    const { disk } = place;
    // A device that takes nothing.
    const loop = new EventLoop(() => {});
    const device = new LiveDisk("/dev", loop).open("full");
    const outcome = (operation: (done: Done) => void) => place.finish(operation);
    expect(await outcome((done) => device.append(bytes("x"), done))).toBe("ENOSPC");
    expect(await outcome((done) => device.append(Buffer.alloc(1 << 20), done))).toBe("ENOSPC");
    device.append(bytes("x"));
    expect(await outcome((done) => device.sync(done))).toBe("ENOSPC");
    expect(await outcome((done) => device.sync(done))).toBe("ENOSPC");
    expect(disk.list("")).toEqual([]);
    place.end();
  });
});
