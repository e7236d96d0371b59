/**
 * What etcd refuses before it proposes a request: a function of the request and the limits alone, so that
 * a replica that checks again while applying comes to the same answer.
 */
import {
  ErrDuplicateKey,
  ErrEmptyKey,
  ErrInvalidSortOption,
  ErrLeaseProvided,
  ErrLeaseTTLTooLarge,
  ErrTooManyOps,
  ErrValueProvided,
} from "./errors.ts";
import { contains, upperBound } from "./interval.ts";
import type {
  AlarmRequest,
  AuthRequest,
  Bytes,
  CompactRequest,
  DeleteRangeRequest,
  LeaseGrantRequest,
  LeaseRevokeRequest,
  PutRequest,
  RangeRequest,
  RequestOp,
  StatusError,
  TxnRequest,
} from "./request.ts";

export type Limits = {
  /** The most operations in one branch of a transaction; a nested one has what its parents left over. */
  readonly maxTxnOps: number;
};
export const DEFAULT_MAX_TXN_OPS = 128;
/**
 * What every store takes, be its own member told to take less: a command that one member let through is applied by
 * all, and they must not differ in it.
 */
export const STORE_LIMITS: Limits = { maxTxnOps: 10_000 };
/** Transactions in transactions at most, as they are walked by recursion: more than 128 operations can hold. */
const MAX_TXN_DEPTH = 128;
/** Seconds. */
export const MAX_LEASE_TTL = 9_000_000_000;

type Request =
  | RequestOp
  | CompactRequest
  | LeaseGrantRequest
  | LeaseRevokeRequest
  | AlarmRequest
  | AuthRequest;

/** The error etcd answers without looking at the store; undefined when the request is well formed. */
export function checkRequest(request: Request, limits: Limits): StatusError | undefined {
  switch (request.kind) {
    case "range":
      return checkRange(request);
    case "put":
      return checkPut(request);
    case "delete-range":
      return checkDelete(request);
    case "txn":
      return (
        checkTxn(request, limits.maxTxnOps) ?? checkOverlap(request.success) ?? checkOverlap(request.failure)
      );
    case "lease-grant":
      return request.ttl > MAX_LEASE_TTL ? ErrLeaseTTLTooLarge : undefined;
    default:
      return undefined;
  }
}

function checkRange(request: RangeRequest): StatusError | undefined {
  if (request.key === "") return ErrEmptyKey;
  switch (request.sortOrder) {
    case undefined:
    case "none":
    case "ascend":
    case "descend":
      break;
    default:
      return ErrInvalidSortOption;
  }
  switch (request.sortTarget) {
    case undefined:
    case "key":
    case "version":
    case "create":
    case "mod":
    case "value":
      return undefined;
    default:
      return ErrInvalidSortOption;
  }
}

function checkPut(request: PutRequest): StatusError | undefined {
  if (request.key === "") return ErrEmptyKey;
  if (request.ignoreValue === true && request.value !== "") return ErrValueProvided;
  if (request.ignoreLease === true && (request.lease ?? "0") !== "0") return ErrLeaseProvided;
  return undefined;
}

function checkDelete(request: DeleteRangeRequest): StatusError | undefined {
  return request.key === "" ? ErrEmptyKey : undefined;
}

function checkTxn(txn: TxnRequest, maxOps: number, depth = 1): StatusError | undefined {
  const ops = Math.max(txn.compare.length, txn.success.length, txn.failure.length);
  if (ops > maxOps || depth > MAX_TXN_DEPTH) return ErrTooManyOps;
  for (const compare of txn.compare) if (compare.key === "") return ErrEmptyKey;
  return checkOps(txn.success, maxOps - ops, depth) ?? checkOps(txn.failure, maxOps - ops, depth);
}

function checkOps(ops: readonly RequestOp[], maxOps: number, depth: number): StatusError | undefined {
  for (const op of ops) {
    const error =
      op.kind === "range"
        ? checkRange(op)
        : op.kind === "put"
          ? checkPut(op)
          : op.kind === "delete-range"
            ? checkDelete(op)
            : checkTxn(op, maxOps, depth + 1);
    if (error !== undefined) return error;
  }
  return undefined;
}

/** What a list of operations may write. */
type Footprint = {
  readonly puts: Set<Bytes>;
  readonly deletes: { readonly key: Bytes; readonly end: string | undefined }[];
};

function checkOverlap(ops: readonly RequestOp[]): StatusError | undefined {
  if (ops.length === 0 || (ops.length === 1 && ops[0]!.kind !== "txn")) return undefined;
  const found = footprint(ops);
  return "code" in found ? found : undefined;
}

/**
 * Refuses a key put twice, or put and deleted, by one list of operations. Nested transactions count with both
 * branches, except that the branches of one may put the same key. As in etcd, a put in one nested transaction and
 * a delete in a later one pass. Unlike etcd, a delete up to "\0" is seen to cover all keys from its own on.
 */
function footprint(ops: readonly RequestOp[]): Footprint | StatusError {
  const puts = new Set<Bytes>();
  const deletes: Footprint["deletes"] = [];
  for (const op of ops) {
    if (op.kind === "delete-range") deletes.push({ key: op.key, end: upperBound(op.rangeEnd) });
  }
  for (const op of ops) {
    if (op.kind !== "txn") continue;
    const success = footprint(op.success);
    if ("code" in success) return success;
    const failure = footprint(op.failure);
    if ("code" in failure) return failure;
    for (const key of success.puts) if (puts.has(key) || covers(deletes, key)) return ErrDuplicateKey;
    for (const key of failure.puts) if (puts.has(key) || covers(deletes, key)) return ErrDuplicateKey;
    for (const key of success.puts) puts.add(key);
    for (const key of failure.puts) puts.add(key);
    deletes.push(...success.deletes, ...failure.deletes);
  }
  for (const op of ops) {
    if (op.kind !== "put") continue;
    if (puts.has(op.key) || covers(deletes, op.key)) return ErrDuplicateKey;
    puts.add(op.key);
  }
  return { puts, deletes };
}

function covers(deletes: Footprint["deletes"], key: Bytes): boolean {
  for (const del of deletes) if (contains(del.key, del.end, key)) return true;
  return false;
}
