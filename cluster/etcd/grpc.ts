/** Calls over gRPC, by grpc-js. Connections are handed in: whoever accepts them has seen that they speak HTTP/2. */
import type { Duplex } from "node:stream";
import * as grpc from "@grpc/grpc-js";
import { type Bound, type Call, RpcError, STATUS_NUMBERS, type StreamCall } from "./rpc.ts";

/** As in etcd: a request's limit, and room for what is around it. Bytes. */
const MAX_MESSAGE_OVERHEAD = 512 * 1024;

export interface GrpcOptions {
  readonly maxRequestBytes: number;
  /** Told of every call that ends, with its status. */
  ended(path: string, code: string): void;
}

export interface Carrier {
  /** Serves a connection whose first bytes are HTTP/2's preface. */
  accept(connection: Duplex): void;
  close(): void;
}

type ServerCall = grpc.ServerUnaryCall<unknown, unknown> | grpc.ServerDuplexStream<unknown, unknown>;

export function grpcCarrier(methods: readonly Bound[], options: GrpcOptions): Carrier {
  const server = new grpc.Server({
    "grpc.max_receive_message_length": options.maxRequestBytes + MAX_MESSAGE_OVERHEAD,
    "grpc.max_send_message_length": -1,
    "grpc.enable_channelz": 0,
  });
  for (const bound of methods) register(server, bound, options);
  const injector = server.createConnectionInjector(grpc.ServerCredentials.createInsecure());
  return {
    accept: (connection) => injector.injectConnection(connection),
    close: () => {
      injector.destroy();
      server.forceShutdown();
    },
  };
}

function register(server: grpc.Server, bound: Bound, options: GrpcOptions): void {
  const { method } = bound;
  const { path } = method;
  const failed = (thrown: unknown): grpc.ServerErrorResponse => {
    const { code, message } = RpcError.from(thrown);
    options.ended(path, code);
    return Object.assign(new Error(message), { code: STATUS_NUMBERS[code], details: message });
  };
  const serialize = (response: unknown) => method.responseSerialize(response);
  const deserialize = (bytes: Buffer) => method.requestDeserialize(bytes);
  if (bound.kind === "unary") {
    const handle: grpc.handleUnaryCall<unknown, unknown> = (call, reply) => {
      // Within the promise, so that what the handler throws at once is an answer too.
      Promise.resolve()
        .then(() => bound.handle(call.request, new GrpcCall(call)))
        .then(
          (response) => {
            options.ended(path, "OK");
            reply(null, response);
          },
          (thrown) => reply(failed(thrown)),
        );
    };
    server.register(path, handle, serialize, deserialize, "unary");
    return;
  }
  const begin = (call: grpc.ServerDuplexStream<unknown, unknown>): GrpcStream => {
    const stream = new GrpcStream(call, failed, () => options.ended(path, "OK"));
    try {
      bound.handle(stream);
    } catch (thrown) {
      stream.end(RpcError.from(thrown));
    }
    return stream;
  };
  if (method.requestStream) {
    const handle: grpc.handleBidiStreamingCall<unknown, unknown> = (call) => {
      const stream = begin(call);
      call.on("data", (request) => stream.onRequest(request));
      call.on("end", () => stream.onEnd());
    };
    server.register(path, handle, serialize, deserialize, "bidi");
  } else {
    const handle: grpc.handleServerStreamingCall<unknown, unknown> = (call) => {
      const stream = begin(call as unknown as grpc.ServerDuplexStream<unknown, unknown>);
      stream.onRequest(call.request);
      stream.onEnd();
    };
    server.register(path, handle, serialize, deserialize, "serverStream");
  }
}

class GrpcCall implements Call {
  readonly #call: ServerCall;

  constructor(call: ServerCall) {
    this.#call = call;
  }

  metadata(name: string): string | undefined {
    const [first] = this.#call.metadata.get(name);
    return first === undefined ? undefined : String(first);
  }

  get commonName(): string | undefined {
    return commonNameOf(this.#call);
  }

  onCancel(listener: () => void): void {
    if (this.#call.cancelled) listener();
    else this.#call.once("cancelled", listener);
  }
}

class GrpcStream extends GrpcCall implements StreamCall<unknown, unknown> {
  readonly #call: grpc.ServerDuplexStream<unknown, unknown>;
  readonly #failed: (thrown: unknown) => grpc.ServerErrorResponse;
  readonly #succeeded: () => void;
  #open = true;
  onRequest: (request: unknown) => void = () => {};
  onEnd: () => void = () => {};
  onDrain: () => void = () => {};

  constructor(
    call: grpc.ServerDuplexStream<unknown, unknown>,
    failed: (thrown: unknown) => grpc.ServerErrorResponse,
    succeeded: () => void,
  ) {
    super(call);
    this.#call = call;
    this.#failed = failed;
    this.#succeeded = succeeded;
    call.on("drain", () => this.onDrain());
    // The stream breaks with its connection, which is no news: `onCancel` tells.
    call.on("error", () => {});
    this.onCancel(() => {
      this.#open = false;
    });
  }

  get buffered(): number {
    return this.#call.writableLength;
  }

  send(response: unknown): void {
    if (this.#open) this.#call.write(response);
  }

  end(error?: RpcError): void {
    if (!this.#open) return;
    this.#open = false;
    if (error !== undefined) this.#call.emit("error", this.#failed(error));
    else {
      this.#succeeded();
      this.#call.end();
    }
  }
}

function commonNameOf(call: ServerCall): string | undefined {
  const name = call.getAuthContext().sslPeerCertificate?.subject.CN;
  return typeof name === "string" ? name : undefined;
}
