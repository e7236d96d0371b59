/**
 * Random requests, put to a member of ours and to etcd 3.4, and to three of each: the answers must be the same,
 * revisions included. What is known to differ is not asked: see random-requests.ts, and
 *
 * - by users, nested transactions, and puts in transactions with a lease or for the previous value, where etcd does
 *   not look at all the rights that are needed;
 * - administration by nobody, which etcd 3.4 calls a denied permission and later ones an empty name;
 * - a malformed request with an invalid token, of which etcd finds the one first and we the other.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Random, seededRandom } from "../../src/runtime/random.ts";
import * as pb from "./generated/rpc.ts";
import {
  bytes,
  Clients,
  comparable,
  interval,
  LEASES,
  outcome,
  Sequence,
  type Step,
} from "./random-requests.ts";
import { isInstalled, RealEtcd } from "./real-etcd.ts";
import { call, EdgeTestbed, message } from "./testbed.ts";

const SEEDS = [1, 2, 3, 4];
const STEPS = 250;

const USERS = ["root", "ann", "bob"];
const PASSWORDS = ["one", "two"];
const ROLES = ["root", "r", "s"];

/** Requests by users, and changes of what they may do. */
class GuardedSequence {
  readonly #random: Random;
  readonly #store: Sequence;

  constructor(random: Random) {
    this.#random = random;
    this.#store = new Sequence(random, true);
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
    const { key, rangeEnd } = interval(random);
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
          key: key.length === 0 ? bytes("a") : key,
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

/** All that a watch is told until it is told nothing for a while. */
function watched(clients: Clients, request: pb.WatchCreateRequest): Promise<unknown> {
  const stream = clients.watch.watch();
  const heard: unknown[] = [];
  return new Promise((resolve) => {
    const finish = () => {
      stream.cancel();
      resolve(heard);
    };
    let timer = setTimeout(finish, 1000);
    stream.on("error", () => {});
    stream.on("data", (response: pb.WatchResponse) => {
      clearTimeout(timer);
      timer = setTimeout(finish, 300);
      const { created, canceled, compactRevision, cancelReason, events } = response;
      // How many revisions come in one response is each server's own affair.
      for (const event of events) heard.push(comparable(event));
      if (created || canceled)
        heard.push({ created, canceled, compactRevision: String(compactRevision), cancelReason });
    });
    stream.write({ requestUnion: { $case: "createRequest", createRequest: request } });
  });
}

if (!isInstalled()) {
  if (process.env.CI !== undefined) throw new Error("etcd-server and etcd-client must be installed");
  console.warn("SKIPPED: no etcd here to compare with; apt-get install etcd-server etcd-client");
}

describe.skipIf(!isInstalled())("random requests", () => {
  describe.each(SEEDS)("of seed %i", (seed) => {
    const bed = new EdgeTestbed({}, { bcryptCost: 4 });
    const real = new RealEtcd();
    let ours: Clients;
    let theirs: Clients;
    beforeAll(async () => {
      await Promise.all([bed.found("m1"), real.start(1, ["--bcrypt-cost", "4"])]);
      ours = new Clients(bed.address("m1"));
      theirs = new Clients(real.addresses[0] as string);
    });
    afterAll(async () => {
      ours.close();
      theirs.close();
      await Promise.all([bed.end(), real.end()]);
    });

    /** The response, the same from both. */
    async function both(step: Step, told: string[]): Promise<unknown> {
      told.push(step.what);
      const [our, their] = [await outcome(step, ours), await outcome(step, theirs)];
      expect(our, `after ${told.slice(-5).join("\n")}`).toEqual(their);
      return our;
    }

    it("are answered alike", async () => {
      const random = seededRandom(seed).fork("store");
      const sequence = new Sequence(random, true);
      const told: string[] = [];
      for (let i = 0; i < STEPS; i++) {
        const { header } = (await both(sequence.step(), told)) as { header?: { revision: string } };
        if (header !== undefined) sequence.revision = Number(header.revision);
      }
      const from = random.below(sequence.revision) + 1;
      for (const startRevision of [from, sequence.revision]) {
        const request = message(pb.WatchCreateRequest, {
          key: bytes("\0"),
          rangeEnd: bytes("\0"),
          startRevision: BigInt(startRevision),
          prevKv: true,
        });
        const [our, their] = await Promise.all([watched(ours, request), watched(theirs, request)]);
        expect(our, `watching from ${startRevision}`).toEqual(their);
      }
    });

    it("by users with rights are answered alike", async () => {
      const sequence = new GuardedSequence(seededRandom(seed).fork("auth"));
      const told: string[] = [];
      const founding: ((auth: pb.AuthClient) => Promise<unknown>)[] = [
        (auth) => call(auth, auth.userAdd, message(pb.AuthUserAddRequest, { name: "root", password: "one" })),
        (auth) => call(auth, auth.userGrantRole, { user: "root", role: "root" }),
        (auth) => call(auth, auth.userAdd, message(pb.AuthUserAddRequest, { name: "ann", password: "one" })),
        (auth) => call(auth, auth.roleAdd, { name: "r" }),
        (auth) =>
          call(auth, auth.roleGrantPermission, {
            name: "r",
            perm: { permType: 2, key: bytes("a"), rangeEnd: bytes("c") },
          }),
        (auth) => call(auth, auth.userGrantRole, { user: "ann", role: "r" }),
        (auth) => call(auth, auth.authEnable, {}),
      ];
      for (const ask of founding) await both({ what: "founding", ask: ({ auth }) => ask(auth) }, told);
      for (let i = 0; i < STEPS; i++) await both(sequence.step(), told);
    });
  });
});

describe.skipIf(!isInstalled())("random requests to any of three members", () => {
  const bed = new EdgeTestbed({}, { bcryptCost: 4 });
  const real = new RealEtcd();
  const clients: (readonly [ours: Clients, theirs: Clients])[] = [];
  beforeAll(async () => {
    const names = ["m1", "m2", "m3"];
    await Promise.all([bed.found(...names), real.start(names.length)]);
    names.forEach((name, i) => {
      clients.push([new Clients(bed.address(name)), new Clients(real.addresses[i] as string)]);
    });
  });
  afterAll(async () => {
    for (const each of clients.flat()) each.close();
    await Promise.all([bed.end(), real.end()]);
  });

  it.each(SEEDS)("of seed %i are answered alike", async (seed) => {
    const random = seededRandom(seed).fork("members");
    const sequence = new Sequence(random, false);
    const told: string[] = [];
    // Where another seed's requests have left off.
    const look = {
      what: "look",
      ask: (c: Clients) => call(c.kv, c.kv.range, message(pb.RangeRequest, { key: bytes("a") })),
    };
    for (let i = 0; i < STEPS; i++) {
      const [ours, theirs] = random.pick(clients);
      const step = i === 0 ? look : sequence.step();
      told.push(step.what);
      const [our, their] = await Promise.all([outcome(step, ours), outcome(step, theirs)]);
      expect(our, `after ${told.slice(-5).join("\n")}`).toEqual(their);
      const { header } = our as { header?: { revision: string } };
      if (header !== undefined) sequence.revision = Number(header.revision);
    }
  });
});
