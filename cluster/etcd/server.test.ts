/** The edge before one member, spoken to by generated clients and by plain HTTP. */
import http from "node:http";
import net from "node:net";
import { Client, type ClientDuplexStream, status } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ElectionClient, LeaderRequest, type LeaderResponse } from "./generated/election.ts";
import { HealthClient } from "./generated/health.ts";
import { LockClient } from "./generated/lock.ts";
import { ServerReflectionClient, type ServerReflectionResponse } from "./generated/reflection.ts";
import * as pb from "./generated/rpc.ts";
import { call, EdgeTestbed, message } from "./testbed.ts";

const bed = new EdgeTestbed();
beforeAll(() => bed.found("m1"));
afterAll(() => bed.end());

const bytes = (text: string) => Buffer.from(text);
const kv = () => bed.client(pb.KVClient, "m1");

function put(key: string, value: string, fields: Partial<pb.PutRequest> = {}): Promise<pb.PutResponse> {
  const client = kv();
  const request = message(pb.PutRequest, { key: bytes(key), value: bytes(value), ...fields });
  return call(client, client.put, request);
}

function get(key: string, fields: Partial<pb.RangeRequest> = {}): Promise<pb.RangeResponse> {
  const client = kv();
  return call(client, client.range, message(pb.RangeRequest, { key: bytes(key), ...fields }));
}

/** What a stream says, in order. */
class Heard<T> {
  readonly all: T[] = [];
  #wake: () => void = () => {};
  constructor(stream: NodeJS.ReadableStream) {
    stream.on("data", (response: T) => {
      this.all.push(response);
      this.#wake();
    });
    stream.on("error", () => {});
  }
  async until(count: number): Promise<T[]> {
    while (this.all.length < count)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    return this.all;
  }
}

describe("KV", () => {
  it("puts, reads, deletes and compares", async () => {
    const { header } = await put("kv/a", "1");
    const found = await get("kv/a");
    expect(found.kvs).toEqual([
      {
        key: bytes("kv/a"),
        createRevision: header?.revision,
        modRevision: header?.revision,
        version: 1n,
        value: bytes("1"),
        lease: 0n,
      },
    ]);
    const client = kv();
    const txn = message(pb.TxnRequest, {
      compare: [
        message(pb.Compare, {
          key: bytes("kv/a"),
          target: 3,
          targetUnion: { $case: "value", value: bytes("1") },
        }),
      ],
      success: [
        {
          request: {
            $case: "requestDeleteRange",
            requestDeleteRange: message(pb.DeleteRangeRequest, { key: bytes("kv/a"), prevKv: true }),
          },
        },
      ],
    });
    const done = await call(client, client.txn, txn);
    expect(done.succeeded).toBe(true);
    expect(done.responses[0]?.response).toMatchObject({
      $case: "responseDeleteRange",
      responseDeleteRange: { deleted: 1n, prevKvs: [{ value: bytes("1") }] },
    });
    expect((await get("kv/a")).count).toBe(0n);
  });

  it("answers etcd's codes and words", async () => {
    const client = kv();
    await expect(get("")).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: "etcdserver: key is not provided",
    });
    await expect(get("a", { revision: 1000n })).rejects.toMatchObject({
      code: status.OUT_OF_RANGE,
      details: "etcdserver: mvcc: required revision is a future revision",
    });
    await expect(put("a", "1", { lease: 7n })).rejects.toMatchObject({
      code: status.NOT_FOUND,
      details: "etcdserver: requested lease not found",
    });
    await expect(put("a", "x".repeat(1.6 * 1024 * 1024))).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: "etcdserver: request is too large",
    });
    await expect(
      call(client, client.txn, message(pb.TxnRequest, { success: [{ request: undefined }] })),
    ).rejects.toMatchObject({ code: status.INVALID_ARGUMENT, details: "etcdserver: key not found" });
  });

  it("outlives enumerations' values that do not exist", async () => {
    for (const fields of [{ sortTarget: 9 }, { sortOrder: 9 }])
      await expect(get("a", fields as unknown as Partial<pb.RangeRequest>)).rejects.toMatchObject({
        details: "etcdserver: invalid sort option",
      });
    const maintenance = bed.client(pb.MaintenanceClient, "m1");
    await expect(
      call(maintenance, maintenance.alarm, message(pb.AlarmRequest, { action: 9 as 0 })),
    ).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
    expect((await get("a")).count).toBe(0n);
  });

  it("keeps bytes that are no text", async () => {
    const key = Buffer.from([0, 255, 128, 10]);
    const client = kv();
    await call(client, client.put, message(pb.PutRequest, { key, value: key }));
    const found = await call(client, client.range, message(pb.RangeRequest, { key }));
    expect(found.kvs[0]?.value).toEqual(key);
  });
});

describe("Watch", () => {
  let stream: ClientDuplexStream<pb.WatchRequest, pb.WatchResponse>;
  const create = (fields: Partial<pb.WatchCreateRequest>) =>
    stream.write({
      requestUnion: { $case: "createRequest", createRequest: message(pb.WatchCreateRequest, fields) },
    });

  it("numbers the watches of a stream, and tells each its events, in order", async () => {
    stream = bed.client(pb.WatchClient, "m1").watch();
    const heard = new Heard<pb.WatchResponse>(stream);
    create({ key: bytes("w/a") });
    create({ key: bytes("w/"), rangeEnd: bytes("w0"), watchId: 7n, filters: [0] });
    create({ key: bytes("w/b"), watchId: 7n });
    create({ key: bytes("b"), rangeEnd: bytes("a") });
    const [first, second, duplicate, empty] = await heard.until(4);
    expect([first, second].map((response) => [response?.created, response?.watchId])).toEqual([
      [true, 0n],
      [true, 7n],
    ]);
    expect(duplicate).toMatchObject({ created: true, canceled: true, watchId: -1n });
    expect(duplicate?.cancelReason).toBe("mvcc: duplicate watch ID provided on the WatchStream");
    expect(empty).toMatchObject({ created: true, canceled: true, watchId: -1n });

    await put("w/a", "1");
    const client = kv();
    await call(client, client.deleteRange, message(pb.DeleteRangeRequest, { key: bytes("w/a") }));
    const events = (await heard.until(7)).slice(4).map(({ watchId, events }) => [watchId, events[0]?.type]);
    expect(events.filter(([id]) => id === 0n)).toEqual([
      [0n, 0],
      [0n, 1],
    ]);
    expect(events.filter(([id]) => id === 7n)).toEqual([[7n, 1]]);

    stream.write({ requestUnion: { $case: "progressRequest", progressRequest: {} } });
    const progress = (await heard.until(8))[7];
    expect(progress).toMatchObject({ watchId: -1n, events: [] });
    stream.write({ requestUnion: { $case: "cancelRequest", cancelRequest: { watchId: 7n } } });
    expect((await heard.until(9))[8]).toMatchObject({ watchId: 7n, canceled: true });
    stream.cancel();
  });

  it("says from where a compacted history can be watched", async () => {
    const { header } = await put("w/c", "1");
    await put("w/c", "2");
    const revision = (header?.revision ?? 0n) + 1n;
    const client = kv();
    await call(client, client.compact, message(pb.CompactionRequest, { revision }));
    stream = bed.client(pb.WatchClient, "m1").watch();
    const heard = new Heard<pb.WatchResponse>(stream);
    create({ key: bytes("w/c"), startRevision: revision - 1n });
    expect((await heard.until(2))[1]).toMatchObject({ canceled: true, compactRevision: revision });
    stream.cancel();
  });

  it("holds back for a reader that does not read, and loses nothing", async () => {
    stream = bed.client(pb.WatchClient, "m1").watch();
    create({ key: bytes("slow") });
    await new Promise((resolve) => stream.once("data", resolve));
    stream.pause();
    const value = "x".repeat(20_000);
    const count = 150;
    for (let i = 0; i < count; i++) await put("slow", value);
    const heard: bigint[] = [];
    await new Promise<void>((resolve) => {
      stream.on("data", ({ events }: pb.WatchResponse) => {
        for (const event of events) heard.push(event.kv?.version ?? 0n);
        if (heard.length >= count) resolve();
      });
      stream.on("error", () => {});
      stream.resume();
    });
    expect(heard).toEqual(Array.from({ length: count }, (_, i) => BigInt(i + 1)));
    stream.cancel();
  });
});

describe("Lease", () => {
  it("grants, renews, tells and revokes", async () => {
    const lease = bed.client(pb.LeaseClient, "m1");
    const { ID, TTL } = await call(lease, lease.leaseGrant, { ID: 0n, TTL: 100n });
    expect(TTL).toBe(100n);
    await put("l", "1", { lease: ID });
    const stream = lease.leaseKeepAlive();
    const heard = new Heard<pb.LeaseKeepAliveResponse>(stream);
    stream.write({ ID });
    stream.write({ ID: 5n });
    expect((await heard.until(2)).map((response) => [response.ID, response.TTL])).toEqual([
      [ID, 100n],
      [5n, 0n],
    ]);
    stream.end();
    const told = await call(lease, lease.leaseTimeToLive, { ID, keys: true });
    expect(told).toMatchObject({ grantedTTL: 100n, keys: [bytes("l")] });
    expect((await call(lease, lease.leaseLeases, {})).leases).toContainEqual({ ID });
    await call(lease, lease.leaseRevoke, { ID });
    expect((await get("l")).count).toBe(0n);
    expect((await call(lease, lease.leaseTimeToLive, { ID, keys: true })).TTL).toBe(-1n);
  });
});

describe("Lock and Election", () => {
  it("hands a lock from one to the next", async () => {
    const lock = bed.client(LockClient, "m1");
    const name = bytes("mutex");
    const first = await call(lock, lock.lock, { name, lease: 0n });
    const second = call(lock, lock.lock, { name, lease: 0n });
    await call(lock, lock.unlock, { key: first.key });
    expect((await second).key).not.toEqual(first.key);
    await expect(call(lock, lock.lock, { name, lease: 99n })).rejects.toMatchObject({
      code: status.UNKNOWN,
      details: "etcdserver: requested lease not found",
    });
  });

  it("elects, proclaims, is observed, and resigns", async () => {
    const election = bed.client(ElectionClient, "m1");
    const name = bytes("office");
    await expect(call(election, election.leader, { name })).rejects.toMatchObject({
      code: status.UNKNOWN,
      details: "election: no leader",
    });
    const observation = election.observe(message(LeaderRequest, { name }));
    const heard = new Heard<LeaderResponse>(observation);
    const { leader } = await call(election, election.campaign, { name, lease: 0n, value: bytes("me") });
    const next = call(election, election.campaign, { name, lease: 0n, value: bytes("you") });
    await heard.until(1);
    await call(election, election.proclaim, { leader, value: bytes("still me") });
    await heard.until(2);
    expect((await call(election, election.leader, { name })).kv?.value).toEqual(bytes("still me"));
    await call(election, election.resign, { leader });
    await next;
    expect((await heard.until(3)).map(({ kv }) => kv?.value.toString())).toEqual(["me", "still me", "you"]);
    observation.cancel();
    await expect(
      call(election, election.proclaim, { leader, value: bytes("me again") }),
    ).rejects.toMatchObject({ code: status.UNKNOWN, details: "election: not leader" });
  });
});

describe("Maintenance and Cluster", () => {
  it("tells its state, and raises and takes back alarms", async () => {
    const maintenance = bed.client(pb.MaintenanceClient, "m1");
    const told = await call(maintenance, maintenance.status, {});
    expect(told.leader).toBe(told.header?.memberId);
    const memberID = told.leader;
    await call(maintenance, maintenance.alarm, { action: 1, memberID, alarm: 1 });
    await expect(put("full", "1")).rejects.toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      details: "etcdserver: mvcc: database space exceeded",
    });
    expect((await call(maintenance, maintenance.status, {})).errors).toHaveLength(1);
    await call(maintenance, maintenance.alarm, { action: 2, memberID, alarm: 1 });
    await put("full", "1");
  });

  it("streams its whole state with a checksum at the end", async () => {
    const stream = bed.client(pb.MaintenanceClient, "m1").snapshot({});
    const blobs: Buffer[] = [];
    for await (const { blob } of stream as AsyncIterable<pb.SnapshotResponse>) blobs.push(blob);
    const { createHash } = await import("node:crypto");
    const digest = blobs.pop();
    const file = Buffer.concat(blobs);
    expect(digest).toEqual(createHash("sha256").update(file).digest());
    // Or etcdctl says that there is no checksum.
    expect(file.length % 512).toBe(0);
  });

  it("lists its members", async () => {
    const cluster = bed.client(pb.ClusterClient, "m1");
    for (const linearizable of [true, false]) {
      const { members } = await call(cluster, cluster.memberList, { linearizable });
      expect(members).toMatchObject([{ peerURLs: bed.live.urls("m1"), isLearner: false }]);
    }
    await expect(
      call(cluster, cluster.memberAdd, { peerURLs: ["nonsense"], isLearner: false }),
    ).rejects.toMatchObject({ details: "etcdserver: given member URLs are invalid" });
  });
});

describe("what comes with gRPC", () => {
  it("is healthy, and describes its services", async () => {
    const health = bed.client(HealthClient, "m1");
    expect(await call(health, health.check, { service: "" })).toEqual({ status: 1 });
    const stream = bed.client(ServerReflectionClient, "m1").serverReflectionInfo();
    const heard = new Heard<ServerReflectionResponse>(stream);
    stream.write({ host: "", messageRequest: { $case: "listServices", listServices: "" } });
    stream.write({
      host: "",
      messageRequest: { $case: "fileContainingSymbol", fileContainingSymbol: "etcdserverpb.KV.Range" },
    });
    const [services, files] = await heard.until(2);
    expect(JSON.stringify(services)).toContain("etcdserverpb.Maintenance");
    expect(files?.messageResponse?.$case).toBe("fileDescriptorResponse");
    stream.end();
  });

  it("says that a method does not exist, and outlives bytes that are no message", async () => {
    const client = bed.client(Client as never, "m1") as Client;
    const send = (path: string, body: Buffer) =>
      new Promise((_, reject) => {
        client.makeUnaryRequest(
          path,
          (b: Buffer) => b,
          (b: Buffer) => b,
          body,
          reject,
        );
      });
    await expect(send("/etcdserverpb.KV/Nothing", Buffer.alloc(0))).rejects.toMatchObject({
      code: status.UNIMPLEMENTED,
    });
    await expect(send("/etcdserverpb.KV/Put", Buffer.from([10, 255, 255]))).rejects.toMatchObject({
      code: status.INTERNAL,
    });
    await put("after", "1");
  });
});

describe("HTTP on the same port", () => {
  async function ask(path: string, body?: object): Promise<{ status: number; text: string }> {
    const init = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
    const response = await fetch(`http://${bed.address("m1")}${path}`, init);
    return { status: response.status, text: await response.text() };
  }
  const base64 = (text: string) => bytes(text).toString("base64");

  it("serves the API as JSON", async () => {
    expect((await ask("/v3/kv/put", { key: base64("json"), value: base64("1") })).status).toBe(200);
    const found = JSON.parse((await ask("/v3/kv/range", { key: base64("json") })).text);
    expect(found.kvs).toMatchObject([{ key: base64("json"), version: "1", value: base64("1") }]);
    expect(found.header.member_id).toMatch(/^\d+$/);
    const refused = await ask("/v3/kv/range", {});
    expect(refused.status).toBe(400);
    expect(JSON.parse(refused.text)).toEqual({
      error: "etcdserver: key is not provided",
      code: 3,
      message: "etcdserver: key is not provided",
    });
    expect((await ask("/v3/nothing", {})).status).toBe(404);
    expect((await ask("/v3/kv/range", { nonsense: 1 })).status).toBe(400);
  });

  it("streams a watch as one result per line", async () => {
    const [host, port] = bed.address("m1").split(":");
    const lines = await new Promise<string[]>((resolve, reject) => {
      let text = "";
      const request = http.request({ host, port, path: "/v3/watch", method: "POST" }, (response) => {
        response.setEncoding("utf8");
        response.on("data", (piece: string) => {
          text += piece;
          const whole = text.split("\n").slice(0, -1);
          if (whole.length === 1) put("watched", "1").catch(reject);
          if (whole.length < 2) return;
          resolve(whole);
          request.destroy();
        });
        response.on("error", () => {});
      });
      request.on("error", () => {});
      request.write(JSON.stringify({ create_request: { key: base64("watched") } }));
    });
    const [created, event] = lines.map((line) => JSON.parse(line).result);
    expect(created.created).toBe(true);
    expect(event.events).toMatchObject([{ kv: { key: base64("watched"), value: base64("1") } }]);
  });

  it("answers monitors", async () => {
    expect(JSON.parse((await ask("/health")).text)).toEqual({ health: "true", reason: "" });
    expect(JSON.parse((await ask("/version")).text)).toHaveProperty("etcdserver");
    const metrics = (await ask("/metrics")).text;
    expect(metrics).toContain("etcd_server_has_leader 1");
    expect(metrics).toMatch(/grpc_server_handled_total\{grpc_service="etcdserverpb.KV",grpc_method="Put"/);
  });

  it("outlives whoever speaks neither", async () => {
    const [host, port] = bed.address("m1").split(":");
    for (const garbage of [
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnonsense".repeat(9),
      "\x16\x03\x01\x00",
      "P",
      "GET",
    ]) {
      const socket = net.connect(Number(port), host);
      socket.on("error", () => {});
      await new Promise<void>((resolve) => socket.write(garbage, "latin1", () => resolve()));
      socket.destroy();
    }
    await put("after", "2");
  });
});
