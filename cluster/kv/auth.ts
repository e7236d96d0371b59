/**
 * The replicated part of authentication: users, roles, what roles permit, and tokens. Every change raises the auth
 * revision, and a request that was authenticated at an older one is refused: its rights may be gone.
 *
 * Passwords come in hashed; nothing here knows how. Whoever holds the role "root" may do everything.
 */
import {
  ErrAuthNotEnabled,
  ErrAuthOldRevision,
  ErrInvalidAuthMgmt,
  ErrPermissionDenied,
  ErrPermissionNotGranted,
  ErrRoleAlreadyExist,
  ErrRoleEmpty,
  ErrRoleNotFound,
  ErrRoleNotGranted,
  ErrRootRoleNotExist,
  ErrRootUserNotExist,
  ErrUserAlreadyExist,
  ErrUserEmpty,
  ErrUserNotFound,
} from "./errors.ts";
import { covers } from "./interval.ts";
import type {
  AuthQuery,
  AuthQueryResponse,
  AuthRequest,
  AuthResponse,
  Bytes,
  Caller,
  Permission,
  StatusError,
} from "./request.ts";
import { hashOf, hashString } from "./state-hash.ts";

export type AuthState = {
  readonly enabled: boolean;
  readonly revision: number;
  readonly users: readonly User[];
  readonly roles: readonly Role[];
  readonly tokens: readonly Token[];
};
/** `password` is a hash, "" for a user that has none. */
export type User = {
  readonly name: string;
  readonly password: string;
  readonly noPassword: boolean;
  /** Sorted. */
  readonly roles: readonly string[];
};
/** Permissions sorted by key, and those of one key by age. */
export type Role = { readonly name: string; readonly permissions: readonly Permission[] };
/** `issued`: wall clock of the member that issued it, in milliseconds. */
export type Token = { readonly token: string; readonly user: string; readonly issued: number };

export const NO_AUTH: AuthState = { enabled: false, revision: 1, users: [], roles: [], tokens: [] };

const ROOT = "root";
/** Tokens at a time; the oldest go first. */
const MAX_TOKENS = 10_000;
const OK: AuthResponse = { kind: "auth" };

type Access = "read" | "write";

export class AuthTable {
  #enabled: boolean;
  #revision: number;
  readonly #users: Map<string, User>;
  readonly #roles: Map<string, Role>;
  readonly #tokens: Map<string, Token>;
  /** Name of a planted bug, or "". */
  readonly bug: string;
  /** For a planted bug: what users were once found to be permitted. */
  readonly #cache = new Map<string, readonly Permission[]>();
  #digest: number | undefined;

  constructor(state: AuthState = NO_AUTH, bug = "") {
    this.bug = bug;
    this.#enabled = state.enabled;
    this.#revision = state.revision;
    this.#users = new Map(state.users.map((user) => [user.name, user]));
    this.#roles = new Map(state.roles.map((role) => [role.name, role]));
    this.#tokens = new Map(state.tokens.map((token) => [token.token, token]));
  }

  get enabled(): boolean {
    return this.#enabled;
  }

  /** 1 in a fresh store. */
  get revision(): number {
    return this.#revision;
  }

  get digest(): number {
    this.#digest ??= hashOf(hashString(4, JSON.stringify(this.state())));
    return this.#digest;
  }

  /** Everything, users and roles by name and tokens by age. */
  state(): AuthState {
    return {
      enabled: this.#enabled,
      revision: this.#revision,
      users: byName(this.#users),
      roles: byName(this.#roles),
      tokens: [...this.#tokens.values()],
    };
  }

  user(name: string): User | undefined {
    return this.#users.get(name);
  }

  token(token: string): Token | undefined {
    return this.#tokens.get(token);
  }

  apply(request: AuthRequest): AuthResponse | StatusError {
    this.#digest = undefined;
    switch (request.kind) {
      case "auth-enable":
        return this.#enable();
      case "auth-disable":
        if (!this.#enabled) return OK;
        this.#enabled = false;
        this.#tokens.clear();
        return this.#changed();
      case "authenticate":
        return this.#authenticate(request);
      case "user-add":
        if (request.name === "") return ErrUserEmpty;
        if (this.#users.has(request.name)) return ErrUserAlreadyExist;
        return this.#setUser({ ...request, roles: [] });
      case "role-add":
        if (request.name === "") return ErrRoleEmpty;
        if (this.#roles.has(request.name)) return ErrRoleAlreadyExist;
        return this.#setRole({ name: request.name, permissions: [] });
      case "role-delete":
        return this.#deleteRole(request.name);
      case "role-grant-permission":
      case "role-revoke-permission":
        return this.#changeRole(request);
      default:
        return this.#changeUser(request);
    }
  }

  query(request: AuthQuery): AuthQueryResponse | StatusError {
    switch (request.kind) {
      case "auth-status":
        return { kind: "auth-status", enabled: this.#enabled, revision: this.#revision };
      case "user-list":
        return { kind: "user-list", users: byName(this.#users).map(({ name }) => name) };
      case "role-list":
        return { kind: "role-list", roles: byName(this.#roles).map(({ name }) => name) };
      case "user-get": {
        const user = this.#users.get(request.name);
        return user === undefined ? ErrUserNotFound : { kind: "user-get", roles: user.roles };
      }
      case "role-get": {
        const role = this.#roles.get(request.name);
        return role === undefined ? ErrRoleNotFound : { kind: "role-get", permissions: role.permissions };
      }
    }
  }

  /** Why the caller must not touch the interval, if so. */
  checkKeys(
    caller: Caller | undefined,
    access: Access,
    key: Bytes,
    rangeEnd?: Bytes,
  ): StatusError | undefined {
    if (!this.#enabled || caller === "member") return undefined;
    if (caller === undefined) return ErrUserEmpty;
    if (caller.revision < this.#revision) return ErrAuthOldRevision;
    const user = this.#users.get(caller.user);
    if (user === undefined) return ErrPermissionDenied;
    if (user.roles.includes(ROOT)) return undefined;
    const suits = ({ type }: Permission) =>
      type === access || type === "readwrite" || this.bug === "any-right-suffices";
    const granted = this.#permissions(user).filter(suits);
    const end = this.bug === "range-checked-at-start" ? undefined : rangeEnd;
    return covers(granted, key, end) ? undefined : ErrPermissionDenied;
  }

  #permissions({ name, roles }: User): readonly Permission[] {
    const cached = this.#cache.get(name);
    if (cached !== undefined) return cached;
    const permissions = roles.flatMap((role) => this.#roles.get(role)?.permissions ?? []);
    if (this.bug === "rights-cached") this.#cache.set(name, permissions);
    return permissions;
  }

  /** Why the caller must not administrate, if so. */
  checkAdmin(caller: Caller | undefined): StatusError | undefined {
    if (!this.#enabled || caller === "member") return undefined;
    if (caller === undefined) return ErrUserEmpty;
    return this.hasRole(caller, ROOT) ? undefined : ErrPermissionDenied;
  }

  hasRole(caller: Caller | undefined, role: string): boolean {
    if (caller === undefined || caller === "member") return false;
    return this.#users.get(caller.user)?.roles.includes(role) === true;
  }

  #enable(): AuthResponse | StatusError {
    if (this.#enabled) return OK;
    const root = this.#users.get(ROOT);
    if (root === undefined) return ErrRootUserNotExist;
    if (!root.roles.includes(ROOT)) return ErrRootRoleNotExist;
    this.#enabled = true;
    return OK;
  }

  /** The password was checked at `revision`: if anything has changed since, that must be done again. */
  #authenticate({
    name,
    token,
    issued,
    revision,
  }: Extract<AuthRequest, { kind: "authenticate" }>): AuthResponse | StatusError {
    if (!this.#enabled) return ErrAuthNotEnabled;
    if (revision !== this.#revision) return ErrAuthOldRevision;
    if (token === "") return OK;
    this.#tokens.set(token, { token, user: name, issued });
    const [oldest] = this.#tokens.keys();
    if (this.#tokens.size > MAX_TOKENS) this.#tokens.delete(oldest as string);
    return OK;
  }

  #changeUser(
    request: Extract<
      AuthRequest,
      { kind: "user-delete" | "user-change-password" | "user-grant-role" | "user-revoke-role" }
    >,
  ): AuthResponse | StatusError {
    const { kind, name } = request;
    const isRoot = this.#enabled && name === ROOT;
    if (kind === "user-delete" && isRoot) return ErrInvalidAuthMgmt;
    if (kind === "user-revoke-role" && isRoot && request.role === ROOT) return ErrInvalidAuthMgmt;
    const user = this.#users.get(name);
    if (user === undefined) return ErrUserNotFound;
    switch (kind) {
      case "user-delete":
        this.#users.delete(name);
        this.#forgetTokens(name);
        return this.#changed();
      case "user-change-password":
        this.#forgetTokens(name);
        return this.#setUser({ ...user, password: user.noPassword ? "" : request.password });
      case "user-grant-role":
        if (request.role !== ROOT && !this.#roles.has(request.role)) return ErrRoleNotFound;
        if (user.roles.includes(request.role)) return OK;
        return this.#setUser({ ...user, roles: [...user.roles, request.role].sort() });
      case "user-revoke-role":
        if (!user.roles.includes(request.role)) return ErrRoleNotGranted;
        return this.#setUser({ ...user, roles: user.roles.filter((role) => role !== request.role) });
    }
  }

  #changeRole(
    request: Extract<AuthRequest, { kind: "role-grant-permission" | "role-revoke-permission" }>,
  ): AuthResponse | StatusError {
    const role = this.#roles.get(request.name);
    if (role === undefined) return ErrRoleNotFound;
    const { key, rangeEnd } = request.kind === "role-grant-permission" ? request.permission : request;
    const isIt = (permission: Permission) => permission.key === key && permission.rangeEnd === rangeEnd;
    const known = role.permissions.some(isIt);
    if (request.kind === "role-revoke-permission") {
      if (!known) return ErrPermissionNotGranted;
      return this.#setRole({ ...role, permissions: role.permissions.filter((one) => !isIt(one)) });
    }
    const { permission } = request;
    const permissions = known
      ? role.permissions.map((one) => (isIt(one) ? permission : one))
      : [...role.permissions, permission].sort(byKey);
    return this.#setRole({ ...role, permissions });
  }

  #deleteRole(name: string): AuthResponse | StatusError {
    if (this.#enabled && name === ROOT) return ErrInvalidAuthMgmt;
    if (!this.#roles.delete(name)) return ErrRoleNotFound;
    for (const user of this.#users.values())
      if (user.roles.includes(name))
        this.#users.set(user.name, { ...user, roles: user.roles.filter((role) => role !== name) });
    return this.#changed();
  }

  #setUser({ name, password, noPassword, roles }: User): AuthResponse {
    this.#users.set(name, { name, password, noPassword, roles });
    return this.#changed();
  }

  #setRole(role: Role): AuthResponse {
    this.#roles.set(role.name, role);
    return this.#changed();
  }

  #forgetTokens(user: string): void {
    for (const token of this.#tokens.values()) if (token.user === user) this.#tokens.delete(token.token);
  }

  #changed(): AuthResponse {
    this.#revision++;
    return OK;
  }
}

function byName<T extends { readonly name: string }>(things: ReadonlyMap<string, T>): T[] {
  return [...things.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function byKey(a: Permission, b: Permission): number {
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}
