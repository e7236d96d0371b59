/**
 * Finds where two runs that should be equal part ways: the first is written down whole, the second is compared with
 * it event by event. Each runs once, so that chance that is real cannot move the difference between two looks at it.
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

/** Events that are told of before the difference. */
const CONTEXT = 5;

/**
 * Undefined if the runs are equal. Keeps one record for each event and trace of the first run: some 100 bytes, and the
 * trace's text. Rejects if the runs differ by their traces' hash alone.
 */
export async function findDivergence(first: WatchedRun, second: WatchedRun): Promise<Divergence | undefined> {
  const expected: RecordedEvent[] = [];
  const hash = await record(first, (event) => expected.push(event));
  let compared = 0;
  let divergence: Divergence | undefined;
  const diverge = (a: RecordedEvent | undefined, b: RecordedEvent | undefined) => {
    divergence ??= {
      first: a,
      second: b,
      before: expected.slice(Math.max(0, compared - CONTEXT), compared),
      description: `${describe(a)} in one run, ${describe(b)} in the other`,
    };
  };
  const otherHash = await record(second, (event) => {
    if (divergence !== undefined) return;
    const other = expected[compared];
    if (other !== undefined && same(other, event)) compared++;
    else diverge(other, event);
  });
  if (compared < expected.length) diverge(expected[compared], undefined);
  if (divergence === undefined && hash !== otherHash)
    throw new Error("the runs differ, but in nothing that an event or a trace tells");
  return divergence;
}

/** Tells of every event and every trace, in order; returns the hash at the end. */
async function record(run: WatchedRun, tell: (event: RecordedEvent) => void): Promise<string> {
  let events = 0;
  let watched: World | undefined;
  await run((world) => {
    watched = world;
    world.onTrace(({ time, node, kind, detail }) => {
      // What is traced before anything has happened belongs to no event.
      const index = Math.max(0, events - 1);
      tell({ index, time, lane: node, kind: `trace ${kind} ${JSON.stringify(detail)}` });
    });
    world.record((time, lane, kind) => {
      tell({ index: events++, time, lane, kind });
    });
  });
  if (watched === undefined) throw new Error("the run did not hand over its world");
  return watched.traceHash;
}

function same(a: RecordedEvent, b: RecordedEvent): boolean {
  return a.time === b.time && a.lane === b.lane && a.kind === b.kind;
}

function describe(event: RecordedEvent | undefined): string {
  if (event === undefined) return "nothing more";
  return `event ${event.index} is ${event.kind} on ${event.lane} at ${event.time} ns`;
}
