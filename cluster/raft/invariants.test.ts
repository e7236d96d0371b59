import { describe, expect, it } from "vitest";
import { RaftInvariants } from "./invariants.ts";
import type { MemberStart } from "./member-shadow.ts";
import { MemoryStorage } from "./memory-storage.ts";
import type {
  Configuration,
  Entry,
  HardState,
  Index,
  MemberId,
  Message,
  RaftStatus,
  Ready,
  Role,
  Term,
} from "./message.ts";
import { Violation } from "./violation.ts";

type Append = NonNullable<Ready["append"]>;

const none = { voters: [], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
const three: Configuration = { ...none, voters: [1, 2, 3] };

/** A member that claims whatever the test wants it to claim. */
class Puppet {
  role: Role = "follower";
  term: Term = 0;
  leader: MemberId = 0;
  commit: Index = 0;
  configuration: Configuration = three;
  progress: RaftStatus["progress"] = [];
  readonly id: MemberId;
  readonly observer: RaftInvariants;

  constructor(id: MemberId, observer: RaftInvariants, recovered: Partial<MemberStart> = {}) {
    this.id = id;
    this.observer = observer;
    this.start(recovered);
  }

  start(recovered: Partial<MemberStart>): void {
    const hard = recovered.hard ?? { term: 0, vote: 0, commit: 0 };
    this.role = "follower";
    this.term = hard.term;
    this.commit = hard.commit;
    this.observer.started(this.id, {
      core: this as unknown as MemberStart["core"],
      storage: new MemoryStorage(three),
      hard,
      applied: 0,
      ...recovered,
    });
  }

  status(): Pick<RaftStatus, "progress"> {
    return { progress: this.progress };
  }

  ready(ready: Partial<Ready>): void {
    this.observer.ready(this.id, { messages: [], committed: [], readStates: [], ...ready });
  }

  /** Hands a batch out; it is not durable yet. */
  write(entries: readonly Entry[], hard?: HardState, afterSync: readonly Message[] = []): Append {
    const append: Append = {
      entries,
      ...(hard === undefined ? undefined : { hard }),
      mustSync: true,
      afterSync,
      ack: { term: this.term, lastIndex: 0, lastTerm: 0, snapshotIndex: 0 },
    };
    this.ready({ append });
    return append;
  }

  /** Hands a message out that waits for the disk. */
  answer(message: Message): void {
    const ack = { term: this.term, lastIndex: 0, lastTerm: 0, snapshotIndex: 0 };
    this.ready({ append: { entries: [], mustSync: true, afterSync: [message], ack } });
  }

  /** Hands a batch out and makes it durable. */
  store(entries: readonly Entry[], hard?: HardState): void {
    this.observer.persisted(this.id, this.write(entries, hard));
  }

  lead(term: Term): void {
    this.term = term;
    this.role = "leader";
    this.ready({});
  }

  follow(term: Term): void {
    this.term = term;
    this.role = "follower";
  }

  commitTo(index: Index): void {
    this.commit = index;
    this.ready({});
  }
}

function trio(): { observer: RaftInvariants; n1: Puppet; n2: Puppet; n3: Puppet } {
  const observer = new RaftInvariants({ maxInflight: 2 });
  const [n1, n2, n3] = [new Puppet(1, observer), new Puppet(2, observer), new Puppet(3, observer)];
  return { observer, n1, n2, n3 };
}

/** n1 leads term 1, and committed indexes 1 and 2 with n2. */
function committed(): ReturnType<typeof trio> {
  const cluster = trio();
  const { n1, n2, n3 } = cluster;
  n1.lead(1);
  n2.follow(1);
  n3.follow(1);
  const entries = [entry(1, 1), entry(2, 1)];
  n1.store(entries, { term: 1, vote: 1, commit: 0 });
  n2.store(entries, { term: 1, vote: 1, commit: 0 });
  n1.commitTo(2);
  return cluster;
}

function entry(index: Index, term: Term, data = 0): Entry {
  return { index, term, kind: "normal", data: Uint8Array.of(data) };
}

function stored(entries: readonly Entry[]): MemoryStorage {
  const storage = new MemoryStorage(three);
  storage.append(entries);
  return storage;
}

const envelope = (from: MemberId, to: MemberId, term: Term) => ({ from, to, term });

function grant(from: MemberId, to: MemberId, term: Term): Message {
  return { ...envelope(from, to, term), type: "vote-response", reject: false };
}

function request(from: MemberId, to: MemberId, term: Term, lastIndex: Index, lastTerm: Term): Message {
  return { ...envelope(from, to, term), type: "vote", lastIndex, lastTerm, force: false };
}

function accept(from: MemberId, to: MemberId, term: Term, index: Index): Message {
  return {
    ...envelope(from, to, term),
    type: "append-response",
    index,
    reject: false,
    hintIndex: 0,
    hintTerm: 0,
  };
}

function violation(act: () => void): Pick<Violation, "invariant" | "member" | "term" | "index"> {
  try {
    act();
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    const { invariant, member, term, index } = error;
    return { invariant, member, term, index };
  }
  throw new Error("nothing was violated");
}

describe("elections", () => {
  it("allow one leader per term", () => {
    const { n1, n2 } = trio();
    n1.lead(1);
    n2.lead(2);
    n1.lead(3);
    n2.term = 3;
    expect(violation(() => n2.ready({}))).toMatchObject({ invariant: "election-safety", member: 2, term: 3 });
  });

  it("do not let a member lead a term again after a restart", () => {
    const { n1 } = trio();
    n1.lead(1);
    n1.start({ hard: { term: 1, vote: 1, commit: 0 } });
    expect(violation(() => n1.lead(1))).toMatchObject({ invariant: "election-safety", member: 1 });
  });

  it("allow one vote per term and member, repeated or not", () => {
    const { observer } = trio();
    observer.sent(grant(3, 1, 1));
    observer.sent(grant(3, 1, 1));
    observer.sent(grant(3, 2, 2));
    expect(violation(() => observer.sent(grant(3, 2, 1)))).toMatchObject({
      invariant: "one-vote-per-term",
      member: 3,
    });
  });

  it("give no vote to a shorter or older log", () => {
    const { observer } = committed();
    observer.sent(request(3, 2, 2, 2, 1));
    observer.sent(grant(2, 3, 2));
    observer.sent(request(3, 2, 3, 1, 1));
    expect(violation(() => observer.sent(grant(2, 3, 3)))).toMatchObject({
      invariant: "vote-up-to-date",
      member: 2,
      index: 2,
    });
  });

  it("do not hold against a voter what the new leader sent it after its vote", () => {
    const { observer, n2 } = committed();
    observer.sent(request(3, 2, 2, 2, 1));
    n2.follow(2);
    n2.store([entry(3, 2)]);
    observer.sent(grant(2, 3, 2));
  });

  it("do not hold against a voter what it learnt in a later term, before a slow disk let its vote go", () => {
    const { observer, n2 } = committed();
    observer.sent(request(3, 2, 2, 2, 1));
    n2.follow(2);
    n2.write([], { term: 2, vote: 3, commit: 0 }, [grant(2, 3, 2)]);
    n2.follow(3);
    n2.store([entry(3, 1)]);
    observer.sent(grant(2, 3, 2));
  });

  it("judge a vote by the log it was decided on, not by what came before it was sent", () => {
    const { observer, n3 } = committed();
    observer.sent(request(1, 3, 2, 1, 1));
    n3.follow(2);
    n3.answer(grant(3, 1, 2));
    n3.write([entry(1, 1), entry(2, 1)]);
    observer.sent(grant(3, 1, 2));
  });

  it("choose leaders that have everything committed in earlier terms", () => {
    const { n2, n3 } = committed();
    n2.lead(2);
    expect(violation(() => n3.lead(3))).toMatchObject({
      invariant: "leader-completeness",
      member: 3,
      index: 2,
    });
  });

  it("do not ask of a leader what a later leader has committed", () => {
    const { n1, n2, n3 } = trio();
    n1.lead(2);
    n1.store([entry(1, 2)]);
    n2.follow(2);
    n2.store([entry(1, 2)]);
    n1.commitTo(1);
    n3.lead(1);
  });
});

describe("restarts", () => {
  it("make late news of an older incarnation's disk meaningless", () => {
    const { observer, n2 } = trio();
    n2.follow(1);
    const lost = n2.write([entry(1, 1)]);
    n2.start({ hard: { term: 1, vote: 0, commit: 0 } });
    n2.write([entry(1, 1)]);
    observer.persisted(2, lost);
    expect(violation(() => observer.sent(accept(2, 1, 1, 1)))).toMatchObject({
      invariant: "acknowledge-durable",
    });
  });

  it("forget no vote that was given", () => {
    const { observer, n2 } = trio();
    observer.sent(grant(2, 1, 4));
    expect(violation(() => n2.start({ hard: { term: 3, vote: 0, commit: 0 } }))).toMatchObject({
      invariant: "promise-survives-restart",
      member: 2,
    });
    expect(violation(() => n2.start({ hard: { term: 4, vote: 3, commit: 0 } }))).toMatchObject({
      invariant: "promise-survives-restart",
    });
    n2.start({ hard: { term: 4, vote: 1, commit: 0 } });
    n2.start({ hard: { term: 5, vote: 3, commit: 0 } });
  });

  it("forget no candidacy that was announced", () => {
    const { observer, n1 } = trio();
    observer.sent(request(1, 2, 4, 0, 0));
    expect(violation(() => n1.start({ hard: { term: 3, vote: 0, commit: 0 } }))).toMatchObject({
      invariant: "promise-survives-restart",
      member: 1,
    });
  });

  it("lose nothing that was durable", () => {
    const { n2 } = committed();
    const hard = { term: 1, vote: 1, commit: 0 };
    expect(violation(() => n2.start({ hard, storage: stored([entry(1, 1)]) }))).toMatchObject({
      invariant: "durable-survives-restart",
      member: 2,
      index: 2,
    });
    n2.start({ hard, storage: stored([entry(1, 1), entry(2, 1)]) });
  });

  it("may lose what was on its way to the disk, and what it was to replace", () => {
    const { n3 } = trio();
    n3.follow(2);
    n3.store([entry(1, 1), entry(2, 1)]);
    n3.write([entry(2, 2), entry(3, 2)]);
    const hard = { term: 2, vote: 0, commit: 0 };
    n3.start({ hard, storage: stored([entry(1, 1), entry(2, 2)]) });
  });

  it("find logs whose terms only grow", () => {
    const { n3 } = trio();
    const hard = { term: 2, vote: 0, commit: 0 };
    expect(violation(() => n3.start({ hard, storage: stored([entry(1, 2), entry(2, 1)]) }))).toMatchObject({
      invariant: "log-terms-monotone",
      index: 2,
    });
  });

  it("know of no commit that never was", () => {
    const { n2 } = committed();
    const start = {
      hard: { term: 2, vote: 0, commit: 3 },
      storage: stored([entry(1, 1), entry(2, 1), entry(3, 2)]),
    };
    expect(violation(() => n2.start(start))).toMatchObject({ invariant: "state-machine-safety", index: 3 });
  });
});

describe("logs", () => {
  it("are only ever extended by a leader", () => {
    const { n1 } = trio();
    n1.lead(2);
    n1.write([entry(1, 2), entry(2, 2)]);
    n1.write([entry(2, 2), entry(3, 2)]);
    n1.term = 3;
    n1.ready({});
    expect(violation(() => n1.write([entry(2, 3)]))).toMatchObject({
      invariant: "leader-append-only",
      index: 2,
    });
  });

  it("hold one entry per index and term", () => {
    const { n2, n3 } = trio();
    n2.follow(1);
    n3.follow(1);
    n2.write([entry(1, 1, 7)]);
    n3.write([entry(1, 1, 7)]);
    expect(violation(() => n3.write([entry(1, 1, 8)]))).toMatchObject({
      invariant: "log-matching",
      member: 3,
    });
  });

  it("are equal below an entry they share", () => {
    const { n2, n3 } = trio();
    n2.follow(3);
    n3.follow(3);
    n2.write([entry(1, 1), entry(2, 3)]);
    expect(violation(() => n3.write([entry(1, 2), entry(2, 3)]))).toMatchObject({
      invariant: "log-matching",
      index: 2,
    });
  });

  it("have neither gaps nor terms that fall, nor terms of the future", () => {
    const { n2 } = trio();
    n2.follow(3);
    n2.write([entry(1, 2)]);
    expect(violation(() => n2.write([entry(3, 2)]))).toMatchObject({ invariant: "log-matching", index: 3 });
    expect(violation(() => n2.write([entry(2, 1)]))).toMatchObject({ invariant: "log-terms-monotone" });
    expect(violation(() => n2.write([entry(2, 4)]))).toMatchObject({ invariant: "log-terms-monotone" });
  });

  it("keep what is committed", () => {
    const { n2 } = committed();
    n2.commitTo(2);
    n2.follow(2);
    expect(violation(() => n2.write([entry(2, 2)]))).toMatchObject({
      invariant: "state-machine-safety",
      member: 2,
      index: 2,
    });
  });
});

describe("hard state", () => {
  it.each<[string, HardState]>([
    ["a term", { term: 2, vote: 1, commit: 4 }],
    ["a vote", { term: 3, vote: 2, commit: 4 }],
    ["a commit", { term: 3, vote: 1, commit: 3 }],
  ])("never takes back %s", (_what, hard) => {
    const { n2 } = trio();
    n2.follow(3);
    n2.write([], { term: 3, vote: 1, commit: 4 });
    expect(violation(() => n2.write([], hard))).toMatchObject({ invariant: "monotone-state", member: 2 });
  });
});

describe("the commit", () => {
  it("waits for a quorum of disks", () => {
    const { n1, n2 } = trio();
    n1.lead(1);
    n2.follow(1);
    n1.store([entry(1, 1)]);
    n2.write([entry(1, 1)]);
    expect(violation(() => n1.commitTo(1))).toMatchObject({
      invariant: "commit-durable",
      member: 1,
      index: 1,
    });
  });

  it("does not count learners, and asks both halves of a joint configuration", () => {
    for (const configuration of [
      { ...none, voters: [1, 3], learners: [2] },
      { ...none, voters: [1, 2], votersOutgoing: [1, 3] },
    ]) {
      const { n1, n2 } = trio();
      n1.configuration = configuration;
      n1.lead(1);
      n2.follow(1);
      n1.store([entry(1, 1)]);
      n2.store([entry(1, 1)]);
      expect(violation(() => n1.commitTo(1))).toMatchObject({ invariant: "commit-durable", index: 1 });
    }
  });

  it("may have been counted before a change that was applied in the same step", () => {
    const { n1 } = trio();
    n1.configuration = { ...none, voters: [1] };
    n1.lead(1);
    n1.store([entry(1, 1)]);
    n1.configuration = { ...none, voters: [1, 2] };
    n1.commitTo(1);
  });

  it("may count a member that was removed and wiped, until its removal is applied", () => {
    for (const removed of [true, false]) {
      const { observer, n1, n2, n3 } = trio();
      n1.lead(1);
      n2.follow(1);
      n3.follow(1);
      const change = [entry(1, 1)];
      for (const member of [n1, n2, n3]) member.store(change, { term: 1, vote: 1, commit: 0 });
      n1.commitTo(1);
      if (removed) observer.configurationApplied(1, 1, { ...none, voters: [1, 2] });
      // n2 leads next, and has not applied what n1 committed.
      n2.lead(2);
      n3.follow(2);
      const next = [entry(2, 2)];
      n2.store(next, { term: 2, vote: 2, commit: 0 });
      n3.store(next, { term: 2, vote: 2, commit: 0 });
      observer.wiped(3);
      if (removed) n2.commitTo(2);
      else expect(violation(() => n2.commitTo(2))).toMatchObject({ invariant: "commit-durable", member: 2 });
    }
  });

  it("is not reached by counting entries of an older term", () => {
    const { n1, n2 } = trio();
    n1.term = 1;
    n2.follow(1);
    n1.store([entry(1, 1)]);
    n2.store([entry(1, 1)]);
    n1.lead(2);
    expect(violation(() => n1.commitTo(1))).toMatchObject({
      invariant: "commit-own-term",
      term: 2,
      index: 1,
    });
  });

  it("is first moved by a leader", () => {
    const { n2 } = committed();
    n2.store([entry(3, 1)]);
    expect(violation(() => n2.commitTo(3))).toMatchObject({
      invariant: "commit-durable",
      member: 2,
      index: 3,
    });
  });

  it("is the same entry everywhere, and within the log", () => {
    const { n3 } = committed();
    expect(violation(() => n3.commitTo(2))).toMatchObject({ invariant: "state-machine-safety", member: 3 });
    n3.commit = 0;
    n3.follow(2);
    n3.store([entry(1, 1), entry(2, 2)]);
    expect(violation(() => n3.commitTo(2))).toMatchObject({ invariant: "state-machine-safety", index: 2 });
  });

  it("stands behind every write that is acknowledged to a client", () => {
    const { observer } = committed();
    observer.acknowledged(1, 2, 1);
    expect(violation(() => observer.acknowledged(1, 3, 1))).toMatchObject({
      invariant: "acknowledged-committed",
    });
    expect(violation(() => observer.acknowledged(1, 2, 2))).toMatchObject({
      invariant: "acknowledged-committed",
    });
  });
});

describe("followers and progress", () => {
  it("acknowledge only what their disk holds", () => {
    const { observer, n2 } = trio();
    n2.follow(1);
    const append = n2.write([entry(1, 1)]);
    expect(violation(() => observer.sent(accept(2, 1, 1, 1)))).toMatchObject({
      invariant: "acknowledge-durable",
      member: 2,
      index: 1,
    });
    observer.persisted(2, append);
    observer.sent(accept(2, 1, 1, 1));
  });

  it("may have acknowledged an entry that a later leader has removed since", () => {
    const { observer, n2 } = trio();
    n2.follow(2);
    n2.store([entry(1, 1), entry(2, 1)], { term: 1, vote: 0, commit: 0 });
    n2.store([entry(1, 2)], { term: 2, vote: 0, commit: 0 });
    observer.sent(accept(2, 1, 1, 2));
  });

  it.each([
    ["progress", { match: 2, next: 3, inflight: 0 }],
    ["progress", { match: 1, next: 1, inflight: 0 }],
    ["inflight-limit", { match: 0, next: 3, inflight: 3 }],
  ])("are looked at now and then: %s %o", (invariant, claim) => {
    const { n1, n3 } = committed();
    n3.store([entry(1, 1)]);
    const rest = { member: 3, recentActive: true, paused: false } as const;
    n1.progress = [{ state: "replicate", ...rest, match: 1, next: 2, inflight: 2 }];
    for (let i = 0; i < 64; i++) n1.ready({});
    n1.progress = [{ state: "replicate", ...rest, ...claim }];
    const seen = violation(() => {
      for (let i = 0; i < 64; i++) n1.ready({});
    });
    expect(seen).toMatchObject({ invariant, member: 1 });
  });
});

describe("applying", () => {
  it("goes in order, up to the commit, and gives the committed entries", () => {
    const { n1, n2 } = committed();
    expect(violation(() => n1.ready({ committed: [entry(2, 1)] }))).toMatchObject({
      invariant: "applied-committed",
    });
    n1.ready({ committed: [entry(1, 1), entry(2, 1)] });
    expect(violation(() => n1.ready({ committed: [entry(3, 1)] }))).toMatchObject({
      invariant: "applied-committed",
      index: 3,
    });
    n2.commitTo(2);
    expect(violation(() => n2.ready({ committed: [entry(1, 1, 9)] }))).toMatchObject({
      invariant: "state-machine-safety",
      member: 2,
    });
  });

  it("happens once, and only of what was handed out", () => {
    const { observer, n1 } = committed();
    n1.ready({ committed: [entry(1, 1)] });
    observer.applied(1, 1, undefined);
    expect(violation(() => observer.applied(1, 1, undefined))).toMatchObject({
      invariant: "applied-committed",
    });
    expect(violation(() => observer.applied(1, 2, undefined))).toMatchObject({
      invariant: "applied-committed",
    });
  });

  it("leads to equal states, also by a snapshot and after a restart", () => {
    const { observer, n1, n2 } = committed();
    n1.ready({ committed: [entry(1, 1), entry(2, 1)] });
    observer.applied(1, 1, 10);
    observer.applied(1, 2, 20);
    observer.restored(3, 2, 20);
    expect(violation(() => observer.restored(3, 2, 21))).toMatchObject({
      invariant: "equal-state",
      member: 3,
    });
    const start = { hard: { term: 1, vote: 1, commit: 2 }, storage: stored([entry(1, 1), entry(2, 1)]) };
    n2.start({ ...start, applied: 2, stateHash: 20 });
    expect(violation(() => n2.start({ ...start, applied: 1, stateHash: 20 }))).toMatchObject({
      invariant: "equal-state",
      member: 2,
      index: 1,
    });
  });

  it("restores only snapshots of what was committed", () => {
    const { n3 } = committed();
    const snapshot = (index: Index, term: Term): Append => ({
      entries: [],
      snapshot: { meta: { index, term, configuration: three }, data: 0 },
      mustSync: true,
      afterSync: [],
      ack: { term: 1, lastIndex: 0, lastTerm: 0, snapshotIndex: index },
    });
    for (const [index, term] of [
      [3, 1],
      [2, 2],
    ] as const)
      expect(violation(() => n3.ready({ append: snapshot(index, term) }))).toMatchObject({
        invariant: "state-machine-safety",
        index,
      });
    n3.commit = 2;
    n3.ready({ append: snapshot(2, 1) });
  });
});

describe("configurations", () => {
  it("are equal at equal index", () => {
    const { observer } = trio();
    observer.configurationApplied(1, 4, { ...none, voters: [1, 2] });
    observer.configurationApplied(2, 4, { ...none, voters: [1, 2] });
    const other = () => observer.configurationApplied(3, 4, { ...none, voters: [1, 3] });
    expect(violation(other)).toMatchObject({ invariant: "equal-configuration", member: 3, index: 4 });
  });

  it("follow each other with quorums that intersect", () => {
    const { observer } = trio();
    const change = (index: Index, voters: MemberId[], votersOutgoing: MemberId[] = []) =>
      observer.configurationApplied(1, index, { ...none, voters, votersOutgoing });
    change(1, [1, 2, 3]);
    change(2, [1, 2, 3, 4]);
    change(3, [4, 5, 6], [1, 2, 3, 4]);
    change(4, [4, 5, 6]);
    expect(violation(() => change(5, [1, 2, 4]))).toMatchObject({ invariant: "quorums-intersect", index: 5 });
  });
});

describe("reads", () => {
  it("see what was committed before they were asked", () => {
    const { observer, n3 } = committed();
    observer.readRequested(3, 7);
    observer.readRequested(3, 8);
    n3.ready({ readStates: [{ context: 7, index: 2 }] });
    const stale = () => n3.ready({ readStates: [{ context: 8, index: 1 }] });
    expect(violation(stale)).toMatchObject({ invariant: "read-linearizable", member: 3, index: 1 });
  });

  it("need not see what is committed later", () => {
    const { observer, n1, n2 } = committed();
    observer.readRequested(1, 7);
    n1.store([entry(3, 1)]);
    n2.store([entry(3, 1)]);
    n1.commitTo(3);
    n1.ready({ readStates: [{ context: 7, index: 2 }] });
  });
});

describe("a violation", () => {
  it("names who, what and where in plain words", () => {
    const { n1 } = trio();
    n1.lead(1);
    n1.store([entry(1, 1)]);
    expect(() => n1.commitTo(1)).toThrow(
      "commit-durable: n1 commits index 1 in term 1, which is durable on n1, while its configuration is {1 2 3}",
    );
  });
});
