/**
 * A member's door for etcd's clients: gRPC and HTTP on the same port. HTTP/2's connection preface tells them apart;
 * under TLS the client has chosen by ALPN.
 */
import http from "node:http";
import net from "node:net";
import type tls from "node:tls";
import { Credentials, type TlsFiles } from "../live/credentials.ts";
import { authHandlers } from "./auth.ts";
import { Authentication } from "./authentication.ts";
import { clusterHandlers } from "./cluster.ts";
import { electionHandlers } from "./election.ts";
import { gateway } from "./gateway.ts";
import { ElectionService } from "./generated/election.ts";
import { HealthService } from "./generated/health.ts";
import { LockService } from "./generated/lock.ts";
import {
  AuthService,
  ClusterService,
  KVService,
  LeaseService,
  MaintenanceService,
  WatchService,
} from "./generated/rpc.ts";
import { GrpcCarrier } from "./grpc.ts";
import { healthHandlers } from "./health.ts";
import { PREFACE } from "./http2/frames.ts";
import { kvHandlers } from "./kv.ts";
import { requireLeader } from "./leader-required.ts";
import { leaseHandlers } from "./lease.ts";
import { lockHandlers } from "./lock.ts";
import { maintenanceHandlers } from "./maintenance.ts";
import { type LocalMember, MemberClient } from "./member.ts";
import { EdgeMetrics } from "./metrics.ts";
import { reflectionMethods } from "./reflection.ts";
import { bind } from "./rpc.ts";
import { watchHandlers } from "./watch.ts";
import { encodeWatchResponse } from "./watch-events.ts";

export interface EdgeOptions {
  /** Where to listen; a port of 0 finds a free one. */
  readonly listen: readonly { readonly host: string; readonly port: number }[];
  /** Who may sign certificates of clients matters if they must have one. */
  readonly tls?: TlsFiles;
  /** Bytes of a request at most; as in etcd unless told otherwise. */
  readonly maxRequestBytes?: number;
  /** The member's quota, for those who ask; 0 for none. */
  readonly quotaBytes?: number;
  /** What etcd's --auth-token takes; "simple" unless told otherwise. */
  readonly authToken?: string;
  /** How much work hashing a password is, 4 to 31; 10 unless told otherwise. */
  readonly bcryptCost?: number;
}

export interface Edge {
  /** Where it listens, in the order of the options. */
  readonly ports: readonly number[];
  /** Takes no more requests, and waits a while until those under way are answered. */
  close(): Promise<void>;
}

const BCRYPT_COST = 10;
const MAX_REQUEST_BYTES = 1.5 * 1024 * 1024;
const BEGINNING = PREFACE.toString("latin1");
/** Bytes of it with which no request of HTTP/1 begins. */
const TELLING = 3;
/** How long a client may take to say its first bytes. */
const PATIENCE_MS = 10_000;
/** How long requests under way may take once the door closes. */
const FAREWELL_MS = 2_000;

/** Serves etcd's API for a member. Rejects if it cannot listen. */
export async function serveEtcd(local: LocalMember, options: EdgeOptions): Promise<Edge> {
  const authentication = new Authentication(local, options.authToken);
  const member = new MemberClient(local, authentication);
  const metrics = new EdgeMetrics(local);
  const guard = requireLeader(local);
  const services = [
    ...bind(KVService, kvHandlers(member)),
    ...bind(
      { watch: { ...WatchService.watch, responseSerialize: encodeWatchResponse } },
      watchHandlers(member),
    ),
    ...bind(LeaseService, leaseHandlers(member)),
    ...bind(ClusterService, clusterHandlers(member)),
    ...bind(MaintenanceService, maintenanceHandlers(member, { quotaBytes: options.quotaBytes ?? 0 })),
    ...bind(
      AuthService,
      authHandlers(member, authentication, { bcryptCost: options.bcryptCost ?? BCRYPT_COST }),
    ),
    ...bind(LockService, lockHandlers(member)),
    ...bind(ElectionService, electionHandlers(member)),
  ].map(guard.around);
  const methods = [...services, ...bind(HealthService, healthHandlers(local))];
  const { maxRequestBytes = MAX_REQUEST_BYTES } = options;
  const carrier = new GrpcCarrier([...methods, ...reflectionMethods(methods)], {
    maxRequestBytes,
    ended: (path, code) => metrics.ended(path, code),
  });
  const web = http.createServer(gateway(methods, member, { maxRequestBytes, metrics }));
  const door = new Door(carrier, web, options.tls && new Credentials(options.tls, local.log));
  try {
    const ports: number[] = [];
    for (const { host, port } of options.listen) ports.push(await door.listen(host, port));
    let closed: Promise<void> | undefined;
    const close = async () => {
      guard.close();
      carrier.leave();
      await door.close();
      member.close();
    };
    return {
      ports,
      close: () => {
        closed ??= close();
        return closed;
      },
    };
  } catch (error) {
    await door.close();
    throw error;
  }
}

class Door {
  readonly #carrier: GrpcCarrier;
  readonly #web: http.Server;
  readonly #credentials: Credentials | undefined;
  readonly #servers: net.Server[] = [];
  readonly #sockets = new Set<net.Socket>();

  constructor(carrier: GrpcCarrier, web: http.Server, credentials: Credentials | undefined) {
    this.#carrier = carrier;
    this.#web = web;
    this.#credentials = credentials;
  }

  listen(host: string, port: number): Promise<number> {
    const server = this.#credentials?.serve({ ALPNProtocols: ["h2", "http/1.1"] }) ?? net.createServer();
    this.#servers.push(server);
    server.on("connection", (socket: net.Socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
      // Whoever serves the connection has listeners of its own; until then a broken one is no news.
      socket.on("error", () => socket.destroy());
      if (this.#credentials === undefined) this.#sniff(socket);
    });
    server.on("secureConnection", (socket: tls.TLSSocket) => {
      socket.on("error", () => socket.destroy());
      if (socket.alpnProtocol === "h2") this.#carrier.accept(socket, Buffer.alloc(0));
      else this.#web.emit("connection", socket);
    });
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, host, () => {
        server.off("error", reject);
        resolve((server.address() as net.AddressInfo).port);
      });
    });
  }

  /** Takes no more connections, and waits a while for those there are to end. */
  async close(): Promise<void> {
    for (const server of this.#servers) server.close();
    this.#web.closeIdleConnections();
    const ended = [...this.#sockets].map((socket) => new Promise((resolve) => socket.once("close", resolve)));
    const late = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, FAREWELL_MS);
    await Promise.all(ended);
    clearTimeout(late);
  }

  #sniff(socket: net.Socket): void {
    socket.setNoDelay(true);
    socket.setTimeout(PATIENCE_MS, () => socket.destroy());
    let first = Buffer.alloc(0);
    const listen = (piece: Buffer): void => {
      first = Buffer.concat([first, piece]);
      const start = first.toString("latin1", 0, TELLING);
      if (start.length < TELLING && BEGINNING.startsWith(start)) return;
      socket.off("data", listen);
      socket.setTimeout(0);
      socket.removeAllListeners("timeout");
      if (BEGINNING.startsWith(start)) {
        this.#carrier.accept(socket, first);
        return;
      }
      socket.pause();
      this.#web.emit("connection", socket);
      socket.unshift(first);
      process.nextTick(() => socket.resume());
    };
    socket.on("data", listen);
  }
}
