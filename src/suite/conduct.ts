/**
 * Runs the trials of a suite: seed by seed over all cells, so that a budget that ends early has seen something of
 * each. Simulated trials share the cores; a real cluster has the machine to itself.
 */
import { Plan, type PlanInput } from "../plan.ts";
import type { Cell } from "./suite.ts";
import { type Attempt, type Kept, signatureOf, type Trial } from "./trial.ts";

export interface Hands {
  /** Runs a simulated plan and keeps nothing. Rejects if the harness broke. */
  simulate(plan: PlanInput): Promise<Attempt>;
  /** Runs a plan and keeps the run. Rejects if the harness broke. */
  perform(plan: PlanInput): Promise<Kept>;
  /** Called once for each trial, when it is over. */
  record(trial: Trial): void;
  /** Milliseconds that the suite has run. */
  elapsed(): number;
}

export interface ConductOptions {
  readonly jobs: number;
  /** Milliseconds after which no trial is begun. */
  readonly budget: number;
}

interface Due {
  readonly cell: Cell;
  readonly seed: number;
}

/** Runs what `done` does not hold yet. Never rejects for what a trial does. */
export async function conduct(
  cells: readonly Cell[],
  done: readonly Trial[],
  hands: Hands,
  { jobs, budget }: ConductOptions,
): Promise<void> {
  const over = new Set(done.map(({ cell, seed }) => `${cell} ${seed}`));
  const runner = new TrialRunner(done, hands);
  const rounds = Math.max(...cells.map(({ seeds }) => seeds.length));
  const due: Due[] = [];
  for (let round = 0; round < rounds; round++)
    for (const cell of cells) {
      const seed = cell.seeds[round];
      if (seed === undefined || cell.impossible !== undefined || over.has(`${cell.id} ${seed}`)) continue;
      due.push({ cell, seed });
    }
  let next = 0;
  const lane = async (): Promise<void> => {
    for (;;) {
      const trial = due[next];
      if (trial === undefined || !isSimulated(trial.cell) || hands.elapsed() >= budget) return;
      next++;
      await runner.simulated(trial);
    }
  };
  while (next < due.length && hands.elapsed() < budget) {
    const trial = due[next] as Due;
    if (isSimulated(trial.cell)) await Promise.all(Array.from({ length: jobs }, lane));
    else {
      next++;
      await runner.real(trial);
    }
  }
}

export function isSimulated({ plan }: Cell): boolean {
  return (plan.place ?? Plan.shape.place.parse(undefined)) === "simulated";
}

class TrialRunner {
  readonly #hands: Hands;
  /** Cell and signature of failures of which a run is kept: one of each is enough. */
  readonly #kept = new Set<string>();

  constructor(done: readonly Trial[], hands: Hands) {
    this.#hands = hands;
    for (const { cell, failure, run } of done)
      if (failure !== undefined && run !== undefined) this.#kept.add(`${cell} ${signatureOf(failure)}`);
  }

  /** A failure of a kind that is new to the cell is run once more, and kept: it must be the same to the event. */
  async simulated({ cell, seed }: Due): Promise<void> {
    const plan = { ...cell.plan, seed };
    await this.#guard(cell, seed, async () => {
      const attempt = await this.#hands.simulate(plan);
      if (attempt.validity === "valid" || !this.#isNew(cell, attempt)) return { attempt };
      const again = await this.#hands.perform(plan);
      if (again.traceHash !== attempt.traceHash)
        throw new Error(`two runs of one plan differ; the second is in ${again.run}`);
      return { attempt: again, kept: again, failed: { times: 2, of: 2 } };
    });
  }

  /** Whatever fails is tried again, and the suite says how often it did. */
  async real({ cell, seed }: Due): Promise<void> {
    const plan = { ...cell.plan, seed };
    await this.#guard(cell, seed, async () => {
      const attempt = await this.#hands.perform(plan);
      if (attempt.validity !== "invalid") return { attempt, kept: attempt };
      let times = 1;
      for (let rerun = 0; rerun < cell.reruns; rerun++)
        if ((await this.#hands.perform(plan)).validity === "invalid") times++;
      return { attempt, kept: attempt, failed: { times, of: 1 + cell.reruns } };
    });
  }

  #isNew(cell: Cell, { failure, validity }: Attempt): boolean {
    const what = `${cell.id} ${failure === undefined ? validity : signatureOf(failure)}`;
    if (this.#kept.has(what)) return false;
    this.#kept.add(what);
    return true;
  }

  async #guard(
    cell: Cell,
    seed: number,
    run: () => Promise<{ attempt: Attempt; kept?: Kept; failed?: Trial["failed"] }>,
  ): Promise<void> {
    const where = { cell: cell.id, seed };
    try {
      const { attempt, kept, failed } = await run();
      const { validity, summary, failure, counts, faults } = attempt;
      this.#hands.record({
        ...where,
        status: validity,
        summary,
        ...(failure && { failure }),
        operations: counts.operations,
        seconds: counts.virtualSeconds,
        faults: faults.map(({ fault, starts, bites }) => ({ fault, starts, bites })),
        ...(kept && { run: kept.run, repeat: kept.repeat }),
        ...(failed && { failed }),
        elapsed: this.#hands.elapsed(),
      });
    } catch (error) {
      this.#hands.record({
        ...where,
        status: "broken",
        summary: reasonOf(error),
        operations: 0,
        seconds: 0,
        faults: [],
        elapsed: this.#hands.elapsed(),
      });
    }
  }
}

/** An error and what caused it, in a line. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${reasonOf(error.cause)}`;
}
