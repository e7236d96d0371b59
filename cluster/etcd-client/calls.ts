/** Each request of the api as the call of etcd's that carries it. */
import type { KvRequest, KvResponses } from "../api.ts";
import { fromBytes, fromText, toBytes, toText } from "../etcd/convert.ts";
import { ElectionService } from "../etcd/generated/election.ts";
import { LockService } from "../etcd/generated/lock.ts";
import {
  AuthService,
  KVService,
  LeaseService,
  MaintenanceService,
  type ResponseHeader,
} from "../etcd/generated/rpc.ts";
import type { Alarm, AlarmRequest, AuthResponse, Bytes, Permission } from "../kv/request.ts";
import {
  fromDeleteRangeRequest,
  fromPutRequest,
  fromRangeRequest,
  fromTxnRequest,
  toDeleteRangeResponse,
  toPutResponse,
  toRangeResponse,
  toTxnResponse,
} from "./convert.ts";

/** A method as a client needs it. */
export interface Method<Q, A> {
  readonly path: string;
  requestSerialize(request: Q): Buffer;
  responseDeserialize(bytes: Buffer): A;
}

/** A call whose messages are its own business. */
export interface UnaryCall<R> {
  readonly path: string;
  readonly request: Buffer;
  answer(bytes: Buffer): { readonly header: ResponseHeader | undefined; readonly response: R };
}

function unary<Q, A extends { readonly header: ResponseHeader | undefined }, R>(
  method: Method<Q, A>,
  request: Q,
  toResponse: (answer: A) => R,
): UnaryCall<R> {
  return {
    path: method.path,
    request: method.requestSerialize(request),
    answer: (bytes) => {
      const answer = method.responseDeserialize(bytes);
      return { header: answer.header, response: toResponse(answer) };
    },
  };
}

/** Requests that take more than one message either way, or that no client can make. */
export type Special = Extract<KvRequest, { readonly kind: "lease-keep-alive" | "lock" | "authenticate" }>;

export function isSpecial(request: KvRequest): request is Special {
  const { kind } = request;
  return kind === "lease-keep-alive" || kind === "lock" || kind === "authenticate";
}

type Response = KvResponses[keyof KvResponses];

const ACTIONS: readonly AlarmRequest["action"][] = ["get", "activate", "deactivate"];
const ALARMS: readonly AlarmRequest["alarm"][] = ["none", "nospace", "corrupt"];
const PERMISSIONS: readonly Permission["type"][] = ["read", "write", "readwrite"];
const AUTH_DONE = (): AuthResponse => ({ kind: "auth" });

export function callOf(request: Exclude<KvRequest, Special>): UnaryCall<Response> {
  switch (request.kind) {
    case "range":
      return unary(KVService.range, fromRangeRequest(request), toRangeResponse);
    case "put":
      return unary(KVService.put, fromPutRequest(request), toPutResponse);
    case "delete-range":
      return unary(KVService.deleteRange, fromDeleteRangeRequest(request), toDeleteRangeResponse);
    case "txn":
      return unary(KVService.txn, fromTxnRequest(request), toTxnResponse);
    case "compact": {
      const { revision, physical = false } = request;
      return unary(KVService.compact, { revision: BigInt(revision), physical }, () => ({ kind: "compact" }));
    }
    case "lease-grant":
      return unary(
        LeaseService.leaseGrant,
        { ID: BigInt(request.id), TTL: BigInt(request.ttl) },
        ({ ID, TTL }) => ({ kind: "lease-grant", id: String(ID), ttl: Number(TTL) }),
      );
    case "lease-revoke":
      return unary(LeaseService.leaseRevoke, { ID: BigInt(request.id) }, () => ({ kind: "lease-revoke" }));
    case "lease-time-to-live":
      return unary(
        LeaseService.leaseTimeToLive,
        { ID: BigInt(request.id), keys: request.keys ?? false },
        ({ TTL, grantedTTL, keys }) => ({
          kind: "lease-time-to-live",
          id: request.id,
          ttl: Number(TTL),
          grantedTtl: Number(grantedTTL),
          keys: keys.map(toBytes),
        }),
      );
    case "lease-leases":
      return unary(LeaseService.leaseLeases, {}, ({ leases }) => ({
        kind: "lease-leases",
        leases: leases.map(({ ID }) => String(ID)),
      }));
    case "unlock":
      return unary(LockService.unlock, { key: fromBytes(request.key) }, () => ({ kind: "unlock" }));
    case "alarm":
      return unary(
        MaintenanceService.alarm,
        {
          action: ACTIONS.indexOf(request.action) as 0 | 1 | 2,
          memberID: BigInt(request.member),
          alarm: ALARMS.indexOf(request.alarm) as 0 | 1 | 2,
        },
        ({ alarms }) => ({
          kind: "alarm",
          alarms: alarms.map(
            ({ memberID, alarm }) => ({ member: String(memberID), alarm: ALARMS[alarm] }) as Alarm,
          ),
        }),
      );
    case "status":
      return unary(MaintenanceService.status, {}, (answer) => ({
        kind: "status",
        leader: String(answer.leader),
        learner: answer.isLearner,
        raftIndex: Number(answer.raftIndex),
        raftAppliedIndex: Number(answer.raftAppliedIndex),
        dbSize: Number(answer.dbSize),
        alarms: answer.errors.flatMap(alarmIn),
      }));
    case "hash":
      return unary(MaintenanceService.hash, {}, ({ hash }) => ({ kind: "hash", hash }));
    case "hash-kv":
      return unary(
        MaintenanceService.hashKv,
        { revision: BigInt(request.revision ?? 0) },
        ({ hash, compactRevision }) => ({
          kind: "hash-kv",
          hash,
          // A store that was never compacted says -1.
          compactRevision: Math.max(0, Number(compactRevision)),
        }),
      );
    default:
      return authCallOf(request);
  }
}

/** A status says what is wrong in words: "memberID:1234 alarm:NOSPACE ". */
function alarmIn(words: string): Alarm[] {
  const match = /memberID:(\d+) alarm:(NOSPACE|CORRUPT)/.exec(words);
  if (match === null) return [];
  return [{ member: match[1] as string, alarm: match[2] === "NOSPACE" ? "nospace" : "corrupt" }];
}

type AuthCall = Extract<KvRequest, { readonly kind: `auth-${string}` | `user-${string}` | `role-${string}` }>;

function authCallOf(request: AuthCall): UnaryCall<Response> {
  switch (request.kind) {
    case "auth-enable":
      return unary(AuthService.authEnable, {}, AUTH_DONE);
    case "auth-disable":
      return unary(AuthService.authDisable, {}, AUTH_DONE);
    case "auth-status":
      return unary(AuthService.authStatus, {}, ({ enabled, authRevision }) => ({
        kind: "auth-status",
        enabled,
        revision: Number(authRevision),
      }));
    case "user-add": {
      const { password, noPassword } = request;
      const name = toText(request.name);
      return unary(
        AuthService.userAdd,
        { name, password, options: { noPassword }, hashedPassword: "" },
        AUTH_DONE,
      );
    }
    case "user-delete":
      return unary(AuthService.userDelete, { name: toText(request.name) }, AUTH_DONE);
    case "user-change-password": {
      const { password } = request;
      return unary(
        AuthService.userChangePassword,
        { name: toText(request.name), password, hashedPassword: "" },
        AUTH_DONE,
      );
    }
    case "user-grant-role": {
      const role = toText(request.role);
      return unary(AuthService.userGrantRole, { user: toText(request.name), role }, AUTH_DONE);
    }
    case "user-revoke-role": {
      const role = toText(request.role);
      return unary(AuthService.userRevokeRole, { name: toText(request.name), role }, AUTH_DONE);
    }
    case "user-list":
      return unary(AuthService.userList, {}, ({ users }) => ({
        kind: "user-list",
        users: users.map(fromText),
      }));
    case "user-get":
      return unary(AuthService.userGet, { name: toText(request.name) }, ({ roles }) => ({
        kind: "user-get",
        roles: roles.map(fromText),
      }));
    case "role-add":
      return unary(AuthService.roleAdd, { name: toText(request.name) }, AUTH_DONE);
    case "role-delete":
      return unary(AuthService.roleDelete, { role: toText(request.name) }, AUTH_DONE);
    case "role-list":
      return unary(AuthService.roleList, {}, ({ roles }) => ({
        kind: "role-list",
        roles: roles.map(fromText),
      }));
    case "role-get":
      return unary(AuthService.roleGet, { role: toText(request.name) }, ({ perm }) => ({
        kind: "role-get",
        permissions: perm.map(({ permType, key, rangeEnd }) => ({
          type: PERMISSIONS[permType] as Permission["type"],
          key: toBytes(key),
          rangeEnd: toBytes(rangeEnd),
        })),
      }));
    case "role-grant-permission": {
      const { type, key, rangeEnd } = request.permission;
      const permType = PERMISSIONS.indexOf(type) as 0 | 1 | 2;
      const perm = { permType, key: fromBytes(key), rangeEnd: fromBytes(rangeEnd) };
      return unary(AuthService.roleGrantPermission, { name: toText(request.name), perm }, AUTH_DONE);
    }
    case "role-revoke-permission": {
      const { key, rangeEnd } = request;
      return unary(
        AuthService.roleRevokePermission,
        { role: toText(request.name), key: fromBytes(key), rangeEnd: fromBytes(rangeEnd) },
        AUTH_DONE,
      );
    }
  }
}

type Locking = Extract<KvRequest, { readonly kind: "lock" }>;

/** Gives the key that stands for the ownership. */
export function lockCall({ name, lease }: Locking): UnaryCall<{ readonly key: Bytes }> {
  const request = { name: fromBytes(name), lease: BigInt(lease) };
  return unary(LockService.lock, request, ({ key }) => ({ key: toBytes(key) }));
}

/** A lock whose key holds a value is an election. */
export function campaignCall({ name, lease }: Locking, value: Bytes): UnaryCall<KvResponses["lock"]> {
  const request = { name: fromBytes(name), lease: BigInt(lease), value: fromBytes(value) };
  return unary(ElectionService.campaign, request, ({ leader }) => {
    if (leader === undefined) throw new Error("a campaign that was won by nobody");
    return { kind: "lock", key: toBytes(leader.key), revision: Number(leader.rev) };
  });
}
