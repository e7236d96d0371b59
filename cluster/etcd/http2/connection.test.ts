/** A connection of ours, spoken to by Node's client, which is another implementation, and by frames made here. */
import http2 from "node:http2";
import net from "node:net";
import { Duplex } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Connection } from "./connection.ts";
import {
  ErrorCode,
  Flag,
  FrameReader,
  FrameType,
  FrameWriter,
  MAX_WINDOW,
  PREFACE,
  Setting,
} from "./frames.ts";
import { encodeFields, type Field } from "./hpack.ts";
import type { Stream } from "./stream.ts";

const OK = encodeFields([[":status", "200"]]);
const END = encodeFields([["status-of", "the end"]]);

/** Sends back what comes, in the same pieces; fields that begin with "x-" first. */
function echo(stream: Stream, fields: readonly Field[]): void {
  const own = fields.filter(([name]) => name.startsWith("x-"));
  stream.sendFields(own.length === 0 ? OK : encodeFields([[":status", "200"], ...own]), false);
  stream.onData = (bytes) => stream.sendData(Buffer.from(bytes));
  stream.onEnd = () => stream.sendFields(END, true);
}

let connections: Connection[] = [];
let server: net.Server;
let port: number;
beforeAll(async () => {
  server = net.createServer((socket) => {
    const connection = new Connection(socket, { request: echo, closed: () => {} });
    connections.push(connection);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  port = (server.address() as net.AddressInfo).port;
});
afterAll(() => {
  for (const { socket } of connections) socket.destroy();
  connections = [];
  server.close();
});

interface Reply {
  readonly headers: http2.IncomingHttpHeaders;
  readonly trailers: http2.IncomingHttpHeaders;
  readonly body: Buffer;
}

function ask(
  client: http2.ClientHttp2Session,
  body: Buffer,
  headers: http2.OutgoingHttpHeaders = {},
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const stream = client.request({ ":method": "POST", ":path": "/echo", ...headers });
    const parts: Buffer[] = [];
    let [got, trailers]: http2.IncomingHttpHeaders[] = [{}, {}];
    stream.on("response", (response) => {
      got = response;
    });
    stream.on("trailers", (after) => {
      trailers = after;
    });
    stream.on("data", (part: Buffer) => parts.push(part));
    stream.on("error", reject);
    stream.on("end", () =>
      resolve({ headers: got ?? {}, trailers: trailers ?? {}, body: Buffer.concat(parts) }),
    );
    stream.end(body);
  });
}

const bytesOf = (length: number, seed: number) => Buffer.alloc(length, `${seed} and so on; `);

describe("Node's client", () => {
  it.each([
    ["as it is", {}],
    [
      "with padding and small windows",
      {
        paddingStrategy: http2.constants.PADDING_STRATEGY_MAX,
        settings: { initialWindowSize: 1000, maxFrameSize: 20_000 },
      },
    ],
    ["without a table for fields", { settings: { headerTableSize: 0, initialWindowSize: 1 << 24 } }],
  ] as const)("is answered on many streams at once, %s", async (_, options) => {
    const client = http2.connect(`http://127.0.0.1:${port}`, options);
    const bodies = [0, 1, 100, 16_384, 70_000, 3_000_000].map((length, i) => bytesOf(length, i));
    const replies = await Promise.all([...bodies, ...bodies].map((body) => ask(client, body)));
    replies.forEach(({ headers, trailers, body }, i) => {
      expect(headers[":status"]).toBe(200);
      expect(trailers["status-of"]).toBe("the end");
      expect(body.equals(bodies[i % bodies.length] as Buffer)).toBe(true);
    });
    client.close();
  });

  it("has its fields read, known ones and new ones, short and long, again and again", async () => {
    const client = http2.connect(`http://127.0.0.1:${port}`);
    for (let i = 0; i < 40; i++) {
      const sent = {
        "x-same": "the same",
        [`x-${i % 7}`]: `${i}`,
        "x-long": `<${"~{|}^ \t".repeat(i * 40)}>`,
      };
      const { headers } = await ask(client, Buffer.alloc(0), sent);
      for (const [name, value] of Object.entries(sent)) expect(headers[name]).toBe(value);
    }
    client.close();
  });

  it("may leave a response unread for a while", async () => {
    const client = http2.connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: 65_535 } });
    const body = bytesOf(800_000, 1);
    const stream = client.request({ ":method": "POST", ":path": "/echo" });
    stream.end(body);
    await new Promise((resolve) => stream.once("readable", resolve));
    // Another stream of the same connection is not held up.
    expect((await ask(client, Buffer.from("quick"))).body.toString()).toBe("quick");
    const parts: Buffer[] = [];
    for await (const part of stream) parts.push(part as Buffer);
    expect(Buffer.concat(parts).equals(body)).toBe(true);
    client.close();
  });

  it("is told when the server leaves, and still gets its answers", async () => {
    const client = http2.connect(`http://127.0.0.1:${port}`);
    await new Promise((resolve) => client.once("connect", resolve));
    const pinged = await new Promise((resolve) => client.ping((error) => resolve(error)));
    expect(pinged).toBeNull();
    const stream = client.request({ ":method": "POST", ":path": "/echo" });
    await new Promise((resolve) => stream.once("response", resolve));
    const goodbye = new Promise((resolve) => client.once("goaway", (code) => resolve(code)));
    connections.at(-1)?.leave();
    expect(await goodbye).toBe(ErrorCode.none);
    stream.end("the last word");
    let text = "";
    for await (const part of stream) text += part;
    expect(text).toBe("the last word");
    await new Promise<void>((resolve) => (client.closed ? resolve() : client.once("close", () => resolve())));
  });
});

interface Seen {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Buffer;
}

type Frame = readonly [type: number, flags: number, id: number, payload: Buffer | readonly number[]];

const SETTINGS: Frame = [FrameType.settings, 0, 0, []];
const FIELDS: readonly Field[] = [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/echo"],
];
const REQUEST = encodeFields(FIELDS);
/** A request with other fields besides, or instead. */
const request = (...fields: readonly Field[]): Frame => headers(1, 0, encodeFields([...FIELDS, ...fields]));
const without = (name: string): Frame =>
  headers(1, 0, encodeFields(FIELDS.filter((field) => field[0] !== name)));
const headers = (id: number, flags = 0, block: Buffer = REQUEST): Frame => [
  FrameType.headers,
  flags | Flag.endHeaders,
  id,
  block,
];
const u32 = (value: number) => [value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff];
const setting = (name: number, value: number): Frame => [FrameType.settings, 0, 0, [0, name, ...u32(value)]];

function bytesOfFrames(frames: readonly Frame[]): Buffer {
  const writer = new FrameWriter();
  for (const [type, flags, id, payload] of frames) {
    writer.header(type, flags, id, payload.length);
    writer.bytes(Buffer.from(payload));
  }
  return writer.take();
}

/** What a client sees that sends these frames, until `enough` or the end of the connection. */
function say(
  frames: readonly Frame[],
  enough: (seen: Seen) => boolean,
  preface: Buffer = PREFACE,
): Promise<Seen[]> {
  const seen: Seen[] = [];
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    const reader = new FrameReader();
    const finish = () => {
      socket.destroy();
      resolve(seen);
    };
    socket.on("data", (chunk) => {
      reader.push(chunk, (type, flags, id, payload) => {
        seen.push({ type, flags, id, payload: Buffer.from(payload) });
        if (enough(seen.at(-1) as Seen)) finish();
      });
    });
    socket.on("error", () => {});
    socket.on("close", finish);
    socket.write(Buffer.concat([preface, bytesOfFrames(frames)]));
  });
}

describe("a client that breaks the rules", () => {
  const goAway = ({ type }: Seen) => type === FrameType.goAway;

  it.each([
    [
      "says something else than HTTP/2",
      [],
      ErrorCode.protocol,
      Buffer.from("PRI * HTTP/3.0\r\n\r\nSM\r\n\r\n"),
    ],
    ["does not begin with settings", [headers(1)], ErrorCode.protocol],
    ["sends a frame that is too long", [SETTINGS, [0, 0, 1, Buffer.alloc(16_385)]], ErrorCode.frameSize],
    ["opens an even stream", [SETTINGS, headers(2)], ErrorCode.protocol],
    ["opens stream 0", [SETTINGS, headers(0)], ErrorCode.protocol],
    ["sends data on no stream", [SETTINGS, [FrameType.data, 0, 5, []]], ErrorCode.protocol],
    [
      "resets a stream that was never opened",
      [SETTINGS, [FrameType.resetStream, 0, 5, u32(8)]],
      ErrorCode.protocol,
    ],
    [
      "widens the connection by nothing",
      [SETTINGS, [FrameType.windowUpdate, 0, 0, u32(0)]],
      ErrorCode.protocol,
    ],
    [
      "widens the connection by too much",
      [SETTINGS, [FrameType.windowUpdate, 0, 0, u32(MAX_WINDOW)]],
      ErrorCode.flowControl,
    ],
    ["sends half a window", [SETTINGS, [FrameType.windowUpdate, 0, 0, [0, 0]]], ErrorCode.frameSize],
    ["has settings of a stream", [[FrameType.settings, 0, 1, []]], ErrorCode.protocol],
    ["has half a setting", [[FrameType.settings, 0, 0, [0, 1, 0]]], ErrorCode.frameSize],
    ["acknowledges with contents", [SETTINGS, [FrameType.settings, Flag.ack, 0, [1]]], ErrorCode.frameSize],
    ["half wants push", [setting(Setting.enablePush, 2)], ErrorCode.protocol],
    ["wants frames that are too small", [setting(Setting.maxFrameSize, 100)], ErrorCode.protocol],
    [
      "wants a window that is too large",
      [setting(Setting.initialWindowSize, 2 ** 31)],
      ErrorCode.flowControl,
    ],
    [
      "has a window that becomes too large",
      [SETTINGS, headers(1), [FrameType.windowUpdate, 0, 1, u32(MAX_WINDOW - 65_535)], setting(4, 65_536)],
      ErrorCode.flowControl,
    ],
    ["pings with too little", [SETTINGS, [FrameType.ping, 0, 0, [1]]], ErrorCode.frameSize],
    ["pings on a stream", [SETTINGS, [FrameType.ping, 0, 1, Buffer.alloc(8)]], ErrorCode.protocol],
    ["goes on with what did not begin", [SETTINGS, [FrameType.continuation, 4, 1, []]], ErrorCode.protocol],
    [
      "does not go on with what began",
      [SETTINGS, [FrameType.headers, 0, 1, REQUEST], [FrameType.ping, 0, 0, Buffer.alloc(8)]],
      ErrorCode.protocol,
    ],
    [
      "goes on with another stream's fields",
      [SETTINGS, [FrameType.headers, 0, 1, REQUEST], [FrameType.continuation, 4, 3, []]],
      ErrorCode.protocol,
    ],
    [
      "goes on for ever with nothing",
      [SETTINGS, [FrameType.headers, 0, 1, REQUEST], ...Array(2000).fill([FrameType.continuation, 0, 1, []])],
      ErrorCode.enhanceYourCalm,
    ],
    ["promises", [SETTINGS, [FrameType.pushPromise, 4, 1, [0, 0, 0, 2]]], ErrorCode.protocol],
    [
      "pads more than there is",
      [SETTINGS, headers(1), [FrameType.data, Flag.padded, 1, [9, 1]]],
      ErrorCode.protocol,
    ],
    ["sends fields that are none", [SETTINGS, headers(1, 0, Buffer.of(0xff))], ErrorCode.compression],
    ["ranks nothing", [SETTINGS, [FrameType.priority, 0, 0, Buffer.alloc(5)]], ErrorCode.protocol],
  ] as readonly (readonly [string, readonly Frame[], number, Buffer | undefined])[])(
    "and %s is told why, and sent away",
    async (_, frames, code, preface) => {
      const seen = await say(frames, () => false, preface);
      expect(seen.filter(goAway).map(({ payload }) => payload.readUInt32BE(4))).toEqual([code]);
    },
  );

  const reset = ({ type }: Seen) => type === FrameType.resetStream;

  it.each([
    ["widens a stream by nothing", [headers(1), [FrameType.windowUpdate, 0, 1, u32(0)]], ErrorCode.protocol],
    [
      "widens a stream by too much",
      [headers(1), [FrameType.windowUpdate, 0, 1, u32(MAX_WINDOW)]],
      ErrorCode.flowControl,
    ],
    [
      "goes on after the end of a response that is not read",
      [setting(4, 0), headers(1), [0, Flag.endStream, 1, [1]], [0, 0, 1, [2]]],
      ErrorCode.streamClosed,
    ],
    ["writes names in capitals", [request(["A", "1"])], ErrorCode.protocol],
    ["has a name of two words", [request(["a b", "1"])], ErrorCode.protocol],
    ["has a field without a name", [request(["", "1"])], ErrorCode.protocol],
    ["has a value of two lines", [request(["a", "1\r\nb: 2"])], ErrorCode.protocol],
    [
      "has a path of two lines",
      [headers(1, 0, encodeFields([...FIELDS.slice(0, 2), [":path", "/\r\n"]]))],
      ErrorCode.protocol,
    ],
    ["asks with no method", [without(":method")], ErrorCode.protocol],
    ["asks in no scheme", [without(":scheme")], ErrorCode.protocol],
    ["asks for no path", [without(":path")], ErrorCode.protocol],
    ["asks for two paths", [request([":path", "/"])], ErrorCode.protocol],
    ["asks for an empty path", [headers(1, 0, encodeFields([...FIELDS.slice(0, 2), [":path", ""]]))], 1],
    ["invents a field of the protocol", [request([":protocol", "websocket"])], ErrorCode.protocol],
    ["answers where it should ask", [request([":status", "200"])], ErrorCode.protocol],
    ["says who it asks at the end", [headers(1, 0, encodeFields([["a", "1"], ...FIELDS]))], 1],
    ["speaks of its connection", [request(["connection", "keep-alive"])], ErrorCode.protocol],
    ["sends its contents in chunks", [request(["transfer-encoding", "chunked"])], ErrorCode.protocol],
    ["expects more than trailers", [request(["te", "gzip"])], ErrorCode.protocol],
    [
      "asks again after its contents",
      [headers(1), headers(1, Flag.endStream, encodeFields([[":path", "/"]]))],
      ErrorCode.protocol,
    ],
    [
      "goes on with a request that it has ended itself",
      [headers(1, Flag.endStream), [FrameType.data, 0, 1, [1]]],
      ErrorCode.streamClosed,
    ],
    [
      "goes on with a request that it has given up",
      [headers(1), [FrameType.resetStream, 0, 1, u32(8)], [FrameType.data, 0, 1, [1]]],
      ErrorCode.streamClosed,
    ],
    [
      "sends fields in the middle",
      [headers(1), headers(1, 0, encodeFields([["a", "b"]]))],
      ErrorCode.protocol,
    ],
    ["ranks with too little", [headers(1), [FrameType.priority, 0, 1, [0]]], ErrorCode.frameSize],
    [
      "sends more than it reads",
      [setting(4, 0), headers(1), ...Array(140).fill([FrameType.data, 0, 1, Buffer.alloc(16_384)])],
      ErrorCode.flowControl,
    ],
  ] as readonly (readonly [string, readonly Frame[], number])[])(
    "and %s loses the stream, and no other",
    async (_, frames, code) => {
      const ping: Frame = [FrameType.ping, 0, 0, Buffer.from("nextnext")];
      const after: readonly Frame[] = [headers(3), [FrameType.data, Flag.endStream, 3, [7]], ping];
      const seen = await say([SETTINGS, ...frames, ...after], ({ type }) => type === FrameType.ping);
      expect(seen.filter(reset).map(({ id, payload }) => [id, payload.readUInt32BE(0)])).toEqual([[1, code]]);
      expect(seen.filter(({ type, id }) => type === FrameType.headers && id === 3).length).toBeGreaterThan(0);
    },
  );

  it("finds that what is late for a stream that the server has ended, or unknown, has no meaning", async () => {
    const late: readonly Frame[] = [
      [FrameType.data, 0, 1, [1]],
      [FrameType.windowUpdate, 0, 1, u32(5)],
      headers(1, Flag.endStream),
      [FrameType.resetStream, 0, 1, u32(8)],
      [0x42, 0xff, 1, [1, 2, 3]],
      [FrameType.goAway, 0, 0, Buffer.alloc(8)],
    ];
    const ping: Frame = [FrameType.ping, 0, 0, Buffer.alloc(8)];
    const ended = [without(":path"), ...late, ping];
    const seen = await say([SETTINGS, ...ended], ({ type }) => type === FrameType.ping);
    expect(seen.filter(({ type }) => type === FrameType.goAway)).toEqual([]);
    expect(seen.filter(reset).map(({ payload }) => payload.readUInt32BE(0))).toEqual([ErrorCode.protocol]);
  });

  it("is not waited for by what it has asked before", async () => {
    const closed: number[] = [];
    const socket = new Duplex({ read: () => {}, write: (_, __, done) => done() });
    const connection = new Connection(socket, {
      request: (stream) => {
        stream.onClosed = () => closed.push(stream.id);
      },
      closed: () => {},
    });
    const wrong: Frame = [FrameType.settings, 0, 1, []];
    connection.receive(Buffer.concat([PREFACE, bytesOfFrames([SETTINGS, headers(1), headers(3), wrong])]));
    expect(closed).toEqual([1, 3]);
  });
});

describe("windows", () => {
  /** What is sent of a response of 100 bytes, by the sizes of its pieces. */
  const sizes = (seen: readonly Seen[]) =>
    seen
      .filter(({ type, payload }) => type === FrameType.data && payload.length > 0)
      .map((f) => f.payload.length);
  const body: Frame = [FrameType.data, 0, 1, Buffer.alloc(100)];
  const ping: Frame = [FrameType.ping, 0, 0, Buffer.alloc(8)];

  it("that open and close again while a response waits end where they are in the end", async () => {
    const frames = [setting(4, 10), headers(1), body, setting(4, 90), setting(4, 30), ping];
    const seen = await say([SETTINGS, ...frames], ({ type }) => type === FrameType.ping);
    expect(sizes(seen)).toEqual([10, 20]);
  });

  it("may become negative, and are then made up for first", async () => {
    const frames = [setting(4, 40), headers(1), body, setting(4, 0)];
    const more: readonly Frame[] = [[FrameType.windowUpdate, 0, 1, u32(45)], setting(4, 25), ping];
    const seen = await say([SETTINGS, ...frames, ...more], ({ type }) => type === FrameType.ping);
    expect(sizes(seen).reduce((sum, size) => sum + size, 0)).toBe(70);
  });

  it("that change a thousand times with a thousand responses waiting cost no more than once", async () => {
    let resumed = 0;
    const socket = new Duplex({ read: () => {}, write: (_, __, done) => done() });
    const connection = new Connection(socket, {
      request: (stream) => {
        const { widen } = stream;
        stream.widen = (bytes) => {
          resumed++;
          return widen.call(stream, bytes);
        };
      },
      closed: () => {},
    });
    const requests = Array.from({ length: 1000 }, (_, i) => headers(2 * i + 1));
    const changes = Array.from({ length: 1000 }, (_, i) => setting(4, i % 2));
    connection.receive(Buffer.concat([PREFACE, bytesOfFrames([SETTINGS, ...requests])]));
    connection.receive(bytesOfFrames(changes));
    expect(resumed).toBe(1000);
  });
});

describe("a client that reads nothing", () => {
  const deaf = () => {
    const socket = new Duplex({ read: () => {}, write: () => {} });
    const connection = new Connection(socket, { request: echo, closed: () => {} });
    connection.receive(Buffer.concat([PREFACE, bytesOfFrames([SETTINGS])]));
    return { socket, connection };
  };
  const turn = () => new Promise((resolve) => setImmediate(resolve));

  it("and asks for signs of life without end is cut off", async () => {
    const { socket, connection } = deaf();
    const pings = bytesOfFrames(Array(1000).fill([FrameType.ping, 0, 0, Buffer.alloc(8)]));
    let sent = 0;
    for (; !socket.destroyed && sent < 1000; sent++) {
      connection.receive(pings);
      await turn();
    }
    // About a MiB of answers.
    expect(sent).toBeLessThan(100);
  });

  it("is asked for a sign of life, and given up without one", () => {
    const { connection } = deaf();
    const now = Date.now();
    expect(connection.alive(now, 1000, 100)).toBe(true);
    expect(connection.alive(now + 2000, 1000, 100)).toBe(true);
    expect(connection.alive(now + 2050, 1000, 1100)).toBe(true);
    expect(connection.alive(now + 2200, 1000, 1100)).toBe(false);
    connection.receive(bytesOfFrames([[FrameType.ping, Flag.ack, 0, Buffer.alloc(8)]]));
    expect(connection.alive(Date.now(), 1000, 100)).toBe(true);
  });
});
