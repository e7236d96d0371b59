/**
 * The driver: the thin shell that does what the schedule says, in virtual or in real time.
 * It writes an invocation down before the operation is sent, and a completion after its answer arrived.
 */
import type { OpGenerator } from "../generator/generator.ts";
import {
  type Call,
  type Json,
  type Nanos,
  NEMESIS,
  type NodeId,
  type Op,
  type Outcome,
  type Process,
  type Signature,
  type Thread,
} from "../history/op.ts";
import type { Timer } from "../runtime/runtime.ts";
import { Schedule } from "./schedule.ts";
import { describeError, Worker, type WorkerOptions } from "./worker.ts";

export interface DriverOptions extends WorkerOptions {
  readonly concurrency: number;
  /** Performs a call of the nemesis; resolves to evidence. */
  readonly nemesis: (call: Call) => Promise<Json>;
  /** Takes each event, in order, before anything follows from it. */
  readonly record: (event: Op) => void;
}

/** An `Op` in the making: fields that do not apply are missing, as in the journal. */
interface Event {
  readonly index: number;
  readonly time: Nanos;
  readonly process: Process;
  readonly type: Op["type"];
  readonly f: string;
  readonly value: Json;
  node?: NodeId;
  key?: string;
  error?: string;
}

const nothing: OpGenerator<Signature> = { next: () => ({ kind: "done" }), update: () => nothing };

export class Driver {
  readonly #options: DriverOptions;
  readonly #schedule: Schedule;
  readonly #workers = new Map<Thread, Worker>();
  readonly #start: Nanos;
  #index = 0;
  #timer: Timer | undefined;
  #finish: (() => void) | undefined;
  #fail: ((error: unknown) => void) | undefined;
  #advancing = false;

  constructor(options: DriverOptions) {
    this.#options = options;
    this.#schedule = new Schedule(nothing, options.concurrency, options.runtime.random.fork("schedule"));
    this.#start = options.runtime.clock.monotonic();
  }

  /** Nanoseconds since the driver was made: the time of the history. */
  now(): Nanos {
    return this.#options.runtime.clock.monotonic() - this.#start;
  }

  /** Runs one phase: resolves when the generator is done and every operation has ended. Rejects if the harness broke. */
  phase(generator: OpGenerator<Signature>): Promise<void> {
    this.#schedule.follow(generator);
    return new Promise((resolve, reject) => {
      this.#finish = resolve;
      this.#fail = reject;
      this.#advance();
    });
  }

  /** Begins nothing more in this phase, which resolves when what is under way has ended. */
  cease(): void {
    this.#schedule.follow(nothing);
  }

  close(): void {
    this.#timer?.cancel();
    for (const worker of this.#workers.values()) worker.close();
  }

  readonly #advance = (): void => {
    if (this.#advancing || this.#finish === undefined) return;
    this.#advancing = true;
    try {
      this.#timer?.cancel();
      this.#timer = undefined;
      for (;;) {
        const now = this.now();
        const decision = this.#schedule.next(now);
        if (decision.kind === "start") {
          this.#begin(decision.thread, decision.process, decision.call);
          continue;
        }
        if (decision.kind === "wait") {
          if (decision.until !== undefined) {
            this.#timer = this.#options.runtime.timer(Math.max(0, decision.until - now), this.#advance);
          } else if (this.#schedule.idle) {
            throw new Error("the generator waits for an event, but no operation is under way");
          }
        } else if (this.#schedule.idle) {
          const finish = this.#finish;
          this.#finish = undefined;
          finish();
        }
        return;
      }
    } catch (error) {
      this.#finish = undefined;
      this.#fail?.(error);
    } finally {
      this.#advancing = false;
    }
  };

  #begin(thread: Thread, process: Process, call: Call): void {
    if (thread === NEMESIS) {
      this.#record(this.#event(process, undefined, call, "invoke", call.value));
      this.#options.nemesis(call).then(
        (value) => this.#complete(process, call, { type: "ok", value }),
        (error: unknown) => this.#complete(process, call, { type: "info", error: describeError(error) }),
      );
      return;
    }
    let worker = this.#workers.get(thread);
    if (worker === undefined) {
      worker = new Worker(this.#options);
      this.#workers.set(thread, worker);
    }
    worker.prepare(process);
    const { node } = worker;
    this.#record(this.#event(process, node, call, "invoke", call.value));
    worker.invoke(call, (outcome) => this.#complete(process, call, outcome, node));
  }

  #complete(process: Process, call: Call, outcome: Outcome, node?: NodeId): void {
    const value = outcome.type === "ok" ? outcome.value : call.value;
    const event = this.#event(process, node, call, outcome.type, value);
    if (outcome.type !== "ok") event.error = outcome.error;
    this.#record(event);
    this.#advance();
  }

  #event(process: Process, node: NodeId | undefined, call: Call, type: Op["type"], value: Json): Event {
    const event: Event = { index: this.#index++, time: this.now(), process, type, f: call.f, value };
    if (node !== undefined) event.node = node;
    if (call.key !== undefined) event.key = call.key;
    return event;
  }

  #record(event: Event): void {
    this.#options.record(event as Op);
    this.#schedule.record(event as Op);
  }
}
