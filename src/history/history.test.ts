import { describe, expect, it } from "vitest";
import { History, MalformedHistory, type Operation } from "./history.ts";
import { parseEvents, parseHistory } from "./notation.ts";
import type { Op } from "./op.ts";

type Register = {
  readonly read: { readonly in: null; readonly out: number | null };
  readonly write: { readonly in: number; readonly out: number };
};

const registers = `
  0@n1    invoke write(x) 1
  1       invoke read(y)
  nemesis invoke start-kill "leader"
  0@n1    ok     write(x) 1
  nemesis info   start-kill "leader" ! no leader
  1       fail   read(y) ! refused
  2       invoke read(x)
  0       invoke write(y) 2
  2       ok     read(x) 1
  0       info   write(y) 2 ! timeout
  1       invoke read
  nemesis invoke heal-kill
`;

describe("pairing", () => {
  const history = parseHistory<Register>(registers);

  it("makes one operation of an invocation and its completion", () => {
    expect(history.client[0]).toEqual({
      f: "write",
      key: "x",
      process: 0,
      node: "n1",
      input: 1,
      invokeIndex: 0,
      invokeTime: 0,
      completeIndex: 3,
      completeTime: 3_000_000,
      type: "ok",
      output: 1,
      error: undefined,
    });
  });

  it("lists client operations by invocation", () => {
    expect(history.client.map(({ process, f, type }) => `${process} ${f} ${type}`)).toEqual([
      "0 write ok",
      "1 read fail",
      "2 read ok",
      "0 write info",
      "1 read info",
    ]);
  });

  it("leaves an open operation unknown for ever", () => {
    expect(history.client[4]).toMatchObject({
      type: "info",
      completeIndex: Number.POSITIVE_INFINITY,
      completeTime: Number.POSITIVE_INFINITY,
      error: "no completion",
    });
  });

  it("keeps the error of a failed operation", () => {
    expect(history.client[1]).toMatchObject({ type: "fail", output: undefined, error: "refused" });
  });

  it("is ready for the empty history", () => {
    const none = new History([]);
    expect([none.client, none.nemesis, none.keys(), none.byFunction("read")]).toEqual([[], [], [], []]);
  });
});

describe("views", () => {
  const history = parseHistory<Register>(registers);

  it("sets the nemesis's events apart", () => {
    expect(history.nemesis.map(({ index }) => index)).toEqual([2, 4, 11]);
  });

  it("lists keys by first use and leaves out operations without one", () => {
    expect(history.keys()).toEqual(["x", "y"]);
  });

  it("cuts out one key, with the indexes of the whole", () => {
    const part = history.forKey("y");
    expect(part.events.map(({ index }) => index)).toEqual([1, 5, 7, 9]);
    expect(part.client.map(({ invokeIndex }) => invokeIndex)).toEqual([1, 7]);
    expect(part.nemesis).toEqual([]);
    expect(part.keys()).toEqual(["y"]);
    expect(part.byFunction("read")).toHaveLength(1);
  });

  it("gives an empty part for a key never used", () => {
    expect(history.forKey("z").events).toEqual([]);
  });

  it("selects operations of one function", () => {
    expect(history.byFunction("write").map(({ input }) => input)).toEqual([1, 2]);
  });

  it("computes each view once", () => {
    expect(history.client).toBe(history.client);
    expect(history.forKey("x")).toBe(history.forKey("x"));
    expect(history.byFunction("read")).toBe(history.byFunction("read"));
  });
});

describe("what is no history", () => {
  it.each([
    [
      "a completion out of nothing",
      "0 ok read 1",
      "event 0 (process 0, ok read): completes, but nothing is pending",
    ],
    [
      "two completions",
      "0 invoke read\n0 ok read 1\n0 ok read 1",
      "event 2 (process 0, ok read): completes, but nothing is pending",
    ],
    [
      "two operations at once",
      "0 invoke read\n0 invoke read",
      "event 1 (process 0, invoke read): invoked while its operation of event 0 is pending",
    ],
    [
      "another function's completion",
      "0 invoke read\n0 ok write 1",
      "event 1 (process 0, ok write): completes event 0, which invoked read",
    ],
    [
      "another key's completion",
      "0 invoke read(x)\n0 ok read(y) 1",
      "event 1 (process 0, ok read): completes event 0 with key y instead of x",
    ],
    [
      "a process risen from the dead",
      "7 invoke read\n7 info read ! timeout\n7 invoke read",
      "event 2 (process 7, invoke read): the process ended as info before and cannot be used again",
    ],
    [
      "an overlapping fault",
      "nemesis invoke start-kill\nnemesis invoke heal-kill",
      "event 1 (the nemesis, invoke heal-kill): invoked while its operation of event 0 is pending",
    ],
  ])("%s", (_, text, message) => {
    expect(() => new History(parseEvents(text))).toThrow(MalformedHistory);
    expect(() => new History(parseEvents(text))).toThrow(message);
  });

  it("indexes that skip", () => {
    const [first, second] = parseEvents("0 invoke read\n0 ok read 1") as [Op, Op];
    expect(() => new History([first, { ...second, index: 2 }])).toThrow(
      "event 1 (process 0, ok read): has index 2",
    );
    expect(() => new History([second, first])).toThrow("event 0 (process 0, ok read): has index 1");
  });

  it("but a process goes on after fail, and the nemesis after info", () => {
    const text =
      "0 invoke read\n0 fail read ! no\n0 invoke read\nnemesis invoke a\nnemesis info a ! x\nnemesis invoke a";
    expect(parseHistory(text).events).toHaveLength(6);
  });
});

it("tells operations apart by function and outcome", () => {
  const describeOperation = (operation: Operation<Register>): string => {
    if (operation.type !== "ok") {
      const error: string = operation.error;
      return error;
    }
    if (operation.f === "write") {
      const written: number = operation.input;
      // @ts-expect-error: a write takes a number.
      const wrong: string = operation.input;
      return `${written}${wrong}`;
    }
    const read: number | null = operation.output;
    // @ts-expect-error: a read may find nothing.
    const certain: number = operation.output;
    return `${read}${certain}`;
  };
  const history = parseHistory<Register>("0 invoke read\n0 ok read 1\n0 invoke read\n0 fail read ! no");
  expect(history.client.map(describeOperation)).toEqual(["11", "no"]);
  // @ts-expect-error: registers cannot be deleted.
  expect(history.byFunction("delete")).toEqual([]);
});

it("takes long histories", () => {
  const events: Op[] = [];
  for (let i = 0; i < 50_000; i++) {
    const fields = { time: i, process: i % 10, f: "write", key: `k${i % 100}`, value: i };
    events.push({ ...fields, index: 2 * i, type: "invoke" }, { ...fields, index: 2 * i + 1, type: "ok" });
  }
  const history = new History(events);
  expect(history.client).toHaveLength(50_000);
  expect(history.forKey("k7").client).toHaveLength(500);
  expect(history.forKey("k7").events).toHaveLength(1_000);
});
