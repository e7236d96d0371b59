import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { snapshotBlobs } from "../etcd/snapshot-stream.ts";
import { Store } from "../kv/store.ts";
import { LiveTestbed } from "../live/testbed.ts";
import { framesOf } from "../node/snapshot-format.ts";
import { restoreSnapshot, SnapshotFileError, snapshotStatus } from "./saved-snapshot.ts";

const home = fs.mkdtempSync(join(tmpdir(), "faultline-snapshot-"));
afterAll(() => fs.rmSync(home, { recursive: true }));
let bed = new LiveTestbed();
afterEach(async () => {
  await bed.end();
  bed = new LiveTestbed();
});

const path = join(home, "saved");
const store = new Store({ bug: "" });
for (let i = 0; i < 50; i++) store.apply({ kind: "put", key: `k${i % 20}`, value: String(i) });
store.apply({ kind: "delete-range", key: "k3" });
const configuration = { voters: [9], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
const frames = () =>
  framesOf({ meta: { index: 60, term: 7, configuration }, members: [], chunks: store.snapshot(300) });
fs.writeFileSync(path, Buffer.concat([...snapshotBlobs(frames())]));

describe("a snapshot in a file", () => {
  it("tells what is in it", () => {
    const { size } = fs.statSync(path);
    expect(snapshotStatus(path)).toEqual({
      hash: store.hash(),
      revision: store.revision,
      totalKey: 19,
      totalSize: size,
    });
  });

  it("is refused when any of it is damaged or missing, and nothing is written", () => {
    const bytes = fs.readFileSync(path);
    const bad = join(home, "bad");
    const dataDirectory = join(home, "never");
    const refuse = (contents: Uint8Array) => {
      fs.writeFileSync(bad, contents);
      expect(() => snapshotStatus(bad)).toThrow(SnapshotFileError);
      const initialCluster = new Map([["n1", ["http://127.0.0.1:2380"]]]);
      const restoration = { snapshot: bad, name: "n1", dataDirectory, initialCluster, token: "t" };
      expect(() => restoreSnapshot(restoration)).toThrow(SnapshotFileError);
    };
    for (let at = 0; at < bytes.length; at += 97) {
      const copy = Buffer.from(bytes);
      copy[at] = (copy[at] as number) ^ 1;
      refuse(copy);
      refuse(bytes.subarray(0, at));
    }
    // Its checksum is right, but it is none of ours.
    refuse(Buffer.concat([...snapshotBlobs([Buffer.alloc(700, "x")])]));
    refuse(Buffer.concat([...snapshotBlobs([...frames()].slice(0, -1))]));
    expect(fs.readdirSync(home).sort()).toEqual(["bad", "saved"]);
    expect(() => snapshotStatus(join(home, "missing"))).toThrow("the snapshot cannot be read: ENOENT");
  });

  it.each([[["m1"]], [["m1", "m2", "m3"]]])("begins a new cluster of %j", async (names) => {
    await bed.place(...names);
    const initialCluster = new Map(names.map((name) => [name, bed.urls(name)]));
    const restoration = (name: string) => ({
      snapshot: path,
      name,
      dataDirectory: bed.directory(name),
      initialCluster,
      token: "test",
    });
    for (const name of names) restoreSnapshot(restoration(name));
    expect(() => restoreSnapshot(restoration("m1"))).toThrow("exists already");
    await Promise.all(names.map((name) => bed.start(name)));
    const client = (await bed.leader()).connect();
    const { kvs } = await client.request({ kind: "range", key: "k", rangeEnd: "l" });
    expect(new Map(kvs.map(({ key, value }) => [key, value])).get("k9")).toBe("49");
    expect(kvs).toHaveLength(19);
    const { header } = await client.request({ kind: "put", key: "new", value: "1" });
    expect(header.revision).toBe(store.revision + 1);
    client.close();
    const ids = new Set([...bed.members.values()].map(({ clusterId }) => clusterId));
    const plain = new LiveTestbed();
    try {
      const stranger = await plain.found("m1");
      expect(ids.size).toBe(1);
      expect(ids.has(stranger.clusterId)).toBe(false);
    } finally {
      await plain.end();
    }
    // What it became is its own from now on.
    await bed.stop("m1");
    const again = await bed.start("m1");
    expect(again.node.store.revision).toBeGreaterThanOrEqual(store.revision);
  });

  it("that is damaged in the restored directory is not taken for an empty one", async () => {
    await bed.place("m1");
    const initialCluster = new Map([["m1", bed.urls("m1")]]);
    const dataDirectory = bed.directory("m1");
    restoreSnapshot({ snapshot: path, name: "m1", dataDirectory, initialCluster, token: "test" });
    const [name] = fs.readdirSync(join(dataDirectory, "snap")) as [string];
    fs.truncateSync(join(dataDirectory, "snap", name), 500);
    await expect(bed.start("m1")).rejects.toThrow("is damaged there: restore it again");
  });
});
