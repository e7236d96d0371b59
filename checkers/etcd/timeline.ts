/**
 * What the replies of a history claim, in the order of the revisions they name: who made each of them, what was seen
 * of the state after it, and which writes of unknown outcome there are for those that nobody owns.
 */
import type { History } from "../../src/history/history.ts";
import type { ObservedEvent, WatchSignature } from "../watch-signature.ts";
import { ByRevision } from "./by-revision.ts";
import { Keyspace } from "./keyspace.ts";
import { identity } from "./mismatch.ts";
import {
  type EtcdEntry,
  type EtcdOperation,
  type EtcdRange,
  type EtcdRangeResult,
  type EtcdRecord,
  type EtcdResult,
  type EtcdSignature,
  type EtcdTxn,
  hasChanged,
  partsOf,
} from "./signature.ts";

/** A part of a reply that shows an older state. */
export interface Recollection {
  readonly at: number;
  readonly record: EtcdRecord;
  readonly range: EtcdRange;
  readonly answer: EtcdRangeResult;
}

/** Something shown of a revision that no acknowledged write owns: a key was put then. */
export interface Fact {
  readonly rank: number;
  /** It was not put but deleted. */
  readonly deleted: boolean;
  /** Undefined: not told. */
  readonly entry: EtcdEntry | undefined;
  /** Whether that created it. */
  readonly created: boolean;
  readonly by: EtcdRecord;
}

export type Asking = EtcdRecord & { readonly f: "compact" | "range" };

export interface Reply {
  readonly revision: number;
  readonly record: EtcdRecord;
  /** Whether it surely made that revision; a revocation may have. */
  readonly writes: boolean;
  /** Whether it shows the state at that revision without changing it. */
  readonly observes: boolean;
}

export class Timeline {
  readonly history: History<EtcdSignature>;
  readonly keyspace: Keyspace;
  /** Of the store before the first operation. */
  readonly first: number;
  /** The greatest that is named. */
  last: number;
  /** All replies with a revision, by invocation. */
  readonly replies: Reply[] = [];
  /** Acknowledged writes by revision: the first of each. */
  readonly writes: ByRevision<EtcdRecord>;
  readonly recollections: Recollection[] = [];
  /** Acknowledged grants and revocations by revision; a revocation that deleted keys made that revision. */
  readonly leases = new Map<number, EtcdRecord[]>();
  /** Writes of unknown outcome, by invocation. */
  readonly unknown: EtcdRecord[] = [];
  /** Grants and revocations of unknown outcome, by lease. */
  readonly unknownGrants = new Map<string, EtcdRecord[]>();
  readonly unknownRevokes = new Map<string, EtcdRecord[]>();
  /** Compactions, and reads at a revision that are not serializable: what may be refused because of the revision. */
  readonly asking: Asking[] = [];
  /** Watches that stand among the operations: they tell of changes, too. */
  readonly watches: EtcdRecord[] = [];

  constructor(history: History<EtcdSignature>, first: number) {
    this.history = history;
    this.first = first;
    this.last = first;
    this.writes = new ByRevision(first);
    const keys = new Set<string>();
    for (const record of history.operations() as Iterable<EtcdRecord>) {
      if (record.f === "put") keys.add(record.input.key);
      else if (record.f === "txn") addKeys(keys, record.input);
      if (record.f === "compact" || (record.f === "range" && isAsking(record.input)))
        this.asking.push(record);
      if ((record.f as string) === "watch") this.#addWatch(record);
      else if (record.type === "info") this.#addUnknown(record);
      else if (record.type === "ok") this.#addReply(record);
    }
    this.keyspace = new Keyspace(keys);
  }

  #addWatch(record: EtcdRecord): void {
    if (record.type !== "ok") return;
    this.watches.push(record);
    for (const { revision } of eventsOf(record)) this.last = Math.max(this.last, revision);
  }

  #addUnknown(record: EtcdRecord): void {
    switch (record.f) {
      case "put":
      case "delete":
        this.unknown.push(record);
        break;
      case "txn":
        for (const { kind } of partsOf(record.input)) {
          if (kind === "range") continue;
          this.unknown.push(record);
          break;
        }
        break;
      case "revoke":
        this.unknown.push(record);
        listIn(this.unknownRevokes, record.input).push(record);
        break;
      case "grant":
        listIn(this.unknownGrants, record.input).push(record);
        break;
    }
  }

  #addReply(record: EtcdRecord & { readonly type: "ok" }): void {
    if (record.f === "compact") {
      this.last = Math.max(this.last, record.input);
      return;
    }
    const { revision } = record.output;
    this.last = Math.max(this.last, revision);
    let writes = false;
    let observes = false;
    switch (record.f) {
      case "grant":
      case "revoke": {
        const at = this.leases.get(revision);
        if (at === undefined) this.leases.set(revision, [record]);
        else at.push(record);
        break;
      }
      case "put":
        writes = true;
        break;
      case "delete":
        writes = record.output.deleted > 0;
        observes = !writes;
        break;
      case "txn":
        writes = record.output.results.some(hasChanged);
        observes = !writes;
        this.#addRecollections(record, record.input, record.output.succeeded, record.output.results);
        break;
      case "range":
        if ((record.input.revision ?? 0) > 0) this.#addRecollection(record, record.input, record.output);
        else observes = true;
        break;
    }
    if (writes && this.writes.get(revision) === undefined) this.writes.set(revision, record);
    this.replies.push({ revision, record, writes, observes });
  }

  #addRecollection(record: EtcdRecord, range: EtcdRange, answer: EtcdRangeResult): void {
    const at = range.revision as number;
    this.last = Math.max(this.last, at);
    this.recollections.push({ at, record, range, answer });
  }

  #addRecollections(
    record: EtcdRecord,
    txn: EtcdTxn,
    succeeded: boolean,
    results: readonly EtcdResult[],
  ): void {
    const branch: readonly EtcdOperation[] | undefined = succeeded ? txn.success : txn.failure;
    branch?.forEach((operation, i) => {
      const result = results[i];
      if (operation.kind === "range" && result?.kind === "range" && (operation.revision ?? 0) > 0)
        this.#addRecollection(record, operation, result);
      else if (operation.kind === "txn" && result?.kind === "txn")
        this.#addRecollections(record, operation, result.succeeded, result.results);
    });
  }

  /** By revision: what replies show of changes that no acknowledged write made. */
  facts(): ReadonlyMap<number, readonly Fact[]> {
    const facts = new Map<number, Fact[]>();
    const seen = new Set<string>();
    const add = (
      revision: number,
      key: string,
      entry: EtcdEntry | undefined,
      created: boolean,
      by: EtcdRecord,
    ) => {
      if (revision <= this.first || revision > this.last || this.writes.get(revision) !== undefined) return;
      const rank = this.keyspace.rank(key);
      const name = `${revision} ${entry === undefined ? created : identity(key, entry.value ?? null)} ${rank}`;
      if (rank < 0 || seen.has(name)) return;
      seen.add(name);
      listIn(facts, revision).push({ rank, deleted: false, entry, created, by });
    };
    const addEntry = (entry: EtcdEntry, by: EtcdRecord) => {
      const { key, modRevision, createRevision = modRevision } = entry;
      add(modRevision, key, entry, entry.createRevision === modRevision, by);
      if (createRevision !== modRevision) add(createRevision, key, undefined, true, by);
    };
    for (const record of this.watches)
      for (const { type, key, value, revision, created } of eventsOf(record)) {
        if (type === "put")
          add(revision, key, { key, value, modRevision: revision }, created === revision, record);
        else if (
          revision > this.first &&
          this.writes.get(revision) === undefined &&
          this.keyspace.rank(key) >= 0
        )
          listIn(facts, revision).push({
            rank: this.keyspace.rank(key),
            deleted: true,
            entry: undefined,
            created: false,
            by: record,
          });
      }
    for (const { record } of this.replies) {
      if (record.type !== "ok" || record.f === "compact") continue;
      visitEntries(record, (entry) => addEntry(entry, record));
      if (record.f !== "txn" || !record.output.succeeded) continue;
      for (const { key, end, target, operator, operand } of record.input.compare ?? [])
        if (end === undefined && operator === "=" && (target === "mod" || target === "create"))
          add(operand as number, key, undefined, target === "create", record);
    }
    return facts;
  }
}

function isAsking({ revision = 0, serializable }: EtcdRange): boolean {
  return revision > 0 && serializable !== true;
}

/** What a watch was told, in the words of the watch checker. */
function eventsOf(record: EtcdRecord): readonly ObservedEvent[] {
  const { watches } = record.output as unknown as WatchSignature["watch"]["out"];
  return watches.flatMap(({ responses }) => responses.flatMap(({ events }) => events));
}

/** All entries that a reply shows. */
function visitEntries(record: EtcdRecord & { readonly type: "ok" }, visit: (entry: EtcdEntry) => void): void {
  if (record.f === "txn") for (const result of record.output.results) visitResult(result, visit);
  else if (record.f === "range" || record.f === "put" || record.f === "delete")
    visitResult({ kind: record.f, ...record.output } as EtcdResult, visit);
}

function visitResult(result: EtcdResult, visit: (entry: EtcdEntry) => void): void {
  if (result.kind === "range") for (const entry of result.entries) visit(entry);
  else if (result.kind === "txn") for (const inner of result.results) visitResult(inner, visit);
  else if (result.kind === "delete") for (const entry of result.previous ?? []) visit(entry);
  else if (result.previous) visit(result.previous);
}

function addKeys(keys: Set<string>, txn: EtcdTxn): void {
  for (const part of partsOf(txn)) if (part.kind === "put") keys.add(part.key);
}

function listIn<K, T>(lists: Map<K, T[]>, key: K): T[] {
  let list = lists.get(key);
  if (list === undefined) {
    list = [];
    lists.set(key, list);
  }
  return list;
}
