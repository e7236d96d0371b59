/** etcd's Auth service. Passwords are hashed here, before they go through the log. */
import { compare, hash } from "bcryptjs";
import { ErrAuthFailed, ErrAuthNotEnabled, ErrAuthOldRevision, ErrPermissionNotGiven } from "../kv/errors.ts";
import type { AuthRequest, Permission } from "../kv/request.ts";
import type { Authentication } from "./authentication.ts";
import { fromBytes, fromHeader, fromText, toBytes, toText } from "./convert.ts";
import type { AuthService, ResponseHeader } from "./generated/rpc.ts";
import type { MemberClient } from "./member.ts";
import { type Call, type Handlers, RpcError } from "./rpc.ts";

const PERMISSIONS: readonly Permission["type"][] = ["read", "write", "readwrite"];
/** The user's password was given, and it has none. etcd has no code for it. */
const NO_PASSWORD_USER = "auth: authentication failed, password was given for no password user";

export interface AuthOptions {
  /** Of bcrypt, 4 to 31: each step doubles the work. */
  readonly bcryptCost: number;
}

export function authHandlers(
  member: MemberClient,
  authentication: Authentication,
  { bcryptCost }: AuthOptions,
): Handlers<typeof AuthService> {
  const change = async (request: AuthRequest, call: Call): Promise<{ header: ResponseHeader }> => {
    const { header } = await member.request(request, call);
    return { header: fromHeader(header) };
  };
  return {
    authEnable: (_, call) => change({ kind: "auth-enable" }, call),
    authDisable: (_, call) => change({ kind: "auth-disable" }, call),
    async authStatus(_, call) {
      const { header, enabled, revision } = await member.request({ kind: "auth-status" }, call);
      return { header: fromHeader(header), enabled, authRevision: BigInt(revision) };
    },
    authenticate: (request) => authenticate(member, authentication, request),
    async userAdd({ name, password, options }, call) {
      const noPassword = options?.noPassword === true;
      const hashed = noPassword ? "" : await hash(password, bcryptCost);
      return change({ kind: "user-add", name: fromText(name), password: hashed, noPassword }, call);
    },
    async userGet({ name }, call) {
      const { header, roles } = await member.request({ kind: "user-get", name: fromText(name) }, call);
      return { header: fromHeader(header), roles: roles.map(toText) };
    },
    async userList(_, call) {
      const { header, users } = await member.request({ kind: "user-list" }, call);
      return { header: fromHeader(header), users: users.map(toText) };
    },
    userDelete: ({ name }, call) => change({ kind: "user-delete", name: fromText(name) }, call),
    async userChangePassword({ name, password }, call) {
      const hashed = await hash(password, bcryptCost);
      return change({ kind: "user-change-password", name: fromText(name), password: hashed }, call);
    },
    userGrantRole: ({ user, role }, call) =>
      change({ kind: "user-grant-role", name: fromText(user), role: fromText(role) }, call),
    userRevokeRole: ({ name, role }, call) =>
      change({ kind: "user-revoke-role", name: fromText(name), role: fromText(role) }, call),
    roleAdd: ({ name }, call) => change({ kind: "role-add", name: fromText(name) }, call),
    async roleGet({ role }, call) {
      const answer = await member.request({ kind: "role-get", name: fromText(role) }, call);
      const perm = answer.permissions.map(({ type, key, rangeEnd }) => ({
        permType: PERMISSIONS.indexOf(type) as 0 | 1 | 2,
        key: fromBytes(key),
        rangeEnd: fromBytes(rangeEnd),
      }));
      return { header: fromHeader(answer.header), perm };
    },
    async roleList(_, call) {
      const { header, roles } = await member.request({ kind: "role-list" }, call);
      return { header: fromHeader(header), roles: roles.map(toText) };
    },
    roleDelete: ({ role }, call) => change({ kind: "role-delete", name: fromText(role) }, call),
    roleGrantPermission({ name, perm }, call) {
      const type = perm === undefined ? undefined : PERMISSIONS[perm.permType];
      if (perm === undefined || type === undefined) throw RpcError.of(ErrPermissionNotGiven);
      const permission = { type, key: toBytes(perm.key), rangeEnd: toBytes(perm.rangeEnd) };
      return change({ kind: "role-grant-permission", name: fromText(name), permission }, call);
    },
    roleRevokePermission: ({ role, key, rangeEnd }, call) =>
      change(
        {
          kind: "role-revoke-permission",
          name: fromText(role),
          key: toBytes(key),
          rangeEnd: toBytes(rangeEnd),
        },
        call,
      ),
  };
}

async function authenticate(
  member: MemberClient,
  { tokens }: Authentication,
  request: { readonly name: string; readonly password: string },
): Promise<{ header: ResponseHeader; token: string }> {
  const name = fromText(request.name);
  for (;;) {
    const { enabled, revision } = await member.request({ kind: "auth-status" });
    if (!enabled) throw RpcError.of(ErrAuthNotEnabled);
    // The status was linearizable, so the local store knows every user there was when the request came.
    const user = member.local.node.store.auth.user(name);
    if (user === undefined) throw RpcError.of(ErrAuthFailed);
    if (user.noPassword) throw new RpcError("UNKNOWN", NO_PASSWORD_USER);
    if (!(await compare(request.password, user.password))) throw RpcError.of(ErrAuthFailed);
    const token = await tokens.issue(name, revision);
    const issued = Date.now();
    const shared = tokens.shared ? token : "";
    try {
      const { header } = await member.request({
        kind: "authenticate",
        name,
        token: shared,
        issued,
        revision,
      });
      return { header: fromHeader(header), token };
    } catch (error) {
      // Somebody changed a user or a role meanwhile, this password perhaps: look again.
      if (!(error instanceof RpcError) || error.message !== ErrAuthOldRevision.message) throw error;
    }
  }
}
