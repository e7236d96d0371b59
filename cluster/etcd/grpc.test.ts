/** gRPC byte by byte: what libraries do not send, or hide. */
import http2 from "node:http2";
import zlib from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LockRequest } from "./generated/lock.ts";
import * as pb from "./generated/rpc.ts";
import { frameMessage } from "./grpc-messages.ts";
import { EdgeTestbed, message } from "./testbed.ts";

const bed = new EdgeTestbed();
let client: http2.ClientHttp2Session;
beforeAll(async () => {
  await bed.found("m1");
  client = http2.connect(`http://${bed.address("m1")}`);
});
afterAll(async () => {
  client.close();
  await bed.end();
});

interface Answer {
  readonly http: number | undefined;
  readonly status: string | undefined;
  readonly message: string | undefined;
  readonly body: Buffer;
}

const PUT = "/etcdserverpb.KV/Put";
const RANGE = "/etcdserverpb.KV/Range";
const bytes = (text: string) => Buffer.from(text);
const put = (key: string, value: Buffer) =>
  Buffer.from(pb.PutRequest.encode(message(pb.PutRequest, { key: bytes(key), value })).finish());
const range = (key: string) =>
  Buffer.from(pb.RangeRequest.encode(message(pb.RangeRequest, { key: bytes(key) })).finish());
/** A message that says it is compressed. */
function compressed(body: Buffer): Buffer {
  const framed = frameMessage(body);
  framed[0] = 1;
  return framed;
}

async function ask(
  path: string,
  pieces: readonly Buffer[],
  headers: http2.OutgoingHttpHeaders = {},
): Promise<Answer> {
  const stream = client.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
    ...headers,
  });
  let fields: http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader = {};
  stream.on("response", (response) => {
    fields = { ...response, ...fields };
  });
  stream.on("trailers", (trailers) => {
    fields = { ...fields, ...trailers };
  });
  for (const piece of pieces) stream.write(piece);
  stream.end();
  const body: Buffer[] = [];
  for await (const part of stream) body.push(part as Buffer);
  const { ":status": http, "grpc-status": status, "grpc-message": told } = fields;
  return { http, status: status as string, message: told as string, body: Buffer.concat(body) };
}

describe("a message", () => {
  it("may come in any pieces, and compressed", async () => {
    const value = Buffer.alloc(1000, "gzip");
    const zipped = compressed(zlib.gzipSync(put("zipped", value)));
    const answer = await ask(
      PUT,
      [...zipped].map((byte) => Buffer.of(byte)),
      { "grpc-encoding": "gzip" },
    );
    expect(answer).toMatchObject({ http: 200, status: "0" });
    const deflated = compressed(zlib.deflateSync(range("zipped")));
    const { body } = await ask(RANGE, [deflated], { "grpc-encoding": "deflate" });
    expect(body[0]).toBe(0);
    expect(body.readUInt32BE(1)).toBe(body.length - 5);
    expect(pb.RangeResponse.decode(body.subarray(5)).kvs).toMatchObject([{ value }]);
  });

  it("need not be compressed where it might be", async () => {
    const plain = frameMessage(range("none"));
    expect(await ask(RANGE, [plain], { "grpc-encoding": "gzip" })).toMatchObject({ status: "0" });
  });

  it("is the only one of a unary call", async () => {
    const two = [frameMessage(put("one", bytes("1"))), frameMessage(put("two", bytes("2")))];
    expect(await ask(PUT, two)).toMatchObject({ status: "0" });
    const { body } = await ask(RANGE, [frameMessage(range("two"))]);
    expect(pb.RangeResponse.decode(body.subarray(5)).kvs).toEqual([]);
  });

  it.each([
    ["compressed in no way", PUT, [compressed(zlib.gzipSync(put("a", bytes("1"))))], {}, "13"],
    [
      "compressed in a way of its own",
      PUT,
      [compressed(put("a", bytes("1")))],
      { "grpc-encoding": "br" },
      "12",
    ],
    ["not compressed at all", PUT, [compressed(put("a", bytes("1")))], { "grpc-encoding": "gzip" }, "13"],
    [
      "small, and large when it is unpacked",
      PUT,
      [compressed(zlib.gzipSync(put("a", Buffer.alloc(5 << 20))))],
      { "grpc-encoding": "gzip" },
      "8",
    ],
    ["too large", PUT, [frameMessage(put("a", Buffer.alloc(2 << 20)))], {}, "8"],
    ["said to be too large", PUT, [Buffer.from([0, 0xff, 0xff, 0xff, 0xff])], {}, "8"],
    ["in an unknown shape", PUT, [Buffer.from([7, 0, 0, 0, 0])], {}, "13"],
    ["no message", PUT, [frameMessage(Buffer.from([0xff, 0xff]))], {}, "13"],
    ["cut off", PUT, [frameMessage(put("a", bytes("1"))).subarray(0, 9)], {}, "13"],
    ["missing", PUT, [], {}, "13"],
  ] as const)("that is %s is refused", async (_, path, pieces, headers, status) => {
    expect(await ask(path, pieces, headers)).toMatchObject({ http: 200, status });
  });
});

describe("a call", () => {
  const nothing = [frameMessage(Buffer.alloc(0))];

  it("of a method that does not exist is told so, as by etcd", async () => {
    const unknown = async (path: string) => (await ask(path, nothing)).message;
    expect(await unknown("/etcdserverpb.KV/Get")).toBe("unknown method Get for service etcdserverpb.KV");
    expect(await unknown("/no.Such/Method")).toBe("unknown service no.Such");
    expect(await unknown("/etcdserverpb.KV/100%")).toBe("unknown method 100%25 for service etcdserverpb.KV");
    expect((await ask("nonsense", nothing)).status).toBe("12");
  });

  it("that is not gRPC's is told so in HTTP's words", async () => {
    expect(await ask(PUT, nothing, { "content-type": "application/json" })).toMatchObject({ http: 415 });
    expect(await ask(PUT, nothing, { "content-type": "application/grpc+proto" })).toMatchObject({
      http: 200,
    });
    expect(await ask(PUT, [], { ":method": "GET" })).toMatchObject({ http: 405 });
  });

  it("ends with its deadline, whatever it waits for", async () => {
    const lock = frameMessage(LockRequest.encode(message(LockRequest, { name: bytes("l") })).finish());
    expect(await ask("/v3lockpb.Lock/Lock", [lock])).toMatchObject({ status: "0" });
    const waiting = await ask("/v3lockpb.Lock/Lock", [lock], { "grpc-timeout": "50m" });
    expect(waiting).toMatchObject({ status: "4", message: "context deadline exceeded" });
    const watch = pb.WatchRequest.encode({
      requestUnion: {
        $case: "createRequest",
        createRequest: message(pb.WatchCreateRequest, { key: bytes("w") }),
      },
    }).finish();
    const watched = await ask("/etcdserverpb.Watch/Watch", [frameMessage(watch)], {
      "grpc-timeout": "300000u",
    });
    expect(watched.status).toBe("4");
    expect(pb.WatchResponse.decode(watched.body.subarray(5)).created).toBe(true);
  });

  it("with a deadline that makes no sense is refused", async () => {
    for (const timeout of ["", "5", "S", "-1S", "123456789S", "1s"])
      expect(await ask(RANGE, nothing, { "grpc-timeout": timeout })).toMatchObject({ status: "13" });
  });
});

describe("the end of the server", () => {
  it("lets requests under way be answered, and ends streams with a reason", async () => {
    const own = new EdgeTestbed();
    await own.found("m1");
    const session = http2.connect(`http://${own.address("m1")}`);
    await new Promise((resolve) => session.once("connect", resolve));
    const watch = session.request({
      ":method": "POST",
      ":path": "/etcdserverpb.Watch/Watch",
      "content-type": "application/grpc",
    });
    const ended = new Promise<http2.IncomingHttpHeaders>((resolve) => {
      watch.on("response", resolve);
    });
    watch.write(frameMessage(Buffer.alloc(0)));
    const putting = session.request({ ":method": "POST", ":path": PUT, "content-type": "application/grpc" });
    const answered = new Promise<http2.IncomingHttpHeaders>((resolve) => putting.on("trailers", resolve));
    putting.resume();
    putting.write(frameMessage(put("last", bytes("1"))));
    await new Promise<void>((resolve) => session.ping(() => resolve()));
    await own.end();
    expect(await answered).toMatchObject({ "grpc-status": "0" });
    expect(await ended).toMatchObject({ "grpc-status": "14", "grpc-message": "etcdserver: server stopped" });
  });
});
