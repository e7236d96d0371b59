/** The report of a run: one self-contained HTML file. */
import type { FinishedRun } from "../src/store/run-directory.ts";

export interface ReportOptions {
  /** The one line that repeats the run. */
  readonly repeat: string;
}

export async function renderReport(run: FinishedRun, options: ReportOptions): Promise<string> {
  return `<!doctype html><title>${run.plan.workload}</title><pre>${options.repeat}</pre>`;
}
