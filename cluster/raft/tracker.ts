/** The members under the configuration in force: what is known of each, and what their quorums agree on. */
import { emptyConfiguration, isVoter } from "./configuration.ts";
import type { Configuration, Index, MemberId } from "./message.ts";
import { Progress } from "./progress.ts";
import { agreedIndex, jointVoteResult, quorumSize, type VoteResult, voteResult } from "./quorum.ts";

export class Tracker {
  readonly #maxInflight: number;
  readonly #bug: string;
  readonly #scratch: number[] = [];
  #voters: readonly Progress[] = [];
  #outgoing: readonly Progress[] = [];
  #needed = 0;
  #outgoingNeeded = 0;
  configuration: Configuration = emptyConfiguration;
  /** Voters of either half and learners, by ascending id; this member is among them if it belongs to the cluster. */
  members: readonly Progress[] = [];

  /** `bug`: name of a planted bug, or "". */
  constructor(maxInflight: number, bug: string) {
    this.#maxInflight = maxInflight;
    this.#bug = bug;
  }

  /** Puts a configuration in force. Members that stay keep their progress; new ones are probed from `next`. */
  setConfiguration(configuration: Configuration, next: Index): void {
    const ids = [
      ...new Set([...configuration.voters, ...configuration.votersOutgoing, ...configuration.learners]),
    ].sort((a, b) => a - b);
    const members: Progress[] = [];
    for (const id of ids) {
      const learner = !isVoter(configuration, id);
      let progress = this.get(id);
      if (progress === undefined) {
        progress = new Progress(id, next, learner, this.#maxInflight);
        // A newcomer gets the time until the next check of the quorum to make itself heard.
        progress.recentActive = true;
      }
      progress.learner = learner;
      members.push(progress);
    }
    this.configuration = configuration;
    this.members = members;
    const { voters, learners } = configuration;
    const counted = this.#bug === "learners-count" ? [...voters, ...learners] : voters;
    this.#voters = counted.map((id) => this.get(id)!);
    this.#outgoing = configuration.votersOutgoing.map((id) => this.get(id)!);
    const half = this.#bug === "quorum-half";
    this.#needed = quorumSize(this.#voters.length, half);
    this.#outgoingNeeded = quorumSize(this.#outgoing.length, half);
  }

  get(member: MemberId): Progress | undefined {
    const members = this.members;
    for (let i = 0; i < members.length; i++) if (members[i]!.member === member) return members[i];
    return undefined;
  }

  /** The highest index that a quorum has made durable; beyond every log if there are no voters. */
  agreedMatch(): Index {
    const scratch = this.#scratch;
    const voters = this.#voters;
    for (let i = 0; i < voters.length; i++) scratch[i] = voters[i]!.match;
    const incoming = agreedIndex(scratch, voters.length, this.#needed);
    const outgoing = this.#outgoing;
    if (outgoing.length === 0) return incoming;
    for (let i = 0; i < outgoing.length; i++) scratch[i] = outgoing[i]!.match;
    return Math.min(incoming, agreedIndex(scratch, outgoing.length, this.#outgoingNeeded));
  }

  /** The highest position of a read batch that a quorum has acknowledged. */
  agreedReadPosition(): number {
    const scratch = this.#scratch;
    const voters = this.#voters;
    for (let i = 0; i < voters.length; i++) scratch[i] = voters[i]!.readPosition;
    const incoming = agreedIndex(scratch, voters.length, this.#needed);
    const outgoing = this.#outgoing;
    if (outgoing.length === 0) return incoming;
    for (let i = 0; i < outgoing.length; i++) scratch[i] = outgoing[i]!.readPosition;
    return Math.min(incoming, agreedIndex(scratch, outgoing.length, this.#outgoingNeeded));
  }

  /** Has a quorum been heard of lately? A member counts as having heard itself. */
  quorumActive(self: MemberId): boolean {
    const active = (progress: Progress) => progress.member === self || progress.recentActive;
    return this.#poll(active, (progress) => !active(progress)) === "won";
  }

  resetVotes(): void {
    for (const progress of this.members) progress.vote = undefined;
  }

  /** Only the first answer of a member counts. */
  recordVote(member: MemberId, granted: boolean): void {
    const progress = this.get(member);
    if (progress !== undefined) progress.vote ??= granted ? "granted" : "refused";
  }

  voteResult(): VoteResult {
    return this.#poll(
      (progress) => progress.vote === "granted",
      (progress) => progress.vote === "refused",
    );
  }

  #poll(yes: (progress: Progress) => boolean, no: (progress: Progress) => boolean): VoteResult {
    const count = (half: readonly Progress[], needed: number) =>
      voteResult(half.filter(yes).length, half.filter(no).length, half.length, needed);
    return jointVoteResult(count(this.#voters, this.#needed), count(this.#outgoing, this.#outgoingNeeded));
  }
}
