/** Reads histories from files, whatever their format, a piece at a time. */
import { closeSync, existsSync, openSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { StringDecoder } from "node:string_decoder";
import { detectFormat, type Format, historyFrom, journal, notEmpty } from "../history/formats/format.ts";
import { JournalReader } from "../history/formats/journal.ts";
import { readJsonLines } from "../history/formats/json.ts";
import { FormatError, TextSource } from "../history/formats/text-source.ts";
import { type History, MalformedHistory } from "../history/history.ts";
import type { Json } from "../history/op.ts";
import { UsageError } from "../plan.ts";
import { isRobustnessReport, ROBUSTNESS_REPORT, readRobustnessReport } from "./robustness-report.ts";

export interface StoredHistory {
  readonly history: History;
  readonly format: Pick<Format, "name" | "nilIsUnknown">;
  /** The file ends in the middle of a line: its writer died. Everything before that is in the history. */
  readonly torn: boolean;
}

/** What the directory of a test may call its history: we, and Jepsen. */
const IN_DIRECTORY = ["history.jsonl", "history.edn"];

/** The file in which a directory keeps its history; a file keeps itself. Throws UsageError if there is none. */
export function historyFile(path: string): string {
  if (!existsSync(path)) throw new UsageError(`${path}: no such file; expected a history or a run directory`);
  if (!statSync(path).isDirectory() || isRobustnessReport(path)) return path;
  const name = IN_DIRECTORY.find((candidate) => existsSync(join(path, candidate)));
  if (name === undefined)
    throw new UsageError(
      `${path}: not a run directory: it has no ${IN_DIRECTORY.join(" or ")}, nor client-1/operations.json as reports of etcd's robustness tests have`,
    );
  return join(path, name);
}

/** Throws UsageError that names the line of the first thing that does not belong there. */
export function readHistory(path: string, known?: Format): StoredHistory {
  if (isRobustnessReport(path)) {
    const format = { name: ROBUSTNESS_REPORT, nilIsUnknown: false };
    return { history: readRobustnessReport(path), format, torn: false };
  }
  if (known === journal) return readJournal(path);
  return reading(path, (source) => {
    const format = known ?? detectFormat(source);
    if (format === undefined)
      throw new FormatError("not a history: expected a journal, or Jepsen's operations or log");
    if (format === journal) return readJournal(path);
    return { history: historyFrom(format, source), format, torn: source.torn };
  });
}

/** From its bytes: journals are the longest histories. */
function readJournal(path: string): StoredHistory {
  const reader = new JournalReader(piecesOf(path));
  return naming(path, reader, () => {
    const history = notEmpty(reader.history());
    return { history, format: journal, torn: reader.torn };
  });
}

/** One JSON value per line; a last line that is torn is left out. Throws UsageError. */
export function readValues(path: string): readonly Json[] {
  return reading(path, (source) => [...readJsonLines(source)]);
}

function reading<T>(path: string, read: (source: TextSource) => T): T {
  const source = new TextSource(textOf(piecesOf(path)));
  return naming(path, source, () => read(source));
}

/** Throws UsageError that names the line, where what is read is wrong. */
function naming<T>(path: string, at: { readonly line: number }, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof FormatError || error instanceof MalformedHistory)
      throw new UsageError(`${path}:${at.line}: ${error.message}`);
    throw error;
  }
}

function* textOf(pieces: Iterable<Uint8Array>): Generator<string> {
  const decoder = new StringDecoder("utf8");
  for (const piece of pieces) yield decoder.write(piece as Buffer);
  yield decoder.end();
}

/** Small enough for the caches of a processor: twice as fast as a megabyte. */
const PIECE = 1 << 16;
const NEWLINE = 10;

/**
 * The bytes of a file, one piece at a time, each in the place of the one before. A piece ends with a line if it can:
 * what need not be put together with the rest of the piece before is much faster to look at.
 */
function* piecesOf(path: string): Generator<Uint8Array> {
  const descriptor = openSync(path, "r");
  try {
    const bytes = Buffer.allocUnsafe(PIECE);
    let held = 0;
    for (;;) {
      const read = readSync(descriptor, bytes, held, PIECE - held, null);
      if (read === 0) break;
      held += read;
      const newline = bytes.lastIndexOf(NEWLINE, held - 1);
      const cut = newline < 0 ? held : newline + 1;
      yield bytes.subarray(0, cut);
      bytes.copyWithin(0, cut, held);
      held -= cut;
    }
    yield bytes.subarray(0, held);
  } finally {
    closeSync(descriptor);
  }
}
