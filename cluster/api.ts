/**
 * What a client of an etcd-like store can ask of one node, in the simulator, on processes or on real etcd.
 * Every method sends one request once: no retry, no failover. Times out by itself after the api's own deadline.
 */
import type * as kv from "./kv/request.ts";

/** The node's refusal, or the failure to reach it. `definite`: the request did not and will not take effect. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly code: kv.StatusCode;
  readonly definite: boolean;
  constructor(code: kv.StatusCode, message: string, definite: boolean) {
    super(message);
    this.code = code;
    this.definite = definite;
  }
}

/** An answer and the header that came with it. */
export type Answer<R> = R & { readonly header: kv.ResponseHeader };

export type KvRequest =
  | kv.RangeRequest
  | kv.PutRequest
  | kv.DeleteRangeRequest
  | kv.TxnRequest
  | kv.CompactRequest
  | kv.LeaseGrantRequest
  | kv.LeaseRevokeRequest
  | { readonly kind: "lease-keep-alive"; readonly id: kv.LeaseId }
  | { readonly kind: "lease-time-to-live"; readonly id: kv.LeaseId; readonly keys?: boolean }
  | { readonly kind: "lease-leases" }
  /** With a value, it is what the owner's key holds: an election. */
  | { readonly kind: "lock"; readonly name: kv.Bytes; readonly lease: kv.LeaseId; readonly value?: kv.Bytes }
  | { readonly kind: "unlock"; readonly key: kv.Bytes }
  | kv.AlarmRequest
  | kv.AuthRequest
  | kv.AuthQuery
  | { readonly kind: "status" }
  | { readonly kind: "hash" }
  | { readonly kind: "hash-kv"; readonly revision?: kv.Revision };

export type KvResponses = {
  range: kv.RangeResponse;
  put: kv.PutResponse;
  "delete-range": kv.DeleteRangeResponse;
  txn: kv.TxnResponse;
  compact: kv.CompactResponse;
  "lease-grant": kv.LeaseGrantResponse;
  "lease-revoke": kv.LeaseRevokeResponse;
  /** `ttl` 0: the lease does not exist. Seconds. */
  "lease-keep-alive": { readonly kind: "lease-keep-alive"; readonly id: kv.LeaseId; readonly ttl: number };
  /** `ttl` -1: the lease does not exist. */
  "lease-time-to-live": {
    readonly kind: "lease-time-to-live";
    readonly id: kv.LeaseId;
    readonly ttl: number;
    readonly grantedTtl: number;
    readonly keys: readonly kv.Bytes[];
  };
  "lease-leases": { readonly kind: "lease-leases"; readonly leases: readonly kv.LeaseId[] };
  /** The key that stands for the ownership, and its create revision; it lives as long as the lease. */
  lock: { readonly kind: "lock"; readonly key: kv.Bytes; readonly revision: kv.Revision };
  unlock: { readonly kind: "unlock" };
  alarm: kv.AlarmResponse;
  status: {
    readonly kind: "status";
    /** "0" when none is known. */
    readonly leader: string;
    readonly learner: boolean;
    readonly raftIndex: number;
    readonly raftAppliedIndex: number;
    /** Bytes, roughly: keys, values and their versions. */
    readonly dbSize: number;
    readonly alarms: readonly kv.Alarm[];
  };
  /** Of the whole state. */
  hash: { readonly kind: "hash"; readonly hash: number };
  "hash-kv": { readonly kind: "hash-kv"; readonly hash: number; readonly compactRevision: kv.Revision };
} & { [K in kv.AuthRequest["kind"]]: kv.AuthResponse } & {
  [K in kv.AuthQuery["kind"]]: Extract<kv.AuthQueryResponse, { readonly kind: K }>;
};

export type KvResponse<K extends KvRequest["kind"] = KvRequest["kind"]> = Answer<KvResponses[K]>;

export type WatchResponse = {
  readonly header: kv.ResponseHeader;
  readonly kind: "created" | "events" | "progress" | "canceled";
  readonly events: readonly kv.WatchEvent[];
  /** More fragments of the same revision follow. */
  readonly fragment: boolean;
  /** Progress that was asked for: it speaks for all watches it was asked for. */
  readonly requested: boolean;
  /** In a cancellation because of compaction: the oldest revision that can still be watched. */
  readonly compactRevision: kv.Revision;
  readonly cancelReason: string;
};

export interface Watch {
  /** Asks the node for a progress response on this stream. */
  requestProgress(): void;
  cancel(): void;
}

export interface WatchHandlers {
  response(response: WatchResponse): void;
  /** The stream broke, or ended after a cancellation. Called at most once. */
  ended(reason: string): void;
}

export interface KvApi {
  /** With the rights of `caller`, or nobody's. Rejects with ApiError. */
  request<R extends KvRequest>(request: R, caller?: kv.Caller): Promise<KvResponse<R["kind"]>>;
  watch(request: kv.WatchCreateRequest, handlers: WatchHandlers): Watch;
  /** Pending requests are rejected as indefinite. */
  close(): void;
}
