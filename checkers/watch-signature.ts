/** What the watch workload does and hears, as it stands in a history. */
import type { OperationOf } from "../src/history/history.ts";
import type { Nanos } from "../src/history/op.ts";

/** A key's value before a change. Revisions are of creation and of the last change; `version` counts changes. */
export type ObservedVersion = {
  readonly value: string;
  readonly created: number;
  readonly revision: number;
  readonly version: number;
};

/** One change as a watch delivered it; `value`, `created` and `version` mean nothing in a delete. */
export type ObservedEvent = ObservedVersion & {
  readonly type: "put" | "delete";
  readonly key: string;
  readonly previous?: ObservedVersion;
};

export type ObservedResponse = {
  readonly kind: "created" | "events" | "progress" | "canceled";
  /** Since the invocation of the operation; negative if it arrived between two operations. */
  readonly at: Nanos;
  /** The store's, as the header says. */
  readonly revision: number;
  readonly events: readonly ObservedEvent[];
  /** More of the same revision follow. */
  readonly fragment: boolean;
  /** In a cancellation because of compaction; else 0. */
  readonly compactRevision: number;
};

/** What a watch was asked for. */
export type WatchRequest = {
  readonly key: string;
  /** Exclusive; "" for the single key. */
  readonly end: string;
  /** First revision wanted; 0 for "from now on". */
  readonly start: number;
  readonly previous: boolean;
  readonly progress: boolean;
  readonly fragment: boolean;
  readonly filters: readonly ("no-put" | "no-delete")[];
};

export type Change =
  | { readonly type: "put"; readonly key: string; readonly value: string }
  | { readonly type: "delete"; readonly key: string };

export type WatchSignature = {
  /** Every value is put at most once. */
  put: { in: { readonly key: string; readonly value: string }; out: { readonly revision: number } };
  /** Deletes the keys of [key, end), or `key` alone if `end` is ""; `deleted` are those that existed, sorted. */
  delete: {
    in: { readonly key: string; readonly end: string };
    out: { readonly revision: number; readonly deleted: readonly string[] };
  };
  /** All at one revision; no two changes have the same key. */
  txn: {
    in: { readonly changes: readonly Change[] };
    out: { readonly revision: number; readonly deleted: readonly string[] };
  };
  /** Both are the revision compacted at. */
  compact: { in: { readonly revision: number }; out: { readonly revision: number } };
  /** The store's revision, read linearizably. */
  read: { in: null; out: { readonly revision: number } };
  /**
   * Opens all watches at once, or goes on with those that the same process kept open, and tells what they were told
   * within `lifetime`, or until all have reached `until`, if not 0.
   */
  watch: {
    in: {
      readonly watches: readonly WatchRequest[];
      readonly lifetime: Nanos;
      /** Times since the invocation at which progress is asked for. */
      readonly ask: readonly Nanos[];
      readonly until: number;
      /** Goes on with the watches of the last operation, which are the same. */
      readonly continues: boolean;
      /** Leaves the watches open for the next operation. */
      readonly keep: boolean;
    };
    out: {
      readonly watches: readonly {
        readonly responses: readonly ObservedResponse[];
        readonly ended: string;
      }[];
    };
  };
};

export type WatchOperation = OperationOf<WatchSignature, "watch"> & { readonly type: "ok" };

/** Whether a key lies in [key, end), or is `key` if `end` is "". "\0" as the end stands for no end. */
export function matches(range: { readonly key: string; readonly end: string }, key: string): boolean {
  if (range.end === "") return key === range.key;
  return key >= range.key && (range.end === "\0" || key < range.end);
}

/** A change in words. */
export function describe(change: {
  readonly type: "put" | "delete";
  readonly key: string;
  readonly value: string;
}) {
  return change.type === "put" ? `put ${change.key} = ${change.value}` : `delete ${change.key}`;
}
