import { describe, expect, it } from "vitest";
import { EdnError, parseEdn } from "./edn.ts";
import type { Json } from "./op.ts";

describe("parseEdn", () => {
  it.each<[string, Json]>([
    ["nil true false", [null, true, false]],
    ["1 -2 +3 4.5 6e2 7N 8.5M", [1, -2, 3, 4.5, 600, 7, 8.5]],
    [':ok :a/b sym ->x "text"', ["ok", "a/b", "sym", "->x", "text"]],
    ['"a\\n\\"b\\" \\\\ \\u0041"', ['a\n"b" \\ A']],
    ["\\a \\newline \\space", ["a", "\n", " "]],
    ["[1 [2] ()] (3, 4) #{5}", [[1, [2], []], [3, 4], [5]]],
    ['{:f :read, "g" 1, 2 [3], nil 4}', [{ f: "read", g: 1, 2: [3], null: 4 }]],
    ["; first\n1 ; second\n2", [1, 2]],
    ["#_ [dropped #_too] 1 [2 #_3]", [1, [2]]],
    ['#inst "2026-11-21" #jepsen.history.Op{:index 0}', ["2026-11-21", { index: 0 }]],
    ["", []],
  ])("reads %s", (text, values) => {
    expect(parseEdn(text)).toEqual(values);
  });

  it.each<[string, string, number]>([
    ["[1 2", "[ is never closed", 0],
    ["1 }", "unexpected }", 2],
    ['"open', "a string does not end", 0],
    ["{:a}", "a map has a key without a value", 0],
    ["#tag", "the tag #tag has no value", 0],
    ["(1]", "unexpected ]", 2],
  ])("refuses %s", (text, message, position) => {
    const error = new EdnError(position, message);
    expect(() => parseEdn(text)).toThrow(error);
  });
});
