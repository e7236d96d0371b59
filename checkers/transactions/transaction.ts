/**
 * Transactions as lists of micro-operations, in Elle's form (Kingsbury and Alvaro, "Elle: Inferring Isolation
 * Anomalies from Experimental Observations", VLDB 2020).
 */
import type { Json } from "../../src/history/op.ts";

/**
 * One step of a transaction. Lists: `["append", key, element]` and `["r", key, [elements]]`. Registers:
 * `["w", key, value]` and `["r", key, value]`. A read of a key that has no value gives null; an empty list may be
 * given as null. In an invocation, what a read will give is null.
 *
 * Of a register the store's own number of the version may follow, as etcd's modification revisions: greater for a
 * later version of the same key, 0 for a key without a value.
 */
export type MicroOp =
  | readonly [f: "append" | "w" | "r", key: Json, value: Json]
  | readonly [f: "w" | "r", key: Json, value: Json, version: number];

/** A history of transactions has one function. */
export type TransactionSignature = {
  readonly txn: { readonly in: readonly MicroOp[]; readonly out: readonly MicroOp[] };
};

/** Thrown for a value that is no list of micro-operations. */
export class MalformedTransaction extends Error {
  override readonly name = "MalformedTransaction";
}

/** Throws MalformedTransaction unless the value of the event at `index` is a list of micro-operations. */
export function checkMicroOps(ops: readonly MicroOp[], write: "append" | "w", index: number): void {
  if (!Array.isArray(ops))
    throw new MalformedTransaction(
      `event ${index}: a transaction is a list of micro-operations, not ${JSON.stringify(ops)}`,
    );
  for (const op of ops as readonly (readonly Json[])[]) {
    if (Array.isArray(op) && (op[0] === write || op[0] === "r")) {
      const plain = op.length === 3 || op.length === 2;
      if (plain && (op[0] === write || write === "w" || Array.isArray(op[2] ?? []))) continue;
      if (write === "w" && op.length === 4 && Number.isSafeInteger(op[3])) continue;
    }
    const forms =
      write === "append"
        ? '["append", KEY, ELEMENT] or ["r", KEY, LIST]'
        : '["w", KEY, VALUE] or ["r", KEY, VALUE], and perhaps VERSION, an integer, after the value';
    throw new MalformedTransaction(
      `event ${index}: ${JSON.stringify(op)} is no micro-operation; it takes ${forms}`,
    );
  }
}
