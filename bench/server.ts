/**
 * How fast the server is, next to etcd: three members of each as processes of this machine, with their defaults and
 * on the same disk, asked by the same client in turns of a few seconds.
 *
 *   npm run bench:server -- [--rounds 5] [--seconds 2] [--flights 1,10,100,1000] [--only puts|gets|watches]
 *                           [--servers faultline,etcd] [--watchers 1000]
 *
 * Prints per load the median of the rounds: operations per second, their latencies, and the CPU time that all members
 * spend on one; then ours over etcd's. Connections are spread over the members, the leader's first. For the watches,
 * one put follows the other once all watchers have its event.
 */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { hrtime } from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import * as pb from "../cluster/etcd/generated/rpc.ts";
import { isInstalled, RealEtcd } from "../cluster/etcd/real-etcd.ts";
import { ServerCluster } from "../cluster/server/processes.ts";
import { framed, type Listener, LoadConnection } from "./grpc-load.ts";

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "2" },
    flights: { type: "string", default: "1,10,100,1000" },
    only: { type: "string" },
    servers: { type: "string", default: "faultline,etcd" },
    watchers: { type: "string", default: "1000" },
  },
});
const ROUNDS = Number(options.rounds);
const SECONDS = Number(options.seconds);
const WATCHERS = Number(options.watchers);

const KEYS = 10_000;
const VALUE_BYTES = 256;
const CONNECTIONS = 12;
const PUT = "/etcdserverpb.KV/Put";
const RANGE = "/etcdserverpb.KV/Range";
const WATCH = "/etcdserverpb.Watch/Watch";

const ticksPerSecond = Number(spawnSync("getconf", ["CLK_TCK"], { encoding: "utf8" }).stdout);
const now = (): number => Number(hrtime.bigint());

interface Subject {
  readonly name: string;
  /** "127.0.0.1:port", the leader's first. */
  readonly addresses: readonly string[];
  readonly pids: readonly number[];
  end(): Promise<void>;
}

interface Sample {
  readonly rate: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** Microseconds of all members per operation. */
  readonly cpu: number;
}

async function startOurs(): Promise<Subject> {
  const main = fileURLToPath(new URL("../src/cli/main.js", import.meta.url));
  const cluster = new ServerCluster([main, "kv"], ["--log-level", "warn"]);
  await cluster.found(3);
  const addresses = cluster.servers.map(({ clientUrl }) => clientUrl.slice("http://".length));
  const pids = cluster.servers.map(({ pid }) => pid as number);
  return {
    name: "faultline",
    addresses: await leaderFirst(addresses),
    pids,
    end: () => cluster.end(),
  };
}

async function startTheirs(): Promise<Subject> {
  const cluster = new RealEtcd();
  // etcd's own defaults, which tests shorten.
  await cluster.start(3, ["--heartbeat-interval", "100", "--election-timeout", "1000"]);
  const { addresses, pids } = cluster;
  return { name: "etcd", addresses: await leaderFirst(addresses), pids, end: () => cluster.end() };
}

async function leaderFirst(addresses: readonly string[]): Promise<readonly string[]> {
  const leads: boolean[] = [];
  for (const address of addresses) {
    const answer = await fetch(`http://${address}/v3/maintenance/status`, { method: "POST", body: "{}" });
    const { header, leader } = (await answer.json()) as { header: { member_id: string }; leader: string };
    leads.push(header.member_id === leader);
  }
  const leader = leads.indexOf(true);
  if (leader < 0) throw new Error("there is no leader");
  return [...addresses.slice(leader), ...addresses.slice(0, leader)];
}

function cpuSeconds(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "latin1");
    const [user, system] = stat
      .slice(stat.lastIndexOf(")") + 2)
      .split(" ")
      .slice(11, 13);
    ticks += Number(user) + Number(system);
  }
  return ticks / ticksPerSecond;
}

const keyOf = (i: number): Buffer => Buffer.from(`k${String(i % KEYS).padStart(7, "0")}`);
const value = Buffer.alloc(VALUE_BYTES, "v");
const putOf = (key: Buffer, bytes: Buffer): Buffer =>
  framed(pb.PutRequest.encode({ ...pb.PutRequest.decode(Buffer.alloc(0)), key, value: bytes }).finish());
const puts = Array.from({ length: KEYS }, (_, i) => putOf(keyOf(i), value));
const gets = Array.from({ length: KEYS }, (_, i) =>
  framed(pb.RangeRequest.encode({ ...pb.RangeRequest.decode(Buffer.alloc(0)), key: keyOf(i) }).finish()),
);
/** Far from its neighbours, and in no order that a server could make use of. */
let turn = 0;
const nextRequest = (requests: readonly Buffer[]): Buffer => {
  turn = (turn + 7_919) % KEYS;
  return requests[turn] as Buffer;
};

async function open({ addresses }: Subject, path: string, count: number): Promise<LoadConnection[]> {
  const at = (i: number) => addresses[i % addresses.length] as string;
  return Promise.all(Array.from({ length: count }, (_, i) => LoadConnection.open(at(i), path)));
}

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** Keeps `flight` requests under way for some seconds. */
async function load(
  subject: Subject,
  path: string,
  requests: readonly Buffer[],
  flight: number,
): Promise<Sample> {
  const connections = await open(subject, path, Math.min(flight, CONNECTIONS));
  const latencies: number[] = [];
  let failures = 0;
  let ends = Number.POSITIVE_INFINITY;
  let measuring = false;
  const worker = (connection: LoadConnection) =>
    new Promise<void>((resolve) => {
      let began = 0;
      const ask = () => {
        began = now();
        connection.call(nextRequest(requests), true, listener);
      };
      const listener: Listener = {
        data: () => {},
        ended: (ok) => {
          const at = now();
          if (!ok) failures++;
          else if (measuring) latencies.push(at - began);
          if (at < ends && failures === 0) ask();
          else resolve();
        },
      };
      ask();
    });
  const workers = Array.from({ length: flight }, (_, i) =>
    worker(connections[i % connections.length] as LoadConnection),
  );
  // The connections' first requests, and what a server puts off, are not what is measured.
  await new Promise((resolve) => setTimeout(resolve, SECONDS * 100));
  measuring = true;
  const before = cpuSeconds(subject.pids);
  const began = now();
  ends = began + SECONDS * 1e9;
  await new Promise((resolve) => setTimeout(resolve, SECONDS * 1000));
  const cpu = cpuSeconds(subject.pids) - before;
  const seconds = (now() - began) / 1e9;
  const { length } = latencies;
  await Promise.all(workers);
  for (const connection of connections) connection.close();
  if (failures > 0) throw new Error(`${subject.name}: ${failures} requests failed`);
  latencies.sort((a, b) => a - b);
  return {
    rate: length / seconds,
    p50: percentile(latencies, 0.5) / 1e6,
    p99: percentile(latencies, 0.99) / 1e6,
    cpu: (cpu / length) * 1e6,
  };
}

/** One watcher per stream: each is told of each put, and then comes the next one. */
async function watches(subject: Subject): Promise<Sample> {
  const connections = await open(subject, WATCH, CONNECTIONS);
  const [writer] = (await open(subject, PUT, 1)) as [LoadConnection];
  const create = framed(
    pb.WatchRequest.encode({
      requestUnion: {
        $case: "createRequest",
        createRequest: {
          ...pb.WatchCreateRequest.decode(Buffer.alloc(0)),
          key: Buffer.from("w"),
          rangeEnd: Buffer.from("x"),
        },
      },
    }).finish(),
  );
  const lags: number[] = [];
  let heard = 0;
  let all: () => void = () => {};
  let sent = 0;
  // Small enough to come in one piece each: the answer that a watch exists, and then an event.
  const listener: Listener = {
    data: () => {
      lags.push(now() - sent);
      if (++heard === WATCHERS) all();
    },
    ended: () => {},
  };
  const round = (begin: () => void) =>
    new Promise<void>((resolve) => {
      heard = 0;
      all = resolve;
      sent = now();
      begin();
    });
  await round(() => {
    for (let i = 0; i < WATCHERS; i++)
      (connections[i % connections.length] as LoadConnection).call(create, false, listener);
  });
  const key = Buffer.from("watched");
  const put = putOf(key, value);
  const once = () => round(() => writer.call(put, true, { data: () => {}, ended: () => {} }));
  await once();
  lags.length = 0;
  const before = cpuSeconds(subject.pids);
  const began = now();
  while (now() - began < SECONDS * 1e9) await once();
  const seconds = (now() - began) / 1e9;
  const cpu = cpuSeconds(subject.pids) - before;
  for (const connection of [...connections, writer]) connection.close();
  lags.sort((a, b) => a - b);
  return {
    rate: lags.length / seconds,
    p50: percentile(lags, 0.5) / 1e6,
    p99: percentile(lags, 0.99) / 1e6,
    cpu: (cpu / lags.length) * 1e6,
  };
}

const median = (values: readonly number[]): number =>
  percentile(
    [...values].sort((a, b) => a - b),
    0.5,
  );

function medians(samples: readonly Sample[]): Sample {
  const of = (field: keyof Sample) => median(samples.map((sample) => sample[field]));
  return { rate: of("rate"), p50: of("p50"), p99: of("p99"), cpu: of("cpu") };
}

function line(name: string, { rate, p50, p99, cpu }: Sample): string {
  const show = (value: number, digits: number, width: number) => value.toFixed(digits).padStart(width);
  return `  ${name.padEnd(10)} ${show(rate, 0, 8)}/s   p50 ${show(p50, 2, 7)} ms   p99 ${show(p99, 2, 7)} ms   ${show(cpu, 1, 7)} us CPU`;
}

async function compare(
  subjects: readonly Subject[],
  what: string,
  run: (subject: Subject) => Promise<Sample>,
): Promise<void> {
  const samples = subjects.map((): Sample[] => []);
  for (let round = 0; round < ROUNDS; round++)
    for (const [i, subject] of subjects.entries()) (samples[i] as Sample[]).push(await run(subject));
  console.log(what);
  const found = samples.map(medians);
  for (const [i, { name }] of subjects.entries()) console.log(line(name, found[i] as Sample));
  const [ours, theirs] = samples;
  if (ours === undefined || theirs === undefined) return;
  // Of each round with the one that came right after it.
  const ratio = (field: keyof Sample) =>
    median(ours.map((sample, i) => sample[field] / (theirs[i]?.[field] ?? Number.NaN))).toFixed(2);
  console.log(
    `  ratio      ${ratio("rate").padStart(8)}       p50 ${ratio("p50").padStart(7)}      p99 ${ratio("p99").padStart(7)}      ${ratio("cpu").padStart(7)}`,
  );
}

const chosen = options.servers.split(",");
if (chosen.includes("etcd") && !isInstalled()) {
  console.error("no etcd here to compare with: install it, or say --servers faultline");
  process.exit(254);
}
const subjects: Subject[] = [];
try {
  if (chosen.includes("faultline")) subjects.push(await startOurs());
  if (chosen.includes("etcd")) subjects.push(await startTheirs());
  const wanted = (kind: string) => options.only === undefined || options.only === kind;
  const flights = options.flights.split(",").map(Number);
  console.log(
    `${ROUNDS} rounds of ${SECONDS} s; ${KEYS} keys, values of ${VALUE_BYTES} bytes; ${subjects.map(({ name, pids }) => `${name} ${pids.join(" ")}`).join("; ")}`,
  );
  // Until everything is compiled, and every key is there.
  for (const subject of subjects) for (let round = 0; round < 2; round++) await load(subject, PUT, puts, 100);
  for (const flight of flights)
    if (wanted("puts"))
      await compare(subjects, `puts, ${flight} in flight`, (subject) => load(subject, PUT, puts, flight));
  for (const flight of flights)
    if (wanted("gets"))
      await compare(subjects, `linearizable gets, ${flight} in flight`, (subject) =>
        load(subject, RANGE, gets, flight),
      );
  if (wanted("watches")) await compare(subjects, `events to ${WATCHERS} watchers`, watches);
} finally {
  for (const subject of subjects) await subject.end();
}
