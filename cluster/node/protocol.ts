/**
 * What clients say to a member and members say to each other, and how it crosses a wire: as JSON whose characters
 * are the bytes, since keys and values are byte strings already.
 */
import type { NodeId } from "../../src/history/op.ts";
import type { Protocol } from "../../src/runtime/runtime.ts";
import type { KvRequest, KvResponses, WatchResponse } from "../api.ts";
import type { ResponseHeader, StatusError, WatchCreateRequest } from "../kv/request.ts";
import type { MemberId, Message } from "../raft/message.ts";
import type { Member, MemberUpdate } from "./membership.ts";

/** Ports of a member: its address is "n1:client", … */
export const CLIENT_PORT = "client";
export const PEER_PORT = "peer";
export const SNAPSHOT_PORT = "snapshot";

/** Changes of the cluster itself, etcd's Cluster and Maintenance services. */
export type MemberRequest =
  | { readonly kind: "member-list" }
  | { readonly kind: "member-add"; readonly id: MemberId; readonly node: NodeId; readonly learner: boolean }
  | { readonly kind: "member-promote"; readonly id: MemberId }
  | { readonly kind: "member-remove"; readonly id: MemberId }
  | ({ readonly kind: "member-update" } & MemberUpdate)
  | { readonly kind: "transfer-leader"; readonly to: MemberId };

export type MemberResponse =
  | { readonly kind: "members"; readonly members: readonly Member[] }
  | { readonly kind: "leader-transferred"; readonly leader: MemberId };

/** `id` is the client's own number for a request or a watch, never used twice on a connection. */
export type ClientMessage =
  | { readonly kind: "request"; readonly id: number; readonly request: KvRequest }
  | { readonly kind: "member"; readonly id: number; readonly request: MemberRequest }
  /** The client no longer waits for this request. */
  | { readonly kind: "give-up"; readonly id: number }
  | { readonly kind: "watch"; readonly id: number; readonly request: WatchCreateRequest }
  | { readonly kind: "watch-cancel"; readonly id: number }
  /** One answer for all of these watches. */
  | { readonly kind: "watch-progress"; readonly ids: readonly number[] };

export type ServerMessage =
  | {
      readonly kind: "response";
      readonly id: number;
      readonly header: ResponseHeader;
      readonly response: KvResponses[KvRequest["kind"]];
    }
  | {
      readonly kind: "members";
      readonly id: number;
      readonly header: ResponseHeader;
      readonly response: MemberResponse;
    }
  | { readonly kind: "error"; readonly id: number; readonly error: StatusError }
  | { readonly kind: "watch-response"; readonly id: number; readonly response: WatchResponse };

/** What only the leader can answer, asked by another member on behalf of its client. */
export type LeaderRequest =
  | Extract<KvRequest, { kind: "lease-keep-alive" | "lease-time-to-live" }>
  | MemberRequest;
export type LeaderResponse =
  | KvResponses["lease-keep-alive" | "lease-time-to-live"]
  | MemberResponse
  | StatusError;

interface Addressed {
  readonly from: MemberId;
  readonly to: MemberId;
}

/** Members dial each other, and speak only on the connections they dialled; those begin with a hello. */
export type PeerMessage =
  | Message
  | ({ readonly type: "hello"; readonly clusterId: number } & Addressed)
  | ({ readonly type: "ask-leader"; readonly id: number; readonly request: LeaderRequest } & Addressed)
  | ({ readonly type: "leader-answer"; readonly id: number; readonly response: LeaderResponse } & Addressed);

/** One snapshot per connection. */
export type SnapshotTransfer =
  | {
      readonly type: "hello";
      readonly clusterId: number;
      readonly message: Extract<Message, { type: "snapshot" }>;
    }
  | { readonly type: "received" };

export const clientProtocol: Protocol<ClientMessage | ServerMessage> = jsonProtocol("client");
export const peerProtocol: Protocol<PeerMessage> = jsonProtocol("peer");
export const snapshotProtocol: Protocol<SnapshotTransfer> = jsonProtocol("snapshot");

/** Byte arrays travel as an object with this one field. */
const BYTES = "$bytes";

export function jsonProtocol<M>(name: string): Protocol<M> {
  return {
    name,
    encode: (message) => Buffer.from(JSON.stringify(message, withBytes), "latin1"),
    decode: (bytes) => {
      const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
      const message: unknown = JSON.parse(text, toBytes);
      if (typeof message !== "object" || message === null) throw new Error(`not a ${name} message`);
      return message as M;
    },
  };
}

function withBytes(this: unknown, field: string, value: unknown): unknown {
  // Not `value`: a Buffer has been turned into something else by its own toJSON.
  const held = (this as { readonly [field: string]: unknown })[field];
  if (!(held instanceof Uint8Array)) return value;
  return { [BYTES]: Buffer.from(held.buffer, held.byteOffset, held.byteLength).toString("latin1") };
}

function toBytes(_field: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || !(BYTES in value)) return value;
  return new Uint8Array(Buffer.from(value[BYTES] as string, "latin1"));
}
