/**
 * Shrinks a failing simulated run: to a simpler configuration first (descend), then to a script of its calls, from
 * which everything goes that can go (ddmin), and at last to rounder times. The failure signature stays the same all
 * along, and every step is a run that was seen to fail.
 */
import { type Plan, type ScriptedCall, UsageError } from "../plan.ts";
import type { Run } from "../runner/run.ts";
import { ddmin } from "./ddmin.ts";
import { descend } from "./descend.ts";
import { type Failure, failureOf, lastWitness, shows } from "./failure.ts";
import { joined, scriptOf, sizeOf, type Unit, unitsOf } from "./script.ts";

export interface ShrinkOptions {
  /** Runs a plan in the simulator. Throws UsageError if it cannot be run. */
  readonly run: (plan: Plan) => Promise<Run>;
  /**
   * The part of the budget that is used up, asked before every run: at 1 the search ends, and what was found by then
   * is the result.
   */
  readonly spent: () => number;
  /** Told of every smaller plan. */
  readonly progress?: (plan: Plan) => void;
}

export interface Shrunk {
  readonly plan: Plan;
  readonly failure: Failure;
  /** Runs it took. */
  readonly runs: number;
}

/** Parts of the budget after which the next stage begins. */
const DESCENDED = 0.5;
const CHOSEN = 0.6;
/** Seeds tried where another course of events may do with less. */
const SEEDS = 4;
/** Runs of the simplest configuration among which the smallest is chosen. */
const CHOICE = 40;
/** Times are rounded to these, in seconds, the coarsest that still fails. */
const ROUNDING = [0.1, 0.01, 0.001];

/** The smallest plan found that fails as `plan` does. Throws UsageError if `plan` does not fail. */
export async function shrink(plan: Plan, options: ShrinkOptions): Promise<Shrunk> {
  const first = await options.run(plan);
  const failure = failureOf(first.result);
  if (failure === undefined) throw new UsageError("the run breaks no promise: there is nothing to shrink");
  const shrinking = new Shrinking(options, failure, { plan, run: first });
  if (plan.script === undefined) {
    await shrinking.descend();
    await shrinking.choose();
    await shrinking.script();
  }
  await shrinking.thin();
  await shrinking.settle();
  return { plan: shrinking.plan, failure, runs: shrinking.runs };
}

interface Found {
  readonly plan: Plan;
  readonly run: Run;
}

class Shrinking {
  readonly #options: ShrinkOptions;
  readonly #failure: Failure;
  #best: Found;
  /** The part of the budget that may be used for now. */
  #allowed = 1;
  runs = 1;

  constructor(options: ShrinkOptions, failure: Failure, first: Found) {
    this.#options = options;
    this.#failure = failure;
    this.#best = first;
  }

  get plan(): Plan {
    return this.#best.plan;
  }

  async descend(): Promise<void> {
    this.#allowed = DESCENDED;
    await descend(this.plan, (plan) => this.#accept(plan));
  }

  /** The same configuration with other seeds: whichever fails with least before it. */
  async choose(): Promise<void> {
    this.#allowed = CHOSEN;
    const { plan } = this;
    for (let i = 1; i <= CHOICE; i++) {
      const other = await this.#fail({ ...plan, seed: plan.seed + i });
      if (other !== undefined && this.#weight(other) < this.#weight(this.#best)) this.#take(other);
    }
  }

  /** From a plan that draws what to do to one that says it, as far as the failure. */
  async script(): Promise<void> {
    this.#allowed = 1;
    const { plan, run } = this.#best;
    const witness = lastWitness(run.result, this.#failure);
    for (const end of witness === undefined ? [Infinity] : [witness, Infinity]) {
      const script = scriptOf(run.history, plan.concurrency, end);
      if (await this.#accept(scripted(plan, script))) break;
    }
    await this.#cut();
  }

  /** The shortest beginning of the script that fails, by bisection: what comes after the failure cannot matter. */
  async #cut(): Promise<void> {
    const script = this.plan.script ?? [];
    let passes = 0;
    let fails = script.length;
    while (fails - passes > 1) {
      const middle = (passes + fails) >> 1;
      if (await this.#accept(scripted(this.plan, script.slice(0, middle)))) fails = middle;
      else passes = middle;
    }
  }

  /** Takes out faults and operations until none can go. */
  async thin(): Promise<void> {
    for (let before = Infinity; this.#size() < before; ) {
      before = this.#size();
      await this.#thinUnits("faults", SEEDS);
      await this.#thinUnits("operations", 1);
      await this.#thinUnits("operations", SEEDS);
    }
    await this.#thinHeals();
  }

  async #thinUnits(kind: "faults" | "operations", seeds: number): Promise<void> {
    const { script } = this.plan;
    if (script === undefined) return;
    const units = unitsOf(script);
    const rest: readonly Unit[] = kind === "faults" ? units.operations : units.faults;
    await ddmin(units[kind], (part) => this.#acceptSeeds(joined([...rest, ...part]), seeds));
  }

  /** A fault whose end does not matter lasts until the run is over. */
  async #thinHeals(): Promise<void> {
    for (const call of this.plan.script ?? [])
      if (call.thread === undefined && call.f.startsWith("heal-"))
        await this.#acceptSeeds(
          (this.plan.script ?? []).filter((other) => other !== call),
          1,
        );
  }

  /** Closes gaps in which nothing is called, then rounds the times. */
  async settle(): Promise<void> {
    for (let i = 0; i < (this.plan.script?.length ?? 0); i++) {
      const script = this.plan.script ?? [];
      const gap = (script[i]?.at ?? 0) - (script[i - 1]?.at ?? 0);
      for (const share of [1, 0.75, 0.5, 0.25]) {
        if (gap * share < 0.1) break;
        const moved = script.map((call, j) => (j < i ? call : { ...call, at: call.at - gap * share }));
        if (await this.#acceptSeeds(moved, 1)) break;
      }
    }
    for (const step of ROUNDING) {
      const rounded = (this.plan.script ?? []).map((call) => ({ ...call, at: roundTo(call.at, step) }));
      if (await this.#acceptSeeds(rounded, SEEDS)) break;
    }
  }

  #size(): number {
    return this.plan.script?.length ?? 0;
  }

  /** How much happened until the failure was proved; faults are harder to read than operations. */
  #weight({ plan, run }: Found): number {
    const end = lastWitness(run.result, this.#failure) ?? Infinity;
    const { faults, operations } = sizeOf(scriptOf(run.history, plan.concurrency, end));
    return 10 * faults + operations;
  }

  async #acceptSeeds(script: readonly ScriptedCall[], seeds: number): Promise<boolean> {
    const { seed } = this.plan;
    for (let i = 0; i < seeds; i++)
      if (await this.#accept(scripted({ ...this.plan, seed: seed + i }, script))) return true;
    return false;
  }

  async #accept(plan: Plan): Promise<boolean> {
    const found = await this.#fail(plan);
    if (found !== undefined) this.#take(found);
    return found !== undefined;
  }

  #take(found: Found): void {
    this.#best = found;
    this.#options.progress?.(found.plan);
  }

  /** The run of a plan, if it fails in the same way. */
  async #fail(plan: Plan): Promise<Found | undefined> {
    if (this.#options.spent() >= this.#allowed) return undefined;
    this.runs++;
    try {
      const run = await this.#options.run(plan);
      return shows(run.result, this.#failure) ? { plan, run } : undefined;
    } catch (error) {
      // Some simpler plans are none: a partition of one node, a knob that contradicts another.
      if (error instanceof UsageError) return undefined;
      throw error;
    }
  }
}

/** The plan with a script, and only the faults that it uses. */
function scripted(plan: Plan, script: readonly ScriptedCall[]): Plan {
  const used = new Set(
    script.flatMap(({ thread, f }) => (thread === undefined ? [f.replace(/^start-/, "")] : [])),
  );
  return {
    ...plan,
    script: [...script],
    faults: plan.faults.filter((fault) => used.has(fault)),
    duration: Math.ceil(Math.max(0, ...script.map(({ at }) => at))) + 1,
  };
}

function roundTo(value: number, step: number): number {
  const steps = Math.round(1 / step);
  return Math.round(value * steps) / steps;
}
