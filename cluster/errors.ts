/**
 * Which errors are definite: the request did not take effect and never will. An error that is not listed, or is
 * listed as indefinite, may be the answer to a request that took effect, or still will.
 *
 * Messages are etcd's (api/v3rpc/rpctypes/error.go), or our clients'. An error that says the same to every
 * request can only be definite if no member can send it after it has proposed the request.
 */
import type { StatusCode } from "./kv/request.ts";

export interface KnownError {
  readonly code: StatusCode;
  /** The whole message; or its beginning, if that is all that does not vary. */
  readonly message: string | { readonly prefix: string };
  readonly definite: boolean;
}

function all(code: StatusCode, definite: boolean, messages: readonly string[]): KnownError[] {
  return messages.map((message) => ({ code, message, definite }));
}

/** The client could not even connect: nothing was sent. */
export const CONNECTION_REFUSED = "connection refused";
/** The connection broke with the request on its way, or its answer. */
export const CONNECTION_LOST = "connection lost";
/** No answer in time. */
export const DEADLINE_EXCEEDED = "context deadline exceeded";
/** The deadline passed before there was a connection to send it over. */
export const NOT_SENT = "context deadline exceeded before there was a connection";

export const knownErrors: readonly KnownError[] = [
  // Decided before a proposal, or by the state machine itself: every member agrees.
  ...all("INVALID_ARGUMENT", true, [
    "etcdserver: key is not provided",
    "etcdserver: key not found",
    "etcdserver: value is provided",
    "etcdserver: lease is provided",
    "etcdserver: too many operations in txn request",
    "etcdserver: duplicate key given in txn request",
    "etcdserver: invalid sort option",
    "etcdserver: request is too large",
    "etcdserver: user name is empty",
    "etcdserver: role name is empty",
    "etcdserver: authentication failed, invalid user ID or password",
    "etcdserver: permission not given",
    "etcdserver: invalid auth management",
    "etcdserver: revision of auth store is old",
  ]),
  ...all("OUT_OF_RANGE", true, [
    "etcdserver: mvcc: required revision has been compacted",
    "etcdserver: mvcc: required revision is a future revision",
    "etcdserver: too large lease TTL",
  ]),
  ...all("NOT_FOUND", true, ["etcdserver: requested lease not found", "etcdserver: member not found"]),
  ...all("FAILED_PRECONDITION", true, [
    "etcdserver: lease already exists",
    "etcdserver: member ID already exist",
    "etcdserver: Peer URLs already exists",
    "etcdserver: re-configuration failed due to not enough started members",
    "etcdserver: can only promote a learner member",
    "etcdserver: can only promote a learner member which is in sync with leader",
    "etcdserver: too many learner members in cluster",
    "etcdserver: not leader",
    "etcdserver: bad leader transferee",
    "etcdserver: root user does not exist",
    "etcdserver: root user does not have root role",
    "etcdserver: user name already exists",
    "etcdserver: user name not found",
    "etcdserver: role name already exists",
    "etcdserver: role name not found",
    "etcdserver: role is not granted to the user",
    "etcdserver: permission is not granted to the role",
    "etcdserver: authentication is not enabled",
  ]),
  ...all("PERMISSION_DENIED", true, ["etcdserver: permission denied"]),
  ...all("UNAUTHENTICATED", true, ["etcdserver: invalid auth token"]),
  ...all("RESOURCE_EXHAUSTED", true, [
    "etcdserver: mvcc: database space exceeded",
    "etcdserver: too many requests",
  ]),
  ...all("UNAVAILABLE", true, [
    "etcdserver: unhealthy cluster",
    "etcdserver: not capable",
    "etcdserver: rpc not supported for learner",
  ]),
  // Lock: the key that stood for the caller is gone, so the lock is not and will not be held by it.
  ...all("UNKNOWN", true, ["mutex: session is expired"]),

  // The request may have been proposed.
  ...all("UNAVAILABLE", false, [
    "etcdserver: no leader",
    "etcdserver: leader changed",
    "etcdserver: server stopped",
    "etcdserver: request timed out",
    "etcdserver: request timed out, possibly due to previous leader failure",
    "etcdserver: request timed out, possibly due to connection lost",
    "etcdserver: request timed out, leader transfer took too long",
  ]),
  ...all("CANCELLED", false, [
    "context canceled",
    "etcdserver: request cancelled",
    "etcdserver: watch canceled",
  ]),
  ...all("DATA_LOSS", false, ["etcdserver: corrupt cluster"]),

  // Between client and member.
  { code: "UNAVAILABLE", message: CONNECTION_REFUSED, definite: true },
  { code: "UNAVAILABLE", message: CONNECTION_LOST, definite: false },
  { code: "DEADLINE_EXCEEDED", message: NOT_SENT, definite: true },
  { code: "DEADLINE_EXCEEDED", message: { prefix: "" }, definite: false },
];

const exact = new Map<string, boolean>();
const prefixes: { readonly code: StatusCode; readonly prefix: string; readonly definite: boolean }[] = [];
for (const { code, message, definite } of knownErrors) {
  if (typeof message === "string") exact.set(`${code} ${message}`, definite);
  else prefixes.push({ code, prefix: message.prefix, definite });
}

/** True only if the request that got this answer did not and will not take effect. */
export function isDefinite(code: StatusCode, message: string): boolean {
  const known = exact.get(`${code} ${message}`);
  if (known !== undefined) return known;
  return prefixes.some((entry) => entry.definite && entry.code === code && message.startsWith(entry.prefix));
}
