/** The part of the model that is about users and roles, as plainly as it can be said. */
import type { AuthState } from "./auth.ts";
import type { Command } from "./command.ts";
import * as errors from "./errors.ts";
import type {
  AuthRequest,
  AuthResponse,
  Bytes,
  Caller,
  RangeRequest,
  RequestOp,
  StatusError,
} from "./request.ts";

type Users = AuthState["users"];
type Roles = AuthState["roles"];

/** The state after a change, or why there is none. */
export function stepAuth(state: AuthState, request: AuthRequest): AuthState | StatusError {
  const user = "name" in request ? state.users.find(({ name }) => name === request.name) : undefined;
  const role = "name" in request ? state.roles.find(({ name }) => name === request.name) : undefined;
  const next = (users: Users, roles: Roles = state.roles, tokens = state.tokens): AuthState => ({
    ...state,
    revision: state.revision + 1,
    users: users.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    roles: roles.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    tokens,
  });
  const otherUsers = state.users.filter((other) => other !== user);
  const otherRoles = state.roles.filter((other) => other !== role);
  const otherTokens = state.tokens.filter((token) => token.user !== user?.name);
  const isRoot = state.enabled && "name" in request && request.name === "root";
  switch (request.kind) {
    case "auth-enable": {
      const root = state.users.find(({ name }) => name === "root");
      if (state.enabled) return state;
      if (root === undefined) return errors.ErrRootUserNotExist;
      return root.roles.includes("root") ? { ...state, enabled: true } : errors.ErrRootRoleNotExist;
    }
    case "auth-disable":
      return state.enabled ? { ...next(state.users), enabled: false, tokens: [] } : state;
    case "authenticate": {
      if (!state.enabled) return errors.ErrAuthNotEnabled;
      if (request.revision !== state.revision) return errors.ErrAuthOldRevision;
      const { token, name, issued } = request;
      return token === "" ? state : { ...state, tokens: [...state.tokens, { token, user: name, issued }] };
    }
    case "user-add": {
      if (request.name === "") return errors.ErrUserEmpty;
      if (user !== undefined) return errors.ErrUserAlreadyExist;
      const { name, password, noPassword } = request;
      return next([...otherUsers, { name, password, noPassword, roles: [] }]);
    }
    case "user-delete":
      if (isRoot) return errors.ErrInvalidAuthMgmt;
      return user === undefined ? errors.ErrUserNotFound : next(otherUsers, state.roles, otherTokens);
    case "user-change-password": {
      if (user === undefined) return errors.ErrUserNotFound;
      const password = user.noPassword ? "" : request.password;
      return next([...otherUsers, { ...user, password }], state.roles, otherTokens);
    }
    case "user-grant-role": {
      if (user === undefined) return errors.ErrUserNotFound;
      const known = request.role === "root" || state.roles.some(({ name }) => name === request.role);
      if (!known) return errors.ErrRoleNotFound;
      if (user.roles.includes(request.role)) return state;
      return next([...otherUsers, { ...user, roles: [...user.roles, request.role].toSorted() }]);
    }
    case "user-revoke-role": {
      if (isRoot && request.role === "root") return errors.ErrInvalidAuthMgmt;
      if (user === undefined) return errors.ErrUserNotFound;
      if (!user.roles.includes(request.role)) return errors.ErrRoleNotGranted;
      return next([...otherUsers, { ...user, roles: user.roles.filter((name) => name !== request.role) }]);
    }
    case "role-add":
      if (request.name === "") return errors.ErrRoleEmpty;
      if (role !== undefined) return errors.ErrRoleAlreadyExist;
      return next(state.users, [...otherRoles, { name: request.name, permissions: [] }]);
    case "role-delete":
      if (isRoot) return errors.ErrInvalidAuthMgmt;
      if (role === undefined) return errors.ErrRoleNotFound;
      return next(
        state.users.map((one) => ({ ...one, roles: one.roles.filter((name) => name !== role.name) })),
        otherRoles,
      );
    case "role-grant-permission":
    case "role-revoke-permission": {
      if (role === undefined) return errors.ErrRoleNotFound;
      const wanted = request.kind === "role-grant-permission" ? request.permission : request;
      const rest = role.permissions.filter(
        ({ key, rangeEnd }) => `${key} ${rangeEnd}` !== `${wanted.key} ${wanted.rangeEnd}`,
      );
      if (request.kind === "role-revoke-permission") {
        if (rest.length === role.permissions.length) return errors.ErrPermissionNotGranted;
        return next(state.users, [...otherRoles, { ...role, permissions: rest }]);
      }
      const at = role.permissions.findIndex((known) => !rest.includes(known));
      const after = role.permissions.filter(({ key }) => key <= wanted.key).length;
      const permissions =
        at >= 0
          ? role.permissions.with(at, request.permission)
          : role.permissions.toSpliced(after, 0, request.permission);
      return next(state.users, [...otherRoles, { ...role, permissions }]);
    }
  }
}

export const AUTH_OK: AuthResponse = { kind: "auth" };

/** Why the caller must not, if so. `attached`: the keys on a lease. */
export function refusalOf(
  state: AuthState,
  caller: Caller | undefined,
  asked: Command | RangeRequest | RequestOp,
  attached: (lease: string) => readonly Bytes[],
): StatusError | undefined {
  if (!state.enabled || caller === "member") return undefined;
  const user = state.users.find(({ name }) => name === caller?.user);
  const needs = neededKeys(asked, attached);
  if (needs === "nothing") return undefined;
  if (caller === undefined) return needs === "root" || needs.length > 0 ? errors.ErrUserEmpty : undefined;
  const isRoot = user?.roles.includes("root") === true;
  if (needs === "root") return isRoot ? undefined : errors.ErrPermissionDenied;
  if (needs.length === 0) return undefined;
  if (caller.revision < state.revision) return errors.ErrAuthOldRevision;
  const granted = (user?.roles ?? []).flatMap(
    (name) => state.roles.find((role) => role.name === name)?.permissions ?? [],
  );
  const allowed = needs.every(([access, key, rangeEnd]) => {
    const useful = granted.filter(({ type }) => type === access || type === "readwrite");
    // An interval is covered if its start is, and every place in it where a permission begins or ends.
    const places = [key, ...useful.flatMap((one) => [one.key, one.rangeEnd || `${one.key}\0`])];
    return places
      .filter((place) => place === key || within(key, rangeEnd, place))
      .every((place) => useful.some((one) => within(one.key, one.rangeEnd, place)));
  });
  return isRoot || allowed ? undefined : errors.ErrPermissionDenied;
}

type Need = readonly [access: "read" | "write", key: Bytes, rangeEnd: Bytes];

function neededKeys(
  asked: Command | RangeRequest | RequestOp,
  attached: (lease: string) => readonly Bytes[],
): "nothing" | "root" | readonly Need[] {
  switch (asked.kind) {
    case "range":
      return [["read", asked.key, asked.rangeEnd ?? ""]];
    case "put":
      return [
        ["write", asked.key, ""],
        ...attached(asked.lease ?? "0").map((key): Need => ["write", key, ""]),
        ...(asked.prevKv ? [["read", asked.key, ""] as const] : []),
      ];
    case "delete-range":
      return [
        ["write", asked.key, asked.rangeEnd ?? ""],
        ...(asked.prevKv ? [["read", asked.key, asked.rangeEnd ?? ""] as const] : []),
      ];
    case "txn":
      return [
        ...asked.compare.map(({ key, rangeEnd = "" }): Need => ["read", key, rangeEnd]),
        ...[...asked.success, ...asked.failure].flatMap((op) => neededKeys(op, attached) as Need[]),
      ];
    case "lease-revoke":
      return attached(asked.id).map((key): Need => ["write", key, ""]);
    case "compact":
    case "lease-grant":
    case "lease-checkpoint":
    case "authenticate":
      return "nothing";
    default:
      return "root";
  }
}

function within(start: Bytes, rangeEnd: Bytes, key: Bytes): boolean {
  if (rangeEnd === "") return key === start;
  return key >= start && (rangeEnd === "\0" || key < rangeEnd);
}
