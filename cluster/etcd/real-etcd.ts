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

export class RealEtcd {
  readonly home = fs.mkdtempSync(join(tmpdir(), "faultline-etcd-"));
  readonly #processes: ChildProcess[] = [];
  readonly #addresses: string[] = [];

  /** Starts a cluster, and waits for its health. */
  async start(size: number, flags: readonly string[] = []): Promise<void> {
    const places = await Promise.all(
      Array.from({ length: size }, async (_, i) => ({
        name: `m${i + 1}`,
        client: await freePort(),
        peer: await freePort(),
      })),
    );
    const cluster = places.map(({ name, peer }) => `${name}=http://127.0.0.1:${peer}`).join(",");
    for (const { name, client, peer } of places) {
      const directory = join(this.home, name);
      const at = (port: number) => `http://127.0.0.1:${port}`;
      const log = fs.openSync(join(this.home, `${name}.log`), "w");
      const child = spawn(
        "etcd",
        [
          ...["--name", name, "--data-dir", directory, "--initial-cluster", cluster],
          ...["--listen-client-urls", at(client), "--advertise-client-urls", at(client)],
          ...["--listen-peer-urls", at(peer), "--initial-advertise-peer-urls", at(peer)],
          ...["--heartbeat-interval", "50", "--election-timeout", "500"],
          ...flags,
        ],
        { stdio: ["ignore", log, log] },
      );
      fs.closeSync(log);
      this.#processes.push(child);
      this.#addresses.push(`127.0.0.1:${client}`);
    }
    for (const address of this.#addresses) await this.#healthy(address);
  }

  /** "127.0.0.1:port" of each member. */
  get addresses(): readonly string[] {
    return this.#addresses;
  }

  get pids(): readonly number[] {
    return this.#processes.map(({ pid }) => pid as number);
  }

  /** Whether all servers are still alive. */
  get alive(): boolean {
    return this.#processes.every((child) => child.exitCode === null && child.signalCode === null);
  }

  async end(): Promise<void> {
    const ended = this.#processes.map(
      (child) => new Promise<void>((resolve) => child.once("exit", () => resolve())),
    );
    for (const child of this.#processes) child.kill("SIGKILL");
    await Promise.all(ended);
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
