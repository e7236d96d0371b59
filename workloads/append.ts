/**
 * Transactions that append to lists and read them. A list is the value of one key, so an append reads it first and
 * writes it back on the condition that it has not changed since.
 */
import { z } from "zod";
import type { Entry, MicroOp, TransactionSignature } from "../checkers/transactions/transaction.ts";
import { listAppendChecker } from "../checkers/transactions.ts";
import type { KvApi } from "../cluster/api.ts";
import type { KeyValue, Revision } from "../cluster/kv/request.ts";
import type { Outcome } from "../src/history/op.ts";
import { untyped, type WorkloadFactory } from "../src/workload.ts";
import { parseOptions } from "./options.ts";
import { attemptRead, attemptWrite, ok } from "./outcome.ts";
import {
  entriesOf,
  found,
  keysOf,
  rangesOf,
  readAll,
  shapeOptions,
  transactions,
  unchanged,
} from "./transactional.ts";

const Options = z.strictObject(shapeOptions);

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
  const appends = ops.filter(([f]) => f === "append");
  const appended = keysOf(appends);
  if (appended.length === 0)
    return attemptRead(async () => ok(answered(ops, (await readAll(api, PREFIX, ops)).values, 0)));
  const before = await attemptRead(async () => ok([...(await readAll(api, PREFIX, appends)).values]));
  if (before.type !== "ok") return before;
  const lists = new Map(before.value);
  return attemptWrite(async () => {
    const { succeeded, responses, header } = await api.request({
      kind: "txn",
      compare: appended.map((key) => unchanged(PREFIX + key, lists.get(key)?.modRevision ?? 0)),
      success: [
        ...rangesOf(PREFIX, ops),
        ...appended.map((key) => {
          const own = appends.flatMap(([, k, value]) => (k === key ? [value as number] : []));
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
    return ok(answered(ops, found(PREFIX, responses), header.revision));
  });
}

function listOf(kv: KeyValue | undefined): readonly number[] {
  return kv === undefined ? [] : (JSON.parse(kv.value) as readonly number[]);
}

/**
 * With what each read gave: the list as it was found, at its version, and what the transaction had appended by then,
 * which has none. What is appended becomes a version by the revision of the transaction.
 */
function answered(
  ops: readonly MicroOp[],
  lists: ReadonlyMap<string, KeyValue>,
  revision: Revision,
): readonly MicroOp[] {
  const own = new Map<string, number[]>();
  const read = (key: string): readonly [list: readonly number[], version?: number] => {
    const list = listOf(lists.get(key));
    const mine = own.get(key);
    return mine === undefined ? [list, lists.get(key)?.modRevision ?? 0] : [[...list, ...mine]];
  };
  return ops.map((op): MicroOp => {
    if (op[0] === "range") {
      const bounds = op[1] as readonly [string, string];
      return [
        "range",
        bounds,
        entriesOf(bounds, lists, own, (key) => [key, ...read(key)] as unknown as Entry),
      ];
    }
    const [f, key, value] = op as readonly ["append" | "r", string, number];
    if (f === "r") return ["r", key, ...read(key)] as unknown as MicroOp;
    own.set(key, [...(own.get(key) ?? []), value]);
    return ["append", key, value, revision];
  });
}
