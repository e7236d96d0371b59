/**
 * A store of keys with etcd's revisions, transactions, ranges and leases, all keys at once, as plainly as it can be
 * said: the definition that the replay of a whole history (checkers/etcd) is held against.
 */
import type { Json } from "../../src/history/op.ts";
import {
  type EtcdCompare,
  type EtcdEntry,
  type EtcdOperation,
  type EtcdRange,
  type EtcdRangeResult,
  type EtcdResult,
  type EtcdSignature,
  type EtcdTxn,
  type EtcdTxnResult,
  hasChanged,
  isAmong,
  partsOf,
} from "../etcd/signature.ts";
import type { Model } from "../linearizable/model.ts";

type Entries = ReadonlyMap<string, Required<EtcdEntry>>;

export type EtcdState = {
  readonly revision: number;
  /** The keys after each revision. */
  readonly entries: readonly Entries[];
  /** Those that were granted and are not revoked, in order. */
  readonly leases: readonly string[];
};

export type EtcdCall = {
  readonly [F in Exclude<keyof EtcdSignature, "compact">]: {
    readonly f: F;
    readonly value: EtcdSignature[F]["in"];
  };
}[Exclude<keyof EtcdSignature, "compact">];

export type EtcdAnswer = EtcdSignature[EtcdCall["f"]]["out"];

/**
 * As an answer names its revision, acknowledged changes fit in one order only, and a search hardly branches; but
 * the history must hold every change of the store. A lease that expires is revoked by the store itself: that is a
 * revocation of unknown outcome, invoked when it could expire at the earliest.
 */
export function etcd(): Model<EtcdState, EtcdCall, EtcdAnswer> {
  return {
    name: "etcd",
    summary: "several keys with etcd's revisions, transactions, ranges and leases",
    init: { revision: 1, entries: [new Map(), new Map()], leases: [] },
    key: ({ revision, entries, leases }) =>
      JSON.stringify([revision, entries.map((keys) => [...keys.values()]), leases]),
    step(state, call, output) {
      const [after, answer] = etcdOutcome(state, call);
      if (answer === undefined) return undefined;
      return output === undefined || agrees(output, answer) ? after : undefined;
    },
    observes(call, output) {
      if (call.f === "range") return true;
      if (call.f === "delete") return output !== undefined && "deleted" in output && output.deleted === 0;
      if (call.f !== "txn") return false;
      if (output === undefined || !("results" in output))
        return [...partsOf(call.value)].every(({ kind }) => kind === "range");
      return !output.results.some(hasChanged);
    },
  };
}

type Outcome = readonly [after: EtcdState, answer: EtcdAnswer | undefined];

/** What a call does and answers in a state; without an answer it is refused, and does nothing. */
export function etcdOutcome(state: EtcdState, call: EtcdCall): Outcome {
  if (call.f === "grant" || call.f === "revoke") return lease(state, call.f, call.value);
  const asTxn =
    call.f === "txn" ? call.value : { success: [{ kind: call.f, ...call.value } as EtcdOperation] };
  const draft = new Draft(state);
  const result = draft.run(draft.resolve(asTxn));
  const after = draft.after();
  if (result === undefined) return [state, undefined];
  const { revision } = after;
  if (call.f === "txn") return [after, { revision, ...result }];
  const { kind: _, ...single } = result.results[0] as EtcdResult;
  return [after, { revision, ...single } as EtcdAnswer];
}

/** A transaction with its branches chosen. */
interface Resolved {
  readonly kind: "resolved";
  readonly succeeded: boolean;
  readonly operations: readonly (Exclude<EtcdOperation, { kind: "txn" }> | Resolved)[];
}

class Draft {
  readonly #state: EtcdState;
  readonly #entries: Map<string, Required<EtcdEntry>>;
  #changed = false;

  constructor(state: EtcdState) {
    this.#state = state;
    this.#entries = new Map(state.entries[state.revision]);
  }

  resolve({ compare = [], success = [], failure = [] }: EtcdTxn): Resolved {
    const succeeded = compare.every((comparison) => holds(this.#entries, comparison));
    return {
      kind: "resolved",
      succeeded,
      operations: (succeeded ? success : failure).map((operation) =>
        operation.kind === "txn" ? this.resolve(operation) : operation,
      ),
    };
  }

  /** Undefined: refused. */
  run({ succeeded, operations }: Resolved): EtcdTxnResult | undefined {
    const results: EtcdResult[] = [];
    for (const operation of operations) {
      const result = this.#step(operation);
      if (result === undefined) return undefined;
      results.push(result);
    }
    return { succeeded, results };
  }

  after(): EtcdState {
    const { revision, entries, leases } = this.#state;
    if (!this.#changed) return this.#state;
    return { revision: revision + 1, entries: [...entries, sorted(this.#entries)], leases };
  }

  #step(operation: Resolved["operations"][number]): EtcdResult | undefined {
    const { revision, entries, leases } = this.#state;
    switch (operation.kind) {
      case "resolved": {
        const result = this.run(operation);
        return result && { kind: "txn", ...result };
      }
      case "range": {
        const at = operation.revision ?? 0;
        if (at > revision) return undefined;
        return {
          kind: "range",
          ...shown(at > 0 ? (entries[at] as Entries) : sorted(this.#entries), operation),
        };
      }
      case "put": {
        const { key, value, lease = "" } = operation;
        if (lease !== "" && !leases.includes(lease)) return undefined;
        const before = this.#entries.get(key);
        const { createRevision, version } = before ?? { createRevision: revision + 1, version: 0 };
        const modRevision = revision + 1;
        this.#entries.set(key, { key, value, createRevision, modRevision, version: version + 1, lease });
        this.#changed = true;
        return { kind: "put", ...(operation.previous === true ? { previous: before ?? null } : {}) };
      }
      case "delete": {
        const doomed = [...sorted(this.#entries).values()].filter(({ key }) => isAmong(key, operation));
        for (const { key } of doomed) this.#entries.delete(key);
        if (doomed.length > 0) this.#changed = true;
        const previous = operation.previous === true ? { previous: doomed } : {};
        return { kind: "delete", deleted: doomed.length, ...previous };
      }
    }
  }
}

function shown(entries: Entries, range: EtcdRange): EtcdRangeResult {
  const all = [...entries.values()].filter(({ key }) => isAmong(key, range));
  const limit = range.limit ?? 0;
  const kept = range.countOnly === true ? [] : limit > 0 ? all.slice(0, limit) : all;
  const told = range.keysOnly === true ? kept.map(({ value: _, ...entry }) => entry) : kept;
  return { entries: told, count: all.length, more: range.countOnly !== true && kept.length < all.length };
}

function lease({ revision, entries, leases }: EtcdState, f: "grant" | "revoke", id: string): Outcome {
  const state = { revision, entries, leases };
  if (leases.includes(id) !== (f === "revoke")) return [state, undefined];
  if (f === "grant") return [{ revision, entries, leases: [...leases, id].sort() }, { revision }];
  const newest = entries[revision] as Entries;
  const left = new Map([...newest].filter(([, entry]) => entry.lease !== id));
  const others = leases.filter((other) => other !== id);
  if (left.size === newest.size) return [{ revision, entries, leases: others }, { revision }];
  return [
    { revision: revision + 1, entries: [...entries, left], leases: others },
    { revision: revision + 1 },
  ];
}

function holds(entries: Entries, compare: EtcdCompare): boolean {
  const found = [...entries.values()].filter(({ key }) => isAmong(key, compare));
  const missing = { createRevision: 0, modRevision: 0, version: 0, lease: "" };
  return (found.length === 0 ? [missing] : found).every((entry) => isMet(compare, entry));
}

function isMet({ target, operator, operand }: EtcdCompare, entry: Partial<EtcdEntry>): boolean {
  const { value, version, createRevision, modRevision, lease } = entry;
  const actual = { value, version, create: createRevision, mod: modRevision, lease }[target];
  if (actual === undefined || actual === null) return false;
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

function sorted(entries: Entries): Entries {
  return new Map([...entries].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Whether an answer says nothing but what is so; it need not say all. */
function agrees(told: Json | undefined, actual: Json | undefined): boolean {
  if (told === undefined) return true;
  if (typeof told !== "object" || told === null || typeof actual !== "object" || actual === null)
    return told === actual;
  if (Array.isArray(told) || Array.isArray(actual)) {
    if (!Array.isArray(told) || !Array.isArray(actual) || told.length !== actual.length) return false;
    return told.every((part, i) => agrees(part as Json, actual[i] as Json));
  }
  const fields = actual as { readonly [field: string]: Json };
  return Object.entries(told).every(([field, part]) => agrees(part, fields[field] as Json | undefined));
}
