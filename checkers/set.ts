/**
 * A set that only grows: every element is added at most once, and reads return the whole set.
 *
 * An element is *known* from the moment its add was acknowledged, or a read that contained it completed. Every
 * read invoked later must contain it. It is *stable* if from some moment on all reads do, *lost* if from some moment
 * on none does; the evidence tells how long after it was known that moment came. After Jepsen's set-full
 * (jepsen/src/jepsen/checker.clj).
 */
import type { Checker } from "../src/checker.ts";
import type { History, OperationOf } from "../src/history/history.ts";
import type { Nanos } from "../src/history/op.ts";
import { Delays } from "./delays.ts";
import { Findings, who } from "./findings.ts";

export type SetSignature = {
  /** Elements are integers; none is added twice. */
  add: { in: number; out: null };
  read: { in: null; out: readonly number[] };
};

export interface SetCheckerOptions {
  /** False if reads may lag behind: a stale read is then counted, not condemned. */
  readonly linearizable: boolean;
}

type Add = OperationOf<SetSignature, "add">;
type Read = OperationOf<SetSignature, "read">;

/** What became of one element. */
interface Element {
  readonly value: number;
  add: Add | undefined;
  firstRead: Read | undefined;
  /** Completion of `add` or of `firstRead`, whichever came first; every read invoked later must have it. */
  knownAt: number;
  knownTime: Nanos;
  /** Of the reads invoked after `knownAt`: the one with it that completed last. */
  present: Read | undefined;
  /** Of the same reads: the first and the last invoked that lack it. */
  firstAbsent: Read | undefined;
  lastAbsent: Read | undefined;
}

class Elements {
  readonly #byValue = new Map<number, Element>();

  get(value: number): Element {
    let element = this.#byValue.get(value);
    if (element === undefined) {
      element = {
        value,
        add: undefined,
        firstRead: undefined,
        knownAt: Number.POSITIVE_INFINITY,
        knownTime: Number.POSITIVE_INFINITY,
        present: undefined,
        firstAbsent: undefined,
        lastAbsent: undefined,
      };
      this.#byValue.set(value, element);
    }
    return element;
  }

  get all(): readonly Element[] {
    return [...this.#byValue.values()];
  }
}

export function setChecker(options: SetCheckerOptions): Checker<SetSignature> {
  return {
    name: "set",
    check(history: History<SetSignature>) {
      const findings = new Findings();
      const elements = new Elements();
      const counts = {
        added: 0,
        failed: 0,
        unknown: 0,
        recovered: 0,
        neverRead: 0,
        stable: 0,
        stale: 0,
        lost: 0,
      };
      /** From the time when an element was known: until it was in all reads, until it was in none. */
      const untilStable = new Delays();
      const untilLost = new Delays();

      for (const add of history.byFunction("add")) {
        const element = elements.get(add.input);
        element.add = add;
        if (add.type === "ok") {
          element.knownAt = add.completeIndex;
          element.knownTime = add.completeTime;
        }
        counts[add.type === "ok" ? "added" : add.type === "fail" ? "failed" : "unknown"]++;
      }
      const reads = history.byFunction("read").filter((read) => read.type === "ok");
      for (const read of reads) noteSeen(read, elements, findings);
      for (const element of elements.all) {
        judgeOrigin(element, findings);
        if (element.firstRead !== undefined && element.add?.type === "info") counts.recovered++;
      }
      noteAbsences(elements.all, reads);

      let judged = 0;
      for (const element of elements.all) {
        if (element.add === undefined || element.add.type === "fail") continue;
        if (element.present === undefined && element.lastAbsent === undefined) {
          if (element.knownAt !== Number.POSITIVE_INFINITY) counts.neverRead++;
          continue;
        }
        judged++;
        const fate = judgeAbsence(element, options.linearizable, findings);
        counts[fate]++;
        const { knownTime, present, lastAbsent } = element;
        if (fate === "lost") untilLost.add(Math.max(0, (present?.completeTime ?? knownTime) - knownTime));
        else untilStable.add(Math.max(0, (lastAbsent?.invokeTime ?? knownTime) - knownTime));
      }

      const doubt = reads.length === 0 ? "no read succeeded, so no loss could show" : undefined;
      return findings.verdict("set", judged, "elements", {
        doubt,
        evidence: {
          ...counts,
          reads: reads.length,
          elements: elements.all.length,
          stableAfter: untilStable.quantiles,
          lostAfter: untilLost.quantiles,
        },
      });
    },
  };
}

function noteSeen(read: Read & { readonly type: "ok" }, elements: Elements, findings: Findings): void {
  const seen = new Set<number>();
  for (const value of read.output) {
    if (seen.has(value))
      findings.add(
        "duplicated element",
        "set: each element once",
        [read.completeIndex],
        () => `${who(read)} read element ${value} more than once in one read.`,
      );
    seen.add(value);
    const element = elements.get(value);
    if (read.completeIndex < element.knownAt) {
      element.knownAt = read.completeIndex;
      element.knownTime = read.completeTime;
    }
    if (element.firstRead === undefined || read.completeIndex < element.firstRead.completeIndex)
      element.firstRead = read;
  }
}

function judgeOrigin({ add, firstRead, value }: Element, findings: Findings): void {
  if (firstRead === undefined) return;
  if (add === undefined || add.invokeIndex > firstRead.completeIndex)
    findings.add(
      "unexpected element",
      "set: nothing from nowhere",
      [firstRead.completeIndex],
      () => `${who(firstRead)} read element ${value}, which nobody had tried to add by then.`,
    );
  else if (add.type === "fail")
    findings.add(
      "aborted read",
      "set: a failed add has no effect",
      [add.completeIndex, firstRead.completeIndex],
      () =>
        `${who(firstRead)} read element ${value}, although its add by ${who(add)} had definitely failed (${add.error}).`,
    );
}

/**
 * Notes for each element which of the reads that had to contain it did. Reads are taken by invocation, so the
 * elements known by then are a growing prefix of the elements sorted by when they became known.
 */
function noteAbsences(
  elements: readonly Element[],
  reads: readonly (Read & { readonly type: "ok" })[],
): void {
  const known = elements.filter((e) => e.knownAt !== Number.POSITIVE_INFINITY);
  known.sort((a, b) => a.knownAt - b.knownAt);
  let length = 0;
  for (const read of reads) {
    while (length < known.length && (known[length] as Element).knownAt < read.invokeIndex) length++;
    if (length === 0) continue;
    const values = new Set(read.output);
    for (let i = 0; i < length; i++) {
      const element = known[i] as Element;
      if (values.has(element.value)) {
        if (element.present === undefined || read.completeIndex > element.present.completeIndex)
          element.present = read;
      } else {
        element.firstAbsent ??= read;
        element.lastAbsent = read;
      }
    }
  }
}

function judgeAbsence(
  element: Element,
  linearizable: boolean,
  findings: Findings,
): "stable" | "stale" | "lost" {
  const { value, add, firstRead, knownAt, present, firstAbsent, lastAbsent } = element;
  if (firstAbsent === undefined || lastAbsent === undefined) return "stable";
  const known =
    add !== undefined && add.completeIndex === knownAt
      ? `added by ${who(add)}`
      : `read by ${firstRead === undefined ? "nobody" : who(firstRead)}`;

  if (present === undefined || lastAbsent.invokeIndex > present.completeIndex) {
    findings.add(
      "lost element",
      "set: nothing acknowledged is lost",
      [knownAt, present?.completeIndex ?? knownAt, lastAbsent.invokeIndex, lastAbsent.completeIndex],
      () =>
        present === undefined
          ? `Element ${value} was ${known}, yet no read that began later has it; the last to lack it was by ${who(lastAbsent)}.`
          : `Element ${value} was ${known} and last seen by ${who(present)}; then it vanished: the read by ${who(lastAbsent)} lacks it.`,
    );
    return "lost";
  }
  if (linearizable)
    findings.add(
      "stale read",
      "set: linearizability",
      [knownAt, firstAbsent.invokeIndex, firstAbsent.completeIndex],
      () =>
        `Element ${value} was ${known} before ${who(firstAbsent)} began a read that lacks it; ${who(present)} read it again later.`,
    );
  return "stale";
}
