/** Members in this process with etcd's API in front: for tests. */
import {
  type CallOptions,
  ChannelCredentials,
  type ClientOptions,
  Metadata,
  type ServiceError,
} from "@grpc/grpc-js";
import { LiveTestbed } from "../live/testbed.ts";
import { type Edge, type EdgeOptions, serveEtcd } from "./server.ts";

/** Every client has a connection of its own, and fails rather than tries again. */
const CLIENT_OPTIONS: ClientOptions = {
  "grpc.use_local_subchannel_pool": 1,
  "grpc.enable_retries": 0,
  "grpc.max_receive_message_length": -1,
  "grpc.max_send_message_length": -1,
};

type ClientOf<C> = new (address: string, credentials: ChannelCredentials, options: ClientOptions) => C;

export class EdgeTestbed {
  readonly live: LiveTestbed;
  readonly #edges = new Map<string, Edge>();
  readonly #clients: { close(): void }[] = [];
  readonly #options: Partial<EdgeOptions>;

  constructor(tuning: ConstructorParameters<typeof LiveTestbed>[0] = {}, options: Partial<EdgeOptions> = {}) {
    this.live = new LiveTestbed(tuning);
    this.#options = options;
  }

  async found(...names: readonly string[]): Promise<void> {
    await this.live.found(...names);
    for (const name of names) await this.#serve(name);
  }

  /** Starts a member that has a place, and that the cluster has taken in. */
  async join(name: string): Promise<void> {
    await this.live.start(name, { initialClusterState: "existing" });
    await this.#serve(name);
  }

  async #serve(name: string): Promise<void> {
    const member = this.live.members.get(name);
    if (member === undefined) throw new Error(`${name} did not start`);
    const listen = [{ host: "127.0.0.1", port: 0 }];
    this.#edges.set(name, await serveEtcd(member, { listen, ...this.#options }));
  }

  /** "127.0.0.1:port" of a member. */
  address(name: string): string {
    return `127.0.0.1:${this.#edges.get(name)?.ports[0]}`;
  }

  /** A client of a generated class. */
  client<C extends { close(): void }>(kind: ClientOf<C>, name: string): C {
    const client = clientOf(kind, this.address(name));
    this.#clients.push(client);
    return client;
  }

  async end(): Promise<void> {
    for (const client of this.#clients) client.close();
    for (const edge of this.#edges.values()) await edge.close();
    await this.live.end();
  }
}

/** A client of a generated class, for whoever serves at the address. */
export function clientOf<C>(kind: ClientOf<C>, address: string): C {
  return new kind(address, ChannelCredentials.createInsecure(), CLIENT_OPTIONS);
}

/** A message with its fields' defaults. */
export function message<T>(type: { decode(bytes: Uint8Array): T }, fields: Partial<T> = {}): T {
  return { ...type.decode(new Uint8Array()), ...fields };
}

export function metadataOf(entries: { readonly [name: string]: string }): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(entries)) metadata.set(name, value);
  return metadata;
}

type Unary<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: Response) => void,
) => unknown;

/** Calls a unary method, which rejects with gRPC's error. */
export function call<Request, Response>(
  client: object,
  method: Unary<Request, Response>,
  request: Request,
  metadata: { readonly [name: string]: string } = {},
): Promise<Response> {
  return new Promise((resolve, reject) => {
    method.call(client, request, metadataOf(metadata), {}, (error, response) => {
      if (error === null) resolve(response);
      else reject(error);
    });
  });
}
