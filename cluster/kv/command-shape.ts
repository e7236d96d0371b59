/**
 * Whether something decoded from an entry has the shape of a command of the store. Every member applies what is in
 * the log, so what does not belong there has to be seen before it gets in. Whether a command asks for something
 * sensible is the store's to say.
 */

import { boolean, type Check, list, oneOf, optional, shaped, string, union } from "./check.ts";
import type { Command } from "./command.ts";
import { isLeaseId } from "./lease-id.ts";
import type { Compare, RequestOp } from "./request.ts";

/** A character beyond those that stand for a byte. */
const WIDE = /[\u0100-\uffff]/;
const MEMBER_ID = /^(0|[1-9]\d{0,19})$/;

const bytes: Check = (value) => typeof value === "string" && !WIDE.test(value);
const leaseId: Check = (value) => typeof value === "string" && isLeaseId(value);
const flag = optional(boolean);
/** Beyond the safe ones too: as a client's 64 bits became them. */
const integer: Check = Number.isInteger;
const optionalInteger = optional(integer);

const compare = union<Compare, "target", "target" | "key" | "rangeEnd" | "result">(
  "target",
  { key: bytes, rangeEnd: optional(bytes), result: oneOf("equal", "greater", "less", "not-equal") },
  {
    version: { operand: integer },
    create: { operand: integer },
    mod: { operand: integer },
    value: { operand: bytes },
    lease: { operand: leaseId },
  },
);
const operations = list((value) => operation(value));
const put = {
  key: bytes,
  value: bytes,
  lease: optional(leaseId),
  prevKv: flag,
  ignoreValue: flag,
  ignoreLease: flag,
};
const deletion = { key: bytes, rangeEnd: optional(bytes), prevKv: flag };
const txn = { compare: list(compare), success: operations, failure: operations };
const operation: Check = union<RequestOp, "kind", "kind">(
  "kind",
  {},
  {
    range: {
      key: bytes,
      rangeEnd: optional(bytes),
      limit: optionalInteger,
      revision: optionalInteger,
      sortOrder: optional(string),
      sortTarget: optional(string),
      serializable: flag,
      keysOnly: flag,
      countOnly: flag,
      minModRevision: optionalInteger,
      maxModRevision: optionalInteger,
      minCreateRevision: optionalInteger,
      maxCreateRevision: optionalInteger,
    },
    put,
    "delete-range": deletion,
    txn,
  },
);

const named = { name: bytes };
const ofRole = { name: bytes, role: bytes };
const permission = shaped({ type: oneOf("read", "write", "readwrite"), key: bytes, rangeEnd: bytes });

const caller = optional((value) => value === "member" || shaped({ user: bytes, revision: integer })(value));

const isCommandLike = union<Command, "kind", "kind" | "caller">(
  "kind",
  { caller },
  {
    put,
    "delete-range": deletion,
    txn,
    compact: { revision: integer, physical: flag },
    "lease-grant": { id: leaseId, ttl: integer },
    "lease-revoke": { id: leaseId },
    "lease-checkpoint": { leases: list(shaped({ id: leaseId, remaining: integer })) },
    alarm: {
      action: oneOf("get", "activate", "deactivate"),
      member: (value) => typeof value === "string" && MEMBER_ID.test(value),
      alarm: oneOf("none", "nospace", "corrupt"),
    },
    "auth-enable": {},
    "auth-disable": {},
    authenticate: { name: bytes, token: bytes, issued: integer, revision: integer },
    "user-add": { name: bytes, password: bytes, noPassword: boolean },
    "user-delete": named,
    "user-change-password": { name: bytes, password: bytes },
    "user-grant-role": ofRole,
    "user-revoke-role": ofRole,
    "role-add": named,
    "role-delete": named,
    "role-grant-permission": { name: bytes, permission },
    "role-revoke-permission": { name: bytes, key: bytes, rangeEnd: bytes },
  },
);

export function isCommand(value: unknown): value is Command {
  return isCommandLike(value);
}
