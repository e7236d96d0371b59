/**
 * Each planted bug on a schedule that tells it from the sound build: what goes wrong, and that nothing does without it.
 */
import { describe, expect, it } from "vitest";
import { append, LoneMember } from "./lone-member.ts";
import type { Message } from "./message.ts";
import { ScriptedCluster } from "./scripted-cluster.ts";

function elected(count: number, bug: string, tuning = {}): ScriptedCluster {
  const cluster = new ScriptedCluster(count, { ...tuning, bug });
  cluster.core(1).campaign();
  cluster.settle();
  return cluster;
}

const between = (ids: readonly number[]) => (message: Message) =>
  ids.includes(message.from) && ids.includes(message.to);

/** Cuts the network into these parts, for messages under way as well, and lets each of them come to rest. */
function apart(cluster: ScriptedCluster, ...parts: readonly (readonly number[])[]): void {
  for (const part of parts) cluster.settle(part);
  cluster.drop((message) => !parts.some((part) => between(part)(message)));
}

/** Everybody hears everybody again, and the leaders make themselves heard. */
function heal(cluster: ScriptedCluster): void {
  for (let round = 0; round < 3; round++) {
    for (const { id, core } of cluster.members) if (core.role === "leader") cluster.tick(id, 1);
    cluster.settle();
  }
}

const leaders = (cluster: ScriptedCluster) =>
  cluster.members.filter(({ core }) => core.role === "leader").map(({ id, core }) => [id, core.term]);

const states = (cluster: ScriptedCluster) => cluster.members.map(({ applied }) => applied.join(""));

describe("planted bugs", () => {
  it("vote-twice: two leaders of one term", () => {
    const outcome = (bug: string) => {
      const cluster = new ScriptedCluster(3, { bug });
      cluster.core(1).campaign();
      cluster.core(3).campaign();
      cluster.settle([1]);
      cluster.settle([3]);
      cluster.drop(({ from, to }) => from !== 2 && to !== 2);
      cluster.deliver(({ to }) => to === 2);
      cluster.settle([2]);
      cluster.deliver(({ type }) => type === "vote-response");
      return leaders(cluster);
    };
    expect(outcome("")).toEqual([[1, 1]]);
    expect(outcome("vote-twice")).toEqual([
      [1, 1],
      [3, 1],
    ]);
  });

  it("stale-log-vote: a leader without a committed entry, which is lost", () => {
    const outcome = (bug: string) => {
      const cluster = elected(3, bug);
      cluster.propose(1, "a");
      apart(cluster, [1, 2], [3]);
      cluster.core(3).campaign();
      apart(cluster, [1], [2, 3]);
      heal(cluster);
      return [leaders(cluster), states(cluster), cluster.core(3).commit, cluster.member(3).storage.term(2)];
    };
    expect(outcome("")).toEqual([[], ["a", "a", ""], 1, undefined]);
    expect(outcome("stale-log-vote")).toEqual([[[3, 2]], ["a", "a", ""], 2, 2]);
  });

  it("quorum-half: both sides of a partition commit", () => {
    const outcome = (bug: string) => {
      const cluster = elected(4, bug);
      cluster.core(3).campaign();
      apart(cluster, [1, 2], [3, 4]);
      cluster.propose(1, "a");
      cluster.propose(3, "b");
      apart(cluster, [1, 2], [3, 4]);
      return states(cluster);
    };
    expect(outcome("")).toEqual(["", "", "", ""]);
    expect(outcome("quorum-half")).toEqual(["a", "a", "b", "b"]);
  });

  it("quorum-half: an isolated leader of three serves reads, and never steps down", () => {
    const outcome = (bug: string) => {
      const cluster = elected(3, bug, { checkQuorum: true });
      cluster.read(1, 7);
      cluster.settle([1]);
      cluster.tick(1, 6);
      return [cluster.member(1).reads.length, cluster.core(1).role];
    };
    expect(outcome("")).toEqual([0, "follower"]);
    expect(outcome("quorum-half")).toEqual([1, "leader"]);
  });

  it("commit-old-term: figure 8, an entry that was applied is replaced", () => {
    const outcome = (bug: string) => {
      const cluster = elected(5, bug, { maxEntriesPerMessage: 1 });
      const everybody = [[1], [2], [3], [4], [5]];
      // (a) Member 1 puts an entry on 2.
      cluster.propose(1, "a");
      apart(cluster, [1, 2], [3], [4], [5]);
      // (b) Member 5 leads term 2 by the votes of 3 and 4, and has an entry that it keeps to itself.
      cluster.core(5).campaign();
      cluster.settle([5]);
      cluster.deliver(({ to, type }) => type === "vote" && to >= 3);
      for (const id of [3, 4]) cluster.settle([id]);
      cluster.deliver(({ type }) => type === "vote-response");
      apart(cluster, ...everybody);
      // (c) Member 1 leads term 3 by those of 2 and 3. Its old entry gets to 3, its new one to 2 alone.
      for (const id of [1, 5]) cluster.restart(id);
      for (let term = 2; term <= 3; term++) {
        cluster.core(1).campaign();
        cluster.settle([1]);
        cluster.drop(({ to }) => term === 2 || to > 3);
      }
      cluster.deliver(({ type }) => type === "vote");
      for (const id of [2, 3]) cluster.settle([id]);
      for (let round = 0; round < 3; round++) {
        cluster.deliver(({ to }) => to === 1);
        cluster.settle([1]);
        cluster.drop(({ to }) => to > 3 || (round === 2 && to !== 1));
        cluster.deliver(({ to }) => to === 2 || to === 3);
        for (const id of [2, 3]) cluster.settle([id]);
      }
      apart(cluster, ...everybody);
      const before = states(cluster)[0];
      // (d) Member 5 can still be elected, for terms 3 and then 4, and overwrites it.
      for (let term = 3; term <= 4; term++) {
        cluster.core(5).campaign();
        cluster.settle(term === 3 ? [5] : [3, 4, 5]);
        cluster.drop(() => true);
      }
      heal(cluster);
      return [before, states(cluster)[2], cluster.core(5).commit, cluster.member(3).storage.term(2)];
    };
    expect(outcome("")).toEqual(["", "", 3, 2]);
    expect(outcome("commit-old-term")).toEqual(["a", "", 3, 2]);
  });

  it("optimistic-match: entries nobody has received are committed", () => {
    const outcome = (bug: string) => {
      const cluster = elected(3, bug);
      cluster.propose(1, "a");
      apart(cluster, [1], [2], [3]);
      return states(cluster);
    };
    expect(outcome("")).toEqual(["", "", ""]);
    expect(outcome("optimistic-match")).toEqual(["a", "", ""]);
  });

  it("truncate-always: a delayed append takes back what was vouched for", () => {
    const outcome = (bug: string) => {
      const member = new LoneMember({ bug });
      member.answers(append(1, 0, 0, [1, 1, 1]));
      member.answers(append(1, 0, 0, [1]));
      return member.core.status().lastIndex;
    };
    expect(outcome("")).toBe(3);
    expect(outcome("truncate-always")).toBe(1);
  });

  it("no-previous-term-check: logs differ before an entry they share", () => {
    const outcome = (bug: string) => {
      const member = new LoneMember({ log: [1, 1], bug });
      const [answer] = member.answers(append(3, 2, 2, [3], 3));
      expect(answer).toMatchObject({ type: "append-response", reject: bug === "" });
      return [member.terms, member.applied];
    };
    expect(outcome("")).toEqual([[1, 1], []]);
    expect(outcome("no-previous-term-check")).toEqual([
      [1, 1, 3],
      [1, 2, 3],
    ]);
  });

  it("no-previous-term-check: a gap is refused all the same", () => {
    const member = new LoneMember({ log: [1, 1], bug: "no-previous-term-check" });
    expect(member.answers(append(3, 3, 2, [3]))).toMatchObject([{ type: "append-response", reject: true }]);
  });

  it("read-without-quorum: a deposed leader answers with what it last knew", () => {
    const outcome = (bug: string) => {
      const cluster = elected(3, bug);
      cluster.core(2).campaign();
      apart(cluster, [1], [2, 3]);
      cluster.propose(2, "a");
      apart(cluster, [1], [2, 3]);
      cluster.read(1, 7);
      apart(cluster, [1], [2, 3]);
      return [cluster.core(2).commit, cluster.member(1).reads];
    };
    expect(outcome("")).toEqual([3, []]);
    expect(outcome("read-without-quorum")).toEqual([3, [{ context: 7, index: 1 }]]);
  });

  it("read-before-own-commit: a new leader misses what the old one committed", () => {
    const outcome = (bug: string) => {
      const cluster = elected(3, bug);
      cluster.propose(1, "a");
      cluster.ready(1);
      cluster.write(1);
      cluster.deliver(({ to }) => to === 2);
      cluster.settle([2]);
      cluster.deliver(({ to }) => to === 1);
      expect(cluster.core(1).commit).toBe(2);
      cluster.drop(() => true);
      cluster.core(2).campaign();
      cluster.settle([2]);
      cluster.deliver(({ to }) => to === 3);
      cluster.settle([3]);
      cluster.deliver(({ to }) => to === 2);
      expect(cluster.core(2).role).toBe("leader");
      cluster.read(2, 7);
      cluster.ready(2);
      // The heartbeats of the round are answered, the append is not.
      cluster.deliver(({ type }) => type === "heartbeat");
      for (const id of [1, 3]) if (cluster.core(id).hasReady()) cluster.ready(id);
      cluster.deliver(({ type }) => type === "heartbeat-response");
      cluster.ready(2);
      return cluster.member(2).reads;
    };
    expect(outcome("")).toEqual([]);
    expect(outcome("read-before-own-commit")).toEqual([{ context: 7, index: 1 }]);
  });

  it("heartbeat-commit-unchecked: a follower commits a tail of another leader", () => {
    const outcome = (bug: string) => {
      const leader = new LoneMember({ id: 2, log: [1, 2], hard: { term: 2, commit: 1 }, bug });
      leader.win(3);
      leader.accepted(3, 3);
      const heartbeats = leader.ticks(1).filter(({ type, to }) => type === "heartbeat" && to === 1);
      const follower = new LoneMember({ log: [1, 1, 1], hard: { commit: 1 }, bug });
      for (const message of heartbeats) follower.answers(message);
      return follower.core.commit;
    };
    expect(outcome("")).toBe(1);
    expect(outcome("heartbeat-commit-unchecked")).toBe(3);
  });

  it("transfer-flag-stuck: a failed transfer leaves a leader that accepts nothing", () => {
    const outcome = (bug: string) => {
      const cluster = elected(3, bug);
      cluster.core(1).transferLeader(2);
      cluster.settle([1]);
      cluster.drop(() => true);
      cluster.tick(1, 100);
      return cluster.core(1).propose([{ kind: "normal", data: Uint8Array.of(1) }]).outcome;
    };
    expect(outcome("")).toBe("accepted");
    expect(outcome("transfer-flag-stuck")).toBe("dropped");
  });
});
