/** The clients of a member: one session per connection, with requests in flight and any number of watches. */
import type { Connection, ConnectionHandlers, NodeRuntime } from "../../src/runtime/runtime.ts";
import type { WatchResponse } from "../api.ts";
import type { ResponseHeader, Revision, StatusError } from "../kv/request.ts";
import type { WatchHub } from "../kv/watch.ts";
import type { LeaderRequests } from "./leader-requests.ts";
import { CLIENT_PORT, type ClientMessage, clientProtocol, type ServerMessage } from "./protocol.ts";
import type { Answer, Requests } from "./requests.ts";

type Wire = ClientMessage | ServerMessage;

/** Messages buffered for a client above which its watches are told no more, and below which they are again. */
const HIGH_WATER = 64;
const LOW_WATER = 16;
/** Ticks between progress responses of watches that want them. */
const PROGRESS_TICKS = 10;

export interface ServerHost {
  readonly hub: WatchHub;
  readonly requests: Requests;
  readonly leaderRequests: LeaderRequests;
  header(revision: Revision): ResponseHeader;
  /** Something may have to be sent, or proposed. */
  schedule(): void;
  trace(kind: ServerEvent): void;
}

export type ServerEvent =
  | "watch-from-past"
  | "watch-from-future"
  | "watch-compacted"
  | "watch-fragmented"
  | "watch-progress"
  | "watch-paused"
  | "answer-unheard";

interface WatchPlace {
  readonly session: Session;
  /** The client's number. */
  readonly id: number;
}

export class Server {
  readonly #host: ServerHost;
  readonly #sessions = new Set<Session>();
  /** By the hub's number. */
  readonly #watches = new Map<number, WatchPlace>();
  #ticks = 0;

  constructor(host: ServerHost) {
    this.#host = host;
  }

  start(runtime: NodeRuntime): void {
    runtime.network.listen(CLIENT_PORT, clientProtocol, (connection) => {
      const session = new Session(connection, this.#host, this.#watches, () =>
        this.#sessions.delete(session),
      );
      this.#sessions.add(session);
      return session;
    });
  }

  tick(): void {
    for (const session of this.#sessions) session.relieve();
    if (++this.#ticks % PROGRESS_TICKS !== 0 || this.#watches.size === 0) return;
    this.#host.hub.tickProgress();
    this.deliver();
  }

  /** Watches of all clients. */
  get watches(): number {
    return this.#watches.size;
  }

  /** Sends what the hub has for watches. */
  deliver(): void {
    const { hub } = this.#host;
    if (!hub.hasPending) return;
    for (const { id, response } of hub.drain()) {
      const place = this.#watches.get(id);
      if (place === undefined) continue;
      if (response.kind === "canceled") this.#watches.delete(id);
      const { kind, revision, events, fragment, requested, compactRevision, cancelReason } = response;
      if (compactRevision > 0) this.#host.trace("watch-compacted");
      else if (fragment) this.#host.trace("watch-fragmented");
      else if (kind === "progress") this.#host.trace("watch-progress");
      const header = this.#host.header(revision);
      place.session.watchResponse(place.id, id, {
        header,
        kind,
        events,
        fragment,
        requested,
        compactRevision,
        cancelReason,
      });
    }
  }
}

class Session implements ConnectionHandlers<Wire> {
  readonly #connection: Connection<Wire>;
  readonly #host: ServerHost;
  readonly #places: Map<number, WatchPlace>;
  readonly #ended: () => void;
  /** Hub's numbers by the client's. */
  readonly #watches = new Map<number, number>();
  /** How to give up requests that may wait for ever. */
  readonly #giveUps = new Map<number, () => void>();
  #open = true;
  #paused = false;

  constructor(
    connection: Connection<Wire>,
    host: ServerHost,
    places: Map<number, WatchPlace>,
    ended: () => void,
  ) {
    this.#connection = connection;
    this.#host = host;
    this.#places = places;
    this.#ended = ended;
  }

  message(message: Wire): void {
    switch (message.kind) {
      case "request":
        this.#request(message);
        break;
      case "member":
        this.#member(message);
        break;
      case "give-up":
        this.#giveUps.get(message.id)?.();
        this.#giveUps.delete(message.id);
        break;
      case "watch": {
        this.#traceStart(message.request.startRevision ?? 0);
        const watch = this.#host.hub.create(message.request);
        this.#watches.set(message.id, watch);
        this.#places.set(watch, { session: this, id: message.id });
        if (this.#paused) this.#host.hub.pause(watch);
        break;
      }
      case "watch-cancel":
        this.#withWatch(message.id, (watch) => this.#host.hub.cancel(watch));
        break;
      case "watch-progress": {
        const watches = message.ids.map((id) => this.#watches.get(id)).filter((id) => id !== undefined);
        this.#host.hub.requestProgress(watches);
        break;
      }
    }
    this.#host.schedule();
  }

  closed(): void {
    this.#open = false;
    this.#ended();
    for (const giveUp of this.#giveUps.values()) giveUp();
    for (const watch of this.#watches.values()) {
      this.#places.delete(watch);
      this.#host.hub.drop(watch);
    }
    this.#host.schedule();
  }

  watchResponse(id: number, watch: number, response: WatchResponse): void {
    this.#send({ kind: "watch-response", id, response });
    if (response.kind === "canceled") this.#watches.delete(id);
    else if (!this.#paused && this.#connection.buffered > HIGH_WATER) this.#pause();
    else if (this.#paused) this.#host.hub.pause(watch);
  }

  /** Lets the watches go on if the client has caught up. */
  relieve(): void {
    if (!this.#paused || this.#connection.buffered > LOW_WATER) return;
    this.#paused = false;
    for (const watch of this.#watches.values()) this.#host.hub.resume(watch);
    this.#host.schedule();
  }

  #traceStart(start: Revision): void {
    const { revision } = this.#host.hub;
    if (start > revision + 1) this.#host.trace("watch-from-future");
    else if (start > 0 && start <= revision) this.#host.trace("watch-from-past");
  }

  #pause(): void {
    this.#host.trace("watch-paused");
    this.#paused = true;
    for (const watch of this.#watches.values()) this.#host.hub.pause(watch);
  }

  #request({ id, request, caller }: Extract<ClientMessage, { kind: "request" }>): void {
    const giveUp = this.#host.requests.handle(request, caller, (answer, revision) => {
      this.#giveUps.delete(id);
      this.#answer(id, answer, revision);
    });
    if (giveUp !== undefined) this.#giveUps.set(id, giveUp);
  }

  #answer(id: number, answer: Answer | StatusError, revision: Revision): void {
    if (answer.kind === "error") this.#send({ kind: "error", id, error: answer });
    else this.#send({ kind: "response", id, header: this.#host.header(revision), response: answer });
  }

  #member({ id, request, caller }: Extract<ClientMessage, { kind: "member" }>): void {
    const refusal = this.#host.requests.checkMember(request, caller);
    if (refusal !== undefined) {
      this.#send({ kind: "error", id, error: refusal });
      return;
    }
    this.#host.leaderRequests.ask(request, (response) => {
      if (response.kind === "error") this.#send({ kind: "error", id, error: response });
      else if (response.kind === "members" || response.kind === "leader-transferred")
        this.#send({ kind: "members", id, header: this.#host.header(this.#host.hub.revision), response });
    });
  }

  #withWatch(id: number, act: (watch: number) => void): void {
    const watch = this.#watches.get(id);
    if (watch !== undefined) act(watch);
  }

  #send(message: ServerMessage): void {
    if (this.#open) this.#connection.send(message);
    else if (message.kind === "response") this.#host.trace("answer-unheard");
  }
}
