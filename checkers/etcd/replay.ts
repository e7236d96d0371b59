/**
 * Replays all changes in the order of their revisions, and holds every reply against the state at its revision.
 *
 * Revisions that nobody owns are filled with writes of unknown outcome, by a depth-first search: it goes back only if
 * something does not fit that may depend on a choice. What cannot depend on any is a violation at once.
 */
import type { Budget } from "../../src/checker.ts";
import type { Findings } from "../findings.ts";
import { Execution } from "./execution.ts";
import { Gaps, shows } from "./gaps.ts";
import type { Ranks } from "./keyspace.ts";
import { Leases } from "./leases.ts";
import { type Mismatch, ORDER, Origins, show, told } from "./mismatch.ts";
import { type Deadlines, eventsOf } from "./order.ts";
import type { EtcdRecord } from "./signature.ts";
import { type Mark, Store } from "./store.ts";
import type { Recollection, Reply, Timeline } from "./timeline.ts";

/** A revision that nobody owns, and who is taken to have made it. */
interface Choice {
  readonly revision: number;
  readonly candidates: Iterator<EtcdRecord>;
  /** The state before it. */
  readonly mark: Mark;
  chosen: EtcdRecord | undefined;
}

/** Something that does not fit, but may if others are chosen. */
interface Doubt {
  readonly revision: number;
  readonly mismatch: Mismatch;
}

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
  readonly #choices: Choice[] = [];
  readonly #used = new Set<EtcdRecord>();
  /**
   * What shows a state, by its revision: that of `first + i` is at #order[#starts[i]] up to #order[#starts[i + 1]]. The
   * position of a reply; minus one and that of a recollection.
   */
  readonly #starts: Int32Array;
  readonly #order: Int32Array;
  /** What did not fit at the revision it is at. */
  #noted: Mismatch[] = [];
  readonly #reported = new Set<string>();
  /** The doubt that was come to last, in the order of revisions. */
  #furthest: Doubt | undefined;
  /** What comes after it is replayed for the first time, and costs nothing of the budget. */
  #reached = 0;
  /** The budget ran out: what was not found need not be missing. */
  #broke = false;
  /** Whether it goes back to what a doubt depends on, and not to the last choice: quicker, but it may miss a way. */
  #leaps = true;
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
      if (made || this.#make(revision)) this.#observe(revision);
      if (this.#broke) return this.#exhausted(revision);
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
      revision = back.revision;
      made = back.made;
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

  /** Makes the change of a revision; false if nobody can have made it. */
  #make(revision: number): boolean {
    const owner = this.#timeline.writes.get(revision);
    if (owner !== undefined) {
      this.#execution.change(owner, revision);
      this.#note(this.#execution.mismatches);
      return true;
    }
    if (this.#isRevocation(revision)) return true;
    this.#gaps ??= new Gaps(this.#timeline, this.#deadlines);
    this.#store.reversible = true;
    const choice: Choice = {
      revision,
      candidates: this.#gaps.candidates(revision, this.#store, this.#used),
      mark: this.#store.mark(),
      chosen: undefined,
    };
    if (this.#chooseNext(choice)) {
      this.#choices.push(choice);
      return true;
    }
    this.#noted.push(this.#unfilled(revision));
    return false;
  }

  /** Where no outcome is unknown, the one revocation that was acknowledged with a revision has made it. */
  #isRevocation(revision: number): boolean {
    const { unknown, leases } = this.#timeline;
    const revocations = leases.get(revision)?.filter(({ f }) => f === "revoke") ?? [];
    const [only] = revocations;
    if (unknown.length > 0 || only === undefined || revocations.length > 1) return false;
    this.#execution.change(only, revision);
    if (this.#execution.changed) this.#used.add(only);
    else this.#noted.push(this.#unfilled(revision));
    return true;
  }

  /** Takes back what was chosen, and takes the next that fits what is known of the revision and changes one of these keys. */
  #chooseNext(choice: Choice, among?: readonly Ranks[]): boolean {
    const { revision, candidates, mark } = choice;
    if (choice.chosen !== undefined) this.#used.delete(choice.chosen);
    choice.chosen = undefined;
    const gaps = this.#gaps as Gaps;
    const facts = gaps.factsOf(revision);
    for (let next = candidates.next(); next.done !== true; next = candidates.next()) {
      const record = next.value;
      if (this.#used.has(record)) continue;
      if (among !== undefined && !among.some((ranks) => gaps.touches(record, ranks))) continue;
      if (record.f === "revoke" && record.type === "info" && !this.#leases.mayEnd(record.input, revision))
        continue;
      if (!this.#spend()) return false;
      this.#execution.change(record, revision);
      const { changed, refused } = this.#execution;
      if (changed && !refused && facts.every((fact) => shows(this.#store, revision, fact))) {
        choice.chosen = record;
        this.#used.add(record);
        return true;
      }
      this.#store.rollback(mark);
    }
    return false;
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
    if (this.#noted.length === 0) return undefined;
    const noted = this.#noted;
    this.#noted = [];
    const certain = noted.filter((mismatch) => this.#isCertain(mismatch));
    for (const mismatch of certain) this.#report(mismatch);
    // Once a violation is certain, nothing is to be searched for.
    if (!this.#findings.none) return undefined;
    const doubt = { revision, mismatch: noted[0] as Mismatch };
    if (this.#furthest === undefined || revision >= this.#furthest.revision) this.#furthest = doubt;
    return doubt;
  }

  #isCertain({ ranks, since }: Mismatch): boolean {
    return !this.#choices.some(
      (choice) => choice.revision >= since && this.#gaps?.mayTouch(choice.revision, ranks),
    );
  }

  #report({ name, guarantee, by, others, explain }: Mismatch): void {
    const once = `${by.invokeIndex} ${name}`;
    if (this.#reported.has(once)) return;
    this.#reported.add(once);
    this.#findings.add(name, guarantee, eventsOf(...others, by), explain);
  }

  /** To a choice that can be made differently; undefined if there is none. */
  #goBack(doubt: Doubt): { readonly revision: number; readonly made: boolean } | undefined {
    const beginning = this.#choices[0];
    const { ranks, suspects = ranks } = doubt.mismatch;
    let { since } = doubt.mismatch;
    const among = [suspects];
    while (this.#choices.length > 0) {
      const suspect = this.#leaps ? this.#suspect(among, since) : { at: this.#choices.length - 1 };
      if (suspect === undefined) break;
      const choice = this.#choices[suspect.at] as Choice;
      for (const { chosen } of this.#choices.splice(suspect.at + 1))
        if (chosen !== undefined) this.#used.delete(chosen);
      this.#store.rollback(choice.mark);
      if (choice.chosen !== undefined && suspect.among === undefined) {
        this.#gaps?.learn(choice.chosen, doubt.revision, false);
        // What it did depends on what was there before.
        const compared = this.#gaps?.comparedBy(choice.chosen) ?? [];
        if (compared.length > 0) since = 0;
        among.push(...compared);
      }
      if (this.#chooseNext(choice, suspect.among)) {
        if (suspect.among !== undefined) this.#gaps?.learn(choice.chosen as EtcdRecord, doubt.revision, true);
        return { revision: choice.revision, made: true };
      }
      if (this.#broke) return undefined;
      this.#choices.pop();
    }
    if (!this.#leaps || beginning === undefined) return undefined;
    // Nothing was found by leaps: again from the beginning, without any.
    this.#leaps = false;
    for (const { chosen } of this.#choices.splice(0)) if (chosen !== undefined) this.#used.delete(chosen);
    this.#store.rollback(beginning.mark);
    return { revision: beginning.revision, made: false };
  }

  /**
   * The last choice that changed any of these keys; if none did, the last that could have, if it takes a write that
   * changes one.
   */
  #suspect(
    among: readonly Ranks[],
    since: number,
  ): { readonly at: number; readonly among?: readonly Ranks[] } | undefined {
    const gaps = this.#gaps as Gaps;
    const choices = this.#choices;
    const culprit = choices.findLastIndex(
      ({ revision, chosen }) =>
        revision >= since && chosen !== undefined && among.some((ranks) => gaps.touches(chosen, ranks)),
    );
    if (culprit >= 0) return { at: culprit };
    const at = choices.findLastIndex(
      ({ revision }) => revision >= since && among.some((ranks) => gaps.mayTouch(revision, ranks)),
    );
    return at < 0 ? undefined : { at, among };
  }

  #unfilled(revision: number): Mismatch {
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
