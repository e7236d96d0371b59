/** What the workloads of transactions have in common: which they draw, and how they read before they write. */
import type { MicroOp, TransactionSignature } from "../checkers/transactions/transaction.ts";
import type { KvApi } from "../cluster/api.ts";
import type { Compare, KeyValue, RangeResponse, ResponseOp, Revision } from "../cluster/kv/request.ts";
import type { OpGenerator } from "../src/generator/generator.ts";
import { stateful } from "./stateful.ts";

export interface Shape {
  /** Keys in use at a time. */
  readonly keys: number;
  /** A key is replaced by a fresh one after so many writes. */
  readonly writesPerKey: number;
  readonly maxOps: number;
  /** Share of the micro-operations that read. */
  readonly reads: number;
}

interface Pool {
  /** The keys in use, and the last value given out for each. */
  readonly keys: readonly number[];
  readonly values: readonly number[];
  readonly next: number;
}

/** Transactions of 1 to `maxOps` micro-operations on keys of a pool; each value of a key is written once. */
export function transactions(write: "append" | "w", shape: Shape): OpGenerator<TransactionSignature> {
  const keys = Array.from({ length: shape.keys }, (_, i) => i);
  const start: Pool = { keys, values: keys.map(() => 0), next: shape.keys };
  return stateful<TransactionSignature, Pool>(start, {
    draw(memory, _thread, random) {
      const pool = { keys: [...memory.keys], values: [...memory.values], next: memory.next };
      const ops: MicroOp[] = [];
      for (let i = random.between(1, shape.maxOps); i > 0; i--) {
        const slot = random.below(pool.keys.length);
        const key = `k${pool.keys[slot]}`;
        if (random.chance(shape.reads)) {
          ops.push(["r", key, null]);
          continue;
        }
        const value = (pool.values[slot] as number) + 1;
        ops.push([write, key, value]);
        pool.values[slot] = value;
        if (value < shape.writesPerKey) continue;
        pool.keys[slot] = pool.next++;
        pool.values[slot] = 0;
      }
      return { call: { f: "txn", value: ops }, memory: pool };
    },
  });
}

/** Keys of micro-operations, once each, in order. */
export function keysOf(ops: readonly MicroOp[]): string[] {
  return [...new Set(ops.map(([, key]) => key as string))];
}

/** Keys as of one revision; those without a value are missing. */
export async function readKeys(
  api: KvApi,
  prefix: string,
  keys: readonly string[],
): Promise<ReadonlyMap<string, KeyValue>> {
  if (keys.length === 0) return new Map();
  const { responses } = await api.request({
    kind: "txn",
    compare: [],
    success: keys.map((key) => ({ kind: "range", key: prefix + key })),
    failure: [],
  });
  return found(prefix, responses);
}

/** What the ranges among some responses found, by key. */
export function found(prefix: string, responses: readonly ResponseOp[]): ReadonlyMap<string, KeyValue> {
  const ranges = responses.filter((response): response is RangeResponse => response.kind === "range");
  return new Map(ranges.flatMap(({ kvs }) => kvs).map((kv) => [kv.key.slice(prefix.length), kv]));
}

/** That a key has not changed since it was read: 0 if it had no value. */
export function unchanged(key: string, modRevision: Revision): Compare {
  return { key, target: "mod", result: "equal", operand: modRevision };
}
