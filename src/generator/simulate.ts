/**
 * The test kit: plays a generator against an invented system, without a cluster, in virtual time.
 *
 * What a generator does is then a list of events, the same for the same seed, and a test compares lists.
 */
import {
  type Json,
  type Nanos,
  NEMESIS,
  type Op,
  type Process,
  type Signature,
  type Thread,
} from "../history/op.ts";
import { type Random, seededRandom } from "../runtime/random.ts";
import type { Context, OpGenerator } from "./generator.ts";
import { lift, type Source } from "./source.ts";

/** How an operation ends, and how long it takes. */
export interface Ending {
  readonly type: "ok" | "fail" | "info";
  readonly latency: Nanos;
  /** The value of an `ok`; that of the invocation unless given. */
  readonly value?: Json;
}

/** Decides how operations end. `count` says how many operations its thread has completed before. */
export type Completer = (invocation: Op, count: number, random: Random) => Ending;

/** Latency of the completers below, but `quick`. */
export const LATENCY: Nanos = 10;

/** Everything works, and takes `LATENCY`. */
export const perfect: Completer = () => ({ type: "ok", latency: LATENCY });

/** Everything works at once: shows the order a generator wants, undisturbed by waiting. */
export const quick: Completer = () => ({ type: "ok", latency: 0 });

/** Every outcome is unknown: each operation retires its process. */
export const perfectInfo: Completer = () => ({ type: "info", latency: LATENCY });

/** On each thread the operations end as ok, fail, info in turn, and take between 1 and twice `LATENCY`. */
export const imperfect: Completer = (_, count, random) => ({
  type: (["ok", "fail", "info"] as const)[count % 3] as Ending["type"],
  latency: random.between(1, 2 * LATENCY),
});

export interface SimulateOptions {
  /** Number of client threads; the nemesis comes on top. */
  readonly concurrency?: number;
  readonly seed?: number;
  readonly completer?: Completer;
  /** The run is cut off after this many events: for generators without end. */
  readonly events?: number;
}

interface Pending {
  readonly at: Nanos;
  readonly thread: Thread;
  readonly completion: Op;
}

/**
 * The events of a run: 3 client threads and the nemesis, seed 0, `perfect`, at most 10,000 events unless told
 * otherwise. Throws if the generator waits for ever: no time given, and nothing under way.
 */
export function simulate<S extends Signature>(
  source: Source<S>,
  options: SimulateOptions = {},
): readonly Op<S>[] {
  const { concurrency = 3, seed = 0, completer = perfect, events: most = 10_000 } = options;
  const root = seededRandom(seed);
  const schedule = root.fork("schedule");
  const endings = root.fork("endings");
  const threads: readonly Thread[] = [NEMESIS, ...Array.from({ length: concurrency }, (_, i) => i)];
  const processes = new Map<Thread, Process>(threads.map((thread) => [thread, thread]));
  const completed = new Map<Thread, number>();
  const events: Op[] = [];
  const pending: Pending[] = [];
  let generator: OpGenerator = lift(source as Source<Signature>);
  let free = threads;
  let time: Nanos = 0;

  const context = (): Context => ({
    time,
    threads,
    free,
    process: (thread) => processes.get(thread) as Process,
    thread: (process) => (process === NEMESIS ? NEMESIS : process % concurrency),
    random: schedule.fork(events.length),
  });
  const record = (event: Op): void => {
    events.push(event);
    generator = generator.update(context(), event);
  };
  /** Ends the earliest operation under way; of several, the one started first. */
  const complete = (): void => {
    const { at, thread, completion } = pending.shift() as Pending;
    time = at;
    free = threads.filter((other) => other === thread || free.includes(other));
    completed.set(thread, (completed.get(thread) ?? 0) + 1);
    record({ ...completion, index: events.length });
    if (completion.type === "info" && thread !== NEMESIS)
      processes.set(thread, completion.process + concurrency);
  };

  while (events.length < most) {
    const step = generator.next(context());
    const due = pending[0]?.at ?? Number.POSITIVE_INFINITY;
    if (step.kind === "op" && step.at <= time) {
      const { thread, call } = step;
      if (!free.includes(thread)) throw new Error(`the generator wants thread ${thread}, which is not free`);
      generator = step.rest;
      free = free.filter((other) => other !== thread);
      const invocation: Op = {
        index: events.length,
        time,
        process: processes.get(thread) as Process,
        type: "invoke",
        ...call,
      };
      const ending = completer(invocation, completed.get(thread) ?? 0, endings.fork(events.length));
      const at = time + ending.latency;
      const { type: _, ...fields } = invocation;
      const completion: Op =
        ending.type === "ok"
          ? {
              ...fields,
              time: at,
              type: "ok",
              value: ending.value === undefined ? invocation.value : ending.value,
            }
          : { ...fields, time: at, type: ending.type, error: `simulated ${ending.type}` };
      let place = pending.length;
      while (place > 0 && (pending[place - 1] as Pending).at > at) place--;
      pending.splice(place, 0, { at, thread, completion });
      record(invocation);
      continue;
    }
    if (step.kind === "done") {
      if (pending.length === 0) break;
      complete();
      continue;
    }
    if (step.kind === "wait") generator = step.rest;
    const until = (step.kind === "op" ? step.at : step.until) ?? Number.POSITIVE_INFINITY;
    if (due <= until && pending.length > 0) complete();
    else if (until === Number.POSITIVE_INFINITY)
      throw new Error(`at ${time} the generator waits for an event, but nothing is under way`);
    else time = Math.max(time, until);
  }
  return events as unknown as readonly Op<S>[];
}
