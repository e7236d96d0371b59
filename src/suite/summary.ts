/** What a suite came to: cell by cell, and finding by finding, beside what it came to before. */
import { toothlessFaults } from "../result.ts";
import type { Cell, Suite } from "./suite.ts";
import { signatureOf, type Trial } from "./trial.ts";

/** broken: the harness failed. vacuous: a fault that was asked for never bit. The worst of a cell's trials counts. */
export type CellState =
  | "broken"
  | "invalid"
  | "known"
  | "unknown"
  | "vacuous"
  | "valid"
  | "not run"
  | "impossible";

export interface CellSummary {
  readonly id: string;
  readonly matrix: string;
  readonly state: CellState;
  readonly planned: number;
  readonly valid: number;
  readonly invalid: number;
  readonly unknown: number;
  readonly broken: number;
  readonly operations: number;
  readonly seconds: number;
  /** Faults that were asked for and never bit. */
  readonly toothless: readonly string[];
  /** Why this machine cannot run it. */
  readonly impossible?: string;
}

/** All failing trials that share a signature. */
export interface SuiteFinding {
  readonly signature: string;
  readonly summary: string;
  readonly known: boolean;
  readonly trials: number;
  readonly cells: readonly string[];
  /** The first one that was kept, or else the first. */
  readonly example: Pick<Trial, "cell" | "seed" | "run" | "repeat">;
  /** Attempts at kept plans: how many failed, of how many. */
  readonly failed: { readonly times: number; readonly of: number };
  /** When the oldest of the suites began that have seen it without a break, and how many have seen it since. */
  readonly since: string;
  readonly suites: number;
}

export interface SuiteSummary {
  readonly name: string;
  /** ISO 8601. */
  readonly started: string;
  /** Milliseconds, interruptions left out. */
  readonly elapsed: number;
  /** The worst of all cells; known findings do not count. */
  readonly state: "broken" | "invalid" | "unknown" | "valid";
  readonly planned: number;
  readonly done: number;
  readonly cells: readonly CellSummary[];
  readonly findings: readonly SuiteFinding[];
  /** Signatures of the suite before that were not seen this time, although all that had shown them was run again. */
  readonly gone: readonly string[];
  readonly broken: readonly Pick<Trial, "cell" | "seed" | "summary">[];
}

/** `earlier`: summaries of the same suite, newest first. */
export function summarize(
  suite: Suite,
  cells: readonly Cell[],
  trials: readonly Trial[],
  started: string,
  earlier: readonly SuiteSummary[],
): SuiteSummary {
  const byCell = grouped(trials, ({ cell }) => cell);
  const summaries = cells.map((cell) => summaryOf(cell, byCell.get(cell.id) ?? []));
  const findings = findingsOf(cells, trials, started, earlier);
  const seen = new Set(findings.map(({ signature }) => signature));
  const isComplete = (id: string) =>
    cells.some((cell) => cell.id === id && cell.seeds.length === byCell.get(id)?.length);
  return {
    name: suite.name,
    started,
    elapsed: trials.reduce((most, { elapsed }) => Math.max(most, elapsed), 0),
    state: stateOf(summaries),
    planned: cells.reduce(
      (sum, { seeds, impossible }) => sum + (impossible === undefined ? seeds.length : 0),
      0,
    ),
    done: trials.length,
    cells: summaries,
    findings,
    gone: (earlier[0]?.findings ?? [])
      .filter(({ signature, cells: where }) => !seen.has(signature) && where.every((id) => isComplete(id)))
      .map(({ signature }) => signature),
    broken: trials
      .filter(({ status }) => status === "broken")
      .map(({ cell, seed, summary }) => ({ cell, seed, summary })),
  };
}

/** Items by what `key` says of them, in their order. */
export function grouped<T>(items: readonly T[], key: (item: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const name = key(item);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [item]);
    else group.push(item);
  }
  return groups;
}

/** Exit code of the command line. */
export function suiteExitCode({ state }: Pick<SuiteSummary, "state">): 0 | 1 | 2 | 255 {
  return ({ valid: 0, invalid: 1, unknown: 2, broken: 255 } as const)[state];
}

function summaryOf(cell: Cell, trials: readonly Trial[]): CellSummary {
  const count = (status: Trial["status"]) => trials.filter((trial) => trial.status === status).length;
  const toothless = toothlessFaults(trials);
  const numbers = {
    valid: count("valid"),
    invalid: count("invalid"),
    unknown: count("unknown"),
    broken: count("broken"),
  };
  const isKnown = ({ failure }: Trial) => failure !== undefined && cell.known.includes(signatureOf(failure));
  const state = (): CellState => {
    if (cell.impossible !== undefined) return "impossible";
    if (trials.length === 0) return "not run";
    if (numbers.broken > 0) return "broken";
    if (trials.some((trial) => trial.status === "invalid" && !isKnown(trial))) return "invalid";
    if (numbers.unknown > 0) return "unknown";
    if (numbers.invalid > 0) return "known";
    return toothless.length > 0 ? "vacuous" : "valid";
  };
  return {
    id: cell.id,
    matrix: cell.matrix,
    state: state(),
    planned: cell.seeds.length,
    ...numbers,
    operations: trials.reduce((sum, { operations }) => sum + operations, 0),
    seconds: trials.reduce((sum, { seconds }) => sum + seconds, 0),
    toothless,
    ...(cell.impossible !== undefined && { impossible: cell.impossible }),
  };
}

function stateOf(cells: readonly CellSummary[]): SuiteSummary["state"] {
  const has = (...states: readonly CellState[]) => cells.some(({ state }) => states.includes(state));
  if (has("broken")) return "broken";
  if (has("invalid")) return "invalid";
  return has("unknown", "vacuous") || !has("valid", "known") ? "unknown" : "valid";
}

function findingsOf(
  cells: readonly Cell[],
  trials: readonly Trial[],
  started: string,
  earlier: readonly SuiteSummary[],
): readonly SuiteFinding[] {
  const failing = trials.filter(({ failure, status }) => failure !== undefined && status === "invalid");
  const bySignature = grouped(failing, ({ failure }) => signatureOf(failure as NonNullable<typeof failure>));
  return [...bySignature]
    .map(([signature, all]): SuiteFinding => {
      const example = (all.find(({ run }) => run !== undefined) ?? all[0]) as Trial;
      const where = new Set(all.map(({ cell }) => cell));
      const before = streak(signature, [...where], earlier);
      return {
        signature,
        summary: example.summary,
        known: cells.filter(({ id }) => where.has(id)).every(({ known }) => known.includes(signature)),
        trials: all.length,
        cells: [...where],
        example: {
          cell: example.cell,
          seed: example.seed,
          ...(example.run !== undefined && { run: example.run }),
          ...(example.repeat !== undefined && { repeat: example.repeat }),
        },
        failed: {
          times: all.reduce((sum, { failed }) => sum + (failed?.times ?? 0), 0),
          of: all.reduce((sum, { failed }) => sum + (failed?.of ?? 0), 0),
        },
        since: before.at(-1)?.started ?? started,
        suites: before.length + 1,
      };
    })
    .sort((a, b) => Number(a.known) - Number(b.known) || b.trials - a.trials);
}

/** The suites before this one that have seen it, back to one that ran all of `cells` and did not. */
function streak(
  signature: string,
  cells: readonly string[],
  earlier: readonly SuiteSummary[],
): readonly SuiteSummary[] {
  const seen: SuiteSummary[] = [];
  for (const before of earlier)
    if (before.findings.some((finding) => finding.signature === signature)) seen.push(before);
    else if (cells.every((id) => before.cells.some((cell) => cell.id === id && isWhole(cell)))) break;
  return seen;
}

function isWhole({ planned, valid, invalid, unknown, broken }: CellSummary): boolean {
  return valid + invalid + unknown + broken === planned;
}
