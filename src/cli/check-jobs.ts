/** Shares the work of checkers that judge objects apart among threads. */
import { fileURLToPath } from "node:url";
import Tinypool from "tinypool";
import { type Checker, type Divisible, isDivisible, type Judgement } from "../checker.ts";
import type { History } from "../history/history.ts";
import { type CheckerSource, checkersOf } from "./check-source.ts";
import type { SettleTask } from "./check-worker.ts";

/** Steps that are taken before threads are started: some tenths of a second. */
const PATIENCE = 200_000;

interface Work {
  readonly history: History;
  readonly source: CheckerSource;
  /** Those of the source come first. */
  readonly checkers: readonly Checker[];
}

/** The same checkers, some of which know already what they will find: their verdicts are the same as without help. */
export async function withHelp(work: Work, steps: number, jobs: number): Promise<readonly Checker[]> {
  if (jobs < 2) return work.checkers;
  const divisible = checkersOf(work.source).length;
  const helped: Checker[] = [];
  for (const [i, checker] of work.checkers.entries()) {
    const share = Math.floor(steps / work.checkers.length);
    helped.push(
      i < divisible && isDivisible(checker)
        ? await help(checker, { ...work, position: i, share, jobs })
        : checker,
    );
  }
  return helped;
}

interface Share extends Work {
  readonly position: number;
  readonly share: number;
  readonly jobs: number;
}

async function help(checker: Divisible, share: Share): Promise<Checker> {
  let judgement: Judgement;
  try {
    judgement = checker.begin(share.history, PATIENCE);
  } catch {
    // It fails again where all checkers are run, and there it is told.
    return checker;
  }
  // One object that takes long needs no help from others.
  if (judgement.open.length > 1) await settle(judgement, share);
  return { name: checker.name, check: (_, budget) => judgement.verdict(budget) };
}

async function settle(judgement: Judgement, { source, position, share, jobs }: Share): Promise<void> {
  const { open, size } = judgement;
  const threads = Math.min(jobs, open.length);
  const pool = new Tinypool({
    filename: fileURLToPath(new URL("./check-worker.js", import.meta.url)),
    minThreads: threads,
    maxThreads: threads,
  });
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let part = open[next++]; part !== undefined; part = open[next++]) {
      const steps = Math.floor(share / size);
      const task: SettleTask = {
        source,
        checker: position,
        object: part.object,
        excerpt: part.excerpt(),
        steps,
      };
      try {
        judgement.settle(part.object, await pool.run(task));
      } catch {
        // What nobody settles is judged here in the end, and what is wrong with it told.
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: threads }, lane));
  } finally {
    await pool.destroy();
  }
}
