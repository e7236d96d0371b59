/** The tester's runtime in real time. */
import { hrtime } from "node:process";
import type { ClusterEvent } from "../../src/cluster.ts";
import type { Json, Nanos } from "../../src/history/op.ts";
import { type Random, seededRandom } from "../../src/runtime/random.ts";
import { type Clock, MILLISECOND, type Runtime, type Timer } from "../../src/runtime/runtime.ts";

/** Node's timers overflow beyond. */
const LONGEST_MS = 0x7fff_ffff;

export class RealRuntime implements Runtime {
  readonly clock: Clock;
  readonly random: Random;
  #start = hrtime.bigint();
  #events: ClusterEvent[] = [];

  constructor(seed: number) {
    this.clock = {
      monotonic: () => Number(hrtime.bigint() - this.#start),
      wall: () => Date.now() * MILLISECOND,
    };
    this.random = seededRandom(seed);
  }

  /** Sets the clock to zero and forgets what happened before: a history begins when its cluster serves. */
  begin(): void {
    this.#start = hrtime.bigint();
    this.#events = [];
  }

  timer(delay: Nanos, body: () => void): Timer {
    const handle = setTimeout(body, Math.min(LONGEST_MS, Math.ceil(delay / MILLISECOND)));
    return { cancel: () => clearTimeout(handle) };
  }

  defer(body: () => void): void {
    queueMicrotask(body);
  }

  trace(kind: string, detail: { readonly [field: string]: Json } = {}): void {
    this.tell("tester", kind, detail);
  }

  /** The same for what happened at a member. */
  tell(node: string, kind: string, detail: { readonly [field: string]: Json }): void {
    this.#events.push({ time: this.clock.monotonic(), node, kind, detail });
  }

  get events(): readonly ClusterEvent[] {
    return this.#events;
  }
}
