/** Mutations that look like bugs and break no promise. They are planted as well, so that the claim can be tried. */
import type { EquivalentMutant } from "./bug.ts";

export const equivalentMutants: readonly EquivalentMutant[] = [
  {
    name: "commit-unclamped",
    workload: "register",
    mutation:
      "a follower commits what an append says up to its own last index, not only up to the last entry sent",
    argument:
      "A refused append names the last index at which the logs may meet, by term, and the leader's own search from there ends exactly where they do: the first append that is accepted begins at the conflict and removes the rest of the follower's log. Behind the last entry sent there is then nothing that is not the leader's.",
  },
  {
    name: "stale-pre-votes-count",
    workload: "register",
    mutation: "consent to an earlier pre-vote counts for a later one",
    argument:
      "A pre-vote promises nothing: who wins one by mistake becomes a candidate too soon, and still needs a quorum of true votes.",
  },
  {
    name: "transfer-before-caught-up",
    workload: "register",
    plan: { faults: ["transfer", "transfer-cut", "pause", "partition"] },
    mutation: "the leader tells its successor to stand for election before its log is complete",
    argument:
      "Voters compare logs as in any election, and refuse a successor that lacks a committed entry. The transfer fails and the leader goes on, or another is elected.",
  },
  {
    name: "no-leader-is-fail",
    workload: "register",
    mutation: 'the client reports "no leader" as a definite failure',
    argument:
      "A member of ours says so only of requests that it has not proposed, which it forgets with the answer. Other servers may say it of a request that was proposed, hence the table's caution.",
  },
];
