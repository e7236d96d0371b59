import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ColumnsBuilder } from "./columns.ts";
import { History } from "./history.ts";
import { parseEvents } from "./notation.ts";
import { type Json, NEMESIS, type Op } from "./op.ts";

const json = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as Json);

/** Well-formed lists of events: each draw either completes an operation of one of the threads or invokes one. */
const wellFormed = fc
  .array(
    fc.record({
      thread: fc.integer({ min: NEMESIS, max: 4 }),
      type: fc.constantFrom("ok" as const, "fail" as const, "info" as const),
      f: fc.constantFrom("read", "write"),
      key: fc.option(fc.constantFrom("x", "y"), { nil: undefined }),
      node: fc.option(fc.constantFrom("n1", "n2"), { nil: undefined }),
      error: fc.constantFrom("timeout", "refused", ""),
      value: json,
    }),
    { maxLength: 40, size: "max" },
  )
  .map((draws) => {
    const open = new Map<number, Op>();
    const processes = [0, 1, 2, 3, 4];
    return draws.map(({ thread, type, f, key, node, error, value }, index): Op => {
      const process = thread === NEMESIS ? NEMESIS : (processes[thread] as number);
      const names = { ...(key === undefined ? {} : { key }), ...(node === undefined ? {} : { node }) };
      const invocation = open.get(process);
      if (invocation === undefined) {
        const event = { index, time: index * 7, process, type: "invoke" as const, f, value, ...names };
        open.set(process, event);
        return event;
      }
      open.delete(process);
      if (type === "info" && thread !== NEMESIS) processes[thread] = process + 5;
      if (names.key !== undefined && names.key !== invocation.key) delete names.key;
      const fields = { index, time: index * 7, process, f: invocation.f, value, ...names };
      return type === "ok" ? { ...fields, type } : { ...fields, type, error };
    });
  });

describe("ColumnsBuilder", () => {
  it("gives back every event it was fed, and the same operations as the list", () => {
    fc.assert(
      fc.property(wellFormed, (events) => {
        const builder = new ColumnsBuilder();
        for (const event of events) builder.add(event);
        const streamed = new History(builder.build());
        const listed = new History(events);
        expect(streamed.events).toEqual(events);
        expect(streamed.nemesis).toEqual(events.filter(({ process }) => process === NEMESIS));
        expect(streamed.client).toEqual(listed.client);
        for (const key of ["x", "y", "z"])
          expect(streamed.forKey(key).events).toEqual(listed.forKey(key).events);
        expect(streamed.keys()).toEqual([
          ...new Set(streamed.client.flatMap(({ key }) => (key === undefined ? [] : [key]))),
        ]);
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  it("numbers names by their first use, and rows by invocation", () => {
    const builder = new ColumnsBuilder();
    for (const event of parseEvents(`
      0@n2 invoke write(y) 5
      1    invoke read(x)
      0@n2 info   write(y) 5 ! timeout
      2@n1 invoke write(y) 6`))
      builder.add(event);
    const { columns } = builder.build();
    expect(columns).toMatchObject({
      length: 3,
      functions: ["write", "read"],
      keys: ["y", "x"],
      nodes: ["n2", "n1"],
      errors: ["timeout"],
      invokeIndex: Int32Array.of(0, 1, 3),
      completeIndex: Int32Array.of(2, -1, -1),
    });
  });

  it("needs less than a hundred bytes for an operation on numbers", () => {
    const builder = new ColumnsBuilder();
    const operations = 20_000;
    for (let i = 0; i < operations; i++) {
      const fields = { time: i, process: i % 10, f: "write", key: `k${i % 100}`, value: i };
      builder.add({ ...fields, index: 2 * i, type: "invoke" });
      builder.add({ ...fields, index: 2 * i + 1, type: "ok" });
    }
    const { columns } = builder.build();
    const bytes = Object.values(columns).reduce(
      (sum, column) => sum + (ArrayBuffer.isView(column) ? column.byteLength : 0),
      0,
    );
    expect(bytes / operations).toBeLessThan(100);
  });
});
