/**
 * A run on disk: one directory per run, `STORE/WORKLOAD/TIME-SEED/`, and `STORE/latest` pointing at the newest.
 *
 *   plan.json      the plan: alone enough to repeat a simulated run
 *   history.jsonl  the journal, written while the run goes on
 *   trace.jsonl    what nodes told of their inside: elections, commits, snapshots, fault spans
 *   messages.jsonl messages between hosts, where the place can see them
 *   members/       what members left behind, where they are processes: n1.log, …, and n1/, … if the run failed
 *   result.json    verdicts and evidence; missing if the run did not finish
 *   report.html    the report
 */
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import type { ClusterEvent } from "../cluster.ts";
import { journal } from "../history/formats/format.ts";
import { History } from "../history/history.ts";
import { type Plan, parsePlan, UsageError } from "../plan.ts";
import type { MessageRecord, RunResult } from "../result.ts";
import { readHistory, readValues, type StoredHistory } from "./history-file.ts";
import { Journal } from "./journal.ts";

const FILES = {
  plan: "plan.json",
  history: "history.jsonl",
  trace: "trace.jsonl",
  messages: "messages.jsonl",
  members: "members",
  result: "result.json",
  report: "report.html",
} as const;

/** Everything a report needs to know about a run. */
export interface FinishedRun {
  readonly plan: Plan;
  readonly history: History;
  /** The journal ended in the middle of a line: the tester died. */
  readonly torn: boolean;
  readonly trace: readonly ClusterEvent[];
  readonly messages: readonly MessageRecord[];
  /** Undefined if the tester died before the verdict. */
  readonly result: RunResult | undefined;
}

export class RunDirectory {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Throws UsageError if no run can be kept in `store`, as far as that shows without writing. */
  static requireWritable(store: string): void {
    if (store === "") throw new UsageError("--store: names no directory");
    let nearest = resolve(store);
    while (!existsSync(nearest)) nearest = dirname(nearest);
    try {
      if (!statSync(nearest).isDirectory()) throw unwritable(store, `${nearest} is no directory`);
      accessSync(nearest, constants.W_OK);
    } catch (error) {
      throw unwritable(store, error);
    }
  }

  /** Makes a new directory for a run that starts now, and points `latest` at it. */
  static create(store: string, plan: Plan, now: Date): RunDirectory {
    const stamp = now.toISOString().replaceAll(":", "").replace("T", "-").slice(0, 17);
    RunDirectory.requireWritable(store);
    const parent = join(store, plan.workload);
    makeDirectory(parent);
    for (let attempt = 0; ; attempt++) {
      const suffix = attempt === 0 ? "" : `-${attempt}`;
      const path = join(parent, `${stamp}-seed${plan.seed}${suffix}`);
      try {
        mkdirSync(path);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "EEXIST" && attempt < 1_000) continue;
        throw unwritable(path, error);
      }
      const run = new RunDirectory(path);
      writeFileSync(run.file("plan"), `${JSON.stringify(plan, null, 2)}\n`, { flag: "wx" });
      run.#pointLatest(store);
      return run;
    }
  }

  /** The run that `path` is the directory of, or a link to it; undefined if it is none. */
  static find(path: string): RunDirectory | undefined {
    return existsSync(join(path, FILES.plan)) ? new RunDirectory(path) : undefined;
  }

  /** An existing run: the directory, a link to it, or a file in it. Throws UsageError if it is none. */
  static open(path: string): RunDirectory {
    if (!existsSync(path))
      throw new UsageError(`${path}: no such run; expected a run directory such as store/latest`);
    const directory = existsSync(join(path, FILES.plan)) ? path : dirname(path);
    if (!existsSync(join(directory, FILES.plan))) {
      throw new UsageError(`${path}: not a run directory: it has no ${FILES.plan}`);
    }
    return new RunDirectory(directory);
  }

  /** Replaces the link atomically, so that a reader never finds it missing. */
  #pointLatest(store: string): void {
    const link = join(store, "latest");
    const aside = join(store, `.latest-${basename(this.path)}`);
    rmSync(aside, { force: true });
    symlinkSync(relative(store, this.path), aside);
    renameSync(aside, link);
  }

  file(name: keyof typeof FILES): string {
    return resolve(this.path, FILES[name]);
  }

  openJournal(): Journal {
    return new Journal(this.file("history"));
  }

  writeTrace(trace: readonly ClusterEvent[], messages: readonly MessageRecord[]): void {
    writeFileSync(this.file("trace"), lines(trace));
    if (messages.length > 0) writeFileSync(this.file("messages"), lines(messages));
  }

  /** Written aside and renamed: a result is whole or missing. */
  writeResult(result: RunResult): void {
    const aside = `${this.file("result")}.part`;
    writeFileSync(aside, `${JSON.stringify(result, null, 2)}\n`);
    renameSync(aside, this.file("result"));
  }

  writeReport(html: string): void {
    writeFileSync(this.file("report"), html);
  }

  plan(): Plan {
    return parsePlan(readJson(this.file("plan")), this.file("plan"));
  }

  /** What was recorded, without the rest of the run. Throws UsageError. */
  readJournal(): StoredHistory {
    // A shrunk run may need no operation at all to fail; one that died before its first is no history.
    const finished = existsSync(this.file("result"));
    if (finished && statSync(this.file("history")).size === 0)
      return { history: new History([]), format: journal, torn: false };
    return readHistory(this.file("history"), journal);
  }

  read(): FinishedRun {
    const { history, torn } = this.readJournal();
    const optional = <T>(name: "trace" | "messages"): readonly T[] =>
      existsSync(this.file(name)) ? (readValues(this.file(name)) as readonly T[]) : [];
    return {
      plan: this.plan(),
      history,
      torn,
      trace: optional<ClusterEvent>("trace"),
      messages: optional<MessageRecord>("messages"),
      result: existsSync(this.file("result")) ? (readJson(this.file("result")) as RunResult) : undefined,
    };
  }
}

/** Part by part, as `recursive` never returns where a file system refuses without a reason, such as /proc. */
function makeDirectory(path: string): void {
  if (existsSync(path) && statSync(path).isDirectory()) return;
  if (dirname(path) !== path) makeDirectory(dirname(path));
  try {
    mkdirSync(path);
  } catch (error) {
    // Another run may have made it in the meantime.
    if (!existsSync(path) || !statSync(path).isDirectory()) throw unwritable(path, error);
  }
}

function unwritable(path: string, error: unknown): UsageError {
  if (error instanceof UsageError) return error;
  const reason = (error as NodeJS.ErrnoException).code ?? String(error);
  return new UsageError(`${path}: cannot be written (${reason}); name another place with --store`);
}

function lines(values: readonly unknown[]): string {
  return values.map((value) => `${JSON.stringify(value)}\n`).join("");
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new UsageError(`${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
