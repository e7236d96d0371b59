/**
 * Most faults are spans: something breaks, stays broken for a while, and is healed. A span fault says only what it
 * draws and how it breaks and heals; schedule, bookkeeping, evidence and the guaranteed heal are here.
 */
import type { Ability, Cluster } from "../src/cluster.ts";
import type { Fault, FaultOptions, Injector } from "../src/fault.ts";
import type { Context, OpGenerator, Step } from "../src/generator/generator.ts";
import { type Json, type Nanos, NEMESIS } from "../src/history/op.ts";
import type { Random } from "../src/runtime/random.ts";
import { MILLISECOND, type Runtime } from "../src/runtime/runtime.ts";

/** Damage in force. */
export interface Damage {
  /** What was done to whom; becomes the value of the start's completion. */
  readonly evidence: { readonly [field: string]: Json };
  /** Undoes it. Called once. */
  heal(): Promise<Healed>;
}
export interface Healed {
  readonly evidence: { readonly [field: string]: Json };
  /** Visible effects since the start; 0 if it broke nothing. */
  readonly bites: number;
}

export interface SpanFault {
  readonly name: string;
  readonly summary: string;
  readonly needs: readonly Ability[];
  readonly colour: string;
  /** It cannot bite with fewer members; 1 unless said otherwise. */
  readonly leastNodes?: number;
  /** Mean length of its spans relative to what the options say; 1 unless said otherwise. */
  readonly stretch?: number;
  /** What to do, in terms that do not depend on the run: "isolate a leader". */
  draw(random: Random, options: FaultOptions): { readonly [field: string]: Json };
  /** Breaks it. Rejects if it cannot be done now; that is an `info` of the nemesis, not an error of the run. */
  begin(
    cluster: Cluster<unknown>,
    value: { readonly [field: string]: Json },
    random: Random,
    runtime: Runtime,
  ): Promise<Damage>;
}

export function spanFault(spec: SpanFault): Fault {
  return {
    name: spec.name,
    summary: spec.summary,
    needs: spec.needs,
    colour: spec.colour,
    leastNodes: spec.leastNodes ?? 1,
    schedule: (options) => new SpanSchedule(spec, options, 0, undefined),
    open: (cluster, runtime) => new SpanInjector(spec, cluster, runtime),
  };
}

/** Gap, start, span, heal, gap, … Round k draws from the fault's own stream k, whatever else happens. */
class SpanSchedule implements OpGenerator {
  readonly #spec: SpanFault;
  readonly #options: FaultOptions;
  readonly #round: number;
  /** When the running span of this round ends; undefined between spans. */
  readonly #healAt: Nanos | undefined;
  /** When the gap before this round began. */
  readonly #since: Nanos;

  constructor(
    spec: SpanFault,
    options: FaultOptions,
    round: number,
    healAt: Nanos | undefined,
    since: Nanos = 0,
  ) {
    this.#spec = spec;
    this.#options = options;
    this.#round = round;
    this.#healAt = healAt;
    this.#since = since;
  }

  next(context: Context): Step {
    if (!context.free.includes(NEMESIS)) return { kind: "wait", rest: this };
    const random = this.#options.random.fork(this.#round);
    const { interval } = this.#options;
    const span = this.#options.span * (this.#spec.stretch ?? 1);
    if (this.#healAt === undefined) {
      const gap = MILLISECOND + random.fork("gap").exponential(Math.max(0, interval - span));
      const at = Math.max(context.time, Math.round(this.#since + gap));
      const length = MILLISECOND + random.fork("length").exponential(span);
      const value = this.#spec.draw(random.fork("draw"), this.#options);
      const rest = new SpanSchedule(this.#spec, this.#options, this.#round, Math.round(at + length));
      return {
        kind: "op",
        at,
        thread: NEMESIS,
        call: { f: `start-${this.#spec.name}`, value: { ...value, round: this.#round } },
        rest,
      };
    }
    const at = Math.max(context.time, this.#healAt);
    const rest = new SpanSchedule(this.#spec, this.#options, this.#round + 1, undefined, at);
    return { kind: "op", at, thread: NEMESIS, call: { f: `heal-${this.#spec.name}`, value: null }, rest };
  }

  update(): OpGenerator {
    return this;
  }
}

class SpanInjector implements Injector {
  readonly #spec: SpanFault;
  readonly #cluster: Cluster<unknown>;
  readonly #runtime: Runtime;
  #damage: Damage | undefined;
  #bites = 0;

  constructor(spec: SpanFault, cluster: Cluster<unknown>, runtime: Runtime) {
    this.#spec = spec;
    this.#cluster = cluster;
    this.#runtime = runtime;
  }

  async invoke(f: string, value: Json): Promise<Json> {
    if (f === `heal-${this.#spec.name}`) return this.heal();
    await this.heal();
    const fields = value as { readonly [field: string]: Json };
    const random = this.#runtime.random.fork(this.#spec.name).fork(Number(fields.round ?? 0));
    this.#damage = await this.#spec.begin(this.#cluster, fields, random, this.#runtime);
    this.#runtime.trace("fault-start", { fault: this.#spec.name, ...this.#damage.evidence });
    return this.#damage.evidence;
  }

  async heal(): Promise<Json> {
    const damage = this.#damage;
    if (damage === undefined) return null;
    this.#damage = undefined;
    const { evidence, bites } = await damage.heal();
    this.#bites += bites;
    this.#runtime.trace("fault-heal", { fault: this.#spec.name });
    return { ...evidence, bites };
  }

  bites(): number {
    return this.#bites;
  }
}

/** Sum of all counters. */
export function total(counters: { readonly [effect: string]: number }): number {
  let sum = 0;
  for (const count of Object.values(counters)) sum += count;
  return sum;
}
