/**
 * The runner's schedule: which operation to start now, or how long to wait. Pure bookkeeping around a generator;
 * the driver does what it says.
 */
import type { Context, OpGenerator } from "../generator/generator.ts";
import type { Call, Nanos, Op, Process, Signature, Thread } from "../history/op.ts";
import { NEMESIS } from "../history/op.ts";
import type { Random } from "../runtime/random.ts";

export type Decision =
  | { readonly kind: "start"; readonly thread: Thread; readonly process: Process; readonly call: Call }
  | { readonly kind: "wait"; readonly until: Nanos | undefined }
  | { readonly kind: "done" };

export class Schedule {
  #generator: OpGenerator<Signature>;
  readonly #concurrency: number;
  readonly #threads: readonly Thread[];
  #free: readonly Thread[];
  /** By thread. Processes of one thread are congruent modulo the concurrency. */
  readonly #processes: Process[];
  readonly #random: Random;
  #events = 0;

  /** `concurrency` client threads and the nemesis. */
  constructor(generator: OpGenerator<Signature>, concurrency: number, random: Random) {
    this.#generator = generator;
    this.#concurrency = concurrency;
    this.#random = random;
    this.#processes = Array.from({ length: concurrency }, (_, thread) => thread);
    this.#threads = [NEMESIS, ...this.#processes];
    this.#free = this.#threads;
  }

  /** True while no thread runs an operation. */
  get idle(): boolean {
    return this.#free.length === this.#threads.length;
  }

  /** The thread that runs, or ran, a process. */
  thread(process: Process): Thread {
    return process === NEMESIS ? NEMESIS : process % this.#concurrency;
  }

  /** The process that a thread runs now. */
  process(thread: Thread): Process {
    return thread === NEMESIS ? NEMESIS : (this.#processes[thread] as Process);
  }

  #context(time: Nanos): Context {
    return new Moment(this, time, this.#threads, this.#free, this.#random, this.#events);
  }

  /** Replaces what is to come, as when a phase begins; operations under way go on. */
  follow(generator: OpGenerator<Signature>): void {
    this.#generator = generator;
  }

  /** What to do at `now`. A start is taken: the thread is busy afterwards. */
  next(now: Nanos): Decision {
    for (;;) {
      const { due } = this.#generator;
      if (due !== undefined && due > now) return { kind: "wait", until: due };
      const step = this.#generator.next(this.#context(now));
      if (step.kind === "done") return { kind: "done" };
      if (step.kind === "wait") {
        this.#generator = step.rest;
        if (step.until !== undefined && step.until <= now) continue;
        return { kind: "wait", until: step.until };
      }
      if (step.at > now) return { kind: "wait", until: step.at };
      const { thread, call } = step;
      const index = this.#free.indexOf(thread);
      if (index < 0) throw new Error(`the generator wants thread ${thread}, which is not free`);
      this.#generator = step.rest;
      this.#free = this.#free.toSpliced(index, 1);
      return { kind: "start", thread, process: this.process(thread), call };
    }
  }

  /** To be told of each invocation and completion, once it is in the history. */
  record(event: Op): void {
    this.#events++;
    if (event.type !== "invoke") this.#release(this.thread(event.process));
    this.#generator = this.#generator.update(this.#context(event.time), event);
    if (event.type === "info" && event.process !== NEMESIS) {
      this.#processes[this.thread(event.process)] = event.process + this.#concurrency;
    }
  }

  #release(thread: Thread): void {
    let at = 0;
    while (at < this.#free.length && (this.#free[at] as Thread) < thread) at++;
    this.#free = this.#free.toSpliced(at, 0, thread);
  }
}

class Moment implements Context {
  readonly time: Nanos;
  readonly threads: readonly Thread[];
  readonly free: readonly Thread[];
  readonly #schedule: Schedule;
  readonly #root: Random;
  readonly #events: number;
  #random: Random | undefined;

  constructor(
    schedule: Schedule,
    time: Nanos,
    threads: readonly Thread[],
    free: readonly Thread[],
    root: Random,
    events: number,
  ) {
    this.time = time;
    this.threads = threads;
    this.free = free;
    this.#schedule = schedule;
    this.#root = root;
    this.#events = events;
  }

  process(thread: Thread): Process {
    return this.#schedule.process(thread);
  }

  thread(process: Process): Thread {
    return this.#schedule.thread(process);
  }

  /** Forked when first asked for: most moments pass without a draw. */
  get random(): Random {
    this.#random ??= this.#root.fork(this.#events);
    return this.#random;
  }
}
