/**
 * Small histories of transactions as text, for tests. A line is a transaction:
 *
 *     [PROCESS] [fail|info] OP …        x+1 appends, x=1,2 reads a list, x= an empty one
 *                                       x:=1 writes, x==1 reads a register, x==- one without a value
 *
 * All transactions overlap, each of a process of its own, unless lines begin with processes: then each line ends
 * before the next begins. `x:=1@7` and `x==1@7` name version 7. `a..z=x:1,2;y:3` reads a range of lists, and
 * `a..z==x:1;y:3` one of registers.
 */
import { History } from "../../../src/history/history.ts";
import type { Op } from "../../../src/history/op.ts";
import type { Entry, MicroOp, TransactionSignature } from "../transaction.ts";

export function scripted(text: string): History<TransactionSignature> {
  const lines = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  const sequential = lines.every((line) => /^\d+ /.test(line));
  const transactions = lines.map((line, i) => {
    const words = line.split(/\s+/);
    const process = sequential ? Number(words.shift()) : i;
    const type = words[0] === "fail" || words[0] === "info" ? (words.shift() as "fail" | "info") : "ok";
    const value = words.map(microOp);
    const asked = value.map((op) => (op[0] === "r" || op[0] === "range" ? [op[0], op[1], null] : op));
    const failed = type !== "ok";
    return {
      invoke: { process, type: "invoke", f: "txn", value: asked },
      complete: {
        process,
        type,
        f: "txn",
        value: failed ? asked : value,
        ...(failed ? { error: type } : {}),
      },
    };
  });
  const events = sequential
    ? transactions.flatMap(({ invoke, complete }) => [invoke, complete])
    : [...transactions.map(({ invoke }) => invoke), ...transactions.map(({ complete }) => complete)];
  const numbered = events.map((event, index) => ({ index, time: index, ...event }) as unknown as Op);
  return new History(numbered) as unknown as History<TransactionSignature>;
}

function microOp(word: string): MicroOp {
  const range = /^(\w+)\.\.(\w+)(==?)(.*)$/.exec(word);
  if (range !== null) {
    const [, from, to, sign, found] = range as unknown as [string, string, string, string, string];
    const entries = found.split(";").filter((entry) => entry !== "");
    return ["range", [from, to], entries.map((entry) => entryOf(entry, sign === "="))];
  }
  const match = /^(\w+?)(\+|:=|==|=)([^@]*)(?:@(\d+))?$/.exec(word);
  if (match === null) throw new Error(`${word} is no micro-operation`);
  const [, key, sign, rest, version] = match as unknown as [
    string,
    string,
    string,
    string,
    string | undefined,
  ];
  const numbers = rest === "" || rest === "-" ? [] : rest.split(",").map(Number);
  const f = sign === "+" ? "append" : sign === ":=" ? "w" : "r";
  const value = sign === "=" ? numbers : (numbers[0] ?? null);
  return version === undefined ? [f, key, value] : [f, key, value, Number(version)];
}

function entryOf(text: string, isList: boolean): Entry {
  const [key, values] = text.split(":") as [string, string];
  return [key, isList ? values.split(",").map(Number) : Number(values)];
}
