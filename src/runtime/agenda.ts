/**
 * The future of a simulated world: events ordered by time, and at one instant by lane, and within a lane by the
 * order in which they were asked for.
 *
 * A lane is a source of events: the timers of one host, the traffic from one host to another. Breaking ties by
 * lane instead of by one global counter means that an extra event somewhere does not reorder strangers that
 * happen to share its instant, so that small changes of a plan stay small changes of a run.
 *
 * A four-ary heap over typed arrays: nothing is allocated per event. Cancelling is O(1) and lazy; the dead are
 * swept out once they outnumber the living, which keeps both time and memory amortised.
 */
import type { Nanos } from "../history/op.ts";

export interface EventHandler {
  /** What kind of event this is, for people who look for the first difference between two runs. */
  readonly kind: string;
  fire(): void;
}

const LANE_FACTOR = 0x1_0000_0000;
/** Lanes are numbered from 0 up to this, exclusive: lane and sequence share the 53 bits of a number. */
export const LANES = 0x20_0000;

export class Lane {
  readonly id: number;
  #next: number;

  constructor(id: number) {
    if (!Number.isInteger(id) || id < 0 || id >= LANES) throw new RangeError(`no such lane: ${id}`);
    this.id = id;
    this.#next = id * LANE_FACTOR;
  }

  /** Position of the next event among all events of one instant. A lane has room for 2^32 events. */
  take(): number {
    return this.#next++;
  }
}

/** Lane of an event, from the key that `Lane.take` gave it. */
export function laneOf(key: number): number {
  return Math.floor(key / LANE_FACTOR);
}

/** Names a scheduled event; stays harmless after the event has fired. 0 names none. */
export type EventHandle = number;
export const NO_EVENT: EventHandle = 0;

/** A handle is a slot and the slot's generation in one number: a reused slot does not answer to old handles. */
const SLOT_FACTOR = 0x100_0000;
const SWEEP_AT_LEAST = 1024;

export class Agenda {
  /** Heap positions 0 … #length - 1; the fields of one event are at the same position of three arrays. */
  #times = new Float64Array(1024);
  #keys = new Float64Array(1024);
  #slots = new Int32Array(1024);
  #length = 0;

  /** By slot. A cancelled event has no handler but keeps its slot until it leaves the heap. */
  readonly #handlers: (EventHandler | undefined)[] = [];
  readonly #generations: number[] = [];
  readonly #freeSlots: number[] = [];
  #cancelled = 0;

  /** Time and key of the event that `pop` gave last. */
  poppedTime: Nanos = 0;
  poppedKey = 0;

  /** Events to come, cancelled ones not counted. */
  get size(): number {
    return this.#length - this.#cancelled;
  }

  /** `time` is a safe integer, not negative. */
  add(time: Nanos, lane: Lane, handler: EventHandler): EventHandle {
    if (!Number.isSafeInteger(time) || time < 0) throw new RangeError(`not a time: ${time}`);
    let slot = this.#freeSlots.pop();
    if (slot === undefined) {
      slot = this.#handlers.length;
      if (slot >= SLOT_FACTOR) throw new RangeError("more than 16 million events are pending");
      this.#handlers.push(undefined);
      this.#generations.push(1);
    }
    this.#handlers[slot] = handler;
    if (this.#length === this.#times.length) this.#grow();
    this.#rise(this.#length++, time, lane.take(), slot);
    return (this.#generations[slot] as number) * SLOT_FACTOR + slot;
  }

  /** Takes an event back. Does nothing if it has fired or was cancelled before. */
  cancel(handle: EventHandle): void {
    const slot = handle % SLOT_FACTOR;
    if (this.#generations[slot] !== (handle - slot) / SLOT_FACTOR) return;
    if (this.#handlers[slot] === undefined) return;
    this.#handlers[slot] = undefined;
    this.#cancelled++;
    if (this.#cancelled >= SWEEP_AT_LEAST && this.#cancelled * 2 > this.#length) this.#sweep();
  }

  /** Time of the earliest event; Infinity if there is none. */
  nextTime(): Nanos {
    while (this.#length > 0) {
      if (this.#handlers[this.#slots[0] as number] !== undefined) return this.#times[0] as number;
      this.#cancelled--;
      this.#removeFirst();
    }
    return Infinity;
  }

  /** Removes the earliest event. */
  pop(): EventHandler | undefined {
    while (this.#length > 0) {
      const handler = this.#handlers[this.#slots[0] as number];
      if (handler === undefined) this.#cancelled--;
      else {
        this.poppedTime = this.#times[0] as number;
        this.poppedKey = this.#keys[0] as number;
      }
      this.#removeFirst();
      if (handler !== undefined) return handler;
    }
    return undefined;
  }

  /** Cancels everything. */
  clear(): void {
    for (let position = 0; position < this.#length; position++)
      this.#release(this.#slots[position] as number);
    this.#length = 0;
    this.#cancelled = 0;
  }

  #release(slot: number): void {
    this.#handlers[slot] = undefined;
    this.#generations[slot] = (this.#generations[slot] as number) + 1;
    this.#freeSlots.push(slot);
  }

  #removeFirst(): void {
    this.#release(this.#slots[0] as number);
    const last = --this.#length;
    if (last > 0)
      this.#sink(0, this.#times[last] as number, this.#keys[last] as number, this.#slots[last] as number);
  }

  /** Finds the place of an event from a free position upwards. */
  #rise(from: number, time: Nanos, key: number, slot: number): void {
    const times = this.#times;
    const keys = this.#keys;
    const slots = this.#slots;
    let position = from;
    while (position > 0) {
      const parent = (position - 1) >> 2;
      const above = times[parent] as number;
      if (above < time || (above === time && (keys[parent] as number) < key)) break;
      times[position] = above;
      keys[position] = keys[parent] as number;
      slots[position] = slots[parent] as number;
      position = parent;
    }
    times[position] = time;
    keys[position] = key;
    slots[position] = slot;
  }

  /** Finds the place of an event from a free position downwards. */
  #sink(from: number, time: Nanos, key: number, slot: number): void {
    const times = this.#times;
    const keys = this.#keys;
    const slots = this.#slots;
    const length = this.#length;
    let position = from;
    for (;;) {
      const first = position * 4 + 1;
      if (first >= length) break;
      let least = first;
      let leastTime = times[first] as number;
      const end = Math.min(first + 4, length);
      for (let child = first + 1; child < end; child++) {
        const childTime = times[child] as number;
        if (childTime > leastTime) continue;
        if (childTime === leastTime && (keys[child] as number) > (keys[least] as number)) continue;
        least = child;
        leastTime = childTime;
      }
      if (leastTime > time || (leastTime === time && (keys[least] as number) > key)) break;
      times[position] = leastTime;
      keys[position] = keys[least] as number;
      slots[position] = slots[least] as number;
      position = least;
    }
    times[position] = time;
    keys[position] = key;
    slots[position] = slot;
  }

  #grow(): void {
    const capacity = this.#times.length * 2;
    const times = new Float64Array(capacity);
    const keys = new Float64Array(capacity);
    const slots = new Int32Array(capacity);
    times.set(this.#times);
    keys.set(this.#keys);
    slots.set(this.#slots);
    this.#times = times;
    this.#keys = keys;
    this.#slots = slots;
  }

  /** Drops cancelled events and rebuilds the heap; the order of what remains is fixed by time and key alone. */
  #sweep(): void {
    let kept = 0;
    for (let position = 0; position < this.#length; position++) {
      const slot = this.#slots[position] as number;
      if (this.#handlers[slot] === undefined) {
        this.#release(slot);
        continue;
      }
      this.#times[kept] = this.#times[position] as number;
      this.#keys[kept] = this.#keys[position] as number;
      this.#slots[kept] = slot;
      kept++;
    }
    this.#length = kept;
    this.#cancelled = 0;
    for (let position = (kept - 2) >> 2; position >= 0; position--)
      this.#sink(
        position,
        this.#times[position] as number,
        this.#keys[position] as number,
        this.#slots[position] as number,
      );
  }
}
