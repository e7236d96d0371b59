/**
 * Transactions that read and write registers. The answers tell the revision at which each value was written, so the
 * order of the versions is claimed and need not be guessed.
 */
import { z } from "zod";
import type { Entry, MicroOp, TransactionSignature } from "../checkers/transactions/transaction.ts";
import { rwRegisterChecker } from "../checkers/transactions.ts";
import type { KvApi } from "../cluster/api.ts";
import type { KeyValue, Revision } from "../cluster/kv/request.ts";
import type { Json, Outcome } from "../src/history/op.ts";
import { untyped, type WorkloadFactory } from "../src/workload.ts";
import { parseOptions } from "./options.ts";
import { attemptRead, attemptWrite, ok } from "./outcome.ts";
import {
  boundsOf,
  entriesOf,
  found,
  keysOf,
  rangesOf,
  readAll,
  shapeOptions,
  transactions,
  unchanged,
  unchangedRange,
} from "./transactional.ts";

const Options = z.strictObject({
  ...shapeOptions,
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
  const reads = ops.filter(([f]) => f !== "w");
  /** What is left of each key: the store takes one put of a key. */
  const last = new Map(
    ops.flatMap(([f, key, value]) => (f === "w" ? [[key as string, value] as const] : [])),
  );
  if (last.size === 0)
    return attemptRead(async () => ok(answered(ops, (await readAll(api, PREFIX, ops)).values, 0)));
  const puts = [...last].map(
    ([key, value]) => ({ kind: "put", key: PREFIX + key, value: JSON.stringify(value) }) as const,
  );
  if (!optimistic)
    return attemptWrite(async () => {
      const success = [...rangesOf(PREFIX, reads), ...puts];
      const { responses, header } = await api.request({ kind: "txn", compare: [], success, failure: [] });
      return ok(answered(ops, found(PREFIX, responses), header.revision));
    });
  const before = await attemptRead(async () => {
    const { revision, values } = await readAll(api, PREFIX, reads);
    return ok({ revision, values: [...values] });
  });
  if (before.type !== "ok") return before;
  const values = new Map(before.value.values);
  return attemptWrite(async () => {
    const { succeeded, header } = await api.request({
      kind: "txn",
      compare: [
        ...keysOf(reads).map((key) => unchanged(PREFIX + key, values.get(key)?.modRevision ?? 0)),
        ...boundsOf(reads).map((bounds) => unchangedRange(PREFIX, bounds, before.value.revision)),
      ],
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
  const own = new Map<string, Json>();
  /** What the transaction wrote itself is shown without a version. */
  const read = (key: string): readonly [value: Json, version?: number] => {
    const kv = values.get(key);
    if (own.has(key)) return [own.get(key) as Json];
    return kv === undefined ? [null, 0] : [JSON.parse(kv.value) as number, kv.modRevision];
  };
  return ops.map((op): MicroOp => {
    if (op[0] === "range") {
      const bounds = op[1] as readonly [string, string];
      return [
        "range",
        bounds,
        entriesOf(bounds, values, own, (key) => [key, ...read(key)] as unknown as Entry),
      ];
    }
    const [f, key, value] = op as readonly ["w" | "r", string, Json];
    if (f === "r") return ["r", key, ...read(key)] as unknown as MicroOp;
    own.set(key, value);
    return ["w", key, value, revision];
  });
}
