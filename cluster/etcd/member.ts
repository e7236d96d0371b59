/** The member behind the edge: requests as promises, and connections for streams. */

import type { ConnectionHandlers } from "../../src/runtime/runtime.ts";
import type { KvRequest, KvResponse } from "../api.ts";
import { ErrNoLeader, ErrTimeout } from "../kv/errors.ts";
import type { Caller, ResponseHeader } from "../kv/request.ts";
import type { Log } from "../live/log.ts";
import type { Node } from "../node/node.ts";
import type { ClientMessage, MemberRequest, MemberResponse, ServerMessage } from "../node/protocol.ts";
import type { Authentication } from "./authentication.ts";
import { type Call, RpcError } from "./rpc.ts";

/** A member in the same process. */
export interface LocalMember {
  readonly node: Pick<
    Node,
    "applied" | "member" | "leader" | "learner" | "members" | "header" | "store" | "snapshot"
  >;
  readonly log: Log;
  /** A connection of its own, as any client's. */
  dial(handlers: ConnectionHandlers<ServerMessage>): MemberConnection;
}

export interface MemberConnection {
  send(message: ClientMessage): void;
  /** Keeps back what the member sends; too much of it, and the member tells its watches no more. */
  pause(): void;
  resume(): void;
  close(): void;
}

export type MemberAnswer = MemberResponse & { readonly header: ResponseHeader };

interface Waiting {
  resolve(answer: never): void;
  reject(error: RpcError): void;
}

export const STOPPED = "etcdserver: server stopped";

/** All requests of the edge, over one connection. */
export class MemberClient {
  readonly local: LocalMember;
  readonly #authentication: Authentication;
  readonly #connection: MemberConnection;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #closed = false;

  constructor(local: LocalMember, authentication: Authentication) {
    this.local = local;
    this.#authentication = authentication;
    this.#connection = local.dial({
      message: (message) => this.#received(message),
      closed: () => this.#ended(),
    });
  }

  /**
   * On behalf of a call's client, or without one, of the member itself. Rejects with RpcError. When the call is
   * cancelled, the member gives up what may wait for ever.
   */
  async request<R extends KvRequest>(request: R, call?: Call): Promise<KvResponse<R["kind"]>> {
    const caller = await this.caller(call);
    return new Promise((resolve, reject) => {
      const id = this.#add(resolve, reject);
      this.#connection.send({ kind: "request", id, request, ...caller });
      call?.onCancel(() => this.#giveUp(id));
    });
  }

  /** Rejects with RpcError. */
  async member(request: MemberRequest, call: Call): Promise<MemberAnswer> {
    const caller = await this.caller(call);
    return new Promise((resolve, reject) => {
      this.#connection.send({ kind: "member", id: this.#add(resolve, reject), request, ...caller });
    });
  }

  /** The same for what the leader alone can answer: as in etcd, who waits for one in vain is told so. */
  async leader<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (thrown) {
      const late = thrown instanceof RpcError && thrown.message === ErrTimeout.message;
      throw late && this.local.node.leader === 0 ? RpcError.of(ErrNoLeader) : thrown;
    }
  }

  /** Who asks, if anybody does. Rejects with RpcError when the client's token is nobody's. */
  async caller(call: Call | undefined): Promise<{ readonly caller?: Caller }> {
    if (call === undefined) return { caller: "member" };
    const caller = await this.#authentication.caller(call);
    return caller === undefined ? {} : { caller };
  }

  close(): void {
    this.#connection.close();
    this.#ended();
  }

  #add(resolve: (answer: never) => void, reject: (error: RpcError) => void): number {
    const id = ++this.#lastId;
    if (this.#closed) reject(new RpcError("UNAVAILABLE", STOPPED));
    else this.#waiting.set(id, { resolve, reject });
    return id;
  }

  #giveUp(id: number): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    this.#connection.send({ kind: "give-up", id });
    waiting.reject(new RpcError("CANCELLED", "context canceled"));
  }

  #received(message: ServerMessage): void {
    if (message.kind === "watch-response") return;
    const waiting = this.#waiting.get(message.id);
    if (waiting === undefined) return;
    this.#waiting.delete(message.id);
    if (message.kind === "error") waiting.reject(RpcError.of(message.error));
    else waiting.resolve({ ...message.response, header: message.header } as never);
  }

  /** The member is gone. */
  #ended(): void {
    this.#closed = true;
    for (const { reject } of this.#waiting.values()) reject(new RpcError("UNAVAILABLE", STOPPED));
    this.#waiting.clear();
  }
}
