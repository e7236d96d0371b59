import { describe, expect, it } from "vitest";
import { SECOND } from "../../src/runtime/runtime.ts";
import { Testbed } from "../simulated/testbed.ts";
import { type Member, Membership, type PeerView } from "./membership.ts";
import type { NodeOptions } from "./node.ts";

const voter = (id: number): Member => ({ id, node: `n${id}`, learner: false });
const learner = (id: number): Member => ({ id, node: `n${id}`, learner: true });
const view = (up: readonly number[], match: { readonly [id: number]: number } = {}): PeerView => ({
  connected: (member) => up.includes(member),
  match: (member) => match[member] ?? 0,
});

describe("a change of membership", () => {
  const three = new Membership([voter(1), voter(2), voter(3)]);
  const withLearner = new Membership([voter(1), voter(2), voter(3), learner(4)]);
  const all = view([1, 2, 3, 4], { 1: 100, 4: 100 });

  it.each([
    [
      "an id that is taken",
      three,
      { kind: "member-add", id: 2, node: "n9", learner: false },
      "member ID already exist",
    ],
    [
      "a node that is taken",
      three,
      { kind: "member-add", id: 9, node: "n2", learner: false },
      "Peer URLs already exists",
    ],
    [
      "a second learner",
      withLearner,
      { kind: "member-add", id: 9, node: "n9", learner: true },
      "too many learner",
    ],
    ["promoting a stranger", three, { kind: "member-promote", id: 9 }, "member not found"],
    ["promoting a voter", three, { kind: "member-promote", id: 2 }, "can only promote a learner member"],
    ["removing a stranger", three, { kind: "member-remove", id: 9 }, "member not found"],
    [
      "removing the last voter",
      new Membership([voter(1)]),
      { kind: "member-remove", id: 1 },
      "not enough started",
    ],
  ] as const)("refuses %s", (_what, membership, request, message) => {
    expect(membership.plan(request, 1, all)).toMatchObject({
      kind: "error",
      message: expect.stringContaining(message),
    });
  });

  it("refuses what would leave too few members that are up", () => {
    const alone = view([1, 2]);
    const add = { kind: "member-add", id: 4, node: "n4", learner: false } as const;
    expect(three.plan(add, 1, alone)).toMatchObject({
      message: expect.stringContaining("not enough started"),
    });
    expect(three.plan(add, 1, view([1, 2, 3]))).toMatchObject({ member: { id: 4, learner: false } });
    expect(three.plan({ kind: "member-remove", id: 2 }, 1, view([2]))).toMatchObject({ kind: "error" });
    expect(three.plan({ kind: "member-remove", id: 3 }, 1, alone)).toMatchObject({ member: { id: 3 } });
    expect(three.plan({ ...add, learner: true }, 1, alone)).toMatchObject({
      member: { id: 4, learner: true },
    });
  });

  it("promotes a learner only when it has nine tenths of the log", () => {
    const promote = { kind: "member-promote", id: 4 } as const;
    const at = (match: number) => view([1, 2, 3, 4], { 1: 100, 4: match });
    expect(withLearner.plan(promote, 1, at(89))).toMatchObject({
      message: expect.stringContaining("in sync"),
    });
    expect(withLearner.plan(promote, 1, at(90))).toMatchObject({ member: { id: 4, learner: false } });
  });
});

describe("a cluster", () => {
  const SMALL: Partial<NodeOptions> = { snapshotEvery: 20, catchUpEntries: 5 };

  it("takes in a learner, brings it up by snapshot, promotes it, and can then do without a founder", async () => {
    const bed = new Testbed(3, 31, SMALL);
    await bed.elect();
    const api = bed.api(bed.leader());
    for (let i = 0; i < 30; i++) await bed.done(api.request({ kind: "put", key: `k${i}`, value: "v" }));

    const added = await bed.done(api.member({ kind: "member-add", id: 4, node: "n4", learner: true }));
    expect(added).toMatchObject({ members: [{ id: 1 }, { id: 2 }, { id: 3 }, { id: 4, learner: true }] });
    bed.add("n4", 4, true);
    bed.start("n4");
    await bed.until(() => bed.node("n4").applied === bed.node(bed.leader()).applied);
    expect(bed.traces.some(({ node, kind }) => node === "n4" && kind === "restored")).toBe(true);
    await expect(
      bed.done(bed.api("n4").request({ kind: "put", key: "a", value: "b" })),
    ).rejects.toMatchObject({
      message: "etcdserver: rpc not supported for learner",
      definite: true,
    });

    await bed.done(api.member({ kind: "member-promote", id: 4 }));
    await bed.until(() => bed.node("n4").raft.configuration.voters.includes(4));
    const gone = ["n1", "n2", "n3"].find((name) => name !== bed.leader()) as string;
    await bed.done(api.member({ kind: "member-remove", id: bed.node(gone).member }));
    // The removed member says goodbye.
    await bed.world.run(() => bed.host(gone).state === "dead", bed.world.now + 20 * SECOND);
    expect(bed.world.exits).toMatchObject([{ node: gone, reason: "removed from the cluster" }]);
    bed.world.exits.length = 0;

    bed.host(bed.leader()).kill();
    await bed.elect();
    await bed.done(bed.api("n4").request({ kind: "put", key: "after", value: "4" }));
    expect(await bed.get(bed.api("n4"), "k29")).toBe("v");
    const list = await bed.done(bed.api("n4").member({ kind: "member-list" }));
    expect(list).toMatchObject({ members: { length: 3 } });
  });

  it("has a new member serve nobody before it was sent the state, which says who may do what", async () => {
    const bed = new Testbed(3, 33, SMALL);
    await bed.elect();
    const admin = bed.api(bed.leader());
    await bed.done(admin.member({ kind: "member-add", id: 4, node: "n4", learner: false }));
    await bed.done(admin.request({ kind: "user-add", name: "root", password: "", noPassword: true }));
    await bed.done(admin.request({ kind: "role-add", name: "root" }));
    await bed.done(admin.request({ kind: "user-grant-role", name: "root", role: "root" }));
    await bed.done(admin.request({ kind: "auth-enable" }));
    const links = ["n1", "n2", "n3"].map((name) => [name, "n4"] as const);
    bed.add("n4", 4, true);
    const cut = bed.network.spoil(links, { cut: true });
    bed.start("n4");
    await bed.until(() => bed.node("n4").started);
    const api = bed.api("n4");
    const refused = { message: "etcdserver: not capable", definite: true };
    const condition = { key: "a", target: "version", result: "greater", operand: 0 } as const;
    for (const request of [
      { kind: "range", key: "a", serializable: true },
      { kind: "txn", compare: [condition], success: [], failure: [] },
      { kind: "put", key: "a", value: "b" },
    ] as const)
      await expect(bed.done(api.request(request))).rejects.toMatchObject(refused);
    await expect(bed.done(api.member({ kind: "member-remove", id: 1 }))).rejects.toMatchObject(refused);

    cut.heal();
    await bed.until(() => bed.node("n4").raft.configuration.voters.includes(4));
    const range = { kind: "range", key: "a", serializable: true } as const;
    await expect(bed.done(api.request(range))).rejects.toMatchObject({
      message: "etcdserver: user name is empty",
    });
    const { revision } = await bed.done(api.request({ kind: "auth-status" }));
    await expect(bed.done(api.request(range, { user: "root", revision }))).resolves.toMatchObject({
      kvs: [],
    });
  });

  it("hands leadership over on request, from any member", async () => {
    const bed = new Testbed(3, 32);
    const before = await bed.elect();
    const [to, other] = ["n1", "n2", "n3"].filter((name) => name !== before) as [string, string];
    const answer = await bed.done(
      bed.api(other).member({ kind: "transfer-leader", to: bed.node(to).member }),
    );
    expect(answer).toEqual({ kind: "leader-transferred", leader: bed.node(to).member });
    expect(bed.leader()).toBe(to);
    await expect(bed.done(bed.api(other).member({ kind: "transfer-leader", to: 9 }))).rejects.toMatchObject({
      message: "etcdserver: bad leader transferee",
    });
  });

  it("learns what a member publishes of itself, through the log and from snapshots", async () => {
    const bed = new Testbed(3, 34, SMALL);
    const leader = await bed.elect();
    const other = ["n1", "n2", "n3"].find((name) => name !== leader) as string;
    const { member: id } = bed.node(other);
    const published = { name: "Zoë", clientUrls: ["http://n:2379"] };
    await bed.done(bed.api(other).member({ kind: "member-update", id, ...published }));
    const known = (name: string) =>
      bed
        .node(name)
        .members()
        .find((member) => member.id === id);
    expect(known(leader)).toEqual({ id, node: other, learner: false, ...published });

    const taken = { kind: "member-update", id, node: leader } as const;
    await expect(bed.done(bed.api(other).member(taken))).rejects.toMatchObject({
      message: "etcdserver: Peer URLs already exists",
    });
    await expect(
      bed.done(bed.api(other).member({ kind: "member-update", id: 9, name: "nobody" })),
    ).rejects.toMatchObject({ message: "etcdserver: member not found" });

    const api = bed.api(leader);
    for (let i = 0; i < 40; i++) await bed.done(api.request({ kind: "put", key: `k${i}`, value: "v" }));
    await bed.until(() => bed.node(other).snapshotIndex > 1);
    bed.host(other).kill();
    bed.start(other);
    expect(known(other)).toEqual({ id, node: other, learner: false, ...published });
  });

  it("refuses a second change while one is under way", async () => {
    const bed = new Testbed(3, 33);
    await bed.elect();
    const api = bed.api(bed.leader());
    const results = await bed.done(
      Promise.allSettled([
        api.member({ kind: "member-add", id: 4, node: "n4", learner: true }),
        api.member({ kind: "member-remove", id: bed.node("n1").raft.leader === 1 ? 2 : 1 }),
      ]),
    );
    expect(results.map((result) => result.status)).toEqual(["fulfilled", "rejected"]);
    expect(results[1]).toMatchObject({
      reason: { message: "etcdserver: unhealthy cluster", definite: true },
    });
  });
});
