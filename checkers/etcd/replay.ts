/**
 * Replays all changes in the order of their revisions, and holds every reply against the state at its revision.
 *
 * Revisions that nobody owns are filled with writes of unknown outcome, by a depth-first search: it goes back only if
 * something does not fit that may depend on a choice. What cannot depend on any is a violation at once.
 */
import type { Budget } from "../../src/checker.ts";
import type { Findings } from "../findings.ts";
import { Blame } from "./conflict.ts";
import { WIDE } from "./courses.ts";
import { Execution } from "./execution.ts";
import { Gaps } from "./gaps.ts";
import type { Ranks } from "./keyspace.ts";
import { Leases } from "./leases.ts";
import { type Mismatch, ORDER, Origins, show, told } from "./mismatch.ts";
import { type Deadlines, eventsOf } from "./order.ts";
import { Prospects, shows } from "./prospects.ts";
import type { EtcdRecord } from "./signature.ts";
import { type Mark, Store } from "./store.ts";
import type { Recollection, Reply, Timeline } from "./timeline.ts";

/** A revision that nobody owns, and who is taken to have made it. */
interface Choice {
  readonly revision: number;
  /** The state before it. */
  readonly mark: Mark;
  chosen: EtcdRecord | undefined;
  readonly tried: Set<EtcdRecord>;
  /** Why those that were tried do not do: earlier choices, by revision, and keys as they are before it. */
  readonly conflict: Set<number>;
  readonly blame: Blame;
}

/** Where the replay goes on: at a revision that is made already, or not yet. */
interface Place {
  readonly revision: number;
  readonly made: boolean;
}

/** Something that does not fit, but may if others are chosen: one of these, by revision. */
interface Doubt {
  readonly revision: number;
  readonly mismatch: Mismatch;
  readonly conflict: Set<number>;
}

/** How often the replay may leap before it goes back without leaving any choice out. */
const LEAPS = 1_000;

export class Replay {
  readonly #timeline: Timeline;
  readonly #findings: Findings;
  readonly #budget: Budget;
  readonly #store: Store;
  readonly #execution: Execution;
  readonly #leases: Leases;
  readonly #deadlines: Deadlines;
  /** Made when the first revision without an owner comes. */
  #gaps: Gaps | undefined;
  #prospects: Prospects | undefined;
  readonly #choices: Choice[] = [];
  /** By the revision that it is taken to have made. */
  readonly #used = new Map<EtcdRecord, number>();
  /**
   * What shows a state, by its revision: that of `first + i` is at #order[#starts[i]] up to #order[#starts[i + 1]]. The
   * position of a reply; minus one and that of a recollection.
   */
  readonly #starts: Int32Array;
  readonly #order: Int32Array;
  /** What did not fit at the revision it is at. */
  #noted: Mismatch[] = [];
  /** The revision it is at, if nobody can have made it. */
  #unfilled: Choice | undefined;
  readonly #reported = new Set<string>();
  /** The doubt that was come to last, in the order of revisions. */
  #furthest: Doubt | undefined;
  /** What comes after it is replayed for the first time, and costs nothing of the budget. */
  #reached = 0;
  /** Keys that were found not to come to what is shown of them if nobody minds at a revision. */
  readonly #minded = new Map<number, Set<number>>();
  /** How often it may still leap over choices, which is quicker mostly, but may miss a way; and whether it did. */
  #leaps = LEAPS;
  #leapt = false;
  /** The budget ran out: what was not found need not be missing. */
  #broke = false;
  /** Revisions that were filled with a write of unknown outcome. */
  get filled(): number {
    return this.#choices.length;
  }

  constructor(timeline: Timeline, deadlines: Deadlines, findings: Findings, budget: Budget) {
    this.#timeline = timeline;
    this.#deadlines = deadlines;
    this.#findings = findings;
    this.#budget = budget;
    this.#store = new Store(timeline.keyspace);
    this.#leases = new Leases(this.#store, timeline, deadlines, this.#used);
    this.#execution = new Execution(this.#store, new Origins(timeline.history), this.#leases);
    [this.#starts, this.#order] = byRevision(timeline);
  }

  /** Adds what it finds; says why it is not sure, if it is not. */
  run(): string | undefined {
    const { first, last } = this.#timeline;
    let revision = first;
    let made = true;
    while (revision <= last) {
      if (revision <= this.#reached && !this.#spend()) return this.#exhausted(revision);
      this.#reached = Math.max(this.#reached, revision);
      if (!made) this.#make(revision);
      if (this.#broke) return this.#exhausted(revision);
      if (this.#unfilled === undefined) this.#observe(revision);
      made = false;
      const doubt = this.#settle(revision);
      if (doubt === undefined) {
        revision++;
        continue;
      }
      const back = this.#goBack(doubt);
      if (back === undefined) {
        if (this.#broke) return this.#exhausted(revision);
        const { mismatch } = this.#furthest as Doubt;
        this.#report(mismatch);
        return undefined;
      }
      ({ revision, made } = back);
    }
    return undefined;
  }

  #spend(): boolean {
    this.#broke = !this.#budget.spend();
    return !this.#broke;
  }

  #exhausted(revision: number): string {
    const doubt = this.#furthest === undefined ? "" : ` (${this.#furthest.mismatch.explain()})`;
    return `the budget ran out at revision ${revision} of ${this.#timeline.last}, while writes of unknown outcome were tried for revisions that nobody owns${doubt}`;
  }

  /** Makes the change of a revision. */
  #make(revision: number): void {
    const owner = this.#timeline.writes.get(revision);
    if (owner !== undefined) {
      this.#execution.change(owner, revision);
      this.#note(this.#execution.mismatches);
      return;
    }
    if (this.#isRevocation(revision)) return;
    this.#store.reversible = true;
    const gaps = this.#openGaps();
    const choice: Choice = {
      revision,
      mark: this.#store.mark(),
      chosen: undefined,
      tried: new Set(),
      conflict: new Set(),
      blame: new Blame(gaps, this.#store),
    };
    if (this.#chooseNext(choice)) this.#choices.push(choice);
    else this.#unfilled = choice;
  }

  #openGaps(): Gaps {
    if (this.#gaps === undefined) {
      this.#gaps = new Gaps(this.#timeline, this.#deadlines);
      this.#prospects = new Prospects(this.#gaps, this.#store, this.#used);
    }
    return this.#gaps;
  }

  /** Where no outcome is unknown, the one revocation that was acknowledged with a revision has made it. */
  #isRevocation(revision: number): boolean {
    const { unknown, leases } = this.#timeline;
    const revocations = leases.get(revision)?.filter(({ f }) => f === "revoke") ?? [];
    const [only] = revocations;
    if (unknown.length > 0 || only === undefined || revocations.length > 1) return false;
    this.#execution.change(only, revision);
    if (this.#execution.changed) this.#used.set(only, revision);
    else this.#noted.push(this.#missingWrite(revision));
    return true;
  }

  /** Takes the next that fits what is known, one that may change any of the `preferred` keys if there is one. */
  #chooseNext(choice: Choice, preferred: readonly number[] = []): boolean {
    const { revision, mark, tried, conflict } = choice;
    const gaps = this.#gaps as Gaps;
    const due = this.#dueAt(choice);
    for (const record of gaps.candidates(revision, this.#store, this.#used, [...due, ...preferred])) {
      if (tried.has(record) || !due.every((rank) => gaps.touches(record, rank))) continue;
      tried.add(record);
      const user = this.#used.get(record);
      if (user !== undefined) {
        conflict.add(user);
        continue;
      }
      if (record.f === "revoke" && record.type === "info" && !this.#leases.mayEnd(record.input, revision)) {
        choice.blame.addAll();
        continue;
      }
      if (!this.#spend()) return false;
      this.#execution.change(record, revision);
      this.#used.set(record, revision);
      const reasons = this.#reasonsAgainst(choice, record);
      if (reasons === undefined) {
        choice.chosen = record;
        return true;
      }
      this.#used.delete(record);
      this.#store.rollback(mark);
      for (const ranks of reasons) choice.blame.addPresent(ranks, revision);
    }
    return false;
  }

  /** The keys that cannot come to what is shown of them unless they change at a revision. */
  #dueAt({ revision, blame, conflict }: Choice): readonly number[] {
    const due: number[] = [];
    for (const { f, input } of this.#timeline.leases.get(revision) ?? [])
      if (f === "revoke") due.push(...this.#store.attachedTo(input));
    for (const rank of this.#minded.get(revision) ?? []) {
      const users = this.#prospects?.obstacles(rank, revision);
      if (users === undefined) continue;
      for (const user of users) conflict.add(user);
      due.push(rank);
    }
    for (const rank of due) blame.addPresent({ low: rank, high: rank + 1 }, revision);
    return due;
  }

  /**
   * Undefined if what was just tried fits what is shown of its revision, and leaves a way to what is shown later. Else
   * the keys because of which it does not, as they were before it.
   */
  #reasonsAgainst(
    { revision, mark, conflict, blame }: Choice,
    record: EtcdRecord,
  ): readonly Ranks[] | undefined {
    const gaps = this.#gaps as Gaps;
    const { puts, deletes, compares } = gaps.reachOf(record);
    const because = (rank: number): readonly Ranks[] => [
      { low: rank, high: rank + 1 },
      ...(gaps.touches(record, rank) ? compares : []),
    ];
    if (this.#execution.refused) blame.addAll();
    if (!this.#execution.changed || this.#execution.refused)
      return [...puts.map((rank) => ({ low: rank, high: rank + 1 })), ...deletes, ...compares];
    for (const fact of gaps.factsOf(revision))
      if (!shows(this.#store, revision, fact)) return because(fact.rank);
    // What was acknowledged here as revoked has nothing attached.
    for (const { f, input } of this.#timeline.leases.get(revision) ?? []) {
      const [rank] = f === "revoke" ? this.#store.attachedTo(input) : [];
      if (rank !== undefined) return because(rank);
    }
    const prospects = this.#prospects as Prospects;
    const against = (users: readonly number[]) => {
      for (const user of users) if (user !== revision) conflict.add(user);
    };
    const rivals = prospects.rivals(record, revision);
    if (rivals !== undefined) {
      against(rivals);
      return [];
    }
    const concerned = new Set([...this.#store.changedSince(mark), ...puts]);
    for (const { low, high } of deletes)
      for (let rank = low; rank < Math.min(high, low + WIDE); rank++) concerned.add(rank);
    for (const rank of concerned) {
      const users = prospects.obstacles(rank, revision);
      if (users === undefined) continue;
      against(users);
      return because(rank);
    }
    return undefined;
  }

  #observe(revision: number): void {
    const { replies, recollections, first, leases } = this.#timeline;
    const from = this.#starts[revision - first] as number;
    const to = this.#starts[revision - first + 1] as number;
    for (let i = from; i < to; i++) {
      const at = this.#order[i] as number;
      if (at >= 0) this.#execution.observe((replies[at] as Reply).record, revision);
      else {
        const { record, range, answer } = recollections[-1 - at] as Recollection;
        this.#execution.recall(record, range, answer, revision);
      }
      this.#note(this.#execution.mismatches);
    }
    const onLeases = leases.get(revision);
    if (onLeases === undefined) return;
    const others = onLeases.filter((record) => !this.#used.has(record));
    this.#note(this.#leases.judge(others, revision));
  }

  #note(mismatches: readonly Mismatch[]): void {
    for (const mismatch of mismatches) this.#noted.push(mismatch);
  }

  /** Reports what cannot depend on a choice. Only if all may is there a doubt. */
  #settle(revision: number): Doubt | undefined {
    const doubts: Doubt[] = [];
    const unfilled = this.#unfilled;
    this.#unfilled = undefined;
    if (unfilled !== undefined) {
      for (const culprit of unfilled.blame.culprits(this.#choices)) unfilled.conflict.add(culprit);
      doubts.push({ revision, mismatch: this.#missingWrite(revision), conflict: unfilled.conflict });
    }
    for (const mismatch of this.#noted.splice(0))
      doubts.push({ revision, mismatch, conflict: this.#culprits(mismatch, revision) });
    if (doubts.length === 0) return undefined;
    for (const { mismatch, conflict } of doubts) if (conflict.size === 0) this.#report(mismatch);
    // Once a violation is certain, nothing is to be searched for.
    if (!this.#findings.none) return undefined;
    // The one that goes back the furthest.
    const last = ({ conflict }: Doubt) => Math.max(...conflict);
    const doubt = doubts.reduce((one, other) => (last(other) < last(one) ? other : one));
    if (this.#furthest === undefined || revision >= this.#furthest.revision) this.#furthest = doubt;
    return doubt;
  }

  #culprits({ ranks, since }: Mismatch, revision: number): Set<number> {
    if (this.#choices.length === 0) return new Set();
    const blame = new Blame(this.#openGaps(), this.#store);
    // What was seen just before a change may have been told by the very reply that does not fit.
    blame.add(ranks, revision - 1, since);
    return blame.culprits(this.#choices);
  }

  #report({ name, guarantee, by, others, explain }: Mismatch): void {
    const once = `${by.invokeIndex} ${name}`;
    if (this.#reported.has(once)) return;
    this.#reported.add(once);
    this.#findings.add(name, guarantee, eventsOf(...others, by), explain);
  }

  /** To a choice that was made differently, or is to be made again; undefined if there is none. */
  #goBack({ revision, mismatch, conflict: first }: Doubt): Place | undefined {
    const { low, high } = mismatch.suspects ?? mismatch.ranks;
    const preferred = high - low > WIDE ? [] : Array.from({ length: high - low }, (_, i) => low + i);
    const beginning = this.#choices[0] as Choice;
    for (let conflict = first; conflict.size > 0; ) {
      const culprit = this.#leaps > 0 ? this.#suspect(conflict, preferred) : Math.max(...conflict);
      this.#minded.set(culprit, new Set([...(this.#minded.get(culprit) ?? []), ...preferred]));
      const at = this.#choices.findLastIndex((choice) => choice.revision === culprit);
      const choice = this.#choices[at] as Choice;
      this.#takeBack(at);
      for (const other of conflict) if (other < culprit) choice.conflict.add(other);
      if (choice.chosen !== undefined) this.#gaps?.learn(choice.chosen, revision, false);
      choice.chosen = undefined;
      if (this.#chooseNext(choice, preferred)) {
        this.#choices.push(choice);
        return { revision: culprit, made: true };
      }
      if (this.#broke) return undefined;
      conflict = choice.conflict;
      for (const other of choice.blame.culprits(this.#choices)) conflict.add(other);
    }
    if (!this.#leapt) return undefined;
    // Nothing was found by leaps: again from the beginning, without any.
    this.#leaps = 0;
    this.#leapt = false;
    if (this.#choices.length > 0) this.#takeBack(0);
    return { revision: beginning.revision, made: false };
  }

  /** The last that did change one of these keys, be there one after it that could have. */
  #suspect(conflict: ReadonlySet<number>, ranks: readonly number[]): number {
    const gaps = this.#gaps as Gaps;
    const changing = this.#choices.findLast(
      ({ revision, chosen }) =>
        conflict.has(revision) && chosen !== undefined && ranks.some((rank) => gaps.touches(chosen, rank)),
    );
    const last = Math.max(...conflict);
    if (changing === undefined || changing.revision === last) return last;
    this.#leaps--;
    this.#leapt = true;
    return changing.revision;
  }

  #takeBack(from: number): void {
    const [first, ...others] = this.#choices.splice(from);
    for (const { chosen } of [first as Choice, ...others])
      if (chosen !== undefined) this.#used.delete(chosen);
    this.#store.rollback((first as Choice).mark);
  }

  #missingWrite(revision: number): Mismatch {
    const [fact] = this.#gaps?.factsOf(revision) ?? [];
    const proof =
      fact?.by ??
      (this.#timeline.history.client.find(
        ({ completeIndex }) => completeIndex === this.#deadlines[revision - this.#timeline.first],
      ) as EtcdRecord);
    const { keys } = this.#timeline.keyspace;
    const shown =
      fact === undefined
        ? `there was a revision ${revision}`
        : `${keys[fact.rank]}${fact.entry?.value === undefined ? "" : ` = ${show(fact.entry.value)}`} was ${fact.deleted ? "deleted" : "put"} at revision ${revision}`;
    return {
      name: "revision without a write",
      guarantee: ORDER,
      by: proof,
      others: [],
      ranks: { low: 0, high: keys.length },
      since: 0,
      ...(fact === undefined ? {} : { suspects: { low: fact.rank, high: fact.rank + 1 } }),
      explain: () =>
        `${told(proof)} shows that ${shown}, which belongs to no acknowledged write, and no write of unknown outcome can have made it.`,
    };
  }
}

/** Replies and recollections, counted and sorted by revision. */
function byRevision({
  replies,
  recollections,
  first,
  last,
}: Timeline): readonly [starts: Int32Array, order: Int32Array] {
  const starts = new Int32Array(last - first + 2);
  const count = (at: number) => {
    if (at >= first) (starts[at - first + 1] as number)++;
  };
  for (const { revision, observes } of replies) if (observes) count(revision);
  for (const { at } of recollections) count(at);
  for (let i = 1; i < starts.length; i++) starts[i] = (starts[i] as number) + (starts[i - 1] as number);
  const order = new Int32Array(starts[starts.length - 1] as number);
  const next = starts.slice();
  const add = (at: number, what: number) => {
    if (at < first) return;
    const slot = next[at - first] as number;
    order[slot] = what;
    next[at - first] = slot + 1;
  };
  replies.forEach(({ revision, observes }, i) => {
    if (observes) add(revision, i);
  });
  recollections.forEach(({ at }, i) => {
    add(at, -1 - i);
  });
  return [starts, order];
}
