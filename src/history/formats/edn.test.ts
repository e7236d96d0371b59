import { describe, expect, it } from "vitest";
import type { Json } from "../op.ts";
import { parseEdn, readEdn } from "./edn.ts";
import { FormatError, TextSource } from "./text-source.ts";

describe("parseEdn", () => {
  it.each<[string, Json]>([
    ["nil true false", [null, true, false]],
    ["1 -2 +3 4.5 6e2 7N 8.5M", [1, -2, 3, 4.5, 600, 7, 8.5]],
    [
      "9007199254740991 9007199254740993 -9223372036854775808",
      [9007199254740991, "9007199254740993", "-9223372036854775808"],
    ],
    [':ok :a/b sym ->x "text"', ["ok", "a/b", "sym", "->x", "text"]],
    ['"a\\n\\"b\\" \\\\ \\u0041"', ['a\n"b" \\ A']],
    ["\\a \\newline \\space \\(", ["a", "\n", " ", "("]],
    ["[1 [2] ()] (3, 4) #{5}", [[1, [2], []], [3, 4], [5]]],
    ['{:f :read, "g" 1, 2 [3], nil 4}', [{ f: "read", g: 1, 2: [3], null: 4 }]],
    ["; first\n1 ; second\n2", [1, 2]],
    ["#_ [dropped #_too] 1 [2 #_3]", [1, [2]]],
    ['#inst "2026-11-21" #jepsen.history.Op{:index 0}', ["2026-11-21", { index: 0 }]],
    ["", []],
  ])("reads %s", (text, values) => {
    expect(parseEdn(text)).toEqual(values);
  });

  it.each<[string, string]>([
    ["[1 2", "[ is never closed"],
    ["1 }", "unexpected }"],
    ['"open', "a string does not end"],
    ["{:a}", "a map has a key without a value"],
    ["{:a 1", "{ is never closed"],
    ["#tag", "the tag #tag has no value"],
    ["#_", "nothing to discard"],
    ["(1]", "unexpected ]"],
  ])("refuses %s", (text, message) => {
    expect(() => parseEdn(text)).toThrow(new FormatError(message));
  });
});

describe("readEdn", () => {
  const text =
    '; all\n[{:a "x\\"y" :b [1 22 #{333}]} #_ (gone)\n-4.5 #tag{:é :ü}\n\\newline ()]\n"behind" 77';

  it("reads the same however the text is cut", () => {
    const whole = [...readEdn(new TextSource([text]), true)];
    expect(whole).toEqual([{ a: 'x"y', b: [1, 22, [333]] }, -4.5, { é: "ü" }, "\n", [], "behind", 77]);
    for (let size = 1; size < text.length; size++) {
      const pieces = Array.from({ length: Math.ceil(text.length / size) }, (_, i) =>
        text.slice(i * size, (i + 1) * size),
      );
      expect([...readEdn(new TextSource(pieces), true)]).toEqual(whole);
    }
  });

  it("knows the line of what is wrong, wherever the text is cut", () => {
    const lines = ["[{:a 1}", "", " {:b 2", "  :c}", "{:d 4}]"].join("\n");
    for (let size = 1; size <= lines.length; size++) {
      const source = new TextSource(
        Array.from({ length: Math.ceil(lines.length / size) }, (_, i) =>
          lines.slice(i * size, (i + 1) * size),
        ),
      );
      expect(() => [...readEdn(source, true)]).toThrow("a map has a key without a value");
      expect(source.line).toBe(3);
    }
  });

  it("does not read on behind a mistake", () => {
    let asked = 0;
    function* pieces() {
      for (;;) {
        asked++;
        yield "[1 2]) ";
      }
    }
    expect(() => [...readEdn(new TextSource(pieces()))]).toThrow("unexpected )");
    expect(asked).toBe(1);
  });
});
