/** The checkers as others get them: the example of the docs, and a bundle for browsers. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createContext, runInContext } from "node:vm";
import { build } from "esbuild";
import { describe, expect, it } from "vitest";
import { judge, judgeHighWater } from "../examples/judge.ts";
import { checkTransactions, FormatError, MalformedHistory, readHistory } from "./index.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

const op = (process: number, type: string, f: string, value: string): string =>
  `{:process ${process}, :type :${type}, :f :${f}, :value ${value}}\n`;

const fallen = [
  op(0, "invoke", "raise", "3"),
  op(0, "ok", "raise", "3"),
  op(1, "invoke", "raise", "2"),
  op(1, "ok", "raise", "2"),
  op(0, "invoke", "read", "nil"),
  op(0, "ok", "read", "2"),
].join("");

const race = [
  op(0, "invoke", "cas", "[nil 1]"),
  op(1, "invoke", "cas", "[nil 2]"),
  op(0, "ok", "cas", "[nil 1]"),
  op(1, "ok", "cas", "[nil 2]"),
].join("");

describe("the example", () => {
  it("judges by a model of its own", () => {
    expect(judgeHighWater(fallen)).toMatchObject({ validity: "invalid", checked: 3 });
    expect(judgeHighWater(fallen.replace(":f :read, :value 2", ":f :read, :value 3")).validity).toBe("valid");
  });

  it("judges by what the functions suggest", () => {
    expect(judge(race)).toMatchObject({ validity: "invalid", anomalies: [{ name: "lost update" }] });
    expect(judge(fallen)).toBeUndefined();
  });
});

it("judges transactions by what they are promised", () => {
  const skewed = [
    op(0, "invoke", "txn", "[[:r 1 nil] [:append 2 1]]"),
    op(1, "invoke", "txn", "[[:r 2 nil] [:append 1 1]]"),
    op(0, "ok", "txn", "[[:r 1 []] [:append 2 1]]"),
    op(1, "ok", "txn", "[[:r 2 []] [:append 1 1]]"),
    op(0, "invoke", "txn", "[[:r 1 nil] [:r 2 nil]]"),
    op(0, "ok", "txn", "[[:r 1 [1]] [:r 2 [1]]]"),
  ].join("");
  const history = readHistory(skewed) as unknown as Parameters<typeof checkTransactions>[0];
  expect(checkTransactions(history).validity).toBe("invalid");
  expect(checkTransactions(history, { model: "snapshot-isolation" }).validity).toBe("valid");
});

it("tells text that is no history from events that make none", () => {
  expect(() => readHistory("dear diary")).toThrow(FormatError);
  expect(() => readHistory(op(0, "ok", "read", "1"))).toThrow(MalformedHistory);
});

it("runs in a browser: a bundle needs the language alone, and the judgement is the same", async () => {
  const { outputFiles, metafile } = await build({
    entryPoints: [join(root, "examples/judge.ts")],
    bundle: true,
    // A module of Node's would be an error.
    platform: "browser",
    format: "iife",
    globalName: "example",
    target: "es2022",
    write: false,
    metafile: true,
    absWorkingDir: root,
  });
  const parts = new Set(Object.keys(metafile.inputs).map((path) => path.replace(/\/[^/]*$/, "")));
  expect([...parts].filter((part) => !/^(?:checkers|examples|src|src\/history)\b/.test(part))).toEqual([]);
  const page = createContext({ race });
  const verdict: unknown = runInContext(`${outputFiles[0]?.text}; JSON.stringify(example.judge(race))`, page);
  expect(JSON.parse(verdict as string)).toEqual(JSON.parse(JSON.stringify(judge(race))));
});
