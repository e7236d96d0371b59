/**
 * When a failing run was lost: for moments of the run, how often it still fails in the same way if all chance is drawn
 * anew from that moment on. Where the likelihood rises lies what made the failure inevitable; what comes before did
 * not matter, and what comes after only showed it.
 */
import { type Plan, UsageError } from "../plan.ts";
import type { Run } from "../runner/run.ts";
import { type Failure, failureOf, lastWitness, shows } from "../shrink/failure.ts";

export interface ExploreOptions {
  /** Runs a plan in the simulator. */
  readonly run: (plan: Plan) => Promise<Run>;
  /** The part of the budget that is used up, asked before every run but those of the first pass. */
  readonly spent: () => number;
  /** Told of what is known after every run. */
  readonly progress?: (moments: readonly Moment[]) => void;
}

/** A moment of a run, how many futures were drawn from there on, and how many of them failed as the run did. */
export interface Moment {
  /** Seconds since the start. */
  readonly at: number;
  readonly futures: number;
  readonly failed: number;
}

export interface Futures {
  readonly failure: Failure;
  /** When the failure was proved, in seconds: the last operation of its witness, or else the end of the run. */
  readonly proved: number;
  /** In the order of time, from 0 to `proved`. */
  readonly moments: readonly Moment[];
}

/** Stretches of equal length that the run is cut into at first. */
const STRETCHES = 16;
/** How much longer than to its proof a run lasts, in seconds: at least, and as a part of the time before. */
const SLACK = 1;
const SLACK_PART = 0.25;
/** Futures of each moment, and those of them that are drawn before it is known where the likelihood rises. */
const FUTURES = 20;
const FIRST = 8;
/** The stretch in which the likelihood rises is halved no further than to this part of the run. */
const FINEST = 1 / 1024;

/**
 * Draws futures of a run that fails: some of all moments in turn, then of moments between the two where the likelihood
 * rises most, and at last the rest of all. It can end at any time. Throws UsageError if the run does not fail.
 */
export async function explore(plan: Plan, options: ExploreOptions): Promise<Futures> {
  const first = await options.run(plan);
  const failure = failureOf(first.result);
  if (failure === undefined) throw new UsageError("the run breaks no promise: it has no point of no return");
  const proved = provedAt(first, failure);
  const base = await shortened(plan, failure, proved, options);
  const moments: Moment[] = Array.from({ length: STRETCHES + 1 }, (_, i) => ({
    at: (proved * i) / STRETCHES,
    futures: 0,
    failed: 0,
  }));
  /** One future more of the moment at a position. */
  const draw = async (position: number): Promise<void> => {
    const { at, futures, failed } = moments[position] as Moment;
    const future = { at, seed: futures + 1 };
    const { result } = await options.run({ ...base, future });
    moments[position] = { at, futures: futures + 1, failed: failed + (shows(result, failure) ? 1 : 0) };
    options.progress?.(moments);
  };
  const used = (): boolean => options.spent() >= 1;
  /** Futures of all moments in turn, until each has as many. */
  const fill = async (futures: number): Promise<void> => {
    for (let pass = 1; pass <= futures; pass++)
      for (const [position, moment] of moments.entries())
        if (moment.futures < pass && (pass === 1 || !used())) await draw(position);
  };
  await fill(FIRST);
  while (!used()) {
    const after = steepest(moments);
    const [from, to] = [moments[after - 1] as Moment, moments[after] as Moment];
    if (rate(to) <= rate(from) || to.at - from.at < proved * FINEST) break;
    moments.splice(after, 0, { at: (from.at + to.at) / 2, futures: 0, failed: 0 });
    for (let i = 0; i < FUTURES && (i === 0 || !used()); i++) await draw(after);
  }
  await fill(FUTURES);
  return { failure, proved, moments };
}

/** The position of the moment before which the likelihood rises most; of several, the first. */
export function steepest(moments: readonly Moment[]): number {
  let best = 1;
  const rise = (position: number) =>
    rate(moments[position] as Moment) - rate(moments[position - 1] as Moment);
  for (let position = 2; position < moments.length; position++)
    if (rise(position) > rise(best)) best = position;
  return best;
}

/** Whether two likelihoods differ by more than so few futures can make them differ by chance. */
export function areApart(less: Moment, more: Moment): boolean {
  return bounds(less)[1] < bounds(more)[0];
}

/** The first moment from which on, at each that was tried, at least half of the futures failed. */
export function noReturn(moments: readonly Moment[]): Moment | undefined {
  const last = moments.findLastIndex((moment) => rate(moment) < 0.5);
  return moments[last + 1];
}

/** The share of futures that failed. */
export function rate({ futures, failed }: Moment): number {
  return futures === 0 ? 0 : failed / futures;
}

/**
 * Bounds of the likelihood: at 95 %, the score interval of Wilson (JASA 22, 1927), which stays within 0 and 1 and holds
 * for few futures too.
 */
export function bounds({ futures, failed }: Moment): readonly [low: number, high: number] {
  if (futures === 0) return [0, 1];
  const z = 1.96;
  const p = failed / futures;
  const scale = 1 + z ** 2 / futures;
  const middle = (p + z ** 2 / (2 * futures)) / scale;
  const half = (z * Math.sqrt((p * (1 - p)) / futures + (z / (2 * futures)) ** 2)) / scale;
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}

/**
 * The run with less load after the proof, if it fails all the same at the same time: what is asked is whether this
 * failure happens again, not whether another one does in the time that is left.
 */
async function shortened(
  plan: Plan,
  failure: Failure,
  proved: number,
  { run }: ExploreOptions,
): Promise<Plan> {
  const duration = proved + Math.max(SLACK, proved * SLACK_PART);
  if (duration >= plan.duration) return plan;
  const short = { ...plan, duration };
  const again = await run(short);
  return shows(again.result, failure) && provedAt(again, failure) === proved ? short : plan;
}

function provedAt({ history, result }: Run, failure: Failure): number {
  const witness = lastWitness(result, failure);
  const crash = result.nodeEnds.find(({ kind }) => kind === "crash");
  const time =
    (witness === undefined ? crash?.time : history.events[witness]?.time) ?? history.events.at(-1)?.time ?? 0;
  return time / 1e9;
}
