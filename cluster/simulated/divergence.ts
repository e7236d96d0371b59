/**
 * Finds where two runs that should be equal part ways.
 *
 * The rolling hash of a world, noted every so many events, differs from the first difference on for ever, so the
 * stretch that holds it is found by bisection; both are then run again and only that stretch is written down event
 * by event. A run whose chance is real may differ elsewhere the second time, hence a few attempts.
 */
import type { Nanos } from "../../src/history/op.ts";
import type { World } from "../../src/runtime/world.ts";

/** Makes a world, hands it to `watch` before anything happens in it, and runs it to its end. */
export type WatchedRun = (watch: (world: World) => void) => void | Promise<void>;

export interface RecordedEvent {
  /** Position among the events of the run: 0, 1, 2, … A trace has the position of the event that made it. */
  readonly index: number;
  readonly time: Nanos;
  /** A host, or "from->to". */
  readonly lane: string;
  /** Kind of the event, or "trace", the kind of the trace, and its detail. */
  readonly kind: string;
}

export interface Divergence {
  /** The first event or trace that differs, in each run; undefined if that run was over. */
  readonly first: RecordedEvent | undefined;
  readonly second: RecordedEvent | undefined;
  /** What came last before, the same in both. */
  readonly before: readonly RecordedEvent[];
  /** In a sentence. */
  readonly description: string;
}

/** Events between two notes of the hash. */
const STRETCH = 1024;
const ATTEMPTS = 5;
const CONTEXT = 5;

/** Undefined if the runs are equal. Runs each once more if they differ after the first stretch. */
export async function findDivergence(first: WatchedRun, second: WatchedRun): Promise<Divergence | undefined> {
  let stretch = 0;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const a = await record(first, stretch);
    const b = await record(second, stretch);
    const equalNotes = countEqual(a.hashes, b.hashes);
    if (equalNotes === a.hashes.length && equalNotes === b.hashes.length) return undefined;
    // A note is taken before the first event of each stretch: the last equal one begins the stretch wanted.
    const wanted = Math.max(0, equalNotes - 1);
    const divergence = compare(a.events, b.events);
    if (wanted === stretch && divergence !== undefined) return divergence;
    stretch = wanted;
  }
  throw new Error("the runs differ, but elsewhere each time, or before their first event");
}

interface Recording {
  /** The rolling hash before each stretch, and at the end. */
  readonly hashes: readonly string[];
  /** The events from a little before the chosen stretch to its end. */
  readonly events: readonly RecordedEvent[];
}

async function record(run: WatchedRun, stretch: number): Promise<Recording> {
  const hashes: string[] = [];
  const events: RecordedEvent[] = [];
  const from = stretch * STRETCH - CONTEXT;
  const to = (stretch + 1) * STRETCH;
  let next = 0;
  let watched: World | undefined;
  const write = (time: Nanos, lane: string, kind: string, index: number) => {
    if (index >= from && index < to) events.push({ index, time, lane, kind });
  };
  await run((world) => {
    watched = world;
    world.onTrace(({ time, node, kind, detail }) => {
      if (next > from && next <= to) write(time, node, `trace ${kind} ${JSON.stringify(detail)}`, next - 1);
    });
    world.record((time, lane, kind) => {
      if (next % STRETCH === 0) hashes.push(world.traceHash);
      write(time, lane, kind, next);
      next++;
    });
  });
  if (watched === undefined) throw new Error("the run did not hand over its world");
  hashes.push(watched.traceHash);
  return { hashes, events };
}

/** Length of the common beginning, by bisection: rolling hashes that differ once differ for ever. */
function countEqual(a: readonly string[], b: readonly string[]): number {
  let low = 0;
  let high = Math.min(a.length, b.length);
  while (low < high) {
    const middle = (low + high) >> 1;
    if (a[middle] === b[middle]) low = middle + 1;
    else high = middle;
  }
  return low;
}

function compare(a: readonly RecordedEvent[], b: readonly RecordedEvent[]): Divergence | undefined {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const first = a[i];
    const second = b[i];
    if (first !== undefined && second !== undefined && same(first, second)) continue;
    return {
      first,
      second,
      before: a.slice(Math.max(0, i - CONTEXT), i),
      description: `${describe(first)} in one run, ${describe(second)} in the other`,
    };
  }
  return undefined;
}

function same(a: RecordedEvent, b: RecordedEvent): boolean {
  return a.time === b.time && a.lane === b.lane && a.kind === b.kind;
}

function describe(event: RecordedEvent | undefined): string {
  if (event === undefined) return "nothing more";
  return `event ${event.index} is ${event.kind} on ${event.lane} at ${event.time} ns`;
}
