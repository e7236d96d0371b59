/**
 * The way to the other members over TCP or TLS. A connection carries the messages of one port, and begins with a
 * handshake: the dialling end says which cluster and member it is and which port it wants, the accepting end agrees
 * or says why not. Whoever belongs to another cluster, speaks another version, or sends bytes that mean nothing is
 * turned away with a line in the log; the member goes on.
 *
 * A node is named by the URLs it is reached at, separated by commas; a dial tries the next one each time.
 */
import net from "node:net";
import tls from "node:tls";
import type { NodeId } from "../../src/history/op.ts";
import type {
  Connection,
  ConnectionHandlers,
  DatagramPort,
  Network,
  Protocol,
} from "../../src/runtime/runtime.ts";
import type { MemberId } from "../raft/message.ts";
import { Credentials, type TlsFiles } from "./credentials.ts";
import type { EventLoop } from "./event-loop.ts";
import { decodeHello, decodeWelcome, encodeHello, encodeWelcome, type Hello } from "./handshake.ts";
import type { Log } from "./log.ts";
import { Wire, type WireHandlers } from "./wire.ts";

/** From the dial, or the arrival of a socket, to the end of the handshake. */
const HANDSHAKE_DEADLINE_MS = 5_000;
const BEAT_MS = 1_000;
const HANDSHAKE_BYTES = 1 << 16;
/** Sockets that others may have opened, in the middle of a handshake or past it. */
const MAX_SOCKETS = 1024;
/** Connections to a port: each may hold a message that is not whole yet. The oldest make room. */
const MAX_CONNECTIONS = 64;

export interface LiveNetworkOptions {
  readonly loop: EventLoop;
  readonly log: Log;
  /** Who this is; cluster and member are 0 for one that has yet to learn it. */
  readonly self: { readonly clusterId: number; readonly member: MemberId; readonly node: NodeId };
  readonly tls: TlsFiles | undefined;
  /** Ports that others may ask for, and the bytes of a message there at most. `stranger`: also without a cluster. */
  readonly ports: { readonly [port: string]: { readonly limit: number; readonly stranger: boolean } };
}

/** What listens on a port, whoever asks for it. */
export interface Listener {
  readonly protocol: Protocol<unknown>;
  readonly accept: (connection: Connection<unknown>) => ConnectionHandlers<unknown>;
}

export class LiveNetwork implements Network {
  readonly listeners = new Map<string, Listener>();
  readonly #options: LiveNetworkOptions;
  readonly #credentials: Credentials | undefined;
  readonly #servers: net.Server[] = [];
  readonly #wires = new Set<Wire>();
  /** Those that others have opened, by port, oldest first. */
  readonly #accepted = new Map<string, Wire[]>();
  /** Next URL of a node that has several. */
  readonly #turns = new Map<NodeId, number>();
  /** What was last said about a node, not to say it with every attempt. */
  readonly #said = new Map<NodeId, string>();
  #beats: NodeJS.Timeout | undefined;

  /** Throws if the certificates make no sense. */
  constructor(options: LiveNetworkOptions) {
    this.#options = options;
    const { tls: files, log } = options;
    this.#credentials = files && new Credentials(files, log);
  }

  /** Takes connections at these URLs. Rejects if one is in use. */
  async open(urls: readonly URL[]): Promise<void> {
    for (const url of urls) {
      const server = this.#server(url.protocol === "https:");
      server.maxConnections = MAX_SOCKETS;
      this.#servers.push(server);
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen({ host: hostOf(url), port: Number(url.port) }, () => {
          server.off("error", reject);
          resolve();
        });
      });
    }
  }

  listen<M>(
    port: string,
    protocol: Protocol<M>,
    accept: (connection: Connection<M>) => ConnectionHandlers<M>,
  ): void {
    if (!this.#options.loop.alive) return;
    if (this.listeners.has(port)) throw new Error(`port ${port} is in use`);
    this.listeners.set(port, { protocol, accept } as unknown as Listener);
  }

  dial<M>(address: string, protocol: Protocol<M>, handlers: ConnectionHandlers<M>): Connection<M> {
    const colon = address.lastIndexOf(":");
    const node = address.slice(0, colon);
    const port = address.slice(colon + 1);
    const { loop, self } = this.#options;
    const link = new Link<M>(node, protocol, loop);
    link.handlers = handlers;
    const url = this.#nextUrl(node);
    if (url === undefined || !loop.alive) {
      loop.defer(() => link.ended(`${node} is no URL`));
      return link;
    }
    let welcome = false;
    const limit = this.#options.ports[port]?.limit ?? HANDSHAKE_BYTES;
    const socket = this.#connect(url, () => wire.send(encodeHello({ ...self, port })));
    const wire = this.#wire(socket, {
      payload: (bytes) => {
        if (welcome) link.received(bytes);
        else {
          const refusal = decodeWelcome(bytes);
          if (refusal !== undefined) throw new Error(refusal);
          welcome = true;
          clearTimeout(deadline);
          this.#say(node, "connected");
          wire.limit = limit;
          link.open();
        }
      },
      ended: (reason) => {
        clearTimeout(deadline);
        if (!link.over) this.#say(node, reason);
        link.ended(reason);
      },
    });
    const deadline = setTimeout(() => wire.destroy("connection timed out"), HANDSHAKE_DEADLINE_MS);
    link.wire = wire;
    return link;
  }

  bind<M>(): DatagramPort<M> {
    throw new Error("members on real machines speak by streams only");
  }

  /** Ends everything at once; what was sent in this turn still leaves. */
  end(): void {
    clearInterval(this.#beats);
    for (const server of this.#servers) server.close();
    for (const wire of this.#wires) wire.close();
  }

  #server(secure: boolean): net.Server {
    const { log } = this.#options;
    const accept = (socket: net.Socket) => this.#accept(socket);
    if (!secure) return net.createServer(accept);
    if (this.#credentials === undefined) throw new Error("an https URL needs a certificate");
    const server = this.#credentials.serve({}).on("secureConnection", accept);
    server.on("tlsClientError", (error, socket) => {
      log.warn({ remote: socket.remoteAddress, reason: error.message }, "peer connection refused");
      socket.destroy();
    });
    return server;
  }

  #connect(url: URL, connected: () => void): net.Socket {
    const host = hostOf(url);
    const port = Number(url.port);
    if (url.protocol !== "https:") return net.connect({ host, port }, connected);
    const servername = net.isIP(host) === 0 ? host : "";
    return tls.connect({ host, port, servername, ...this.#credentials?.current }, connected);
  }

  #accept(socket: net.Socket): void {
    const { loop, log } = this.#options;
    const remote = `${socket.remoteAddress}:${socket.remotePort}`;
    let link: Link<unknown> | undefined;
    const wire = this.#wire(socket, {
      payload: (bytes) => {
        if (link !== undefined) link.received(bytes);
        else {
          link = this.#welcome(wire, decodeHello(bytes));
          clearTimeout(deadline);
        }
      },
      ended: (reason, refused) => {
        clearTimeout(deadline);
        if (refused || link === undefined)
          log.warn({ remote, node: link?.peer, reason }, "peer connection refused");
        link?.ended(reason);
      },
    });
    const deadline = setTimeout(() => wire.destroy("no handshake in time"), HANDSHAKE_DEADLINE_MS);
    if (!loop.alive) wire.destroy("the member has ended");
  }

  /** Agrees to a handshake. Throws, after telling the other end, if there is a reason not to. */
  #welcome(wire: Wire, hello: Hello): Link<unknown> {
    const { self, ports, loop } = this.#options;
    const port = ports[hello.port];
    const listener = this.listeners.get(hello.port);
    const refuse = (reason: string): never => {
      wire.send(encodeWelcome(reason));
      wire.close();
      throw new Error(`${hello.node}: ${reason}`);
    };
    if (port === undefined) refuse(`there is no port ${JSON.stringify(hello.port)}`);
    else if (!(port.stranger && hello.clusterId === 0) && hello.clusterId !== self.clusterId)
      refuse(`member ${self.member} is of cluster ${self.clusterId}, not of ${hello.clusterId}`);
    else if (hello.member !== 0 && hello.member === self.member)
      refuse(`this is member ${self.member} itself`);
    if (listener === undefined) return refuse("not ready");
    const link = new Link<unknown>(hello.node, listener.protocol, loop);
    link.wire = wire;
    wire.limit = port?.limit ?? HANDSHAKE_BYTES;
    this.#makeRoom(hello.port, wire);
    wire.send(encodeWelcome(undefined));
    link.open();
    loop.run(() => {
      link.handlers = listener.accept(link);
    });
    return link;
  }

  #makeRoom(port: string, wire: Wire): void {
    const open = (this.#accepted.get(port) ?? []).filter((each) => this.#wires.has(each));
    if (open.length >= MAX_CONNECTIONS) {
      this.#options.log.warn(
        { port, connections: open.length },
        "too many peer connections, the oldest ends",
      );
      open.shift()?.destroy("too many connections");
    }
    this.#accepted.set(port, [...open, wire]);
  }

  #wire(socket: net.Socket, handlers: WireHandlers): Wire {
    const wire = new Wire(socket, this.#options.loop, HANDSHAKE_BYTES, {
      payload: handlers.payload,
      ended: (reason, refused) => {
        this.#wires.delete(wire);
        handlers.ended(reason, refused);
      },
    });
    this.#wires.add(wire);
    this.#beats ??= setInterval(() => {
      for (const each of this.#wires) each.beat();
    }, BEAT_MS).unref();
    return wire;
  }

  #nextUrl(node: NodeId): URL | undefined {
    const urls = node.split(",");
    const turn = this.#turns.get(node) ?? 0;
    this.#turns.set(node, (turn + 1) % urls.length);
    const url = urls[turn % urls.length] as string;
    return URL.canParse(url) ? new URL(url) : undefined;
  }

  #say(node: NodeId, what: string): void {
    if (this.#said.get(node) === what || !this.#options.loop.alive) return;
    this.#said.set(node, what);
    const { log } = this.#options;
    if (what === "connected") log.info({ peer: node }, "connected to peer");
    else log.warn({ peer: node, reason: what }, "peer cannot be reached");
  }
}

/** One end of a connection. */
class Link<M> implements Connection<M> {
  readonly peer: string;
  handlers: ConnectionHandlers<M> | undefined;
  wire: Wire | undefined;
  readonly #protocol: Protocol<M>;
  readonly #loop: EventLoop;
  /** Sent before the handshake was over. */
  #early: M[] | undefined = [];
  /** Nobody here is called any more. */
  over = false;

  constructor(peer: string, protocol: Protocol<M>, loop: EventLoop) {
    this.peer = peer;
    this.#protocol = protocol;
    this.#loop = loop;
  }

  get buffered(): number {
    return (this.#early?.length ?? 0) + (this.wire?.buffered ?? 0);
  }

  send(message: M): void {
    if (this.over || !this.#loop.alive) return;
    if (this.#early !== undefined) this.#early.push(message);
    else this.wire?.send(this.#protocol.encode(message));
  }

  close(): void {
    this.over = true;
    this.wire?.close();
  }

  open(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const message of early) this.send(message);
    if (!this.over) this.#loop.run(() => this.handlers?.opened?.());
  }

  /** Throws if the bytes are no message. */
  received(bytes: Uint8Array): void {
    if (this.over) return;
    const message = this.#protocol.decode(bytes);
    this.#loop.run(() => this.handlers?.message(message));
  }

  ended(reason: string): void {
    if (this.over) return;
    this.over = true;
    this.#loop.run(() => this.handlers?.closed(reason));
  }
}

/** IPv6 addresses stand in brackets in a URL, and nowhere else. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, "$1");
}
