/** Names a violation and tells it in plain words, from the few operations that contradict each other. */
import type { Json } from "../../src/history/op.ts";
import { who } from "../findings.ts";
import { type Access, type Action, type Model, PENDING } from "./model.ts";

export interface Explanation {
  readonly name: string;
  readonly explanation: string;
}

/** What is known of one object beyond the witness: all operations on it, and those that certainly did nothing. */
export interface Context<In, Out> {
  /** How to call the object, as in "read of x"; "" if there is only one. */
  readonly object: string;
  readonly actions: readonly Action<In, Out>[];
  readonly failed: readonly Action<In, Out>[];
}

/** `impossible` is the operation of the witness that no order can place. */
export function explain<State, In, Out>(
  model: Model<State, In, Out>,
  witness: readonly Action<In, Out>[],
  impossible: Action<In, Out>,
  context: Context<In, Out>,
): Explanation {
  const access = (action: Action<In, Out>): Access => model.access?.(action.input, action.output) ?? {};
  const told = (action: Action<In, Out>) =>
    `${who(action)} ${model.describe?.(action.input, action.output) ?? JSON.stringify([action.input, action.output])}`;
  const of = context.object === "" ? "" : ` of ${context.object}`;
  const list = witness.map(told).join("; ");
  const name = model.anomaly?.(impossible.input, impossible.output) ?? "nonlinearizable history";
  const unnamed = {
    name,
    explanation: `No order of these operations${context.object === "" ? "" : ` on ${context.object}`} explains their answers: ${list}.`,
  };

  const { reads, writes, excludes } = access(impossible);
  const deed = told(impossible);
  const swap = writes !== undefined;
  if (model.anomaly !== undefined) return unnamed;
  if (excludes !== undefined)
    return {
      name: "cas that should have succeeded",
      explanation: `${deed}${of}, though it held that value throughout: ${list}.`,
    };
  if (reads === undefined || model.access === undefined) return unnamed;

  const writersOf = (value: Json, among: readonly Action<In, Out>[]) =>
    among.filter((action) => action !== impossible && same(access(action).writes, value));
  const writers = writersOf(reads, context.actions);
  const initial = same(model.init as Json, reads);
  const value = reads === null ? "nothing" : JSON.stringify(reads);
  if (writers.length === 0 && !initial) {
    const aborted = writersOf(reads, context.failed)[0];
    if (aborted !== undefined)
      return {
        name: "aborted read",
        explanation: `${deed}${of}, but the operation of ${who(aborted)} that would have written ${value} had failed (G1a).`,
      };
    return {
      name: "value never written",
      explanation: `${deed}${of}, but nobody ever wrote ${value}.`,
    };
  }
  if (!initial && writers.every((writer) => writer.invoked > impossible.completed)) {
    return {
      name: "read from the future",
      explanation: `${deed}${of} before ${who(writers[0] as Action<In, Out>)} had even begun to write ${value}.`,
    };
  }
  const rival = witness.find(
    (action) =>
      action !== impossible &&
      swap &&
      same(access(action).reads, reads) &&
      access(action).writes !== undefined,
  );
  if (rival !== undefined && writers.length + (initial ? 1 : 0) === 1)
    return {
      name: "lost update",
      explanation: `${told(rival)} and ${deed}${of}: both started from ${value}, which was there only once, so one update overwrote the other.`,
    };
  const possible = writers.filter((writer) => writer.invoked < impossible.completed);
  const newer = witness.find((action) => {
    if (action === impossible || action.completed >= impossible.invoked) return false;
    const seen = access(action);
    const left = seen.writes === undefined ? seen.reads : seen.writes;
    if (left === undefined || same(left, reads)) return false;
    const sources = seen.writes === undefined ? writersOf(left, context.actions) : [action];
    // The value read was gone: whoever wrote it had finished before the newer one was begun.
    return possible.every((writer) => sources.every((source) => writer.completed < source.invoked));
  });
  if (newer !== undefined)
    return swap
      ? {
          name: "cas that should have failed",
          explanation: `${deed}${of} after ${pastPerfect(told(newer))}: the value compared with was no longer there.`,
        }
      : {
          name: "stale read",
          explanation: `${deed}${of} after ${pastPerfect(told(newer))}: a stale read.`,
        };
  const pending = witness.some((action) => action.completed === PENDING);
  return {
    ...unnamed,
    explanation: pending
      ? `${unnamed.explanation.slice(0, -1)}, whether or not the unanswered ones took effect.`
      : unnamed.explanation,
  };
}

function pastPerfect(told: string): string {
  return `${told}, which had completed`;
}

function same(a: Json | undefined, b: Json): boolean {
  return a !== undefined && JSON.stringify(a) === JSON.stringify(b);
}
