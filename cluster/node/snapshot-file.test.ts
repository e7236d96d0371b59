import { describe, expect, it } from "vitest";
import { MICROSECOND, MILLISECOND, type NodeRuntime } from "../../src/runtime/runtime.ts";
import { World } from "../../src/runtime/world.ts";
import { Store } from "../kv/store.ts";
import { Host } from "../simulated/host.ts";
import { SimulatedNetwork } from "../simulated/network.ts";
import { complete } from "./recovery.ts";
import { loadSnapshot, newestSnapshotIndex, SNAPSHOT_DIRECTORY, SnapshotFiles } from "./snapshot-file.ts";
import {
  type DecodedSnapshot,
  framesOf,
  SnapshotDecoder,
  SnapshotError,
  type SnapshotSource,
} from "./snapshot-format.ts";

const SOUND = { bug: "" };
const CHUNK_BYTES = 700;
const configuration = {
  voters: [1, 2],
  votersOutgoing: [],
  learners: [3],
  learnersNext: [],
  autoLeave: false,
};

function storeOf(index: number): Store {
  const store = new Store(SOUND);
  for (let i = 0; i < 40; i++)
    store.apply({ kind: "put", key: `k${i}`, value: String.fromCharCode(index).repeat(60) });
  return store;
}
function snapshot(index: number): SnapshotSource {
  return {
    meta: { index, term: 2, configuration },
    members: [{ id: 1, node: "n1", learner: false }],
    chunks: storeOf(index).snapshot(CHUNK_BYTES),
  };
}
function decode(frames: Iterable<Uint8Array>): DecodedSnapshot {
  const decoder = new SnapshotDecoder(SOUND);
  for (const frame of frames) decoder.add(frame);
  return decoder.finish();
}
function filesOf(runtime: NodeRuntime): SnapshotFiles {
  runtime.disk.makeDirectory(SNAPSHOT_DIRECTORY);
  return new SnapshotFiles(runtime.disk, {
    chunkBytes: CHUNK_BYTES,
    store: SOUND,
    failed: (error) => runtime.exit(error.message),
  });
}

/** A machine that saves snapshots 1, 2, 3 one after the other, and says which are done. The second has come in. */
function saving(seed: number) {
  const world = new World(seed);
  const host = new Host(world, new SimulatedNetwork(world), "n1");
  const saved: number[] = [];
  host.start((runtime) => {
    const files = filesOf(runtime);
    const done = (index: number) => () => {
      saved.push(index);
      files.removeBefore(index);
    };
    files.save(snapshot(1), done(1));
    const reception = files.receive();
    for (const frame of framesOf(snapshot(2))) reception.add(frame, () => {});
    files.adopt(reception, snapshot(2).meta, done(2));
    files.save(snapshot(3), done(3));
  });
  const load = (indexes: readonly number[]) => {
    let found: DecodedSnapshot | undefined;
    host.start((runtime) => {
      const markers = indexes.map((index) => ({ index, term: 2 }));
      found = complete(loadSnapshot(runtime.disk, markers, SOUND));
    });
    return found;
  };
  return { world, host, saved, load };
}

describe("snapshot files", () => {
  it("come back as they were, and only if whole", () => {
    const frames = [...framesOf(snapshot(7))];
    expect(frames.length).toBeGreaterThan(5);
    const { meta, members, store } = decode(frames);
    expect({ meta, members }).toEqual({ meta: snapshot(7).meta, members: snapshot(7).members });
    expect(store.hash()).toBe(storeOf(7).hash());
    for (const [position, frame] of frames.entries()) {
      for (let at = 0; at < frame.length; at += 7) {
        const copy = frame.slice();
        copy[at] = (copy[at] as number) ^ 4;
        expect(() => decode(frames.with(position, copy))).toThrow(SnapshotError);
        expect(() => decode(frames.with(position, frame.subarray(0, at)))).toThrow(SnapshotError);
      }
      expect(() => decode(frames.toSpliced(position, 1))).toThrow(SnapshotError);
      expect(() => decode(frames.toSpliced(position, 0, frame))).toThrow(SnapshotError);
    }
  });

  it("are refused when their configuration makes no sense", () => {
    const { meta, members, chunks } = snapshot(7);
    const without = { ...meta, configuration: { ...meta.configuration, voters: [] } };
    expect(() => decode(framesOf({ meta: without, members, chunks }))).toThrow("does not say of when it is");
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
    host.start((runtime) => {
      const files = filesOf(runtime);
      const save = (index: number) =>
        files.save(snapshot(index), () => {
          saved.push(index);
          if (index < 4) save(index + 1);
        });
      save(1);
    });
    world.runFor(100 * MILLISECOND);
    expect({ saved, exits: world.exits }).toEqual({ saved: [1, 2, 3, 4], exits: [] });
  });

  it("are not used unless the log knows them", () => {
    const { world, host, load } = saving(1);
    world.runFor(100 * MILLISECOND);
    expect(newestSnapshotIndex(host.disk as never)).toBe(3);
    expect(host.disk.list(SNAPSHOT_DIRECTORY).length).toBe(1);
    host.kill();
    expect(load([2])).toBeUndefined();
    host.kill();
    expect(load([2, 3])).toMatchObject({ meta: { index: 3 }, hash: storeOf(3).hash() });
  });
});
