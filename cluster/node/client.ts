/**
 * A client of one member over one connection: what is asked is sent once. The connection is dialled with the first
 * request, and anew with the next after it broke. This is the tester's side, hence promises.
 */
import type { Nanos, NodeId } from "../../src/history/op.ts";
import type { Connection, Network, Runtime, Timer } from "../../src/runtime/runtime.ts";
import {
  ApiError,
  type KvApi,
  type KvRequest,
  type KvResponse,
  type Watch,
  type WatchHandlers,
} from "../api.ts";
import { CONNECTION_LOST, CONNECTION_REFUSED, DEADLINE_EXCEEDED, isDefinite } from "../errors.ts";
import { ErrNoLeader, ErrTimeout } from "../kv/errors.ts";
import type { Caller, StatusCode, WatchCreateRequest } from "../kv/request.ts";
import {
  CLIENT_PORT,
  type ClientMessage,
  clientProtocol,
  type MemberRequest,
  type MemberResponse,
  type ServerMessage,
} from "./protocol.ts";

export interface ConnectOptions {
  /** For one request, whatever the member does; Infinity for no limit but the member's own. */
  readonly timeout: Nanos;
  /** Name of a planted bug, or "". */
  readonly bug: string;
  /** Whose rights its requests have unless they say; nobody's if it is not said. */
  readonly caller?: Caller;
}

export interface Connected extends KvApi {
  /** Rejects with ApiError. */
  member(request: MemberRequest): Promise<MemberResponse>;
}

export function connect(
  network: Pick<Network, "dial">,
  timers: Runtime,
  node: NodeId,
  options: ConnectOptions,
): Connected {
  return new Client(network, timers, node, options);
}

type Wire = ClientMessage | ServerMessage;
type Sent = Extract<ClientMessage, { kind: "request" | "member" }>;

interface Call {
  readonly sent: Sent;
  readonly resolve: (response: never) => void;
  readonly reject: (error: ApiError) => void;
  readonly timer: Timer | undefined;
  readonly session: Session;
}

class Client implements Connected {
  readonly #network: Pick<Network, "dial">;
  readonly #timers: Runtime;
  readonly #node: NodeId;
  readonly #options: ConnectOptions;
  readonly #calls = new Map<number, Call>();
  #session: Session | undefined;
  #lastId = 0;
  #closed = false;

  constructor(network: Pick<Network, "dial">, timers: Runtime, node: NodeId, options: ConnectOptions) {
    this.#network = network;
    this.#timers = timers;
    this.#node = node;
    this.#options = options;
  }

  request<R extends KvRequest>(request: R, caller = this.#options.caller): Promise<KvResponse<R["kind"]>> {
    return new Promise((resolve, reject) => {
      const sent = { kind: "request", id: ++this.#lastId, request } as const;
      this.#call(caller === undefined ? sent : { ...sent, caller }, resolve, reject);
    });
  }

  member(request: MemberRequest): Promise<MemberResponse> {
    return new Promise((resolve, reject) => {
      const { caller } = this.#options;
      const sent = { kind: "member", id: ++this.#lastId, request } as const;
      this.#call(caller === undefined ? sent : { ...sent, caller }, resolve, reject);
    });
  }

  watch(request: WatchCreateRequest, handlers: WatchHandlers): Watch {
    const id = ++this.#lastId;
    const session = this.#open();
    session.watches.set(id, handlers);
    session.connection.send({ kind: "watch", id, request });
    const send = (message: ClientMessage) => {
      if (session.watches.has(id)) session.connection.send(message);
    };
    return {
      requestProgress: () => send({ kind: "watch-progress", ids: [id] }),
      cancel: () => send({ kind: "watch-cancel", id }),
    };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const session = this.#session;
    this.#session = undefined;
    session?.connection.close();
    if (session !== undefined) this.#ended(session, "CANCELLED", "context canceled");
  }

  #open(): Session {
    if (this.#session !== undefined) return this.#session;
    const session: Session = new Session(
      (message) => this.#received(session, message),
      () => this.#broken(session),
    );
    session.connection = this.#network.dial<Wire>(`${this.#node}:${CLIENT_PORT}`, clientProtocol, session);
    this.#session = session;
    return session;
  }

  #call(sent: Sent, resolve: (response: never) => void, reject: (error: ApiError) => void): void {
    if (this.#closed) {
      reject(new ApiError("CANCELLED", "context canceled", true));
      return;
    }
    const session = this.#open();
    const { timeout } = this.#options;
    const timer =
      timeout === Number.POSITIVE_INFINITY
        ? undefined
        : this.#timers.timer(timeout, () => this.#timedOut(sent.id));
    this.#calls.set(sent.id, { sent, resolve, reject, timer, session });
    session.connection.send(sent);
  }

  #received(session: Session, message: Wire): void {
    if (message.kind === "watch-response") {
      const handlers = session.watches.get(message.id);
      if (message.response.kind === "canceled") session.watches.delete(message.id);
      handlers?.response(message.response);
      if (message.response.kind === "canceled") handlers?.ended(message.response.cancelReason || "canceled");
      return;
    }
    // What a client says is not for a client to hear.
    if (message.kind === "watch-progress") return;
    const call = this.#take(message.id) ?? this.#mistaken(message);
    if (call === undefined) return;
    switch (message.kind) {
      case "response":
        call.resolve({ header: message.header, ...message.response } as never);
        break;
      case "members":
        call.resolve(message.response as never);
        break;
      case "error":
        call.reject(this.#failure(message.error.code, message.error.message));
        break;
    }
  }

  #take(id: number): Call | undefined {
    const call = this.#calls.get(id);
    if (call === undefined) return undefined;
    this.#calls.delete(id);
    call.timer?.cancel();
    return call;
  }

  #timedOut(id: number): void {
    const call = this.#take(id);
    if (call === undefined) return;
    this.#timers.trace("request-timed-out", { node: this.#node });
    call.session.connection.send({ kind: "give-up", id });
    if (this.#sentAgain(call)) return;
    call.reject(this.#failure("DEADLINE_EXCEEDED", DEADLINE_EXCEEDED));
  }

  #broken(session: Session): void {
    if (this.#session === session) this.#session = undefined;
    this.#ended(session, "UNAVAILABLE", session.everOpen ? CONNECTION_LOST : CONNECTION_REFUSED);
  }

  #ended(session: Session, code: StatusCode, message: string): void {
    for (const call of [...this.#calls.values()]) {
      if (call.session !== session) continue;
      this.#take(call.sent.id);
      if (session.everOpen && !this.#closed) this.#timers.trace("request-cut-off", { node: this.#node });
      if (!this.#closed && session.everOpen && this.#sentAgain(call)) continue;
      call.reject(this.#failure(code, message));
    }
    const watches = [...session.watches.values()];
    session.watches.clear();
    for (const handlers of watches) handlers.ended(message);
  }

  #failure(code: StatusCode, message: string): ApiError {
    const { bug } = this.#options;
    const mistaken =
      (bug === "timeout-is-fail" && code === "DEADLINE_EXCEEDED") ||
      (bug === "lost-connection-is-fail" && message === CONNECTION_LOST) ||
      (bug === "server-timeout-is-fail" && message === ErrTimeout.message) ||
      (bug === "no-leader-is-fail" && message === ErrNoLeader.message);
    return new ApiError(code, message, mistaken || isDefinite(code, message));
  }

  /** The planted bug "client-mixes-answers": an answer that nobody waits for goes to whoever asked for the like. */
  #mistaken(message: Wire): Call | undefined {
    if (this.#options.bug !== "client-mixes-answers" || message.kind !== "response") return undefined;
    for (const { sent } of this.#calls.values())
      if (sent.kind === "request" && sent.request.kind === message.response.kind) return this.#take(sent.id);
    return undefined;
  }

  /** The planted bugs "client-retries-writes" and "client-falls-back": once, on a new connection. */
  readonly #retries = new Set<number>();
  #sentAgain({ sent, resolve, reject, session }: Call): boolean {
    if (sent.kind !== "request" || this.#retries.has(sent.id)) return false;
    const { bug } = this.#options;
    const { request } = sent;
    const writesAgain = bug === "client-retries-writes" && isWrite(request);
    const readsStale = bug === "client-falls-back" && request.kind === "range";
    if (!writesAgain && !readsStale) return false;
    if (this.#session === session) this.#session = undefined;
    const now = readsStale ? { ...request, serializable: true } : request;
    const again: Sent = { ...sent, request: now, id: ++this.#lastId };
    this.#retries.add(again.id);
    this.#call(again, resolve, reject);
    return true;
  }
}

/** One connection, and what hangs on it. */
class Session {
  connection!: Connection<Wire>;
  readonly message: (message: Wire) => void;
  readonly closed: () => void;
  everOpen = false;
  readonly watches = new Map<number, WatchHandlers>();

  constructor(message: (message: Wire) => void, closed: () => void) {
    this.message = message;
    this.closed = closed;
  }

  opened(): void {
    this.everOpen = true;
  }
}

function isWrite(request: KvRequest): boolean {
  return request.kind === "put" || request.kind === "delete-range" || request.kind === "txn";
}
