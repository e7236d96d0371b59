/** Real etcd servers on this machine, to compare with: for tests. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../live/testbed.ts";

/** Debian's etcd-server and etcd-client packages bring them. */
export function isInstalled(): boolean {
  const answers = (name: string, ...version: string[]) => spawnSync(name, version).status === 0;
  return answers("etcd", "--version") && answers("etcdctl", "version");
}

const START_LIMIT_MS = 30_000;

const at = (port: number) => `http://127.0.0.1:${port}`;

/** Where a server is, or is to be. */
interface Place {
  readonly name: string;
  readonly client: number;
  readonly peer: number;
}

export class RealEtcd {
  readonly home = fs.mkdtempSync(join(tmpdir(), "faultline-etcd-"));
  readonly #processes: ChildProcess[] = [];
  readonly #places: Place[] = [];

  /** Starts a cluster, and waits for its health. */
  async start(size: number, flags: readonly string[] = []): Promise<void> {
    for (let i = 0; i < size; i++) await this.place();
    for (const place of this.#places) this.#spawn(place, flags);
    for (const address of this.addresses) await this.#healthy(address);
  }

  /** Finds a place for a server that is started later; gives its peer URL. */
  async place(): Promise<string> {
    const name = `m${this.#places.length + 1}`;
    const place = { name, client: await freePort(), peer: await freePort() };
    this.#places.push(place);
    return at(place.peer);
  }

  /** Starts the server that was given a place last, which the cluster has taken in. */
  join(): void {
    this.#spawn(this.#places.at(-1) as Place, ["--initial-cluster-state", "existing"]);
  }

  async kill(index: number): Promise<void> {
    const child = this.#processes[index] as ChildProcess;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  }

  #spawn({ name, client, peer }: Place, flags: readonly string[]): void {
    const cluster = this.#places.map((place) => `${place.name}=${at(place.peer)}`).join(",");
    const log = fs.openSync(join(this.home, `${name}.log`), "w");
    const child = spawn(
      "etcd",
      [
        ...["--name", name, "--data-dir", join(this.home, name), "--initial-cluster", cluster],
        ...["--listen-client-urls", at(client), "--advertise-client-urls", at(client)],
        ...["--listen-peer-urls", at(peer), "--initial-advertise-peer-urls", at(peer)],
        ...["--heartbeat-interval", "50", "--election-timeout", "500"],
        ...flags,
      ],
      { stdio: ["ignore", log, log] },
    );
    fs.closeSync(log);
    this.#processes.push(child);
  }

  /** "127.0.0.1:port" of each member. */
  get addresses(): readonly string[] {
    return this.#places.map(({ client }) => `127.0.0.1:${client}`);
  }

  get pids(): readonly number[] {
    return this.#processes.map(({ pid }) => pid as number);
  }

  /** Whether all servers are still alive. */
  get alive(): boolean {
    return this.#processes.every(runs);
  }

  async end(): Promise<void> {
    const alive = this.#processes.flatMap((child, i) => (runs(child) ? [this.kill(i)] : []));
    await Promise.all(alive);
    fs.rmSync(this.home, { recursive: true });
  }

  async #healthy(address: string): Promise<void> {
    for (let waited = 0; waited < START_LIMIT_MS; waited += 100) {
      try {
        const response = await fetch(`http://${address}/health`);
        if (response.ok) return;
      } catch {}
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`etcd at ${address} did not start; its log is in ${this.home}`);
  }
}

function runs({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode === null && signalCode === null;
}
