/** A set of values. */
import type { Json } from "../../src/history/op.ts";
import { type Action, type Model, PENDING, type RegisterView } from "../linearizable/model.ts";
import { listed } from "../linearizable/object-history.ts";
import { type RegisterCall, register } from "./register.ts";
import { show, textOf } from "./value.ts";

export type SetCall =
  /** May answer whether it changed the set, or null. */
  | { readonly f: "add" | "remove"; readonly value: Json }
  | { readonly f: "contains"; readonly value: Json }
  /** Answers the list of all elements, in any order. */
  | { readonly f: "read"; readonly value: null };

type SetAction = Action<SetCall, Json>;

/** Texts of the elements, in order. */
export type SetState = readonly string[];

export const set: Model<SetState, SetCall, Json> = {
  name: "set",
  summary: "a set, with add, remove, contains and read",
  init: [],
  key: (state) => JSON.stringify(state),
  step(state, call, output) {
    if (call.f === "read") {
      if (output === undefined) return state;
      const elements = (output as readonly Json[]).map(textOf).sort();
      const same = elements.length === state.length && elements.every((text, i) => text === state[i]);
      return same ? state : undefined;
    }
    const text = textOf(call.value);
    const present = state.includes(text);
    if (call.f === "contains") return output === undefined || output === present ? state : undefined;
    const changes = present === (call.f === "remove");
    if (typeof output === "boolean" && output !== changes) return undefined;
    if (!changes) return state;
    return call.f === "add" ? [...state, text].sort() : state.filter((element) => element !== text);
  },
  observes: ({ f }, output) => f === "contains" || f === "read" || output === false,
  touches: (call) => (call.f === "read" ? undefined : [JSON.stringify(call.value)]),
  asRegister: (operations) => presence(operations.actions()),
  describe(call, output) {
    if (call.f === "read") return output === undefined ? "read the set" : `read ${JSON.stringify(output)}`;
    const element = show(call.value);
    if (output === undefined)
      return call.f === "contains" ? `looked for ${element}` : `tried to ${call.f} ${element}`;
    if (call.f === "contains") return output ? `found ${element}` : `did not find ${element}`;
    const done = call.f === "add" ? "added" : "removed";
    return output === false ? `${done} ${element}, which changed nothing` : `${done} ${element}`;
  },
};

/** Of calls about a single element: whether it is there, is a register of true and false. */
function presence(actions: readonly SetAction[]): RegisterView | undefined {
  const elements = new Set<string>();
  for (const { input } of actions) {
    if (input.f === "read") return undefined;
    elements.add(textOf(input.value));
  }
  if (elements.size > 1) return undefined;
  const calls = actions.map((action) => ({ ...action, ...presenceCall(action) }));
  return {
    init: false,
    operations: listed(register(false), calls),
    positions: actions.map((_, position) => position),
  };
}

function presenceCall({ input, output, completed }: SetAction): {
  input: RegisterCall;
  output: Json | undefined;
} {
  if (input.f === "contains") return { input: { f: "read", value: null }, output };
  const there = input.f === "add";
  if (output === true) return { input: { f: "cas", value: [!there, there] }, output: true };
  if (output === false) return { input: { f: "read", value: null }, output: there };
  return { input: { f: "write", value: there }, output: completed === PENDING ? undefined : null };
}
