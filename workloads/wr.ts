/**
 * Transactions that read and write registers. The answers tell the revision at which each value was written, so the
 * order of the versions is claimed and need not be guessed.
 */
import { z } from "zod";
import type { MicroOp, TransactionSignature } from "../checkers/transactions/transaction.ts";
import { rwRegisterChecker } from "../checkers/transactions.ts";
import type { KvApi } from "../cluster/api.ts";
import type { KeyValue, Revision } from "../cluster/kv/request.ts";
import type { Outcome } from "../src/history/op.ts";
import { untyped, type WorkloadFactory } from "../src/workload.ts";
import { parseOptions } from "./options.ts";
import { attemptRead, attemptWrite, ok } from "./outcome.ts";
import { found, keysOf, readKeys, transactions, unchanged } from "./transactional.ts";

const Options = z.strictObject({
  keys: z.number().int().min(1).max(1000).default(3),
  /** A key is replaced by a fresh one after so many writes. */
  writesPerKey: z.number().int().min(1).max(10_000).default(32),
  /** Most micro-operations of one transaction. */
  maxOps: z.number().int().min(1).max(100).default(4),
  /** Share of the micro-operations that read. */
  reads: z.number().min(0).max(1).default(0.5),
  /** Read first, then write on the condition that nothing read has changed; else do both in one request. */
  optimistic: z.boolean().default(true),
});

const PREFIX = "wr/";

export const wr: WorkloadFactory<KvApi> = {
  name: "wr",
  summary: "transactions that read and write registers are strictly serializable",
  create({ options }) {
    const { optimistic, ...shape } = parseOptions("wr", Options, options);
    return untyped<TransactionSignature, KvApi>({
      name: "wr",
      generator: transactions("w", shape),
      checkers: [rwRegisterChecker()],
      open: (api) => ({
        invoke: { txn: (ops) => run(api, ops, optimistic) },
        close: () => api.close(),
      }),
    });
  },
};

async function run(
  api: KvApi,
  ops: readonly MicroOp[],
  optimistic: boolean,
): Promise<Outcome<readonly MicroOp[]>> {
  const read = keysOf(ops.filter(([f]) => f === "r"));
  /** What is left of each key: the store takes one put of a key. */
  const last = new Map(
    ops.flatMap(([f, key, value]) => (f === "w" ? [[key as string, value] as const] : [])),
  );
  if (last.size === 0)
    return attemptRead(async () => ok(answered(ops, await readKeys(api, PREFIX, read), 0)));
  const puts = [...last].map(
    ([key, value]) => ({ kind: "put", key: PREFIX + key, value: JSON.stringify(value) }) as const,
  );
  const ranges = read.map((key) => ({ kind: "range", key: PREFIX + key }) as const);
  if (!optimistic)
    return attemptWrite(async () => {
      const request = { kind: "txn", compare: [], success: [...ranges, ...puts], failure: [] } as const;
      const { responses, header } = await api.request(request);
      return ok(answered(ops, found(PREFIX, responses), header.revision));
    });
  const before = await attemptRead(async () => ok([...(await readKeys(api, PREFIX, read)).entries()]));
  if (before.type !== "ok") return before;
  const values = new Map(before.value);
  return attemptWrite(async () => {
    const { succeeded, header } = await api.request({
      kind: "txn",
      compare: read.map((key) => unchanged(PREFIX + key, values.get(key)?.modRevision ?? 0)),
      success: puts,
      failure: [],
    });
    if (!succeeded) return { type: "fail", error: "a key changed meanwhile" };
    return ok(answered(ops, values, header.revision));
  });
}

/** With what each read gave, and the revision of every version. */
function answered(
  ops: readonly MicroOp[],
  values: ReadonlyMap<string, KeyValue>,
  revision: Revision,
): readonly MicroOp[] {
  const own = new Map<string, MicroOp>();
  return ops.map(([f, key, value]): MicroOp => {
    const mine = own.get(key as string);
    if (f === "r") {
      if (mine !== undefined) return ["r", key, mine[2]];
      const kv = values.get(key as string);
      return kv === undefined
        ? ["r", key, null, 0]
        : ["r", key, JSON.parse(kv.value) as number, kv.modRevision];
    }
    const written: MicroOp = ["w", key, value, revision];
    own.set(key as string, written);
    return written;
  });
}
