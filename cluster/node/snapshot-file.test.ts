import { describe, expect, it } from "vitest";
import { MICROSECOND, MILLISECOND } from "../../src/runtime/runtime.ts";
import { World } from "../../src/runtime/world.ts";
import { Host } from "../simulated/host.ts";
import { SimulatedNetwork } from "../simulated/network.ts";
import {
  decodeSnapshot,
  encodeSnapshot,
  loadSnapshot,
  newestSnapshotIndex,
  SNAPSHOT_DIRECTORY,
  SnapshotFiles,
  type StateSnapshot,
} from "./snapshot-file.ts";

const configuration = {
  voters: [1, 2],
  votersOutgoing: [],
  learners: [3],
  learnersNext: [],
  autoLeave: false,
};
const snapshot = (index: number): StateSnapshot => ({
  meta: { index, term: 2, configuration },
  data: new Uint8Array(3000).fill(index),
});

/** A machine that saves snapshots 1, 2, 3 one after the other, and says which are done. */
function saving(seed: number) {
  const world = new World(seed);
  const host = new Host(world, new SimulatedNetwork(world), "n1");
  const saved: number[] = [];
  host.start((runtime) => {
    runtime.disk.makeDirectory(SNAPSHOT_DIRECTORY);
    const files = new SnapshotFiles(runtime.disk, "", (error) => runtime.exit(error.message));
    for (const index of [1, 2, 3]) {
      files.save(snapshot(index), () => {
        saved.push(index);
        files.removeBefore(index);
      });
    }
  });
  const load = (indexes: readonly number[]) => {
    let found: StateSnapshot | undefined;
    host.start((runtime) => {
      found = loadSnapshot(
        runtime.disk,
        indexes.map((index) => ({ index, term: 2 })),
      );
    });
    return found;
  };
  return { world, host, saved, load };
}

describe("snapshot files", () => {
  it("come back as they were, and only if whole", () => {
    const bytes = encodeSnapshot(snapshot(7));
    expect(decodeSnapshot(bytes)).toEqual(snapshot(7));
    for (let at = 0; at < bytes.length; at += 7) {
      const copy = bytes.slice();
      copy[at] = (copy[at] as number) ^ 4;
      expect(decodeSnapshot(copy)).toBeUndefined();
      expect(decodeSnapshot(bytes.subarray(0, at))).toBeUndefined();
    }
  });

  it("are there after any loss of power once they were called back for", () => {
    for (let seed = 0; seed < 60; seed++) {
      const { world, host, saved, load } = saving(seed);
      world.runFor(seed * 50 * MICROSECOND);
      host.powerOff();
      const newest = saved.at(-1);
      if (newest !== undefined) expect(load([1, 2, 3])?.meta.index).toBeGreaterThanOrEqual(newest);
      expect(world.crashes).toEqual([]);
    }
  });

  it("are each saved once when one is asked for by the callback of another", () => {
    const world = new World(1);
    const host = new Host(world, new SimulatedNetwork(world), "n1");
    const saved: number[] = [];
    const failures: string[] = [];
    host.start((runtime) => {
      runtime.disk.makeDirectory(SNAPSHOT_DIRECTORY);
      const files = new SnapshotFiles(runtime.disk, "", (error) => failures.push(error.message));
      const save = (index: number) =>
        files.save(snapshot(index), () => {
          saved.push(index);
          if (index < 4) save(index + 1);
        });
      save(1);
    });
    world.runFor(100 * MILLISECOND);
    expect({ saved, failures }).toEqual({ saved: [1, 2, 3, 4], failures: [] });
  });

  it("are not used unless the log knows them", () => {
    const { world, host, load } = saving(1);
    world.runFor(100 * MILLISECOND);
    expect(newestSnapshotIndex(host.disk as never)).toBe(3);
    expect(host.disk.list(SNAPSHOT_DIRECTORY).length).toBe(1);
    host.kill();
    expect(load([2])).toBeUndefined();
    host.kill();
    expect(load([2, 3])).toEqual(snapshot(3));
  });
});
