/**
 * How a change turns one configuration into the next: pure, and the same on every member, since each applies the same
 * entries in the same order (dissertation, chapter 4; etcd-io/raft, package confchange).
 *
 * Invariants: voters and learners are disjoint; learnersNext is a subset of votersOutgoing; a learner is in no half of
 * the voters; when not joint, votersOutgoing and learnersNext are empty and autoLeave is false.
 */
import type { ConfigChange, Configuration, MemberId } from "./message.ts";

export type ChangeResult =
  | { readonly ok: true; readonly configuration: Configuration }
  | { readonly ok: false; readonly reason: string };

export const emptyConfiguration: Configuration = {
  voters: [],
  votersOutgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
};

/** Two majorities decide while the outgoing voters have a say. */
export function isJoint(configuration: Configuration): boolean {
  return configuration.votersOutgoing.length > 0;
}

/** Does the member's vote count, in either half? */
export function isVoter(configuration: Configuration, member: MemberId): boolean {
  return configuration.voters.includes(member) || configuration.votersOutgoing.includes(member);
}

/** An empty change leaves the joint configuration; it means nothing otherwise. */
export function leavesJoint(change: ConfigChange): boolean {
  return change.changes.length === 0;
}

/** Do the invariants hold, and is there somebody to vote? */
export function makesSense(configuration: Configuration): boolean {
  const { voters, votersOutgoing, learners, learnersNext, autoLeave } = configuration;
  const ascending = (members: readonly MemberId[]) => members.every((id, i) => id > (members[i - 1] ?? 0));
  return (
    voters.length > 0 &&
    [voters, votersOutgoing, learners, learnersNext].every(ascending) &&
    !learners.some((member) => isVoter(configuration, member)) &&
    learnersNext.every((member) => votersOutgoing.includes(member) && !voters.includes(member)) &&
    (votersOutgoing.length > 0 || !autoLeave)
  );
}

/**
 * The configuration after `change`. A change that makes no sense in `configuration` is refused as a whole; no change
 * ever leaves the cluster without a voter.
 */
export function changeConfiguration(configuration: Configuration, change: ConfigChange): ChangeResult {
  if (leavesJoint(change)) return leaveJoint(configuration);
  if (isJoint(configuration)) return refused("a joint configuration must be left first");
  // Whoever does not know the cluster must not take the first newcomer, itself perhaps, for the whole of it.
  if (configuration.voters.length === 0) return refused("the configuration to change is not known");
  const joint = change.transition !== "auto" || change.changes.length > 1;

  const voters = new Set(configuration.voters);
  const outgoing = new Set(joint ? configuration.voters : []);
  const learners = new Set(configuration.learners);
  const learnersNext = new Set<MemberId>();
  for (const { type, member } of change.changes) {
    if (!Number.isSafeInteger(member) || member <= 0) return refused(`${member} is not a member id`);
    voters.delete(member);
    learners.delete(member);
    learnersNext.delete(member);
    if (type === "add-voter") voters.add(member);
    // A voter of the outgoing half keeps its vote until the joint configuration is left: only then may it listen.
    else if (type === "add-learner") (outgoing.has(member) ? learnersNext : learners).add(member);
  }
  if (voters.size === 0) return refused("no voter would be left");
  return {
    ok: true,
    configuration: {
      voters: sorted(voters),
      votersOutgoing: sorted(outgoing),
      learners: sorted(learners),
      learnersNext: sorted(learnersNext),
      autoLeave: joint && change.transition !== "explicit",
    },
  };
}

function leaveJoint(configuration: Configuration): ChangeResult {
  if (!isJoint(configuration)) return refused("there is no joint configuration to leave");
  return {
    ok: true,
    configuration: {
      voters: configuration.voters,
      votersOutgoing: [],
      learners: sorted(new Set([...configuration.learners, ...configuration.learnersNext])),
      learnersNext: [],
      autoLeave: false,
    },
  };
}

function refused(reason: string): ChangeResult {
  return { ok: false, reason };
}

function sorted(members: ReadonlySet<MemberId>): readonly MemberId[] {
  return [...members].sort((a, b) => a - b);
}
