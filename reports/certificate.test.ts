import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { History } from "../src/history/history.ts";
import { certify } from "./certificate.ts";
import { type Certified, contradictory } from "./verifier.ts";

/** One operation as it overlapped others: `[invoked, completed]` are positions, none used twice. */
interface Done {
  readonly at: readonly [invoked: number, completed: number];
  readonly f: string;
  readonly key?: string;
  readonly input: unknown;
  readonly type: "ok" | "info" | "fail";
  readonly output?: unknown;
}

function historyOf(operations: readonly Done[]): History {
  const events = operations.flatMap(({ at, f, key, input, type, output }, process) => {
    const common = { process, f, node: "n1", ...(key === undefined ? {} : { key }) };
    const end = type === "ok" ? { value: output } : { value: input, error: "lost" };
    return [
      { at: at[0], event: { ...common, type: "invoke", value: input } },
      { at: at[1], event: { ...common, type, ...end } },
    ];
  });
  const ordered = events.sort((a, b) => a.at - b.at);
  return new History(ordered.map(({ event }, index) => ({ index, time: index, ...event })) as never);
}

const everything = (history: History) =>
  history.client.flatMap(({ invokeIndex, completeIndex }) => [invokeIndex, completeIndex]);
const anomaly = (witness: readonly number[]) => ({
  name: "n",
  guarantee: "linearizability",
  explanation: "",
  witness,
});
const certified = (checker: string, operations: readonly Done[]) => {
  const history = historyOf(operations);
  return certify(history, { checker }, anomaly(everything(history)));
};

const write = (at: Done["at"], value: number): Done => ({
  at,
  f: "write",
  key: "x",
  input: value,
  type: "ok",
  output: { revision: 1 },
});
const read = (at: Done["at"], value: number | null): Done => ({
  at,
  f: "read",
  key: "x",
  input: null,
  type: "ok",
  output: { value },
});

describe("a certificate", () => {
  it("is given for a stale read of a register", () => {
    const found = certified("linearizable", [write([0, 1], 1), write([2, 3], 2), read([4, 5], 1)]);
    expect(found?.operations.map(({ steps }) => steps)).toEqual([
      [["write", "x", 1]],
      [["write", "x", 2]],
      [["read", "x", 1]],
    ]);
  });

  it("is not given where operations overlapped, or a write may have happened later", () => {
    expect(certified("linearizable", [write([0, 1], 1), write([2, 5], 2), read([4, 6], 1)])).toBeUndefined();
    const late: Done = { ...write([0, 1], 1), type: "info" };
    expect(certified("linearizable", [late, write([2, 3], 2), read([4, 5], 1)])).toBeUndefined();
  });

  it("is not given by a part of a history that the rest explains", () => {
    const history = historyOf([write([0, 1], 1), write([2, 3], 2), write([4, 5], 1), read([6, 7], 1)]);
    const witness = [0, 1, 2, 3, 6, 7];
    expect(certify(history, { checker: "linearizable" }, anomaly(witness))).toBeUndefined();
  });

  it("is given for a cycle of list appends, and for an element that a set lost", () => {
    const txn = (at: Done["at"], ops: unknown): Done => ({
      at,
      f: "txn",
      input: ops,
      type: "ok",
      output: ops,
    });
    const skew = [
      txn(
        [0, 2],
        [
          ["r", "x", []],
          ["append", "y", 1],
        ],
      ),
      txn(
        [1, 3],
        [
          ["r", "y", []],
          ["append", "x", 2],
        ],
      ),
      txn(
        [4, 5],
        [
          ["r", "x", [2]],
          ["r", "y", [1]],
        ],
      ),
    ];
    expect(certified("list-append", skew)?.operations).toHaveLength(3);
    expect(certified("list-append", skew.slice(1))).toBeUndefined();
    const add: Done = { at: [0, 1], f: "add", input: 7, type: "ok", output: null };
    const members = (values: readonly number[]): Done => ({
      at: [2, 3],
      f: "read",
      input: null,
      type: "ok",
      output: values,
    });
    expect(certified("set", [add, members([3])])?.operations).toHaveLength(2);
    expect(certified("set", [add, members([3, 7])])).toBeUndefined();
  });

  it("is not given by checkers and workloads that it does not know", () => {
    expect(certified("watch", [write([0, 1], 1), read([2, 3], null)])).toBeUndefined();
    const other: Done = { at: [0, 1], f: "enqueue", input: 1, type: "ok", output: null };
    expect(certified("linearizable", [other, write([2, 3], 1), read([4, 5], null)])).toBeUndefined();
  });
});

/** What a correct register did: each operation took effect at one instant, of which its interval is a neighbourhood. */
const correct = fc
  .array(
    fc.record({
      kind: fc.constantFrom("read", "write", "cas", "info"),
      before: fc.integer({ min: 0, max: 30 }),
      after: fc.integer({ min: 0, max: 30 }),
      chosen: fc.boolean(),
    }),
    { minLength: 1, maxLength: 7 },
  )
  .map((drawn) => {
    let value: number | null = null;
    const operations = drawn.map(({ kind, before, after }, i): Done => {
      // Positions of one operation are unlike those of any other.
      const at = [10 * i - before + i / 100, 10 * i + 1 + after + i / 100] as const;
      const from = value;
      if (kind === "read") return read(at, value);
      value = i + 1;
      if (kind === "write") return write(at, value);
      if (kind === "info") return { ...write(at, value), type: "info" };
      return { at, f: "cas", key: "x", input: [from, value], type: "ok", output: { swapped: true } };
    });
    return { operations, chosen: drawn.map(({ chosen }) => chosen) };
  });

it("never convicts a correct register, whichever part of its history is taken for a witness", () => {
  fc.assert(
    fc.property(correct, ({ operations, chosen }) => {
      const history = historyOf(operations);
      const witness = history.client
        .filter(({ process }) => chosen[process] === true)
        .flatMap(({ invokeIndex, completeIndex }) => [invokeIndex, completeIndex]);
      expect(certify(history, { checker: "linearizable" }, anomaly(witness))).toBeUndefined();
    }),
    { numRuns: 200 },
  );
});

describe("the verifier", () => {
  const operation = (invoked: number, completed: number | null, ...steps: Certified["steps"]): Certified => ({
    invoked,
    completed,
    steps,
  });

  it("needs an order for all that certainly happened, and may leave out the rest", () => {
    const lost = operation(0, null, ["write", "x", 1]);
    expect(contradictory([lost, operation(1, 2, ["read", "x", 1])])).toBe(false);
    expect(contradictory([lost, operation(1, 2, ["read", "x", null])])).toBe(false);
    expect(contradictory([operation(0, 1, ["read", "x", 1])])).toBe(true);
    expect(contradictory([])).toBe(false);
  });

  it("takes the steps of one operation together", () => {
    const swap = (invoked: number, from: number, to: number) =>
      operation(invoked, 10 + invoked, ["read", "x", from], ["write", "x", to]);
    const start = operation(0, 1, ["write", "x", 0]);
    expect(contradictory([start, swap(2, 0, 1), swap(3, 1, 2)])).toBe(false);
    expect(contradictory([start, swap(2, 0, 1), swap(3, 0, 2)])).toBe(true);
  });
});
