/** Collections that values are put into and taken from. To take from an empty one answers null, which is no value. */
import type { Json } from "../../src/history/op.ts";
import type { Model } from "../linearizable/model.ts";
import { powerSet } from "../linearizable/power-set.ts";
import { decideQueue } from "./queue-order.ts";
import { show, textOf } from "./value.ts";

export type QueueCall =
  | { readonly f: "enqueue"; readonly value: Json }
  | { readonly f: "dequeue"; readonly value: null };

export type StackCall =
  | { readonly f: "push"; readonly value: Json }
  | { readonly f: "pop"; readonly value: null };

/** Texts, the first to be taken first. */
type Line = readonly string[];

function takeFirst(state: Line, output: Json | undefined): Line | undefined {
  const [first, ...rest] = state;
  if (output === undefined) return rest;
  if (output === null) return first === undefined ? state : undefined;
  return first === textOf(output) ? rest : undefined;
}

export const fifoQueue: Model<Line, QueueCall, Json> = {
  name: "fifo-queue",
  summary: "a queue: values are dequeued in the order they were enqueued in",
  init: [],
  key: (state) => JSON.stringify(state),
  step: (state, call, output) =>
    call.f === "enqueue" ? [...state, textOf(call.value)] : takeFirst(state, output),
  observes: ({ f }, output) => f === "dequeue" && output === null,
  direct: decideQueue,
  describe: describeQueue,
};

export const stack: Model<Line, StackCall, Json> = {
  name: "stack",
  summary: "a stack: what was pushed last is popped first",
  init: [],
  key: (state) => JSON.stringify(state),
  step: (state, call, output) =>
    call.f === "push" ? [textOf(call.value), ...state] : takeFirst(state, output),
  observes: ({ f }, output) => f === "pop" && output === null,
  describe({ f, value }, output) {
    if (f === "push") return output === undefined ? `tried to push ${show(value)}` : `pushed ${show(value)}`;
    return output === undefined ? "tried to pop" : `popped ${show(output)}`;
  },
};

/** What it gives is up to it, so the state is a set of states: a dequeue of unknown outcome may have taken any value. */
export const unorderedQueue: Model<readonly Line[], QueueCall, Json> = {
  ...powerSet<Line, QueueCall, Json>({
    name: "unordered-queue",
    summary: "a bag: what was enqueued is dequeued in any order",
    init: [[]],
    key: (state) => JSON.stringify(state),
    steps(state, call, output) {
      if (call.f === "enqueue") return [[...state, textOf(call.value)].sort()];
      if (output === null) return state.length === 0 ? [state] : [];
      const text = output === undefined ? undefined : textOf(output);
      const taken = state.flatMap((value, i) =>
        (text === undefined || value === text) && value !== state[i - 1] ? [state.toSpliced(i, 1)] : [],
      );
      return text === undefined ? [state, ...taken] : taken;
    },
  }),
  // None observes: an answer rules out some of the states.
  touches({ f, value }, output) {
    if (f === "enqueue") return [JSON.stringify(value)];
    return output === undefined || output === null ? undefined : [JSON.stringify(output)];
  },
  describe: describeQueue,
};

function describeQueue({ f, value }: QueueCall, output: Json | undefined): string {
  if (f === "enqueue")
    return output === undefined ? `tried to enqueue ${show(value)}` : `enqueued ${show(value)}`;
  return output === undefined ? "tried to dequeue" : `dequeued ${show(output)}`;
}
