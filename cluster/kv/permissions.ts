/**
 * Whether a caller may do what it asks for. Unlike etcd's, operations of nested transactions are looked at like any
 * other, and so is what a put in a transaction gives away: the previous value, and the keys of its lease.
 */
import type { AuthTable } from "./auth.ts";
import type { Command } from "./command.ts";
import { NO_LEASE } from "./lease-id.ts";
import type { AuthQuery, Caller, LeaseId, RequestOp, StatusError, TxnRequest } from "./request.ts";

export interface Attachments {
  keys(id: LeaseId): Iterable<string>;
}

type Asked = Command | RequestOp | AuthQuery;

/** Why not, if so. */
export function checkPermission(
  auth: AuthTable,
  leases: Attachments,
  asked: Asked,
  caller: Caller | undefined,
): StatusError | undefined {
  if (!auth.enabled || caller === "member") return undefined;
  switch (asked.kind) {
    case "range":
      return auth.checkKeys(caller, "read", asked.key, asked.rangeEnd);
    case "put": {
      const { key, lease = NO_LEASE, prevKv } = asked;
      return (
        auth.checkKeys(caller, "write", key) ??
        // Whoever cannot revoke the lease must not hang a key on it.
        checkLease(auth, leases, lease, caller) ??
        (prevKv === true && auth.bug !== "previous-given-away"
          ? auth.checkKeys(caller, "read", key)
          : undefined)
      );
    }
    case "delete-range": {
      const { key, rangeEnd, prevKv } = asked;
      return (
        auth.checkKeys(caller, "write", key, rangeEnd) ??
        (prevKv === true ? auth.checkKeys(caller, "read", key, rangeEnd) : undefined)
      );
    }
    case "txn":
      return checkTxn(auth, leases, asked, caller);
    case "lease-revoke":
      return checkLease(auth, leases, asked.id, caller);
    case "compact":
    case "lease-grant":
    case "lease-checkpoint":
    case "auth-status":
    case "authenticate":
      return undefined;
    case "user-get": {
      const own = caller !== undefined && caller.user === asked.name;
      return own ? undefined : auth.checkAdmin(caller);
    }
    case "role-get":
      return auth.hasRole(caller, asked.name) ? undefined : auth.checkAdmin(caller);
    default:
      return auth.checkAdmin(caller);
  }
}

function checkTxn(
  auth: AuthTable,
  leases: Attachments,
  txn: TxnRequest,
  caller: Caller | undefined,
): StatusError | undefined {
  const compared = auth.bug === "compare-unchecked" ? [] : txn.compare;
  for (const { key, rangeEnd } of compared) {
    const refusal = auth.checkKeys(caller, "read", key, rangeEnd);
    if (refusal !== undefined) return refusal;
  }
  for (const op of [...txn.success, ...txn.failure]) {
    if (op.kind === "txn" && auth.bug === "nested-txn-unchecked") continue;
    const refusal = checkPermission(auth, leases, op, caller);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

/** The keys that hang on the lease go with it. */
function checkLease(
  auth: AuthTable,
  leases: Attachments,
  id: LeaseId,
  caller: Caller | undefined,
): StatusError | undefined {
  for (const key of leases.keys(id)) {
    const refusal = auth.checkKeys(caller, "write", key);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}
