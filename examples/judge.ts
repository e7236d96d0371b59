/** The checkers alone, in Node or in a page: of histories recorded anywhere, against models of one's own or known ones. */
import {
  Budget,
  checkLinearizable,
  guess,
  type Json,
  type Model,
  readHistory,
  type Verdict,
} from "faultline/checkers";

type Call = { readonly f: "raise" | "read"; readonly value: Json };

/** A register that only grows: a raise to less than it holds changes nothing. */
const highWater: Model<number, Call, Json> = {
  name: "high-water",
  summary: "a number with raise and read, that never falls",
  init: 0,
  key: (mark) => mark,
  step(mark, call, answer) {
    if (call.f === "raise") return Math.max(mark, Number(call.value));
    return answer === undefined || answer === mark ? mark : undefined;
  },
  observes: (call) => call.f === "read",
};

/** `text` is a history in any format that is known: Jepsen's EDN, JSON, a journal. */
export function judgeHighWater(text: string): Verdict {
  return checkLinearizable(
    readHistory(text),
    highWater,
    ({ f, input, output }) => ({
      input: { f: f as Call["f"], value: input },
      output: f === "read" ? output : null,
    }),
    { budget: 1_000_000 },
  );
}

/** Against the model that the functions used suggest, as `faultline check` does. */
export function judge(text: string): Verdict | undefined {
  const history = readHistory(text);
  const checker = guess(history)?.checker({ nilIsUnknown: true, init: null });
  return checker?.check(history, new Budget(1_000_000));
}
