/** Adds to one counter, each add a read and a guarded write, and reads it: no add is lost, none counts twice. */
import { z } from "zod";
import { type CounterSignature, counter as counterChecker } from "../checkers/counter.ts";
import type { KvApi } from "../cluster/api.ts";
import type { KeyValue } from "../cluster/kv/request.ts";
import { lift, limit, repeat, untilOk } from "../src/generator/combinators.ts";
import { eachThread } from "../src/generator/threads.ts";
import type { Call, Outcome } from "../src/history/op.ts";
import { untyped, type WorkloadFactory } from "../src/workload.ts";
import { parseOptions } from "./options.ts";
import { attemptRead, attemptWrite, ok } from "./outcome.ts";

const Options = z.strictObject({
  /** Share of the operations that read. */
  reads: z.number().min(0).max(1).default(0.4),
  /** Greatest amount of one add; the least is 1. */
  most: z.number().int().min(1).max(1_000_000).default(5),
  /** Share of the adds that take away instead. */
  negative: z.number().min(0).max(1).default(0),
});

const KEY = "counter";
const READ: Call<CounterSignature> = { f: "read", value: null };

export const counter: WorkloadFactory<KvApi> = {
  name: "counter",
  summary: "adds to a counter: every read lies between what was acknowledged and what was tried",
  create({ options }) {
    const { reads, most, negative } = parseOptions("counter", Options, options);
    return untyped<CounterSignature, KvApi>({
      name: "counter",
      generator: lift(({ random }) => {
        const draw = random.fork("counter");
        if (draw.chance(reads)) return READ;
        const amount = draw.between(1, most);
        return { f: "add", value: draw.chance(negative) ? -amount : amount };
      }),
      final: eachThread(untilOk(limit(10, repeat(READ)))),
      checkers: [counterChecker],
      open: (api) => ({
        invoke: {
          add: (amount) => add(api, amount),
          read: () => attemptRead(async () => ok(amountIn(await look(api)))),
        },
        close: () => api.close(),
      }),
    });
  },
};

async function look(api: KvApi): Promise<KeyValue | undefined> {
  const { kvs } = await api.request({ kind: "range", key: KEY });
  return kvs[0];
}

function amountIn(kv: KeyValue | undefined): number {
  return kv === undefined ? 0 : Number(kv.value);
}

/** A definite failure if the counter changed between the read and the write. */
async function add(api: KvApi, amount: number): Promise<Outcome<null>> {
  let before: KeyValue | undefined;
  const looked = await attemptRead(async () => {
    before = await look(api);
    return ok(null);
  });
  if (looked.type !== "ok") return looked;
  return attemptWrite(async () => {
    const { succeeded } = await api.request({
      kind: "txn",
      // A key that does not exist has modification revision 0.
      compare: [{ key: KEY, target: "mod", result: "equal", operand: before?.modRevision ?? 0 }],
      success: [{ kind: "put", key: KEY, value: String(amountIn(before) + amount) }],
      failure: [],
    });
    return succeeded ? ok(null) : { type: "fail", error: "the counter changed meanwhile" };
  });
}
