import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NotationError, parseEvents, parseHistory, printEvents, printHistory } from "./notation.ts";
import { type Json, NEMESIS, type Op } from "./op.ts";

describe("parsing", () => {
  it("reads every part of a line", () => {
    expect(parseEvents('12ms 3@n2 info cas(x) [1, {"a b": "! c"}] ! timed out after 2s')).toEqual([
      {
        index: 0,
        time: 12_000_000,
        process: 3,
        node: "n2",
        type: "info",
        f: "cas",
        key: "x",
        value: [1, { "a b": "! c" }],
        error: "timed out after 2s",
      },
    ]);
  });

  it("fills in index, time and value", () => {
    expect(parseEvents("# two events\n\n0 invoke read\n   nemesis invoke kill  \n")).toEqual([
      { index: 0, time: 0, process: 0, type: "invoke", f: "read", value: null },
      { index: 1, time: 1_000_000, process: NEMESIS, type: "invoke", f: "kill", value: null },
    ]);
  });

  it("reads quoted names", () => {
    expect(parseEvents('0@"a b" invoke "f("(" k)")')).toMatchObject([{ node: "a b", f: "f(", key: " k)" }]);
  });

  it.each([
    ["x invoke read", 'line 1: expected a process number or nemesis, found "x invoke read"'],
    ["0 invoke read\n\n0 done read", 'line 3: expected invoke, ok, fail or info, found "done read"'],
    ["0 invoke", 'line 1: expected invoke, ok, fail or info, found "invoke"'],
    ["0@ invoke read", 'line 1: expected a node after @, found " invoke read"'],
    ["0 invoke read(x", "line 1: expected ) after the key, found the end of the line"],
    ["0 invoke read(x)1", 'line 1: expected a blank after the function, found "1"'],
    ["0 invoke write [1, 2", 'line 1: expected a JSON value, found "[1, 2"'],
    ["0 invoke write one", 'line 1: expected a JSON value, found "one"'],
    ["0 invoke write 1 2", 'line 1: expected nothing more, found "2"'],
    ["0 ok write 1 ! no", 'line 1: expected nothing more, found "! no"'],
    ["0 info write 1", "line 1: expected ! and an error, as the type is info, found the end of the line"],
    ['0 fail write 1 ! "a" b', 'line 1: expected nothing after a quoted error, found " b"'],
  ])("refuses %j", (text, message) => {
    expect(() => parseEvents(text)).toThrow(NotationError);
    expect(() => parseEvents(text)).toThrow(message);
  });
});

describe("printing", () => {
  it("aligns what can be aligned", () => {
    const text = [
      "      0       invoke write(x) 1",
      "5ms   nemesis invoke start-kill",
      "12s   0@n1    ok     write(x) 1",
      "300us 1       invoke read",
      "",
    ].join("\n");
    expect(printHistory(parseHistory(text))).toBe(text);
  });

  const word = fc.oneof(fc.constantFrom("x", "start-kill", "n1", "", "a b", "(", "é", "#", '"'), fc.string());
  const json = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as Json);
  const event = fc
    .record({
      time: fc.nat(),
      process: fc.oneof(fc.constant(NEMESIS), fc.nat(1_000)),
      f: word,
      value: json,
      key: fc.option(word, { nil: undefined }),
      node: fc.option(word, { nil: undefined }),
      end: fc.oneof(
        fc.constantFrom({ type: "invoke" as const }, { type: "ok" as const }),
        fc.record({ type: fc.constantFrom("fail" as const, "info" as const), error: word }),
      ),
    })
    .map(({ key, node, end, ...fields }) => ({
      ...fields,
      ...(key === undefined ? {} : { key }),
      ...(node === undefined ? {} : { node }),
      ...end,
    }));

  it("is undone by parsing", () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 8 }), (list) => {
        const events = list.map((fields, index) => ({ index, ...fields })) as Op[];
        expect(parseEvents(printEvents(events))).toEqual(events);
      }),
      { seed: 1, numRuns: 500 },
    );
  });
});
