/** What the workloads of transactions have in common: which they draw, and how they read before they write. */
import { z } from "zod";
import type { Entry, MicroOp, TransactionSignature } from "../checkers/transactions/transaction.ts";
import type { KvApi } from "../cluster/api.ts";
import type {
  Compare,
  KeyValue,
  RangeRequest,
  RangeResponse,
  ResponseOp,
  Revision,
} from "../cluster/kv/request.ts";
import type { OpGenerator } from "../src/generator/generator.ts";
import { stateful } from "./stateful.ts";

export const shapeOptions = {
  /** Groups of keys in use at a time. */
  keys: z.number().int().min(1).max(1000).default(3),
  /** Keys of a group: those that a range reads together. */
  group: z.number().int().min(1).max(100).default(3),
  /** A group is replaced by a fresh one after so many writes. */
  writesPerKey: z.number().int().min(1).max(10_000).default(32),
  /** Most micro-operations of one transaction. */
  maxOps: z.number().int().min(1).max(100).default(4),
  /** Share of the micro-operations that read. */
  reads: z.number().min(0).max(1).default(0.5),
  /** Share of the reads that read a whole group. */
  ranges: z.number().min(0).max(1).default(0.2),
};

export type Shape = { readonly [K in keyof typeof shapeOptions]: number };

interface Pool {
  /** The groups in use, and the last value given out for each. */
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
        const name = `k${pool.keys[slot]}`;
        const key = `${name}/${random.below(shape.group)}`;
        if (random.chance(shape.reads)) {
          // What follows the slash is before the character after it.
          ops.push(
            random.chance(shape.ranges) ? ["range", [`${name}/`, `${name}0`], null] : ["r", key, null],
          );
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

/** Keys of micro-operations on one key, once each, in order. */
export function keysOf(ops: readonly MicroOp[]): string[] {
  return [...new Set(ops.flatMap((op) => (op[0] === "range" ? [] : [op[1] as string])))];
}

/** The bounds of ranges, once each, in order. */
export function boundsOf(ops: readonly MicroOp[]): (readonly [from: string, to: string])[] {
  const bounds = ops.flatMap((op) => (op[0] === "range" ? [op[1] as readonly [string, string]] : []));
  return [...new Map(bounds.map((one) => [one[0], one])).values()];
}

/** Requests for all that micro-operations read, or will change. */
export function rangesOf(prefix: string, ops: readonly MicroOp[]): RangeRequest[] {
  return [
    ...keysOf(ops).map((key) => ({ kind: "range", key: prefix + key }) as const),
    ...boundsOf(ops).map(
      ([from, to]) => ({ kind: "range", key: prefix + from, rangeEnd: prefix + to }) as const,
    ),
  ];
}

export interface Snapshot {
  readonly revision: Revision;
  readonly values: ReadonlyMap<string, KeyValue>;
}

/** What micro-operations read, as of one revision; keys without a value are missing. */
export async function readAll(api: KvApi, prefix: string, ops: readonly MicroOp[]): Promise<Snapshot> {
  const success = rangesOf(prefix, ops);
  if (success.length === 0) return { revision: 0, values: new Map() };
  const request = { kind: "txn", compare: [], success, failure: [] } as const;
  const { responses, header } = await api.request(request);
  return { revision: header.revision, values: found(prefix, responses) };
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

/** That no key of a range has changed, and none is new, since it was read at a revision. */
export function unchangedRange(
  prefix: string,
  [from, to]: readonly [string, string],
  revision: Revision,
): Compare {
  const key = { key: prefix + from, rangeEnd: prefix + to };
  return { ...key, target: "mod", result: "less", operand: revision + 1 };
}

/** The entries of a range, each made from the key: of those found, and of those that the transaction wrote before. */
export function entriesOf(
  [from, to]: readonly [string, string],
  values: ReadonlyMap<string, KeyValue>,
  own: ReadonlyMap<string, unknown>,
  entry: (key: string) => Entry,
): readonly Entry[] {
  const keys = new Set([...values.keys(), ...own.keys()].filter((key) => key >= from && key < to));
  return [...keys].sort().map(entry);
}
