/**
 * Finds where two runs that should be equal part ways.
 *
 * The rolling hash of a world, noted every so many events, differs from the first difference on for ever, so the
 * stretch that holds it is found by bisection; both are then run again and only that stretch is written down event
 * by event. A run whose chance is real differs elsewhere the second time, hence a few attempts.
 */
import type { Nanos } from "../../src/history/op.ts";
import type { World } from "../../src/runtime/world.ts";

/** Makes a world, hands it to `watch` before anything happens in it, and runs it to its end. */
export type WatchedRun = (watch: (world: World) => void) => void | Promise<void>;

export interface RecordedEvent {
  /** Position among the events of the run: 0, 1, 2, … */
  readonly index: number;
  readonly time: Nanos;
  /** A host, or "from->to". */
  readonly lane: string;
  readonly kind: string;
}

export interface Divergence {
  /** Position of the first event that differs. */
  readonly index: number;
  /** The event in each run; undefined if the run had ended. */
  readonly first: RecordedEvent | undefined;
  readonly second: RecordedEvent | undefined;
  /** The last events before, equal in both. */
  readonly before: readonly RecordedEvent[];
  /** In a sentence. */
  readonly description: string;
}

const STRETCH = 1024;
const ATTEMPTS = 5;
const CONTEXT = 5;

/** Undefined if the runs are equal. Runs each of them twice if they are not. */
export async function findDivergence(first: WatchedRun, second: WatchedRun): Promise<Divergence | undefined> {
  let stretch = 0;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const a = await record(first, stretch);
    const b = await record(second, stretch);
    const at = firstDifference(a.hashes, b.hashes);
    if (at === undefined) return undefined;
    const divergence = compare(a.events, b.events, stretch * STRETCH);
    if (divergence !== undefined && at <= stretch + 1) return divergence;
    stretch = Math.max(0, at - 1);
  }
  throw new Error(`the runs differ at another place each time, after ${ATTEMPTS} attempts`);
}

interface Recording {
  /** The rolling hash after 0, 1, 2, … stretches, and at the end. */
  readonly hashes: readonly string[];
  /** The events from the beginning of the chosen stretch, with a little context, to its end. */
  readonly events: readonly RecordedEvent[];
}

async function record(run: WatchedRun, stretch: number): Promise<Recording> {
  const hashes: string[] = [];
  const events: RecordedEvent[] = [];
  const from = stretch * STRETCH - CONTEXT;
  const to = (stretch + 1) * STRETCH;
  const worlds: World[] = [];
  let index = 0;
  await run((world) => {
    worlds.push(world);
    world.record((time, lane, kind) => {
      if (index % STRETCH === 0) hashes.push(world.traceHash);
      if (index >= from && index <= to) events.push({ index, time, lane, kind });
      index++;
    });
  });
  for (const world of worlds) hashes.push(world.traceHash);
  return { hashes, events };
}

/** Rolling hashes once different stay different, so the first difference can be bisected for. */
function firstDifference(a: readonly string[], b: readonly string[]): number | undefined {
  let low = 0;
  let high = Math.min(a.length, b.length);
  while (low < high) {
    const middle = (low + high) >> 1;
    if (a[middle] === b[middle]) low = middle + 1;
    else high = middle;
  }
  return low === a.length && low === b.length ? undefined : low;
}

function compare(
  a: readonly RecordedEvent[],
  b: readonly RecordedEvent[],
  start: number,
): Divergence | undefined {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const first = a[i];
    const second = b[i];
    if (first !== undefined && second !== undefined && same(first, second)) continue;
    const index = first?.index ?? second?.index ?? start;
    return {
      index,
      first,
      second,
      before: a.slice(Math.max(0, i - CONTEXT), i),
      description: `event ${index}: ${describe(first)} in one run, ${describe(second)} in the other`,
    };
  }
  return undefined;
}

function same(a: RecordedEvent, b: RecordedEvent): boolean {
  return a.time === b.time && a.lane === b.lane && a.kind === b.kind;
}

function describe(event: RecordedEvent | undefined): string {
  return event === undefined ? "nothing more" : `${event.kind} on ${event.lane} at ${event.time} ns`;
}
