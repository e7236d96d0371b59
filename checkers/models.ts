/** Sequential specifications of the objects that workloads act on. */
import type { Json } from "../src/history/op.ts";
import type { Model } from "./linearizable/model.ts";

/** What can be asked of one register; null is the value of an empty one. */
export type RegisterCall =
  | { readonly f: "read"; readonly value: null }
  | { readonly f: "write"; readonly value: Json }
  /** Writes the second if the first is there; answers whether it was. */
  | { readonly f: "cas"; readonly value: readonly [from: Json, to: Json] };

/**
 * A register with compare-and-set. A read answers the value, a write anything, a cas whether it swapped.
 * Values are compared by their JSON text.
 */
export function register(init: Json = null): Model<Json, RegisterCall, Json> {
  return {
    name: "register",
    summary: "one value, with read, write and compare-and-set",
    init,
    key: (state) => textOf(state),
    step(state, call, output) {
      switch (call.f) {
        case "read":
          return output === undefined || textOf(output) === textOf(state) ? state : undefined;
        case "write":
          return call.value;
        case "cas": {
          const swaps = textOf(state) === textOf(call.value[0]);
          if (output !== undefined && swaps !== output) return undefined;
          return swaps ? call.value[1] : state;
        }
      }
    },
    observes: (call, output) => call.f === "read" || (call.f === "cas" && output === false),
    access(call, output) {
      switch (call.f) {
        case "read":
          return output === undefined ? {} : { reads: output };
        case "write":
          return { writes: call.value };
        case "cas":
          return output === false
            ? { excludes: call.value[0] }
            : { reads: call.value[0], writes: call.value[1] };
      }
    },
    blind: (call, output) =>
      call.f === "cas" && output === true
        ? { input: { f: "write", value: call.value[1] }, output: null }
        : undefined,
    describe(call, output) {
      switch (call.f) {
        case "read":
          return output === undefined ? "read something" : `read ${show(output)}`;
        case "write":
          return call.value === null ? "emptied it" : `wrote ${show(call.value)}`;
        case "cas": {
          const swap = `${show(call.value[0])} to ${show(call.value[1])}`;
          if (output === true) return `swapped ${swap}`;
          return output === false ? `could not swap ${swap}` : `tried to swap ${swap}`;
        }
      }
    },
  };
}

export type MutexCall = { readonly f: "acquire" | "release"; readonly value: Json };

/** A lock that one holder has at most; who it is does not matter. Both calls answer anything. */
export const mutex: Model<"free" | "held", MutexCall, Json> = {
  name: "mutex",
  summary: "a lock that is free or held, with acquire and release",
  init: "free",
  key: (state) => state,
  step(state, call) {
    if (call.f === "acquire") return state === "free" ? "held" : undefined;
    return state === "held" ? "free" : undefined;
  },
  access: (call) =>
    call.f === "acquire" ? { reads: "free", writes: "held" } : { reads: "held", writes: "free" },
  describe: (call) => (call.f === "acquire" ? "acquired the lock" : "released the lock"),
};

/** One existing key of a store. Revisions and versions as in etcd. */
export type StoreEntry = {
  readonly key: string;
  readonly value: Json;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
};
export type StoreState = {
  readonly revision: number;
  /** By key, in the order of code units. */
  readonly entries: readonly StoreEntry[];
};

/** Everything a store does is a transaction: reads, then puts, then deletes, if the guard holds. No key twice. */
export type StoreCall = {
  /** Holds if the key was last changed at this revision; 0: if it does not exist. */
  readonly guard?: { readonly key: string; readonly modRevision: number };
  readonly reads?: readonly string[];
  readonly puts?: readonly { readonly key: string; readonly value: Json }[];
  readonly deletes?: readonly string[];
};
export type StoreAnswer = {
  /** Of the store afterwards; one more than before if anything changed. */
  readonly revision: number;
  readonly succeeded: boolean;
  /** What `reads` found, in their order. */
  readonly entries: readonly StoreEntry[];
  /** How many of `deletes` existed. */
  readonly deleted: number;
};

/**
 * A key-value store with revisions, all keys at once. As an answer names its revision, acknowledged changes fit in
 * one order only, and a search hardly branches; but the history must hold every change of the store.
 */
export function store(revision = 1): Model<StoreState, StoreCall, StoreAnswer> {
  return {
    name: "store",
    summary: "several keys with etcd's revisions and versions, and guarded transactions",
    init: { revision, entries: [] },
    key: (state) => JSON.stringify([state.revision, state.entries]),
    step(state, call, output) {
      const [after, answer] = transact(state, call);
      return output === undefined || JSON.stringify(answer) === JSON.stringify(output) ? after : undefined;
    },
    observes: ({ puts = [], deletes = [] }, output) =>
      (puts.length === 0 && deletes.length === 0) ||
      (output !== undefined && (!output.succeeded || (puts.length === 0 && output.deleted === 0))),
  };
}

function transact(state: StoreState, call: StoreCall): readonly [StoreState, StoreAnswer] {
  const { guard, reads = [], puts = [], deletes = [] } = call;
  const find = (key: string) => state.entries.find((entry) => entry.key === key);
  if (guard !== undefined && (find(guard.key)?.modRevision ?? 0) !== guard.modRevision)
    return [state, { revision: state.revision, succeeded: false, entries: [], deleted: 0 }];
  const entries = reads.flatMap((key) => find(key) ?? []);
  const deleted = deletes.filter((key) => find(key) !== undefined).length;
  const changes = puts.length > 0 || deleted > 0;
  const revision = changes ? state.revision + 1 : state.revision;
  const answer = { revision, succeeded: true, entries, deleted };
  if (!changes) return [state, answer];
  const changed = new Set([...puts.map(({ key }) => key), ...deletes]);
  const after = state.entries.filter(({ key }) => !changed.has(key));
  for (const { key, value } of puts) {
    const { createRevision = revision, version = 0 } = find(key) ?? {};
    after.push({ key, value, createRevision, modRevision: revision, version: version + 1 });
  }
  after.sort((a, b) => (a.key < b.key ? -1 : 1));
  return [{ revision, entries: after }, answer];
}

/** Strings, the common case, are spared the quoting; a prefix keeps them apart from other values. */
function textOf(value: Json): string {
  return typeof value === "string" ? `s${value}` : JSON.stringify(value);
}

function show(value: Json): string {
  return value === null ? "nothing" : typeof value === "string" ? value : JSON.stringify(value);
}
