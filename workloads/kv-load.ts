/** What the clients of the kv workload ask for: a weighted mix, with guards and old revisions from what was seen. */
import type {
  EtcdCompare,
  EtcdEntry,
  EtcdKeys,
  EtcdOperation,
  EtcdSignature,
  EtcdTxn,
} from "../checkers/etcd/signature.ts";
import type { OpGenerator } from "../src/generator/generator.ts";
import type { Call, Op } from "../src/history/op.ts";
import type { Random } from "../src/runtime/random.ts";
import { stateful } from "./stateful.ts";

/** Shares of what is asked for, by name. */
export interface KvWeights {
  readonly get: number;
  readonly staleGet: number;
  readonly getAt: number;
  readonly range: number;
  readonly staleRange: number;
  readonly list: number;
  readonly put: number;
  readonly delete: number;
  readonly deleteRange: number;
  readonly update: number;
  readonly txn: number;
  readonly grant: number;
  readonly leasedPut: number;
  readonly revoke: number;
  readonly compact: number;
}
type Weight = keyof KvWeights;

/** All keys of the workload begin with it, and no others. */
export const PREFIX = "kv/";
/** "0" follows "/". */
export const ALL_KEYS: EtcdKeys = { key: PREFIX, end: "kv0" };

interface Memory {
  /** The next value to write, and the next lease to ask for. */
  readonly value: number;
  readonly lease: number;
  /** The newest revision heard of. */
  readonly revision: number;
  /** Leases that were granted, perhaps: the newest few. */
  readonly leases: readonly string[];
  /** By key: its last change as far as a read has shown it. */
  readonly seen: ReadonlyMap<string, EtcdEntry>;
}

const NOTHING: Memory = { value: 1, lease: 1, revision: 1, leases: [], seen: new Map() };
const LEASES = 4;

/** `weights` are not all 0. */
export function kvLoad(weights: KvWeights, keys: readonly string[]): OpGenerator<EtcdSignature> {
  return stateful<EtcdSignature, Memory>(NOTHING, {
    draw(memory, _, random) {
      const draw = new Draw(keys, memory, random);
      const call = draw.call(drawName(weights, random));
      return { call, memory: { ...memory, value: draw.value, lease: draw.lease } };
    },
    learn,
  });
}

function learn(memory: Memory, event: Op<EtcdSignature>): Memory {
  const { leases } = memory;
  if (event.type === "invoke") {
    if (event.f === "grant") return { ...memory, leases: [...leases, event.value].slice(-LEASES) };
    if (event.f === "revoke") return { ...memory, leases: leases.filter((lease) => lease !== event.value) };
  }
  if (event.type !== "ok" || event.f === "compact") return memory;
  const { revision } = event.value;
  const seen = event.f === "range" ? withNews(memory.seen, event.value.entries) : memory.seen;
  if (revision <= memory.revision && seen === memory.seen) return memory;
  return { ...memory, revision: Math.max(revision, memory.revision), seen };
}

function withNews(
  seen: ReadonlyMap<string, EtcdEntry>,
  entries: readonly EtcdEntry[],
): ReadonlyMap<string, EtcdEntry> {
  let news: Map<string, EtcdEntry> | undefined;
  for (const entry of entries) {
    if ((seen.get(entry.key)?.modRevision ?? 0) >= entry.modRevision) continue;
    news ??= new Map(seen);
    news.set(entry.key, entry);
  }
  return news ?? seen;
}

function drawName(weights: KvWeights, random: Random): Weight {
  const shares = Object.entries(weights) as [Weight, number][];
  let left = random.below(shares.reduce((sum, [, share]) => sum + share, 0));
  for (const [name, share] of shares) {
    left -= share;
    if (left < 0) return name;
  }
  throw new RangeError("weights must not all be 0");
}

/** One call, and what the memory must know of it. */
class Draw {
  readonly #keys: readonly string[];
  readonly #memory: Memory;
  readonly #random: Random;
  value: number;
  lease: number;

  constructor(keys: readonly string[], memory: Memory, random: Random) {
    this.#keys = keys;
    this.#memory = memory;
    this.#random = random;
    this.value = memory.value;
    this.lease = memory.lease;
  }

  call(name: Weight): Call<EtcdSignature> {
    const key = this.#random.pick(this.#keys);
    switch (name) {
      case "get":
        return { f: "range", value: { key } };
      case "staleGet":
        return { f: "range", value: { key, serializable: true } };
      case "getAt":
        return { f: "range", value: { key, revision: this.#past() } };
      case "range":
        return { f: "range", value: ALL_KEYS };
      case "staleRange":
        return { f: "range", value: { ...ALL_KEYS, serializable: true } };
      case "list":
        return { f: "range", value: { ...this.#some(), ...this.#form() } };
      case "put":
        return { f: "put", value: { key, value: this.value++, ...this.#asking() } };
      case "delete":
        return { f: "delete", value: { key, ...this.#asking() } };
      case "deleteRange":
        return { f: "delete", value: { ...this.#some(), ...this.#asking() } };
      case "update":
        return this.#update();
      case "txn":
        return { f: "txn", value: this.#transaction(this.#random.shuffle(this.#keys), 1) };
      case "grant":
        return { f: "grant", value: String(this.lease++) };
      case "leasedPut":
        return { f: "put", value: { key, value: this.value++, ...this.#leased() } };
      case "revoke":
        return this.#memory.leases.length === 0
          ? { f: "grant", value: String(this.lease++) }
          : { f: "revoke", value: this.#random.pick(this.#memory.leases) };
      case "compact":
        // A little beyond the head at times: that must be refused.
        return { f: "compact", value: Math.max(1, this.#memory.revision + 2 - this.#random.below(20)) };
    }
  }

  /** A little beyond the newest at times. */
  #past(): number {
    return Math.max(1, this.#memory.revision + 1 - this.#random.below(20));
  }

  /** A range of a few keys. */
  #some(): EtcdKeys {
    const from = this.#random.below(this.#keys.length);
    const to = Math.min(this.#keys.length, from + this.#random.between(1, 3));
    const sorted = this.#keys.toSorted();
    return { key: sorted[from] as string, end: sorted[to] ?? (ALL_KEYS.end as string) };
  }

  #form() {
    const limit = { limit: this.#random.between(1, 3) };
    return this.#random.pick([
      limit,
      { keysOnly: true },
      { countOnly: true },
      { ...limit, revision: this.#past() },
    ]);
  }

  #asking() {
    return this.#random.chance(0.3) ? { previous: true } : {};
  }

  #leased() {
    const { leases } = this.#memory;
    return leases.length === 0 ? {} : { lease: this.#random.pick(leases) };
  }

  /** A read where nothing has been seen yet that an update could start from. */
  #update(): Call<EtcdSignature> {
    const seen = [...this.#memory.seen.values()];
    if (seen.length === 0) return { f: "range", value: ALL_KEYS };
    const { key, modRevision } = this.#random.pick(seen);
    const compare: EtcdCompare = { key, target: "mod", operator: "=", operand: modRevision };
    const success = [{ kind: "put", key, value: this.value++ }] as const;
    return { f: "txn", value: { compare: [compare], success, failure: [{ kind: "range", key }] } };
  }

  /**
   * About four operations: 40 % reads, 50 % puts, 10 % deletes, at least one put; guarded in half of the cases. A
   * transaction may have another in it, to which half of the keys are left: no key may be changed twice.
   */
  #transaction(keys: readonly string[], depth: number): EtcdTxn {
    const nested = depth > 0 && keys.length > 1 && this.#random.chance(0.25);
    const own = nested ? keys.slice(0, keys.length >> 1) : keys;
    const success = this.#branch(own);
    if (nested) success.push({ kind: "txn", ...this.#transaction(keys.slice(own.length), depth - 1) });
    const compare = this.#guard();
    if (compare === undefined) return { success };
    return { compare: [compare], success, failure: this.#random.chance(0.5) ? [this.#read()] : [] };
  }

  #branch(keys: readonly string[]): EtcdOperation[] {
    const [first = "", ...others] = keys.slice(0, 4);
    const operations: EtcdOperation[] = [{ kind: "put", key: first, value: this.value++ }];
    for (const key of others) {
      const drawn = this.#random.below(10);
      if (drawn < 4) operations.push(this.#read());
      else if (drawn < 9) operations.push({ kind: "put", key, value: this.value++, ...this.#asking() });
      else operations.push({ kind: "delete", key, ...this.#asking() });
    }
    return this.#random.shuffle(operations);
  }

  #read(): EtcdOperation {
    const drawn = this.#random.below(10);
    if (drawn === 0) return { kind: "range", key: this.#random.pick(this.#keys), revision: this.#past() };
    if (drawn < 3) return { kind: "range", ...this.#some(), limit: this.#random.between(1, 3) };
    return drawn < 5 ? { kind: "range", ...ALL_KEYS } : { kind: "range", key: this.#random.pick(this.#keys) };
  }

  #guard(): EtcdCompare | undefined {
    const seen = [...this.#memory.seen.values()];
    if (seen.length === 0 || this.#random.chance(0.5)) return undefined;
    const { key, modRevision, createRevision = 0, version = 0, value } = this.#random.pick(seen);
    return this.#random.pick<EtcdCompare>([
      { key, target: "mod", operator: "=", operand: modRevision },
      { key, target: "create", operator: "=", operand: createRevision },
      { key, target: "version", operator: ">", operand: version },
      { key, target: "lease", operator: "=", operand: "" },
      ...(value === undefined
        ? []
        : [{ key, target: "value", operator: "=", operand: value as number } as const]),
      { ...ALL_KEYS, target: "mod", operator: "<", operand: modRevision + 1 },
    ]);
  }
}
