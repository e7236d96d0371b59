/** A member's runtime on a real machine: the clocks, timers, chance, disk and network of one process. */
import { randomInt } from "node:crypto";
import type { Json, Nanos, NodeId } from "../../src/history/op.ts";
import { type Random, seededRandom } from "../../src/runtime/random.ts";
import {
  type Clock,
  type Disk,
  MILLISECOND,
  type Network,
  type NodeRuntime,
  SECOND,
  type Timer,
} from "../../src/runtime/runtime.ts";
import type { EventLoop } from "./event-loop.ts";

/** Tells what happened in a member. */
export type Trace = (kind: string, detail: { readonly [field: string]: Json }) => void;

/** Since the process started, by the kernel's monotonic clock; exact for 104 days, and to the microsecond for years. */
const [startSeconds, startNanos] = process.hrtime();
export const liveClock: Clock = {
  monotonic: () => {
    const [seconds, nanos] = process.hrtime();
    return (seconds - startSeconds) * SECOND + (nanos - startNanos);
  },
  wall: () => Date.now() * MILLISECOND,
};

export interface LiveRuntimeOptions {
  readonly node: NodeId;
  readonly loop: EventLoop;
  readonly disk: Disk;
  readonly network: Network;
  readonly trace: Trace;
  /** The member wants to end; called at most once. */
  readonly exit: (reason: string) => void;
}

export class LiveRuntime implements NodeRuntime {
  readonly node: NodeId;
  readonly clock = liveClock;
  readonly random: Random = seededRandom(randomInt(2 ** 47));
  readonly disk: Disk;
  readonly network: Network;
  readonly #loop: EventLoop;
  readonly #trace: Trace;
  readonly #exit: (reason: string) => void;
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor({ node, loop, disk, network, trace, exit }: LiveRuntimeOptions) {
    this.node = node;
    this.disk = disk;
    this.network = network;
    this.#loop = loop;
    this.#trace = trace;
    this.#exit = exit;
  }

  timer(delay: Nanos, body: () => void): Timer {
    if (!this.#loop.alive) return { cancel: () => {} };
    const handle = setTimeout(
      () => {
        this.#timers.delete(handle);
        this.#loop.run(body);
      },
      Math.ceil(delay / MILLISECOND),
    );
    this.#timers.add(handle);
    return {
      cancel: () => {
        clearTimeout(handle);
        this.#timers.delete(handle);
      },
    };
  }

  defer(body: () => void): void {
    this.#loop.defer(body);
  }

  trace(kind: string, detail: { readonly [field: string]: Json } = {}): void {
    if (this.#loop.alive) this.#trace(kind, detail);
  }

  exit(reason: string): void {
    if (this.#loop.alive) this.#exit(reason);
  }

  /** Forgets all timers. */
  end(): void {
    for (const handle of this.#timers) clearTimeout(handle);
    this.#timers.clear();
  }
}
