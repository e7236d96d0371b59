/** A string that can be appended to: what a key holds in a store with get, put and append. */
import type { Json } from "../../src/history/op.ts";
import { NONE } from "../linearizable/accesses.ts";
import { type Action, type Model, PENDING, type RegisterView } from "../linearizable/model.ts";
import { NumberedRegister } from "./numbered-register.ts";
import { Strings, Words } from "./words.ts";

/** One key; the value of a get is null. A missing key is the empty string. Only a get has an answer that matters. */
export type KvCall =
  | { readonly f: "get"; readonly value: null }
  | { readonly f: "put" | "append"; readonly value: string };

type KvAction = Action<KvCall, Json>;

export const kv: Model<string, KvCall, Json> = {
  name: "kv",
  summary: "a string per key, with get, put and append",
  init: "",
  key: (state) => state,
  step(state, { f, value }, output) {
    if (f === "get") return output === undefined || output === state ? state : undefined;
    return f === "append" ? state + value : value;
  },
  observes: ({ f }) => f === "get",
  asRegister: registerOfPrefixes,
  describe({ f, value }, output) {
    if (f === "get") return output === undefined ? "read something" : `read ${JSON.stringify(output)}`;
    const verb = f === "put" ? "wrote" : "appended";
    return output === undefined
      ? `tried: ${verb} ${JSON.stringify(value)}`
      : `${verb} ${JSON.stringify(value)}`;
  },
};

/**
 * Where no appended value begins another, what a get shows tells which string each append in it was made to: the
 * append is a compare-and-set from that string to the longer one. One that no get shows is a write of something
 * nobody reads. Of a value that was appended more than once it is not plain which append a get shows: each
 * of them may have done whatever is shown of any, and may not. Strings are numbered, not kept: all prefixes of a long
 * one would be too much.
 */
function registerOfPrefixes(actions: readonly KvAction[]): RegisterView | undefined {
  const words = new Words();
  // An empty put goes back to the beginning.
  const wordOf = actions.map(({ input: { f, value } }) =>
    f === "get" || (f === "put" && value === "") ? NONE : words.add(value, f === "append"),
  );
  if (!words.arePrefixFree()) return undefined;
  const strings = new Strings(words);
  const shown = actions.map(({ input, output }) =>
    input.f === "get" && output !== undefined ? strings.numberOf(String(output)) : NONE,
  );
  const register = new NumberedRegister(actions);
  for (let position = 0; position < actions.length; position++) {
    const { input, completed } = actions[position] as KvAction;
    const word = wordOf[position] as number;
    if (input.f === "get") register.add(position, shown[position] as number, NONE, completed);
    else if (input.f === "put")
      register.add(position, NONE, word === NONE ? 0 : strings.after(0, word), completed);
    else if (!words.isRepeated(word)) {
      const [step] = strings.appended(word);
      if (step === undefined) register.add(position, NONE, strings.unseen(), completed);
      else register.add(position, step.from, step.to, completed);
    } else {
      for (const { from, to } of strings.appended(word)) register.add(position, from, to, PENDING);
    }
    // One word over and over: too many that may have done too much.
    if (register.length > 4 * actions.length + 100) return undefined;
  }
  return { init: 0, operations: register, positions: register.positions, relaxed: words.repeated > 0 };
}
