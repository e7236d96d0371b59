/**
 * Majorities, as arithmetic on numbers. A joint quorum is the agreement of two majorities, of the incoming and of the
 * outgoing voters (dissertation, 4.3); a configuration that is not joint has an empty outgoing half, and an empty half
 * agrees to everything, so that the rule for two halves covers one.
 */
import type { Index } from "./message.ts";

export type VoteResult = "won" | "lost" | "pending";

/** Voters that make a quorum. `half` is the planted bug "quorum-half": two disjoint quorums can exist. */
export function quorumSize(voters: number, half: boolean): number {
  if (half) return Math.max(1, Math.floor(voters / 2));
  return Math.floor(voters / 2) + 1;
}

/**
 * The highest index that `needed` of the first `count` values have reached. Sorts them in place, by insertion: there
 * are seldom more than seven.
 */
export function agreedIndex(values: number[], count: number, needed: number): Index {
  if (count === 0) return Number.MAX_SAFE_INTEGER;
  for (let i = 1; i < count; i++) {
    const value = values[i]!;
    let j = i - 1;
    while (j >= 0 && values[j]! > value) {
      values[j + 1] = values[j]!;
      j--;
    }
    values[j + 1] = value;
  }
  return values[count - needed]!;
}

/** The state of a poll among `voters`, of whom some have granted, some refused, and the rest not answered. */
export function voteResult(granted: number, refused: number, voters: number, needed: number): VoteResult {
  if (voters === 0 || granted >= needed) return "won";
  return refused > voters - needed ? "lost" : "pending";
}

/** Both halves must be won; one lost half loses. */
export function jointVoteResult(incoming: VoteResult, outgoing: VoteResult): VoteResult {
  if (incoming === "lost" || outgoing === "lost") return "lost";
  return incoming === "won" && outgoing === "won" ? "won" : "pending";
}
