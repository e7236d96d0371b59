/** One watch on a stream of its own. */
import type { ClientDuplexStream, ServiceError } from "@grpc/grpc-js";
import type { Watch, WatchHandlers, WatchResponse } from "../api.ts";
import { fromBytes } from "../etcd/convert.ts";
import type * as pb from "../etcd/generated/rpc.ts";
import type { WatchCreateRequest } from "../kv/request.ts";
import { toEvent, toHeader } from "./convert.ts";
import { failureOf } from "./failure.ts";

const FILTERS = { "no-put": 0, "no-delete": 1 } as const;
/** Of progress that was asked for: it speaks for all watches of the stream. */
const ALL_WATCHES = -1n;

type Stream = ClientDuplexStream<pb.WatchRequest, pb.WatchResponse>;

export class ClientWatch implements Watch {
  readonly #stream: Stream;
  readonly #handlers: WatchHandlers;
  /** The stream's number of it; undefined until it was created. */
  #id: bigint | undefined;
  /** It is not wanted any more, which could not be said yet. */
  #unwanted = false;
  #ended = false;

  constructor(stream: Stream, request: WatchCreateRequest, handlers: WatchHandlers) {
    this.#stream = stream;
    this.#handlers = handlers;
    stream.on("data", (response: pb.WatchResponse) => this.#received(response));
    stream.on("error", (error: ServiceError) => this.#end(failureOf(error).message));
    stream.on("end", () => this.#end("the stream ended"));
    stream.write({ requestUnion: { $case: "createRequest", createRequest: fromCreate(request) } });
  }

  requestProgress(): void {
    if (!this.#ended) this.#stream.write({ requestUnion: { $case: "progressRequest", progressRequest: {} } });
  }

  cancel(): void {
    if (this.#ended) return;
    if (this.#id === undefined) this.#unwanted = true;
    else
      this.#stream.write({ requestUnion: { $case: "cancelRequest", cancelRequest: { watchId: this.#id } } });
  }

  #received(message: pb.WatchResponse): void {
    if (this.#ended) return;
    const response = toResponse(message);
    if (response.kind === "created") this.#id = message.watchId;
    this.#handlers.response(response);
    if (response.kind === "canceled") {
      this.#end(response.cancelReason || "canceled");
      this.#stream.cancel();
    } else if (response.kind === "created" && this.#unwanted) this.cancel();
  }

  #end(reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#handlers.ended(reason);
  }
}

function fromCreate(request: WatchCreateRequest): pb.WatchCreateRequest {
  return {
    key: fromBytes(request.key),
    rangeEnd: fromBytes(request.rangeEnd ?? ""),
    startRevision: BigInt(request.startRevision ?? 0),
    progressNotify: request.progressNotify ?? false,
    filters: (request.filters ?? []).map((filter) => FILTERS[filter]),
    prevKv: request.prevKv ?? false,
    watchId: 0n,
    fragment: request.fragment ?? false,
  };
}

function toResponse(message: pb.WatchResponse): WatchResponse {
  const { created, canceled, events } = message;
  return {
    header: toHeader(message.header),
    kind: canceled ? "canceled" : created ? "created" : events.length > 0 ? "events" : "progress",
    events: events.map(toEvent),
    fragment: message.fragment,
    requested: message.watchId === ALL_WATCHES && !created && !canceled,
    compactRevision: Number(message.compactRevision),
    cancelReason: message.cancelReason,
  };
}
