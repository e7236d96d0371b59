/**
 * A member of a cluster in this process: the node that the simulator runs, on a real disk, network and clock.
 * Clients reach it through `connect`; whatever speaks to the outside (gRPC) is built on that.
 */
import { resolve } from "node:path";
import type { Json, Nanos } from "../../src/history/op.ts";
import type { ConnectionHandlers } from "../../src/runtime/runtime.ts";
import { type Connected, connect } from "../node/client.ts";
import { Node, type NodeOptions, recoverNode } from "../node/node.ts";
import {
  CLIENT_PORT,
  type ClientMessage,
  clientProtocol,
  PEER_PORT,
  type ServerMessage,
  SNAPSHOT_PORT,
} from "../node/protocol.ts";
import { CorruptLogError } from "../raft/log.ts";
import type { MemberId } from "../raft/message.ts";
import type { TlsFiles } from "./credentials.ts";
import { LiveDisk, makeDirectoryNow } from "./disk.ts";
import { EventLoop } from "./event-loop.ts";
import { foundedId, founders, nodeOf } from "./founding.ts";
import { hexId, type Identity, readIdentity, writeIdentity } from "./identity.ts";
import { askMembers, MEMBERS_LIMIT, MEMBERS_PORT, membersProtocol } from "./join.ts";
import { type DirectoryLock, lockDirectory } from "./lock.ts";
import type { Log } from "./log.ts";
import { Loopback } from "./loopback.ts";
import { LiveNetwork } from "./network.ts";
import { LiveRuntime } from "./runtime.ts";

/** Requests are far smaller; an entry, or a frame of a snapshot, may be as long as a request. */
const MESSAGE_LIMIT = 64 << 20;
const CLIENT = `local:${CLIENT_PORT}`;
const PUBLISH_PAUSE_MS = 500;

/** Events that an operator wants to see; the others are for debugging. */
const NOTABLE = new Set([
  "peer-refused",
  "snapshot-interrupted",
  "become-leader",
  "leader-changed",
  "snapshot-saved",
  "snapshot-sent",
  "restored",
  "compacted",
  "wal-repaired",
  "segment-cut",
]);

export type Tuning = Omit<
  NodeOptions,
  "clusterId" | "member" | "members" | "join" | "peerTransport" | "observer" | "started"
>;

export interface MemberOptions {
  readonly name: string;
  /** Made if it does not exist. */
  readonly dataDirectory: string;
  readonly listenPeerUrls: readonly URL[];
  readonly advertisePeerUrls: readonly string[];
  readonly advertiseClientUrls: readonly string[];
  /** Peer URLs by the member's name: the founders of a new cluster, or whom a new member asks. */
  readonly initialCluster: ReadonlyMap<string, readonly string[]>;
  readonly initialClusterState: "new" | "existing";
  readonly token: string;
  readonly peerTls: TlsFiles | undefined;
  readonly tuning: Tuning;
  readonly log: Log;
}

/** A connection to a member in the same process, in the words of the client protocol. */
export interface LocalConnection {
  send(message: ClientMessage): void;
  /** Keeps back what the member sends; it stops its watches on this connection while too much waits. */
  pause(): void;
  resume(): void;
  close(): void;
}

export interface LiveMember {
  readonly name: string;
  readonly id: MemberId;
  readonly clusterId: number;
  readonly node: Node;
  readonly log: Log;
  /** A connection for whoever speaks to the outside. */
  dial(handlers: ConnectionHandlers<ServerMessage>): LocalConnection;
  /** A client of its own. Without a timeout, a request waits as long as the member lets it. */
  connect(timeout?: Nanos): Connected;
  /** Why it ended: it was stopped, was removed, or cannot go on. */
  readonly ended: Promise<string>;
  /** Hands leadership over, if it has it, and ends. */
  stop(): Promise<void>;
}

/** Recovers a member from its data directory, or makes a new one, and lets it take part. Rejects if it must not. */
export async function startMember(options: MemberOptions): Promise<LiveMember> {
  const { log } = options;
  const directory = resolve(options.dataDirectory);
  makeDirectoryNow(directory);
  const lock = await lockDirectory(directory);
  try {
    const known = readIdentity(directory);
    const identity =
      known === undefined ? await newIdentity(options) : checkIdentity(known, options, directory);
    if (known === undefined) writeIdentity(directory, identity);
    log.info(
      { member: hexId(identity.member), cluster: hexId(identity.clusterId), directory },
      known === undefined ? "new member" : "member comes back",
    );
    return await RunningMember.start(options, identity, directory, lock);
  } catch (error) {
    lock.release();
    throw error;
  }
}

async function newIdentity(options: MemberOptions): Promise<Identity> {
  const { name, initialCluster, initialClusterState, advertisePeerUrls, peerTls, log } = options;
  if (initialClusterState === "new") {
    const members = founders(options);
    const self = members.find((member) => member.name === name);
    if (self === undefined)
      throw new Error(`${name} is not one of the members it is to found a cluster with`);
    return { clusterId: foundedId(options, undefined), member: self.id, name, started: false };
  }
  const others = [...initialCluster].filter(([other]) => other !== name).map(([, urls]) => nodeOf(urls));
  const { clusterId, member } = await askMembers(others, nodeOf(advertisePeerUrls), peerTls, log);
  return { clusterId, member, name, started: false };
}

/** A directory with a past says who the member is; flags that describe another one are a mistake. */
function checkIdentity(known: Identity, options: MemberOptions, directory: string): Identity {
  if (options.initialClusterState === "existing") return known;
  const self = founders(options).find((member) => member.name === options.name);
  const whose = `the data directory ${directory} belongs to member ${hexId(known.member)} (${known.name}) of cluster ${hexId(known.clusterId)}`;
  const advice = "give the member a directory of its own, or the flags it was started with";
  const described = foundedId(options, known.origin);
  if (known.clusterId !== described && (known.started || known.origin !== undefined))
    throw new Error(`${whose}, but the flags describe cluster ${hexId(described)}: ${advice}`);
  if (self !== undefined && self.id !== known.member)
    throw new Error(`${whose}, but the flags describe member ${hexId(self.id)} (${self.name}): ${advice}`);
  return known;
}

/** Ids as etcd's tools print them. */
function withHexIds(detail: { readonly [field: string]: Json }): object {
  const { leader, to, from } = detail;
  const hex = (id: Json | undefined) => (typeof id === "number" ? hexId(id) : id);
  return { ...detail, leader: hex(leader), to: hex(to), from: hex(from) };
}

class RunningMember implements LiveMember {
  readonly name: string;
  readonly id: MemberId;
  readonly clusterId: number;
  readonly log: Log;
  readonly ended: Promise<string>;
  readonly #options: MemberOptions;
  readonly #identity: Identity;
  readonly #directory: string;
  readonly #lock: DirectoryLock;
  readonly #loop: EventLoop;
  readonly #disk: LiveDisk;
  readonly #network: LiveNetwork;
  readonly #runtime: LiveRuntime;
  readonly #loopbacks = new Set<Loopback>();
  #node: Node | undefined;
  #end: (reason: string) => void = () => {};
  #started: () => void = () => {};

  private constructor(options: MemberOptions, identity: Identity, directory: string, lock: DirectoryLock) {
    this.name = options.name;
    this.id = identity.member;
    this.clusterId = identity.clusterId;
    this.log = options.log;
    this.#options = options;
    this.#identity = identity;
    this.#directory = directory;
    this.#lock = lock;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#loop = new EventLoop((error) => {
      const { stack = String(error), message } = error as Error;
      this.#exit(
        error instanceof CorruptLogError
          ? `what is durable here contradicts what the cluster says: ${message}`
          : `crashed: ${stack}`,
      );
    });
    this.#disk = new LiveDisk(directory, this.#loop);
    const node = nodeOf(options.advertisePeerUrls);
    this.#network = new LiveNetwork({
      loop: this.#loop,
      log: this.log,
      self: { clusterId: this.clusterId, member: this.id, node },
      tls: options.peerTls,
      ports: {
        [PEER_PORT]: { limit: MESSAGE_LIMIT, stranger: false },
        [SNAPSHOT_PORT]: { limit: MESSAGE_LIMIT, stranger: false },
        [MEMBERS_PORT]: { limit: MEMBERS_LIMIT, stranger: true },
      },
    });
    this.#runtime = new LiveRuntime({
      node,
      loop: this.#loop,
      disk: this.#disk,
      network: this.#network,
      trace: (kind, detail) => this.log[NOTABLE.has(kind) ? "info" : "debug"](withHexIds(detail), kind),
      exit: (reason) => this.#exit(reason),
    });
  }

  static async start(
    options: MemberOptions,
    identity: Identity,
    directory: string,
    lock: DirectoryLock,
  ): Promise<LiveMember> {
    const member = new RunningMember(options, identity, directory, lock);
    try {
      await member.#network.open(options.listenPeerUrls);
      await member.#boot();
    } catch (error) {
      member.#exit("it could not be started");
      throw error;
    }
    return member;
  }

  get node(): Node {
    return this.#node as Node;
  }

  dial(handlers: ConnectionHandlers<ServerMessage>): LocalConnection {
    const loopback = this.#loopback();
    const connection = loopback.dial(CLIENT, clientProtocol, handlers as ConnectionHandlers<unknown>);
    return {
      send: (message) => connection.send(message),
      pause: () => loopback.pause(),
      resume: () => loopback.resume(),
      close: () => {
        this.#loopbacks.delete(loopback);
        connection.close();
      },
    };
  }

  connect(timeout: Nanos = Number.POSITIVE_INFINITY): Connected {
    const loopback = this.#loopback();
    const client = connect(loopback, this.#runtime, "local", { timeout, bug: "", caller: "member" });
    return {
      request: (request) => client.request(request),
      member: (request) => client.member(request),
      watch: (request, handlers) => client.watch(request, handlers),
      close: () => {
        this.#loopbacks.delete(loopback);
        client.close();
      },
    };
  }

  #loopback(): Loopback {
    const loopback = new Loopback(this.#loop, this.#network.listeners);
    this.#loopbacks.add(loopback);
    return loopback;
  }

  async stop(): Promise<void> {
    await this.#handOver();
    this.#exit("stopped");
    await this.ended;
  }

  /** Resolves when the node takes part; rejects if it refuses to. */
  async #boot(): Promise<void> {
    const { tuning, initialClusterState } = this.#options;
    if (this.#identity.started && this.#disk.list("wal").length === 0)
      throw new Error(
        `the log of member ${hexId(this.id)} is gone from ${this.#directory}: a member without its log must not vote; remove it from the cluster and add it anew`,
      );
    const join = initialClusterState === "existing";
    const started = new Promise<void>((resolve) => {
      this.#started = resolve;
    });
    const options: NodeOptions = {
      ...tuning,
      clusterId: this.clusterId,
      member: this.id,
      members: join ? [] : founders(this.#options),
      join,
      peerTransport: "stream",
      started: this.#started,
    };
    const recovered = await this.#gradually(recoverNode(this.#disk, options));
    if (this.#identity.origin !== undefined && recovered.unsaved)
      throw new Error(
        `the snapshot that ${this.#directory} was restored from is damaged there: restore it again`,
      );
    this.#loop.run(() => {
      this.#node = new Node(this.#runtime, options, recovered);
    });
    const refused = this.ended.then((reason) => {
      throw new Error(reason);
    });
    await Promise.race([started, refused]);
    refused.catch(() => {});
    if (!this.#identity.started) writeIdentity(this.#directory, { ...this.#identity, started: true });
    this.#network.listen(MEMBERS_PORT, membersProtocol, (connection) => ({
      message: () =>
        connection.send({ type: "members", clusterId: this.clusterId, members: this.node.members() }),
      closed: () => {},
    }));
    this.#publish().catch((error: unknown) => this.#exit(`crashed: ${String(error)}`));
  }

  /** A step each turn: reading much takes long, and signals and peers shall not wait for it. */
  async #gradually<T>(steps: Generator<void, T>): Promise<T> {
    for (;;) {
      const { done, value } = steps.next();
      if (done === true) return value;
      await new Promise((resolve) => setImmediate(resolve));
      if (!this.#loop.alive) throw new Error("stopped while it was starting");
    }
  }

  /** Tells the cluster this member's name and where clients find it, if that has changed, until it is known. */
  async #publish(): Promise<void> {
    const { name, advertiseClientUrls: clientUrls } = this.#options;
    const client = this.connect();
    while (this.#loop.alive) {
      const known = this.node.members().find((member) => member.id === this.id);
      if (known?.name === name && known.clientUrls?.join() === clientUrls.join()) break;
      try {
        await client.member({ kind: "member-update", id: this.id, name, clientUrls });
        this.log.info({ clientUrls }, "published");
      } catch (error) {
        this.log.debug({ error: (error as Error).message }, "could not publish yet");
        await new Promise((resolve) => setTimeout(resolve, PUBLISH_PAUSE_MS));
      }
    }
    client.close();
  }

  /** To the voter that has most of the log. */
  async #handOver(): Promise<void> {
    const raft = this.#node?.raft;
    if (!this.#loop.alive || raft?.role !== "leader") return;
    const { voters } = raft.configuration;
    const [heir] = raft
      .status()
      .progress.filter(({ member, state }) => state === "replicate" && voters.includes(member))
      .filter(({ member }) => member !== this.id)
      .sort((a, b) => b.match - a.match);
    if (heir === undefined) return;
    // Raft itself gives a transfer up after an election timeout.
    const { electionTicks, tick } = this.#options.tuning;
    const client = this.connect(electionTicks * tick);
    try {
      await client.member({ kind: "transfer-leader", to: heir.member });
      this.log.info({ to: hexId(heir.member) }, "handed leadership over");
    } catch (error) {
      this.log.warn({ reason: (error as Error).message }, "could not hand leadership over");
    }
    client.close();
  }

  #exit(reason: string): void {
    if (!this.#loop.alive) return;
    this.#loop.end();
    this.#runtime.end();
    this.#network.end();
    this.#disk.end();
    for (const loopback of this.#loopbacks) loopback.end("the member has ended");
    this.#lock.release();
    this.#end(reason);
  }
}
