/** Users, roles and tokens at the edge of one member. */
import { generateKeyPairSync } from "node:crypto";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Metadata, status } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as pb from "./generated/rpc.ts";
import { call, EdgeTestbed, message } from "./testbed.ts";

const bytes = (text: string) => Buffer.from(text);
const denied = { code: status.PERMISSION_DENIED, details: "etcdserver: permission denied" };

async function login(bed: EdgeTestbed, name: string, password: string): Promise<{ token: string }> {
  const auth = bed.client(pb.AuthClient, "m1");
  const { token } = await call(auth, auth.authenticate, { name, password });
  return { token };
}

/** root, and "ann" who may read and write what begins with "a". */
async function populate(bed: EdgeTestbed): Promise<void> {
  const auth = bed.client(pb.AuthClient, "m1");
  const add = (name: string, password: string) =>
    call(auth, auth.userAdd, message(pb.AuthUserAddRequest, { name, password }));
  await add("root", "secret");
  await call(auth, auth.userGrantRole, { user: "root", role: "root" });
  await add("ann", "pass");
  await call(auth, auth.roleAdd, { name: "a" });
  const perm = { permType: 2, key: bytes("a"), rangeEnd: bytes("b") } as const;
  await call(auth, auth.roleGrantPermission, { name: "a", perm });
  await call(auth, auth.userGrantRole, { user: "ann", role: "a" });
  await call(auth, auth.authEnable, {});
}

describe("authentication by simple tokens", () => {
  const bed = new EdgeTestbed({}, { bcryptCost: 4 });
  beforeAll(async () => {
    await bed.found("m1");
    await populate(bed);
  });
  afterAll(() => bed.end());
  const kv = () => bed.client(pb.KVClient, "m1");
  const putting = (key: string, who?: { token: string }, fields: Partial<pb.PutRequest> = {}) => {
    const client = kv();
    return call(client, client.put, message(pb.PutRequest, { key: bytes(key), ...fields }), who);
  };

  it("lets nobody in who does not say who it is, or lies", async () => {
    await expect(putting("a")).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: "etcdserver: user name is empty",
    });
    await expect(putting("a", { token: "made.1" })).rejects.toMatchObject({
      code: status.UNAUTHENTICATED,
      details: "etcdserver: invalid auth token",
    });
    for (const [name, password] of [
      ["ann", "wrong"],
      ["eve", "pass"],
    ] as const)
      await expect(login(bed, name, password)).rejects.toMatchObject({
        code: status.INVALID_ARGUMENT,
        details: "etcdserver: authentication failed, invalid user ID or password",
      });
  });

  it("lets users do what their roles permit, and root everything", async () => {
    const [ann, root] = [await login(bed, "ann", "pass"), await login(bed, "root", "secret")];
    await putting("a1", ann);
    await expect(putting("b1", ann)).rejects.toMatchObject(denied);
    await putting("b1", root);
    const client = kv();
    const range = (key: string, end: string) =>
      call(client, client.range, message(pb.RangeRequest, { key: bytes(key), rangeEnd: bytes(end) }), ann);
    expect((await range("a", "b")).count).toBe(1n);
    await expect(range("a", "c")).rejects.toMatchObject(denied);
    const auth = bed.client(pb.AuthClient, "m1");
    await expect(call(auth, auth.userList, {}, ann)).rejects.toMatchObject(denied);
    expect((await call(auth, auth.userGet, { name: "ann" }, ann)).roles).toEqual(["a"]);
    expect((await call(auth, auth.userList, {}, root)).users).toEqual(["ann", "root"]);
    const maintenance = bed.client(pb.MaintenanceClient, "m1");
    await expect(call(maintenance, maintenance.hash, {}, ann)).rejects.toMatchObject(denied);
  });

  it("looks into nested transactions, and at the keys of a lease", async () => {
    const [ann, root] = [await login(bed, "ann", "pass"), await login(bed, "root", "secret")];
    const client = kv();
    const nested = message(pb.TxnRequest, {
      success: [
        {
          request: {
            $case: "requestTxn",
            requestTxn: message(pb.TxnRequest, {
              success: [
                {
                  request: {
                    $case: "requestPut",
                    requestPut: message(pb.PutRequest, { key: bytes("b2") }),
                  },
                },
              ],
            }),
          },
        },
      ],
    });
    await expect(call(client, client.txn, nested, ann)).rejects.toMatchObject(denied);
    const lease = bed.client(pb.LeaseClient, "m1");
    const { ID } = await call(lease, lease.leaseGrant, { ID: 0n, TTL: 60n }, root);
    await putting("b3", root, { lease: ID });
    await expect(putting("a3", ann, { lease: ID })).rejects.toMatchObject(denied);
    await expect(call(lease, lease.leaseRevoke, { ID }, ann)).rejects.toMatchObject(denied);
    await expect(call(lease, lease.leaseTimeToLive, { ID, keys: true }, ann)).rejects.toMatchObject(denied);
    await call(lease, lease.leaseRevoke, { ID }, root);
  });

  it("refuses a watch of what may not be read", async () => {
    const ann = await login(bed, "ann", "pass");
    const client = bed.client(pb.WatchClient, "m1");
    const metadata = new Metadata();
    metadata.set("token", ann.token);
    const stream = client.watch(metadata);
    const heard: pb.WatchResponse[] = [];
    await new Promise<void>((resolve) => {
      stream.on("error", () => {});
      stream.on("data", (response: pb.WatchResponse) => {
        heard.push(response);
        if (heard.length === 2) resolve();
      });
      for (const key of ["b1", "a1"]) {
        const createRequest = message(pb.WatchCreateRequest, { key: bytes(key) });
        stream.write({ requestUnion: { $case: "createRequest", createRequest } });
      }
    });
    stream.cancel();
    expect(heard.map(({ created, canceled, watchId }) => [created, canceled, watchId])).toEqual([
      [true, true, -1n],
      [true, false, 0n],
    ]);
    expect(heard[0]?.cancelReason).toBe(
      "rpc error: code = PermissionDenied desc = etcdserver: permission denied",
    );
  });

  it("takes rights away at once", async () => {
    const [ann, root] = [await login(bed, "ann", "pass"), await login(bed, "root", "secret")];
    const auth = bed.client(pb.AuthClient, "m1");
    await call(auth, auth.userRevokeRole, { name: "ann", role: "a" }, root);
    await expect(putting("a1", ann)).rejects.toMatchObject(denied);
    await call(auth, auth.userDelete, { name: "ann" }, root);
    await expect(putting("a1", ann)).rejects.toMatchObject({ code: status.UNAUTHENTICATED });
    await call(auth, auth.authDisable, {}, root);
    await putting("a1");
    await putting("a1", ann);
  });
});

describe("authentication by JSON Web Tokens", () => {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const directory = fs.mkdtempSync(join(tmpdir(), "faultline-jwt-"));
  const file = join(directory, "key.pem");
  fs.writeFileSync(file, privateKey.export({ type: "pkcs8", format: "pem" }));
  const authToken = `jwt,priv-key=${file},sign-method=ES256,ttl=1m`;
  const bed = new EdgeTestbed({}, { authToken, bcryptCost: 4 });
  afterAll(async () => {
    await bed.end();
    fs.rmSync(directory, { recursive: true });
  });

  it("takes the tokens it has signed, and none that are older than the user's rights", async () => {
    await bed.found("m1");
    await populate(bed);
    const [ann, root] = [await login(bed, "ann", "pass"), await login(bed, "root", "secret")];
    const client = bed.client(pb.KVClient, "m1");
    const put = (who: { token: string }) =>
      call(client, client.put, message(pb.PutRequest, { key: bytes("a1") }), who);
    await put(ann);
    await expect(put({ token: `${ann.token.slice(0, -4)}AAAA` })).rejects.toMatchObject({
      code: status.UNAUTHENTICATED,
    });
    const auth = bed.client(pb.AuthClient, "m1");
    await call(auth, auth.roleAdd, { name: "other" }, root);
    await expect(put(ann)).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: "etcdserver: revision of auth store is old",
    });
    await put(await login(bed, "ann", "pass"));
  });
});
