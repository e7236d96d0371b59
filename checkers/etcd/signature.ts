/** What a history of etcd's key-value operations says: requests, and the answers to them. */
import type { Operation } from "../../src/history/history.ts";
import type { Json } from "../../src/history/op.ts";

/** One existing key in an answer. What is missing was not told. */
export type EtcdEntry = {
  readonly key: string;
  readonly value?: Json;
  readonly createRevision?: number;
  readonly modRevision: number;
  readonly version?: number;
  /** "": attached to none. */
  readonly lease?: string;
};

/** A key, or the keys from `key` up to and without `end`; "\0" as the end stands for no end. */
export type EtcdKeys = { readonly key: string; readonly end?: string };

export type EtcdRange = EtcdKeys & {
  /** 0, or missing: none. */
  readonly limit?: number;
  /** The state to show; 0, or missing: the newest. */
  readonly revision?: number;
  /** Served by one member alone, from the past perhaps. Within a transaction it means nothing. */
  readonly serializable?: boolean;
  readonly keysOnly?: boolean;
  readonly countOnly?: boolean;
};

export type EtcdPut = {
  readonly key: string;
  readonly value: Json;
  /** Missing, or "": none. */
  readonly lease?: string;
  /** Whether the answer tells what was there before. */
  readonly previous?: boolean;
};

export type EtcdDelete = EtcdKeys & { readonly previous?: boolean };

/**
 * What must hold of every key found; without any, of one whose numbers are 0 and whose lease is "", and no
 * comparison of its value holds.
 */
export type EtcdCompare = EtcdKeys & {
  readonly target: "value" | "version" | "create" | "mod" | "lease";
  readonly operator: "=" | "!=" | "<" | ">";
  readonly operand: string | number;
};

/** The operations of `success` one after another if all comparisons hold, else those of `failure`. */
export type EtcdTxn = {
  readonly compare?: readonly EtcdCompare[];
  readonly success?: readonly EtcdOperation[];
  readonly failure?: readonly EtcdOperation[];
};

/** A part of a transaction. The comparisons of one within another are made before anything is changed. */
export type EtcdOperation =
  | ({ readonly kind: "range" } & EtcdRange)
  | ({ readonly kind: "put" } & EtcdPut)
  | ({ readonly kind: "delete" } & EtcdDelete)
  | ({ readonly kind: "txn" } & EtcdTxn);

export type EtcdRangeResult = {
  readonly entries: readonly EtcdEntry[];
  /** Keys found, whatever the limit. */
  readonly count: number;
  readonly more?: boolean;
};
/** What was there before: null for nothing, missing if not told. */
export type EtcdPutResult = { readonly previous?: EtcdEntry | null };
export type EtcdDeleteResult = { readonly deleted: number; readonly previous?: readonly EtcdEntry[] };
export type EtcdTxnResult = { readonly succeeded: boolean; readonly results: readonly EtcdResult[] };

export type EtcdResult =
  | ({ readonly kind: "range" } & EtcdRangeResult)
  | ({ readonly kind: "put" } & EtcdPutResult)
  | ({ readonly kind: "delete" } & EtcdDeleteResult)
  | ({ readonly kind: "txn" } & EtcdTxnResult);

/** Of the store: after a change the one it made, else the one that was current. */
type At = { readonly revision: number };

export type EtcdSignature = {
  range: { in: EtcdRange; out: At & EtcdRangeResult };
  put: { in: EtcdPut; out: At & EtcdPutResult };
  delete: { in: EtcdDelete; out: At & EtcdDeleteResult };
  txn: { in: EtcdTxn; out: At & EtcdTxnResult };
  /** The revision before which the history may be forgotten. */
  compact: { in: number; out: Json };
  /** The value is the lease. To revoke one deletes the keys attached to it, all in one revision. */
  grant: { in: string; out: At };
  revoke: { in: string; out: At };
};

export type EtcdRecord = Operation<EtcdSignature>;

/** Whether a key is among those that a request spells with `key` and `end`. */
export function isAmong(key: string, { key: from, end }: EtcdKeys): boolean {
  if (end === undefined || end === "") return key === from;
  return key >= from && (end === "\0" || key < end);
}

/** Whether an answer tells of a change. */
export function hasChanged(result: EtcdResult): boolean {
  switch (result.kind) {
    case "range":
      return false;
    case "put":
      return true;
    case "delete":
      return result.deleted > 0;
    case "txn":
      return result.results.some(hasChanged);
  }
}

/** All operations of a transaction in which it has a choice, those of both branches, however deep. */
export function* partsOf({
  success = [],
  failure = [],
}: EtcdTxn): Generator<Exclude<EtcdOperation, { kind: "txn" }>> {
  for (const branch of [success, failure])
    for (const operation of branch) {
      if (operation.kind === "txn") yield* partsOf(operation);
      else yield operation;
    }
}
