/** Adds to one counter, each add a read and a guarded write, and reads it: no add is lost, none counts twice. */
import { z } from "zod";
import { type CounterSignature, counter as counterChecker } from "../checkers/counter.ts";
import type { KvApi } from "../cluster/api.ts";
import type { Compare, KeyValue, RequestOp } from "../cluster/kv/request.ts";
import { lift, limit, repeat, untilOk } from "../src/generator/combinators.ts";
import { eachThread } from "../src/generator/threads.ts";
import type { Call, Nanos, Outcome } from "../src/history/op.ts";
import { MILLISECOND, type Runtime } from "../src/runtime/runtime.ts";
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
  /**
   * What a client does when it cannot know whether an add took effect: says so, adds again, or adds again under the
   * name of the first attempt, so that both together count once.
   */
  retry: z.enum(["never", "blind", "named"]).default("never"),
});

const KEY = "counter";
/** Before the names of adds that were made. */
const NAMES = "counter/made/";
/** How often an add is tried, and what lies between two attempts. */
const ATTEMPTS = 10;
const PAUSE: Nanos = 200 * MILLISECOND;
const READ: Call<CounterSignature> = { f: "read", value: null };

export const counter: WorkloadFactory<KvApi> = {
  name: "counter",
  summary: "adds to a counter: every read lies between what was acknowledged and what was tried",
  create({ options }) {
    const { reads, most, negative, retry } = parseOptions("counter", Options, options);
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
      open: (api, process, runtime) => {
        let adds = 0;
        return {
          invoke: {
            add: (amount) => {
              const name = retry === "named" ? `${NAMES}${process}-${adds++}` : undefined;
              if (retry === "never") return add(api, amount, name);
              return untilKnown(runtime, () => add(api, amount, name));
            },
            read: () => attemptRead(async () => ok(amountIn(await look(api)))),
          },
          close: () => api.close(),
        };
      },
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

/** Attempts again until one succeeds, unless the first is known to have failed. */
async function untilKnown(runtime: Runtime, attempt: () => Promise<Outcome<null>>): Promise<Outcome<null>> {
  const first = await attempt();
  if (first.type !== "info") return first;
  for (let again = 1; again < ATTEMPTS; again++) {
    await new Promise<void>((resolve) => runtime.timer(PAUSE, resolve));
    const outcome = await attempt();
    if (outcome.type === "ok") return outcome;
  }
  return first;
}

/**
 * A definite failure if the counter changed between the read and the write. An add with a name leaves it behind, and
 * is made if it finds it.
 */
async function add(api: KvApi, amount: number, name: string | undefined): Promise<Outcome<null>> {
  let before: KeyValue | undefined;
  const looked = await attemptRead(async () => {
    before = await look(api);
    return ok(null);
  });
  if (looked.type !== "ok") return looked;
  // A key that does not exist has revisions of 0.
  const unchanged: Compare = { key: KEY, target: "mod", result: "equal", operand: before?.modRevision ?? 0 };
  const put: RequestOp = { kind: "put", key: KEY, value: String(amountIn(before) + amount) };
  const named = name !== undefined;
  return attemptWrite(async () => {
    const { succeeded, responses } = await api.request({
      kind: "txn",
      compare: named
        ? [unchanged, { key: name, target: "create", result: "equal", operand: 0 }]
        : [unchanged],
      success: named ? [put, { kind: "put", key: name, value: "" }] : [put],
      failure: named ? [{ kind: "range", key: name }] : [],
    });
    const made = responses.some((response) => response.kind === "range" && response.count > 0);
    return succeeded || made ? ok(null) : { type: "fail", error: "the counter changed meanwhile" };
  });
}
