import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseEvents } from "../notation.ts";
import type { Json } from "../op.ts";
import { parseEdn } from "./edn.ts";
import { JepsenPrinter, printEdn } from "./edn-print.ts";

it("prints what is read back", () => {
  // Of the numbers beyond what is exact, and of what has no negative zero, nothing is promised.
  const value = fc.jsonValue().filter((json) => !/e[+]?\d|\d{16}|-0\b/.test(JSON.stringify(json)));
  fc.assert(
    fc.property(value, (json) => {
      expect(parseEdn(printEdn(json as Json))).toEqual([JSON.parse(JSON.stringify(json))]);
    }),
  );
});

describe("a history for Jepsen", () => {
  const printed = (text: string): string => {
    const printer = new JepsenPrinter();
    return parseEvents(text)
      .map((event) => printer.print(event).replace(/:index \d+, :time \d+, /, ""))
      .join("");
  };

  it("says what was asked and what was found, without revisions", () => {
    expect(
      printed(`
        0@n1 invoke write(x) 1
        0@n1 ok     write(x) {"revision": 2}
        1    invoke cas(x) [1, 2]
        0    invoke cas(x) [7, 8]
        1    ok     cas(x) {"swapped": true, "revision": 3}
        0    ok     cas(x) {"swapped": false, "revision": 3}
        0    invoke read(x)
        0    ok     read(x) {"value": 2, "revision": 3, "modRevision": 3}
        0    invoke write(x) 9
        0    info   write(x) 9 ! no answer in time
      `),
    ).toBe(
      [
        '{:type :invoke, :process 0, :f :write, :value ["x" 1], :node "n1"}',
        '{:type :ok, :process 0, :f :write, :value ["x" 1], :node "n1"}',
        '{:type :invoke, :process 1, :f :cas, :value ["x" [1 2]]}',
        '{:type :invoke, :process 0, :f :cas, :value ["x" [7 8]]}',
        '{:type :ok, :process 1, :f :cas, :value ["x" [1 2]]}',
        '{:type :fail, :process 0, :f :cas, :value ["x" [7 8]]}',
        '{:type :invoke, :process 0, :f :read, :value ["x" nil]}',
        '{:type :ok, :process 0, :f :read, :value ["x" 2]}',
        '{:type :invoke, :process 0, :f :write, :value ["x" 9]}',
        '{:type :info, :process 0, :f :write, :value ["x" 9], :error "no answer in time"}',
        "",
      ].join("\n"),
    );
  });

  it("has keywords where Jepsen has them, and a nemesis that is info", () => {
    expect(
      printed(`
        0       invoke txn [["append", 1, 2], ["r", "k", null]]
        nemesis invoke start-kill {"target": "one"}
        0       ok     txn [["append", 1, 2], ["r", "k", [2]]]
        nemesis ok     start-kill {"target": "one", "a b": ["n1"]}
      `),
    ).toBe(
      [
        '{:type :invoke, :process 0, :f :txn, :value [[:append 1 2] [:r "k" nil]]}',
        '{:type :info, :process :nemesis, :f :start-kill, :value {:target "one"}}',
        '{:type :ok, :process 0, :f :txn, :value [[:append 1 2] [:r "k" [2]]]}',
        '{:type :info, :process :nemesis, :f :start-kill, :value {:target "one", "a b" ["n1"]}}',
        "",
      ].join("\n"),
    );
  });
});
