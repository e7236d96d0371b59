/** One value that is read, written, and compared and set. */
import type { Json } from "../../src/history/op.ts";
import type { Model } from "../linearizable/model.ts";
import { show, textOf } from "./value.ts";

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
