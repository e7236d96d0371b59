import http2 from "node:http2";
import net from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MILLISECOND, SECOND } from "../../src/runtime/runtime.ts";
import { CONNECTION_LOST, CONNECTION_REFUSED, DEADLINE_EXCEEDED, NOT_SENT } from "../errors.ts";
import { EdgeTestbed } from "../etcd/testbed.ts";
import { EtcdClient } from "./client.ts";
import { describeContract, watch } from "./testdata/contract.ts";

const bed = new EdgeTestbed({}, { bcryptCost: 4 });
beforeAll(() => bed.found("m1"));
afterAll(() => bed.end());

describeContract("our server", () => bed.address("m1"));

const PUT = { kind: "put", key: "k", value: "v" } as const;

/** Where a server listens, which is ended with the connections it has. */
async function listening(server: net.Server): Promise<{ readonly address: string; end(): Promise<void> }> {
  const connections = new Set<net.Socket>();
  server.on("connection", (connection: net.Socket) => connections.add(connection));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `127.0.0.1:${(server.address() as net.AddressInfo).port}`,
    end: async () => {
      for (const connection of connections) connection.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe("what a client knows of a request that was not answered", () => {
  it("is that it failed, if nobody was there", async () => {
    const { address, end } = await listening(net.createServer());
    await end();
    const client = new EtcdClient(address, { timeout: 20 * SECOND });
    for (let attempt = 0; attempt < 3; attempt++)
      await expect(client.request(PUT)).rejects.toMatchObject({
        code: "UNAVAILABLE",
        message: CONNECTION_REFUSED,
        definite: true,
      });
    client.close();
  });

  it("is that it failed, if there was no connection before the deadline", async () => {
    const silent = await listening(net.createServer());
    const client = new EtcdClient(silent.address, { timeout: 200 * MILLISECOND });
    await expect(client.request(PUT)).rejects.toMatchObject({
      code: "DEADLINE_EXCEEDED",
      message: NOT_SENT,
      definite: true,
    });
    client.close();
    await silent.end();
  });

  it("is nothing, if it was sent and the deadline passed", async () => {
    let seen = 0;
    const server = http2.createServer().on("stream", () => seen++);
    const mute = await listening(server as unknown as net.Server);
    const client = new EtcdClient(mute.address, { timeout: 200 * MILLISECOND });
    let error: unknown;
    // The connection may take longer than a request is given.
    while (seen === 0) error = await client.request(PUT).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "DEADLINE_EXCEEDED", message: DEADLINE_EXCEEDED, definite: false });
    client.close();
    await mute.end();
  });

  it("is nothing, if the connection broke with the request on its way", async () => {
    let requests = 0;
    const server = http2.createServer().on("stream", (stream) => {
      requests++;
      stream.session?.destroy();
    });
    const fragile = await listening(server as unknown as net.Server);
    const client = new EtcdClient(fragile.address, { timeout: 20 * SECOND });
    await expect(client.request(PUT)).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: CONNECTION_LOST,
      definite: false,
    });
    expect(requests).toBe(1);
    const heard = watch(client, { key: "k" });
    await heard.until(() => heard.ended !== undefined);
    expect(heard.ended).toBe(CONNECTION_LOST);
    client.close();
    await fragile.end();
  });

  it("is nothing, if the client was closed meanwhile", async () => {
    const client = new EtcdClient(bed.address("m1"), { timeout: 20 * SECOND });
    await client.request(PUT);
    const pending = client.request(PUT);
    const heard = watch(client, { key: "k" });
    client.close();
    await expect(pending).rejects.toMatchObject({ code: "CANCELLED", definite: false });
    await heard.until(() => heard.ended !== undefined);
    await expect(client.request(PUT)).rejects.toMatchObject({ code: "CANCELLED", definite: true });
  });
});
