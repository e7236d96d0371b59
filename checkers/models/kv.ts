/** A string that can be appended to: what a key holds in a store with get, put and append. */
import type { Json } from "../../src/history/op.ts";
import { type Action, type Model, PENDING, type RegisterView } from "../linearizable/model.ts";
import type { RegisterCall } from "./register.ts";

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
 * of them may have done whatever is shown of any, and may not. Strings are numbered, not kept:
 * all prefixes of a long one would be too much.
 */
function registerOfPrefixes(actions: readonly KvAction[]): RegisterView | undefined {
  const words = new Words(actions);
  if (!words.prefixFree) return undefined;
  const strings = new Strings(words);
  const answers = actions.map(({ input, output }) =>
    input.f === "get" && output !== undefined ? strings.numberOf(String(output)) : 0,
  );
  const register: Action<RegisterCall, Json>[] = [];
  const positions: number[] = [];
  const add = (position: number, input: RegisterCall, output: Json | undefined, completed?: number) => {
    const action = actions[position] as KvAction;
    // Field by field: to spread a million actions takes seconds.
    const { invoked, process, node, revision } = action;
    register.push({
      input,
      output,
      invoked,
      completed: completed ?? action.completed,
      process,
      node,
      revision,
    });
    positions.push(position);
  };
  actions.forEach(({ input: { f, value }, output, completed }, position) => {
    const known = completed !== PENDING;
    if (f === "get")
      add(position, { f: "read", value: null }, output === undefined ? undefined : answers[position]);
    else if (f === "put")
      add(position, { f: "write", value: strings.numberOf(value) }, known ? null : undefined);
    else if (!words.repeated.has(value)) {
      const [shown] = strings.appended(value);
      if (shown === undefined) add(position, { f: "write", value: -1 - position }, known ? null : undefined);
      else add(position, { f: "cas", value: shown }, known ? true : undefined);
    } else {
      for (const shown of strings.appended(value))
        add(position, { f: "cas", value: shown }, undefined, PENDING);
    }
  });
  // One word over and over: too many that may have done too much.
  if (register.length > 4 * actions.length + 100) return undefined;
  return { init: 0, actions: register, positions, relaxed: words.repeated.size > 0 };
}

/** The values of puts and appends. */
class Words {
  readonly puts = new Set<string>();
  readonly appends = new Set<string>();
  /** Those appended more than once, or also put: it is not plain whose work they are. */
  readonly repeated = new Set<string>();
  /** No word begins another: a string is made of words in one way at most. */
  readonly prefixFree: boolean;
  /** Of words, the most frequent first. */
  readonly #lengths: readonly number[];

  constructor(actions: readonly KvAction[]) {
    for (const { input } of actions) {
      if (input.f === "get") continue;
      if (input.f === "append") {
        if (this.appends.has(input.value)) this.repeated.add(input.value);
        this.appends.add(input.value);
      } else if (input.value !== "") this.puts.add(input.value); // to put nothing is to go back to the beginning
    }
    for (const word of this.appends) if (this.puts.has(word)) this.repeated.add(word);
    const sorted = [...new Set([...this.puts, ...this.appends])].sort();
    this.prefixFree =
      sorted[0] !== "" && sorted.every((word, i) => i === 0 || !word.startsWith(sorted[i - 1] as string));
    const frequencies = new Map<number, number>();
    for (const { length } of sorted) frequencies.set(length, (frequencies.get(length) ?? 0) + 1);
    this.#lengths = [...frequencies].sort((a, b) => b[1] - a[1]).map(([length]) => length);
  }

  /** The word that `text` goes on with at `from`, or "": one that was put can only be at the beginning. */
  at(text: string, from: number): string {
    for (const length of this.#lengths) {
      const word = text.slice(from, from + length);
      if (word.length < length) continue;
      if (this.appends.has(word) || (from === 0 && this.puts.has(word))) return word;
    }
    return "";
  }
}

/** Numbers for strings, by the words they are made of; the empty one is 0. */
class Strings {
  readonly #words: Words;
  /** What a string becomes by another word. */
  readonly #next = new Map<string, number>();
  /** For each word appended in a string, the strings before it and after it. */
  readonly #appended = new Map<string, (readonly [from: number, to: number])[]>();
  #count = 1;
  /** The string asked for last, which the next one often begins with. */
  #last = { text: "", number: 0 };

  constructor(words: Words) {
    this.#words = words;
  }

  /** Of a string that is not made of words, a number that no other one has. */
  numberOf(text: string): number {
    let { text: known, number } = text.startsWith(this.#last.text) ? this.#last : { text: "", number: 0 };
    for (let from = known.length; from < text.length; ) {
      const word = this.#words.at(text, from);
      if (word === "") return this.#after(0, `?${text}`);
      const next = this.#after(number, word);
      if (this.#words.appends.has(word)) this.#show(word, number, next);
      number = next;
      from += word.length;
    }
    this.#last = { text, number };
    return number;
  }

  /** Every step that the word was seen to make. */
  appended(word: string): readonly (readonly [from: number, to: number])[] {
    return this.#appended.get(word) ?? [];
  }

  #show(word: string, from: number, to: number): void {
    const steps = this.#appended.get(word);
    if (steps === undefined) this.#appended.set(word, [[from, to]]);
    else if (steps.every((step) => step[1] !== to)) steps.push([from, to]);
  }

  #after(from: number, word: string): number {
    const step = `${from} ${word}`;
    let to = this.#next.get(step);
    if (to === undefined) {
      to = this.#count++;
      this.#next.set(step, to);
    }
    return to;
  }
}
