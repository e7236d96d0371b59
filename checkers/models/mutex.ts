/** Locks. Who fails to get one may be told so: `false` as an answer says that nothing changed, null nothing. */
import type { Json } from "../../src/history/op.ts";
import type { Model } from "../linearizable/model.ts";
import { registerOfHolds } from "./holds.ts";
import { show, textOf } from "./value.ts";

export type MutexCall = { readonly f: "acquire" | "release"; readonly value: Json };

function anomaly({ f }: MutexCall, output: Json | undefined): string {
  const name =
    f === "acquire"
      ? output === false
        ? "refusal of a free lock"
        : "two holders at once"
      : output === false
        ? "refusal of its holder"
        : "release of a lock not held";
  return name;
}

function fencedAnomaly(call: MutexCall, output: Json | undefined): string {
  const name =
    call.f === "acquire" && output !== false ? "two holders at once, or a token that went back" : "";
  return name === "" ? anomaly(call, output) : name;
}

function describe({ f, value }: MutexCall, output: Json | undefined): string {
  const lock = value === null ? "the lock" : `the lock for ${show(value)}`;
  if (output === undefined) return `tried to ${f} ${lock}`;
  if (output === false) return `could not ${f} ${lock}`;
  return `${f}d ${lock}${typeof output === "number" ? ` with token ${output}` : ""}`;
}

/** A lock that one holder has at most; who it is does not matter. */
export const mutex: Model<"free" | "held", MutexCall, Json> = {
  name: "mutex",
  summary: "a lock that is free or held, with acquire and release",
  init: "free",
  key: (state) => state,
  step(state, { f }, output) {
    const possible = state === (f === "acquire" ? "free" : "held");
    if (output === false) return possible ? undefined : state;
    if (!possible) return undefined;
    return f === "acquire" ? "held" : "free";
  },
  observes: (_, output) => output === false,
  access({ f }, output) {
    const from = f === "acquire" ? "free" : "held";
    if (output === false) return { excludes: from };
    return { reads: from, writes: f === "acquire" ? "held" : "free" };
  },
  anomaly,
  describe,
};

/** A lock that only its holder can release. The value of a call is who makes it: anything but null. */
export const ownedMutex: Model<Json, MutexCall, Json> = {
  name: "owned-mutex",
  summary: "a lock that only its holder can release",
  init: null,
  key: textOf,
  step(state, { f, value }, output) {
    const possible = textOf(state) === textOf(f === "acquire" ? null : value);
    if (output === false) return possible ? undefined : state;
    if (!possible) return undefined;
    return f === "acquire" ? value : null;
  },
  observes: (_, output) => output === false,
  access({ f, value }, output) {
    const from = f === "acquire" ? null : value;
    if (output === false) return { excludes: from };
    return { reads: from, writes: f === "acquire" ? value : null };
  },
  asRegister: (operations) => registerOfHolds(operations.actions(), 1),
  anomaly,
  describe,
};

/** How often the holder has acquired the lock and not released it yet; nobody holds it 0 times. */
export type ReentrantState = { readonly owner: Json; readonly holds: number };

/** A lock that its holder can acquire `limit` times, and must release as often. */
export function reentrantMutex(limit = 2): Model<ReentrantState, MutexCall, Json> {
  return {
    name: "reentrant-mutex",
    summary: "a lock that its holder can acquire again, and must release as often",
    init: { owner: null, holds: 0 },
    key: ({ owner, holds }) => `${holds} ${textOf(owner)}`,
    step(state, { f, value }, output) {
      const { owner, holds } = state;
      const own = holds > 0 && textOf(owner) === textOf(value);
      const possible = f === "acquire" ? holds === 0 || (own && holds < limit) : own;
      if (output === false) return possible ? undefined : state;
      if (!possible) return undefined;
      if (f === "acquire") return { owner: value, holds: holds + 1 };
      return holds === 1 ? { owner: null, holds: 0 } : { owner, holds: holds - 1 };
    },
    observes: (_, output) => output === false,
    asRegister: (operations) => registerOfHolds(operations.actions(), limit),
    anomaly,
    describe,
  };
}

/** `fence`: the least number that the latest token can have been. */
export type FencedState = { readonly owner: Json; readonly fence: number };

/**
 * A lock that only its holder can release, and whose `acquire` answers a fencing token: a whole number greater
 * than all before (M. Kleppmann, "How to do distributed locking", 2016).
 */
export const fencedMutex: Model<FencedState, MutexCall, Json> = {
  name: "fenced-mutex",
  summary: "a lock that only its holder can release, with fencing tokens that grow",
  init: { owner: null, fence: 0 },
  key: ({ owner, fence }) => `${fence} ${textOf(owner)}`,
  step(state, { f, value }, output) {
    const { owner, fence } = state;
    const possible = textOf(owner) === textOf(f === "acquire" ? null : value);
    if (output === false) return possible ? undefined : state;
    if (!possible) return undefined;
    if (f === "release") return { owner: null, fence };
    // Of a token that nobody was told, the least is the one that excludes nothing later.
    if (output === undefined) return { owner: value, fence: fence + 1 };
    return typeof output === "number" && output > fence ? { owner: value, fence: output } : undefined;
  },
  observes: (_, output) => output === false,
  anomaly: fencedAnomaly,
  describe,
};
