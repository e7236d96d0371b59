import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { build, heal, type Setup, takeStep } from "./schedule.ts";

const setup: fc.Arbitrary<Omit<Setup, "bug">> = fc.record({
  voters: fc.constantFrom(1, 3, 3, 4, 5),
  spares: fc.nat({ max: 2 }),
  preVote: fc.boolean(),
  checkQuorum: fc.boolean(),
  maxEntriesPerMessage: fc.constantFrom(0, 1, 2),
  maxInflightMessages: fc.constantFrom(1, 2, 8),
  seed: fc.integer(),
});

const steps = fc.array(fc.maxSafeNat(), { minLength: 250, maxLength: 400, size: "max" });

/** Throws at the first broken invariant; afterwards the cluster is healed, and what does not recover throws as well. */
function live(chosen: Omit<Setup, "bug">, numbers: readonly number[], bug: string): void {
  const cluster = build({ ...chosen, bug });
  for (const number of numbers) takeStep(cluster, number);
  const missing = heal(cluster);
  if (missing !== undefined) throw new Error(missing);
}

describe("a cluster under random schedules", () => {
  it("keeps every invariant, and recovers once it is healed", () => {
    fc.assert(
      fc.property(setup, steps, (chosen, numbers) => live(chosen, numbers, "")),
      { seed: 1, numRuns: 400 },
    );
  });

  it("gets work done: commits, restarts and snapshots are not rare", () => {
    let commits = 0;
    let snapshots = 0;
    fc.assert(
      fc.property(setup, steps, (chosen, numbers) => {
        const cluster = build({ ...chosen, bug: "" });
        for (const number of numbers) takeStep(cluster, number);
        commits += cluster.invariants.commit;
        for (const { storage } of cluster.members) if (storage.firstIndex > 1) snapshots++;
      }),
      { seed: 2, numRuns: 100 },
    );
    expect(commits).toBeGreaterThan(300);
    expect(snapshots).toBeGreaterThan(30);
  });
});

describe("a long life", () => {
  it("may be compacted again and again: the observer forgets the past, and goes on", () => {
    const cluster = build({
      voters: 3,
      spares: 0,
      preVote: true,
      checkQuorum: true,
      maxEntriesPerMessage: 0,
      maxInflightMessages: 8,
      seed: 4,
      bug: "",
    });
    for (let round = 0; round < 3000; round++) {
      expect(heal(cluster)).toBeUndefined();
      if (round % 100 !== 99) continue;
      for (const member of cluster.members) cluster.compact(member);
      cluster.crash(cluster.members[round % 3]!, 0);
    }
    expect(cluster.invariants.commit).toBeGreaterThan(3000);
  });
});

/** Each is found within the given number of schedules, most of them within a few. */
const found: readonly [bug: string, runs: number, what: RegExp][] = [
  ["vote-twice", 100, /one-vote-per-term|monotone-state/],
  ["stale-log-vote", 100, /vote-up-to-date/],
  ["quorum-half", 100, /commit-durable|election-safety|leader-completeness/],
  ["commit-old-term", 200, /commit-own-term/],
  ["optimistic-match", 100, /commit-durable|progress/],
  ["truncate-always", 200, /./],
  ["no-previous-term-check", 100, /log-matching|log-terms-monotone/],
  ["read-without-quorum", 100, /read-linearizable/],
  ["read-before-own-commit", 300, /read-linearizable/],
  ["heartbeat-commit-unchecked", 100, /state-machine-safety/],
];

describe("a planted bug under random schedules", () => {
  it.each(found)("%s is found", (bug, runs, what) => {
    const details = fc.check(
      fc.property(setup, steps, (chosen, numbers) => live(chosen, numbers, bug)),
      { seed: 3, numRuns: runs, endOnFailure: true },
    );
    expect(details.failed).toBe(true);
    expect(String(details.errorInstance)).toMatch(what);
  });
});
