/**
 * One run of a plan, from boot to verdict:
 *
 *   load      clients work while the nemesis breaks things
 *   recovery  a core of the cluster is healed and must make progress; the rest stays broken (liveness)
 *   final     everything is healed; the workload's last reads
 *   verdict   checkers judge the history, the place adds what it saw inside
 */
import { checkAll } from "../../checkers/compose.ts";
import { Budget, type Checker, type Verdict } from "../checker.ts";
import type { Fault, Injector } from "../fault.ts";
import { any } from "../generator/combinators.ts";
import type { OpGenerator } from "../generator/generator.ts";
import { script } from "../generator/script.ts";
import { clients, nemesis } from "../generator/threads.ts";
import { stagger, timeLimit } from "../generator/timing.ts";
import { History } from "../history/history.ts";
import {
  type Call,
  type Json,
  type Nanos,
  NEMESIS,
  type NodeId,
  type Op,
  type Process,
  type Signature,
} from "../history/op.ts";
import type { Place, Stage } from "../place.ts";
import type { Plan, ScriptedCall } from "../plan.ts";
import type { FaultSummary, RunResult } from "../result.ts";
import { SECOND } from "../runtime/runtime.ts";
import type { Workload } from "../workload.ts";
import { Driver } from "./driver.ts";
import { EarlyJudge } from "./early-judge.ts";
import { judge } from "./judge.ts";

export interface Test<Api> {
  readonly plan: Plan;
  readonly place: Place<Api>;
  readonly workload: Workload<Signature, Api>;
  readonly faults: readonly Fault[];
  /** Checkers that every run gets beside the workload's own. */
  readonly checkers: readonly Checker[];
}

export interface Sink {
  /** Takes each event before anything follows from it. */
  record(event: Op): void;
  readonly messages: boolean;
  /** A directory for what members leave behind. */
  readonly remains?: string;
  /** Is told that all events have been recorded and the checkers begin, which may take long without a pause. */
  judging?(): void;
}

export interface Run {
  readonly history: History;
  readonly result: RunResult;
  readonly trace: ReturnType<Stage<unknown>["observed"]>["trace"];
  readonly messages: ReturnType<Stage<unknown>["observed"]>["messages"];
}

/** Longest time, beyond the plan's duration, that setting up, recovering and final reads may take together. */
const GRACE: Nanos = 900 * SECOND;
/** How often a workload's setup is tried. */
const SETUPS = 30;
/** How often a cure is tried. */
const HEALING_ROUNDS = 60;

export async function run<Api>(test: Test<Api>, sink: Sink): Promise<Run> {
  const { plan, workload } = test;
  const { messages, remains } = sink;
  const stage = await test.place.boot(plan, { messages, ...(remains === undefined ? {} : { remains }) });
  let failed = true;
  try {
    const events: Op[] = [];
    const recorded = new Recording(test, stage, (event) => {
      sink.record(event);
      events.push(event);
    });
    const stuck = await stage.drive(recorded.play(), Math.round(plan.duration * SECOND) + GRACE);
    sink.judging?.();
    const observed = stage.observed();
    const history = new History(events);
    const checkers = [...workload.checkers, ...test.checkers];
    const verdicts = [...checkAll(checkers, history, new Budget(plan.budget)), ...observed.verdicts];
    if (stuck !== undefined) verdicts.push(cutShort(stuck, events.length));
    const faults = recorded.faults();
    const result: RunResult = {
      ...judge(verdicts, faults, observed.nodeEnds),
      verdicts,
      faults,
      nodeEnds: observed.nodeEnds,
      reached: observed.reached,
      counts: {
        operations: history.client.length,
        events: observed.events,
        virtualSeconds: Math.round(recorded.now() / 1e6) / 1e3,
      },
      traceHash: observed.traceHash,
      phases: recorded.phases,
      notes: [],
    };
    failed = result.validity === "invalid";
    return { history, result, trace: observed.trace, messages: observed.messages };
  } finally {
    await stage.close(failed);
  }
}

/** A run that had to be given up: the system never came to the end of the plan. */
function cutShort(reason: string, events: number): Verdict {
  return {
    checker: "progress",
    validity: "invalid",
    reason,
    checked: events,
    anomalies: [
      {
        name: "no progress",
        guarantee: "liveness",
        explanation: reason,
        witness: events > 0 ? [events - 1] : [],
      },
    ],
  };
}

class Recording<Api> {
  readonly #test: Test<Api>;
  readonly #stage: Stage<Api>;
  readonly #driver: Driver;
  readonly #injectors = new Map<string, Injector>();
  readonly #starts = new Map<string, number>();
  /** A promise was broken while the load went on, and the plan asked to stop then. */
  #condemned = false;
  readonly phases: { [phase: string]: Nanos } = {};

  constructor(test: Test<Api>, stage: Stage<Api>, record: (event: Op) => void) {
    this.#test = test;
    this.#stage = stage;
    const { plan, workload } = test;
    const nodes = stage.cluster.nodes;
    for (const fault of test.faults) {
      const injector = fault.open(stage.cluster, stage.runtime);
      this.#injectors.set(fault.name, injector);
      this.#starts.set(fault.name, 0);
    }
    const early = plan.failFast ? new EarlyJudge(workload.checkers, plan.budget) : undefined;
    const events: Op[] = [];
    this.#driver = new Driver({
      runtime: stage.runtime,
      concurrency: plan.concurrency,
      timeout: Math.round((plan.timeout + 1) * SECOND),
      open: (process: Process) => {
        const node = nodes[(process % plan.concurrency) % nodes.length] as NodeId;
        return { client: workload.open(stage.cluster.api(node), process, stage.runtime), node };
      },
      nemesis: (call) => this.#perform(call),
      record: (event) => {
        record(event);
        if (early === undefined || this.#condemned) return;
        events.push(event);
        if (!early.condemns(events)) return;
        this.#condemned = true;
        this.#driver.cease();
      },
    });
  }

  /** All phases; resolves when the last operation has ended. */
  async play(): Promise<void> {
    const { plan, workload, faults } = this.#test;
    const { cluster } = this.#stage;
    await cluster.ready(cluster.nodes);
    const first = cluster.nodes[0] as NodeId;
    if (workload.setup !== undefined) await this.#setUp(workload.setup.bind(workload, cluster.api(first)));
    this.#enter("load");
    if (plan.script !== undefined) {
      await this.#driver.phase(scripted(plan.script));
      this.#enter("end");
      this.#driver.close();
      return;
    }
    const load: OpGenerator[] = [
      clients(plan.rate > 0 ? stagger(SECOND / plan.rate, workload.generator) : workload.generator),
    ];
    const schedules = faults.map((fault) => {
      return fault.schedule({
        nodes: cluster.nodes,
        // Each class strikes so rarely that all together strike as often as the plan says.
        interval: Math.round(plan.faultInterval * faults.length * SECOND),
        span: Math.round((plan.faultInterval / 2) * SECOND),
        random: this.#stage.runtime.random.fork(fault.name),
        ...(plan.target === undefined ? {} : { target: plan.target }),
      });
    });
    if (schedules.length > 0) load.push(nemesis(any(...schedules)));
    await this.#driver.phase(timeLimit(Math.round(plan.duration * SECOND), any(...load)));
    // The verdict is known: nothing is gained by healing a system that has failed.
    if (!this.#condemned) await this.#conclude();
    this.#enter("end");
    this.#driver.close();
  }

  /** Nothing is broken yet, but a slow cluster may cut a request off. */
  async #setUp(setup: () => Promise<void>): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await setup();
      } catch (error) {
        if (attempt === SETUPS) throw error;
        await new Promise<void>((resolve) => this.#stage.runtime.timer(SECOND, resolve));
      }
    }
  }

  /** Recovery and final reads. */
  async #conclude(): Promise<void> {
    const { workload, faults } = this.#test;
    const { cluster } = this.#stage;
    this.#enter("recovery");
    if (cluster.can.recovery !== undefined && faults.length > 0)
      await this.#nemesisDoes({ f: "heal-core", value: null });
    await this.#nemesisDoes({ f: "heal-all", value: null });
    this.#enter("final");
    if (workload.final !== undefined) await this.#driver.phase(clients(workload.final));
  }

  /** Time of the history. */
  now(): Nanos {
    return this.#driver.now();
  }

  faults(): FaultSummary[] {
    return this.#test.faults.map(({ name, colour }) => ({
      fault: name,
      colour,
      starts: this.#starts.get(name) ?? 0,
      bites: this.#injectors.get(name)?.bites() ?? 0,
    }));
  }

  #enter(phase: string): void {
    this.phases[phase] = this.#driver.now();
    this.#stage.runtime.trace(`phase-${phase}`);
  }

  #nemesisDoes(call: Call): Promise<void> {
    const once: OpGenerator = {
      next: (context) => {
        const thread = context.free[0];
        // The nemesis has the lowest thread number, hence comes first when it is free.
        if (thread === undefined || thread >= 0) return { kind: "wait", rest: once };
        return { kind: "op", at: context.time, thread, call, rest: nothing };
      },
      update: () => once,
    };
    return this.#driver.phase(once);
  }

  async #perform(call: Call): Promise<Json> {
    if (call.f === "heal-core") return this.#healCore();
    if (call.f === "heal-all") return this.#healAll();
    const name = call.f.slice(call.f.indexOf("-") + 1);
    const injector = this.#injectors.get(name);
    if (injector === undefined) throw new Error(`no fault answers to ${call.f}`);
    if (call.f.startsWith("start-")) this.#starts.set(name, (this.#starts.get(name) ?? 0) + 1);
    return injector.invoke(call.f, call.value);
  }

  /** Heals a quorum and measures how long it takes until each of its members serves a write. */
  async #healCore(): Promise<Json> {
    const { cluster, runtime } = this.#stage;
    const recovery = cluster.can.recovery;
    if (recovery === undefined) throw new Error("this place cannot heal a part of a cluster");
    const { core } = await recovery.healCore();
    const from = runtime.clock.monotonic();
    const progress = await this.#within(cluster.ready(core), recovery.bound);
    return { core, bound: recovery.bound, recovered: progress ? runtime.clock.monotonic() - from : null };
  }

  async #healAll(): Promise<Json> {
    const { cluster, runtime } = this.#stage;
    await cluster.can.recovery?.releaseCore();
    await this.#healInjectors();
    const from = runtime.clock.monotonic();
    const bound = cluster.can.recovery?.bound ?? 60 * SECOND;
    const progress = await this.#within(cluster.ready(cluster.nodes), bound);
    return { nodes: cluster.nodes, bound, recovered: progress ? runtime.clock.monotonic() - from : null };
  }

  /** Heals every fault. One cure may have to wait for another: what fails is tried again after the rest. */
  async #healInjectors(): Promise<void> {
    let ailing = [...this.#injectors.values()];
    for (let round = 1; ailing.length > 0; round++) {
      const failed: Injector[] = [];
      for (const injector of ailing) {
        try {
          await injector.heal();
        } catch (error) {
          if (round === HEALING_ROUNDS) throw error;
          failed.push(injector);
        }
      }
      ailing = failed;
      if (ailing.length > 0) await new Promise<void>((resolve) => this.#stage.runtime.timer(SECOND, resolve));
    }
  }

  /** True if `work` resolves before `bound` has passed. */
  #within(work: Promise<void>, bound: Nanos): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const timer = this.#stage.runtime.timer(bound, () => resolve(false));
      work.then(() => {
        timer.cancel();
        resolve(true);
      }, reject);
    });
  }
}

function scripted(calls: readonly ScriptedCall[]): OpGenerator {
  return script(
    calls.map(({ at, thread, f, key, value }) => ({
      at: Math.round(at * SECOND),
      thread: thread ?? NEMESIS,
      call: key === undefined ? { f, value } : { f, key, value },
    })),
  );
}

const nothing: OpGenerator = { next: () => ({ kind: "done" }), update: () => nothing };
