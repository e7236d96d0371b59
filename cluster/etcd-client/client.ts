/**
 * A client of one member of whatever speaks etcd's API: what is asked is sent once, over one connection, which is made
 * with the first request and anew with the next after it broke. Nothing is tried again, and nobody else is asked.
 */
import * as grpc from "@grpc/grpc-js";
import type { Nanos } from "../../src/history/op.ts";
import { MILLISECOND } from "../../src/runtime/runtime.ts";
import {
  ApiError,
  type KvApi,
  type KvRequest,
  type KvResponse,
  type KvResponses,
  type Watch,
  type WatchHandlers,
} from "../api.ts";
import { LeaseService, WatchService } from "../etcd/generated/rpc.ts";
import type { Caller, ResponseHeader, WatchCreateRequest } from "../kv/request.ts";
import {
  callOf,
  campaignCall,
  isSpecial,
  lockCall,
  type Method,
  type Special,
  type UnaryCall,
} from "./calls.ts";
import { toHeader } from "./convert.ts";
import { failureOf, isDisconnection } from "./failure.ts";
import { ClientWatch } from "./watch.ts";

/** A connection of its own for every client, and failure rather than another attempt. */
const OPTIONS: grpc.ClientOptions = {
  "grpc.use_local_subchannel_pool": 1,
  "grpc.enable_retries": 0,
  "grpc.enable_http_proxy": 0,
  "grpc.service_config_disable_resolution": 1,
  "grpc.max_receive_message_length": -1,
  "grpc.max_send_message_length": -1,
};

export interface EtcdClientOptions {
  /** For one request, whatever the member does; Infinity for no limit but the member's own. */
  readonly timeout: Nanos;
}

const bytesOf = (bytes: Buffer): Buffer => bytes;

export class EtcdClient implements KvApi {
  readonly #address: string;
  readonly #timeout: number;
  readonly #calls = new Set<{ cancel(): void }>();
  #connection: grpc.Client | undefined;
  #closed = false;

  /** `address` is "host:port". Nothing is sent yet. */
  constructor(address: string, { timeout }: EtcdClientOptions) {
    this.#address = address;
    this.#timeout = timeout / MILLISECOND;
  }

  async request<R extends KvRequest>(request: R, caller?: Caller): Promise<KvResponse<R["kind"]>> {
    if (caller !== undefined)
      throw new ApiError("FAILED_PRECONDITION", "this client has no user to speak for", true);
    const answer = isSpecial(request) ? await this.#special(request) : await this.#call(callOf(request));
    return answer as KvResponse<R["kind"]>;
  }

  /** Calls a method that the api has no request for. Rejects with ApiError. */
  async ask<Q, A>(method: Method<Q, A>, request: Q): Promise<A> {
    return method.responseDeserialize(await this.#unary(method.path, method.requestSerialize(request)));
  }

  watch(request: WatchCreateRequest, handlers: WatchHandlers): Watch {
    const { path, requestSerialize, responseDeserialize } = WatchService.watch;
    const connection = this.#open();
    const stream = connection.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    this.#follow(connection, stream);
    return new ClientWatch(stream, request, handlers);
  }

  close(): void {
    this.#closed = true;
    for (const call of this.#calls) call.cancel();
    this.#connection?.close();
    this.#connection = undefined;
  }

  /** Throws ApiError once it is closed. */
  #open(): grpc.Client {
    if (this.#closed) throw new ApiError("CANCELLED", "context canceled", true);
    this.#connection ??= new grpc.Client(this.#address, grpc.credentials.createInsecure(), OPTIONS);
    return this.#connection;
  }

  /** Remembers a call as long as it lasts. */
  #follow(
    connection: grpc.Client,
    call: grpc.ClientUnaryCall | grpc.ClientDuplexStream<never, unknown>,
  ): void {
    this.#calls.add(call);
    call.on("status", (ended: grpc.StatusObject) => {
      this.#calls.delete(call);
      if (ended.code === grpc.status.OK || !isDisconnection(failureOf(ended))) return;
      // grpc-js would wait before it connects again, longer each time.
      connection.close();
      if (this.#connection === connection) this.#connection = undefined;
    });
  }

  get #callOptions(): grpc.CallOptions {
    return this.#timeout === Number.POSITIVE_INFINITY ? {} : { deadline: Date.now() + this.#timeout };
  }

  async #unary(path: string, request: Buffer): Promise<Buffer> {
    const connection = this.#open();
    return new Promise((resolve, reject) => {
      const done: grpc.requestCallback<Buffer> = (error, answer) => {
        if (error !== null) reject(failureOf(error));
        else resolve(answer as Buffer);
      };
      this.#follow(
        connection,
        connection.makeUnaryRequest(path, bytesOf, bytesOf, request, this.#callOptions, done),
      );
    });
  }

  async #call<R>({ path, request, answer }: UnaryCall<R>): Promise<R & { readonly header: ResponseHeader }> {
    const { header, response } = answer(await this.#unary(path, request));
    return { ...response, header: toHeader(header) };
  }

  /** One request and all that comes back, of a method with a stream of answers. */
  async #stream<Q, A>(method: Method<Q, A>, request: Q): Promise<readonly A[]> {
    const { path, requestSerialize, responseDeserialize } = method;
    const connection = this.#open();
    const stream = connection.makeBidiStreamRequest<Q, A>(
      path,
      (message) => requestSerialize(message),
      (bytes) => responseDeserialize(bytes),
      this.#callOptions,
    );
    this.#follow(connection, stream);
    stream.write(request);
    stream.end();
    const answers: A[] = [];
    return new Promise((resolve, reject) => {
      stream.on("data", (answer: A) => answers.push(answer));
      stream.on("error", (error: grpc.ServiceError) => reject(failureOf(error)));
      stream.on("end", () => resolve(answers));
    });
  }

  async #special(
    request: Special,
  ): Promise<KvResponses[Special["kind"]] & { readonly header: ResponseHeader }> {
    switch (request.kind) {
      case "lease-keep-alive": {
        const [answer] = await this.#stream(LeaseService.leaseKeepAlive, { ID: BigInt(request.id) });
        // The stream ended well, with nothing said: nobody knows whether the lease was renewed.
        if (answer === undefined) throw new ApiError("UNKNOWN", "a keep-alive without an answer", false);
        return {
          kind: request.kind,
          id: request.id,
          ttl: Number(answer.TTL),
          header: toHeader(answer.header),
        };
      }
      case "lock":
        return this.#lock(request);
      case "authenticate":
        throw new ApiError("UNIMPLEMENTED", "only members record tokens", true);
    }
  }

  /** etcd's Lock does not say which revision the ownership began with, so that is asked for. */
  async #lock(request: Extract<Special, { readonly kind: "lock" }>): Promise<KvResponse<"lock">> {
    if (request.value !== undefined) return this.#call(campaignCall(request, request.value));
    const { key } = await this.#call(lockCall(request));
    const { kvs, header } = await this.request({ kind: "range", key });
    const [owner] = kvs;
    if (owner === undefined) throw new ApiError("UNKNOWN", "mutex: session is expired", true);
    return { kind: "lock", key, revision: owner.createRevision, header };
  }
}
