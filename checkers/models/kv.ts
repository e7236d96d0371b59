/** A string that can be appended to: what a key holds in a store with get, put and append. */
import type { Json } from "../../src/history/op.ts";
import { NONE } from "../linearizable/accesses.ts";
import type { Model, RegisterView } from "../linearizable/model.ts";
import type { ObjectHistory } from "../linearizable/object-history.ts";
import { NumberedRegister } from "./numbered-register.ts";
import { Strings, Words } from "./words.ts";

/** One key; the value of a get is null. A missing key is the empty string. Only a get has an answer that matters. */
export type KvCall =
  | { readonly f: "get"; readonly value: null }
  | { readonly f: "put" | "append"; readonly value: string };

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
function registerOfPrefixes(operations: ObjectHistory<KvCall, Json>): RegisterView | undefined {
  const { length } = operations;
  const words = new Words(length);
  const kinds = new Uint8Array(length);
  /** By position: what is put or appended, or what a get shows. */
  const texts: (string | undefined)[] = [];
  for (let position = 0; position < length; position++) {
    const { input, output } = operations.called(position);
    kinds[position] = input.f === "get" ? GET : input.f === "put" ? PUT : APPEND;
    texts.push(input.f === "get" ? textOf(output) : input.value);
  }
  /** By position: the word that is put or appended; an empty put goes back to the beginning. */
  const wordOf = new Int32Array(length).fill(NONE);
  texts.forEach((text, position) => {
    const kind = kinds[position];
    if (kind === GET || text === undefined || (kind === PUT && text === "")) return;
    wordOf[position] = words.add(text, kind === APPEND);
  });
  if (!words.arePrefixFree()) return undefined;
  const strings = new Strings(words);
  const shown = new Int32Array(length).fill(NONE);
  texts.forEach((text, position) => {
    if (kinds[position] === GET && text !== undefined) shown[position] = strings.numberOf(text);
  });
  const register = new NumberedRegister(operations);
  for (let position = 0; position < length; position++) {
    const word = wordOf[position] as number;
    if (kinds[position] === GET) register.add(position, shown[position] as number, NONE);
    else if (kinds[position] === PUT)
      register.add(position, NONE, word === NONE ? 0 : strings.after(0, word));
    else if (!words.isRepeated(word)) {
      const step = strings.firstOf(word);
      if (step === undefined) register.add(position, NONE, strings.unseen());
      else register.add(position, step.from, step.to);
    } else {
      for (const { from, to } of strings.stepsOf(word)) register.add(position, from, to, true);
    }
    // One word over and over: too many that may have done too much.
    if (register.length > 4 * length + 100) return undefined;
  }
  return { init: 0, operations: register, positions: register.positions, relaxed: words.repeated > 0 };
}

const [GET, PUT, APPEND] = [0, 1, 2];

function textOf(output: Json | undefined): string | undefined {
  return output === undefined || typeof output === "string" ? output : String(output);
}
