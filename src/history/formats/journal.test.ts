import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ColumnsBuilder } from "../columns.ts";
import { History, MalformedHistory } from "../history.ts";
import { type Json, NEMESIS, type Op } from "../op.ts";
import { JournalReader } from "./journal.ts";
import { parseJsonValue } from "./json.ts";
import { FormatError } from "./text-source.ts";

const word = fc.oneof(
  fc.constantFrom("read", "cas", "", "__proto__", "é", 'a"b', "0", "x".repeat(20)),
  fc.string(),
);
const { value } = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.oneof(
      fc.constantFrom<Json>(null, true, false, 0, -0, 1e15, 1e16, 0.5, -7, 2 ** 31, [], {}),
      fc.integer(),
      word,
    ),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(word, tie("value"), { maxKeys: 4 }),
  ),
}));

/** Well-formed: every process does one thing after another. */
const journals = fc
  .array(
    fc.record({
      process: fc.integer({ min: NEMESIS, max: 3 }),
      ok: fc.boolean(),
      f: word,
      key: fc.option(word, { nil: undefined }),
      node: fc.option(word, { nil: undefined }),
      value,
    }),
    { maxLength: 8 },
  )
  .map((draws) => {
    const open = new Map<number, string>();
    return draws.map(({ process, ok, f, key, node, value }, index): Op => {
      const fields = { index, time: index * 10 - 5, process };
      const begun = open.get(process);
      if (begun === undefined) {
        open.set(process, f);
        return { ...fields, type: "invoke", f, value, ...(node && { node }), ...(key && { key }) };
      }
      open.delete(process);
      if (ok) return { ...fields, type: "ok", f: begun, value, ...(node && { node }) };
      return { ...fields, type: "fail", f: begun, value, error: "no" };
    });
  });

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

function pieces(bytes: Uint8Array, size: number): Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
    bytes.subarray(i * size, (i + 1) * size),
  );
}

/** Line by line, as JSON. */
function parsed(text: string): History {
  const builder = new ColumnsBuilder();
  for (const line of text.split("\n")) {
    if (line.trim() === "") continue;
    const event = parseJsonValue(line) as { readonly [field: string]: Json } | null | undefined;
    const { index, time, process, f, type } = event ?? {};
    const numbers = [index, time, process].every(Number.isSafeInteger);
    if (
      !numbers ||
      typeof f !== "string" ||
      !/^(?:invoke|ok|fail|info)$/.test(String(type)) ||
      !("value" in event!)
    )
      throw new FormatError("no event");
    builder.add(event as unknown as Op);
  }
  return new History(builder.build());
}

/** What there is to see of a history; of what is none, how that was told. */
function seen(read: () => History): unknown {
  try {
    const history = read();
    const { functions, keys, nodes, errors } = history.columns;
    return { events: history.events, functions, keys, nodes, errors };
  } catch (error) {
    if (error instanceof FormatError) return "no event";
    if (error instanceof MalformedHistory) return error.message;
    throw error;
  }
}

describe("a journal", () => {
  it("is read back as it was written, whatever the pieces it comes in", () => {
    fc.assert(
      fc.property(journals, fc.integer({ min: 1, max: 300 }), (events, size) => {
        const text = events.map((event) => `${JSON.stringify(event)}\n`).join("");
        const reader = new JournalReader(pieces(bytesOf(text), size));
        // As JSON: it has one zero only, and long integers become text.
        expect(seen(() => reader.history())).toEqual(seen(() => parsed(text)));
        expect(reader.line).toBe(events.length);
      }),
    );
  });

  it("is read as JSON is, however it is written", () => {
    const blot = fc.record({
      at: fc.nat(2000),
      length: fc.nat(3),
      text: fc.constantFrom(
        "",
        " ",
        '"',
        ",",
        "0",
        "1",
        "-",
        ".5",
        "e3",
        "\\",
        "[",
        "]",
        "{",
        "}",
        ":",
        "null",
        ',"key":"k"',
        ',"f":"g"',
        "\u0001",
        "é",
      ),
    });
    fc.assert(
      fc.property(journals, fc.array(blot, { minLength: 1, maxLength: 2 }), (events, blots) => {
        let text = events.map((event) => `${JSON.stringify(event)}\n`).join("");
        for (const { at, length, text: blotted } of blots) {
          const from = at % (text.length + 1);
          text = text.slice(0, from) + blotted + text.slice(from + length);
        }
        // The end of a journal may be torn, which is another matter.
        if (!text.endsWith("\n")) text += "\n";
        expect(seen(() => new JournalReader([bytesOf(text)]).history())).toEqual(seen(() => parsed(text)));
      }),
      { numRuns: 300 },
    );
  });

  it("may end in the middle of a line", () => {
    const line = '{"index":0,"time":0,"process":0,"type":"invoke","f":"read","value":null}';
    for (const torn of [
      '{"index":1,"ti',
      '{"index":1,"time":0,"process":0,"type":"ok","f":"read","value":"é',
    ]) {
      const reader = new JournalReader(pieces(bytesOf(`${line}\n\n${torn}`), 5));
      expect(reader.history().events).toEqual([JSON.parse(line)]);
      expect(reader.torn).toBe(true);
    }
    const whole = new JournalReader([bytesOf(line)]);
    expect(whole.history().events).toEqual([JSON.parse(line)]);
    expect(whole.torn).toBe(false);
  });
});
