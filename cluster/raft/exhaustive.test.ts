import { describe, expect, it } from "vitest";
import { type Action, describeAction, explore, type Scope } from "./exhaustive.ts";

const tiny: Scope = {
  members: 3,
  bug: "",
  preVote: false,
  prefix: [],
  maxTerm: 1,
  maxProposals: 0,
  maxReads: 0,
  maxCrashes: 0,
  maxDuplicates: 0,
  maxInFlight: 4,
  slowDisks: false,
  maxDepth: 100,
  maxStates: 20_000,
};

/** n1 leads term 1; its first entry is on its own disk only, and it is down and up again. */
const deposed: readonly Action[] = [
  { kind: "campaign", member: 1 },
  { kind: "deliver", message: "vote n1>n2 t1 last 0t0" },
  { kind: "deliver", message: "vote-response n2>n1 t1 granted" },
  { kind: "crash", member: 1 },
];

describe("every schedule of a tiny cluster", () => {
  it.each<[name: string, scope: Partial<Scope>]>([
    ["one election", {}],
    ["one election over slow disks", { slowDisks: true, maxInFlight: 1 }],
    ["a proposal and a crash", { maxProposals: 1, maxCrashes: 1, maxInFlight: 2 }],
    ["a read, and a message that arrives twice", { maxReads: 1, maxDuplicates: 1, maxInFlight: 2 }],
  ])("keeps every invariant: %s", (_name, scope) => {
    const { complete, violation, states } = explore({ ...tiny, ...scope });
    expect(violation).toBeUndefined();
    expect(complete).toBe(true);
    expect(states).toBeGreaterThan(10);
  });

  it("finds the shortest way to two votes in one term", () => {
    const { violation } = explore({ ...tiny, bug: "vote-twice" });
    expect(violation?.actions.map(describeAction)).toEqual([
      "campaign n1",
      "campaign n2",
      "deliver vote n1>n2 t1 last 0t0",
    ]);
    expect(violation?.violation).toMatchObject({ invariant: "monotone-state", member: 2, term: 1 });
  });

  it("finds the shortest way to a vote for a log that lacks entries", () => {
    const { violation } = explore({ ...tiny, bug: "stale-log-vote", maxTerm: 2, maxInFlight: 6 });
    expect(violation?.actions).toHaveLength(5);
    expect(violation?.violation).toMatchObject({ invariant: "vote-up-to-date", member: 1, index: 1 });
  });

  it("finds the shortest way to a commit without a quorum", () => {
    const { violation } = explore({ ...tiny, bug: "quorum-half" });
    expect(violation?.actions.map(describeAction)).toEqual(["campaign n1"]);
    expect(violation?.violation).toMatchObject({ invariant: "commit-durable", member: 1, index: 1 });
  });

  it("finds the shortest way to a commit of an old term's entry by counting", () => {
    const scope: Scope = { ...tiny, prefix: deposed, maxTerm: 2, maxInFlight: 6, maxCrashes: 1 };
    const { violation } = explore({ ...scope, bug: "commit-old-term" });
    expect(violation?.actions).toHaveLength(deposed.length + 7);
    expect(violation?.violation).toMatchObject({ invariant: "commit-own-term", term: 2, index: 1 });
  });

  it("stops at the bounds it was given, and says that it did", () => {
    expect(explore({ ...tiny, maxStates: 50 })).toMatchObject({ states: 50, complete: false });
    expect(explore({ ...tiny, maxDepth: 3 })).toMatchObject({ depth: 3, complete: false });
  });
});
