/** What a reply says of the store against what is so: the name of the difference, and a sentence. */
import type { History } from "../../src/history/history.ts";
import type { Json } from "../../src/history/op.ts";
import { who } from "../findings.ts";
import type { Ranks } from "./keyspace.ts";
import { type EtcdEntry, type EtcdRecord, type EtcdSignature, partsOf } from "./signature.ts";
import type { Version } from "./store.ts";

export interface Mismatch {
  readonly name: string;
  readonly guarantee: string;
  readonly by: EtcdRecord;
  /** Whose change it contradicts. */
  readonly others: readonly EtcdRecord[];
  /** The keys it depends on, and the revision from which on their changes matter. */
  readonly ranks: Ranks;
  readonly since: number;
  /** Those of the keys to be suspected first. */
  readonly suspects?: Ranks;
  explain(): string;
}

export const ORDER = "revision order";
export const STATE = "reads at a revision";
export const GUARDS = "transaction guards";
export const LEASES = "leases of keys";

/** In which state a reply was made, and whether it changed that state. */
export interface Circumstances {
  readonly by: EtcdRecord;
  readonly at: number;
  readonly changes: boolean;
}

/** Who wrote, or tried to write, each value of each key. */
export class Origins {
  readonly #history: History<EtcdSignature>;
  #writers: Map<string, EtcdRecord> | undefined;

  constructor(history: History<EtcdSignature>) {
    this.#history = history;
  }

  writerOf(key: string, value: Json): EtcdRecord | undefined {
    this.#writers ??= writersIn(this.#history);
    return this.#writers.get(identity(key, value));
  }
}

function writersIn(history: History<EtcdSignature>): Map<string, EtcdRecord> {
  const writers = new Map<string, EtcdRecord>();
  const add = (key: string, value: Json, record: EtcdRecord) => {
    const name = identity(key, value);
    // Of several, one that did not fail.
    if ((writers.get(name)?.type ?? "fail") === "fail") writers.set(name, record);
  };
  for (const record of history.operations()) {
    if (record.f === "put") add(record.input.key, record.input.value, record);
    else if (record.f === "txn")
      for (const part of partsOf(record.input)) if (part.kind === "put") add(part.key, part.value, record);
  }
  return writers;
}

/**
 * How an entry that is shown differs from the key's version in that state; undefined if it does not. What is
 * undefined does not exist; `last` is the key's last change, be it a deletion.
 */
export function difference(
  { by, at, changes }: Circumstances,
  origins: Origins,
  key: string,
  rank: number,
  last: Version | undefined,
  shown: EtcdEntry | undefined,
  keysOnly = false,
): Mismatch | undefined {
  const actual = last?.alive === true ? last : undefined;
  if (actual === undefined && shown === undefined) return undefined;
  const ranks = { low: rank, high: rank + 1 };
  const since = last?.modified ?? 0;
  const others = last === undefined ? [] : [last.by];
  const base = { by, ranks, since, guarantee: STATE };
  const is = () => (actual === undefined ? gone(last) : `${lineage(actual)}, by ${told(actual.by)}`);
  const found = (name: string, what: string): Mismatch => ({
    ...base,
    name,
    others,
    explain: () => `${told(by)} shows ${key} ${what}, but at revision ${at} it is ${is()}.`,
  });
  if (shown === undefined) return found("lost write", "as missing");
  const { modRevision, value } = shown;
  if (modRevision > at)
    return {
      ...base,
      name: "read from the future",
      others: [],
      explain: () =>
        `${told(by)} shows ${key} as changed at revision ${modRevision}, in the state of revision ${at}.`,
    };
  const as = `as ${shownAs(shown)}`;
  if (!keysOnly && value !== undefined && (actual === undefined || !same(actual.value, value))) {
    const writer = origins.writerOf(key, value);
    if (writer === undefined)
      return {
        ...base,
        name: "value never written",
        others: [],
        explain: () => `${told(by)} shows ${show(value)} in ${key}, which nobody ever wrote there.`,
      };
    if (writer.type === "fail")
      return {
        ...base,
        name: "dirty read",
        others: [writer],
        explain: () =>
          `${told(by)} shows ${show(value)} in ${key}, which ${told(writer)} would have written, had it not failed (G1a, aborted read).`,
      };
    if (actual !== undefined && modRevision === actual.modified) return found("one revision, two values", as);
  }
  if (actual === undefined || modRevision < actual.modified) {
    const current = by.f === "range" && by.input.serializable !== true && (by.input.revision ?? 0) === 0;
    if (changes) return found("lost update", as);
    const name = current ? "stale read" : "stale value";
    return found(name, as);
  }
  if (modRevision > actual.modified) return found("wrong revision", as);
  if (
    (shown.version !== undefined && shown.version !== actual.version) ||
    (shown.createRevision !== undefined && shown.createRevision !== actual.created)
  )
    return { ...found("impossible version", as), since: 0 };
  if (shown.lease !== undefined && shown.lease !== actual.lease)
    return { ...found("wrong lease", as), guarantee: LEASES };
  return undefined;
}

export function identity(key: string, value: Json): string {
  // Numbers, the common case, are spared the quoting; a JSON text of a list begins with no digit.
  return typeof value === "number" ? `${value} ${key}` : JSON.stringify([key, value]);
}

export function same(a: Json, b: Json): boolean {
  return a === b || (typeof a === "object" && a !== null && JSON.stringify(a) === JSON.stringify(b));
}

export function told(record: EtcdRecord): string {
  return `the ${record.f} by ${who(record)} (event ${record.invokeIndex})`;
}

export function show(value: Json): string {
  return typeof value === "string" ? `"${value}"` : JSON.stringify(value);
}

function gone(last: Version | undefined): string {
  return last === undefined
    ? "missing, and nobody had put it"
    : `missing since revision ${last.modified}, by ${told(last.by)}`;
}

function lineage({ value, modified, created, version, lease }: Version): string {
  const attached = lease === "" ? "" : `, under lease ${lease}`;
  return `${show(value)} of revision ${modified} (created at ${created}, version ${version}${attached})`;
}

function shownAs({ value, modRevision, createRevision, version, lease }: EtcdEntry): string {
  const more = [
    ...(createRevision === undefined ? [] : [`created at ${createRevision}`]),
    ...(version === undefined ? [] : [`version ${version}`]),
    ...(lease === undefined || lease === "" ? [] : [`under lease ${lease}`]),
  ];
  const what = value === undefined ? "changed" : show(value);
  return `${what} at revision ${modRevision}${more.length === 0 ? "" : ` (${more.join(", ")})`}`;
}
