import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Json } from "./op.ts";
import { Values } from "./values.ts";

const json = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as Json);

describe("Values", () => {
  it("gives back every value, and equal codes to equal scalars only", () => {
    const scalar = fc.oneof(
      fc.constantFrom(
        null,
        true,
        false,
        0,
        1,
        "",
        "0",
        2 ** 30,
        2 ** 30 - 1,
        -(2 ** 30),
        -(2 ** 30) - 1,
        2 ** 53,
      ),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((x) => x + 0),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(scalar, json), { maxLength: 20 }), (list) => {
        const values = new Values();
        const codes = list.map((value) => values.encode(value));
        expect(codes.map((code) => values.decode(code))).toEqual(list);
        list.forEach((a, i) => {
          list.forEach((b, j) => {
            if (typeof a !== "object" || a === null) expect(codes[i] === codes[j]).toBe(a === b);
          });
        });
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  it("gives back lists of any length, and their items one by one", () => {
    const short = fc.sample(fc.array(fc.nat(2 ** 31), { maxLength: 5 }), { numRuns: 500, seed: 1 });
    const lists: Json[] = [...short, [short, ["a", [null, [], {}]]], ...short, [[1]]];
    const long = Array.from({ length: 1_100_000 }, (_, i) => i);
    const values = new Values();
    const codes = lists.map((list) => values.encode(list));
    const longCode = values.encode(long);
    const behind = values.encode([longCode]);
    expect(codes.map((code) => values.decode(code))).toEqual(lists);
    expect(codes.map((code) => values.length(code))).toEqual(lists.map((list) => (list as Json[]).length));
    expect(values.length(longCode)).toBe(long.length);
    expect((values.decode(longCode) as readonly Json[]).every((item, i) => item === i)).toBe(true);
    expect(values.decode(values.item(longCode, 1_050_000))).toBe(1_050_000);
    expect(values.decode(behind)).toEqual([longCode]);
    expect(values.length(values.encode({ a: [] }))).toBeUndefined();
    expect([values.codeOf("a"), values.codeOf("b")]).toEqual([values.encode("a"), undefined]);
  });
});
