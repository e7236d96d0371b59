/**
 * Every schedule of a tiny cluster, up to bounds: breadth-first, so that the first broken invariant is reached by as
 * few steps as can be. Clocks play no part, a timeout may happen at any time.
 *
 * Cores can neither be copied nor rewound, so that a state is kept as the steps that led to it and is visited by taking
 * them again. Two states that look alike are explored once. What a core hides (whose answers it has counted) is made
 * visible by remembering the answers that reached it in its present term.
 *
 * A message that is not delivered within the bounds was lost as far as anybody can tell, so there is no step for it.
 */
import type { Entry, MemberId, Message } from "./message.ts";
import { describeConfiguration } from "./quorum-overlap.ts";
import { SteppedCluster, type SteppedMember } from "./stepped-cluster.ts";
import { Violation } from "./violation.ts";

export type Action =
  | { readonly kind: "campaign" | "propose" | "read" | "persist" | "crash"; readonly member: MemberId }
  | { readonly kind: "deliver" | "duplicate"; readonly message: string };

export interface Scope {
  readonly members: number;
  readonly bug: string;
  readonly preVote: boolean;
  /** Taken first, in this order; the exploration begins behind them. Their campaigns, proposals and so on count. */
  readonly prefix: readonly Action[];
  /** No member campaigns that has reached this term. */
  readonly maxTerm: number;
  readonly maxProposals: number;
  readonly maxReads: number;
  /** A crash loses what is not on disk, and the member is up again at once. */
  readonly maxCrashes: number;
  readonly maxDuplicates: number;
  /** States with more messages under way are not looked at. */
  readonly maxInFlight: number;
  /** False: what a core hands out is on its disk at once. */
  readonly slowDisks: boolean;
  /** Steps after the prefix. */
  readonly maxDepth: number;
  readonly maxStates: number;
}

export interface Exploration {
  readonly states: number;
  /** Steps of the longest path looked at, without the prefix. */
  readonly depth: number;
  /** Every state within the bounds was visited. */
  readonly complete: boolean;
  /** The first broken invariant, and the fewest steps to it. */
  readonly violation?: { readonly violation: Violation; readonly actions: readonly Action[] };
}

/** A visited state: the step that led to it, and the one before. */
interface Visit {
  readonly parent: Visit | undefined;
  readonly action: Action | undefined;
}

export function explore(scope: Scope): Exploration {
  const root: Visit = { parent: undefined, action: undefined };
  const seen = new Set<string>();
  let frontier: Visit[] = [root];
  let states = 0;
  for (let depth = 0; depth <= scope.maxDepth; depth++) {
    const next: Visit[] = [];
    for (const visit of frontier) {
      const actions = [...scope.prefix, ...path(visit)];
      const world = new World(scope);
      try {
        for (const action of actions) world.take(action);
      } catch (error) {
        if (!(error instanceof Violation)) throw error;
        return { states, depth, complete: false, violation: { violation: error, actions } };
      }
      const key = world.key();
      if (seen.has(key)) continue;
      if (states === scope.maxStates) return { states, depth, complete: false };
      seen.add(key);
      states++;
      for (const action of world.actions()) next.push({ parent: visit, action });
    }
    if (next.length === 0) return { states, depth, complete: true };
    frontier = next;
  }
  return { states, depth: scope.maxDepth, complete: false };
}

/** A line for each step, for people. */
export function describeAction(action: Action): string {
  return "message" in action ? `${action.kind} ${action.message}` : `${action.kind} n${action.member}`;
}

function path(visit: Visit): Action[] {
  const actions: Action[] = [];
  for (let at: Visit | undefined = visit; at?.action !== undefined; at = at.parent) actions.push(at.action);
  return actions.reverse();
}

class World {
  readonly #scope: Scope;
  readonly #cluster: SteppedCluster;
  #proposals = 0;
  #reads = 0;
  #crashes = 0;
  #duplicates = 0;
  /** By member: the answers it has got in the term and role it is in. */
  readonly #answers = new Map<MemberId, { standing: string; heard: Set<string> }>();

  constructor(scope: Scope) {
    this.#scope = scope;
    this.#cluster = new SteppedCluster({
      voters: Array.from({ length: scope.members }, (_, position) => position + 1),
      spares: [],
      random: () => 0,
      applyAtOnce: true,
      electionTicks: 10,
      heartbeatTicks: 1,
      preVote: scope.preVote,
      checkQuorum: false,
      readMode: "safe",
      maxBytesPerMessage: 1 << 20,
      maxEntriesPerMessage: 1,
      maxInflightMessages: 2,
      maxUncommittedBytes: 1 << 20,
      maxCommittedBytesPerReady: 1 << 20,
      stepDownOnRemoval: false,
      disableProposalForwarding: true,
      bug: scope.bug,
    });
  }

  actions(): Action[] {
    const { maxTerm, maxProposals, maxReads, maxCrashes, maxDuplicates, maxInFlight } = this.#scope;
    const actions: Action[] = [];
    const { members, network } = this.#cluster;
    if (network.length > maxInFlight) return actions;
    // Members are alike until one of them does something: let it be the first.
    const fresh = members.every(({ core }) => core!.term === 0) && network.length === 0;
    const messages = new Set(network.map(describeMessage));
    for (const message of messages) actions.push({ kind: "deliver", message });
    for (const { id, core, pending } of members) {
      if (pending.length > 0) actions.push({ kind: "persist", member: id });
      const leads = core!.role === "leader";
      if (leads && this.#proposals < maxProposals) actions.push({ kind: "propose", member: id });
      if (leads && this.#reads < maxReads) actions.push({ kind: "read", member: id });
      if (!leads && core!.term < maxTerm && (!fresh || id === 1))
        actions.push({ kind: "campaign", member: id });
      // A member with nothing to lose loses its role, which is something as well.
      if (this.#crashes < maxCrashes && core!.term > 0) actions.push({ kind: "crash", member: id });
    }
    if (this.#duplicates < maxDuplicates)
      for (const message of messages) actions.push({ kind: "duplicate", message });
    return actions;
  }

  take(action: Action): void {
    const cluster = this.#cluster;
    switch (action.kind) {
      case "campaign":
        cluster.campaign(this.#member(action.member));
        break;
      case "propose":
        this.#proposals++;
        cluster.propose(this.#member(action.member), Uint8Array.of(this.#proposals));
        break;
      case "read":
        this.#reads++;
        cluster.read(this.#member(action.member));
        break;
      case "persist":
        this.#persist(this.#member(action.member));
        break;
      case "crash": {
        this.#crashes++;
        const member = this.#member(action.member);
        cluster.crash(member, 0);
        cluster.start(member);
        break;
      }
      case "deliver":
      case "duplicate":
        this.#deliver(action);
        break;
    }
    if (!this.#scope.slowDisks)
      for (const member of cluster.members) while (member.pending.length > 0) this.#persist(member);
    for (const { id, core } of cluster.members) {
      const standing = `${core!.role} ${core!.term}`;
      if (this.#answers.get(id)?.standing !== standing) this.#answers.set(id, { standing, heard: new Set() });
    }
  }

  /** Two states with the same key have the same future, as far as invariants can tell. */
  key(): string {
    const { members, network, invariants } = this.#cluster;
    const parts = members.map((member) => this.#memberKey(member));
    parts.push(network.map(describeMessage).sort().join(","));
    parts.push(`${invariants.commit} ${this.#proposals} ${this.#reads} ${this.#crashes} ${this.#duplicates}`);
    return parts.join("|");
  }

  #memberKey(member: SteppedMember): string {
    const { id, core, hard, storage, pending, applied } = member;
    const { role, term, vote, leader, commit, lastIndex, configuration, progress } = core!.status();
    const heard = [...(this.#answers.get(id)?.heard ?? [])].sort().join(",");
    return [
      `${role} ${term} ${vote} ${leader} ${commit} ${applied} ${lastIndex}`,
      describeConfiguration(configuration),
      progress.map(
        (each) => `${each.state} ${each.match} ${each.next} ${each.inflight} ${each.paused ? "paused" : ""}`,
      ),
      `${hard.term} ${hard.vote} ${hard.commit}`,
      describeEntries(storage.entries(1, storage.lastIndex + 1, 1 << 20)),
      pending.map(
        ({ hard: next, entries, afterSync, ack }) =>
          `${next?.term} ${next?.vote} ${next?.commit} ${describeEntries(entries)} ` +
          `${afterSync.map(describeMessage).join(",")} ${ack.term} ${ack.lastIndex}`,
      ),
      heard,
    ].join(";");
  }

  #member(id: MemberId): SteppedMember {
    return this.#cluster.members[id - 1]!;
  }

  #persist(member: SteppedMember): void {
    for (const message of member.pending[0]!.afterSync)
      if (message.to === member.id) this.#hear(message, describeMessage(message));
    this.#cluster.persist(member);
  }

  #deliver(action: Action & { readonly message: string }): void {
    const { network } = this.#cluster;
    const position = network.findIndex((message) => describeMessage(message) === action.message);
    if (position < 0) throw new Error(`there is no message ${action.message}`);
    this.#hear(network[position]!, action.message);
    if (action.kind === "deliver") {
      this.#cluster.deliver(position);
    } else {
      this.#duplicates++;
      this.#cluster.deliverCopy(position);
    }
  }

  #hear(message: Message, description: string): void {
    if (message.type.endsWith("-response")) this.#answers.get(message.to)?.heard.add(description);
  }
}

function describeEntries(entries: readonly Entry[]): string {
  return entries.map((entry) => `${entry.index}t${entry.term}:${entry.data.join("")}`).join(" ");
}

/** Everything a message says, in short: equal messages have equal descriptions. */
export function describeMessage(message: Message): string {
  const head = `${message.type} n${message.from}>n${message.to} t${message.term}`;
  switch (message.type) {
    case "append":
      return `${head} after ${message.previousIndex}t${message.previousTerm} [${describeEntries(message.entries)}] commit ${message.commit}`;
    case "append-response":
      return message.reject
        ? `${head} rejects ${message.index} hint ${message.hintIndex}t${message.hintTerm}`
        : `${head} holds ${message.index}`;
    case "heartbeat":
      return `${head} commit ${message.commit} context ${message.context}`;
    case "heartbeat-response":
      return `${head} context ${message.context}`;
    case "vote":
    case "pre-vote":
      return `${head} last ${message.lastIndex}t${message.lastTerm}`;
    case "vote-response":
    case "pre-vote-response":
      return `${head} ${message.reject ? "refused" : "granted"}`;
    default:
      return head;
  }
}
