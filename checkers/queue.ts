/**
 * First in, first out, for queues whose elements are enqueued at most once. Losses are judged by `total-queue`.
 *
 * The bad patterns of Henzinger, Sezgin and Vafeiadis, "Aspect-Oriented Linearizability Proofs" (CONCUR 2013,
 * section 3): an element taken before its enqueue began; and one that overtakes another, though it was enqueued
 * after the other and taken before it. A queue without them is linearizable if no dequeue found it empty. One sweep,
 * O(n log n).
 */
import type { Checker } from "../src/checker.ts";
import type { History } from "../src/history/history.ts";
import { Findings, who } from "./findings.ts";
import { type Interval, visitPrecedents } from "./precedence.ts";
import { type Enqueue, type QueueSignature, type Taking, taken } from "./total-queue.ts";

/** An element and the two operations on it; the interval is that in which it entered the queue. */
interface Element extends Interval {
  readonly enqueue: Enqueue;
  readonly by: Taking | undefined;
}

export const queue: Checker<QueueSignature> = {
  name: "queue",
  check(history) {
    const findings = new Findings();
    const enqueues = new Map<number | string, Enqueue>();
    for (const enqueue of history.byFunction("enqueue")) {
      const { input } = enqueue;
      if (enqueues.has(input))
        return findings.verdict("queue", 1, "elements", {
          doubt: `element ${JSON.stringify(input)} was enqueued more than once, so the order cannot be told`,
        });
      enqueues.set(input, enqueue);
    }
    const takings = new Map<number | string, Taking>();
    for (const { value, by } of taken(history)) {
      const other = takings.get(value);
      if (other === undefined || by.completeIndex < other.completeIndex) takings.set(value, by);
    }
    const elements = [...enqueues.values()].flatMap((enqueue) =>
      enqueue.type === "fail" ? [] : [asElement(enqueue, takings.get(enqueue.input))],
    );
    for (const element of elements) judgeCause(element, findings);
    judgeOvertaking(elements, findings);
    judgeLeftBehind(elements, history, findings);
    for (const drain of history.byFunction("drain"))
      if (drain.type === "ok") judgeDrain(drain, enqueues, findings);
    return findings.verdict("queue", elements.filter(({ by }) => by !== undefined).length, "elements");
  },
};

/** Whatever its enqueue was answered, an element was in the queue before it was taken out. */
function asElement(enqueue: Enqueue, by: Taking | undefined): Element {
  const acknowledged = enqueue.type === "ok" ? enqueue.completeIndex : Number.POSITIVE_INFINITY;
  const completeIndex = Math.min(acknowledged, by?.completeIndex ?? Number.POSITIVE_INFINITY);
  return { enqueue, by, invokeIndex: enqueue.invokeIndex, completeIndex };
}

function judgeCause({ enqueue, by }: Element, findings: Findings): void {
  if (by === undefined || by.completeIndex > enqueue.invokeIndex) return;
  findings.add(
    "dequeued before it was enqueued",
    "queue: nothing from nowhere",
    [by.completeIndex, enqueue.invokeIndex],
    () => `${who(by)} dequeued ${name(enqueue)} before ${who(enqueue)} began to enqueue it.`,
  );
}

/** Of the elements that had entered before another was enqueued, none may begin to leave after it has left. */
function judgeOvertaking(elements: readonly Element[], findings: Findings): void {
  const left = elements.filter(({ by }) => by !== undefined);
  visitPrecedents(
    left,
    ({ by }) => by?.invokeIndex ?? 0,
    (second, first) => {
      const { by } = second;
      if (by === undefined || first.by === undefined || first.by.invokeIndex < by.completeIndex) return;
      const last = first.by;
      findings.add(
        "element out of order",
        "queue: first in, first out",
        [first.completeIndex, second.invokeIndex, by.completeIndex, last.invokeIndex],
        () =>
          `${name(first.enqueue)} was in the queue before ${who(second.enqueue)} began to enqueue ${name(second.enqueue)}, yet ${name(second.enqueue)} had been dequeued by ${who(by)} before ${who(last)} even asked for ${name(first.enqueue)}.`,
      );
    },
  );
}

/** The same for elements that never left, unless a dequeue of unknown outcome may have taken them in time. */
function judgeLeftBehind(
  elements: readonly Element[],
  history: History<QueueSignature>,
  findings: Findings,
): void {
  const silent = history.client.find(({ f, type }) => f !== "enqueue" && type === "info");
  const excused = silent?.invokeIndex ?? Number.POSITIVE_INFINITY;
  visitPrecedents(
    elements,
    ({ by }) => (by === undefined ? 1 : 0),
    (second, first) => {
      const { by } = second;
      if (by === undefined || first.by !== undefined || by.completeIndex > excused) return;
      findings.add(
        "element left behind",
        "queue: first in, first out",
        [first.completeIndex, second.invokeIndex, by.completeIndex],
        () =>
          `${name(first.enqueue)} was in the queue before ${who(second.enqueue)} began to enqueue ${name(second.enqueue)}; ${who(by)} dequeued ${name(second.enqueue)}, and nobody ever ${name(first.enqueue)}.`,
      );
    },
  );
}

/** A drain gives its elements in the order of the queue. */
function judgeDrain(
  drain: Taking & { readonly f: "drain" },
  enqueues: ReadonlyMap<number | string, Enqueue>,
  findings: Findings,
): void {
  let earliest: Enqueue | undefined;
  for (const value of drain.output.toReversed()) {
    const enqueue = enqueues.get(value);
    if (enqueue === undefined || enqueue.type !== "ok") continue;
    const first = earliest;
    if (first !== undefined && first.completeIndex < enqueue.invokeIndex)
      findings.add(
        "element out of order",
        "queue: first in, first out",
        [first.completeIndex, enqueue.invokeIndex, drain.completeIndex],
        () =>
          `${who(drain)} drained ${name(enqueue)} before ${name(first)}, which had been enqueued before ${who(enqueue)} began to enqueue ${name(enqueue)}.`,
      );
    if (first === undefined || enqueue.completeIndex < first.completeIndex) earliest = enqueue;
  }
}

function name({ input }: Enqueue): string {
  return JSON.stringify(input);
}
