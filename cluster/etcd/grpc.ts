/**
 * Calls over gRPC. Connections are handed in: whoever accepts them has seen that they speak HTTP/2. Codes and messages
 * are those of Go's gRPC library, which etcd uses, where clients can tell.
 */
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { type Client, StreamingCall, statusOnly, UnaryCall } from "./grpc-call.ts";
import { Budget, MessageReader } from "./grpc-messages.ts";
import { Connection } from "./http2/connection.ts";
import { ErrorCode } from "./http2/frames.ts";
import { encodeFields, type Field } from "./http2/hpack.ts";
import type { Stream } from "./http2/stream.ts";
import { STOPPED } from "./member.ts";
import { type Bound, RpcError } from "./rpc.ts";

/** As in etcd: a request's limit, and room for what is around it. Bytes. */
const MAX_MESSAGE_OVERHEAD = 512 * 1024;
/** Bytes of requests that are not whole yet, of all clients. */
const MAX_HELD = 256 << 20;
/** Calls of a connection that are not answered yet, those included that their client has given up. */
const MAX_CALLS = 10_000;
/** As in etcd: how long a client may be silent until it is asked for a sign of life, and how long that may take. */
const IDLE_MS = 2 * 60 * 60 * 1000;
const SIGN_OF_LIFE_MS = 20_000;
const BEAT_MS = 10_000;
/** What timers of Node's can wait at most. */
const MAX_TIMEOUT_MS = 0x7fff_ffff;

const CONTENT_TYPE = /^application\/grpc(?:[+;]|$)/;

export interface GrpcOptions {
  readonly maxRequestBytes: number;
  /** Told of every call that ends, with its status. */
  ended(path: string, code: string): void;
}

export class GrpcCarrier {
  readonly #methods: ReadonlyMap<string, Bound>;
  readonly #options: GrpcOptions;
  readonly #budget = new Budget(MAX_HELD);
  readonly #connections = new Set<Connection>();
  /** Calls that may go on for ever. */
  readonly #streaming = new Set<StreamingCall>();
  readonly #beats: NodeJS.Timeout;

  constructor(methods: readonly Bound[], options: GrpcOptions) {
    this.#methods = new Map(methods.map((bound) => [bound.method.path, bound]));
    this.#options = options;
    this.#beats = setInterval(() => {
      const now = Date.now();
      for (const connection of this.#connections)
        if (!connection.alive(now, IDLE_MS, SIGN_OF_LIFE_MS)) connection.socket.destroy();
    }, BEAT_MS);
    this.#beats.unref();
  }

  /** Serves a connection of which `first` has come already. */
  accept(socket: Duplex, first: Buffer): void {
    const client = { calls: 0, commonName: commonNameOf(socket) };
    const connection = new Connection(socket, {
      request: (stream, fields) => this.#begin(client, stream, fields),
      closed: () => this.#connections.delete(connection),
    });
    this.#connections.add(connection);
    connection.receive(first);
  }

  /** Takes no more requests, ends streams, and each connection when the requests under way are answered. */
  leave(): void {
    clearInterval(this.#beats);
    for (const connection of this.#connections) connection.leave();
    for (const call of [...this.#streaming]) call.end(new RpcError("UNAVAILABLE", STOPPED));
  }

  #track(call: StreamingCall): void {
    this.#streaming.add(call);
    call.onCancel(() => this.#streaming.delete(call));
  }

  #begin(client: Client, stream: Stream, fields: readonly Field[]): void {
    const { method, path, contentType, timeout, encoding } = headOf(fields);
    if (method !== "POST" || !CONTENT_TYPE.test(contentType)) {
      stream.sendFields(encodeFields([[":status", method === "POST" ? "415" : "405"]]), true);
      return;
    }
    if (client.calls >= MAX_CALLS) {
      stream.reset(ErrorCode.refusedStream);
      return;
    }
    const bound = this.#methods.get(path);
    const milliseconds = timeoutOf(timeout);
    if (bound === undefined) stream.sendFields(statusOnly(unknownMethod(this.#methods, path)), true);
    else if (milliseconds === undefined)
      stream.sendFields(statusOnly(new RpcError("INTERNAL", "malformed grpc-timeout")), true);
    else {
      const { maxRequestBytes, ended } = this.#options;
      const reader = new MessageReader(maxRequestBytes + MAX_MESSAGE_OVERHEAD, this.#budget, encoding);
      const opening = { client, stream, fields, reader, timeout: milliseconds, ended };
      if (bound.kind === "unary") new UnaryCall(opening, bound);
      else this.#track(new StreamingCall(opening, bound));
    }
  }
}

function commonNameOf(socket: Duplex): string | undefined {
  if (!(socket instanceof TLSSocket)) return undefined;
  const name = socket.getPeerCertificate().subject?.CN;
  return typeof name === "string" ? name : undefined;
}

interface Head {
  readonly method: string;
  readonly path: string;
  readonly contentType: string;
  readonly timeout: string | undefined;
  readonly encoding: string;
}

function headOf(fields: readonly Field[]): Head {
  let [method, path, contentType, encoding] = ["", "", "", "identity"];
  let timeout: string | undefined;
  for (const [name, value] of fields) {
    if (name === ":path") path = value;
    else if (name === ":method") method = value;
    else if (name === "content-type") contentType = value;
    else if (name === "grpc-timeout") timeout = value;
    else if (name === "grpc-encoding") encoding = value;
  }
  return { method, path, contentType, timeout, encoding };
}

function unknownMethod(methods: ReadonlyMap<string, Bound>, path: string): RpcError {
  const slash = path.lastIndexOf("/");
  if (!path.startsWith("/") || slash === 0)
    return new RpcError("UNIMPLEMENTED", `malformed method name: ${JSON.stringify(path)}`);
  const [service, method] = [path.slice(1, slash), path.slice(slash + 1)];
  const known = [...methods.keys()].some((other) => other.startsWith(`/${service}/`));
  return new RpcError(
    "UNIMPLEMENTED",
    known ? `unknown method ${method} for service ${service}` : `unknown service ${service}`,
  );
}

const UNITS: { readonly [unit: string]: number } = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/** Milliseconds; 0 for none. Undefined if it cannot be read. */
function timeoutOf(text: string | undefined): number | undefined {
  if (text === undefined) return 0;
  const [, count, unit = ""] = /^(\d{1,8})([HMSmun])$/.exec(text) ?? [];
  if (count === undefined) return undefined;
  return Math.min(Math.max(1, Math.ceil(Number(count) * (UNITS[unit] as number))), MAX_TIMEOUT_MS);
}
