/** The notations of histories that are read, and how each is told from the others. */
import { ColumnsBuilder } from "../columns.ts";
import { History } from "../history.ts";
import type { Json, Op } from "../op.ts";
import { readEdn } from "./edn.ts";
import { journalIn } from "./journal.ts";
import { readJsonLines, readJsonValues } from "./json.ts";
import { areKeyed, withoutKey } from "./keys.ts";
import { readLog } from "./log.ts";
import { numbered, OperationMaps, type RecordedEvent } from "./recorded.ts";
import { FormatError, TextSource } from "./text-source.ts";

export interface Format {
  /** What it is, for people. */
  readonly name: string;
  /** Jepsen's convention: a read that completed with nil has an unknown result, and did not find nothing. */
  readonly nilIsUnknown: boolean;
  /** By the beginning of the file, without blanks and comments. */
  recognises(head: string): boolean;
  /** Throws FormatError, whose line the source then knows, and MalformedHistory. */
  history(source: TextSource): History;
}

export const journal: Format = {
  name: "journal of Faultline",
  nilIsUnknown: false,
  recognises: (head) => /^\{"index":0,"time":\d+,"process":/.test(head),
  history: journalIn,
};

/** The first that recognises a file reads it. */
const formats: readonly Format[] = [
  journal,
  {
    name: "log of Jepsen",
    nilIsUnknown: false,
    recognises: (head) => /(?:^|\n)[^\n]*\bjepsen\.util - (?:\d+|:nemesis)\s+:\w+\s/.test(head),
    history: (source) => built(numbered(readLog(source))),
  },
  {
    name: "EDN operations",
    nilIsUnknown: true,
    recognises: (head) => /^[[(]?\s*(?:#jepsen\.history\.Op\s*)?\{\s*:/.test(head),
    history: (source) => operations(source, (text) => readEdn(text, true)),
  },
  {
    name: "JSON operations, one a line",
    nilIsUnknown: true,
    recognises: (head) => /^\{[ \t]*"[^\n]*\}[ \t\r]*(?:\n|$)/.test(head),
    history: (source) => operations(source, readJsonLines),
  },
  {
    name: "JSON operations",
    nilIsUnknown: true,
    recognises: (head) => /^\[?\s*\{\s*"/.test(head),
    history: (source) => operations(source, readJsonValues),
  },
];

/** Characters by which the format is told, and where the keys are. */
const SEEN = 1 << 16;

/** The format of a text by its beginning; undefined if none knows it. */
export function detectFormat(source: TextSource): Format | undefined {
  while (source.text.length < SEEN && source.more());
  const head = source.text.replace(/^(?:\s|;[^\n]*\n|\ufeff)+/, "");
  return formats.find((format) => format.recognises(head));
}

/** The history in a text of that format. Throws FormatError and MalformedHistory. */
export function historyFrom(format: Format, source: TextSource): History {
  return notEmpty(format.history(source));
}

/** Throws FormatError for a history without events. */
export function notEmpty(history: History): History {
  if (history.columns.length === 0 && history.nemesis.length === 0)
    throw new FormatError("holds no operations");
  return history;
}

function built(events: Iterable<Op>): History {
  const builder = new ColumnsBuilder();
  for (const event of events) builder.add(event);
  return new History(builder.build());
}

type Values = (source: TextSource) => Iterable<Json>;

function operations(source: TextSource, values: Values): History {
  const keyed = areKeyed(beginning(source.text.slice(0, SEEN), values));
  return built(numbered(recorded(values(source), keyed)));
}

/** The events that a text surely begins with: the last ones may be cut off or wrong. */
function beginning(text: string, values: Values): readonly RecordedEvent[] {
  const events: RecordedEvent[] = [];
  try {
    for (const event of recorded(values(new TextSource([text])), false)) events.push(event);
  } catch {
    // Whoever reads the whole text comes upon it again, and knows the line.
  }
  return events;
}

function* recorded(values: Iterable<Json>, keyed: boolean): Generator<RecordedEvent> {
  const maps = new OperationMaps();
  for (const value of values) yield keyed ? withoutKey(maps.read(value)) : maps.read(value);
}
