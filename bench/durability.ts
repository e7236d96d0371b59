/**
 * What a large data set costs a server: memory for each key, and the time until it serves again after a restart,
 * beside etcd where that is installed. Each is a process of its own, alone in its cluster, with default settings
 * but a quota that has room.
 *
 *   npm run bench:durability [-- megabytes [bytes of a value]...]
 *
 * Memory is what the process occupies after a restart, beyond an empty one's, so that no garbage counts. CPU times
 * are user and system together.
 */
import { type ChildProcess, spawn } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ChannelCredentials } from "@grpc/grpc-js";
import { KVClient, type PutRequest } from "../cluster/etcd/generated/rpc.ts";
import { isInstalled } from "../cluster/etcd/real-etcd.ts";
import { freePort } from "../cluster/live/testbed.ts";
import { pause } from "../cluster/server/processes.ts";

const megabytes = Number(process.argv[2] ?? 200);
const valueSizes = process.argv.length > 3 ? process.argv.slice(3).map(Number) : [100, 1024];
const KEY_BYTES = 32;
const PUTS_PER_TXN = 100;
const IN_FLIGHT = 8;
const RESTARTS = 3;
const TICKS_PER_SECOND = 100;
const main = fileURLToPath(new URL("../src/cli/main.js", import.meta.url));

/** A server as a process, and what is known of it. */
class Subject {
  readonly name: string;
  readonly home = fs.mkdtempSync(join(tmpdir(), "faultline-durability-"));
  readonly #command: (home: string, client: number, peer: number) => readonly string[];
  #client = 0;
  #peer = 0;
  #child: ChildProcess | undefined;

  constructor(name: string, command: (home: string, client: number, peer: number) => readonly string[]) {
    this.name = name;
    this.#command = command;
  }

  /** Resolves when it serves linearizable reads. */
  async start(): Promise<void> {
    if (this.#client === 0) [this.#client, this.#peer] = [await freePort(), await freePort()];
    const [program, ...words] = this.#command(join(this.home, "data"), this.#client, this.#peer);
    this.#child = spawn(program as string, words, { stdio: "ignore" });
    for (;;) {
      const answer = await fetch(`http://127.0.0.1:${this.#client}/v3/kv/range`, {
        method: "POST",
        body: '{"key":"AA=="}',
      }).catch(() => undefined);
      if (answer?.ok === true) return;
      if (this.#child.exitCode !== null) throw new Error(`${this.name} ended by itself`);
      await pause(20);
    }
  }

  async stop(): Promise<void> {
    const child = this.#child as ChildProcess;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    await ended;
  }

  /** MiB. */
  get memory(): number {
    const status = fs.readFileSync(`/proc/${this.#child?.pid}/status`, "utf8");
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
  }

  /** Seconds. */
  get cpu(): number {
    const fields = fs.readFileSync(`/proc/${this.#child?.pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  }

  /** Writes keys in order; gives the slowest transaction, in milliseconds. */
  async load(keys: number, valueBytes: number): Promise<number> {
    const client = new KVClient(`127.0.0.1:${this.#client}`, ChannelCredentials.createInsecure());
    let next = 0;
    let slowest = 0;
    const work = async (): Promise<void> => {
      while (next < keys) {
        const puts: PutRequest[] = [];
        for (const end = Math.min(keys, next + PUTS_PER_TXN); next < end; next++)
          puts.push({
            key: Buffer.from(`key/${next}`.padEnd(KEY_BYTES, ".")),
            value: Buffer.alloc(valueBytes, `${next} `),
            lease: 0n,
            prevKv: false,
            ignoreValue: false,
            ignoreLease: false,
          });
        const success = puts.map((requestPut) => ({ request: { $case: "requestPut", requestPut } as const }));
        const began = performance.now();
        await new Promise<void>((resolve, reject) =>
          client.txn({ compare: [], success, failure: [] }, (error) => (error ? reject(error) : resolve())),
        );
        slowest = Math.max(slowest, performance.now() - began);
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, work));
    client.close();
    return slowest;
  }

  end(): void {
    this.#child?.kill("SIGKILL");
    fs.rmSync(this.home, { recursive: true, force: true });
  }
}

function subjects(): Subject[] {
  const heap = "--max-old-space-size=12000";
  const at = (port: number) => `http://127.0.0.1:${port}`;
  const common = (home: string, client: number, peer: number) => [
    ...["--data-dir", home, "--quota-backend-bytes", String(4 * 1024 ** 3), "--name", "n1"],
    ...["--listen-client-urls", at(client), "--advertise-client-urls", at(client)],
    ...["--listen-peer-urls", at(peer), "--initial-advertise-peer-urls", at(peer)],
    ...["--initial-cluster", `n1=${at(peer)}`],
  ];
  const ours = new Subject("faultline", (...where) => [
    ...[process.execPath, heap, main, "kv", "start"],
    ...common(...where),
  ]);
  if (isInstalled()) return [ours, new Subject("etcd", (...where) => ["etcd", ...common(...where)])];
  console.log("etcd is not installed: nothing to compare with");
  return [ours];
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] as number;
}

for (const valueBytes of valueSizes) {
  const keys = Math.round((megabytes * 1e6) / (KEY_BYTES + valueBytes));
  console.log(`${keys} keys of ${KEY_BYTES} bytes with values of ${valueBytes}, ${megabytes} MB:`);
  for (const subject of subjects()) {
    try {
      await subject.start();
      await pause(500);
      const empty = subject.memory;
      const slowest = await subject.load(keys, valueBytes);
      const loadCpu = subject.cpu;
      const times: number[] = [];
      const cpus: number[] = [];
      for (let i = 0; i < RESTARTS; i++) {
        await subject.stop();
        const began = performance.now();
        await subject.start();
        times.push((performance.now() - began) / 1000);
        cpus.push(subject.cpu);
      }
      const perKey = ((subject.memory - empty) * 2 ** 20) / keys;
      console.log(
        `  ${subject.name.padEnd(10)} loaded with ${loadCpu.toFixed(1)} CPU-s, slowest transaction ${slowest.toFixed(0)} ms; ` +
          `restart ${median(times).toFixed(2)} s (${median(cpus).toFixed(2)} CPU-s); ` +
          `${perKey.toFixed(0)} bytes a key (${(perKey - KEY_BYTES - valueBytes).toFixed(0)} beyond its own)`,
      );
    } finally {
      subject.end();
    }
  }
}
