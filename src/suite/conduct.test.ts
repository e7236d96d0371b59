import { describe, expect, it } from "vitest";
import type { PlanInput } from "../plan.ts";
import { conduct, type Hands } from "./conduct.ts";
import type { Cell } from "./suite.ts";
import type { Attempt, Trial } from "./trial.ts";

const cell = (id: string, seeds: number, plan: PlanInput = {}): Cell => ({
  id,
  matrix: "m",
  plan: { ...plan, workload: id },
  seeds: Array.from({ length: seeds }, (_, seed) => seed),
  reruns: 2,
  known: [],
});

const attempt = (validity: Attempt["validity"], anomaly = "stale read", traceHash = "1"): Attempt => ({
  validity,
  summary: validity,
  counts: { operations: 10, events: 100, virtualSeconds: 5 },
  faults: [{ fault: "kill", colour: "#000000", starts: 1, bites: 2 }],
  traceHash,
  failure: validity === "invalid" ? { checker: "linearizable", anomaly } : undefined,
});

/** Trials are instant; every one takes 10 ms of the suite's clock. */
class Bench implements Hands {
  readonly trials: Trial[] = [];
  readonly simulated: string[] = [];
  readonly performed: string[] = [];
  outcome: (plan: PlanInput, performed: number) => Attempt = () => attempt("valid");
  #elapsed = 0;

  async simulate(plan: PlanInput): Promise<Attempt> {
    this.simulated.push(`${plan.workload} ${plan.seed}`);
    return this.outcome(plan, 0);
  }

  async perform(plan: PlanInput) {
    const name = `${plan.workload} ${plan.seed}`;
    this.performed.push(name);
    return { ...this.outcome(plan, this.performed.length), run: `store/${name}`, repeat: `repeat ${name}` };
  }

  record(trial: Trial): void {
    this.#elapsed += 10;
    this.trials.push(trial);
  }

  elapsed(): number {
    return this.#elapsed;
  }
}

const all = { jobs: 1, budget: Number.POSITIVE_INFINITY };

describe("the trials of a suite", () => {
  it("go round the cells seed by seed, so that a short budget has seen all of them", async () => {
    const bench = new Bench();
    await conduct([cell("a", 3), cell("b", 2)], [], bench, { jobs: 1, budget: 35 });
    expect(bench.simulated).toEqual(["a 0", "b 0", "a 1", "b 1"]);
    expect(bench.trials.map(({ elapsed }) => elapsed)).toEqual([0, 10, 20, 30]);
  });

  it("go on where they were interrupted, to the same end", async () => {
    const cells = [cell("a", 3), cell("b", 2), { ...cell("c", 1), impossible: "no Docker" }];
    const fail = ({ workload, seed }: PlanInput) =>
      attempt(workload === "a" && seed !== 1 ? "invalid" : "valid");
    const whole = new Bench();
    whole.outcome = fail;
    await conduct(cells, [], whole, all);
    const first = new Bench();
    first.outcome = fail;
    await conduct(cells, [], first, { jobs: 1, budget: 15 });
    expect(first.trials).toHaveLength(2);
    const second = new Bench();
    second.outcome = fail;
    await conduct(cells, first.trials, second, all);
    const plain = (trials: readonly Trial[]) => trials.map(({ elapsed: _, ...trial }) => trial);
    expect(plain([...first.trials, ...second.trials])).toEqual(plain(whole.trials));
  });

  it("use all jobs for what is simulated, and the whole machine for what is not", async () => {
    const bench = new Bench();
    let under = 0;
    let most = 0;
    bench.simulate = async () => {
      most = Math.max(most, ++under);
      await new Promise((resolve) => setTimeout(resolve, 1));
      under--;
      return attempt("valid");
    };
    const perform = bench.perform.bind(bench);
    const beside: number[] = [];
    bench.perform = (plan) => {
      beside.push(under);
      return perform(plan);
    };
    const cells = [cell("a", 2), cell("real", 2, { place: "processes" }), cell("b", 2), cell("c", 2)];
    await conduct(cells, [], bench, { ...all, jobs: 2 });
    expect(most).toBe(2);
    expect(beside).toEqual([0, 0]);
    expect(bench.trials).toHaveLength(8);
  });
});

describe("a failing trial", () => {
  it("of the simulator is run again and kept, once for each kind of failure in a cell", async () => {
    const bench = new Bench();
    bench.outcome = ({ seed }) => attempt("invalid", seed === 2 ? "lost update" : "stale read");
    await conduct([cell("a", 4)], [], bench, all);
    expect(bench.performed).toEqual(["a 0", "a 2"]);
    expect(bench.trials.map(({ run, failed }) => [run, failed])).toEqual([
      ["store/a 0", { times: 2, of: 2 }],
      [undefined, undefined],
      ["store/a 2", { times: 2, of: 2 }],
      [undefined, undefined],
    ]);
  });

  it("that is another run when repeated accuses the harness, not the system", async () => {
    const bench = new Bench();
    bench.outcome = (_, performed) => attempt("invalid", "stale read", String(performed));
    await conduct([cell("a", 1)], [], bench, all);
    expect(bench.trials).toMatchObject([
      { status: "broken", summary: "two runs of one plan differ; the second is in store/a 0" },
    ]);
  });

  it("on a real cluster is tried again, and what came of that is counted", async () => {
    const bench = new Bench();
    bench.outcome = (_, performed) => attempt(performed === 2 ? "valid" : "invalid");
    await conduct([cell("a", 1, { place: "processes" })], [], bench, all);
    expect(bench.performed).toHaveLength(3);
    expect(bench.trials).toMatchObject([
      { status: "invalid", failed: { times: 2, of: 3 }, run: "store/a 0" },
    ]);
  });

  it("in which the harness broke is kept apart, and ends nothing", async () => {
    const bench = new Bench();
    bench.outcome = ({ seed }) => {
      if (seed === 0) throw new Error("seed 0", { cause: new Error("out of files") });
      return attempt("valid");
    };
    await conduct([cell("a", 2)], [], bench, all);
    expect(bench.trials).toMatchObject([
      { status: "broken", summary: "seed 0: out of files" },
      { status: "valid", faults: [{ fault: "kill", starts: 1, bites: 2 }] },
    ]);
  });
});
