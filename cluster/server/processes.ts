/** Servers as processes of this machine, for tests and measurements: started, killed, spoken to over HTTP. */
import { type ChildProcess, spawn } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Until a server that was started has to serve. Machines that test are slow. */
const PATIENCE_MS = 60_000;
/** What one look at a condition takes at most, as far as it counts. */
const MAX_STEP_MS = 3_000;

/** At ports of 127.0.0.1 that nobody listened on a moment ago, each at another one. */
async function freeUrls(count: number): Promise<string[]> {
  const servers = Array.from({ length: count }, () => net.createServer());
  for (const server of servers) await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const ports = servers.map((server) => (server.address() as net.AddressInfo).port);
  for (const server of servers) await new Promise((resolve) => server.close(resolve));
  return ports.map((port) => `http://127.0.0.1:${port}`);
}

/** Waits until a condition holds. Rejects after a minute, in which it was itself not stopped. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let waited = 0; waited < PATIENCE_MS; ) {
    const began = Date.now();
    if (await condition()) return;
    await pause(20);
    waited += Math.min(Date.now() - began, MAX_STEP_MS);
  }
  throw new Error(`waited in vain until ${what}`);
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

export class ServerProcess {
  readonly name: string;
  readonly directory: string;
  readonly peerUrl: string;
  readonly clientUrl: string;
  /** The words after "node" that start it. */
  readonly command: readonly string[];
  /** Everything all its incarnations have logged. */
  log = "";
  #child: ChildProcess | undefined;
  #ended: Promise<number | null> = Promise.resolve(null);

  constructor(options: Pick<ServerProcess, "name" | "directory" | "peerUrl" | "clientUrl" | "command">) {
    this.name = options.name;
    this.directory = options.directory;
    this.peerUrl = options.peerUrl;
    this.clientUrl = options.clientUrl;
    this.command = options.command;
  }

  /** Of the running process. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get running(): boolean {
    return this.#child !== undefined;
  }

  start(): void {
    if (this.#child !== undefined) throw new Error(`${this.name} is running`);
    const child = spawn(process.execPath, this.command, { stdio: ["ignore", "ignore", "pipe"] });
    child.stderr.on("data", (data: Buffer) => {
      this.log += data.toString();
    });
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      child.once("close", (code) => {
        if (this.#child === child) this.#child = undefined;
        resolve(code);
      });
    });
  }

  /** Gives the exit code, once it has ended; null after a signal. */
  async signal(signal: NodeJS.Signals): Promise<number | null> {
    this.#child?.kill(signal);
    return this.#ended;
  }

  /** Resolves when it ends by itself. */
  get ended(): Promise<number | null> {
    return this.#ended;
  }

  /** The answer to a request of etcd's JSON API. Rejects on any other, and after `timeout` milliseconds. */
  async post(path: string, body: object, timeout = 2_000): Promise<{ readonly [field: string]: unknown }> {
    const answer = await fetch(`${this.clientUrl}/v3/${path}`, {
      method: "POST",
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(timeout),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${this.name} ${path}: ${text}`);
    return JSON.parse(text) as { readonly [field: string]: unknown };
  }

  async put(key: string, value: string): Promise<void> {
    await this.post("kv/put", { key: base64(key), value: base64(value) });
  }

  /** Values by key, of all keys with a prefix. */
  async read(prefix: string, serializable = false): Promise<Map<string, string>> {
    const end = `${prefix.slice(0, -1)}${String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1)}`;
    const range = { key: base64(prefix), range_end: base64(end), serializable };
    const { kvs = [] } = await this.post("kv/range", range, 10_000);
    return new Map(
      (kvs as { readonly key: string; readonly value?: string }[]).map(({ key, value = "" }) => [
        text(key),
        text(value),
      ]),
    );
  }

  /** Waits until it serves linearizable reads. */
  async serves(): Promise<void> {
    await until(`${this.name} serves`, () =>
      this.post("kv/range", { key: base64("ready") }).then(
        () => true,
        () => false,
      ),
    );
  }
}

function base64(plain: string): string {
  return Buffer.from(plain).toString("base64");
}

function text(encoded: string): string {
  return Buffer.from(encoded, "base64").toString();
}

/** Members of one cluster, as processes, in a directory of their own. */
export class ServerCluster {
  readonly home = fs.mkdtempSync(join(tmpdir(), "faultline-servers-"));
  readonly servers: ServerProcess[] = [];
  readonly #main: readonly string[];
  readonly #flags: readonly string[];

  /** `main`: what to run, such as ["main.js", "kv"]; `flags` are given to every member. */
  constructor(main: readonly string[], flags: readonly string[] = []) {
    this.#main = main;
    this.#flags = flags;
  }

  /**
   * Starts a cluster of `size` members and waits until all serve. `prepare` is called for each before, with the flags
   * that say who the founders are.
   */
  async found(
    size: number,
    prepare: (server: ServerProcess, founding: readonly string[]) => void = () => {},
  ): Promise<void> {
    const urls = await freeUrls(2 * size);
    const names = Array.from({ length: size }, (_, i) => `n${i + 1}`);
    const cluster = names.map((name, i) => `${name}=${urls[i]}`).join(",");
    for (const [i, name] of names.entries())
      this.#add(name, urls[i] as string, urls[size + i] as string, ["--initial-cluster", cluster]);
    for (const server of this.servers) prepare(server, ["--initial-cluster", cluster]);
    for (const server of this.servers) server.start();
    for (const server of this.servers) await server.serves();
  }

  /** A server that is to join the others, not started yet. */
  async joining(name: string): Promise<ServerProcess> {
    const [peerUrl, clientUrl] = (await freeUrls(2)) as [string, string];
    const known = this.servers.map((server) => `${server.name}=${server.peerUrl}`);
    const flags = ["--initial-cluster", [...known, `${name}=${peerUrl}`].join(",")];
    return this.#add(name, peerUrl, clientUrl, [...flags, "--initial-cluster-state", "existing"]);
  }

  #add(name: string, peerUrl: string, clientUrl: string, flags: readonly string[]): ServerProcess {
    const directory = join(this.home, name);
    const own = ["--name", name, "--data-dir", directory];
    const urls = ["--listen-peer-urls", peerUrl, "--listen-client-urls", clientUrl];
    const command = [...this.#main, "start", ...own, ...urls, ...flags, ...this.#flags];
    const server = new ServerProcess({ name, directory, peerUrl, clientUrl, command });
    this.servers.push(server);
    return server;
  }

  /** Ends everything, and forgets it. */
  async end(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.signal("SIGKILL")));
    fs.rmSync(this.home, { recursive: true });
  }
}
