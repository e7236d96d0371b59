/** Which keys a write can change, whatever the state that it finds. */
import type { Keyspace, Ranks } from "./keyspace.ts";
import { type EtcdCompare, type EtcdOperation, type EtcdRecord, type EtcdTxn, partsOf } from "./signature.ts";

export interface Reach {
  /** Single keys that it may put, and keys of which it may delete those that exist. */
  readonly puts: readonly number[];
  readonly deletes: readonly Ranks[];
  /** Of all its comparisons, those within it too: what it does depends on these keys. */
  readonly compares: readonly Ranks[];
  /** What is so wherever it changes anything. */
  readonly always: Always;
}

export interface Always {
  /** Keys that it puts last of all. */
  readonly puts: readonly number[];
  /** Keys that do not exist afterwards, unless it puts them. */
  readonly deletes: readonly Ranks[];
  readonly holds: readonly EtcdCompare[];
}

const NOTHING: Always = { puts: [], deletes: [], holds: [] };

/** `leased`: the keys that may hang on a lease. */
export function reachOf(
  record: EtcdRecord,
  keyspace: Keyspace,
  leased: (lease: string) => Iterable<number>,
): Reach {
  switch (record.f) {
    case "put": {
      const puts = [keyspace.rank(record.input.key)];
      return { puts, deletes: [], compares: [], always: { ...NOTHING, puts } };
    }
    case "delete": {
      const deletes = [keyspace.ranks(record.input)];
      return { puts: [], deletes, compares: [], always: { ...NOTHING, deletes } };
    }
    case "revoke": {
      const deletes = Array.from(leased(record.input), (rank) => ({ low: rank, high: rank + 1 }));
      return { puts: [], deletes, compares: [], always: NOTHING };
    }
    case "txn": {
      const parts = [...partsOf(record.input)];
      const puts = parts.flatMap((part) => (part.kind === "put" ? [keyspace.rank(part.key)] : []));
      const deletes = parts.flatMap((part) => (part.kind === "delete" ? [keyspace.ranks(part)] : []));
      const compares = comparesOf(record.input).map((compare) => keyspace.ranks(compare));
      return { puts: [...new Set(puts)], deletes, compares, always: alwaysOf(record.input, keyspace) };
    }
    default:
      return { puts: [], deletes: [], compares: [], always: NOTHING };
  }
}

function comparesOf({ compare = [], success = [], failure = [] }: EtcdTxn): readonly EtcdCompare[] {
  const inner = [...success, ...failure].flatMap((part) => (part.kind === "txn" ? comparesOf(part) : []));
  return [...compare, ...inner];
}

function alwaysOf({ compare = [], success = [], failure = [] }: EtcdTxn, keyspace: Keyspace): Always {
  if (compare.length === 0 || !isWriting(failure)) return { ...ofBranch(success, keyspace), holds: compare };
  if (!isWriting(success)) return ofBranch(failure, keyspace);
  const [one, other] = [ofBranch(success, keyspace), ofBranch(failure, keyspace)];
  return { ...NOTHING, puts: one.puts.filter((rank) => other.puts.includes(rank)) };
}

function isWriting(branch: readonly EtcdOperation[]): boolean {
  return branch.some((operation) =>
    operation.kind === "txn"
      ? isWriting(operation.success ?? []) || isWriting(operation.failure ?? [])
      : operation.kind !== "range",
  );
}

function ofBranch(branch: readonly EtcdOperation[], keyspace: Keyspace): Always {
  const all = [...partsOf({ success: branch })];
  const removed = all.flatMap((part) => (part.kind === "delete" ? [keyspace.ranks(part)] : []));
  const puts = branch.flatMap((part) => (part.kind === "put" ? [keyspace.rank(part.key)] : []));
  const deletes = branch.flatMap((part) => (part.kind === "delete" ? [keyspace.ranks(part)] : []));
  return {
    puts: puts.filter((rank) => !removed.some(({ low, high }) => rank >= low && rank < high)),
    deletes,
    holds: [],
  };
}
