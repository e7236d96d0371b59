/**
 * Registers: read, write and compare-and-set of single keys, each of which must be linearizable.
 *
 * Every value is written at most once in a run, so a read tells which operation it has seen. A key is given up
 * after a number of operations and replaced by a fresh one: short histories per key are cheap to check.
 */
import { z } from "zod";
import type { Called } from "../checkers/linearizable.ts";
import { linearizable } from "../checkers/linearizable.ts";
import { type RegisterCall, register } from "../checkers/models/register.ts";
import { type Evidence, revisions } from "../checkers/revisions.ts";
import type { KvApi } from "../cluster/api.ts";
import type { Compare, KeyValue, Revision } from "../cluster/kv/request.ts";
import type { Client } from "../src/client.ts";
import { concat, concurrencyLimit, limit, repeat, untilOk } from "../src/generator/combinators.ts";
import type { OpGenerator } from "../src/generator/generator.ts";
import type { Operation } from "../src/history/history.ts";
import type { Call, Json, Signature } from "../src/history/op.ts";
import { UsageError } from "../src/plan.ts";
import type { Random } from "../src/runtime/random.ts";
import type { Workload, WorkloadFactory } from "../src/workload.ts";
import { parseOptions } from "./options.ts";
import { attemptRead, attemptWrite, ok } from "./outcome.ts";
import { stateful } from "./stateful.ts";

/** What a reply tells of the register: its value (null if the key does not exist) and both revisions. */
export type Seen = {
  /** A number, or the text found if it is none. */
  readonly value: number | string | null;
  /** Revision of the store the read was served at. */
  readonly revision: Revision;
  /** Revision of the register's last change; 0 if the key does not exist. */
  readonly modRevision: Revision;
};

export type RegisterSignature = {
  read: { in: null; out: Seen };
  /** A serializable read: it may lag behind, but must be true of the revision it names. */
  "stale-read": { in: null; out: Seen };
  write: { in: number; out: { readonly revision: Revision } };
  /** [from, to]; null stands for a key that does not exist. */
  cas: {
    in: readonly [number | null, number];
    out: { readonly swapped: boolean; readonly revision: Revision };
  };
};

const weight = z.number().int().min(0).max(1000);
const Options = z.strictObject({
  /** Registers in use at a time. */
  keys: z.number().int().min(1).max(1000).default(3),
  /** Operations on one register before it is replaced. */
  opsPerKey: z.number().int().min(1).max(1_000_000).default(200),
  /** Shares of the functions. */
  read: weight.default(4),
  write: weight.default(2),
  cas: weight.default(3),
  staleRead: weight.default(1),
  /** How a cas is guarded: by the value, or by the revision at which a read before it saw the value. */
  compare: z.enum(["value", "mod-revision"]).default("value"),
  /** What a read asks for. It is judged as linearizable either way: a serializable one shows the mistake. */
  consistency: z.enum(["linearizable", "serializable"]).default("linearizable"),
});
type Options = z.infer<typeof Options>;

export const registerWorkload: WorkloadFactory<KvApi> = {
  name: "register",
  summary: "reads, writes and compare-and-sets of single keys are linearizable",
  create(options) {
    const parsed = parseOptions("register", Options, options.options);
    if (parsed.read + parsed.write + parsed.cas + parsed.staleRead === 0)
      throw new UsageError(
        "workload register: wrong options: read, write, cas, staleRead: all weights are 0",
      );
    return create(parsed) as unknown as Workload<Signature, KvApi>;
  },
};

function create(options: Options): Workload<RegisterSignature, KvApi> {
  const used = new Set<string>();
  return {
    name: "register",
    generator: load(options),
    final: finalReads(used),
    checkers: registerCheckers,
    open: (api) => open(api, options, used),
  };
}

/** What a history of this workload must satisfy. */
export const registerCheckers = [
  linearizable(register(), asRegisterCall, (operation) => operation.output?.revision),
  revisions<RegisterSignature>(revisionEvidence),
] as const;

/** A stale read is no operation on a linearizable register. */
function asRegisterCall(operation: Operation<RegisterSignature>): Called<RegisterCall, Json> | undefined {
  switch (operation.f) {
    case "stale-read":
      return undefined;
    case "read":
      return { input: { f: "read", value: null }, output: operation.output?.value };
    case "write":
      return { input: { f: "write", value: operation.input }, output: null };
    case "cas":
      return { input: { f: "cas", value: operation.input }, output: operation.output?.swapped };
  }
}

function revisionEvidence(operation: Operation<RegisterSignature>): Evidence {
  const key = operation.key ?? "";
  switch (operation.f) {
    case "read":
    case "stale-read": {
      const seen = operation.output;
      return {
        linearizable: operation.f === "read",
        revision: seen?.revision,
        changes: [],
        sees:
          seen === undefined
            ? []
            : [{ key, at: seen.revision, value: seen.value, modRevision: seen.modRevision }],
      };
    }
    case "write":
      return {
        linearizable: true,
        revision: operation.output?.revision,
        changes: [{ key, value: operation.input }],
        sees: [],
      };
    case "cas": {
      const [from, to] = operation.input;
      const outcome = operation.output;
      const changes = outcome?.swapped === false ? [] : [{ key, value: to }];
      return {
        linearizable: true,
        revision: outcome?.revision,
        changes,
        sees: outcome?.swapped ? [{ key, at: outcome.revision - 1, value: from }] : [],
      };
    }
  }
}

function open(api: KvApi, { compare, consistency }: Options, used: Set<string>): Client<RegisterSignature> {
  const read = async (key: string, serializable: boolean): Promise<Seen> => {
    const { header, kvs } = await api.request({ kind: "range", key, serializable });
    const [found] = kvs;
    return { value: valueIn(found), revision: header.revision, modRevision: found?.modRevision ?? 0 };
  };
  const keyOf = (key: string | undefined): string => {
    if (key === undefined) throw new TypeError("operations of the register workload need a key");
    used.add(key);
    return key;
  };
  return {
    invoke: {
      read: (_, { key }) =>
        attemptRead(async () => ok(await read(keyOf(key), consistency === "serializable"))),
      "stale-read": (_, { key }) => attemptRead(async () => ok(await read(keyOf(key), true))),
      write: (value, { key }) =>
        attemptWrite(async () => {
          const { header } = await api.request({ kind: "put", key: keyOf(key), value: String(value) });
          return ok({ revision: header.revision });
        }),
      cas: ([from, to], context) => {
        const key = keyOf(context.key);
        const swap = async (guard: Compare) => {
          const { header, succeeded } = await api.request({
            kind: "txn",
            compare: [guard],
            success: [{ kind: "put", key, value: String(to) }],
            failure: [],
          });
          return ok({ swapped: succeeded, revision: header.revision });
        };
        if (from === null)
          return attemptWrite(() => swap({ key, result: "equal", target: "create", operand: 0 }));
        if (compare === "value")
          return attemptWrite(() => swap({ key, result: "equal", target: "value", operand: String(from) }));
        return casByRevision(
          () => read(key, false),
          from,
          (modRevision) => swap({ key, result: "equal", target: "mod", operand: modRevision }),
        );
      },
    },
    close: () => api.close(),
  };
}

/** Reads first. If the value is not there, that read was the cas; until the txn is sent, nothing can have changed. */
async function casByRevision<Out extends { readonly swapped: boolean; readonly revision: Revision }>(
  read: () => Promise<Seen>,
  from: number,
  swap: (modRevision: Revision) => ReturnType<typeof attemptWrite<Out>>,
): ReturnType<typeof attemptWrite<Out | { swapped: boolean; revision: Revision }>> {
  let seen: Seen | undefined;
  const looked = await attemptRead(async () => {
    seen = await read();
    return ok(null);
  });
  if (looked.type !== "ok") return looked;
  if (seen === undefined) throw new TypeError("a read that succeeded has seen something");
  if (seen.value !== from) return ok({ swapped: false, revision: seen.revision });
  const { modRevision } = seen;
  return attemptWrite(() => swap(modRevision));
}

function valueIn(kv: KeyValue | undefined): Seen["value"] {
  if (kv === undefined) return null;
  return /^\d{1,15}$/.test(kv.value) ? Number(kv.value) : kv.value;
}

/** What the load remembers. */
interface Memory {
  /** By slot: the register now in it, and how many operations it has had. */
  readonly slots: readonly Slot[];
  /** The next value to write. */
  readonly value: number;
  /** By register: the value last read. */
  readonly latest: ReadonlyMap<string, number>;
}
type Slot = { readonly register: number; readonly operations: number };

/** Random functions on random registers, a cas starting from the value last read there. */
function load(options: Options): OpGenerator<RegisterSignature> {
  const { keys, opsPerKey } = options;
  const slots = Array.from({ length: keys }, (_, register) => ({ register, operations: 0 }));
  return stateful<RegisterSignature, Memory>(
    { slots, value: 1, latest: new Map() },
    {
      draw(memory, _, random) {
        const chosen = random.below(keys);
        let slot = memory.slots[chosen] as Slot;
        // Registers are numbered so that slot i holds i, i + keys, i + 2 keys, …
        if (slot.operations === opsPerKey) slot = { register: slot.register + keys, operations: 0 };
        const call = drawCall(options, memory, `r${slot.register}`, random);
        const slots = memory.slots.slice();
        slots[chosen] = { register: slot.register, operations: slot.operations + 1 };
        const writes = call.f === "write" || call.f === "cas";
        return { call, memory: { ...memory, slots, value: memory.value + (writes ? 1 : 0) } };
      },
      learn(memory, event) {
        if (event.type !== "ok" || event.f !== "read" || event.key === undefined) return memory;
        const { value } = event.value;
        if (typeof value !== "number" || memory.latest.get(event.key) === value) return memory;
        const latest = new Map(memory.latest).set(event.key, value);
        // Of registers long given up nothing need be known.
        for (const key of latest.keys()) {
          if (latest.size <= 2 * keys) break;
          latest.delete(key);
        }
        return { ...memory, latest };
      },
    },
  );
}

function drawCall(options: Options, memory: Memory, key: string, random: Random): Call<RegisterSignature> {
  const { read, write, cas, staleRead } = options;
  let left = random.below(read + write + cas + staleRead) - read;
  if (left < 0) return { f: "read", value: null, key };
  left -= write;
  if (left < 0) return { f: "write", value: memory.value, key };
  left -= cas;
  if (left < 0) return { f: "cas", value: [memory.latest.get(key) ?? null, memory.value], key };
  return { f: "stale-read", value: null, key };
}

/**
 * A read of every register that was ever used, one after the other and until it succeeds: the first requests after a
 * loss of power are lost, as their connections are half-open. `used` is filled by the clients during the load, and
 * constant by the time this generator is asked.
 */
function finalReads(used: ReadonlySet<string>): OpGenerator<RegisterSignature> {
  const reads: OpGenerator<RegisterSignature> = {
    next: (context) => concurrencyLimit(1, concat(...[...used].map(lastRead))).next(context),
    update: () => reads,
  };
  return reads;
}

function lastRead(key: string): OpGenerator<RegisterSignature> {
  return untilOk(limit(10, repeat<RegisterSignature>({ f: "read", key, value: null })));
}
