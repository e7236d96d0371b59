/**
 * Most faults are spans: something breaks, stays broken for a while, and is healed. A span fault says only what it
 * draws and how it breaks and heals; schedule, bookkeeping, evidence and the guaranteed heal are here.
 */
import type { Ability, Cluster } from "../src/cluster.ts";
import type { Fault, FaultOptions, Injector } from "../src/fault.ts";
import type { Context, OpGenerator, Step } from "../src/generator/generator.ts";
import { type Call, type Json, type Nanos, NEMESIS } from "../src/history/op.ts";
import type { Random } from "../src/runtime/random.ts";
import { MILLISECOND, type Runtime } from "../src/runtime/runtime.ts";

/** Damage in force. */
export interface Damage {
  /** What was done to whom; becomes the value of the start's completion. */
  readonly evidence: { readonly [field: string]: Json };
  /** Undoes it. If it rejects it is called again later, until it has succeeded once. */
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
    schedule: (options) => new SpanSchedule(spec, options, 0, 0),
    open: (cluster, runtime) => new SpanInjector(spec, cluster, runtime),
  };
}

/** Gap, start, span, heal, gap, … Round k draws from the fault's own stream k, whatever else happens. */
class SpanSchedule implements OpGenerator {
  readonly #spec: SpanFault;
  readonly #options: FaultOptions;
  readonly #round: number;
  /** When to act, and what to do: drawn once, for `next` may be asked at any time. */
  readonly due: Nanos;
  readonly #call: Call;

  /** Begins round `round` with the gap that follows `since`. */
  constructor(
    spec: SpanFault,
    options: FaultOptions,
    round: number,
    since: Nanos,
    heal?: { readonly at: Nanos },
  ) {
    this.#spec = spec;
    this.#options = options;
    this.#round = round;
    if (heal !== undefined) {
      this.due = heal.at;
      this.#call = { f: `heal-${spec.name}`, value: null };
    } else {
      const random = options.random.fork(round);
      const gap = MILLISECOND + random.fork("gap").exponential(Math.max(0, options.interval - this.#length));
      this.due = Math.round(since + gap);
      this.#call = { f: `start-${spec.name}`, value: { ...spec.draw(random.fork("draw"), options), round } };
    }
  }

  /** Mean length of a span. */
  get #length(): Nanos {
    return this.#options.span * (this.#spec.stretch ?? 1);
  }

  next(context: Context): Step {
    if (context.time < this.due) return { kind: "wait", until: this.due, rest: this };
    // The nemesis has the lowest thread number, hence comes first when it is free.
    if (context.free[0] !== NEMESIS) return { kind: "wait", rest: this };
    return {
      kind: "op",
      at: context.time,
      thread: NEMESIS,
      call: this.#call,
      rest: this.#after(context.time),
    };
  }

  #after(now: Nanos): SpanSchedule {
    if (this.#call.value === null) return new SpanSchedule(this.#spec, this.#options, this.#round + 1, now);
    const random = this.#options.random.fork(this.#round).fork("length");
    const healAt = Math.round(now + MILLISECOND + random.exponential(this.#length));
    return new SpanSchedule(this.#spec, this.#options, this.#round, now, { at: healAt });
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
    const { evidence, bites } = await damage.heal();
    this.#damage = undefined;
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
