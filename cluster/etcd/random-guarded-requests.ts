/**
 * Random requests by users, and changes of what they may do: for tests. What is known to differ is not among them:
 *
 * - nested transactions, and puts in transactions with a lease or for the previous value, where etcd does not look at
 *   all the rights that are needed;
 * - administration by nobody, which etcd 3.4 calls a denied permission and later ones an empty name;
 * - ranges that end before they begin: nothing is in them, and what rights etcd asks for depends on what else there is;
 * - two permissions of a role that begin at one key: etcd changes only the first of them in place, and has the other
 *   twice when it is granted again;
 * - a malformed request with an invalid token, of which etcd finds the one first and we the other.
 */
import type { Random } from "../../src/runtime/random.ts";
import * as pb from "./generated/rpc.ts";
import { bytes, type Clients, comparable, forward, LEASES, Sequence, type Step } from "./random-requests.ts";
import { call, message } from "./testbed.ts";

const USERS = ["root", "ann", "bob"];
const PASSWORDS = ["one", "two"];
const ROLES = ["root", "r", "s"];

export class GuardedSequence {
  readonly #random: Random;
  readonly #store: Sequence;

  constructor(random: Random) {
    this.#random = random;
    this.#store = new Sequence(random, true, true);
  }

  step(): Step {
    const random = this.#random;
    if (random.below(3) > 0) return this.#request(random.pick(["", ...USERS, "ann", "bob"]));
    if (random.below(3) === 0) return this.#login(random.pick(USERS), random.pick(PASSWORDS));
    return this.#change("root");
  }

  #login(name: string, password: string): Step {
    return {
      what: `log in ${name} ${password}`,
      ask: async (clients) => {
        const { auth } = clients;
        clients.tokens.delete(name);
        const response = await call(auth, auth.authenticate, { name, password });
        clients.tokens.set(name, response.token);
        return response;
      },
    };
  }

  #request(user: string): Step {
    const random = this.#random;
    const as = (clients: Clients) => clients.as(user);
    switch (random.below(user === "root" ? 6 : 5)) {
      case 0: {
        const request = this.#store.put();
        return {
          what: `${user}: put ${JSON.stringify(comparable(request))}`,
          ask: (c) => call(c.kv, c.kv.put, request, as(c)),
        };
      }
      case 1: {
        const request = this.#store.range();
        return {
          what: `${user}: range ${JSON.stringify(comparable(request))}`,
          ask: (c) => call(c.kv, c.kv.range, request, as(c)),
        };
      }
      case 2: {
        const request = this.#store.deleteRange();
        return {
          what: `${user}: delete ${JSON.stringify(comparable(request))}`,
          ask: (c) => call(c.kv, c.kv.deleteRange, request, as(c)),
        };
      }
      case 3: {
        const request = plain(this.#store.txn(2));
        return {
          what: `${user}: txn ${JSON.stringify(comparable(request))}`,
          ask: (c) => call(c.kv, c.kv.txn, request, as(c)),
        };
      }
      case 4: {
        const request = { ID: random.pick(LEASES), TTL: 1000n };
        if (request.ID === 0n || random.below(2) === 0)
          return {
            what: `${user}: revoke ${request.ID}`,
            ask: (c) => call(c.lease, c.lease.leaseRevoke, request, as(c)),
          };
        return {
          what: `${user}: grant ${request.ID}`,
          ask: (c) => call(c.lease, c.lease.leaseGrant, request, as(c)),
        };
      }
      default:
        return this.#store.step(user);
    }
  }

  #change(by: string): Step {
    const random = this.#random;
    const [name, role] = [random.pick([...USERS, ""]), random.pick([...ROLES, ""])];
    const password = random.pick(PASSWORDS);
    const step = (
      what: string,
      ask: (auth: pb.AuthClient, who: { [name: string]: string }) => Promise<unknown>,
    ): Step => ({
      what: `${by}: ${what} ${name} ${role}`,
      // Nobody does not administrate, and a token that has become invalid is not used.
      ask: async (clients) => {
        if (!clients.tokens.has(by)) return "nobody";
        const response = await ask(clients.auth, clients.as(by));
        if (what === "delete user" || what === "change password") clients.tokens.delete(name);
        return response;
      },
    });
    const key = bytes(random.pick(["a", "b", "c", "d", "ab", "b\0", "\xff"]));
    const rangeEnd = endOf(role, key);
    switch (random.below(15)) {
      case 0:
        return step("add user", (auth, who) =>
          call(auth, auth.userAdd, message(pb.AuthUserAddRequest, { name, password }), who),
        );
      case 1:
        return step("delete user", (auth, who) => call(auth, auth.userDelete, { name }, who));
      case 2:
        return step("change password", (auth, who) =>
          call(
            auth,
            auth.userChangePassword,
            message(pb.AuthUserChangePasswordRequest, { name, password }),
            who,
          ),
        );
      case 3:
      case 4:
        return step("grant role", (auth, who) => call(auth, auth.userGrantRole, { user: name, role }, who));
      case 5:
        return step("revoke role", (auth, who) => call(auth, auth.userRevokeRole, { name, role }, who));
      case 6:
        return step("add role", (auth, who) => call(auth, auth.roleAdd, { name: role }, who));
      case 7:
        return random.below(3) > 0
          ? this.#change(by)
          : step("delete role", (auth, who) => call(auth, auth.roleDelete, { role }, who));
      case 8:
      case 9:
      case 10: {
        const perm = {
          permType: random.pick([0, 1, 2] as const),
          key,
          rangeEnd,
        };
        return step(`permit ${JSON.stringify(comparable(perm))}`, (auth, who) =>
          call(auth, auth.roleGrantPermission, { name: role, perm }, who),
        );
      }
      case 11:
        return step("take permission", (auth, who) =>
          call(auth, auth.roleRevokePermission, { role, key, rangeEnd }, who),
        );
      case 12:
        return step("list users", (auth, who) => call(auth, auth.userList, {}, who));
      case 13:
        return step("get role", (auth, who) => call(auth, auth.roleGet, { role }, who));
      default:
        return step("get user", (auth, who) => call(auth, auth.userGet, { name }, who));
    }
  }
}

/** Of all permissions of a role that begin at a key. */
function endOf(role: string, key: Buffer): Buffer {
  const place = (role.charCodeAt(0) || 0) + (key[0] ?? 0) + key.length;
  return forward({ key, rangeEnd: bytes(["z", "", "c", "\0"][place % 4] as string) }).rangeEnd;
}

/** Without what etcd does not look at. */
function plain(txn: pb.TxnRequest): pb.TxnRequest {
  const ops = (branch: readonly pb.RequestOp[]) =>
    branch.map(({ request }): pb.RequestOp => {
      if (request?.$case !== "requestPut") return { request };
      const requestPut = { ...request.requestPut, lease: 0n, prevKv: false };
      return { request: { $case: "requestPut", requestPut } };
    });
  return { ...txn, success: ops(txn.success), failure: ops(txn.failure) };
}

/** From an empty store to one that looks at rights. */
export const FOUNDING: readonly ((auth: pb.AuthClient) => Promise<unknown>)[] = [
  (auth) => call(auth, auth.userAdd, message(pb.AuthUserAddRequest, { name: "root", password: "one" })),
  (auth) => call(auth, auth.userGrantRole, { user: "root", role: "root" }),
  (auth) => call(auth, auth.userAdd, message(pb.AuthUserAddRequest, { name: "ann", password: "one" })),
  (auth) => call(auth, auth.roleAdd, { name: "r" }),
  (auth) =>
    call(auth, auth.roleGrantPermission, {
      name: "r",
      perm: { permType: 2, key: bytes("a"), rangeEnd: endOf("r", bytes("a")) },
    }),
  (auth) => call(auth, auth.userGrantRole, { user: "ann", role: "r" }),
  (auth) => call(auth, auth.authEnable, {}),
];
