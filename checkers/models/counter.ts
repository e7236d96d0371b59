/** A number that is added to. */
import type { Json } from "../../src/history/op.ts";
import type { Model } from "../linearizable/model.ts";

export type CounterCall =
  /** May answer the sum, or null. The value may be negative. */
  { readonly f: "add"; readonly value: number } | { readonly f: "read"; readonly value: null };

export const counter: Model<number, CounterCall, Json> = {
  name: "counter",
  summary: "a number, with add and read",
  init: 0,
  key: (state) => state,
  step(state, call, output) {
    const after = call.f === "add" ? state + call.value : state;
    const told = call.f === "read" || typeof output === "number";
    return output === undefined || !told || output === after ? after : undefined;
  },
  observes: (call) => call.f === "read" || call.value === 0,
  describe(call, output) {
    if (call.f === "read") return output === undefined ? "read something" : `read ${output}`;
    const added = `added ${call.value}`;
    if (output === undefined) return `tried to add ${call.value}`;
    return typeof output === "number" ? `${added} and got ${output}` : added;
  },
};
