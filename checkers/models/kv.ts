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
 * Where no appended value is used twice or begins another, what a get shows tells which string each append in it
 * was made to: the append is a compare-and-set from that string to the longer one. One that no get shows is a
 * write of something nobody reads. Strings are numbered, not kept: all prefixes of a long one would be too much.
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
  actions.forEach((action, position) => {
    const { f, value } = action.input;
    const output = action.completed === PENDING ? undefined : null;
    let call: { input: RegisterCall; output: Json | undefined };
    if (f === "get")
      call = {
        input: { f: "read", value: null },
        output: output === null ? (answers[position] as number) : undefined,
      };
    else if (f === "put") call = { input: { f: "write", value: strings.numberOf(value) }, output };
    else {
      const shown = strings.appended(value);
      call =
        shown === undefined
          ? { input: { f: "write", value: -1 - position }, output }
          : { input: { f: "cas", value: shown }, output: output === null ? true : undefined };
    }
    register.push({ ...action, ...call });
    positions.push(position);
  });
  return { init: 0, actions: register, positions };
}

/** The values of puts and appends. */
class Words {
  readonly puts = new Set<string>();
  readonly appends = new Set<string>();
  /** No word begins another, and none is appended twice: a string is made of words in one way at most. */
  readonly prefixFree: boolean;
  readonly #lengths: readonly number[];

  constructor(actions: readonly KvAction[]) {
    let distinct = true;
    for (const { input } of actions) {
      if (input.f === "get") continue;
      // To put nothing is to go back to the beginning; to append it is to do nothing.
      if (input.f === "put" && input.value !== "") this.puts.add(input.value);
      if (input.f !== "append") continue;
      if (input.value === "" || this.appends.has(input.value)) distinct = false;
      this.appends.add(input.value);
    }
    const sorted = [...this.puts, ...this.appends].sort();
    this.prefixFree =
      distinct && sorted.every((word, i) => i === 0 || !word.startsWith(sorted[i - 1] as string));
    this.#lengths = [...new Set(sorted.map(({ length }) => length))];
  }

  /** The word of `among` that `text` goes on with at `from`, or "". */
  at(text: string, from: number, among: ReadonlySet<string>): string {
    for (const length of this.#lengths) {
      const word = text.slice(from, from + length);
      if (word.length === length && among.has(word)) return word;
    }
    return "";
  }
}

/** Numbers for strings, by the words they are made of; the empty one is 0. */
class Strings {
  readonly #words: Words;
  /** What a string becomes by another word. */
  readonly #next = new Map<string, number>();
  /** For each word appended in a string, the string before it and after it. */
  readonly #appended = new Map<string, readonly [from: number, to: number]>();
  #count = 1;
  /** Of the string asked for last, which the next one often begins with. */
  #last = { text: "", number: 0 };

  constructor(words: Words) {
    this.#words = words;
  }

  /** Of a string that is not made of words, a number that no other one has. */
  numberOf(text: string): number {
    let { text: known, number } = text.startsWith(this.#last.text) ? this.#last : { text: "", number: 0 };
    let from = known.length;
    if (from === 0) {
      const put = this.#words.at(text, 0, this.#words.puts);
      if (put !== "") {
        number = this.#after(0, `=${put}`);
        from = put.length;
      }
    }
    while (from < text.length) {
      const word = this.#words.at(text, from, this.#words.appends);
      if (word === "") return this.#after(0, `?${text}`);
      const next = this.#after(number, `+${word}`);
      if (!this.#appended.has(word)) this.#appended.set(word, [number, next]);
      number = next;
      from += word.length;
    }
    this.#last = { text, number };
    return number;
  }

  appended(word: string): readonly [from: number, to: number] | undefined {
    return this.#appended.get(word);
  }

  #after(from: number, word: string): number {
    const step = `${from}${word}`;
    let to = this.#next.get(step);
    if (to === undefined) {
      to = this.#count++;
      this.#next.set(step, to);
    }
    return to;
  }
}
