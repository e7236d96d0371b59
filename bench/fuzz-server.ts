/**
 * Sends what no client would to a server: bytes, frames, header fields, messages of every method, JSON, and messages
 * of peers, broken in many ways. The server must live, answer well-meant requests meanwhile, and keep its memory.
 *
 *   npm run bench:fuzz-server -- [--minutes 5] [--seed 1] [--from 0] [--memory 1024]
 *
 * Round number N of a seed always sends the same: `--from N` repeats it. Exit code 1 if the server crashed, did not
 * answer for a while, or took more memory than that, in MiB.
 */
import fs from "node:fs";
import net from "node:net";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import zlib from "node:zlib";
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { FrameWriter, PREFACE } from "../cluster/etcd/http2/frames.ts";
import { ROUTES } from "../cluster/etcd/routes.ts";
import { methodSchemas } from "../cluster/etcd/schema.ts";
import { pause, ServerCluster, type ServerProcess } from "../cluster/server/processes.ts";
import { type Random, seededRandom } from "../src/runtime/random.ts";
import { framed, LoadConnection } from "./grpc-load.ts";
import { broken, noise, type PeerTarget, peerBytes, peerSnapshot, peerTalk } from "./lying-peer.ts";

const { values: options } = parseArgs({
  options: {
    minutes: { type: "string", default: "5" },
    seed: { type: "string", default: "1" },
    from: { type: "string", default: "0" },
    memory: { type: "string", default: "1024" },
  },
});

/** How long well-meant requests may take. Machines that test are slow. */
const PATIENCE_MS = 30_000;
const LINGER_MS = 100;

const NUMBERS = [
  0n,
  1n,
  2n,
  3n,
  5n,
  -1n,
  127n,
  128n,
  2n ** 31n - 1n,
  2n ** 32n,
  2n ** 63n - 1n,
  -(2n ** 63n),
];
const TEXTS = ["", "a", "b", "foo", "root", "\0", "http://", "é"];

/** A message in the form that the proto files give it, of values that are unlikely together. */
function writeMessage(random: Random, { fields }: DescMessage, writer: BinaryWriter, depth: number): void {
  for (const field of fields) {
    if (random.chance(0.4)) continue;
    for (let times = field.fieldKind === "list" ? random.below(4) : 1; times > 0; times--)
      writeField(random, field, writer, depth);
  }
}

function writeField(random: Random, field: DescField, writer: BinaryWriter, depth: number): void {
  const message = "message" in field ? field.message : undefined;
  if (message !== undefined) {
    if (depth > 12) return;
    writer.tag(field.number, WireType.LengthDelimited).fork();
    writeMessage(random, message, writer, depth + 1);
    writer.join();
  } else if (field.fieldKind === "enum" || (field.fieldKind === "list" && field.listKind === "enum"))
    writer.tag(field.number, WireType.Varint).int32(random.pick([0, 1, 2, 3, 4, 5, 99, -1, 0x7fff_ffff]));
  else if (textual(field))
    writer
      .tag(field.number, WireType.LengthDelimited)
      .bytes(random.chance(0.8) ? Buffer.from(random.pick(TEXTS)) : noise(random, 300));
  else writer.tag(field.number, WireType.Varint).int64(random.pick(NUMBERS));
}

/** bytes or string (9 and 12 in descriptor.proto). */
function textual(field: DescField): boolean {
  return "scalar" in field && (field.scalar === 9 || field.scalar === 12);
}

function requestOf(random: Random, message: DescMessage): Buffer {
  const writer = new BinaryWriter();
  writeMessage(random, message, writer, 0);
  return Buffer.from(writer.finish());
}

/** Sends bytes in one or more pieces, reads or does not, and goes. */
async function send(random: Random, url: string, pieces: readonly Buffer[]): Promise<void> {
  const { hostname, port } = new URL(url);
  const socket = net.connect(Number(port), hostname);
  socket.on("error", () => {});
  if (random.chance(0.7)) socket.resume();
  for (const piece of pieces) if (!socket.destroyed) socket.write(piece);
  await pause(LINGER_MS);
  if (random.chance(0.5)) socket.end();
  else socket.resetAndDestroy();
  socket.destroySoon();
}

const methods = [...methodSchemas];
/** Small, and far too large when it is unpacked. */
const BOMB = zlib.gzipSync(Buffer.alloc(64 << 20));
const SETTINGS = Buffer.of(0, 0, 0, 4, 0, 0, 0, 0, 0);

/** Frames of any type on few streams, most of them with a length that is right. */
function frames(random: Random): Buffer {
  const writer = new FrameWriter();
  for (let i = random.between(1, 30); i > 0; i--) {
    const type = random.below(11);
    const payload =
      type === 1
        ? fields(random)
        : random.chance(0.5)
          ? noise(random, 40)
          : Buffer.alloc(random.pick([4, 5, 8]));
    const flags = random.pick([0, 1, 4, 4, 5, 5, 8, 0x20, 0x2d, random.below(256)]);
    const length = random.chance(0.95) ? payload.length : random.below(1 << 24);
    const stream = random.chance(0.3) ? 0 : random.pick([1, 3, 5, 7, 2, 2 * i + 9, 0x7fff_ffff]);
    // The header alone: reserving what it says would be ours to pay.
    writer.header(type, flags, stream, 0);
    const header = writer.take();
    header.writeUIntBE(length, 0, 3);
    writer.bytes(header);
    writer.bytes(payload);
  }
  return writer.take();
}

/** A request's fields, often broken. */
function fields(random: Random): Buffer {
  const [path] = random.pick(methods);
  const text = (value: string) => [value.length, ...Buffer.from(value)];
  const block = Buffer.from([
    ...[0x83, 0x86, 0x44, ...text(path), 0x5f, ...text("application/grpc")],
    ...[0x40, ...text("grpc-timeout"), ...text(random.pick(["1S", "0n", "x"]))],
  ]);
  return random.chance(0.5) ? block : broken(random, block);
}

/** Calls of one method, with messages that are right in form, or were. */
async function calls(random: Random, url: string): Promise<void> {
  const [path, { input, methodKind }] = random.pick(methods);
  const connection = await LoadConnection.open(new URL(url).host, path);
  const messages = Array.from({ length: random.between(1, 20) }, () => {
    const request = requestOf(random, input);
    const message = framed(random.chance(0.7) ? request : broken(random, request));
    if (random.chance(0.1)) message[0] = random.below(256);
    return random.chance(0.9) ? message : broken(random, message);
  });
  for (const message of messages)
    connection.call(message, methodKind === "unary" || random.chance(0.5), {
      data: () => {},
      ended: () => {},
    });
  await pause(LINGER_MS);
  connection.close();
}

async function gateway(random: Random, url: string): Promise<void> {
  const values = [0, -1, 1e300, "", "a", "/w==", null, true, [], {}, "9223372036854775808"];
  const names = ["key", "range_end", "value", "lease", "limit", "compare", "success", "create_request", "ID"];
  const object = (): object =>
    Object.fromEntries(
      Array.from({ length: random.below(4) }, () => [random.pick(names), random.pick(values)]),
    );
  const whole = JSON.stringify(random.chance(0.8) ? object() : [object(), object()]);
  const body = random.chance(0.7) ? whole : broken(random, Buffer.from(whole));
  const path = random.pick([...ROUTES.keys()]);
  await fetch(`${url}${path}`, { method: "POST", body, signal: AbortSignal.timeout(LINGER_MS) }).then(
    (answer) => answer.body?.cancel(),
    () => {},
  );
}

/** The peer that lies is a member, so that the server believes it more than a stranger. */
async function addLiar(server: ServerProcess): Promise<number> {
  const { member } = await server.post("cluster/member/add", {
    peerURLs: ["http://127.0.0.1:1"],
    isLearner: true,
  });
  return Number((member as { readonly ID: string }).ID);
}

async function targetOf(server: ServerProcess, liar: number): Promise<PeerTarget> {
  const { header, raftIndex, raftTerm } = await served(server, "maintenance/status", {});
  const { cluster_id, member_id } = header as { readonly [field: string]: string };
  return {
    clusterId: Number(cluster_id),
    member: Number(member_id),
    liar,
    index: Number(raftIndex),
    term: Number(raftTerm),
  };
}

/** Requests of HTTP/1, of which only the first line is anybody's guess. */
function lines(random: Random): Buffer {
  const path = () =>
    random.pick(["/", "//", "/v3/kv/put", "/health", "http://[", "*", "?", "/%zz", "/\\", "//@", "\x7f"]);
  const method = random.pick(["GET", "POST", "HEAD", "OPTIONS", "CONNECT", "PUT", "TRACE"]);
  const target = Array.from({ length: random.between(1, 3) }, path).join("");
  const length = random.pick([
    "",
    "Content-Length: 2\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Expect: 100-continue\r\n",
    "Upgrade: h2c\r\nConnection: Upgrade\r\n",
  ]);
  const text = `${method} ${target} HTTP/1.1\r\nHost: here\r\n${length}\r\n{}`;
  return random.chance(0.7) ? Buffer.from(text, "latin1") : broken(random, Buffer.from(text, "latin1"));
}

const attacks: {
  readonly [name: string]: (random: Random, server: ServerProcess, target: PeerTarget) => Promise<void>;
} = {
  bytes: (random, { clientUrl }) =>
    send(random, clientUrl, [random.chance(0.5) ? PREFACE : Buffer.alloc(0), noise(random, 500)]),
  frames: (random, { clientUrl }) => send(random, clientUrl, [PREFACE, SETTINGS, frames(random)]),
  halves: (random, { clientUrl }) => {
    const session = Buffer.concat([PREFACE, SETTINGS, frames(random)]);
    return send(random, clientUrl, [session.subarray(0, random.below(session.length))]);
  },
  calls: (random, { clientUrl }) => calls(random, clientUrl),
  bombs: (random, { clientUrl }) => {
    const bomb = framed(BOMB);
    bomb[0] = 1;
    const writer = new FrameWriter();
    const block = fields(random);
    writer.header(1, 4, 1, block.length);
    writer.bytes(block);
    for (let at = 0; at < bomb.length; at += 16_384) {
      const part = bomb.subarray(at, at + 16_384);
      writer.header(0, 0, 1, part.length);
      writer.bytes(part);
    }
    return send(random, clientUrl, [PREFACE, SETTINGS, writer.take()]);
  },
  lines: (random, { clientUrl }) => send(random, clientUrl, [lines(random), lines(random)]),
  gateway: (random, { clientUrl }) => gateway(random, clientUrl),
  peers: (random, { peerUrl }) => send(random, peerUrl, peerBytes(random)),
  talk: (random, { peerUrl }, target) => send(random, peerUrl, peerTalk(random, target)),
  snapshots: (random, { peerUrl }, target) => send(random, peerUrl, peerSnapshot(random, target)),
};

/** MiB. */
function memoryOf({ pid }: ServerProcess): number {
  const status = fs.readFileSync(`/proc/${pid}/status`, "latin1");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}

/**
 * The answer to a well-meant request. It may have to be put again: who believes a liar to be its leader hands requests
 * on to it, where they are lost, until the next election.
 */
async function served(server: ServerProcess, path: string, body: object): ReturnType<ServerProcess["post"]> {
  for (const deadline = Date.now() + PATIENCE_MS; ; ) {
    try {
      return await server.post(path, body, deadline - Date.now());
    } catch (error) {
      if (!server.running || Date.now() > deadline - LINGER_MS) throw error;
      await pause(LINGER_MS);
    }
  }
}

async function takeBackAlarms(server: ServerProcess): Promise<void> {
  const { alarms = [] } = await served(server, "maintenance/alarm", {});
  for (const alarm of alarms as object[])
    await served(server, "maintenance/alarm", { action: "DEACTIVATE", ...alarm });
}

const main = fileURLToPath(new URL("../src/cli/main.js", import.meta.url));
const cluster = new ServerCluster([main, "kv"], ["--log-level", "error"]);
const seed = Number(options.seed);
const random = seededRandom(seed);
const counts = new Map<string, number>();
let round = Number(options.from);
let peak = 0;
try {
  await cluster.found(1);
  const server = cluster.servers[0] as ServerProcess;
  const liar = await addLiar(server);
  let target = await targetOf(server, liar);
  const before = memoryOf(server);
  const ends = Date.now() + Number(options.minutes) * 60_000;
  for (; Date.now() < ends; round++) {
    const of = random.fork(round);
    const names = Array.from({ length: 8 }, () => of.pick(Object.keys(attacks)));
    await Promise.all(
      names.map((name, i) => {
        counts.set(name, (counts.get(name) ?? 0) + 1);
        return attacks[name]?.(of.fork(i), server, target).catch(() => {});
      }),
    );
    if (!server.running) throw new Error("the server has ended");
    peak = Math.max(peak, memoryOf(server));
    if (peak > Number(options.memory)) throw new Error(`the server takes ${peak.toFixed(0)} MiB`);
    if (round % 10 > 0) continue;
    // Somebody may have raised an alarm, which is their right.
    const key = Buffer.from("still there").toString("base64");
    await takeBackAlarms(server);
    await served(server, "kv/put", { key, value: key });
    await served(server, "kv/range", { key });
    target = await targetOf(server, liar);
  }
  console.log(
    `rounds ${options.from} to ${round} of seed ${seed}, ${options.minutes} minutes: the server lives`,
  );
  const { raftTerm } = await served(server, "maintenance/status", {});
  console.log(`term ${raftTerm}, which peers have made so large`);
  console.log(`memory: ${before.toFixed(0)} MiB at first, ${peak.toFixed(0)} at most`);
  console.log([...counts].map(([name, count]) => `${name} ${count}`).join(", "));
} catch (error) {
  const { message, cause = "" } = error as Error;
  console.log(`round ${round} of seed ${seed}: ${message} ${cause}`);
  // If it is ending, it may not have said yet why.
  await pause(2_000);
  for (const server of cluster.servers) console.log(`${server.name}: ${server.log.slice(-2000)}`);
  console.log(`repeat: npm run bench:fuzz-server -- --seed ${seed} --from ${Math.max(0, round - 10)}`);
  process.exitCode = 1;
} finally {
  await cluster.end();
}
// Attacks leave connections half open behind them.
process.exit();
