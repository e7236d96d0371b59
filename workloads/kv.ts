/**
 * A key-value store with revisions: etcd's operations on a small pool of keys, as its own robustness tests mix
 * them (etcd-io/etcd, tests/robustness/traffic), plus serializable reads.
 *
 * Every value is written at most once, and every reply tells its revision. Checked are the revisions, across keys,
 * and each key's linearizability, for which they propose an order but prove nothing.
 */
import { z } from "zod";
import { linearizable, type ObjectCall } from "../checkers/linearizable.ts";
import { type RegisterCall, register } from "../checkers/models/register.ts";
import { type Change, type Evidence, revisions, type Sight } from "../checkers/revisions.ts";
import type { KvApi } from "../cluster/api.ts";
import type { KeyValue, RequestOp, Revision, TxnResponse } from "../cluster/kv/request.ts";
import type { Client } from "../src/client.ts";
import { concat } from "../src/generator/combinators.ts";
import type { OpGenerator } from "../src/generator/generator.ts";
import type { Operation } from "../src/history/history.ts";
import type { Call, Json, Signature } from "../src/history/op.ts";
import { UsageError } from "../src/plan.ts";
import type { Random } from "../src/runtime/random.ts";
import type { Workload, WorkloadFactory } from "../src/workload.ts";
import { parseOptions } from "./options.ts";
import { attemptRead, attemptWrite, ok } from "./outcome.ts";
import { stateful } from "./stateful.ts";

/** One existing key in a reply. */
export type Entry = {
  readonly key: string;
  /** A number, or the text found if it is none. */
  readonly value: number | string;
  readonly modRevision: Revision;
  readonly createRevision: Revision;
  readonly version: number;
};
/** Keys that were asked for and are missing here did not exist. */
export type Found = { readonly revision: Revision; readonly entries: readonly Entry[] };

/** "If this key was last changed at `modRevision`", when it held `value`. */
export type Guard = { readonly key: string; readonly modRevision: Revision; readonly value: number };

/** All keys differ, that of the guard perhaps excepted. There is at least one put; reads come first. */
export type Transaction = {
  readonly guard: Guard | null;
  readonly reads: readonly string[];
  readonly puts: readonly { readonly key: string; readonly value: number }[];
  readonly deletes: readonly string[];
};

export type KvSignature = {
  get: { in: null; out: Found };
  /** Serializable: served by the node alone, from the past perhaps. */
  "stale-get": { in: null; out: Found };
  /** At an old revision. */
  "get-at": { in: Revision; out: Found };
  /** All keys. */
  range: { in: null; out: Found };
  "stale-range": { in: null; out: Found };
  put: { in: number; out: { readonly revision: Revision } };
  delete: { in: null; out: { readonly revision: Revision; readonly deleted: number } };
  txn: {
    in: Transaction;
    out: {
      readonly revision: Revision;
      readonly succeeded: boolean;
      /** What `reads` found; empty if the guard failed. */
      readonly entries: readonly Entry[];
      /** How many keys each of `deletes` deleted; empty if the guard failed. */
      readonly deleted: readonly number[];
    };
  };
  compact: { in: Revision; out: null };
};

const weight = z.number().int().min(0).max(1000);
const Options = z.strictObject({
  keys: z.number().int().min(1).max(1000).default(10),
  /** Shares of the functions. */
  get: weight.default(15),
  staleGet: weight.default(10),
  getAt: weight.default(5),
  range: weight.default(8),
  staleRange: weight.default(5),
  put: weight.default(25),
  delete: weight.default(10),
  /** A put of one key, guarded by the revision of its last change. */
  update: weight.default(10),
  /** Several operations in one transaction, guarded in half of the cases. */
  txn: weight.default(10),
  compact: weight.default(2),
});
type Options = z.infer<typeof Options>;

const WEIGHTS = [
  "get",
  "staleGet",
  "getAt",
  "range",
  "staleRange",
  "put",
  "delete",
  "update",
  "txn",
  "compact",
] as const satisfies readonly (keyof Options)[];

/** All keys of the workload begin with it, and no others. */
const PREFIX = "kv/";
/** The first key after all that begin with the prefix: "0" follows "/". */
const PREFIX_END = "kv0";

export const kvWorkload: WorkloadFactory<KvApi> = {
  name: "kv",
  summary:
    "etcd's mix of reads, writes, transactions and compactions keeps its revisions and stays linearizable",
  create(options) {
    const parsed = parseOptions("kv", Options, options.options);
    if (WEIGHTS.every((name) => parsed[name] === 0))
      throw new UsageError(`workload kv: wrong options: ${WEIGHTS.join(", ")}: all weights are 0`);
    return create(parsed) as unknown as Workload<Signature, KvApi>;
  },
};

function create(options: Options): Workload<KvSignature, KvApi> {
  const keys = Array.from({ length: options.keys }, (_, i) => `${PREFIX}${i}`);
  return {
    name: "kv",
    generator: load(options, keys),
    final: concat<KvSignature>(
      { f: "range", value: null },
      ...keys.map((key) => ({ f: "get", value: null, key }) as const),
    ),
    checkers: kvCheckers(keys),
    open,
  };
}

/** What a history of this workload must satisfy. `keys` are all there can be. */
export function kvCheckers(keys: readonly string[]) {
  return [
    linearizable(register(), (operation: Operation<KvSignature>) => perKey(operation, keys), revisionOf),
    revisions((operation: Operation<KvSignature>) => evidenceOf(operation, keys)),
  ] as const;
}

/**
 * What an operation did to each key. That it did all at one instant is not asked here but of the revisions. A
 * guard by revision is one by value, as a value is written only once.
 */
function perKey(
  operation: Operation<KvSignature>,
  keys: readonly string[],
): readonly ObjectCall<RegisterCall, Json>[] {
  const object = operation.key ?? "";
  const read = (key: string, entries: readonly Entry[] | undefined): ObjectCall<RegisterCall, Json> => ({
    object: key,
    input: { f: "read", value: null },
    output: entries === undefined ? undefined : valueAmong(entries, key),
  });
  const write = (key: string, value: Json): ObjectCall<RegisterCall, Json> => ({
    object: key,
    input: { f: "write", value },
    output: null,
  });
  switch (operation.f) {
    case "get":
      return [read(object, operation.output?.entries)];
    case "range":
      return keys.map((key) => read(key, operation.output?.entries));
    case "put":
      return [write(object, operation.input)];
    case "delete":
      return [operation.output?.deleted === 0 ? read(object, []) : write(object, null)];
    case "txn": {
      const { guard, reads, puts, deletes } = operation.input;
      const { output } = operation;
      if (output?.succeeded === false) {
        if (guard === null) return [];
        const to = puts.find(({ key }) => key === guard.key)?.value ?? null;
        return [{ object: guard.key, input: { f: "cas", value: [guard.value, to] }, output: false }];
      }
      const change = (key: string, value: Json) =>
        guard?.key === key
          ? { object: key, input: { f: "cas", value: [guard.value, value] } as const, output: true }
          : write(key, value);
      const calls = reads.map((key) => read(key, output?.entries));
      for (const { key, value } of puts) calls.push(change(key, value));
      deletes.forEach((key, i) => {
        calls.push(output?.deleted[i] === 0 ? read(key, []) : change(key, null));
      });
      const guarded = guard !== null && ![...puts.map(({ key }) => key), ...deletes].includes(guard.key);
      if (guarded && output !== undefined)
        calls.push({ object: guard.key, input: { f: "read", value: null }, output: guard.value });
      return calls;
    }
    case "stale-get":
    case "stale-range":
    case "get-at":
    case "compact":
      return [];
  }
}

function revisionOf(operation: Operation<KvSignature>): Revision | undefined {
  return operation.f === "compact" ? undefined : operation.output?.revision;
}

function valueAmong(entries: readonly Entry[], key: string): Json {
  return entries.find((entry) => entry.key === key)?.value ?? null;
}

function evidenceOf(operation: Operation<KvSignature>, keys: readonly string[]): Evidence {
  const key = operation.key ?? "";
  const linearizable = operation.f !== "stale-get" && operation.f !== "stale-range";
  const seen = (asked: readonly string[], entries: readonly Entry[], at: Revision): Sight[] =>
    asked.map((name) => {
      const entry = entries.find((candidate) => candidate.key === name);
      return entry === undefined ? { key: name, at, value: null, modRevision: 0 } : { ...entry, at };
    });
  const silent = { linearizable, revision: undefined, changes: [], sees: [] };
  switch (operation.f) {
    case "get":
    case "stale-get":
    case "range":
    case "stale-range":
    case "get-at": {
      const { output } = operation;
      if (output === undefined) return silent;
      const asked = operation.key === undefined ? keys : [key];
      const at = operation.f === "get-at" ? operation.input : output.revision;
      return { ...silent, revision: output.revision, sees: seen(asked, output.entries, at) };
    }
    case "put":
      return {
        ...silent,
        revision: operation.output?.revision,
        changes: [{ key, value: operation.input }],
      };
    case "delete": {
      const { output } = operation;
      if (output?.deleted === 0)
        return { ...silent, revision: output.revision, sees: seen([key], [], output.revision) };
      return { ...silent, revision: output?.revision, changes: [{ key, value: null }] };
    }
    case "txn": {
      const { guard, reads, puts, deletes } = operation.input;
      const { output } = operation;
      if (output?.succeeded === false) return { ...silent, revision: output.revision };
      const deleted = deletes.filter((_, i) => output?.deleted[i] !== 0);
      const changes: Change[] = [...puts, ...deleted.map((name) => ({ key: name, value: null }))];
      if (output === undefined) return { ...silent, changes };
      const before = output.revision - 1;
      const sees = seen(reads, output.entries, before);
      const absent = deletes.filter((_, i) => output.deleted[i] === 0);
      sees.push(...seen(absent, [], before));
      if (guard !== null) sees.push({ ...guard, at: before });
      return { ...silent, revision: output.revision, changes, sees };
    }
    case "compact":
      return silent;
  }
}

function open(api: KvApi): Client<KvSignature> {
  const range = (key: string | undefined, options: { serializable?: boolean; revision?: Revision }) =>
    attemptRead(async () => {
      const where = key === undefined ? { key: PREFIX, rangeEnd: PREFIX_END } : { key };
      const { header, kvs } = await api.request({ kind: "range", ...where, ...options });
      return ok({ revision: header.revision, entries: kvs.map(entryOf) });
    });
  return {
    invoke: {
      get: (_, { key }) => range(named(key), {}),
      "stale-get": (_, { key }) => range(named(key), { serializable: true }),
      "get-at": (revision, { key }) => range(named(key), { revision }),
      range: () => range(undefined, {}),
      "stale-range": () => range(undefined, { serializable: true }),
      put: (value, { key }) =>
        attemptWrite(async () => {
          const { header } = await api.request({ kind: "put", key: named(key), value: String(value) });
          return ok({ revision: header.revision });
        }),
      delete: (_, { key }) =>
        attemptWrite(async () => {
          const { header, deleted } = await api.request({ kind: "delete-range", key: named(key) });
          return ok({ revision: header.revision, deleted });
        }),
      txn: (transaction) => attemptWrite(() => perform(api, transaction)),
      compact: (revision) =>
        attemptWrite(async () => {
          await api.request({ kind: "compact", revision });
          return ok(null);
        }),
    },
    close: () => api.close(),
  };
}

async function perform(api: KvApi, { guard, reads, puts, deletes }: Transaction) {
  const success: RequestOp[] = [
    ...reads.map((key) => ({ kind: "range", key }) as const),
    ...puts.map(({ key, value }) => ({ kind: "put", key, value: String(value) }) as const),
    ...deletes.map((key) => ({ kind: "delete-range", key }) as const),
  ];
  const { header, succeeded, responses } = await api.request({
    kind: "txn",
    compare:
      guard === null
        ? []
        : [{ key: guard.key, result: "equal", target: "mod", operand: guard.modRevision } as const],
    success,
    failure: [],
  });
  return ok({ revision: header.revision, succeeded, ...answersOf(responses) });
}

function answersOf(responses: TxnResponse["responses"]) {
  return {
    entries: responses.flatMap((response) => (response.kind === "range" ? response.kvs.map(entryOf) : [])),
    deleted: responses.flatMap((response) => (response.kind === "delete-range" ? [response.deleted] : [])),
  };
}

function entryOf({ key, value, modRevision, createRevision, version }: KeyValue): Entry {
  const number = /^\d{1,15}$/.test(value) ? Number(value) : value;
  return { key, value: number, modRevision, createRevision, version };
}

function named(key: string | undefined): string {
  if (key === undefined) throw new TypeError("this operation of the kv workload needs a key");
  return key;
}

/** What the load remembers. */
interface Memory {
  /** The next value to write. */
  readonly value: number;
  /** The newest revision heard of. */
  readonly revision: Revision;
  /** By key: its last change as far as a read has shown it. */
  readonly seen: ReadonlyMap<string, Guard>;
}

/** A weighted mix over the keys; guards and old revisions are taken from what was seen before. */
function load(options: Options, keys: readonly string[]): OpGenerator<KvSignature> {
  return stateful<KvSignature, Memory>(
    { value: 1, revision: 1, seen: new Map() },
    {
      draw(memory, _, random) {
        const call = drawCall(options, keys, memory, random);
        const written = call.f === "put" ? 1 : call.f === "txn" ? call.value.puts.length : 0;
        return { call, memory: written === 0 ? memory : { ...memory, value: memory.value + written } };
      },
      learn(memory, event) {
        if (event.type !== "ok" || event.f === "compact") return memory;
        const revision = Math.max(memory.revision, event.value.revision);
        const entries = event.f === "get" || event.f === "range" ? event.value.entries : [];
        const seen = withNews(memory.seen, entries);
        return revision === memory.revision && seen === memory.seen ? memory : { ...memory, revision, seen };
      },
    },
  );
}

function withNews(seen: ReadonlyMap<string, Guard>, entries: readonly Entry[]): ReadonlyMap<string, Guard> {
  let news: Map<string, Guard> | undefined;
  for (const { key, value, modRevision } of entries) {
    if (typeof value !== "number" || (seen.get(key)?.modRevision ?? 0) >= modRevision) continue;
    news ??= new Map(seen);
    news.set(key, { key, value, modRevision });
  }
  return news ?? seen;
}

function drawCall(
  options: Options,
  keys: readonly string[],
  memory: Memory,
  random: Random,
): Call<KvSignature> {
  const key = random.pick(keys);
  switch (drawName(options, random)) {
    case "get":
      return { f: "get", value: null, key };
    case "staleGet":
      return { f: "stale-get", value: null, key };
    case "getAt":
      return { f: "get-at", value: Math.max(1, memory.revision - random.below(20)), key };
    case "range":
      return { f: "range", value: null };
    case "staleRange":
      return { f: "stale-range", value: null };
    case "put":
      return { f: "put", value: memory.value, key };
    case "delete":
      return { f: "delete", value: null, key };
    case "update":
      return drawUpdate(memory, random);
    case "txn":
      return drawTransaction(keys, memory, random);
    case "compact":
      // A little beyond the head at times: that must be refused.
      return { f: "compact", value: Math.max(1, memory.revision + 2 - random.below(20)) };
  }
}

function drawName(options: Options, random: Random): (typeof WEIGHTS)[number] {
  let left = random.below(WEIGHTS.reduce((sum, name) => sum + options[name], 0));
  for (const name of WEIGHTS) {
    left -= options[name];
    if (left < 0) return name;
  }
  throw new RangeError("weights must not all be 0");
}

/** A read where nothing has been seen yet that an update could start from. */
function drawUpdate({ seen, value }: Memory, random: Random): Call<KvSignature> {
  const guards = [...seen.values()];
  if (guards.length === 0) return { f: "range", value: null };
  const guard = random.pick(guards);
  return { f: "txn", value: { guard, reads: [], puts: [{ key: guard.key, value }], deletes: [] } };
}

/** Four operations, or as many as there are keys: 40 % reads, 50 % puts, 10 % deletes, at least one put. */
function drawTransaction(keys: readonly string[], memory: Memory, random: Random): Call<KvSignature> {
  const [first = "", ...others] = random.shuffle(keys).slice(0, 4);
  const puts = [{ key: first, value: memory.value }];
  const reads: string[] = [];
  const deletes: string[] = [];
  for (const key of others) {
    const drawn = random.below(10);
    if (drawn < 4) reads.push(key);
    else if (drawn < 9) puts.push({ key, value: memory.value + puts.length });
    else deletes.push(key);
  }
  const guards = [...memory.seen.values()].filter(({ key }) => !reads.includes(key));
  const guard = guards.length > 0 && random.chance(0.5) ? random.pick(guards) : null;
  return { f: "txn", value: { guard, reads, puts, deletes } };
}
