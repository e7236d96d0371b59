/**
 * Random life for a stepped cluster. A schedule is a list of numbers, each of which chooses the next step among those
 * that are possible, so that every list is a schedule and a shorter list is a simpler one.
 */
import type { ConfigChange, Index, MemberId } from "./message.ts";
import { describeConfiguration } from "./quorum-overlap.ts";
import { SteppedCluster, type SteppedMember, type Tuning } from "./stepped-cluster.ts";

export interface Setup {
  readonly voters: number;
  /** Members to be added by changes of the configuration. */
  readonly spares: number;
  readonly preVote: boolean;
  readonly checkQuorum: boolean;
  /** 0 for no limit. */
  readonly maxEntriesPerMessage: number;
  readonly maxInflightMessages: number;
  /** Feeds the election timeouts. */
  readonly seed: number;
  readonly bug: string;
}

/** In ticks; short, so that random ticks bring about elections. */
const electionTicks = 4;

/** Steps by weight: messages and disks move most of the time, or nothing would ever happen. */
const weights = {
  deliver: 46,
  deliverNewest: 6,
  persist: 24,
  apply: 14,
  tick: 14,
  propose: 8,
  read: 4,
  drop: 4,
  dropAll: 1,
  deliverCopy: 3,
  restart: 3,
  crash: 2,
  compact: 2,
  change: 2,
  campaign: 1,
  transfer: 1,
  flow: 14,
  flowWithoutOne: 4,
} as const;

type Choice = keyof typeof weights;

const choices: readonly Choice[] = Object.entries(weights).flatMap(([choice, weight]) =>
  Array<Choice>(weight).fill(choice as Choice),
);

export function build(setup: Setup): SteppedCluster {
  let state = setup.seed | 0;
  const random = (bound: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >>> 8) % bound;
  };
  const tuning: Tuning = {
    electionTicks,
    heartbeatTicks: 1,
    preVote: setup.preVote,
    checkQuorum: setup.checkQuorum,
    readMode: "safe",
    maxBytesPerMessage: 1 << 20,
    maxEntriesPerMessage: setup.maxEntriesPerMessage,
    maxInflightMessages: setup.maxInflightMessages,
    maxUncommittedBytes: 1 << 20,
    maxCommittedBytesPerReady: 40,
    stepDownOnRemoval: true,
    disableProposalForwarding: false,
    bug: setup.bug,
  };
  const ids = Array.from({ length: setup.voters + setup.spares }, (_, position) => position + 1);
  return new SteppedCluster({
    ...tuning,
    voters: ids.slice(0, setup.voters),
    spares: ids.slice(setup.voters),
    random,
    applyAtOnce: false,
  });
}

/** Takes the step that a number stands for; if it is not possible now, none. */
export function takeStep(cluster: SteppedCluster, number: number): void {
  const choice = choices[number % choices.length]!;
  let rest = Math.floor(number / choices.length);
  const draw = (bound: number): number => {
    const drawn = rest % bound;
    rest = Math.floor(rest / bound);
    return drawn;
  };
  const pick = (fits: (member: SteppedMember) => boolean): SteppedMember | undefined => {
    const fitting = cluster.members.filter(fits);
    return fitting.length === 0 ? undefined : fitting[draw(fitting.length)];
  };
  const up = (member: SteppedMember) => member.core !== undefined;
  const { network } = cluster;
  switch (choice) {
    case "deliver":
      // Older ones first, more often than not.
      if (network.length > 0) cluster.deliver(Math.min(draw(network.length), draw(network.length)));
      return;
    case "deliverNewest":
      if (network.length > 0) cluster.deliver(network.length - 1);
      return;
    case "flow":
      flow(cluster, 1 + draw(20));
      return;
    case "flowWithoutOne": {
      // A leader more often than not: what the others do behind its back is where it goes wrong.
      const leader = draw(3) > 0 ? pick((each) => each.core?.role === "leader") : undefined;
      flowWithout(cluster, leader?.id ?? drawMember(cluster, draw), 5 + draw(40));
      return;
    }
    case "deliverCopy":
      if (network.length > 0) cluster.deliverCopy(draw(network.length));
      return;
    case "drop":
      if (network.length > 0) cluster.drop(draw(network.length));
      return;
    case "dropAll": {
      const victim = pick(() => true);
      for (let i = network.length - 1; i >= 0; i--)
        if (network[i]?.from === victim?.id || network[i]?.to === victim?.id) cluster.drop(i);
      return;
    }
    case "persist": {
      const member = pick((each) => up(each) && each.pending.length > 0);
      if (member !== undefined) cluster.persist(member);
      return;
    }
    case "apply": {
      const member = pick((each) => up(each) && each.unapplied.length > 0);
      if (member !== undefined) cluster.apply(member);
      return;
    }
    case "tick": {
      const member = pick(up);
      if (member !== undefined) cluster.tick(member);
      return;
    }
    case "propose": {
      const member = pick((each) => each.core?.role === "leader") ?? pick(up);
      if (member !== undefined) cluster.propose(member, Uint8Array.of(draw(256)));
      return;
    }
    case "read": {
      const member = (draw(2) > 0 ? pick((each) => each.core?.role === "leader") : undefined) ?? pick(up);
      if (member !== undefined) cluster.read(member);
      return;
    }
    case "restart": {
      const member = pick((each) => !up(each));
      if (member !== undefined) cluster.start(member);
      return;
    }
    case "crash": {
      const member = pick(up);
      if (member !== undefined) cluster.crash(member, draw(member.pending.length + 1));
      return;
    }
    case "compact": {
      const member = pick(up);
      if (member !== undefined) cluster.compact(member);
      return;
    }
    case "change": {
      const member = pick((each) => each.core?.role === "leader");
      if (member !== undefined) cluster.proposeChange(member, drawChange(cluster, draw));
      return;
    }
    case "campaign": {
      const member = pick(up);
      if (member !== undefined) cluster.campaign(member);
      return;
    }
    case "transfer": {
      const member = pick((each) => each.core?.role === "leader");
      if (member !== undefined) cluster.transfer(member, drawMember(cluster, draw));
      return;
    }
  }
}

/** A healthy moment: what is under way arrives in order, and disks and state machines keep up. */
function flow(cluster: SteppedCluster, messages: number): void {
  for (let i = 0; i < messages; i++) {
    for (const member of cluster.members) {
      while (member.pending.length > 0) cluster.persist(member);
      while (member.unapplied.length > 0) cluster.apply(member);
    }
    if (cluster.network.length > 0) cluster.deliver(0);
  }
}

/** A healthy moment for all but one, which is cut off; time goes by, so that the others may elect a leader. */
function flowWithout(cluster: SteppedCluster, lonely: MemberId, moments: number): void {
  const { network } = cluster;
  for (let moment = 0; moment < moments; moment++) {
    for (const member of cluster.members) {
      if (member.core === undefined || member.id === lonely) continue;
      if (moment % 4 === 0) cluster.tick(member);
      while (member.pending.length > 0) cluster.persist(member);
      while (member.unapplied.length > 0) cluster.apply(member);
    }
    for (let i = network.length - 1; i >= 0; i--)
      if (network[i]?.from === lonely || network[i]?.to === lonely) cluster.drop(i);
    if (network.length > 0) cluster.deliver(0);
  }
}

function drawMember(cluster: SteppedCluster, draw: (bound: number) => number): MemberId {
  return cluster.members[draw(cluster.members.length)]!.id;
}

/** One change, or several at once; now and then an empty one, which leaves a joint configuration. */
function drawChange(cluster: SteppedCluster, draw: (bound: number) => number): ConfigChange {
  const types = ["add-voter", "add-learner", "remove"] as const;
  const transitions = ["auto", "auto", "implicit", "explicit"] as const;
  const count = [1, 1, 2, 3, 0][draw(5)]!;
  return {
    changes: Array.from({ length: count }, () => ({
      type: types[draw(types.length)]!,
      member: drawMember(cluster, draw),
    })),
    transition: transitions[draw(transitions.length)]!,
  };
}

/** More than it takes, split votes included. */
const healingTicks = 40 * electionTicks;

/**
 * Everything is repaired: all members run, nothing is lost or late any more. Then a leader must emerge and a proposal
 * must reach the state machine of every member of the configuration, in bounded time. Says what did not happen, or
 * undefined.
 */
export function heal(cluster: SteppedCluster): string | undefined {
  for (const member of cluster.members) if (member.core === undefined) cluster.start(member);
  settle(cluster);
  let proposed: Index | undefined;
  for (let tick = 0; tick < healingTicks; tick++) {
    runMembersOnly(cluster);
    const leader = newestLeader(cluster);
    if (leader !== undefined && proposed === undefined) {
      const result = cluster.propose(leader, Uint8Array.of(tick));
      if (result.outcome === "accepted") proposed = result.index;
    }
    for (const member of cluster.members) if (member.core !== undefined) cluster.tick(member);
    settle(cluster);
    if (proposed !== undefined && cluster.invariants.commit >= proposed && allApplied(cluster))
      return undefined;
    // The leader that took it was deposed, and the proposal with it.
    if (proposed !== undefined && newestLeader(cluster) !== leader) proposed = undefined;
  }
  const leader = newestLeader(cluster);
  // Whoever has not heard that a change was committed counts by the old configuration, and may need the vote of a
  // former voter with a longer log, who refuses. It is the price of changes that come into force when applied.
  if (leader === undefined) return configurationsDiffer(cluster) ? undefined : "no leader emerged";
  if (proposed === undefined) return `leader n${leader.id} takes no proposal`;
  return `the proposal at index ${proposed} did not reach everybody`;
}

/** Messages delivered until everything is quiet; more than a healthy cluster of this size ever needs. */
const stormLimit = 5000;

/** Disks, state machines and network do all they have to do. */
function settle(cluster: SteppedCluster): void {
  for (let delivered = 0; delivered < stormLimit; delivered++) {
    flow(cluster, 1);
    const quiet = cluster.members.every(({ pending, unapplied }) => pending.length + unapplied.length === 0);
    if (quiet && cluster.network.length === 0) return;
  }
  throw new Error(`the members never fall silent; they still exchange ${cluster.network[0]?.type}`);
}

/** The configuration that the furthest state machine has seen. */
function newestConfiguration(cluster: SteppedCluster): readonly MemberId[] {
  let furthest: SteppedMember | undefined;
  for (const member of cluster.members)
    if (member.core !== undefined && (furthest === undefined || member.applied > furthest.applied))
      furthest = member;
  const configuration = furthest!.core!.configuration;
  return [...configuration.voters, ...configuration.votersOutgoing, ...configuration.learners];
}

/**
 * Whoever was removed is switched off, as an operator would: it could not win, but it could disturb. And whoever
 * was added is switched on.
 */
function runMembersOnly(cluster: SteppedCluster): void {
  const configuration = newestConfiguration(cluster);
  for (const member of cluster.members) {
    const belongs = configuration.includes(member.id);
    if (member.core !== undefined && !belongs) cluster.crash(member, 0);
    else if (member.core === undefined && belongs) cluster.start(member);
  }
}

function configurationsDiffer(cluster: SteppedCluster): boolean {
  const seen = new Set<string>();
  for (const { core } of cluster.members)
    if (core !== undefined) seen.add(describeConfiguration(core.configuration));
  return seen.size > 1;
}

function newestLeader(cluster: SteppedCluster): SteppedMember | undefined {
  let newest: SteppedMember | undefined;
  for (const member of cluster.members)
    if (member.core?.role === "leader" && (newest?.core === undefined || member.core.term > newest.core.term))
      newest = member;
  return newest;
}

function allApplied(cluster: SteppedCluster): boolean {
  const configuration = newestConfiguration(cluster);
  return cluster.members.every(
    (member) => !configuration.includes(member.id) || member.applied >= cluster.invariants.commit,
  );
}
