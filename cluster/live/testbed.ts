/** Members in this process, on real disks and sockets: for tests. */
import fs from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MILLISECOND, SECOND } from "../../src/runtime/runtime.ts";
import { type Log, silent } from "./log.ts";
import { type LiveMember, type MemberOptions, startMember, type Tuning } from "./member.ts";

/** Quick elections, since tests wait for them. */
export const TEST_TUNING: Tuning = {
  tick: 20 * MILLISECOND,
  electionTicks: 10,
  heartbeatTicks: 1,
  preVote: true,
  checkQuorum: true,
  readMode: "safe",
  snapshotEvery: 1000,
  catchUpEntries: 100,
  maxEntriesPerMessage: 1024,
  maxInflightMessages: 256,
  segmentBytes: 1 << 20,
  requestTimeout: 5 * SECOND,
  watchMaxEvents: 1000,
  leaseCheckpoints: true,
  bug: "",
};

/** A port of 127.0.0.1 that nobody listened on a moment ago. */
export async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Waits until a condition holds. Rejects after half a minute. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let waited = 0; waited < 30_000; waited += 10) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`waited in vain until ${what}`);
}

export class LiveTestbed {
  readonly home = fs.mkdtempSync(join(tmpdir(), "faultline-live-"));
  readonly members = new Map<string, LiveMember>();
  readonly #overrides: Partial<MemberOptions>;
  readonly #tuning: Partial<Tuning>;
  readonly #urls = new Map<string, readonly string[]>();
  readonly #log: Log;

  constructor(tuning: Partial<Tuning> = {}, overrides: Partial<MemberOptions> = {}, log: Log = silent) {
    this.#tuning = tuning;
    this.#overrides = overrides;
    this.#log = log;
  }

  /** Finds a place for a member that is started later. */
  async place(...names: readonly string[]): Promise<void> {
    const scheme = this.#overrides.peerTls === undefined ? "http" : "https";
    for (const name of names) this.#urls.set(name, [`${scheme}://127.0.0.1:${await freePort()}`]);
  }

  urls(name: string): readonly string[] {
    return this.#urls.get(name) as readonly string[];
  }

  directory(name: string): string {
    return join(this.home, name);
  }

  options(name: string, changes: Partial<MemberOptions> = {}): MemberOptions {
    return {
      name,
      dataDirectory: this.directory(name),
      listenPeerUrls: this.urls(name).map((url) => new URL(url)),
      advertisePeerUrls: this.urls(name),
      advertiseClientUrls: [`http://${name}.test:2379`],
      initialCluster: this.#urls,
      initialClusterState: "new",
      token: "test",
      peerTls: undefined,
      tuning: { ...TEST_TUNING, ...this.#tuning },
      log: this.#log,
      ...this.#overrides,
      ...changes,
    };
  }

  async start(name: string, changes: Partial<MemberOptions> = {}): Promise<LiveMember> {
    const member = await startMember(this.options(name, changes));
    this.members.set(name, member);
    return member;
  }

  async stop(name: string): Promise<void> {
    await this.members.get(name)?.stop();
    this.members.delete(name);
  }

  /** Founds a cluster and waits for its leader. */
  async found(...names: readonly string[]): Promise<LiveMember> {
    await this.place(...names);
    await Promise.all(names.map((name) => this.start(name)));
    return this.leader();
  }

  async leader(): Promise<LiveMember> {
    const find = () =>
      [...this.members.values()].find(({ node }) => node.raft.role === "leader" && node.applied > 1);
    await until("there is a leader", () => find() !== undefined);
    return find() as LiveMember;
  }

  async end(): Promise<void> {
    for (const name of [...this.members.keys()]) await this.stop(name);
    fs.rmSync(this.home, { recursive: true });
  }
}
