/** etcd's Watch service: any number of watches on one stream, numbered by the client or by the stream. */
import type { WatchResponse } from "../api.ts";
import { FROM_KEY } from "../kv/interval.ts";
import type { WatchCreateRequest } from "../kv/request.ts";
import { fromHeader, toBytes } from "./convert.ts";
import type * as pb from "./generated/rpc.ts";
import type { MemberClient, MemberConnection } from "./member.ts";
import { goCode, type Handlers, RpcError, type StreamCall } from "./rpc.ts";
import { sharedEvent, sharedHeader } from "./watch-events.ts";

/** Of a watch that never came to be, and of progress that speaks for all watches of a stream. */
const NO_WATCH = -1n;
/** Responses that wait for a slow reader at most, and then some in the member. */
const HIGH_WATER = 32;

export function watchHandlers(member: MemberClient): Handlers<typeof pb.WatchService> {
  return {
    watch(call) {
      new WatchStream(member, call);
    },
  };
}

class WatchStream {
  readonly #member: MemberClient;
  readonly #call: StreamCall<pb.WatchRequest, pb.WatchResponse>;
  readonly #session: MemberConnection;
  /** The client's numbers by the session's, and the other way round. */
  readonly #clientIds = new Map<number, bigint>();
  readonly #sessionIds = new Map<bigint, number>();
  /** The client's numbers of watches that a compaction has ended: in use, as in etcd, until they are cancelled too. */
  readonly #compacted = new Set<bigint>();
  #lastId = 0;
  #nextClientId = 0n;

  constructor(member: MemberClient, call: StreamCall<pb.WatchRequest, pb.WatchResponse>) {
    this.#member = member;
    this.#call = call;
    this.#session = member.local.dial({
      message: (message) => {
        if (message.kind === "watch-response") this.#tell(message.id, message.response);
      },
      closed: () => call.end(new RpcError("UNAVAILABLE", "etcdserver: server stopped")),
    });
    call.onDrain = () => this.#session.resume();
    // One after the other, so that watches begin in the order of their requests.
    let last: Promise<void> | undefined;
    call.onRequest = (request) => {
      if (!member.local.node.store.auth.enabled) this.#handle(request);
      else last = (last ?? Promise.resolve()).then(() => this.#handleGuarded(request));
    };
    // Like etcd's, the stream lives on when its client has nothing more to ask.
    call.onEnd = () => {};
    call.onCancel(() => this.#session.close());
  }

  #handle({ requestUnion }: pb.WatchRequest): void {
    if (requestUnion?.$case === "createRequest") this.#create(requestUnion.createRequest);
    else if (requestUnion?.$case === "cancelRequest") this.#cancel(requestUnion.cancelRequest.watchId);
    else if (requestUnion?.$case === "progressRequest") this.#requestProgress();
  }

  /** A watch needs the right to read, once, when it begins. */
  async #handleGuarded(request: pb.WatchRequest): Promise<void> {
    const { requestUnion } = request;
    if (requestUnion?.$case === "createRequest") {
      const { key, rangeEnd } = intervalOf(requestUnion.createRequest);
      try {
        const { caller } = await this.#member.caller(this.#call);
        const refusal = this.#member.local.node.store.permit({ kind: "range", key, rangeEnd }, caller);
        if (refusal !== undefined) throw RpcError.of(refusal);
      } catch (error) {
        this.#refuse(cancelReason(RpcError.from(error)));
        return;
      }
    }
    this.#handle(request);
  }

  #create(request: pb.WatchCreateRequest): void {
    const { key, rangeEnd } = intervalOf(request);
    if (rangeEnd !== "" && rangeEnd !== FROM_KEY && key >= rangeEnd) {
      this.#refuse("mvcc: watcher range is empty");
      return;
    }
    const clientId = this.#claimId(request.watchId);
    if (clientId === undefined) {
      this.#refuse("mvcc: duplicate watch ID provided on the WatchStream");
      return;
    }
    const id = ++this.#lastId;
    this.#clientIds.set(id, clientId);
    this.#sessionIds.set(clientId, id);
    const { progressNotify, prevKv, fragment } = request;
    const filters: NonNullable<WatchCreateRequest["filters"]>[number][] = [];
    if (request.filters.includes(0)) filters.push("no-put");
    if (request.filters.includes(1)) filters.push("no-delete");
    const startRevision = Number(request.startRevision);
    const watch = { key, rangeEnd, startRevision, progressNotify, prevKv, fragment, filters };
    this.#session.send({ kind: "watch", id, request: watch });
  }

  /** Undefined if it is in use. */
  #claimId(wanted: bigint): bigint | undefined {
    const inUse = (id: bigint) => this.#sessionIds.has(id) || this.#compacted.has(id);
    if (wanted !== 0n) return inUse(wanted) ? undefined : wanted;
    while (inUse(this.#nextClientId)) this.#nextClientId++;
    return this.#nextClientId++;
  }

  #refuse(cancelReason: string): void {
    this.#tellEnd(NO_WATCH, true, cancelReason);
  }

  /** What the member does not say: it knows no such watch. */
  #tellEnd(watchId: bigint, created: boolean, cancelReason: string): void {
    this.#call.send({
      header: fromHeader(this.#member.local.node.header()),
      watchId,
      created,
      canceled: true,
      compactRevision: 0n,
      cancelReason,
      fragment: false,
      events: [],
    });
  }

  #cancel(clientId: bigint): void {
    if (this.#compacted.delete(clientId)) this.#tellEnd(clientId, false, "");
    const id = this.#sessionIds.get(clientId);
    if (id !== undefined) this.#session.send({ kind: "watch-cancel", id });
  }

  #requestProgress(): void {
    this.#session.send({ kind: "watch-progress", ids: [...this.#clientIds.keys()] });
  }

  #tell(id: number, response: WatchResponse): void {
    const clientId = this.#clientIds.get(id);
    if (clientId === undefined) return;
    if (response.kind === "canceled") {
      this.#clientIds.delete(id);
      this.#sessionIds.delete(clientId);
      if (response.compactRevision > 0) this.#compacted.add(clientId);
    }
    this.#call.send({
      header: sharedHeader(response.header),
      watchId: response.requested ? NO_WATCH : clientId,
      created: response.kind === "created",
      canceled: response.kind === "canceled",
      compactRevision: BigInt(response.compactRevision),
      cancelReason: response.cancelReason,
      fragment: response.fragment,
      events: response.events.map(sharedEvent),
    });
    if (this.#call.buffered > HIGH_WATER) this.#session.pause();
  }
}

function intervalOf({ key, rangeEnd }: pb.WatchCreateRequest): { key: string; rangeEnd: string } {
  return { key: key.length === 0 ? FROM_KEY : toBytes(key), rangeEnd: toBytes(rangeEnd) };
}

/** etcd puts whole errors of gRPC, as Go writes them, into a reason. */
function cancelReason({ code, message }: RpcError): string {
  return `rpc error: code = ${goCode(code)} desc = ${message}`;
}
