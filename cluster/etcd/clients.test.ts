/** Other people's clients, clients with certificates, and clients that mean harm. */
import https from "node:https";
import net from "node:net";
import { Client, credentials, status } from "@grpc/grpc-js";
import { Etcd3 } from "etcd3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { seededRandom } from "../../src/runtime/random.ts";
import { createAuthority } from "../server/certificates.ts";
import * as pb from "./generated/rpc.ts";
import { methodSchemas } from "./schema.ts";
import { call, clientOf, EdgeTestbed, message } from "./testbed.ts";

const bytes = (text: string) => Buffer.from(text);

describe("the npm package etcd3", () => {
  const bed = new EdgeTestbed();
  let client: Etcd3;
  beforeAll(async () => {
    await bed.found("m1");
    client = new Etcd3({ hosts: `http://${bed.address("m1")}` });
  });
  afterAll(async () => {
    client.close();
    await bed.end();
  });

  it("reads, writes, and compares", async () => {
    await client.put("foo").value("bar");
    expect(await client.get("foo").string()).toBe("bar");
    const done = await client
      .if("foo", "Value", "==", "bar")
      .then(client.put("foo").value("baz"))
      .else(client.get("foo"))
      .commit();
    expect(done.succeeded).toBe(true);
    expect(await client.getAll().prefix("f").strings()).toEqual({ foo: "baz" });
    await client.delete().all();
    expect(await client.get("foo")).toBeNull();
  });

  it("watches, and holds leases and locks", async () => {
    const watcher = await client.watch().prefix("w").create();
    const heard = new Promise<string>((resolve) => {
      watcher.on("put", ({ key }) => resolve(key.toString()));
    });
    const lease = client.lease(10);
    await lease.put("w1").value("1");
    expect(await heard).toBe("w1");
    await watcher.cancel();
    await lease.revoke();
    expect(await client.get("w1")).toBeNull();
    const order: number[] = [];
    const hold = (n: number) => client.lock("lock").do(() => void order.push(n));
    await hold(1);
    await hold(2);
    expect(order).toEqual([1, 2]);
  });
});

describe("a store with a quota", () => {
  const bed = new EdgeTestbed({ quotaBytes: 10_000 });
  beforeAll(() => bed.found("m1"));
  afterAll(() => bed.end());

  it("raises the alarm when it is full, and serves again once room was made and the alarm taken back", async () => {
    const kv = bed.client(pb.KVClient, "m1");
    const maintenance = bed.client(pb.MaintenanceClient, "m1");
    const put = () =>
      call(kv, kv.put, message(pb.PutRequest, { key: bytes("k"), value: Buffer.alloc(1000) }));
    const full = { code: status.RESOURCE_EXHAUSTED, details: "etcdserver: mvcc: database space exceeded" };
    let last = await put();
    await expect(
      (async () => {
        for (let i = 0; i < 20; i++) last = await put();
      })(),
    ).rejects.toMatchObject(full);
    const alarms = () => call(maintenance, maintenance.alarm, message(pb.AlarmRequest));
    expect((await alarms()).alarms).toEqual([{ memberID: last.header?.memberId, alarm: 1 }]);
    const revision = last.header?.revision ?? 0n;
    await call(kv, kv.compact, message(pb.CompactionRequest, { revision }));
    await expect(put()).rejects.toMatchObject(full);
    const memberID = last.header?.memberId ?? 0n;
    await call(maintenance, maintenance.alarm, { action: 2, memberID, alarm: 1 });
    await put();
  });
});

describe("TLS", () => {
  const authority = createAuthority("tests", 1);
  const server = authority.issue("server", ["127.0.0.1", "localhost"]);
  const ann = authority.issue("ann", []);
  const bed = new EdgeTestbed(
    {},
    { bcryptCost: 4, tls: { ...server, ca: authority.cert, clientCertAuth: true } },
  );
  beforeAll(() => bed.found("m1"));
  afterAll(() => bed.end());
  const ca = Buffer.from(authority.cert);
  const secure = credentials.createSsl(ca, Buffer.from(ann.key), Buffer.from(ann.cert));

  it("serves both protocols, to clients with certificates only", async () => {
    const kv = new pb.KVClient(bed.address("m1"), secure);
    await call(kv, kv.put, message(pb.PutRequest, { key: bytes("a") }));
    kv.close();
    const health = (options: https.RequestOptions) =>
      new Promise<string>((resolve, reject) => {
        https
          .get(`https://${bed.address("m1")}/health`, { ca, agent: false, ...options }, (response) => {
            response.setEncoding("utf8").on("data", resolve).on("error", reject);
          })
          .on("error", reject);
      });
    expect(await health(ann)).toContain('"health":"true"');
    await expect(health({})).rejects.toThrow();
  });

  it("takes the name in the certificate for the user's", async () => {
    const auth = new pb.AuthClient(bed.address("m1"), secure);
    const kv = new pb.KVClient(bed.address("m1"), secure);
    for (const name of ["root", "ann"])
      await call(auth, auth.userAdd, message(pb.AuthUserAddRequest, { name, password: "secret" }));
    await call(auth, auth.userGrantRole, { user: "root", role: "root" });
    await call(auth, auth.roleAdd, { name: "r" });
    const perm = { permType: 2, key: bytes("a"), rangeEnd: bytes("b") } as const;
    await call(auth, auth.roleGrantPermission, { name: "r", perm });
    await call(auth, auth.userGrantRole, { user: "ann", role: "r" });
    await call(auth, auth.authEnable, {});
    await call(kv, kv.put, message(pb.PutRequest, { key: bytes("a") }));
    await expect(call(kv, kv.put, message(pb.PutRequest, { key: bytes("b") }))).rejects.toMatchObject({
      code: status.PERMISSION_DENIED,
    });
    kv.close();
    auth.close();
    // What the member does for itself needs no rights.
    const member = bed.live.members.get("m1");
    const own = member?.connect();
    await own?.member({ kind: "member-update", id: member?.id ?? 0, name: "renamed" });
    own?.close();
  });
});

describe("bytes that are no message", () => {
  const bed = new EdgeTestbed({}, { bcryptCost: 4 });
  beforeAll(() => bed.found("m1"));
  afterAll(() => bed.end());

  it.each([
    ["GET //", "404"],
    ["POST //v3/kv/put?a=b", "404"],
    ["GET http://[", "404"],
    ["OPTIONS *", "404"],
    ["HEAD /health", "405"],
    ["PUT /v3/kv/put", "405"],
    ["GET http://elsewhere/health", "200"],
    ["GET /health?why", "200"],
  ])("%s is answered with %s, in HTTP/1", async (line, code) => {
    const [host, port] = bed.address("m1").split(":");
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = net.connect(Number(port), host, () =>
        socket.write(`${line} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n`),
      );
      let text = "";
      socket.setEncoding("latin1").on("data", (piece) => {
        text += piece;
      });
      socket.on("end", () => resolve(text));
      socket.on("error", reject);
    });
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${code} `));
  });

  it("do no member any harm, whatever method they are sent to", async () => {
    const random = seededRandom(20261121);
    const raw = clientOf(Client as never, bed.address("m1")) as Client;
    const same = (body: Buffer) => body;
    const send = (path: string, streams: boolean, body: Buffer) =>
      new Promise<void>((resolve) => {
        const options = { deadline: Date.now() + 200 };
        if (!streams) {
          raw.makeUnaryRequest(path, same, same, body, options, () => resolve());
          return;
        }
        const stream = raw.makeBidiStreamRequest(path, same, same, options);
        stream.on("error", () => {});
        stream.on("data", () => stream.cancel());
        stream.on("status", () => resolve());
        stream.write(body);
        stream.end();
      });
    /** Fields of any number and kind: most of it decodes to something that nobody would ask for. */
    const fields = (): Buffer => {
      const parts: number[] = [];
      for (let i = random.below(4); i >= 0; i--) {
        const kind = random.pick([0, 0, 2, 2, 1, 5, 3]);
        parts.push((random.between(1, 12) << 3) | kind);
        const length = kind === 1 ? 8 : kind === 5 ? 4 : kind === 2 ? random.below(6) : random.between(1, 10);
        if (kind === 2) parts.push(random.below(5) === 0 ? 200 : length);
        for (let n = 0; n < length; n++) parts.push(random.below(256));
      }
      return Buffer.from(parts);
    };
    for (let round = 0; round < 10; round++)
      await Promise.all(
        [...methodSchemas].map(([path, { methodKind }]) => send(path, methodKind !== "unary", fields())),
      );
    raw.close();
    const kv = bed.client(pb.KVClient, "m1");
    await call(kv, kv.put, message(pb.PutRequest, { key: bytes("still"), value: bytes("here") }));
  });
});
