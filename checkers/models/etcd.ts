/** A store of keys with etcd's revisions, transactions, ranges and leases, all keys at once. */
import type { Json } from "../../src/history/op.ts";
import type { Model } from "../linearizable/model.ts";

/** One existing key. */
export type EtcdEntry = {
  readonly key: string;
  readonly value: Json;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  /** Absent: the key is attached to none. */
  readonly lease?: string;
};

export type EtcdState = {
  readonly revision: number;
  /** By key, in the order of code units. */
  readonly entries: readonly EtcdEntry[];
  /** Those that were granted and are not revoked, in order. */
  readonly leases: readonly string[];
};

/** A key, or the keys from `key` up to and without `end`; "\0" as the end stands for no end. */
export type EtcdRange = { readonly key: string; readonly end?: string };

/** What is compared; of a missing key the numbers are 0, the lease is "", and no comparison of its value holds. */
export type EtcdCompare = {
  readonly key: string;
  readonly target: "value" | "version" | "create" | "mod" | "lease";
  readonly operator: "=" | "!=" | "<" | ">";
  readonly operand: string | number;
};

export type EtcdOperation =
  | ({ readonly kind: "range"; readonly limit?: number } & EtcdRange)
  | { readonly kind: "put"; readonly key: string; readonly value: Json; readonly lease?: string }
  | ({ readonly kind: "delete" } & EtcdRange);

export type EtcdCall =
  /** The operations of `success` one after another if all comparisons hold, else those of `failure`. */
  | {
      readonly f: "txn";
      readonly value: {
        readonly compare?: readonly EtcdCompare[];
        readonly success?: readonly EtcdOperation[];
        readonly failure?: readonly EtcdOperation[];
      };
    }
  /** The value is the lease. To revoke one deletes the keys attached to it, all in one revision. */
  | { readonly f: "grant" | "revoke"; readonly value: string };

export type EtcdResult =
  | { readonly kind: "range"; readonly entries: readonly EtcdEntry[]; readonly count: number }
  | { readonly kind: "put" }
  | { readonly kind: "delete"; readonly deleted: number };

export type EtcdAnswer = {
  /** Of the store afterwards; one more than before if anything changed. */
  readonly revision: number;
  readonly succeeded: boolean;
  readonly results: readonly EtcdResult[];
};

/**
 * As an answer names its revision, acknowledged changes fit in one order only, and a search hardly branches; but
 * the history must hold every change of the store. A lease that expires is revoked by the store itself: that is a
 * revocation of unknown outcome, invoked when it could expire at the earliest.
 */
export function etcd(revision = 1): Model<EtcdState, EtcdCall, EtcdAnswer> {
  return {
    name: "etcd",
    summary: "several keys with etcd's revisions, transactions, ranges and leases",
    init: { revision, entries: [], leases: [] },
    key: (state) => JSON.stringify(state),
    step(state, call, output) {
      const [after, answer] = etcdOutcome(state, call);
      if (answer === undefined) return undefined;
      return output === undefined || JSON.stringify(answer) === JSON.stringify(canonical(output))
        ? after
        : undefined;
    },
    observes(call, output) {
      if (call.f !== "txn") return false;
      const { success = [], failure = [] } = call.value;
      const only = (operations: readonly EtcdOperation[]) => operations.every(({ kind }) => kind === "range");
      if (output === undefined) return only(success) && only(failure);
      return output.results.every(
        (result) => result.kind !== "put" && !(result.kind === "delete" && result.deleted > 0),
      );
    },
  };
}

type Outcome = readonly [after: EtcdState, answer: EtcdAnswer | undefined];

/** What a call does and answers in a state; without an answer it is refused, and does nothing. */
export function etcdOutcome(state: EtcdState, call: EtcdCall): Outcome {
  return call.f === "txn" ? transact(state, call.value) : lease(state, call.f, call.value);
}

function transact(
  state: EtcdState,
  { compare = [], success = [], failure = [] }: (EtcdCall & { f: "txn" })["value"],
): Outcome {
  const succeeded = compare.every((comparison) => holds(state, comparison));
  const revision = state.revision + 1;
  const entries = new Map(state.entries.map((entry) => [entry.key, entry]));
  const results: EtcdResult[] = [];
  let changed = false;
  for (const operation of succeeded ? success : failure) {
    if (operation.kind === "put") {
      const { key, value, lease } = operation;
      if (lease !== undefined && !state.leases.includes(lease)) return [state, undefined];
      const { createRevision = revision, version = 0 } = entries.get(key) ?? {};
      entries.set(
        key,
        entryOf({ key, value, createRevision, modRevision: revision, version: version + 1 }, lease),
      );
      results.push({ kind: "put" });
      changed = true;
      continue;
    }
    const within = sorted(entries).filter(({ key }) => inRange(key, operation));
    if (operation.kind === "range") {
      results.push({ kind: "range", entries: within.slice(0, operation.limit), count: within.length });
      continue;
    }
    for (const { key } of within) entries.delete(key);
    if (within.length > 0) changed = true;
    results.push({ kind: "delete", deleted: within.length });
  }
  if (!changed) return [state, { revision: state.revision, succeeded, results }];
  return [
    { revision, entries: sorted(entries), leases: state.leases },
    { revision, succeeded, results },
  ];
}

function lease(state: EtcdState, f: "grant" | "revoke", id: string): Outcome {
  const { revision, entries, leases } = state;
  if (leases.includes(id) !== (f === "revoke")) return [state, undefined];
  if (f === "grant")
    return [
      { revision, entries, leases: [...leases, id].sort() },
      { revision, succeeded: true, results: [] },
    ];
  const left = entries.filter((entry) => entry.lease !== id);
  const after = left.length < entries.length ? revision + 1 : revision;
  return [
    { revision: after, entries: left, leases: leases.filter((other) => other !== id) },
    { revision: after, succeeded: true, results: [] },
  ];
}

function holds({ entries }: EtcdState, { key, target, operator, operand }: EtcdCompare): boolean {
  const entry = entries.find((one) => one.key === key);
  let actual: Json;
  if (target === "value") {
    if (entry === undefined) return false;
    actual = entry.value;
  } else if (target === "lease") actual = entry?.lease ?? "";
  else if (target === "version") actual = entry?.version ?? 0;
  else actual = (target === "create" ? entry?.createRevision : entry?.modRevision) ?? 0;
  switch (operator) {
    case "=":
      return actual === operand;
    case "!=":
      return actual !== operand;
    case "<":
      return actual !== null && actual < operand;
    case ">":
      return actual !== null && actual > operand;
  }
}

function inRange(key: string, { key: from, end }: EtcdRange): boolean {
  return end === undefined ? key === from : key >= from && (end === "\0" || key < end);
}

function sorted(entries: ReadonlyMap<string, EtcdEntry>): readonly EtcdEntry[] {
  return [...entries.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}

/** With its fields in one order, so that equal texts are equal entries. */
function entryOf(entry: EtcdEntry, lease: string | undefined): EtcdEntry {
  const { key, value, createRevision, modRevision, version } = entry;
  return { key, value, createRevision, modRevision, version, ...(lease === undefined ? {} : { lease }) };
}

function canonical({ revision, succeeded, results }: EtcdAnswer): EtcdAnswer {
  return {
    revision,
    succeeded,
    results: results.map((result) => {
      if (result.kind === "put") return { kind: "put" };
      if (result.kind === "delete") return { kind: "delete", deleted: result.deleted };
      const entries = result.entries.map((entry) => entryOf(entry, entry.lease));
      return { kind: "range", entries, count: result.count };
    }),
  };
}
