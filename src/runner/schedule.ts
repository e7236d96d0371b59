/**
 * The runner's schedule: which operation to start now, or how long to wait. Pure bookkeeping around a generator;
 * the driver (run.ts) does what it says.
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
  readonly #threads: readonly Thread[];
  #free: readonly Thread[];
  /** Invariant: processes are unique; #processOf.get(t) is what runs on t now. */
  readonly #processOf = new Map<Thread, Process>();
  readonly #threadOf = new Map<Process, Thread>();
  readonly #random: Random;
  #events = 0;
  #nextProcess: Process;

  /** `concurrency` client threads and the nemesis. */
  constructor(generator: OpGenerator<Signature>, concurrency: number, random: Random) {
    this.#generator = generator;
    this.#random = random;
    this.#threads = [NEMESIS, ...Array.from({ length: concurrency }, (_, i) => i)];
    this.#free = this.#threads;
    for (const thread of this.#threads) {
      this.#processOf.set(thread, thread);
      this.#threadOf.set(thread, thread);
    }
    this.#nextProcess = concurrency;
  }

  /** True while no thread runs an operation. */
  get idle(): boolean {
    return this.#free.length === this.#threads.length;
  }

  #context(time: Nanos): Context {
    let random: Random | undefined;
    const root = this.#random;
    const events = this.#events;
    const processOf = this.#processOf;
    return {
      time,
      threads: this.#threads,
      free: this.#free,
      process: (thread) => processOf.get(thread) ?? thread,
      get random() {
        random ??= root.fork(events);
        return random;
      },
    };
  }

  /** Replaces what is to come, as when a phase ends; operations under way go on. */
  follow(generator: OpGenerator<Signature>): void {
    this.#generator = generator;
  }

  /** What to do at `now`. A start is taken: the thread is busy afterwards. */
  next(now: Nanos): Decision {
    const step = this.#generator.next(this.#context(now));
    if (step.kind === "done") return { kind: "done" };
    if (step.kind === "wait") return { kind: "wait", until: step.until };
    if (step.at > now) return { kind: "wait", until: step.at };
    const index = this.#free.indexOf(step.thread);
    if (index < 0) throw new Error(`the generator wants thread ${step.thread}, which is not free`);
    this.#generator = step.rest;
    this.#free = this.#free.toSpliced(index, 1);
    return {
      kind: "start",
      thread: step.thread,
      process: this.#processOf.get(step.thread) ?? step.thread,
      call: step.call,
    };
  }

  /** To be told of each invocation and completion, once it is in the history. */
  record(event: Op): void {
    this.#events++;
    if (event.type !== "invoke") this.#release(event);
    this.#generator = this.#generator.update(this.#context(event.time), event);
    if (event.type === "info" && event.process !== NEMESIS) this.#retire(event.process);
  }

  #release(event: Op): void {
    const thread = this.#threadOf.get(event.process);
    if (thread === undefined)
      throw new Error(`process ${event.process} completed an operation but runs on no thread`);
    let at = 0;
    while (at < this.#free.length && (this.#free[at] as Thread) < thread) at++;
    this.#free = this.#free.toSpliced(at, 0, thread);
  }

  #retire(process: Process): void {
    const thread = this.#threadOf.get(process) as Thread;
    this.#threadOf.delete(process);
    const successor = this.#nextProcess++;
    this.#processOf.set(thread, successor);
    this.#threadOf.set(successor, thread);
  }
}
