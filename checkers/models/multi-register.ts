/** Registers that are read and written together. */
import type { Json } from "../../src/history/op.ts";
import type { Action, Model, RegisterView } from "../linearizable/model.ts";
import { listed } from "../linearizable/object-history.ts";
import { type RegisterCall, register } from "./register.ts";
import { show, textOf } from "./value.ts";

/** One step of a transaction. The value of a read is null in the call, and what was there in the answer. */
export type RegisterStep = readonly [f: "r" | "w", register: string, value: Json];

/** The steps take effect at one instant, one after another; the answer repeats them with what was read. */
export type MultiRegisterCall = { readonly f: "txn"; readonly value: readonly RegisterStep[] };

type Transaction = Action<MultiRegisterCall, readonly RegisterStep[]>;

/** Registers that are not null, by name. */
export type MultiRegisterState = readonly (readonly [register: string, value: Json])[];

/** Registers that are null at first, but those of `init`. */
export function multiRegister(
  init: { readonly [register: string]: Json } = {},
): Model<MultiRegisterState, MultiRegisterCall, readonly RegisterStep[]> {
  return {
    name: "multi-register",
    summary: "several registers, read and written together",
    init: sorted(new Map(Object.entries(init).filter(([, value]) => value !== null))),
    key: (state) => JSON.stringify(state),
    step(state, { value }, output) {
      let after: Map<string, Json> | undefined;
      const read = (name: string) =>
        after === undefined ? state.find(([register]) => register === name)?.[1] : after.get(name);
      for (let i = 0; i < value.length; i++) {
        const [f, register, written] = value[i] as RegisterStep;
        if (f === "w") {
          after ??= new Map(state);
          if (written === null) after.delete(register);
          else after.set(register, written);
        } else if (output !== undefined) {
          if (textOf(read(register) ?? null) !== textOf((output[i] as RegisterStep)[2])) return undefined;
        }
      }
      return after === undefined ? state : sorted(after);
    },
    observes: ({ value }) => value.every(([f]) => f === "r"),
    touches: ({ value }) => value.map(([, register]) => register),
    asRegister: (operations) => single(operations.actions(), init),
    describe({ value }, output) {
      const told = value.map(([f, register, written], i) => {
        const read = output?.[i]?.[2];
        if (f === "w") return `wrote ${show(written)} to ${register}`;
        return `read ${read === undefined ? "something" : show(read)} of ${register}`;
      });
      return told.join(" and ");
    },
  };
}

function sorted(values: ReadonlyMap<string, Json>): MultiRegisterState {
  return [...values].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Where every transaction is one step, all on one register. */
function single(
  actions: readonly Transaction[],
  init: { readonly [register: string]: Json },
): RegisterView | undefined {
  const names = new Set(actions.flatMap(({ input }) => input.value.map(([, register]) => register)));
  if (names.size > 1 || actions.some(({ input }) => input.value.length !== 1)) return undefined;
  const calls = actions.map((action): Action<RegisterCall, Json> => {
    const [f, , written] = action.input.value[0] as RegisterStep;
    if (f === "r") return { ...action, input: { f: "read", value: null }, output: action.output?.[0]?.[2] };
    const output = action.output === undefined ? undefined : null;
    return { ...action, input: { f: "write", value: written }, output };
  });
  const [name = ""] = names;
  const value = init[name] ?? null;
  return {
    init: value,
    operations: listed(register(value), calls),
    positions: actions.map((_, position) => position),
  };
}
