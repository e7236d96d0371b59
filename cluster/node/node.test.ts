import { describe, expect, it } from "vitest";
import { SECOND } from "../../src/runtime/runtime.ts";
import type { WatchResponse } from "../api.ts";
import { TESTBED_OPTIONS, Testbed } from "../simulated/testbed.ts";
import { Node } from "./node.ts";

describe.each([
  ["streams", {}, {}],
  ["streams of bytes", {}, { codec: true }],
  ["datagrams that are lost and doubled", { peerTransport: "datagram" }, { loss: 0.1, duplicate: 0.1 }],
] as const)("a cluster of three over %s", (_transport, options, network) => {
  it("elects a leader and serves every kind of request through every member", async () => {
    const bed = new Testbed(3, 1, options, network);
    await bed.elect();
    for (const name of ["n1", "n2", "n3"]) {
      const api = bed.api(name);
      const put = await bed.done(api.request({ kind: "put", key: "a", value: name }));
      expect(put.header.memberId).toBe(name.slice(1));
      expect(await bed.get(api, "a")).toBe(name);
      const txn = await bed.done(
        api.request({
          kind: "txn",
          compare: [{ key: "a", target: "value", result: "equal", operand: name }],
          success: [{ kind: "put", key: "b", value: name }],
          failure: [],
        }),
      );
      expect(txn.succeeded).toBe(true);
      expect(await bed.get(api, "b")).toBe(name);
      api.close();
    }
  });

  it("streams watches", async () => {
    const bed = new Testbed(3, 2, options, network);
    await bed.elect();
    const responses: WatchResponse[] = [];
    const api = bed.api("n2");
    const watch = api.watch(
      { key: "a", startRevision: 1 },
      { response: (r) => responses.push(r), ended: () => {} },
    );
    for (let i = 0; i < 3; i++)
      await bed.done(bed.api("n1").request({ kind: "put", key: "a", value: String(i) }));
    const events = () => responses.flatMap((r) => r.events.map((e) => e.kv.value));
    await bed.until(() => events().length === 3);
    expect(events()).toEqual(["0", "1", "2"]);
    watch.requestProgress();
    await bed.until(() => responses.at(-1)?.kind === "progress");
    expect(responses.at(-1)?.header.revision).toBe(4);
    watch.cancel();
    await bed.until(() => responses.at(-1)?.kind === "canceled");
  });
});

describe("a node alone", () => {
  it("has everything after a loss of power, as a new incarnation of the same state", async () => {
    const bed = new Testbed(1, 3, { segmentBytes: 2000, snapshotEvery: 10 });
    await bed.elect();
    for (let round = 0; round < 4; round++) {
      const api = bed.api("n1");
      for (let i = 0; i < 15; i++) {
        const { header } = await bed.done(api.request({ kind: "put", key: `k${i}`, value: String(round) }));
        expect(header.revision).toBe(2 + round * 15 + i);
      }
      api.close();
      const before = bed.node("n1").store.hash();
      bed.host("n1").powerOff();
      bed.start("n1");
      await bed.elect();
      await bed.until(() => bed.node("n1").store.hash() === before);
    }
    expect(bed.traced("segment-cut")).toBe(true);
  });

  it("leads at once when it is alone, also after a restart", async () => {
    const bed = new Testbed(1, 6);
    for (let round = 0; round < 2; round++) {
      await bed.sleep(TESTBED_OPTIONS.tick);
      expect(bed.leader()).toBe("n1");
      bed.host("n1").kill();
      bed.start("n1");
    }
  });

  it("refuses another member's disk", async () => {
    const bed = new Testbed(1, 4);
    await bed.elect();
    bed.host("n1").kill();
    bed.host("n1").start((runtime) => {
      new Node(runtime, {
        ...TESTBED_OPTIONS,
        clusterId: 2,
        member: 1,
        members: [{ id: 1, node: "n1" }],
        join: false,
      });
    });
    expect(bed.host("n1").state).toBe("dead");
    expect(bed.world.exits[0]?.reason).toMatch(
      /belongs to member 1 of cluster 1, not to member 1 of cluster 2/,
    );
  });

  it("ends when its disk fails, and is whole afterwards", async () => {
    const bed = new Testbed(1, 5);
    await bed.elect();
    const api = bed.api("n1");
    await bed.done(api.request({ kind: "put", key: "a", value: "1" }));
    bed.host("n1").disk.spoil({ kind: "sync-error" });
    const failing = api.request({ kind: "put", key: "b", value: "2" });
    failing.catch(() => {});
    await bed.world.run(() => bed.host("n1").state === "dead", bed.world.now + SECOND);
    expect(bed.world.exits[0]?.reason).toMatch(/disk failure: EIO/);
    bed.world.exits.length = 0;
    await expect(bed.done(failing)).rejects.toMatchObject({ code: "UNAVAILABLE", definite: false });
    await expect(bed.done(bed.api("n1").request({ kind: "status" }))).rejects.toMatchObject({
      message: "connection refused",
      definite: true,
    });
    bed.host("n1").disk.heal();
    bed.start("n1");
    await bed.elect();
    expect(await bed.get(bed.api("n1"), "a")).toBe("1");
  });
});

describe("a member that is cut off", () => {
  it("says so of reads and writes, and serves old data to whom that suffices", async () => {
    const bed = new Testbed(3, 6, { requestTimeout: SECOND });
    const leader = await bed.elect();
    await bed.done(bed.api(leader).request({ kind: "put", key: "a", value: "1" }));
    await bed.sleep(SECOND);
    const others = ["n1", "n2", "n3"].filter((name) => name !== leader);
    bed.network.spoil(
      others.flatMap((name) => [
        [name, leader],
        [leader, name],
      ]),
      { cut: true },
    );
    const api = bed.api(leader, 10 * SECOND);
    const timedOut = { code: "UNAVAILABLE", message: "etcdserver: request timed out", definite: false };
    await expect(bed.done(api.request({ kind: "put", key: "a", value: "2" }))).rejects.toMatchObject(
      timedOut,
    );
    await expect(bed.done(api.request({ kind: "range", key: "a" }))).rejects.toMatchObject(timedOut);
    // A condition reads as well, and nobody has said that an old answer will do.
    const asks = { kind: "txn", compare: [], success: [], failure: [] } as const;
    const compare = [{ key: "a", target: "value", result: "equal", operand: "1" }] as const;
    await expect(bed.done(api.request({ ...asks, compare }))).rejects.toMatchObject(timedOut);
    await bed.sleep(3 * SECOND);
    await expect(bed.done(api.request({ kind: "put", key: "a", value: "3" }))).rejects.toMatchObject({
      message: "etcdserver: no leader",
    });
    const old = await bed.done(api.request({ kind: "range", key: "a", serializable: true }));
    expect(old.kvs[0]?.value).toBe("1");
    const success = [{ kind: "range", key: "a", serializable: true }] as const;
    const found = await bed.done(api.request({ ...asks, compare, success }));
    expect(found).toMatchObject({ succeeded: true, responses: [{ kvs: [{ value: "1" }] }] });
  });
});
