/**
 * Queues whose values are all different, decided in O(n log n).
 *
 * Values leave a queue in the order they came in. So real time orders them twice, by their enqueues and by their
 * dequeues, and the history is right exactly if the two orders together have no cycle, every value was enqueued
 * before it was dequeued, and every dequeue that found the queue empty has a moment at which no value was surely
 * inside (T. A. Henzinger, A. Sezgin and V. Vafeiadis, "Aspect-Oriented Linearizability Proofs" (2013), theorem 5).
 * If there is a cycle there is one of two values: of all that are left, the one whose enqueue ended first, and the
 * one whose dequeue ended first.
 */
import type { Json } from "../../src/history/op.ts";
import { type Action, type DirectDecision, PENDING } from "../linearizable/model.ts";
import type { QueueCall } from "./queue.ts";
import { textOf } from "./value.ts";

type QueueAction = Action<QueueCall, Json>;

/** A value on its way through the queue. An empty dequeue is one that goes in and out at a single moment. */
interface Passage {
  /** Position of the enqueue; -1 for an empty dequeue. */
  readonly enqueue: number;
  /** Position of the dequeue, or -1: none. */
  readonly dequeue: number;
  /** The latest invocation and the first completion of both ends, as far as one bounds the other. */
  readonly enqueueFrom: number;
  readonly enqueueTo: number;
  readonly dequeueFrom: number;
  readonly dequeueTo: number;
}

/** Undefined if a value was enqueued twice, or if a dequeue of unknown outcome may explain what seems wrong. */
export function decideQueue(actions: readonly QueueAction[]): DirectDecision | undefined {
  const enqueues = enqueuesOf(actions);
  if (enqueues === undefined) return undefined;
  const dequeues = new Map<string, number>();
  const empty: number[] = [];
  let unknown = false;
  for (let position = 0; position < actions.length; position++) {
    const { input, output } = actions[position] as QueueAction;
    if (input.f === "enqueue") continue;
    if (output === undefined) unknown = true;
    else if (output === null) empty.push(position);
    else {
      const text = textOf(output);
      const twin = dequeues.get(text);
      const enqueue = enqueues.get(text);
      if (twin !== undefined)
        return violation(enqueue === undefined ? [twin, position] : [enqueue, twin, position]);
      dequeues.set(text, position);
    }
  }
  const passages: Passage[] = [];
  for (const [text, dequeue] of dequeues) {
    const enqueue = enqueues.get(text);
    if (enqueue === undefined) return violation([dequeue]);
    const put = actions[enqueue] as QueueAction;
    const taken = actions[dequeue] as QueueAction;
    if (taken.completed < put.invoked) return violation([enqueue, dequeue]);
    passages.push({
      enqueue,
      dequeue,
      enqueueFrom: put.invoked,
      enqueueTo: Math.min(put.completed, taken.completed),
      dequeueFrom: Math.max(put.invoked, taken.invoked),
      dequeueTo: taken.completed,
    });
  }
  for (const [text, enqueue] of enqueues) {
    const { invoked, completed } = actions[enqueue] as QueueAction;
    // One of unknown outcome that nobody dequeued may just as well not have worked.
    if (dequeues.has(text) || completed === PENDING) continue;
    const never = { dequeue: -1, dequeueFrom: PENDING, dequeueTo: PENDING };
    passages.push({ enqueue, enqueueFrom: invoked, enqueueTo: completed, ...never });
  }
  const blockers = placeEmpty(actions, empty, passages);
  const wrong = blockers ?? contradiction(passages);
  if (wrong !== undefined) {
    const excusable = unknown && wrong.some(({ dequeue }) => dequeue < 0);
    return excusable ? undefined : violation(wrong.flatMap(({ enqueue, dequeue }) => [enqueue, dequeue]));
  }
  return { kind: "linearizable", order: linearization(passages) };
}

/** Positions of the enqueues by the text of their value; undefined if two have the same. */
function enqueuesOf(actions: readonly QueueAction[]): ReadonlyMap<string, number> | undefined {
  const enqueues = new Map<string, number>();
  let count = 0;
  actions.forEach(({ input }, position) => {
    if (input.f !== "enqueue") return;
    enqueues.set(textOf(input.value), position);
    count++;
  });
  return enqueues.size === count ? enqueues : undefined;
}

function violation(positions: readonly number[]): DirectDecision {
  return { kind: "violation", witness: positions.filter((position) => position >= 0) };
}

/**
 * Adds the empty dequeues to the passages, each at a moment when no value was surely inside: between the
 * completion of its enqueue and the invocation of its dequeue it was. Or gives one that has no such moment, with
 * the values that follow each other without a gap while it lasts.
 */
function placeEmpty(
  actions: readonly QueueAction[],
  empty: readonly number[],
  passages: Passage[],
): readonly Passage[] | undefined {
  if (empty.length === 0) return undefined;
  const inside = passages.filter(({ enqueueTo, dequeueFrom }) => enqueueTo < dequeueFrom);
  inside.sort((a, b) => a.enqueueTo - b.enqueueTo);
  const waiting = empty.map((position) => ({ position, action: actions[position] as QueueAction }));
  waiting.sort((a, b) => a.action.invoked - b.action.invoked);
  const placed: Passage[] = [];
  /** The values inside that reach furthest, each begun before the one before it ended; from some gap on. */
  let chain: Passage[] = [];
  let next = 0;
  for (const { position, action } of waiting) {
    // Halfway to the next event.
    let moment = action.invoked + 0.5;
    for (; next < inside.length; next++) {
      const value = inside[next] as Passage;
      const reach = chain.at(-1)?.dequeueFrom ?? -1;
      if (value.enqueueTo > Math.max(reach, moment)) break;
      if (value.enqueueTo > reach) chain = [];
      if (value.dequeueFrom > reach) chain.push(value);
    }
    const last = chain.at(-1);
    if (last !== undefined && last.dequeueFrom > moment) moment = last.dequeueFrom + 0.5;
    if (moment > action.completed) {
      const blockers = cover(chain, action);
      return [...blockers, passageAt(position, moment)];
    }
    placed.push(passageAt(position, moment));
  }
  passages.push(...placed);
  return undefined;
}

function passageAt(dequeue: number, moment: number): Passage {
  return {
    enqueue: -1,
    dequeue,
    enqueueFrom: moment,
    enqueueTo: moment,
    dequeueFrom: moment,
    dequeueTo: moment,
  };
}

/** The fewest of the chain that leave no gap while the operation lasts: always the one that reaches furthest. */
function cover(chain: readonly Passage[], { invoked, completed }: QueueAction): readonly Passage[] {
  const chosen: Passage[] = [];
  let reached = invoked;
  for (let i = 0; i < chain.length && reached < completed; i++) {
    const value = chain[i] as Passage;
    const following = chain[i + 1];
    if (following !== undefined && following.enqueueTo <= reached) continue;
    chosen.push(value);
    reached = value.dequeueFrom;
  }
  return chosen;
}

/**
 * Puts the passages in the order the values had in the queue, or gives two of them of which each must have been
 * before the other.
 */
function contradiction(passages: Passage[]): readonly Passage[] | undefined {
  const count = passages.length;
  const sortedBy = (field: "enqueueFrom" | "enqueueTo" | "dequeueFrom" | "dequeueTo") => {
    const order = Array.from(passages, (_, i) => i);
    return order.sort((a, b) => (passages[a] as Passage)[field] - (passages[b] as Passage)[field] || 0);
  };
  const at = (i: number | undefined) => passages[i as number] as Passage;
  const enqueueFrom = sortedBy("enqueueFrom");
  const enqueueTo = sortedBy("enqueueTo");
  const dequeueFrom = sortedBy("dequeueFrom");
  const dequeueTo = sortedBy("dequeueTo");
  /** How many of the two orders have nothing left that must come before; 3 once it has its place. */
  const ready = new Uint8Array(count);
  const order: Passage[] = [];
  const free: number[] = [];
  let [firstEnqueue, firstDequeue, enqueuesReady, dequeuesReady] = [0, 0, 0, 0];
  while (order.length < count) {
    while (ready[enqueueTo[firstEnqueue] as number] === 3) firstEnqueue++;
    while (ready[dequeueTo[firstDequeue] as number] === 3) firstDequeue++;
    const enqueueLimit = at(enqueueTo[firstEnqueue]).enqueueTo;
    const dequeueLimit = at(dequeueTo[firstDequeue]).dequeueTo;
    const allow = (i: number) => {
      ready[i] = (ready[i] as number) + 1;
      if (ready[i] === 2) free.push(i);
    };
    while (enqueuesReady < count && at(enqueueFrom[enqueuesReady]).enqueueFrom <= enqueueLimit)
      allow(enqueueFrom[enqueuesReady++] as number);
    while (dequeuesReady < count && at(dequeueFrom[dequeuesReady]).dequeueFrom <= dequeueLimit)
      allow(dequeueFrom[dequeuesReady++] as number);
    if (free.length === 0) return [at(enqueueTo[firstEnqueue]), at(dequeueTo[firstDequeue])];
    for (const i of free) {
      ready[i] = 3;
      order.push(at(i));
    }
    free.length = 0;
  }
  for (let i = 0; i < count; i++) passages[i] = order[i] as Passage;
  return undefined;
}

/** As early as the invocations allow, of passages in the order the values had in the queue. */
function linearization(passages: readonly Passage[]): readonly number[] {
  const moments: { readonly position: number; readonly at: number; readonly place: number }[] = [];
  let enqueued = 0;
  let dequeued = 0;
  passages.forEach(({ enqueue, dequeue, enqueueFrom, dequeueFrom }, place) => {
    enqueued = Math.max(enqueued, enqueueFrom);
    dequeued = Math.max(dequeued, enqueued, dequeueFrom);
    if (enqueue >= 0) moments.push({ position: enqueue, at: enqueued, place });
    if (dequeue >= 0) moments.push({ position: dequeue, at: dequeued, place });
  });
  // Stable: an enqueue stays before the dequeue of the same moment.
  moments.sort((a, b) => a.at - b.at || a.place - b.place);
  return moments.map(({ position }) => position);
}
