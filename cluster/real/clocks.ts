/** Wall clocks of members that are processes: jumps and drift, which outlive the process that they were done to. */
import fs from "node:fs";
import { basename } from "node:path";
import type { Clocks } from "../../src/cluster.ts";
import type { Json, Nanos, NodeId } from "../../src/history/op.ts";
import { MILLISECOND, type Runtime, type Timer } from "../../src/runtime/runtime.ts";
import { ProcessClock } from "./vdso.ts";

/** A drift is many small jumps. */
const STEP: Nanos = 20 * MILLISECOND;

interface Skew {
  /** Ahead of true time at `since`, by the tester's clock, and how much more with each nanosecond after it. */
  offset: Nanos;
  since: Nanos;
  growth: number;
  /** Of the process that runs now, if any does. */
  clock: ProcessClock | undefined;
}

/** Why clocks of processes cannot be moved on this machine; undefined if they can. */
export function lacksClocks(): string | undefined {
  return process.platform === "linux" && process.arch === "x64"
    ? undefined
    : "the clock of a process can be moved on Linux with x86-64 only";
}

/** The monotonic clocks stay true, whatever is asked for: what cannot be done to a process is not pretended. */
export class ProcessClocks implements Clocks {
  readonly #runtime: Runtime;
  readonly #pid: (node: NodeId) => number | undefined;
  readonly #skews = new Map<NodeId, Skew>();
  #timer: Timer | undefined;

  /** `pid` gives the process of a member, undefined while there is none. */
  constructor(runtime: Runtime, pid: (node: NodeId) => number | undefined) {
    this.#runtime = runtime;
    this.#pid = pid;
  }

  async jump(node: NodeId, by: Nanos): Promise<Json> {
    const skew = await this.#skewOf(node);
    this.#settle(skew);
    skew.offset += by;
    skew.clock?.set(skew.offset);
    return { offset: skew.clock?.offset() ?? skew.offset };
  }

  async drift(node: NodeId, rate: number): Promise<Json> {
    const skew = await this.#skewOf(node);
    this.#settle(skew);
    skew.growth = rate - 1;
    this.#timer ??= this.#runtime.timer(STEP, () => this.#step());
    return { rate, clocks: "wall" };
  }

  async reset(node: NodeId): Promise<Json> {
    const skew = this.#skews.get(node);
    if (skew === undefined) return { offset: 0 };
    this.#settle(skew);
    const was = skew.offset;
    skew.offset = 0;
    skew.growth = 0;
    skew.clock?.set(0);
    return { was };
  }

  async offset(node: NodeId): Promise<Nanos> {
    const skew = this.#skews.get(node);
    return skew?.clock?.offset() ?? skew?.offset ?? 0;
  }

  /** A member runs as a new process: its clock will go as that of the one before it did, as soon as can be. */
  started(node: NodeId): void {
    const skew = this.#skews.get(node);
    if (skew === undefined) return;
    release(skew);
    if (skew.offset !== 0 || skew.growth !== 0) void this.#attach(node, skew);
  }

  close(): void {
    this.#timer?.cancel();
    for (const skew of this.#skews.values()) release(skew);
  }

  async #skewOf(node: NodeId): Promise<Skew> {
    let skew = this.#skews.get(node);
    if (skew === undefined) {
      skew = { offset: 0, since: this.#runtime.clock.monotonic(), growth: 0, clock: undefined };
      this.#skews.set(node, skew);
    }
    if (skew.clock === undefined) await this.#attach(node, skew);
    return skew;
  }

  /** Takes hold of the clock of the process that runs now, unless it ends meanwhile. */
  async #attach(node: NodeId, skew: Skew): Promise<void> {
    const pid = this.#pid(node);
    if (pid === undefined) return;
    let clock: ProcessClock;
    try {
      while (enters(pid)) await new Promise<void>((resolve) => this.#runtime.timer(MILLISECOND, resolve));
      clock = await ProcessClock.attach(pid);
    } catch (error) {
      if (this.#pid(node) !== pid) return;
      throw error;
    }
    if (this.#pid(node) !== pid || skew.clock !== undefined) return clock.close();
    skew.clock = clock;
    this.#settle(skew);
    clock.set(skew.offset);
  }

  /** Brings the offset to the present. */
  #settle(skew: Skew): void {
    const now = this.#runtime.clock.monotonic();
    skew.offset += Math.round((now - skew.since) * skew.growth);
    skew.since = now;
  }

  #step(): void {
    let drifting = false;
    for (const skew of this.#skews.values()) {
      if (skew.growth === 0) continue;
      drifting = true;
      this.#settle(skew);
      skew.clock?.set(skew.offset);
    }
    this.#timer = drifting ? this.#runtime.timer(STEP, () => this.#step()) : undefined;
  }
}

function release(skew: Skew): void {
  skew.clock?.close();
  skew.clock = undefined;
}

/** Programs that become the member, whose page of code is another. */
const FORERUNNERS = /^(?:nsenter$|runc)/;

function enters(pid: number): boolean {
  return FORERUNNERS.test(basename(fs.readlinkSync(`/proc/${pid}/exe`)));
}
