/**
 * Transactions that append to lists and read them. A list is the value of one key, so an append reads it first and
 * writes it back on the condition that it has not changed since.
 */
import { z } from "zod";
import type { MicroOp, TransactionSignature } from "../checkers/transactions/transaction.ts";
import { listAppendChecker } from "../checkers/transactions.ts";
import type { KvApi } from "../cluster/api.ts";
import type { KeyValue } from "../cluster/kv/request.ts";
import type { Outcome } from "../src/history/op.ts";
import { untyped, type WorkloadFactory } from "../src/workload.ts";
import { parseOptions } from "./options.ts";
import { attemptRead, attemptWrite, ok } from "./outcome.ts";
import { found, keysOf, readKeys, transactions, unchanged } from "./transactional.ts";

const Options = z.strictObject({
  keys: z.number().int().min(1).max(1000).default(3),
  /** A list is replaced by a fresh one after so many appends. */
  writesPerKey: z.number().int().min(1).max(10_000).default(32),
  /** Most micro-operations of one transaction. */
  maxOps: z.number().int().min(1).max(100).default(4),
  /** Share of the micro-operations that read. */
  reads: z.number().min(0).max(1).default(0.5),
});

const PREFIX = "append/";

export const append: WorkloadFactory<KvApi> = {
  name: "append",
  summary: "transactions that append to lists and read them are strictly serializable",
  create({ options }) {
    const shape = parseOptions("append", Options, options);
    return untyped<TransactionSignature, KvApi>({
      name: "append",
      generator: transactions("append", shape),
      checkers: [listAppendChecker()],
      open: (api) => ({
        invoke: { txn: (ops) => run(api, ops) },
        close: () => api.close(),
      }),
    });
  },
};

async function run(api: KvApi, ops: readonly MicroOp[]): Promise<Outcome<readonly MicroOp[]>> {
  const appended = keysOf(ops.filter(([f]) => f === "append"));
  if (appended.length === 0)
    return attemptRead(async () => ok(answered(ops, await readKeys(api, PREFIX, keysOf(ops)))));
  const before = await attemptRead(async () => ok([...(await readKeys(api, PREFIX, appended)).entries()]));
  if (before.type !== "ok") return before;
  const lists = new Map(before.value);
  return attemptWrite(async () => {
    const { succeeded, responses } = await api.request({
      kind: "txn",
      compare: appended.map((key) => unchanged(PREFIX + key, lists.get(key)?.modRevision ?? 0)),
      success: [
        ...keysOf(ops).map((key) => ({ kind: "range", key: PREFIX + key }) as const),
        ...appended.map((key) => {
          const own = ops.flatMap(([f, k, value]) => (f === "append" && k === key ? [value as number] : []));
          return {
            kind: "put",
            key: PREFIX + key,
            value: JSON.stringify([...listOf(lists.get(key)), ...own]),
          } as const;
        }),
      ],
      failure: [],
    });
    if (!succeeded) return { type: "fail", error: "a list changed meanwhile" };
    return ok(answered(ops, found(PREFIX, responses)));
  });
}

function listOf(kv: KeyValue | undefined): readonly number[] {
  return kv === undefined ? [] : (JSON.parse(kv.value) as readonly number[]);
}

/** With what each read gave: the list as it was found, and what the transaction had appended by then. */
function answered(ops: readonly MicroOp[], lists: ReadonlyMap<string, KeyValue>): readonly MicroOp[] {
  const own = new Map<string, number[]>();
  return ops.map((op) => {
    const [f, key, value] = op as readonly [string, string, number];
    const mine = own.get(key) ?? [];
    if (f === "r") return ["r", key, [...listOf(lists.get(key)), ...mine]];
    own.set(key, [...mine, value]);
    return op;
  });
}
