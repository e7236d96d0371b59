/** From settings, which are texts, to what a member and its edge are started with. */
import fs from "node:fs";
import v8 from "node:v8";
import { MILLISECOND, SECOND } from "../../src/runtime/runtime.ts";
import type { EdgeOptions } from "../etcd/server.ts";
import { STORE_LIMITS } from "../kv/validate.ts";
import type { TlsFiles } from "../live/credentials.ts";
import { type Founding, nodeOf } from "../live/founding.ts";
import type { MemberOptions } from "../live/member.ts";
import { hostOf } from "../live/network.ts";
import type { Retention } from "./auto-compaction.ts";
import { type Given, SettingsError } from "./settings.ts";

export type LogLevel = (typeof LOG_LEVELS)[number];
const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;

export interface Configuration {
  readonly member: Omit<MemberOptions, "log">;
  readonly client: EdgeOptions;
  readonly retention: Retention | undefined;
  readonly logLevel: LogLevel;
}

/** As etcd's. */
const DEFAULT_QUOTA = 2 * 1024 ** 3;
const MAX_QUOTA = 8 * 1024 ** 3;
/** As in etcd: no lease lasts shorter than an election. */
const MAX_ELECTION_MS = 50_000;
/** Read in one piece when a member starts. */
const SEGMENT_BYTES = 16 << 20;
const REQUEST_TIMEOUT_SECONDS = 5;

/** Throws SettingsError. `heapBytes`: what this process may allocate for objects and texts. */
export function configure(given: Given, heapBytes = v8.getHeapStatistics().heap_size_limit): Configuration {
  const read = new Reader(given);
  const name = memberName(read);
  const listenPeerUrls = read.urls("listen-peer-urls", true);
  const advertisePeerUrls = advertised(read, "initial-advertise-peer-urls", listenPeerUrls);
  const listen = read.urls("listen-client-urls", true);
  const advertiseClientUrls = advertised(read, "advertise-client-urls", listen);
  const clientTls = read.tls("", listen);
  const peerTls = read.tls("peer-", listenPeerUrls);
  const heartbeat = read.integer("heartbeat-interval", 1, 10_000);
  const election = read.integer("election-timeout", 1, MAX_ELECTION_MS);
  if (election < 5 * heartbeat)
    throw new SettingsError(
      `--election-timeout ${election} has to be at least five times --heartbeat-interval ${heartbeat}`,
    );
  const maxRequestBytes = read.integer("max-request-bytes", 1, 32 << 20);
  const quotaBytes = quota(read, heapBytes);
  return {
    member: {
      name,
      dataDirectory: read.optional("data-dir") ?? `${name}.faultline`,
      listenPeerUrls,
      advertisePeerUrls,
      advertiseClientUrls,
      initialCluster: initialCluster(read, name, advertisePeerUrls),
      initialClusterState: read.choice("initial-cluster-state", ["new", "existing"]),
      token: read.text("initial-cluster-token"),
      peerTls,
      tuning: {
        tick: heartbeat * MILLISECOND,
        electionTicks: Math.round(election / heartbeat),
        heartbeatTicks: 1,
        preVote: true,
        checkQuorum: true,
        readMode: "safe",
        snapshotEvery: read.integer("snapshot-count", 1, 1e9),
        catchUpEntries: read.integer("snapshot-catchup-entries", 0, 1e9),
        maxEntriesPerMessage: 4096,
        maxInflightMessages: 512,
        segmentBytes: SEGMENT_BYTES,
        requestTimeout: REQUEST_TIMEOUT_SECONDS * SECOND + 2 * election * MILLISECOND,
        watchMaxEvents: 1000,
        leaseCheckpoints: true,
        bug: "",
        maxTxnOps: read.integer("max-txn-ops", 1, STORE_LIMITS.maxTxnOps),
        maxRequestBytes,
        quotaBytes,
        // Its leader may have a larger quota, and a store may be a little above it.
        maxStateBytes: Math.floor(0.6 * heapBytes),
      },
    },
    client: {
      listen: listen.map((url) => ({ host: hostOf(url), port: Number(url.port) })),
      ...(clientTls === undefined ? {} : { tls: clientTls }),
      maxRequestBytes,
      quotaBytes,
      authToken: read.text("auth-token"),
      bcryptCost: read.integer("bcrypt-cost", 4, 31),
    },
    retention: retention(read),
    logLevel: read.choice("log-level", LOG_LEVELS),
  };
}

export interface FounderConfiguration extends Founding {
  readonly name: string;
  readonly dataDirectory: string;
}

/** What makes a founder, without what it is started with. Throws SettingsError. */
export function configureFounder(given: Given): FounderConfiguration {
  const read = new Reader(given);
  const name = memberName(read);
  const fallback = [new URL("http://127.0.0.1:2380")];
  const own = advertised(read, "initial-advertise-peer-urls", fallback);
  return {
    name,
    dataDirectory: read.optional("data-dir") ?? `${name}.faultline`,
    initialCluster: initialCluster(read, name, own),
    token: read.text("initial-cluster-token"),
  };
}

function memberName(read: Reader): string {
  const name = read.text("name");
  if (name !== "" && !name.includes(",") && !name.includes("=")) return name;
  throw new SettingsError(`--name ${JSON.stringify(name)} has to be a text without "," and "="`);
}

/** The store lives in the heap, of which the rest of the member, and what is not collected yet, need their part too. */
function quota(read: Reader, heapBytes: number): number {
  const most = Math.floor(heapBytes / 2);
  const asked = read.integer("quota-backend-bytes", 0, MAX_QUOTA);
  if (asked > most)
    throw new SettingsError(
      `--quota-backend-bytes ${asked} is more than half of the heap, ${heapBytes} bytes: start with NODE_OPTIONS=--max-old-space-size=${Math.ceil((2 * asked) / 2 ** 20)}`,
    );
  return asked || Math.min(DEFAULT_QUOTA, most);
}

/** Where others find this member. Throws if nobody could. */
function advertised(read: Reader, name: string, listen: readonly URL[]): string[] {
  const urls = read.urls(name, false, listen);
  for (const { hostname } of urls)
    if (hostname === "0.0.0.0" || hostname === "[::]")
      throw new SettingsError(`--${name} is needed: nobody can be reached at ${hostname}`);
  return urls.map(withoutSlash);
}

function withoutSlash(url: URL): string {
  return url.href.replace(/\/$/, "");
}

/** Peer URLs by name. Throws if this member's own are not among them. */
function initialCluster(read: Reader, name: string, own: readonly string[]): Map<string, readonly string[]> {
  const text = read.optional("initial-cluster");
  const members = new Map<string, string[]>();
  if (text === undefined) return members.set(name, [...own]);
  for (const part of text.split(",")) {
    const equals = part.indexOf("=");
    if (equals < 1)
      throw new SettingsError(
        `--initial-cluster: ${JSON.stringify(part)} has to be name=url, such as n1=http://10.0.0.1:2380`,
      );
    const member = part.slice(0, equals);
    const url = withoutSlash(parseUrl("initial-cluster", part.slice(equals + 1)));
    members.set(member, [...(members.get(member) ?? []), url]);
  }
  const listed = members.get(name);
  if (listed === undefined)
    throw new SettingsError(
      `--initial-cluster does not name this member, ${name}: it has ${[...members.keys()].join(", ")}`,
    );
  if (nodeOf(listed) !== nodeOf(own))
    throw new SettingsError(
      `--initial-cluster has ${name} at ${listed.join(",")}, but --initial-advertise-peer-urls is ${own.join(",")}: they have to agree`,
    );
  const nodes = [...members.values()].map(nodeOf);
  if (new Set(nodes).size < nodes.length)
    throw new SettingsError("--initial-cluster has two members at the same URLs");
  return members;
}

function retention(read: Reader): Retention | undefined {
  const mode = read.choice("auto-compaction-mode", ["periodic", "revision"]);
  const text = read.text("auto-compaction-retention");
  if (mode === "revision") {
    const revisions = read.integer("auto-compaction-retention", 0, 1e15);
    return revisions === 0 ? undefined : { mode, revisions };
  }
  const match = /^(\d+)(ms|s|m|h|)$/.exec(text);
  if (match === null)
    throw new SettingsError(
      `--auto-compaction-retention ${JSON.stringify(text)} has to be a time such as 30m or 1h`,
    );
  const units: { readonly [unit: string]: number } = { ms: 1, s: 1e3, m: 6e4, h: 36e5, "": 36e5 };
  const time = Number(match[1]) * (units[match[2] as string] as number) * MILLISECOND;
  return time === 0 ? undefined : { mode, time };
}

function parseUrl(name: string, text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const sound =
    url !== undefined && /^https?:$/.test(url.protocol) && url.pathname === "/" && url.search === "";
  // `URL` drops a port that is the scheme's default.
  if (sound && url.port !== "") return url;
  throw new SettingsError(`--${name}: ${JSON.stringify(text)} has to be http(s)://host:port`);
}

class Reader {
  readonly #given: Given;

  constructor(given: Given) {
    this.#given = given;
  }

  optional(name: string): string | undefined {
    return this.#given.get(name);
  }

  text(name: string): string {
    return this.#given.get(name) as string;
  }

  integer(name: string, low: number, high: number): number {
    const text = this.text(name);
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= low && value <= high) return value;
    throw new SettingsError(`--${name} ${JSON.stringify(text)} has to be an integer from ${low} to ${high}`);
  }

  choice<C extends string>(name: string, choices: readonly C[]): C {
    const text = this.text(name);
    const found = choices.find((choice) => choice === text);
    if (found !== undefined) return found;
    throw new SettingsError(`--${name} ${JSON.stringify(text)} has to be one of ${choices.join(", ")}`);
  }

  flag(name: string): boolean {
    const text = this.optional(name) ?? "false";
    if (text === "true" || text === "false") return text === "true";
    throw new SettingsError(`--${name} ${JSON.stringify(text)} has to be true or false`);
  }

  /** `listen`: an address of this machine, or localhost: other names may come to mean something else. */
  urls(name: string, listen: boolean, fallback: readonly URL[] = []): readonly URL[] {
    const text = this.optional(name);
    if (text === undefined) return fallback;
    const urls = text.split(",").map((part) => parseUrl(name, part));
    for (const { hostname } of urls)
      if (listen && hostname !== "localhost" && !/^[\d.]+$|^\[/.test(hostname))
        throw new SettingsError(`--${name}: ${hostname} has to be an IP address, or localhost`);
    return urls;
  }

  tls(prefix: "" | "peer-", urls: readonly URL[]): TlsFiles | undefined {
    const [cert, key, ca] = ["cert-file", "key-file", "trusted-ca-file"].map((name) =>
      this.#file(prefix + name),
    );
    const clientCertAuth = this.flag(`${prefix}client-cert-auth`);
    if ((cert === undefined) !== (key === undefined))
      throw new SettingsError(`--${prefix}cert-file and --${prefix}key-file have to be given together`);
    if (clientCertAuth && ca === undefined)
      throw new SettingsError(`--${prefix}client-cert-auth needs --${prefix}trusted-ca-file`);
    const secure = urls.filter(({ protocol }) => protocol === "https:").length;
    if (secure > 0 && secure < urls.length)
      throw new SettingsError("http and https URLs cannot be mixed in one list");
    if (secure > 0 && cert === undefined)
      throw new SettingsError(`an https URL needs --${prefix}cert-file and --${prefix}key-file`);
    if (cert === undefined || key === undefined || secure === 0) return undefined;
    return {
      get cert() {
        return cert.text;
      },
      get key() {
        return key.text;
      },
      get ca() {
        return ca?.text;
      },
      clientCertAuth,
    };
  }

  #file(name: string): TextFile | undefined {
    const path = this.optional(name);
    if (path === undefined || path === "") return undefined;
    try {
      return new TextFile(path);
    } catch (error) {
      throw new SettingsError(`--${name}: ${(error as Error).message}`);
    }
  }
}

/** A small file, read anew when it has changed. Throws what Node does if it cannot be read. */
class TextFile {
  readonly #path: string;
  #stamp = "";
  #text = "";

  constructor(path: string) {
    this.#path = path;
    this.#text = this.text;
  }

  get text(): string {
    const { mtimeNs, size, ino } = fs.statSync(this.#path, { bigint: true });
    const stamp = `${mtimeNs} ${size} ${ino}`;
    if (stamp !== this.#stamp) this.#text = fs.readFileSync(this.#path, "utf8");
    this.#stamp = stamp;
    return this.#text;
  }
}
