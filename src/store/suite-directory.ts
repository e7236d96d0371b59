/**
 * A suite on disk: `STORE/suites/NAME/TIME/`.
 *
 *   suite.json     the suite as it is run
 *   trials.jsonl   what came of each trial, written when it is over
 *   summary.json   what all of it came to; this and what follows are written anew when the suite goes on
 *   index.html     the page that a person opens
 *   junit.xml      for build servers
 *   summary.md     for the page of a job
 */
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { UsageError } from "../plan.ts";
import { parseSuite, type Suite } from "../suite/suite.ts";
import type { SuiteSummary } from "../suite/summary.ts";
import type { Trial } from "../suite/trial.ts";
import { RunDirectory } from "./run-directory.ts";

const SUITE = "suite.json";
const TRIALS = "trials.jsonl";
const SUMMARY = "summary.json";
/** What is written when a suite ends. */
export type Output = "index.html" | "junit.xml" | "summary.md";

export class SuiteDirectory {
  readonly path: string;
  /** ISO 8601. */
  readonly started: string;
  readonly suite: Suite;

  private constructor(path: string, started: string, suite: Suite) {
    this.path = path;
    this.started = started;
    this.suite = suite;
  }

  /** A new one for a suite that starts now. Throws UsageError. */
  static create(store: string, suite: Suite, now: Date): SuiteDirectory {
    RunDirectory.requireWritable(store);
    const started = now.toISOString();
    const stamp = started.replaceAll(":", "").replace("T", "-").slice(0, 17);
    const parent = join(store, "suites", suite.name);
    mkdirSync(parent, { recursive: true });
    let path = join(parent, stamp);
    for (let attempt = 1; existsSync(path); attempt++) path = join(parent, `${stamp}-${attempt}`);
    mkdirSync(path);
    writeFileSync(join(path, SUITE), `${JSON.stringify({ started, suite }, null, 2)}\n`);
    return new SuiteDirectory(path, started, suite);
  }

  /** One that was begun before. Throws UsageError. */
  static open(path: string): SuiteDirectory {
    const file = join(path, SUITE);
    if (!existsSync(file))
      throw new UsageError(
        `${path}: no suite; expected a directory such as store/suites/nightly/2030-01-31-0200`,
      );
    const { started, suite } = JSON.parse(readFileSync(file, "utf8")) as {
      readonly started: string;
      readonly suite: unknown;
    };
    return new SuiteDirectory(path, started, parseSuite(suite, file));
  }

  /** Trials that are over. A line that was cut short by a crash is left out, and its trial is due again. */
  trials(): readonly Trial[] {
    const file = join(this.path, TRIALS);
    if (!existsSync(file)) return [];
    const text = readFileSync(file, "utf8");
    const whole = text.slice(0, text.lastIndexOf("\n") + 1);
    // What follows must begin a line of its own.
    if (whole.length < text.length) writeFileSync(file, whole);
    return whole
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Trial);
  }

  append(trial: Trial): void {
    appendFileSync(join(this.path, TRIALS), `${JSON.stringify(trial)}\n`);
  }

  /** Written aside and renamed: it is whole or missing. */
  writeSummary(summary: SuiteSummary): void {
    const aside = join(this.path, `${SUMMARY}.part`);
    writeFileSync(aside, `${JSON.stringify(summary, null, 2)}\n`);
    renameSync(aside, join(this.path, SUMMARY));
  }

  write(output: Output, text: string): string {
    const file = join(this.path, output);
    writeFileSync(file, text);
    return file;
  }

  /** What the same suite came to before this one, newest first. */
  earlier(): readonly SuiteSummary[] {
    const parent = dirname(resolve(this.path));
    return readdirSync(parent)
      .map((name) => join(parent, name, SUMMARY))
      .filter((file) => existsSync(file))
      .map((file) => JSON.parse(readFileSync(file, "utf8")) as SuiteSummary)
      .filter(({ started }) => started < this.started)
      .sort((a, b) => (a.started < b.started ? 1 : -1));
  }
}
