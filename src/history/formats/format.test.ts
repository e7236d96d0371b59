import { describe, expect, it } from "vitest";
import { printEvents } from "../notation.ts";
import { detectFormat, historyFrom } from "./format.ts";
import { TextSource } from "./text-source.ts";

/** Cut into pieces of every small size, as files are, and read; the format's name and the events in our notation. */
function read(text: string): { readonly name: string; readonly events: string; readonly torn: boolean } {
  const results = [1, 7, text.length].map((size) => {
    const pieces = Array.from({ length: Math.ceil(text.length / size) }, (_, i) =>
      text.slice(i * size, (i + 1) * size),
    );
    const source = new TextSource(pieces);
    const format = detectFormat(source);
    if (format === undefined) throw new Error("no format");
    const { events } = historyFrom(format, source);
    return { name: format.name, events: printEvents(events), torn: source.torn };
  });
  for (const result of results) expect(result).toEqual(results[0]);
  return results[0] as (typeof results)[0];
}

const lines = (...text: string[]): string => text.map((line) => `${line}\n`).join("");

describe("a history recorded elsewhere", () => {
  it("is read from operation maps in EDN, as a list or one after another", () => {
    const maps = [
      "{:process 3, :type :invoke, :f :write, :value 1, :time 5, :index 10}",
      "#jepsen.history.Op{:index 11, :time 7, :type :info, :process 3, :f :write, :value 1, :error [:timeout nil]}",
    ];
    const events = lines("5ns 3 invoke write 1", '7ns 3 info   write 1 ! ["timeout",null]');
    for (const text of [maps.join("\n"), `; Knossos\n[${maps.join(" ")}]`, `(${maps.join("\n\n")})\n`])
      expect(read(text)).toEqual({ name: "EDN operations", events, torn: false });
  });

  it("is read from JSON, as a list or one a line", () => {
    const maps = [
      '{"index":0,"type":"invoke","f":"read","process":0,"time":-1}',
      '{"index":1,"type":"ok","f":"read","process":0,"time":-1,"value":{"a, }":"]\\"","id":9007199254740993}}',
    ];
    const events = lines("0 invoke read", '0 ok     read {"a, }":"]\\"","id":"9007199254740993"}');
    expect(read(lines(...maps))).toEqual({ name: "JSON operations, one a line", events, torn: false });
    for (const text of [
      `[${maps.join(",\n")}]`,
      `[\n ${maps.join(" ,")}\n]\n`,
      maps.join("\n").replace("{", "{\n"),
    ])
      expect(read(text)).toEqual({ name: "JSON operations", events, torn: false });
  });

  it("is read from a log of Jepsen's, whose other lines do not count", () => {
    const log = lines(
      "INFO  jepsen.core - Worker 0 starting",
      "INFO  jepsen.util - 0\t:invoke\t:read\tnil",
      "INFO  jepsen.util - 1   :invoke :cas    [1 2]",
      "INFO  jepsen.util - :nemesis :info  :start  nil",
      "INFO  jepsen.util - 0\t:fail\t:read\t:timed-out",
      "INFO  jepsen.util - 1\t:fail\t:cas\t[1 2]",
      'INFO  jepsen.util - :nemesis :info  :start  "cut off"',
    );
    expect(read(log)).toEqual({
      name: "log of Jepsen",
      events: lines(
        "0       invoke read",
        "1       invoke cas [1,2]",
        "nemesis invoke start",
        "0       fail   read ! timed-out",
        "1       ok     cas false",
        'nemesis ok     start "cut off"',
      ),
      torn: false,
    });
  });

  it("is read from a journal, as it is", () => {
    const first =
      '{"index":0,"time":7,"process":0,"node":"n1","type":"invoke","f":"read","value":null,"key":"x"}';
    const events = lines("7ns 0@n1 invoke read(x)");
    expect(read(lines(first))).toEqual({ name: "journal of Faultline", events, torn: false });
    expect(read(`${first}\n{"index":1,"ti`)).toEqual({ name: "journal of Faultline", events, torn: true });
  });

  it("has its keys where Jepsen has them: in the values", () => {
    const op = (process: number, type: string, f: string, value: string) =>
      `{:process ${process} :type :${type} :f :${f} :value ${value}}`;
    const keyed = [
      op(0, "invoke", "write", "[3 [1 2]]"),
      op(0, "ok", "write", "[3 [1 2]]"),
      op(1, "invoke", "read", '["k" nil]'),
      op(1, "fail", "read", ":timeout"),
    ];
    expect(read(lines(...keyed)).events).toBe(
      lines(
        "0 invoke write(3) [1,2]",
        "0 ok     write(3) [1,2]",
        "1 invoke read(k)",
        '1 fail   read "timeout" ! not recorded',
      ),
    );
    // A pair alone is no key, nor are transactions of two.
    const plain = [op(0, "invoke", "cas", "[3 4]"), op(1, "invoke", "txn", "[[:r 1 nil] [:r 2 nil]]")];
    for (const line of plain) expect(read(line).events).not.toContain("(");
    // What the beginning was taken for, the rest must be.
    const many = Array.from({ length: 2_000 }, () => keyed.slice(0, 2)).flat();
    const strange = lines(...keyed, ...many, op(0, "invoke", "write", "5"));
    const source = new TextSource([strange]);
    expect(() => detectFormat(source)?.history(source)).toThrow("no pair of a key and a value");
    expect(source.line).toBe(4_005);
  });

  it("may leave out processes and that all it does is transactions", () => {
    expect(read("{:type :invoke :value [[:r 1 nil]]} {:type :ok :value [[:r 1 7]]}").events).toBe(
      lines('0 invoke txn [["r",1,null]]', '0 ok     txn [["r",1,7]]'),
    );
  });
});

describe("what is no history", () => {
  it.each(["", "dear diary", "\u0000\u0001", "[1,2,3]", "{}", "a,b\n1,2"])(
    "is not recognised: %j",
    (text) => {
      expect(detectFormat(new TextSource([text]))).toBeUndefined();
    },
  );

  const op = '{"type":"invoke","process":0,"f":"read"}';
  it.each([
    [lines(op, "dear diary"), 2, 'not JSON: "dear diary"'],
    [
      lines(op, op.replace("invoke", "done")),
      2,
      'the type of an operation is invoke, ok, fail or info, not "done"',
    ],
    [lines(op, op.replace("0", '"me"')), 2, 'a process is a number or the nemesis, not "me"'],
    [lines(op, op.replace('"read"', "1")), 2, "an operation has a function :f, not 1"],
    [lines(op, "[]"), 2, "an operation is a map with :process, :type, :f and :value"],
    [
      lines('{"index":5,"type":"invoke","f":"a"}', '{"index":5,"type":"ok","f":"a"}'),
      2,
      "index 5 comes after index 5",
    ],
    [lines("[", op, ",", '{"type":'), 4, "{ is never closed"],
    [lines(`[${op},`), 2, "[ is never closed"],
    [lines(`[${op}]`, "more"), 2, "unexpected m after the end of the list"],
    [
      "INFO jepsen.util - 0 :invoke :read nil\nINFO jepsen.util - 0 :done",
      2,
      "not PROCESS, :TYPE, :FUNCTION and VALUE behind jepsen.util -",
    ],
  ])("is told with its line: %j", (text, line, message) => {
    const source = new TextSource([text]);
    const format = detectFormat(source);
    expect(() => format?.history(source)).toThrow(message);
    expect(source.line).toBe(line);
  });
});
