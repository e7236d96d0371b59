/** Whether two configurations can decide apart: the question that joint consensus answers (dissertation, 4.1 and 4.3). */
import type { Configuration, MemberId } from "./message.ts";

/**
 * Members that form a quorum of `before` while the others hold a quorum of `after`; undefined if every two quorums
 * share a member. Takes 2^n steps for n voters in all.
 */
export function disjointQuorum(before: Configuration, after: Configuration): MemberId[] | undefined {
  const voters = [
    ...new Set([...before.voters, ...before.votersOutgoing, ...after.voters, ...after.votersOutgoing]),
  ];
  const all = (1 << voters.length) - 1;
  for (let set = 0; set <= all; set++) {
    if (isQuorum(before, voters, set) && isQuorum(after, voters, all & ~set))
      return voters.filter((_, position) => ((set >> position) & 1) === 1);
  }
  return undefined;
}

function isQuorum(configuration: Configuration, voters: readonly MemberId[], set: number): boolean {
  return (
    isMajority(configuration.voters, voters, set) && isMajority(configuration.votersOutgoing, voters, set)
  );
}

function isMajority(half: readonly MemberId[], voters: readonly MemberId[], set: number): boolean {
  let count = 0;
  for (const voter of half) count += (set >> voters.indexOf(voter)) & 1;
  return half.length === 0 || count * 2 > half.length;
}

/** For messages to people. */
export function describeConfiguration(configuration: Configuration): string {
  const { voters, votersOutgoing, learners, learnersNext } = configuration;
  let text = `{${voters.join(" ")}}`;
  if (votersOutgoing.length > 0) text += ` joint with {${votersOutgoing.join(" ")}}`;
  if (learners.length > 0) text += `, learners {${learners.join(" ")}}`;
  if (learnersNext.length > 0) text += `, to be learners {${learnersNext.join(" ")}}`;
  return text;
}
