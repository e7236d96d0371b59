/**
 * Requests to the key-value store and the answers to them, with etcd v3's meaning.
 *
 * Keys and values are byte strings held as JavaScript strings of one character per byte ("latin1"): they compare
 * in byte order, hash fast and never need copying. Text is converted at the edges. Field names follow etcd's
 * protocol; a missing field means the protocol's zero value.
 */

/** One character per byte, U+0000 to U+00FF. */
export type Bytes = string;
/** A signed 64-bit integer in decimal; "0" means no lease. */
export type LeaseId = string;
/** Safe integer. A fresh store is at revision 1. */
export type Revision = number;

export type KeyValue = {
  readonly key: Bytes;
  readonly createRevision: Revision;
  readonly modRevision: Revision;
  /** 1 when created, one more with each put, 0 in a delete event. */
  readonly version: number;
  readonly value: Bytes;
  readonly lease: LeaseId;
};

export type SortTarget = "key" | "version" | "create" | "mod" | "value";
export type SortOrder = "none" | "ascend" | "descend";

export type RangeRequest = {
  readonly kind: "range";
  readonly key: Bytes;
  /** Exclusive end; "" for the single key; "\0" for all keys from `key` on. */
  readonly rangeEnd?: Bytes;
  /** 0 for no limit. */
  readonly limit?: number;
  /** 0 or less for the newest. */
  readonly revision?: Revision;
  readonly sortOrder?: SortOrder;
  readonly sortTarget?: SortTarget;
  readonly serializable?: boolean;
  readonly keysOnly?: boolean;
  readonly countOnly?: boolean;
  readonly minModRevision?: Revision;
  readonly maxModRevision?: Revision;
  readonly minCreateRevision?: Revision;
  readonly maxCreateRevision?: Revision;
};
export type PutRequest = {
  readonly kind: "put";
  readonly key: Bytes;
  readonly value: Bytes;
  readonly lease?: LeaseId;
  readonly prevKv?: boolean;
  readonly ignoreValue?: boolean;
  readonly ignoreLease?: boolean;
};
export type DeleteRangeRequest = {
  readonly kind: "delete-range";
  readonly key: Bytes;
  readonly rangeEnd?: Bytes;
  readonly prevKv?: boolean;
};
export type CompareResult = "equal" | "greater" | "less" | "not-equal";
export type Compare = {
  readonly key: Bytes;
  readonly rangeEnd?: Bytes;
  readonly result: CompareResult;
} & (
  | { readonly target: "version" | "create" | "mod"; readonly operand: number }
  | { readonly target: "value"; readonly operand: Bytes }
  | { readonly target: "lease"; readonly operand: LeaseId }
);
export type TxnRequest = {
  readonly kind: "txn";
  readonly compare: readonly Compare[];
  readonly success: readonly RequestOp[];
  readonly failure: readonly RequestOp[];
};
export type RequestOp = RangeRequest | PutRequest | DeleteRangeRequest | TxnRequest;
export type CompactRequest = {
  readonly kind: "compact";
  readonly revision: Revision;
  /** Answer only once the history is physically gone. */
  readonly physical?: boolean;
};
export type LeaseGrantRequest = {
  readonly kind: "lease-grant";
  /** "0" lets the member choose. */
  readonly id: LeaseId;
  /** Seconds, 1 to 9,000,000,000. */
  readonly ttl: number;
};
/** What is wrong with a member: its store is full, or found to differ from the others'. */
export type AlarmType = "nospace" | "corrupt";
/** `member` is an unsigned 64-bit integer in decimal. */
export type Alarm = { readonly member: string; readonly alarm: AlarmType };
export type AlarmRequest = {
  readonly kind: "alarm";
  readonly action: "get" | "activate" | "deactivate";
  /** "0" for every member, where that makes sense. */
  readonly member: string;
  readonly alarm: AlarmType | "none";
};
export type LeaseRevokeRequest = { readonly kind: "lease-revoke"; readonly id: LeaseId };

/**
 * Who asks: a user, as of an auth revision, or a member of the cluster for its own purposes. A client that did not
 * say is nobody.
 */
export type Caller = "member" | { readonly user: string; readonly revision: number };

export type Permission = {
  readonly type: "read" | "write" | "readwrite";
  readonly key: Bytes;
  /** "" for the single key. */
  readonly rangeEnd: Bytes;
};
/** Changes of users, roles and rights. Passwords are hashed by whoever takes them from a client. */
export type AuthRequest =
  | { readonly kind: "auth-enable" }
  | { readonly kind: "auth-disable" }
  /** Records a token, "" for none, for a user whose password was right at `revision`. `issued`: wall clock, ms. */
  | {
      readonly kind: "authenticate";
      readonly name: string;
      readonly token: string;
      readonly issued: number;
      readonly revision: number;
    }
  | {
      readonly kind: "user-add";
      readonly name: string;
      readonly password: string;
      readonly noPassword: boolean;
    }
  | { readonly kind: "user-delete"; readonly name: string }
  | { readonly kind: "user-change-password"; readonly name: string; readonly password: string }
  | { readonly kind: "user-grant-role" | "user-revoke-role"; readonly name: string; readonly role: string }
  | { readonly kind: "role-add" | "role-delete"; readonly name: string }
  | { readonly kind: "role-grant-permission"; readonly name: string; readonly permission: Permission }
  | {
      readonly kind: "role-revoke-permission";
      readonly name: string;
      readonly key: Bytes;
      readonly rangeEnd: Bytes;
    };
export type AuthQuery =
  | { readonly kind: "auth-status" | "user-list" | "role-list" }
  | { readonly kind: "user-get" | "role-get"; readonly name: string };

/** Carried in every answer. Ids are unsigned 64-bit integers in decimal. */
export type ResponseHeader = {
  readonly clusterId: string;
  readonly memberId: string;
  readonly revision: Revision;
  readonly raftTerm: number;
};

export type RangeResponse = {
  readonly kind: "range";
  readonly kvs: readonly KeyValue[];
  readonly more: boolean;
  /** Matching keys, whatever the limit. */
  readonly count: number;
};
export type PutResponse = { readonly kind: "put"; readonly prevKv?: KeyValue };
export type DeleteRangeResponse = {
  readonly kind: "delete-range";
  readonly deleted: number;
  readonly prevKvs: readonly KeyValue[];
};
export type TxnResponse = {
  readonly kind: "txn";
  readonly succeeded: boolean;
  readonly responses: readonly ResponseOp[];
};
export type ResponseOp = RangeResponse | PutResponse | DeleteRangeResponse | TxnResponse;
export type CompactResponse = { readonly kind: "compact" };
export type LeaseGrantResponse = { readonly kind: "lease-grant"; readonly id: LeaseId; readonly ttl: number };
export type LeaseRevokeResponse = { readonly kind: "lease-revoke" };
/** The alarms that were asked for, or that the request changed. */
export type AlarmResponse = { readonly kind: "alarm"; readonly alarms: readonly Alarm[] };

export type AuthResponse = { readonly kind: "auth" };
export type AuthQueryResponse =
  | { readonly kind: "auth-status"; readonly enabled: boolean; readonly revision: number }
  | { readonly kind: "user-list"; readonly users: readonly string[] }
  | { readonly kind: "role-list"; readonly roles: readonly string[] }
  | { readonly kind: "user-get"; readonly roles: readonly string[] }
  | { readonly kind: "role-get"; readonly permissions: readonly Permission[] };

/** One change, as watchers see it. `kv.version` is 0 and `kv.value` "" in a delete. */
export type WatchEvent = {
  readonly type: "put" | "delete";
  readonly kv: KeyValue;
  readonly prevKv?: KeyValue;
};
export type WatchCreateRequest = {
  readonly key: Bytes;
  readonly rangeEnd?: Bytes;
  /** 0 for "from now on". */
  readonly startRevision?: Revision;
  readonly progressNotify?: boolean;
  readonly filters?: readonly ("no-put" | "no-delete")[];
  readonly prevKv?: boolean;
  /** Split large batches of one revision over several responses. */
  readonly fragment?: boolean;
};

/** gRPC status codes in use, by their standard names. */
export const STATUS_CODES = [
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "UNAUTHENTICATED",
  "DATA_LOSS",
] as const;
export type StatusCode = (typeof STATUS_CODES)[number];

/** An error as a value: etcd's code and message, exactly (api/v3rpc/rpctypes/error.go). */
export type StatusError = { readonly kind: "error"; readonly code: StatusCode; readonly message: string };
