/** Members in this process: what becomes of them, whom they let in, and what they refuse. */
import fs from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { seededRandom } from "../../src/runtime/random.ts";
import { type PeerMessage, peerProtocol, snapshotProtocol } from "../node/protocol.ts";
import { framesOf } from "../node/snapshot-format.ts";
import { createAuthority } from "../server/certificates.ts";
import { frameOf } from "./frames.ts";
import { encodeHello } from "./handshake.ts";
import { memberIdOf } from "./identity.ts";
import { lockDirectory } from "./lock.ts";
import { silent } from "./log.ts";
import type { LiveMember } from "./member.ts";
import { LiveTestbed, until } from "./testbed.ts";

let bed: LiveTestbed;
beforeEach(() => {
  bed = new LiveTestbed();
});
afterEach(() => bed.end());

async function write(member: LiveMember, count: number, prefix = "k"): Promise<void> {
  const client = member.connect();
  const puts = Array.from({ length: count }, (_, i) =>
    client.request({ kind: "put", key: `${prefix}${i}`, value: String(i) }),
  );
  await Promise.all(puts);
  client.close();
}

async function value(member: LiveMember, key: string): Promise<string | undefined> {
  const client = member.connect();
  const { kvs } = await client.request({ kind: "range", key });
  client.close();
  return kvs[0]?.value;
}

describe("three members", () => {
  it("elect, serve, and bring everything back after a restart", async () => {
    const leader = await bed.found("a", "b", "c");
    await write(leader, 50);
    await write(leader, 10);
    await bed.stop(leader.name);
    expect(await value(await bed.leader(), "k3")).toBe("3");
    for (const name of [...bed.members.keys()]) await bed.stop(name);
    for (const name of ["a", "b", "c"]) await bed.start(name);
    const again = await bed.leader();
    const client = again.connect();
    const { kvs } = await client.request({ kind: "range", key: "k3" });
    expect(kvs[0]).toMatchObject({ value: "3", version: 2 });
    await until("names are known", () =>
      [...bed.members.values()].every(({ node }) =>
        node.members().every((member) => member.clientUrls?.[0] === `http://${member.name}.test:2379`),
      ),
    );
  });

  it("speak to each other by TLS with certificates at both ends", async () => {
    const authority = createAuthority("test", 1);
    const certificate = authority.issue("member", ["127.0.0.1"]);
    await bed.end();
    bed = new LiveTestbed({}, { peerTls: { ...certificate, ca: authority.cert, clientCertAuth: true } });
    const leader = await bed.found("a", "b", "c");
    await write(leader, 20);
    await until("all have it", () =>
      [...bed.members.values()].every(({ node }) => node.store.revision === 21),
    );
  });

  it("take in a fourth, which asks them who it is and comes up by a snapshot", async () => {
    await bed.end();
    bed = new LiveTestbed({ snapshotEvery: 20, catchUpEntries: 5 });
    const leader = await bed.found("a", "b", "c");
    await write(leader, 100);
    await bed.place("d");
    const [url] = bed.urls("d") as [string];
    const id = memberIdOf([url], "test", "salt");
    const client = leader.connect();
    await client.member({ kind: "member-add", id, node: url, learner: true });
    const late = await bed.start("d", { initialClusterState: "existing" });
    expect([late.id, late.clusterId]).toEqual([id, leader.clusterId]);
    // A leader that has not reached most voters by then would refuse the promotion.
    await until("all have everything", () =>
      [...bed.members.values()].every(({ node }) => node.store.revision === leader.node.store.revision),
    );
    const known = (member: LiveMember) => JSON.stringify(member.node.members());
    await until(
      "it knows everybody",
      () => known(late) === known(leader) && known(late).includes('"name":"d"'),
    );
    await client.member({ kind: "member-promote", id });
    await until("it votes", () => late.node.raft.configuration.voters.includes(id));

    await client.member({ kind: "member-remove", id });
    expect(await late.ended).toBe("removed from the cluster");
  });

  it("go on without one whose disk fails, which says so and ends", async () => {
    await bed.end();
    bed = new LiveTestbed({ segmentBytes: 4096 });
    const leader = await bed.found("a", "b", "c");
    const [victim] = [...bed.members.values()].filter((member) => member !== leader) as [LiveMember];
    // The next segment cannot be made: there is a file where its directory was.
    fs.rmSync(join(bed.directory(victim.name), "wal"), { recursive: true });
    fs.writeFileSync(join(bed.directory(victim.name), "wal"), "");
    await write(leader, 200);
    expect(await victim.ended).toMatch(/^(disk failure|crashed): /);
    expect(await value(leader, "k199")).toBe("199");
  });

  it("are not impressed by any bytes on their peer ports", async () => {
    const leader = await bed.found("a", "b", "c");
    const random = seededRandom(11);
    const { port } = new URL(bed.urls("a")[0] as string);
    const { clusterId } = leader;
    const to = memberIdOf(bed.urls("a"), "test");
    const envelope = { from: 5, to, term: 1 };
    const messages = [
      { type: "append", ...envelope },
      { type: "append", ...envelope, entries: "all", previousIndex: 1, previousTerm: 1, commit: 1 },
      { type: "vote", ...envelope, lastIndex: -1, lastTerm: "x", force: 1 },
      { type: "ask-leader", from: 5, to, id: 1, request: { kind: "rm" } },
      { type: "constructor" },
      null,
      "append",
    ];
    const jsonFrame = (message: unknown) => {
      const text = Buffer.from(JSON.stringify(message));
      const length = Buffer.alloc(4);
      length.writeUInt32LE(text.length);
      return frameOf(Buffer.concat([length, text]));
    };
    for (let i = 0; i < 60; i++) {
      const hello = encodeHello({
        clusterId,
        member: 5,
        node: "http://x:1",
        port: random.pick(["peer", "snapshot", "members"]),
      });
      const noise = Buffer.from(Array.from({ length: random.below(100) }, () => random.below(256)));
      const parts = [
        frameOf(hello),
        jsonFrame({ type: "hello", clusterId, from: 5, to }),
        random.chance(0.7) ? jsonFrame(random.pick(messages)) : frameOf(noise),
      ];
      await new Promise<void>((resolve) => {
        const socket = net.connect(Number(port), "127.0.0.1", () => socket.write(Buffer.concat(parts)));
        socket.on("error", () => {});
        socket.on("close", () => resolve());
        socket.resume();
        setTimeout(() => socket.end(), 20);
      });
    }
    await write(await bed.leader(), 5);
    const live = [...bed.members.values()].map((member) => member.node.raft.leader);
    expect(new Set(live).size).toBe(1);
  });
});

/** A peer that knows whom it speaks to, and lies. */
class Liar {
  readonly #member: LiveMember;

  constructor(member: LiveMember) {
    this.#member = member;
  }

  /** Says all this on one connection; resolves when the member ends that. */
  say(from: number, ...messages: readonly object[]): Promise<void> {
    const { clusterId, id: to } = this.#member;
    const hello = { type: "hello", clusterId };
    const encoded = [hello, ...messages].map((message) =>
      peerProtocol.encode({ from, to, ...message } as PeerMessage),
    );
    return this.#send(from, "peer", encoded);
  }

  /** Sends a snapshot in these frames. */
  show(from: number, term: number, frames: Iterable<Uint8Array>): Promise<void> {
    const { clusterId, id: to } = this.#member;
    const transfers = [...frames].map((frame) => ({ type: "frame", frame }) as const);
    const encoded = [{ type: "hello", clusterId, from, to, term } as const, ...transfers].map(
      snapshotProtocol.encode,
    );
    return this.#send(from, "snapshot", encoded);
  }

  async #send(member: number, port: string, payloads: readonly Uint8Array[]): Promise<void> {
    const { clusterId, name } = this.#member;
    const socket = net.connect(Number(new URL(bed.urls(name)[0] as string).port), "127.0.0.1");
    socket.on("error", () => {});
    socket.resume();
    socket.write(frameOf(encodeHello({ clusterId, member, node: "http://liar:1", port })));
    for (const payload of payloads) socket.write(frameOf(payload));
    await new Promise((resolve) => socket.on("close", resolve));
  }
}

describe("a peer that lies", () => {
  const warned: string[] = [];
  beforeEach(async () => {
    const told = (fields: object) => warned.push(String((fields as { reason?: string }).reason));
    warned.length = 0;
    await bed.end();
    bed = new LiveTestbed({}, {}, { ...silent, warn: told, info: told });
  });

  it("gets nothing into the log, and no term that nobody could outdo", async () => {
    const member = await bed.found("a");
    const term = member.node.raft.term;
    const liar = new Liar(member);
    const data = new Uint8Array([1, 2, 3]);
    await liar.say(7, { type: "propose", term: 0, entries: [{ kind: "normal", data }] });
    const append = { type: "append", term: term + 5, previousIndex: 0, previousTerm: 0, commit: 1 };
    await liar.say(7, { ...append, entries: [{ kind: "normal", index: 1, term: 1, data }] });
    await liar.say(7, { type: "vote", term: 2 ** 40, lastIndex: 2 ** 40, lastTerm: 2 ** 40, force: true });
    await liar.say(7, { type: "timeout-now", term, from: 8 });
    const configuration = {
      voters: [7],
      votersOutgoing: [],
      learners: [],
      learnersNext: [],
      autoLeave: false,
    };
    const meta = { index: 1000, term, configuration };
    await liar.show(7, term, framesOf({ meta, members: [], chunks: [] }));
    await liar.show(7, 2 ** 40, framesOf({ meta, members: [], chunks: [] }));
    await liar.say(member.id, { type: "timeout-now", term });
    await write(member, 3);
    expect(await value(member, "k2")).toBe("2");
    expect(member.node.raft.term).toBe(term);
    expect(warned).toEqual(
      expect.arrayContaining([
        'not a peer message, though it claims to be "propose"',
        'not a peer message, though it claims to be "append"',
        "member 7 comes with term 1099511627776",
        "member 7 speaks for member 8",
        "malformed snapshot: its end is missing",
        `http://liar:1: this is member ${member.id} itself`,
      ]),
    );
  });

  it("ends a member that believes to have lost what was durable, which says so", async () => {
    const member = await bed.found("a");
    const { term } = member.node.raft;
    await new Liar(member).say(7, { type: "heartbeat", term: term + 1, commit: 1000, context: 0 });
    expect(await member.ended).toMatch(
      /^what is durable here contradicts what the cluster says: commit 1000 is beyond the last index \d+$/,
    );
  });
});

describe("a member", () => {
  it("tells its clients when it ends, and those that come later", async () => {
    const member = await bed.found("a");
    const client = member.connect();
    await client.request({ kind: "put", key: "k", value: "v" });
    const ended = new Promise<string>((resolve) => {
      client.watch({ key: "k" }, { response: () => {}, ended: resolve });
    });
    // A lock that somebody else holds: such a request waits for ever.
    const { id: lease } = await client.request({ kind: "lease-grant", id: "0", ttl: 60 });
    const { id: other } = await client.request({ kind: "lease-grant", id: "0", ttl: 60 });
    await client.request({ kind: "lock", name: "l", lease });
    const waiting = client.request({ kind: "lock", name: "l", lease: other });
    const outcome = expect(waiting).rejects.toMatchObject({ code: "UNAVAILABLE", definite: false });
    await bed.stop("a");
    await outcome;
    expect(await ended).toBe("connection lost");
    await expect(member.connect().request({ kind: "status" })).rejects.toMatchObject({ definite: true });
  });

  it("keeps back what a paused client does not want, and loses none of it", async () => {
    const member = await bed.found("a");
    const seen: number[] = [];
    const connection = member.dial({
      message: (message) => {
        if (message.kind === "watch-response")
          for (const event of message.response.events) seen.push(event.kv.modRevision);
      },
      closed: () => {},
    });
    connection.send({ kind: "watch", id: 1, request: { key: "k", rangeEnd: "l" } });
    await write(member, 10, "k-first");
    await until("it has come", () => seen.length === 10);
    connection.pause();
    for (let i = 0; i < 200; i++) await write(member, 1, `k${i}-`);
    expect(seen.length).toBe(10);
    connection.resume();
    await until("the rest has come", () => seen.length === 210);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    connection.close();
  });

  it("has its directory for itself", async () => {
    await bed.found("a");
    await expect(bed.start("a")).rejects.toThrow(`is in use by process ${process.pid}`);
    await bed.stop("a");
    await bed.start("a");
  });

  it("refuses a directory of another cluster, and of another member", async () => {
    await bed.found("a", "b");
    await bed.stop("a");
    await bed.stop("b");
    await expect(bed.start("a", { token: "other" })).rejects.toThrow(
      /belongs to member [0-9a-f]+ \(a\) of cluster [0-9a-f]+, but the flags describe cluster/,
    );
    await expect(bed.start("b", { dataDirectory: bed.directory("a") })).rejects.toThrow(
      /belongs to member [0-9a-f]+ \(a\) .* but the flags describe member [0-9a-f]+ \(b\)/,
    );
    for (const name of ["a", "b"]) await bed.start(name);
    await bed.leader();
  });

  it("refuses to start without the log it had", async () => {
    await bed.found("a");
    await bed.stop("a");
    fs.rmSync(join(bed.directory("a"), "wal"), { recursive: true });
    await expect(bed.start("a")).rejects.toThrow("a member without its log must not vote");
  });

  it("says which port is taken", async () => {
    await bed.found("a");
    const { port } = new URL(bed.urls("a")[0] as string);
    const elsewhere = { dataDirectory: bed.directory("z") };
    await expect(bed.start("a", elsewhere)).rejects.toThrow(
      `EADDRINUSE: address already in use 127.0.0.1:${port}`,
    );
  });
});

it("a lock goes with its holder", async () => {
  const lock = await lockDirectory(bed.home);
  await expect(lockDirectory(bed.home)).rejects.toThrow("is in use");
  lock.release();
  (await lockDirectory(bed.home)).release();
});
