/**
 * The extended raft paper, statement by statement. The number is section and paragraph, as in "5.2/4"; "D" stands for
 * Ongaro's dissertation.
 */
import { describe, expect, it } from "vitest";
import { append, type Beginning, heartbeat, LoneMember, voteRequest } from "./lone-member.ts";
import type { Message, Role } from "./message.ts";
import { ScriptedCluster } from "./scripted-cluster.ts";

/** What matters of a message in these tests: type, receiver and whether it refuses. */
function summary(messages: readonly Message[]): readonly string[] {
  return messages.map((message) => {
    const refused = "reject" in message && message.reject ? " refused" : "";
    return `${message.type} to ${message.to}${refused}`;
  });
}

function inRole(role: Role, beginning: Beginning = {}): LoneMember {
  const member = new LoneMember(beginning);
  if (role === "candidate") member.core.campaign();
  if (role === "leader") member.win(2);
  member.sent();
  expect(member.core.role).toBe(role);
  return member;
}

const normal = (text: string) => ({ kind: "normal", data: Uint8Array.of(text.charCodeAt(0)) }) as const;

describe("5.1 Raft basics", () => {
  it.each(["follower", "candidate", "leader"] as const)(
    "5.1/3: a %s that sees a larger term takes it over and becomes a follower",
    (role) => {
      const member = inRole(role);
      member.answers(append(7, 0, 0));
      expect([member.core.term, member.core.role, member.core.leader]).toEqual([7, "follower", 2]);
      expect(member.hard.term).toBe(7);
    },
  );

  it("5.1/3: a request of a stale term changes nothing, and its sender is told the term", () => {
    const member = new LoneMember({ log: [1, 4] });
    const before = member.core.status();
    expect(member.answers(append(3, 2, 4, [3], 2))).toMatchObject([{ to: 2, term: before.term }]);
    expect(member.answers(voteRequest(3, 3, 9, 3))).toMatchObject([
      { to: 3, term: before.term, reject: true },
    ]);
    expect(member.core.status()).toEqual(before);
    expect(member.terms).toEqual([1, 4]);
  });

  it("5.1/3: terms and votes are on disk before they are spoken of", () => {
    const cluster = new ScriptedCluster(3);
    cluster.core(1).step(voteRequest(4, 2));
    cluster.ready(1);
    expect(cluster.network).toEqual([]);
    cluster.write(1);
    expect(cluster.member(1).hard).toMatchObject({ term: 4, vote: 2 });
    expect(summary(cluster.network)).toEqual(["vote-response to 2"]);
  });
});

describe("5.2 Leader election", () => {
  it("5.2/1: a member begins as a follower", () => {
    expect(new LoneMember().core.role).toBe("follower");
  });

  it("5.2/1: it stays one for as long as it hears from a leader or grants a vote", () => {
    const member = new LoneMember();
    for (let i = 0; i < 5; i++) {
      member.ticks(9);
      member.answers(heartbeat(1));
    }
    member.ticks(9);
    member.answers(voteRequest(2, 3));
    member.ticks(9);
    expect([member.core.role, member.core.term]).toEqual(["follower", 2]);
  });

  it("5.2/1: a leader sends heartbeats to all followers, and learners, in every interval", () => {
    const member = inRole("leader", { learners: [4], heartbeatTicks: 2 });
    expect(member.ticks(1)).toEqual([]);
    expect(summary(member.ticks(1))).toEqual(["heartbeat to 2", "heartbeat to 3", "heartbeat to 4"]);
  });

  it.each(["follower", "candidate"] as const)(
    "5.2/2: a %s that hears nothing increments its term, votes for itself and asks all others",
    (role) => {
      const member = inRole(role);
      const { term } = member.core;
      const sent = member.ticks(10);
      expect([member.core.role, member.core.term]).toEqual(["candidate", term + 1]);
      expect(member.hard.vote).toBe(1);
      expect(summary(sent)).toEqual(["vote to 2", "vote to 3"]);
    },
  );

  it.each([
    [1, [], true],
    [3, [], false],
    [3, [2], true],
    [5, [2], false],
    [5, [2, 3], true],
    [4, [2], false],
    [4, [2, 3], true],
  ] as const)("5.2/3: of %d members, its own vote and those of %j win: %s", (count, granted, wins) => {
    const member = new LoneMember({ voters: Array.from({ length: count }, (_, i) => i + 1) });
    member.win(...granted);
    expect(member.core.role).toBe(wins ? "leader" : "candidate");
  });

  it("5.2/3: a member votes for one candidate in a term, first come, first served", () => {
    const member = new LoneMember();
    expect(summary(member.answers(voteRequest(1, 2)))).toEqual(["vote-response to 2"]);
    expect(summary(member.answers(voteRequest(1, 3)))).toEqual(["vote-response to 3 refused"]);
    // The first answer may have been lost.
    expect(summary(member.answers(voteRequest(1, 2)))).toEqual(["vote-response to 2"]);
    expect(summary(member.answers(voteRequest(2, 3)))).toEqual(["vote-response to 3"]);
  });

  it("5.2/3: the winner tells everybody at once", () => {
    const member = new LoneMember();
    member.win(3);
    expect(summary(member.sent())).toEqual(["append to 2", "append to 3"]);
  });

  it("5.2/4: a candidate recognizes a leader of its own term or a later one", () => {
    for (const term of [1, 2]) {
      const member = inRole("candidate");
      member.answers(append(term, 0, 0));
      expect([member.core.role, member.core.term, member.core.leader]).toEqual(["follower", term, 2]);
    }
  });

  it("5.2/4: and stays a candidate if the term is smaller", () => {
    const member = inRole("candidate", { log: [3] });
    member.answers(append(3, 0, 0));
    expect([member.core.role, member.core.term]).toEqual(["candidate", 4]);
  });

  it("5.2/5: a split vote ends in a new election of a larger term", () => {
    const cluster = new ScriptedCluster(4);
    for (const id of [1, 2]) cluster.core(id).campaign();
    for (const id of [1, 2]) cluster.settle([id]);
    cluster.drop(({ from, to }) => (from === 1) === (to === 4));
    cluster.settle();
    expect(cluster.members.map(({ core }) => core.role)).not.toContain("leader");
    cluster.core(1).campaign();
    cluster.settle();
    expect([cluster.core(1).role, cluster.core(1).term]).toEqual(["leader", 2]);
  });

  it("5.2/6: timeouts are drawn anew from a fixed interval for each election", () => {
    const draws = [0, 9, 4, 7];
    const bounds: number[] = [];
    let drawn = 0;
    const member = new LoneMember({
      random: (bound) => {
        bounds.push(bound);
        return draws[drawn++ % draws.length]!;
      },
    });
    const waits: number[] = [];
    for (let election = 0; election < 4; election++) {
      const { term } = member.core;
      let ticks = 0;
      while (member.core.term === term) {
        member.ticks(1);
        ticks++;
      }
      waits.push(ticks);
    }
    expect(waits).toEqual([10, 19, 14, 17]);
    expect(new Set(bounds)).toEqual(new Set([10]));
  });
});

describe("5.3 Log replication", () => {
  it("5.3/1: the leader appends a command and sends it to all in parallel", () => {
    const member = inRole("leader");
    member.accepted(2, 1);
    member.accepted(3, 1);
    expect(member.core.propose([normal("a")])).toEqual({ outcome: "accepted", index: 2, term: 1 });
    const sent = member.sent();
    expect(summary(sent)).toEqual(["append to 2", "append to 3"]);
    expect(sent[0]).toMatchObject({ previousIndex: 1, previousTerm: 1, entries: [{ index: 2, term: 1 }] });
  });

  it("5.3/1: it goes on sending to a slow follower, also after the commit", () => {
    const cluster = new ScriptedCluster(3);
    cluster.core(1).campaign();
    cluster.settle([1, 2]);
    cluster.drop(() => true);
    expect(cluster.core(1).commit).toBe(1);
    cluster.tick(1, 1);
    cluster.settle();
    expect(cluster.core(3).commit).toBe(1);
  });

  it.each([
    [3, [2], true],
    [5, [2], false],
    [5, [2, 3], true],
    [5, [4, 5], true],
  ] as const)(
    "5.3/3: of %d members, the leader and %j commit an entry: %s",
    (count, acknowledged, commits) => {
      const voters = Array.from({ length: count }, (_, i) => i + 1);
      const member = new LoneMember({ voters });
      member.win(...voters.slice(1));
      member.sent();
      for (const from of acknowledged) member.accepted(from, 1);
      expect(member.core.commit).toBe(commits ? 1 : 0);
      expect(member.applied).toEqual(commits ? [1] : []);
    },
  );

  it("5.3/3: a commit covers all entries before it, of earlier leaders too", () => {
    const member = new LoneMember({ log: [1, 2, 2] });
    member.win(2);
    member.sent();
    member.accepted(2, 4);
    expect(member.core.commit).toBe(4);
    expect(member.applied).toEqual([1, 2, 3, 4]);
  });

  it("5.3/3: the leader tells its commit index with the next message, and followers apply in log order", () => {
    const leader = inRole("leader");
    const told = leader.accepted(2, 1).filter((message) => message.type === "append");
    expect(told.map((message) => message.commit)).toEqual([1]);
    const follower = new LoneMember();
    follower.answers(append(1, 0, 0, [1, 1, 1], 2));
    expect(follower.applied).toEqual([1, 2]);
    follower.answers(append(1, 3, 1, [], 3));
    expect(follower.applied).toEqual([1, 2, 3]);
  });

  it.each([
    // [log, previousIndex, previousTerm, accepted]
    [[], 0, 0, true],
    [[1, 2], 0, 0, true],
    [[1, 2], 1, 1, true],
    [[1, 2], 2, 2, true],
    [[1, 2], 2, 1, false],
    [[1, 2], 2, 3, false],
    [[1, 2], 3, 2, false],
  ] as const)(
    "5.3/5: a follower with terms %j asked to append after %d/%d accepts: %s",
    (log, previousIndex, previousTerm, accepted) => {
      const member = new LoneMember({ log });
      const [answer] = member.answers(append(3, previousIndex, previousTerm, []));
      expect(answer).toMatchObject({ type: "append-response", reject: !accepted, index: previousIndex });
    },
  );

  it.each([
    // Figure 7: followers that lack entries, have extra ones, or both; the leader of term 8 brings them in line.
    ["a", [1, 1, 1, 4, 4, 5, 5, 6, 6]],
    ["b", [1, 1, 1, 4]],
    ["c", [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6]],
    ["d", [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7]],
    ["e", [1, 1, 1, 4, 4, 4, 4]],
    ["f", [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3]],
  ] as const)("5.3/7: the follower (%s) of figure 7 ends with the leader's log", (_name, log) => {
    const leaderLog = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
    const leader = new LoneMember({ log: leaderLog, hard: { term: 7 }, id: 2 });
    const follower = new LoneMember({ log, hard: { term: 7 } });
    leader.win(3);
    let rounds = 0;
    let messages = leader.sent().filter(({ to }) => to === 1);
    while (messages.length > 0) {
      expect(++rounds).toBeLessThan(10);
      const answers = messages.flatMap((message) => follower.answers(message));
      messages = answers.flatMap((message) => leader.answers(message)).filter(({ to }) => to === 1);
    }
    expect(follower.terms).toEqual([...leaderLog, 8]);
  });

  it.each([
    // The overlap is kept as it is: an old append must not cut off what was accepted since.
    [[1, 2, 3], 0, 0, [1, 2], [1, 2, 3]],
    [[1, 2, 3], 1, 1, [2], [1, 2, 3]],
    [[1, 2, 3], 1, 1, [], [1, 2, 3]],
    [[1, 2, 3], 1, 1, [2, 3, 3], [1, 2, 3, 3]],
    [[1, 2, 3], 1, 1, [3], [1, 3]],
    [[1, 2, 2, 3], 2, 2, [3, 3], [1, 2, 3, 3]],
  ] as const)(
    "5.3/6: a log of terms %j, asked to append after %d/%d %j, becomes %j",
    (log, index, term, terms, becomes) => {
      const member = new LoneMember({ log });
      member.answers(append(3, index, term, terms));
      expect(member.terms).toEqual(becomes);
    },
  );

  it("5.3/8: one refusal is enough to step over a whole term", () => {
    const follower = new LoneMember({ log: [1, 2, 2, 2, 2, 2] });
    const [refusal] = follower.answers(append(5, 6, 4, []));
    // The follower's term 2 is not above 4, so it can say no more than where it ends;
    expect(refusal).toMatchObject({ reject: true, hintIndex: 6, hintTerm: 2 });
    // the leader, which has no term 2, goes back behind everything above it.
    const leader = new LoneMember({ id: 2, log: [1, 3, 3, 3, 4, 4], hard: { term: 4 } });
    leader.win(3);
    const next = leader
      .sent()
      .filter(({ to }) => to === 1)
      .flatMap(() => leader.answers(refusal!));
    expect(next).toMatchObject([{ type: "append", to: 1, previousIndex: 1, previousTerm: 1 }]);
  });

  it("5.3/8: a follower whose terms are larger steps over them itself", () => {
    const follower = new LoneMember({ log: [1, 1, 4, 4, 4] });
    const [refusal] = follower.answers(append(5, 5, 3, []));
    expect(refusal).toMatchObject({ reject: true, hintIndex: 2, hintTerm: 1 });
  });

  it("5.3/9: a leader never overwrites or deletes its own entries", () => {
    const member = inRole("leader");
    member.core.propose([normal("a")]);
    member.sent();
    member.answers(append(1, 0, 0, [1], 1, 3));
    expect(member.terms).toEqual([1, 1]);
    expect(member.core.role).toBe("leader");
  });
});

describe("5.4 Safety", () => {
  it.each([
    // [voter's log, candidate's last index, candidate's last term, granted]
    [[], 0, 0, true],
    [[1], 0, 0, false],
    [[1], 1, 1, true],
    [[1, 1], 1, 1, false],
    [[1, 1], 3, 1, true],
    [[1, 1], 1, 2, true],
    [[2], 5, 1, false],
  ] as const)(
    "5.4.1/3: a voter with terms %j grants a candidate that ends at %d/%d: %s",
    (log, lastIndex, lastTerm, granted) => {
      const member = new LoneMember({ log });
      const [answer] = member.answers(voteRequest(5, 3, lastIndex, lastTerm));
      expect(answer).toMatchObject({ type: "vote-response", term: 5, reject: !granted });
    },
  );

  it("5.4.1/2: the request carries the end of the candidate's log", () => {
    const member = new LoneMember({ log: [1, 3] });
    member.core.campaign();
    expect(member.sent()).toMatchObject([
      { type: "vote", to: 2, lastIndex: 2, lastTerm: 3 },
      { type: "vote", to: 3, lastIndex: 2, lastTerm: 3 },
    ]);
  });

  it("5.4.2/2: an entry of an older term is not committed by counting, but with the first of the own term", () => {
    const member = new LoneMember({ log: [1, 2] });
    member.win(2);
    member.sent();
    for (const index of [1, 2]) {
      member.accepted(2, index);
      member.accepted(3, index);
      expect(member.core.commit).toBe(0);
    }
    member.accepted(3, 3);
    expect(member.core.commit).toBe(3);
  });
});

describe("5.5 Follower and candidate crashes", () => {
  it("5.5/1: the same append twice does no harm", () => {
    const member = new LoneMember();
    const message = append(1, 0, 0, [1, 1]);
    const first = member.answers(message);
    expect(member.answers(message)).toEqual(first);
    expect(member.terms).toEqual([1, 1]);
  });

  it("5.5/1: a member that starts again with its disk keeps its word", () => {
    const cluster = new ScriptedCluster(3);
    cluster.core(2).step({ ...voteRequest(3, 1), to: 2 });
    cluster.settle([2]);
    cluster.restart(2);
    cluster.core(2).step({ ...voteRequest(3, 3), to: 2 });
    cluster.settle([2]);
    expect(cluster.network.filter(({ to }) => to === 3)).toMatchObject([
      { type: "vote-response", reject: true },
    ]);
  });
});

describe("6 Cluster membership changes", () => {
  it("6/10: a follower that heard from its leader within the minimum timeout ignores requests for votes", () => {
    const member = new LoneMember({ checkQuorum: true });
    member.answers(heartbeat(1));
    member.ticks(9);
    expect(member.answers(voteRequest(9, 3))).toEqual([]);
    // Nor does it help an asker who is behind to a term in which it could be heard.
    expect(member.answers(voteRequest(0, 3))).toEqual([]);
    expect(member.core.term).toBe(1);
    // The transfer of leadership is an exception the leader asks for (D 4.2.3).
    const forced = { ...voteRequest(9, 3), force: true } as Message;
    expect(summary(member.answers(forced))).toEqual(["vote-response to 3"]);
  });

  it("6/10: and listens again when it has passed", () => {
    const member = new LoneMember({ checkQuorum: true, random: () => 5 });
    member.answers(heartbeat(1));
    member.ticks(10);
    expect(summary(member.answers(voteRequest(9, 3)))).toEqual(["vote-response to 3"]);
  });
});

describe("7 Log compaction", () => {
  const configuration = {
    voters: [1, 2, 3],
    votersOutgoing: [],
    learners: [],
    learnersNext: [],
    autoLeave: false,
  };
  const snapshot = (index: number, term: number, over = {}): Message => ({
    type: "snapshot",
    from: 2,
    to: 1,
    term: 5,
    snapshot: { meta: { index, term, configuration: { ...configuration, ...over } }, data: [] },
  });

  it("7/6: a follower discards its log for a snapshot with new information", () => {
    const member = new LoneMember({ log: [1, 1] });
    const [answer] = member.answers(snapshot(4, 3, { learners: [7] }));
    expect(answer).toMatchObject({ type: "append-response", reject: false, index: 4 });
    expect([member.storage.firstIndex, member.storage.lastIndex, member.storage.term(4)]).toEqual([5, 4, 3]);
    expect(member.core.configuration.learners).toEqual([7]);
    expect(member.core.status()).toMatchObject({ commit: 4, applied: 4, lastIndex: 4 });
  });

  it("7/6: it keeps what follows a snapshot of a prefix of its log", () => {
    const member = new LoneMember({ log: [1, 1, 2, 2] });
    member.answers(snapshot(3, 2));
    expect(member.terms).toEqual([1, 1, 2, 2]);
    expect(member.core.commit).toBe(3);
  });

  it("7/6: it keeps all of its log if the snapshot is older than what it has committed", () => {
    const member = new LoneMember({ log: [1, 1, 2, 2], hard: { commit: 4 } });
    const [answer] = member.answers(snapshot(3, 3));
    expect(answer).toMatchObject({ type: "append-response", reject: false, index: 4 });
    expect(member.terms).toEqual([1, 1, 2, 2]);
  });

  it("7/6: it takes over one from before it joined, and stands for nothing until it has joined", () => {
    const member = new LoneMember({ log: [1] });
    member.answers(snapshot(4, 3, { voters: [2, 3] }));
    expect(member.core.status()).toMatchObject({ commit: 4, configuration: { voters: [2, 3] } });
    member.ticks(30);
    expect(member.core.role).toBe("follower");
    const change = { changes: [{ type: "add-voter", member: 1 }], transition: "auto" } as const;
    const entry = { index: 5, term: 5, kind: "config", change, data: new Uint8Array() } as const;
    member.answers({ ...append(5, 4, 3, [], 5), entries: [entry] } as Message);
    expect(member.core.configuration.voters).toEqual([1, 2, 3]);
  });
});

describe("D 3.10 Leadership transfer", () => {
  it("D 3.10/3: the leader stops accepting, brings the target up to date and tells it to stand", () => {
    const member = inRole("leader");
    member.core.propose([normal("a")]);
    member.sent();
    member.core.transferLeader(2);
    expect(member.core.propose([normal("b")])).toEqual({ outcome: "dropped", reason: "transferring" });
    expect(summary(member.accepted(2, 1))).not.toContain("timeout-now to 2");
    expect(summary(member.accepted(2, 2))).toContain("timeout-now to 2");
  });

  it("D 3.10/3: the target stands at once, in the next term", () => {
    const member = new LoneMember({ preVote: true });
    member.answers(heartbeat(1));
    const sent = member.answers({ type: "timeout-now", from: 2, to: 1, term: 1 });
    expect(sent).toMatchObject([
      { type: "vote", term: 2, force: true },
      { type: "vote", term: 2, force: true },
    ]);
  });

  it("D 3.10/4: the leader accepts again if the target does not succeed within an election timeout", () => {
    const member = inRole("leader");
    member.core.transferLeader(2);
    member.ticks(9);
    expect(member.core.status().transferee).toBe(2);
    member.ticks(1);
    expect(member.core.propose([normal("b")]).outcome).toBe("accepted");
  });
});

describe("D 4 Membership changes", () => {
  it("D 4.2.2/1: a removed leader does not count itself", () => {
    const member = new LoneMember({ voters: [1, 2, 3], stepDownOnRemoval: false });
    member.win(2);
    member.sent();
    member.accepted(2, 1);
    const change = { changes: [{ type: "remove", member: 1 }], transition: "auto" } as const;
    member.core.propose([{ kind: "config", change, data: new Uint8Array() }, normal("a")]);
    member.sent();
    member.accepted(2, 2);
    member.accepted(3, 2);
    expect(member.core.configuration.voters).toEqual([2, 3]);
    member.accepted(2, 3);
    expect(member.core.commit).toBe(2);
    member.accepted(3, 3);
    expect(member.core.commit).toBe(3);
  });

  it("D 4.3: a joint configuration elects by both majorities", () => {
    const both = (granted: readonly number[]) => {
      const cluster = new LoneMember({ voters: [1, 2, 3] });
      cluster.core.applyConfigChange({
        changes: [
          { type: "add-voter", member: 4 },
          { type: "add-voter", member: 5 },
          { type: "remove", member: 2 },
          { type: "remove", member: 3 },
        ],
        transition: "explicit",
      });
      cluster.win(...granted);
      return cluster.core.role;
    };
    expect([both([2]), both([4]), both([2, 4]), both([3, 5])]).toEqual([
      "candidate",
      "candidate",
      "leader",
      "leader",
    ]);
  });
});

describe("D 6.4 Reads", () => {
  it("D 6.4/3 (1): a leader answers no read before it has committed an entry of its term", () => {
    const cluster = new ScriptedCluster(3);
    cluster.core(1).campaign();
    cluster.settle([1]);
    cluster.deliver(({ to }) => to === 2);
    cluster.settle([2]);
    cluster.deliver(({ to }) => to === 1);
    expect([cluster.core(1).role, cluster.core(1).commit]).toEqual(["leader", 0]);
    cluster.read(1, 7);
    cluster.core(1).step({ type: "heartbeat-response", from: 2, to: 1, term: 1, context: 1 });
    cluster.settle([1]);
    expect(cluster.member(1).reads).toEqual([]);
    cluster.settle();
    expect(cluster.member(1).reads).toEqual([{ context: 7, index: 1 }]);
  });

  it("D 6.4/3 (2, 3): it notes the commit index, and answers when a majority has answered a later heartbeat", () => {
    const cluster = new ScriptedCluster(3);
    cluster.core(1).campaign();
    cluster.settle();
    cluster.tick(1, 1);
    cluster.ready(1);
    cluster.read(1, 7);
    // The heartbeats of the tick were sent before the read: their answers prove nothing.
    cluster.deliver(({ to }) => to !== 1);
    for (const id of [2, 3]) cluster.ready(id);
    cluster.deliver(({ to }) => to === 1);
    expect(cluster.member(1).reads).toEqual([]);
    cluster.propose(1, "later");
    cluster.settle();
    expect(cluster.core(1).commit).toBe(2);
    expect(cluster.member(1).reads).toEqual([{ context: 7, index: 1 }]);
  });

  it("D 6.4/6: a follower asks the leader, and reads its own state when it has caught up", () => {
    const cluster = new ScriptedCluster(3);
    cluster.core(1).campaign();
    cluster.settle();
    cluster.propose(1, "a");
    cluster.settle([1, 2]);
    cluster.read(3, 7);
    cluster.settle();
    expect(cluster.member(3).reads).toEqual([{ context: 7, index: 2 }]);
  });
});

describe("D 9.6 Preventing disruptions", () => {
  it("D 9.6/2: a member that could not win does not increment its term", () => {
    const member = new LoneMember({ preVote: true, log: [1] });
    expect(member.ticks(10)).toMatchObject([
      { type: "pre-vote", to: 2, term: 2, lastIndex: 1 },
      { type: "pre-vote", to: 3, term: 2, lastIndex: 1 },
    ]);
    member.ticks(100);
    expect([member.core.term, member.hard.term, member.hard.vote]).toEqual([1, 1, 0]);
  });

  it("D 9.6/2: it stands when a majority would vote for it", () => {
    const member = new LoneMember({ preVote: true });
    member.ticks(10);
    const sent = member.answers({ type: "pre-vote-response", from: 3, to: 1, term: 1, reject: false });
    expect([member.core.role, member.core.term]).toEqual(["candidate", 1]);
    expect(summary(sent)).toEqual(["vote to 2", "vote to 3"]);
  });

  it("D 9.6/2: consent to a pre-vote of an earlier term does not count", () => {
    const member = new LoneMember({ preVote: true });
    member.ticks(10);
    member.answers(heartbeat(1));
    member.ticks(10);
    expect(member.core.role).toBe("pre-candidate");
    member.answers({ type: "pre-vote-response", from: 3, to: 1, term: 1, reject: false });
    expect(member.core.role).toBe("pre-candidate");
  });

  it("D 9.6/3: consent costs nothing: neither the vote nor the timeout", () => {
    const member = new LoneMember({ log: [1] });
    member.ticks(9);
    expect(summary(member.answers(voteRequest(2, 2, 1, 1, "pre-vote")))).toEqual(["pre-vote-response to 2"]);
    expect(summary(member.answers(voteRequest(2, 3, 1, 1, "pre-vote")))).toEqual(["pre-vote-response to 3"]);
    expect(member.hard).toMatchObject({ term: 1, vote: 0 });
    member.ticks(1);
    expect(member.core.role).toBe("candidate");
  });

  it("D 9.6/3: it is refused to a log that is behind", () => {
    const member = new LoneMember({ log: [1, 1] });
    expect(summary(member.answers(voteRequest(2, 2, 1, 1, "pre-vote")))).toEqual([
      "pre-vote-response to 2 refused",
    ]);
  });
});
