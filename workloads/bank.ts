/** Moves money between accounts in transactions guarded by modification revisions; the total must not change. */
import { z } from "zod";
import { type Account, type BankSignature, bankChecker } from "../checkers/bank.ts";
import type { KvApi } from "../cluster/api.ts";
import type { KeyValue, RequestOp } from "../cluster/kv/request.ts";
import { lift, limit, repeat, untilOk } from "../src/generator/combinators.ts";
import { eachThread } from "../src/generator/threads.ts";
import type { Call, Outcome } from "../src/history/op.ts";
import { untyped, type WorkloadFactory } from "../src/workload.ts";
import { parseOptions } from "./options.ts";
import { attemptRead, attemptWrite, ok } from "./outcome.ts";

const Options = z.strictObject({
  accounts: z.number().int().min(2).max(1_000).default(8),
  /** Of each account at the start. */
  balance: z.number().int().min(1).max(1_000_000).default(100),
  /** Most that one transfer moves. */
  maxTransfer: z.number().int().min(1).max(1_000_000).default(5),
  /** Share of the operations that read all accounts. */
  reads: z.number().min(0).max(1).default(0.4),
});

const PREFIX = "bank/";
const READ: Call<BankSignature> = { f: "read", value: null };

export const bank: WorkloadFactory<KvApi> = {
  name: "bank",
  summary: "moves money between accounts in transactions: the total stays, no balance goes negative",
  create({ options }) {
    const { accounts: count, balance, maxTransfer, reads } = parseOptions("bank", Options, options);
    const accounts = Array.from({ length: count }, (_, i) => `a${i}`);
    return untyped<BankSignature, KvApi>({
      name: "bank",
      generator: lift(({ random }) => {
        const draw = random.fork("bank");
        if (draw.chance(reads)) return READ;
        const from = draw.below(count);
        const to = (from + draw.between(1, count - 1)) % count;
        const amount = draw.between(1, maxTransfer);
        return {
          f: "transfer",
          value: { from: accounts[from] as string, to: accounts[to] as string, amount },
        };
      }),
      final: eachThread(untilOk(limit(10, repeat(READ)))),
      checkers: [bankChecker({ accounts, total: count * balance })],
      async setup(api) {
        await api.request({
          kind: "txn",
          compare: accounts.map((name) => ({
            key: PREFIX + name,
            target: "version",
            result: "equal",
            operand: 0,
          })),
          success: accounts.map((name) => put(name, balance)),
          failure: [],
        });
      },
      open: (api) => ({
        invoke: {
          transfer: ({ from, to, amount }) => attemptWrite(() => transfer(api, from, to, amount)),
          read: () =>
            attemptRead(async () => {
              const { revision, found } = await readAccounts(api, accounts);
              const read: { [name: string]: Account } = {};
              for (const [name, kv] of found)
                read[name] = { balance: Number(kv.value), revision: kv.modRevision, version: kv.version };
              return ok({ revision, accounts: read });
            }),
        },
        close: () => api.close(),
      }),
    });
  },
};

function put(name: string, balance: number): RequestOp {
  return { kind: "put", key: PREFIX + name, value: String(balance) };
}

/** The accounts that exist, as of one revision. */
async function readAccounts(
  api: KvApi,
  names: readonly string[],
): Promise<{ readonly revision: number; readonly found: ReadonlyMap<string, KeyValue> }> {
  const { responses, header } = await api.request({
    kind: "txn",
    compare: [],
    success: names.map((name) => ({ kind: "range", key: PREFIX + name })),
    failure: [],
  });
  const found = new Map<string, KeyValue>();
  for (const response of responses)
    if (response.kind === "range") for (const kv of response.kvs) found.set(kv.key.slice(PREFIX.length), kv);
  return { revision: header.revision, found };
}

/** A definite failure if the money is not there or an account changed meanwhile. */
async function transfer(
  api: KvApi,
  from: string,
  to: string,
  amount: number,
): Promise<Outcome<BankSignature["transfer"]["out"]>> {
  const before = await attemptRead(async () => {
    const { found } = await readAccounts(api, [from, to]);
    return ok([...found.values()]);
  });
  if (before.type !== "ok") return before;
  const [source, target] = before.value;
  if (source === undefined || target === undefined) return { type: "fail", error: "an account is missing" };
  const balances = { [from]: Number(source.value) - amount, [to]: Number(target.value) + amount };
  if ((balances[from] as number) < 0) return { type: "fail", error: "not enough money" };
  return attemptWrite(async () => {
    const { succeeded, header } = await api.request({
      kind: "txn",
      compare: [source, target].map((kv) => ({
        key: kv.key,
        target: "mod",
        result: "equal",
        operand: kv.modRevision,
      })),
      success: [put(from, balances[from] as number), put(to, balances[to] as number)],
      failure: [],
    });
    if (!succeeded) return { type: "fail", error: "an account changed meanwhile" };
    return ok({ revision: header.revision, balances });
  });
}
