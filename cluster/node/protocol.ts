/**
 * What clients say to a member and members say to each other, and how it crosses a wire: as JSON whose characters
 * are the bytes, since keys and values are byte strings already; byte arrays follow behind.
 */
import type { NodeId } from "../../src/history/op.ts";
import type { Protocol } from "../../src/runtime/runtime.ts";
import type { KvRequest, KvResponses, WatchResponse } from "../api.ts";
import { isObject } from "../kv/check.ts";
import type { Caller, ResponseHeader, StatusError, WatchCreateRequest } from "../kv/request.ts";
import type { MemberId, Message, Term } from "../raft/message.ts";
import { getU32, putU32 } from "./bytes.ts";
import type { Member, MemberUpdate } from "./membership.ts";
import { isPeerMessage, isSnapshotTransfer } from "./shape.ts";

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
  | {
      readonly kind: "request";
      readonly id: number;
      readonly request: KvRequest;
      /** Nobody, unless it is said. */
      readonly caller?: Caller;
    }
  | {
      readonly kind: "member";
      readonly id: number;
      readonly request: MemberRequest;
      readonly caller?: Caller;
    }
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

/** What raft says; snapshots come in frames, on connections of their own. */
export type RaftMessage = Exclude<Message, { type: "snapshot" }>;

/** Members dial each other, and speak only on the connections they dialled; those begin with a hello. */
export type PeerMessage =
  | RaftMessage
  | ({ readonly type: "hello"; readonly clusterId: number } & Addressed)
  | ({ readonly type: "ask-leader"; readonly id: number; readonly request: LeaderRequest } & Addressed)
  | ({ readonly type: "leader-answer"; readonly id: number; readonly response: LeaderResponse } & Addressed);

/** One snapshot per connection, in frames. */
export type SnapshotTransfer =
  | ({ readonly type: "hello"; readonly clusterId: number; readonly term: Term } & Addressed)
  | { readonly type: "frame"; readonly frame: Uint8Array }
  /** There is room for another frame. */
  | { readonly type: "taken" }
  | { readonly type: "received" };

export const clientProtocol: Protocol<ClientMessage | ServerMessage> = jsonProtocol("client", isObject);
/** JSON from others: many small values take far more memory than their text does. */
const MAX_PEER_TEXT = 16 << 20;
export const peerProtocol: Protocol<PeerMessage> = jsonProtocol("peer", isPeerMessage, MAX_PEER_TEXT);
export const snapshotProtocol: Protocol<SnapshotTransfer> = jsonProtocol(
  "snapshot",
  isSnapshotTransfer,
  MAX_PEER_TEXT,
);

/** Stands for a byte array, which follows the JSON: where it begins there, and its length. */
const BYTES = "$bytes";
/** Length of the JSON. */
const HEADER_BYTES = 4;
/** Characters that are no byte: they have no place in keys and values, but in names they have. */
const WIDE = /[\u0100-\uffff]/g;

/**
 * `valid`: whether what was decoded is such a message; the node trusts it from there on. `maxText`: how long the JSON
 * may be.
 */
export function jsonProtocol<M>(
  name: string,
  valid: (message: unknown) => boolean,
  maxText = Number.POSITIVE_INFINITY,
): Protocol<M> {
  const refuse = (message?: unknown): never => {
    const { type = undefined } = isObject(message) ? message : {};
    const claim = typeof type === "string" ? `, though it claims to be ${quoted(type)}` : "";
    throw new Error(`not a ${name} message${claim}`);
  };
  return {
    name,
    encode: (message) => {
      const detached: Detached = { arrays: [], length: 0 };
      const text = JSON.stringify(detach(message, detached)).replace(
        WIDE,
        (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
      );
      const { arrays, length } = detached;
      const bytes = Buffer.allocUnsafe(HEADER_BYTES + text.length + length);
      putU32(bytes, 0, text.length);
      bytes.write(text, HEADER_BYTES, "latin1");
      let at = HEADER_BYTES + text.length;
      for (const array of arrays) {
        bytes.set(array, at);
        at += array.length;
      }
      return bytes;
    },
    decode: (bytes) => {
      const start = bytes.length < HEADER_BYTES ? bytes.length + 1 : HEADER_BYTES + getU32(bytes, 0);
      if (start > bytes.length || start > HEADER_BYTES + maxText) refuse();
      const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      let message: unknown;
      try {
        const text = buffer.toString("latin1", HEADER_BYTES, start);
        message = JSON.parse(text);
        if (text.includes(BYTES)) message = new Arrays(bytes.subarray(start)).into(message);
      } catch {
        refuse();
      }
      return valid(message) ? (message as M) : refuse(message);
    },
  };
}

interface Detached {
  readonly arrays: Uint8Array[];
  /** Bytes of all of them. */
  length: number;
}

/** A copy with what stands for byte arrays in their places. A replacer of JSON.stringify's is many times slower. */
function detach(value: unknown, detached: Detached): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Uint8Array) {
    detached.arrays.push(value);
    detached.length += value.length;
    return { [BYTES]: [detached.length - value.length, value.length] };
  }
  if (Array.isArray(value)) return value.map((item) => detach(item, detached));
  const fields = value as { readonly [field: string]: unknown };
  const copy: { [field: string]: unknown } = {};
  for (const field in fields) copy[field] = detach(fields[field], detached);
  return copy;
}

/** The byte arrays that follow the JSON, in the order in which it mentions them: each once. */
class Arrays {
  readonly #bytes: Uint8Array;
  #taken = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Puts them in the places of what stands for them. Throws RangeError if there is no such array. */
  into(value: unknown): unknown {
    if (typeof value !== "object" || value === null) return value;
    const fields = value as { [field: string]: unknown };
    const span = fields[BYTES];
    if (span !== undefined) return this.#take(span as [number, number]);
    for (const field in fields) fields[field] = this.into(fields[field]);
    return fields;
  }

  #take([from, length]: [number, number]): Uint8Array {
    const end = from + length;
    const sound = from === this.#taken && Number.isInteger(length) && length >= 0;
    if (!sound || end > this.#bytes.length) throw new RangeError("no such array");
    this.#taken = end;
    return new Uint8Array(this.#bytes.subarray(from, end));
  }
}

/** The beginning of what somebody else said. */
function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 40));
}
