/** etcd's errors as values, under etcd's names, with its gRPC codes and messages (api/v3rpc/rpctypes/error.go). */
import type { StatusCode, StatusError } from "./request.ts";

function status(code: StatusCode, message: string): StatusError {
  return Object.freeze({ kind: "error", code, message });
}

export const ErrEmptyKey = status("INVALID_ARGUMENT", "etcdserver: key is not provided");
export const ErrKeyNotFound = status("INVALID_ARGUMENT", "etcdserver: key not found");
export const ErrValueProvided = status("INVALID_ARGUMENT", "etcdserver: value is provided");
export const ErrLeaseProvided = status("INVALID_ARGUMENT", "etcdserver: lease is provided");
export const ErrTooManyOps = status("INVALID_ARGUMENT", "etcdserver: too many operations in txn request");
export const ErrDuplicateKey = status("INVALID_ARGUMENT", "etcdserver: duplicate key given in txn request");
export const ErrInvalidSortOption = status("INVALID_ARGUMENT", "etcdserver: invalid sort option");
export const ErrCompacted = status("OUT_OF_RANGE", "etcdserver: mvcc: required revision has been compacted");
export const ErrFutureRev = status(
  "OUT_OF_RANGE",
  "etcdserver: mvcc: required revision is a future revision",
);
export const ErrNoSpace = status("RESOURCE_EXHAUSTED", "etcdserver: mvcc: database space exceeded");

export const ErrLeaseNotFound = status("NOT_FOUND", "etcdserver: requested lease not found");
export const ErrLeaseExist = status("FAILED_PRECONDITION", "etcdserver: lease already exists");
export const ErrLeaseTTLTooLarge = status("OUT_OF_RANGE", "etcdserver: too large lease TTL");

export const ErrRootUserNotExist = status("FAILED_PRECONDITION", "etcdserver: root user does not exist");
export const ErrRootRoleNotExist = status(
  "FAILED_PRECONDITION",
  "etcdserver: root user does not have root role",
);
export const ErrUserAlreadyExist = status("FAILED_PRECONDITION", "etcdserver: user name already exists");
export const ErrUserEmpty = status("INVALID_ARGUMENT", "etcdserver: user name is empty");
export const ErrUserNotFound = status("FAILED_PRECONDITION", "etcdserver: user name not found");
export const ErrRoleAlreadyExist = status("FAILED_PRECONDITION", "etcdserver: role name already exists");
export const ErrRoleNotFound = status("FAILED_PRECONDITION", "etcdserver: role name not found");
export const ErrRoleEmpty = status("INVALID_ARGUMENT", "etcdserver: role name is empty");
export const ErrAuthFailed = status(
  "INVALID_ARGUMENT",
  "etcdserver: authentication failed, invalid user ID or password",
);
export const ErrPermissionNotGiven = status("INVALID_ARGUMENT", "etcdserver: permission not given");
export const ErrPermissionDenied = status("PERMISSION_DENIED", "etcdserver: permission denied");
export const ErrRoleNotGranted = status("FAILED_PRECONDITION", "etcdserver: role is not granted to the user");
export const ErrPermissionNotGranted = status(
  "FAILED_PRECONDITION",
  "etcdserver: permission is not granted to the role",
);
export const ErrAuthNotEnabled = status("FAILED_PRECONDITION", "etcdserver: authentication is not enabled");
export const ErrInvalidAuthToken = status("UNAUTHENTICATED", "etcdserver: invalid auth token");
export const ErrInvalidAuthMgmt = status("INVALID_ARGUMENT", "etcdserver: invalid auth management");
export const ErrAuthOldRevision = status("INVALID_ARGUMENT", "etcdserver: revision of auth store is old");

export const ErrWatchCanceled = status("CANCELLED", "etcdserver: watch canceled");

export const ErrRequestTooLarge = status("INVALID_ARGUMENT", "etcdserver: request is too large");
export const ErrTooManyRequests = status("RESOURCE_EXHAUSTED", "etcdserver: too many requests");

export const ErrNoLeader = status("UNAVAILABLE", "etcdserver: no leader");
export const ErrNotLeader = status("FAILED_PRECONDITION", "etcdserver: not leader");
export const ErrLeaderChanged = status("UNAVAILABLE", "etcdserver: leader changed");
export const ErrNotCapable = status("UNAVAILABLE", "etcdserver: not capable");
export const ErrStopped = status("UNAVAILABLE", "etcdserver: server stopped");
export const ErrTimeout = status("UNAVAILABLE", "etcdserver: request timed out");
export const ErrTimeoutDueToLeaderFail = status(
  "UNAVAILABLE",
  "etcdserver: request timed out, possibly due to previous leader failure",
);
export const ErrTimeoutDueToConnectionLost = status(
  "UNAVAILABLE",
  "etcdserver: request timed out, possibly due to connection lost",
);
export const ErrUnhealthy = status("UNAVAILABLE", "etcdserver: unhealthy cluster");
export const ErrCorrupt = status("DATA_LOSS", "etcdserver: corrupt cluster");
export const ErrNotSupportedForLearner = status("UNAVAILABLE", "etcdserver: rpc not supported for learner");
export const ErrBadLeaderTransferee = status("FAILED_PRECONDITION", "etcdserver: bad leader transferee");
