/** Carries out requests on the replayed store, and holds their answers against it. */
import type { Json } from "../../src/history/op.ts";

import type { Ranks } from "./keyspace.ts";
import type { Leases } from "./leases.ts";
import {
  type Circumstances,
  difference,
  GUARDS,
  LEASES,
  type Mismatch,
  type Origins,
  STATE,
  show,
  told as toldOf,
} from "./mismatch.ts";
import type {
  EtcdCompare,
  EtcdDelete,
  EtcdDeleteResult,
  EtcdEntry,
  EtcdOperation,
  EtcdPut,
  EtcdPutResult,
  EtcdRange,
  EtcdRangeResult,
  EtcdRecord,
  EtcdResult,
  EtcdTxn,
  EtcdTxnResult,
} from "./signature.ts";
import type { Store, Version } from "./store.ts";

export class Execution {
  /** Of the last request: what its answer says that is not so. */
  readonly mismatches: Mismatch[] = [];
  /** Of the last request: whether it changed anything, and whether the store would refuse it. */
  changed = false;
  refused = false;
  readonly #store: Store;
  readonly #origins: Origins;
  readonly #leases: Leases;
  #record!: EtcdRecord;
  /** The revision it makes if it changes anything. */
  #revision = 0;
  #writes = false;
  /** The state that what is shown belongs to. */
  #at!: Circumstances;
  /** Whether the comparisons hold, of transactions in the order they begin in; and the next of them. */
  readonly #outcomes: boolean[] = [];
  #next = 0;

  constructor(store: Store, origins: Origins, leases: Leases) {
    this.#store = store;
    this.#origins = origins;
    this.#leases = leases;
  }

  /** A change: with its answer if it is known, in its place in the order of revisions. */
  change(record: EtcdRecord, revision: number): void {
    this.#begin(record, revision, revision, true);
    this.#run();
  }

  /** A reply that changed nothing. */
  observe(record: EtcdRecord, at: number): void {
    this.#begin(record, at + 1, at, false);
    this.#run();
  }

  /** The part of a reply that shows an older state. */
  recall(record: EtcdRecord, range: EtcdRange, answer: EtcdRangeResult, at: number): void {
    this.#begin(record, at + 1, at, false);
    this.#range(range, answer);
  }

  #begin(record: EtcdRecord, revision: number, at: number, writes: boolean): void {
    this.#record = record;
    this.#revision = revision;
    this.#writes = writes;
    this.#at = { by: record, at, changes: writes };
    clear(this.mismatches);
    this.changed = false;
    this.refused = false;
    clear(this.#outcomes);
    this.#next = 0;
  }

  #run(): void {
    const record = this.#record;
    switch (record.f) {
      case "range":
        if (record.output !== undefined) this.#range(record.input, record.output);
        break;
      case "put":
        this.#put(record.input, record.output);
        break;
      case "delete":
        this.#delete(record.input, record.output);
        break;
      case "txn":
        this.#resolve(record.input, record.output);
        this.#transact(record.input, record.output);
        break;
      case "revoke":
        for (const rank of this.#store.attachedTo(record.input)) this.#remove(rank);
        this.#leases.end(record.input);
        break;
    }
  }

  /** All comparisons are made before anything is changed. */
  #resolve(txn: EtcdTxn, told: EtcdTxnResult | undefined): void {
    let failing: EtcdCompare | undefined;
    if (txn.compare !== undefined)
      for (const compare of txn.compare) {
        if (this.#holds(compare)) continue;
        failing = compare;
        break;
      }
    const succeeded = failing === undefined;
    this.#outcomes.push(succeeded);
    if (told !== undefined && told.succeeded !== succeeded) this.#judgeGuard(txn, failing);
    const branch = (told?.succeeded ?? succeeded) ? txn.success : txn.failure;
    branch?.forEach((operation, i) => {
      if (operation.kind === "txn") this.#resolve(operation, answerOf(operation, told?.results[i]));
    });
  }

  #transact(txn: EtcdTxn, told: EtcdTxnResult | undefined): void {
    const succeeded = this.#outcomes[this.#next++] as boolean;
    const branch = ((told?.succeeded ?? succeeded) ? txn.success : txn.failure) ?? [];
    if (told !== undefined && told.results.length !== branch.length)
      this.#found(
        "wrong answer",
        STATE,
        () => `has ${told.results.length} results to ${branch.length} requests`,
      );
    branch.forEach((operation, i) => {
      const result = told?.results[i];
      if (result !== undefined && result.kind !== operation.kind) {
        this.#found("wrong answer", STATE, () => `has the result of a ${result.kind} to a ${operation.kind}`);
        return;
      }
      switch (operation.kind) {
        case "range":
          // What was asked at a revision is compared with the state of that revision, elsewhere.
          if ((operation.revision ?? 0) >= this.#revision) this.refused = true;
          else if ((operation.revision ?? 0) === 0 && result !== undefined)
            this.#range(operation, result as EtcdRangeResult);
          break;
        case "put":
          this.#put(operation, result as EtcdPutResult | undefined);
          break;
        case "delete":
          this.#delete(operation, result as EtcdDeleteResult | undefined);
          break;
        case "txn":
          this.#transact(operation, result as EtcdTxnResult | undefined);
          break;
      }
    });
  }

  #range(range: EtcdRange, answer: EtcdRangeResult): void {
    const { keyspace, present } = this.#store;
    const ranks = keyspace.ranks(range);
    const { entries } = answer;
    const limit = (range.limit ?? 0) > 0 ? (range.limit as number) : Number.POSITIVE_INFINITY;
    const before = this.mismatches.length;
    let count: number;
    if (range.countOnly === true) count = present.count(ranks);
    else {
      count = this.#compareAll(ranks, limit, entries, range.keysOnly === true);
      if (entries.length >= limit) count = present.count(ranks);
    }
    if (this.mismatches.length > before) return;
    const more = range.countOnly !== true && count > limit;
    if (answer.count !== count)
      this.#found("wrong count", STATE, () => `counts ${answer.count} keys and not ${count}`, ranks);
    else if (answer.more !== undefined && answer.more !== more)
      this.#found("wrong count", STATE, () => `says that there are ${more ? "no " : ""}more keys`, ranks);
  }

  /**
   * Compares what is shown of the keys with what there is, key by key, so that what differs depends on one key alone.
   * As many as the limit allows say nothing of the keys behind them. Returns how many exist of those it compared.
   */
  #compareAll(ranks: Ranks, limit: number, entries: readonly EtcdEntry[], keysOnly = false): number {
    const { keyspace, present } = this.#store;
    if (entries.length > limit)
      this.#found(
        "wrong answer",
        STATE,
        () => `shows ${entries.length} keys, more than its limit of ${limit}`,
      );
    const last = entries.at(-1)?.key;
    const high =
      last === undefined || entries.length < limit
        ? ranks.high
        : Math.min(ranks.high, keyspace.countUpTo(last));
    let compared = 0;
    let at = 0;
    let rank = present.next(ranks.low);
    for (; rank >= 0 && rank < high; rank = present.next(rank + 1)) {
      compared++;
      const key = keyspace.keys[rank] as string;
      // Mostly it is the one, and to compare the order of texts takes longer.
      while (at < entries.length && entries[at]?.key !== key && (entries[at] as EtcdEntry).key < key)
        this.#show(entries[at++] as EtcdEntry, ranks, keysOnly);
      if (entries[at]?.key === key) this.#compare(rank, entries[at++], keysOnly);
      else this.#compare(rank, undefined);
    }
    while (at < entries.length) this.#show(entries[at++] as EtcdEntry, ranks, keysOnly);
    return compared;
  }

  /** An entry where none is expected. */
  #show(entry: EtcdEntry, { low, high }: Ranks, keysOnly: boolean): void {
    const rank = this.#store.keyspace.rank(entry.key);
    if (rank >= low && rank < high && this.#store.at(rank) === undefined) {
      this.#compare(rank, entry, keysOnly);
      return;
    }
    const what = rank < 0 ? "which nobody ever put" : "out of its place, twice or unasked";
    const name = rank < 0 ? "value never written" : "wrong answer";
    this.#found(name, STATE, () => `shows ${entry.key}, ${what}`);
  }

  #compare(rank: number, shown: EtcdEntry | undefined, keysOnly = false): void {
    const { keyspace } = this.#store;
    const last = this.#store.last(rank);
    if (last !== undefined && shown !== undefined && isShownAs(last, shown, keysOnly)) return;
    const key = keyspace.keys[rank] as string;
    const mismatch = difference(this.#at, this.#origins, key, rank, last, shown, keysOnly);
    if (mismatch !== undefined) this.mismatches.push(mismatch);
  }

  #put({ key, value, lease = "" }: EtcdPut, told: EtcdPutResult | undefined): void {
    const rank = this.#store.keyspace.rank(key);
    if (told?.previous !== undefined)
      this.#compareAll({ low: rank, high: rank + 1 }, 1, told.previous === null ? [] : [told.previous]);
    if (lease !== "" && !this.#leases.isUsable(lease, this.#revision)) {
      this.refused = true;
      const what = () => `puts ${key} under lease ${lease}, which does not exist then`;
      this.#found("put under a missing lease", LEASES, what);
    }
    if (!this.#writes) return;
    const last = this.#store.last(rank);
    const before = last?.alive === true ? last : undefined;
    this.#store.set(rank, {
      alive: true,
      value,
      created: before?.created ?? this.#revision,
      modified: this.#revision,
      version: (before?.version ?? 0) + 1,
      vanished: before?.vanished ?? last?.modified ?? 0,
      lease,
      by: this.#record,
    });
    this.changed = true;
  }

  #delete(request: EtcdDelete, told: EtcdDeleteResult | undefined): void {
    const { keyspace, present } = this.#store;
    const ranks = keyspace.ranks(request);
    if (told?.previous !== undefined) this.#compareAll(ranks, Number.POSITIVE_INFINITY, told.previous);
    let deleted = 0;
    for (let rank = present.next(ranks.low); rank >= 0 && rank < ranks.high; rank = present.next(rank + 1)) {
      deleted++;
      this.#remove(rank);
    }
    if (told === undefined || told.deleted === deleted) return;
    const name = told.deleted > deleted ? "wrong count" : "lost write";
    this.#found(name, STATE, () => `deleted ${told.deleted} of its keys, of which ${deleted} exist`, ranks);
  }

  #remove(rank: number): void {
    if (!this.#writes) return;
    this.#store.set(rank, {
      alive: false,
      value: null,
      created: 0,
      modified: this.#revision,
      version: 0,
      vanished: 0,
      lease: "",
      by: this.#record,
    });
    this.changed = true;
  }

  #holds(compare: EtcdCompare): boolean {
    const { keyspace, present } = this.#store;
    const { low, high } = keyspace.ranks(compare);
    let found = false;
    for (let rank = present.next(low); rank >= 0 && rank < high; rank = present.next(rank + 1)) {
      found = true;
      if (!isMet(compare, this.#store.at(rank))) return false;
    }
    return found || isMet(compare, undefined);
  }

  #judgeGuard(txn: EtcdTxn, failing: EtcdCompare | undefined): void {
    const { keyspace } = this.#store;
    if (failing === undefined) {
      const compared = (txn.compare ?? []).map(({ key }) => this.#store.last(keyspace.rank(key))?.by);
      const ranks = (txn.compare ?? []).map((compare) => keyspace.ranks(compare));
      this.#found(
        "guard that should have held",
        GUARDS,
        () => "was told that a comparison failed, but all hold",
        { low: Math.min(...ranks.map(({ low }) => low)), high: Math.max(...ranks.map(({ high }) => high)) },
        compared.filter((record) => record !== undefined),
      );
      return;
    }
    const { key, target, operator, operand } = failing;
    const last = this.#store.last(keyspace.rank(key));
    this.#found(
      "lost update",
      GUARDS,
      () =>
        `took place although the ${target} of ${key} was not ${operator} ${show(operand)}${last === undefined ? "" : `: ${toldOf(last.by)} had changed it at revision ${last.modified}`}`,
      keyspace.ranks(failing),
      last === undefined ? [] : [last.by],
    );
  }

  #found(
    name: string,
    guarantee: string,
    what: () => string,
    ranks: Ranks = { low: 0, high: this.#store.keyspace.keys.length },
    others: readonly EtcdRecord[] = [],
  ): void {
    const { by, at } = this.#at;
    const explain = () => `At revision ${at}, ${toldOf(by)} ${what()}.`;
    this.mismatches.push({ name, guarantee, by, others, ranks, since: 0, explain });
  }
}

/** Setting a length is slow, and these are empty as a rule. */
function clear(list: unknown[]): void {
  if (list.length > 0) list.length = 0;
}

function answerOf(
  _: EtcdOperation & { kind: "txn" },
  result: EtcdResult | undefined,
): EtcdTxnResult | undefined {
  return result?.kind === "txn" ? result : undefined;
}

/** Whether an entry is as the key's version is: the common case, and quick. */
function isShownAs(version: Version, entry: EtcdEntry, keysOnly: boolean): boolean {
  return (
    version.alive &&
    entry.modRevision === version.modified &&
    (keysOnly || entry.value === undefined || entry.value === version.value) &&
    (entry.version === undefined || entry.version === version.version) &&
    (entry.createRevision === undefined || entry.createRevision === version.created) &&
    (entry.lease === undefined || entry.lease === version.lease)
  );
}

function isMet({ target, operator, operand }: EtcdCompare, version: Version | undefined): boolean {
  let actual: Json;
  switch (target) {
    case "value":
      actual = version?.value ?? null;
      break;
    case "version":
      actual = version?.version ?? 0;
      break;
    case "create":
      actual = version?.created ?? 0;
      break;
    case "mod":
      actual = version?.modified ?? 0;
      break;
    case "lease":
      actual = version?.lease ?? "";
      break;
  }
  if (actual === null) return false;
  switch (operator) {
    case "=":
      return actual === operand;
    case "!=":
      return actual !== operand;
    case "<":
      return actual < operand;
    case ">":
      return actual > operand;
  }
}
