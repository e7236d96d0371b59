/**
 * Learners, and members that are cut off, beside etcd 3.4: every request of the API, put to a member of ours and to one
 * of etcd's in the same situation, must be answered alike. A transaction without ranges is not asked: etcd answers it
 * from what the member has, whatever its conditions look at.
 */
import { type ServiceError, status } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as pb from "./generated/rpc.ts";
import { bytes, Clients, comparable, outcome } from "./random-requests.ts";
import { isInstalled, RealEtcd } from "./real-etcd.ts";
import { call, EdgeTestbed, message, metadataOf } from "./testbed.ts";

const PATIENCE_MS = 60_000;
/** What was not answered by then is not going to be. */
const LATE_MS = 30_000;
const NO_ANSWER = "no answer";
/** Until etcd, which changes no membership before all members have been connected for so long, does. */
const SETTLED_MS = 6_000;

const key = bytes("k");
const ended = (stream: { on(event: "error", listener: (error: Error) => void): unknown }) =>
  new Promise<unknown>((_, reject) => stream.on("error", reject));
type Metadata = { readonly [name: string]: string };

/** What a watch is told first, or how its stream ends. */
function watching(clients: Clients, metadata: Metadata = {}): Promise<unknown> {
  const stream = clients.watch.watch(metadataOf(metadata));
  const told = new Promise((resolve) => {
    stream.on("data", ({ watchId, created, canceled, events }: pb.WatchResponse) => {
      resolve({ watchId, created, canceled, events });
      stream.cancel();
    });
  });
  const createRequest = message(pb.WatchCreateRequest, { key, startRevision: 1n });
  stream.write({ requestUnion: { $case: "createRequest", createRequest } });
  return Promise.race([told, ended(stream)]);
}

/** How long is left of a lease, or how the stream ends. */
function keepingAlive(clients: Clients, ID: bigint, metadata: Metadata = {}): Promise<unknown> {
  const stream = clients.lease.leaseKeepAlive(metadataOf(metadata));
  const told = new Promise((resolve) => {
    stream.on("data", ({ TTL }: pb.LeaseKeepAliveResponse) => {
      resolve(TTL);
      stream.cancel();
    });
  });
  stream.write({ ID });
  return Promise.race([told, ended(stream)]);
}

type Ask = (clients: Clients, metadata: Metadata) => Promise<unknown>;

/** Whatever a member cannot know is left out of what it says. */
const REQUESTS: readonly (readonly [what: string, ask: Ask])[] = [
  ["put", (c, m) => call(c.kv, c.kv.put, message(pb.PutRequest, { key }), m)],
  ["range", (c, m) => call(c.kv, c.kv.range, message(pb.RangeRequest, { key }), m)],
  [
    "serializable range",
    (c, m) => call(c.kv, c.kv.range, message(pb.RangeRequest, { key, serializable: true }), m),
  ],
  ["delete", (c, m) => call(c.kv, c.kv.deleteRange, message(pb.DeleteRangeRequest, { key }), m)],
  [
    "transaction that reads serializably",
    (c, m) => {
      const requestRange = message(pb.RangeRequest, { key, serializable: true });
      const success = [{ request: { $case: "requestRange", requestRange } as const }];
      return call(c.kv, c.kv.txn, message(pb.TxnRequest, { success }), m);
    },
  ],
  ["compact", (c, m) => call(c.kv, c.kv.compact, message(pb.CompactionRequest, { revision: 1n }), m)],
  ["grant", (c, m) => call(c.lease, c.lease.leaseGrant, { ID: 7n, TTL: 1000n }, m)],
  ["revoke", (c, m) => call(c.lease, c.lease.leaseRevoke, { ID: 9n }, m)],
  ["time to live", (c, m) => call(c.lease, c.lease.leaseTimeToLive, { ID: 9n, keys: true }, m)],
  ["leases", (c, m) => call(c.lease, c.lease.leaseLeases, {}, m)],
  ["keep alive", (c, m) => keepingAlive(c, 9n, m)],
  ["watch", (c, m) => watching(c, m)],
  ["log in", (c, m) => call(c.auth, c.auth.authenticate, { name: "a", password: "b" }, m)],
  ["list users", (c, m) => call(c.auth, c.auth.userList, {}, m)],
  ["add a role", (c, m) => call(c.auth, c.auth.roleAdd, { name: "r" }, m)],
  ["enable rights", (c, m) => call(c.auth, c.auth.authEnable, {}, m)],
  ["list alarms", (c, m) => call(c.maintenance, c.maintenance.alarm, message(pb.AlarmRequest), m)],
  ["defragment", (c, m) => call(c.maintenance, c.maintenance.defragment, {}, m)],
  ["move the leader", (c, m) => call(c.maintenance, c.maintenance.moveLeader, { targetID: 2n ** 60n }, m)],
  ["promote nobody", (c, m) => call(c.cluster, c.cluster.memberPromote, { ID: 2n ** 60n }, m)],
  ["remove nobody", (c, m) => call(c.cluster, c.cluster.memberRemove, { ID: 1n }, m)],
];

/** Without what the two cannot have in common. */
function shape(value: unknown): unknown {
  const plain = comparable(value);
  if (typeof plain !== "object" || plain === null) return plain;
  const { members, member, ...rest } = plain as { readonly [field: string]: unknown };
  const known = (one: unknown) => {
    const { name, isLearner } = one as { readonly name: string; readonly isLearner: boolean };
    return { name, isLearner };
  };
  return {
    ...rest,
    ...(Array.isArray(members) && {
      members: members.map(known).sort((a, b) => (a.name < b.name ? -1 : 1)),
    }),
    ...(member !== undefined && { member: known(member) }),
  };
}

async function asked(what: string, clients: Clients, ask: (clients: Clients) => Promise<unknown>) {
  const late = new Promise((resolve) => setTimeout(resolve, LATE_MS, NO_ANSWER));
  return Promise.race([outcome({ what, ask }, clients).then(shape), late]);
}

type Answers = { readonly [what: string]: unknown };

/** etcd 3.4 has no error of its own for what waits for a leader in vain, or does not answer it at all. */
function speechless(answer: unknown): boolean {
  const { code, details } = answer as Partial<ServiceError>;
  return answer === NO_ANSWER || (code === status.UNKNOWN && details === "context deadline exceeded");
}

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  for (let waited = 0; waited < PATIENCE_MS; waited += 100) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`waited in vain until ${what}`);
}

if (!isInstalled()) {
  if (process.env.CI !== undefined) throw new Error("etcd-server and etcd-client must be installed");
  console.warn("SKIPPED: no etcd here to compare with; apt-get install etcd-server etcd-client");
}

describe.skipIf(!isInstalled())("a cluster of three", () => {
  const bed = new EdgeTestbed({}, { bcryptCost: 4 });
  const real = new RealEtcd();
  const names = ["m1", "m2", "m3"];
  let ours: Clients;
  let theirs: Clients;
  beforeAll(async () => {
    await Promise.all([bed.found(...names), real.start(names.length)]);
    ours = new Clients(bed.address("m1"));
    theirs = new Clients(real.addresses[0] as string);
    await new Promise((resolve) => setTimeout(resolve, SETTLED_MS));
  }, PATIENCE_MS);
  afterAll(async () => {
    for (const clients of [ours, theirs]) clients.close();
    await Promise.all([bed.end(), real.end()]);
  });

  async function alike(what: string, ask: (clients: Clients) => Promise<unknown>, places = [ours, theirs]) {
    const [our, their] = await Promise.all(places.map((place) => asked(what, place, ask)));
    expect(our, what).toEqual(their);
    return our;
  }

  /** All requests there are. */
  async function allAlike(metadata: Metadata, places: readonly [Clients, Clients]): Promise<void> {
    const answers = places.map(async (clients) => {
      const each = REQUESTS.map(async ([what, ask]) => [
        what,
        await asked(what, clients, () => ask(clients, metadata)),
      ]);
      return Object.fromEntries(await Promise.all(each));
    });
    const [our, their] = (await Promise.all(answers)) as [Answers, Answers];
    for (const [what, answer] of Object.entries(their))
      if (!speechless(answer)) expect(our[what], what).toEqual(answer);
      else expect(our[what], what).toMatchObject({ code: status.UNAVAILABLE });
  }

  const add = (url: string) => (clients: Clients) =>
    call(clients.cluster, clients.cluster.memberAdd, { peerURLs: [url], isLearner: true });
  const idOf = async (clients: Clients, learner: boolean) => {
    const { members } = await call(clients.cluster, clients.cluster.memberList, { linearizable: false });
    return members.find(({ isLearner, name }) => isLearner === learner && name !== "m1")?.ID as bigint;
  };
  const promote = (learner: boolean) => async (clients: Clients) =>
    call(clients.cluster, clients.cluster.memberPromote, { ID: await idOf(clients, learner) });

  it("takes in a learner, and promotes nobody too early", async () => {
    await alike("put", (c) => call(c.kv, c.kv.put, message(pb.PutRequest, { key })));
    await alike("grant", (c) => call(c.lease, c.lease.leaseGrant, { ID: 9n, TTL: 1000n }));
    await bed.live.place("m4");
    const [ourUrl] = bed.live.urls("m4") as [string];
    const theirUrl = await real.place();
    const [our, their] = await Promise.all([
      asked("add", ours, add(ourUrl)),
      asked("add", theirs, add(theirUrl)),
    ]);
    expect(our).toEqual(their);
    await alike("add another", add("http://127.0.0.1:1"));
    await alike("promote one that was never heard of", promote(true));
    await alike("promote one that votes already", promote(false));
  });

  it("has a learner that answers as etcd's does", async () => {
    await bed.join("m4");
    real.join();
    const learners = [new Clients(bed.address("m4")), new Clients(real.addresses[3] as string)];
    for (const learner of learners)
      await until("it has everything", async () => {
        const range = message(pb.RangeRequest, { key, serializable: true });
        const found = await call(learner.kv, learner.kv.range, range).catch(() => undefined);
        return found?.kvs.length === 1;
      });
    await allAlike({}, learners as [Clients, Clients]);
    for (const learner of learners) learner.close();
  });

  it("promotes it once it has caught up, and it answers like any other", async () => {
    for (const clients of [ours, theirs])
      await until(
        "it is promoted",
        async () =>
          (await idOf(clients, true)) === undefined ||
          promote(true)(clients).then(
            () => true,
            () => false,
          ),
      );
    const promoted = [new Clients(bed.address("m4")), new Clients(real.addresses[3] as string)];
    for (const clients of promoted)
      await until("it knows", () =>
        idOf(clients, true).then(
          (learner) => learner === undefined,
          () => false,
        ),
      );
    await alike("put", (c) => call(c.kv, c.kv.put, message(pb.PutRequest, { key })), promoted);
    await alike("range", (c) => call(c.kv, c.kv.range, message(pb.RangeRequest, { key })), promoted);
    for (const clients of promoted) clients.close();
  });

  it("ends what wants a leader on a member that is cut off, and lets the rest wait", async () => {
    const told = new Map<Clients, readonly unknown[]>();
    const begin = (clients: Clients) => {
      const open = clients.watch.watch(metadataOf({}));
      open.on("error", () => {});
      const createRequest = message(pb.WatchCreateRequest, { key: bytes("quiet") });
      const strict = clients.watch.watch(metadataOf({ hasleader: "true" }));
      strict.write({ requestUnion: { $case: "createRequest", createRequest } });
      const alive = clients.lease.leaseKeepAlive(metadataOf({ hasleader: "true" }));
      alive.write({ ID: 9n });
      const endOf = (stream: Parameters<typeof ended>[0]) =>
        outcome({ what: "", ask: () => ended(stream) }, clients);
      return Promise.all([endOf(strict), endOf(alive)]).then((ends) => {
        told.set(clients, [...ends, open.destroyed]);
        open.cancel();
      });
    };
    const ends = [ours, theirs].map(begin);
    await Promise.all([...names.slice(1), "m4"].map((name) => bed.live.stop(name)));
    await Promise.all([1, 2, 3].map((i) => real.kill(i)));
    await Promise.all(ends);
    expect(told.get(ours)).toEqual(told.get(theirs));
    expect(told.get(ours)).toEqual([
      { code: status.UNAVAILABLE, details: "etcdserver: no leader" },
      { code: status.UNAVAILABLE, details: "etcdserver: no leader" },
      false,
    ]);
    await allAlike({ hasleader: "true" }, [ours, theirs]);
    await allAlike({}, [ours, theirs]);
  });
});
