/**
 * Leader election on a store with leases, as etcd's election API gives it.
 *
 * Every candidate creates a key on a lease of its own; the one with the lowest create revision leads, and that
 * revision is its *term of office*. It proclaims values by writes guarded by that revision, and resigns by deleting
 * the key. So whatever anybody learns is a claim about one revision of the store:
 *  - "term t leads at revision r", from an observation: every lower term is over at r;
 *  - "term t exists at revision r", from an observation or an accepted proclamation.
 * The two kinds are held against each other, values against the proclamations of their term, revisions against real
 * time, and the end of a term against the guaranteed life of its lease (checkers/tenure.ts). O(n log n).
 */
import type { Checker } from "../src/checker.ts";
import type { History, OperationOf } from "../src/history/history.ts";
import type { Nanos, Process } from "../src/history/op.ts";
import { lowerBound } from "./bisect.ts";
import { Findings, who } from "./findings.ts";
import { type Interval, visitPrecedents } from "./precedence.ts";
import { type Act, begin, judgeTokens, overlaps, renew, seconds, type Tenure } from "./tenure.ts";

/** Who leads at a revision: its term, what it proclaimed last, and the revision of that. */
export type Leader = { readonly term: number; readonly value: number; readonly changed: number } | null;

export type View = { readonly revision: number; readonly leader: Leader };

export type ElectionSignature = {
  /** Grants a lease of `ttl` seconds and waits until nobody is ahead, keeping it alive meanwhile. Values are unique. */
  campaign: {
    in: { readonly ttl: number; readonly value: number };
    out: {
      readonly term: number;
      /** Of the look that found nobody ahead. */
      readonly revision: number;
      /** As granted, in seconds. */
      readonly ttl: number;
      /** When the last successful renewal (or the grant) was sent, in nanoseconds since the invocation. */
      readonly renewed: Nanos;
    };
  };
  /** `ttl` in seconds; 0 means that the lease was lost. */
  keepalive: { in: null; out: { readonly ttl: number } };
  /** Accepted only while the key of the term exists. */
  proclaim: {
    in: { readonly value: number };
    out: { readonly accepted: boolean; readonly revision: number };
  };
  /** Accepted if the key existed: then it is gone at `revision`. */
  resign: { in: null; out: { readonly accepted: boolean; readonly revision: number } };
  /** Read linearizably. */
  observe: { in: null; out: View };
  /** Reads once, then follows all changes with a watch: the leader at first, and after every response. */
  follow: { in: { readonly lifetime: Nanos }; out: readonly View[] };
};

export interface ElectionOptions {
  /** Taken off each guaranteed life. */
  readonly clockSlack: Nanos;
}

type Campaign = OperationOf<ElectionSignature, "campaign"> & { readonly type: "ok" };
type Proclaim = OperationOf<ElectionSignature, "proclaim">;
type Sight = OperationOf<ElectionSignature, "observe" | "follow"> & { readonly type: "ok" };

/** At `revision`, every term below `floor` is over. */
interface Floor {
  readonly floor: number;
  readonly revision: number;
  readonly by: Act;
}

/** At `revision`, the key of the term existed. */
interface Sign {
  readonly term: number;
  readonly revision: number;
  readonly by: Act;
  readonly how: string;
}

/** An accepted value of a term. */
interface Proclaimed {
  readonly revision: number;
  readonly value: number;
  readonly by: Act;
}

const ORDER = "election: revisions grow";

export function electionChecker(options: ElectionOptions): Checker<ElectionSignature> {
  return {
    name: "election",
    check: (history: History<ElectionSignature>) => new ElectionCheck(history, options).verdict(),
  };
}

class ElectionCheck {
  readonly #findings = new Findings();
  readonly #tenures: Tenure[] = [];
  readonly #floors: Floor[] = [];
  readonly #signs: Sign[] = [];
  readonly #proclaimed = new Map<number, Proclaimed[]>();
  /** By value: who tried to put it there. */
  readonly #writers = new Map<number, OperationOf<ElectionSignature, "campaign"> | Proclaim>();
  /** By value: where it was accepted. */
  readonly #accepted = new Map<number, number>();
  readonly #placed: (Interval & {
    readonly by: Act;
    readonly f: string;
    readonly least: number;
    readonly proves: number;
  })[] = [];
  readonly #sights: { readonly sight: Sight; readonly views: readonly View[] }[] = [];
  readonly #outlived: number;

  constructor(history: History<ElectionSignature>, { clockSlack }: ElectionOptions) {
    this.#collect(history, clockSlack);
    for (const { sight, views } of this.#sights) for (const view of views) this.#judgeValue(sight, view);
    this.#judgeTerms();
    this.#judgeFloors();
    this.#judgeRealTime();
    this.#judgeAgreement();
    this.#outlived = this.#judgeLives();
  }

  verdict() {
    const idle = this.#sights.length === 0 ? "nobody observed the leader" : undefined;
    return this.#findings.verdict("election", this.#tenures.length, "terms of office", {
      doubt: idle,
      evidence: {
        terms: this.#tenures.length,
        outlivedTheirLease: this.#outlived,
        proclamations: this.#accepted.size,
        observations: this.#sights.length,
      },
    });
  }

  #collect(history: History<ElectionSignature>, clockSlack: Nanos): void {
    const current = new Map<Process, Tenure>();
    for (const operation of history.client) {
      const { process } = operation;
      if (operation.f === "campaign" || operation.f === "proclaim")
        this.#writers.set(operation.input.value, operation);
      const tenure = current.get(process);
      if (operation.f === "resign" && tenure !== undefined) {
        tenure.endAsked = operation.invokeIndex;
        current.delete(process);
      }
      if (operation.type !== "ok") continue;
      switch (operation.f) {
        case "campaign":
          current.set(process, this.#addCampaign(operation, clockSlack));
          break;
        case "keepalive":
          if (tenure !== undefined) renew(tenure, operation, operation.output.ttl, clockSlack);
          break;
        case "proclaim":
        case "resign":
          if (tenure !== undefined) this.#addWrite(operation, tenure);
          break;
        case "observe":
          this.#addSight(operation, [operation.output]);
          break;
        case "follow":
          this.#addSight(operation, operation.output);
      }
    }
    for (const list of this.#proclaimed.values()) list.sort((a, b) => a.revision - b.revision);
  }

  #addCampaign(campaign: Campaign, clockSlack: Nanos): Tenure {
    const { term, revision, ttl, renewed } = campaign.output;
    const tenure = begin(campaign, { token: term, ttl, renewed }, clockSlack);
    this.#tenures.push(tenure);
    this.#floors.push({ floor: term, revision, by: campaign });
    this.#place(campaign, term - 1, revision);
    this.#accept(term, { revision: term, value: campaign.input.value, by: campaign });
    return tenure;
  }

  #addWrite(
    write: OperationOf<ElectionSignature, "proclaim" | "resign"> & { readonly type: "ok" },
    { token }: Tenure,
  ): void {
    const { accepted, revision } = write.output;
    this.#place(write, accepted ? revision - 1 : revision, revision);
    if (!accepted) return;
    if (write.f === "resign") {
      this.#floors.push({ floor: token + 1, revision, by: write });
      return;
    }
    this.#signs.push({ term: token, revision, by: write, how: "proclaimed a value" });
    this.#accept(token, { revision, value: write.input.value, by: write });
  }

  #accept(term: number, proclaimed: Proclaimed): void {
    this.#accepted.set(proclaimed.value, proclaimed.revision);
    const list = this.#proclaimed.get(term);
    if (list === undefined) this.#proclaimed.set(term, [proclaimed]);
    else list.push(proclaimed);
  }

  #addSight(sight: Sight, views: readonly View[]): void {
    const [first, last] = [views[0], views.at(-1)];
    if (first === undefined || last === undefined) return;
    this.#sights.push({ sight, views });
    this.#place(sight, first.revision, last.revision);
    for (const { revision, leader } of views) {
      this.#floors.push({ floor: leader?.term ?? revision + 1, revision, by: sight });
      if (leader !== null) this.#signs.push({ term: leader.term, revision, by: sight, how: "saw it lead" });
    }
  }

  #place(operation: Act & { readonly f: string }, least: number, proves: number): void {
    const { invokeIndex, completeIndex, f } = operation;
    this.#placed.push({ invokeIndex, completeIndex, by: operation, f, least, proves });
  }

  /** What a leader is seen to have proclaimed is its newest word, and its own. */
  #judgeValue(sight: Sight, { revision, leader }: View): void {
    if (leader === null) return;
    const { term, value, changed } = leader;
    const found = (name: string, others: readonly number[], what: string) =>
      this.#findings.add(
        name,
        "election: leaders proclaim",
        [...others, sight.completeIndex],
        () =>
          `${who(sight)} saw at revision ${revision} that the leader of term ${term} had proclaimed ${value} at revision ${changed}, ${what}.`,
      );
    const writer = this.#writers.get(value);
    const accepted = this.#accepted.get(value);
    if (writer === undefined || writer.invokeIndex > sight.completeIndex)
      found("proclamation from nowhere", [], "which nobody had asked for");
    // Who gave up a campaign may have led without learning of it.
    else if (
      writer.f === "proclaim" &&
      (writer.type === "fail" || (writer.type === "ok" && accepted === undefined))
    )
      found("refused proclamation", [writer.completeIndex], `which had been refused to ${who(writer)}`);
    else if (accepted !== undefined && accepted !== changed)
      found(
        "wrong proclamation",
        [writer.completeIndex],
        `which ${who(writer)} had been told was done at revision ${accepted}`,
      );
    const list = this.#proclaimed.get(term) ?? [];
    const newest = list[lowerBound(list, (other) => other.revision <= revision) - 1];
    if (newest !== undefined && newest.revision > changed)
      found(
        "stale proclamation",
        [newest.by.completeIndex],
        `but ${who(newest.by)} had proclaimed ${newest.value} at revision ${newest.revision}`,
      );
  }

  #judgeTerms(): void {
    const name = "term went back";
    judgeTokens(this.#tenures, this.#findings, {
      name,
      guarantee: "election: terms grow",
      office: "leadership",
    });
    const leaders = new Map<number, Tenure>();
    for (const tenure of this.#tenures) {
      const other = leaders.get(tenure.token);
      if (other === undefined) leaders.set(tenure.token, tenure);
      else
        this.#findings.add(
          "two leaders in one term",
          "election: one leader per term",
          [other.begun.completeIndex, tenure.begun.completeIndex],
          () => `${who(other.begun)} and ${who(tenure.begun)} were both elected for term ${tenure.token}.`,
        );
    }
  }

  /** A term that was over at one revision does not exist at that one or later. */
  #judgeFloors(): void {
    const floors = this.#floors.sort((a, b) => a.revision - b.revision);
    const signs = this.#signs.sort((a, b) => a.revision - b.revision);
    let next = 0;
    let highest: Floor | undefined;
    for (const sign of signs) {
      for (; next < floors.length; next++) {
        const floor = floors[next] as Floor;
        if (floor.revision > sign.revision) break;
        if (highest === undefined || floor.floor > highest.floor) highest = floor;
      }
      if (highest === undefined || sign.term >= highest.floor) continue;
      const { by, floor, revision } = highest;
      this.#findings.add(
        "past leader",
        "election: a term once over is over",
        [by.completeIndex, sign.by.completeIndex],
        () =>
          `For ${who(by)} every term before ${floor} was over at revision ${revision}, but ${who(sign.by)} ${sign.how} in term ${sign.term} at revision ${sign.revision}.`,
      );
    }
  }

  #judgeRealTime(): void {
    visitPrecedents(
      this.#placed,
      ({ proves }) => proves,
      ({ by, f, least }, earlier) => {
        if (least >= earlier.proves) return;
        const name = f === "observe" || f === "follow" ? "stale observation" : "revision went back";
        this.#findings.add(name, ORDER, [earlier.completeIndex, by.invokeIndex, by.completeIndex], () => {
          return `The ${f} of ${who(by)} took place at revision ${least} at the latest, but ${who(earlier.by)} had known revision ${earlier.proves} before it was asked for.`;
        });
      },
    );
  }

  /** All see the same leader at the same revision. */
  #judgeAgreement(): void {
    const seen = new Map<number, { readonly leader: Leader; readonly sight: Sight }>();
    for (const { sight, views } of this.#sights)
      for (const { revision, leader } of views) {
        const other = seen.get(revision);
        if (other === undefined) seen.set(revision, { leader, sight });
        else if (described(other.leader) !== described(leader))
          this.#findings.add(
            "divergent observation",
            "election: all observe the same",
            [other.sight.completeIndex, sight.completeIndex],
            () =>
              `At revision ${revision}, ${who(other.sight)} saw ${described(other.leader)}, and ${who(sight)} saw ${described(leader)}.`,
          );
      }
  }

  /** Nobody else leads, and nobody finds the leader gone, while its lease is sure to live. Returns how many outlived it. */
  #judgeLives(): number {
    const { early, outlived } = overlaps(this.#tenures, this.#tenures, () => true);
    for (const { earlier, news: later } of early) {
      const { completeIndex, completeTime } = later.begun;
      if (later.guaranteedUntil <= completeTime) continue;
      const witness = [earlier.begun.completeIndex, ...earlier.renewal, completeIndex];
      this.#findings.add("two leaders at once", "election: one leader at a time", witness, () => {
        return `${who(earlier.begun)} led (term ${earlier.token}) and had not resigned, its lease sure to live ${seconds(earlier.guaranteedUntil - completeTime)} longer, when ${who(later.begun)} was elected too (term ${later.token}).`;
      });
    }
    const ends = this.#sights.map(({ sight, views }) => {
      const floors = views.map(({ revision, leader }) => leader?.term ?? revision + 1);
      return { begun: sight, floor: floors.reduce((a, b) => Math.max(a, b)) };
    });
    const lost = overlaps(this.#tenures, ends, ({ floor }, token) => floor > token);
    for (const { earlier, news } of lost.early) {
      const { completeIndex, completeTime } = news.begun;
      const witness = [earlier.begun.completeIndex, ...earlier.renewal, completeIndex];
      this.#findings.add(
        "leader lost early",
        "election: a leader stays while its lease lives",
        witness,
        () => {
          return `${who(earlier.begun)} led (term ${earlier.token}) and had not resigned, its lease sure to live ${seconds(earlier.guaranteedUntil - completeTime)} longer, when ${who(news.begun)} had seen that term to be over.`;
        },
      );
    }
    return outlived.length;
  }
}

function described(leader: Leader): string {
  return leader === null
    ? "no leader"
    : `term ${leader.term} with ${leader.value} proclaimed at revision ${leader.changed}`;
}
