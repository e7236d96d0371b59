/** The checker against what is known by other means: brute force over all orders, and databases built to be so. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Budget } from "../../src/checker.ts";
import { History } from "../../src/history/history.ts";
import type { Json, Op } from "../../src/history/op.ts";
import { analyseLists, analyseRegisters } from "./analysis.ts";
import { type Isolation, simulateDatabase } from "./testdata/simulated-database.ts";
import type { MicroOp, TransactionSignature } from "./transaction.ts";

const STEPS = 1_000_000;

/** A transaction that is ok: when it began and ended, and who ran it. */
interface Committed {
  readonly ops: readonly MicroOp[];
  readonly process: number;
  readonly invoked: number;
  readonly completed: number;
}

type Apply = (state: Json, op: MicroOp) => Json;
const append: Apply = (state, [, , value]) => [...((state ?? []) as readonly Json[]), value];
const write: Apply = (_, [, , value]) => value;

function* permutations<T>(items: readonly T[]): Generator<readonly T[]> {
  if (items.length === 0) yield [];
  for (let i = 0; i < items.length; i++)
    for (const rest of permutations([...items.slice(0, i), ...items.slice(i + 1)]))
      yield [items[i] as T, ...rest];
}

const same = (a: Json, b: Json): boolean =>
  JSON.stringify(Array.isArray(a) && a.length === 0 ? null : (a ?? null)) ===
  JSON.stringify(Array.isArray(b) && b.length === 0 ? null : (b ?? null));

/** The state after a transaction that begins in another; undefined if it cannot have read what it did. */
function run(
  state: ReadonlyMap<Json, Json>,
  ops: readonly MicroOp[],
  apply: Apply,
): Map<Json, Json> | undefined {
  const next = new Map(state);
  for (const op of ops) {
    if (op[0] === "range") {
      const found = new Map(op[2]?.map(([key, value]) => [key, value]));
      const [from, to] = op[1] as readonly [string, string];
      const keys = ["x", "y"].filter((key) => key >= from && key < to);
      if (keys.some((key) => !same(next.get(key) ?? null, found.get(key) ?? null))) return undefined;
      continue;
    }
    const [f, key, value] = op;
    if (f !== "r") next.set(key, apply(next.get(key) ?? null, op));
    else if (!same(next.get(key) ?? null, value)) return undefined;
  }
  return next;
}

function isSerial(order: readonly Committed[], apply: Apply): boolean {
  let state: Map<Json, Json> | undefined = new Map();
  for (const { ops } of order) state = state && run(state, ops, apply);
  return state !== undefined;
}

type Before = (a: Committed, b: Committed) => boolean;
const never: Before = () => false;
const inProcess: Before = (a, b) => a.process === b.process && a.completed < b.invoked;
const inTime: Before = (a, b) => a.completed < b.invoked;

const respects = (order: readonly Committed[], before: Before): boolean =>
  order.every((a, i) => order.slice(i + 1).every((b) => !before(b, a)));

function isSerializable(all: readonly Committed[], apply: Apply, before: Before): boolean {
  for (const order of permutations(all)) if (respects(order, before) && isSerial(order, apply)) return true;
  return false;
}

/** Each reads from the state after some earlier commit; no two that write the same key miss each other. */
function isSnapshotIsolated(all: readonly Committed[], before: Before): boolean {
  for (const order of permutations(all)) {
    if (!respects(order, before)) continue;
    const states: Map<Json, Json>[] = [new Map()];
    for (const { ops } of order) {
      const last = new Map(states.at(-1));
      for (const op of ops) if (op[0] === "append") last.set(op[1], append(last.get(op[1]) ?? null, op));
      states.push(last);
    }
    const fits = order.every((t, i) => {
      const keys = new Set<Json>(t.ops.flatMap(([f, key]) => (f === "append" ? [key] : [])));
      for (let snapshot = 0; snapshot <= i; snapshot++) {
        if (order.slice(snapshot, i).some((other) => before(other, t))) continue;
        const missed = order
          .slice(snapshot, i)
          .some(({ ops }) => ops.some(([f, key]) => f === "append" && keys.has(key)));
        if (!missed && run(states[snapshot] as Map<Json, Json>, t.ops, append) !== undefined) return true;
      }
      return false;
    });
    if (fits) return true;
  }
  return false;
}

function historyOf(all: readonly Committed[]): History<TransactionSignature> {
  const events: Op[] = [];
  const end = Math.max(...all.map(({ completed }) => completed));
  for (let now = 0; now <= end; now++)
    for (const { ops, process, invoked, completed } of all) {
      const common = { index: events.length, time: now, process, f: "txn" };
      if (invoked === now) {
        const asked = ops.map((op) => (op[0] === "r" || op[0] === "range" ? [op[0], op[1], null] : op));
        events.push({ ...common, type: "invoke", value: asked } as unknown as Op);
      } else if (completed === now) events.push({ ...common, type: "ok", value: ops } as unknown as Op);
    }
  return new History(events) as unknown as History<TransactionSignature>;
}

/** Where each of two processes runs its transactions one after another, at times drawn. */
function schedule(bodies: readonly (readonly MicroOp[])[], draws: readonly number[]): Committed[] {
  const free = [0, 0, 0];
  let instant = 0;
  const times = new Map<number, number>();
  const at = (time: number): number => time * 100 + instant++;
  const all = bodies.map((ops, i) => {
    const process = i % 3;
    const invoked = at((free[process] as number) + ((draws[2 * i] as number) % 4));
    const completed = at(Math.floor(invoked / 100) + 1 + ((draws[2 * i + 1] as number) % 4));
    free[process] = Math.floor(completed / 100) + 1;
    return { ops, process, invoked, completed };
  });
  // As few instants as possible, in the same order.
  for (const time of all.flatMap(({ invoked, completed }) => [invoked, completed]).sort((a, b) => a - b))
    times.set(time, times.size);
  return all.map((t) => ({
    ...t,
    invoked: times.get(t.invoked) as number,
    completed: times.get(t.completed) as number,
  }));
}

/** What one transaction does with two keys: reads, appends, or first the one and then the other. */
const shape = fc.array(fc.tuple(fc.constantFrom("x", "y"), fc.constantFrom("r", "w", "rw"), fc.nat(3)), {
  minLength: 1,
  maxLength: 2,
});
const cases = fc.tuple(
  fc.array(shape, { minLength: 3, maxLength: 5 }),
  fc.array(fc.nat(99), { minLength: 40, maxLength: 40 }),
);

/** A read of one key, or of a range with this key alone. */
function reading(key: string, seen: Json, range: boolean): MicroOp {
  const nothing = seen === null || (Array.isArray(seen) && seen.length === 0);
  return range ? ["range", [key, `${key}~`], nothing ? [] : [[key, seen]]] : ["r", key, seen];
}

/** Reads show some prefix of one order of all appends; in the end somebody reads everything. */
function drawLists(
  shapes: readonly (readonly (readonly [string, string, number])[])[],
  draws: readonly number[],
): Committed[] {
  const orders = new Map<string, number[]>([
    ["x", []],
    ["y", []],
  ]);
  let next = 1;
  const appended = shapes.map((ops) => {
    const done = new Set<string>();
    return ops
      .filter(([key]) => !done.has(key) && done.add(key))
      .map(([key, f, draw]) => ({ key, f, draw, element: next++ }));
  });
  for (const ops of appended)
    for (const { key, f, element } of ops)
      if (f !== "r") {
        const order = orders.get(key) as number[];
        order.splice((draws[element % draws.length] as number) % (order.length + 1), 0, element);
      }
  const bodies: MicroOp[][] = appended.map((ops) =>
    ops.flatMap(({ key, f, draw, element }): MicroOp[] => {
      const order = orders.get(key) as number[];
      const own = order.indexOf(element);
      const seen = order.slice(0, Math.min(draw, f === "rw" ? own : order.length));
      return [
        ...(f === "w" ? [] : [reading(key, seen, draw % 2 === 0)]),
        ...(f === "r" ? [] : [["append", key, element] as const]),
      ];
    }),
  );
  bodies.push([...orders].map(([key, order]) => ["r", key, order] as const));
  return schedule(bodies, draws);
}

/** Reads show nothing or anything that somebody wrote. */
function drawRegisters(
  shapes: readonly (readonly (readonly [string, string, number])[])[],
  draws: readonly number[],
): Committed[] {
  let next = 1;
  const written = new Map<string, number[]>([
    ["x", []],
    ["y", []],
  ]);
  const numbered = shapes.map((ops) => {
    const done = new Set<string>();
    return ops
      .filter(([key]) => !done.has(key) && done.add(key))
      .map(([key, f, draw]) => {
        if (f !== "r") written.get(key)?.push(next);
        return { key, f, draw, value: next++ };
      });
  });
  const bodies = numbered.map((ops) =>
    ops.flatMap(({ key, f, draw, value }): MicroOp[] => {
      const others = [null, ...(written.get(key) as number[]).filter((v) => v !== value)];
      const seen = others[draw % others.length] as Json;
      return [
        ...(f === "w" ? [] : [reading(key, seen, draw % 2 === 0)]),
        ...(f === "r" ? [] : [["w", key, value] as const]),
      ];
    }),
  );
  return schedule(bodies, draws);
}

describe("brute force", () => {
  it("agrees on lists whose order is known: serializable in three strengths, snapshot isolation in three", () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(cases, ([shapes, draws]) => {
        const all = drawLists(shapes, draws);
        const { ruledOut } = analyseLists(historyOf(all), new Budget(STEPS));
        const expected = {
          serializable: isSerializable(all, append, never),
          "strong-session-serializable": isSerializable(all, append, inProcess),
          "strict-serializable": isSerializable(all, append, inTime),
          "snapshot-isolation": isSnapshotIsolated(all, never),
          "strong-session-snapshot-isolation": isSnapshotIsolated(all, inProcess),
          "strong-snapshot-isolation": isSnapshotIsolated(all, inTime),
        };
        const found = Object.fromEntries(Object.keys(expected).map((model) => [model, !ruledOut.has(model)]));
        seen.add(JSON.stringify(expected));
        expect(found).toEqual(expected);
      }),
      { numRuns: 250, seed: 1 },
    );
    expect(seen.size).toBeGreaterThan(3);
  });

  it("never refutes registers that some order explains, and refutes most of the others", () => {
    let refuted = 0;
    let wrong = 0;
    fc.assert(
      fc.property(cases, ([shapes, draws]) => {
        const all = drawRegisters(shapes, draws);
        const { ruledOut } = analyseRegisters(historyOf(all), new Budget(STEPS));
        for (const [model, before] of [
          ["serializable", never],
          ["strong-session-serializable", inProcess],
          ["strict-serializable", inTime],
        ] as const) {
          const right = isSerializable(all, write, before);
          if (right) expect(ruledOut.has(model)).toBe(false);
          else {
            wrong++;
            if (ruledOut.has(model)) refuted++;
          }
        }
      }),
      { numRuns: 250, seed: 2 },
    );
    expect(wrong).toBeGreaterThan(100);
    expect(refuted / wrong).toBeGreaterThan(0.9);
  });
});

describe("a database with", () => {
  const expectations: readonly (readonly [Isolation, holds: string, broken: string])[] = [
    ["strict-serializable", "strict-serializable", "nothing"],
    ["snapshot-isolation", "strong-snapshot-isolation", "serializable"],
    ["stale-snapshot", "snapshot-isolation", "strict-serializable"],
    ["parallel-snapshot", "parallel-snapshot-isolation", "snapshot-isolation"],
    ["prefix", "nothing", "serializable"],
  ];

  it.each(expectations)("%s is judged so: %s holds, %s does not", (isolation, holds, broken) => {
    for (const [data, analyse] of [
      ["list-append", analyseLists],
      ["rw-register", analyseRegisters],
    ] as const) {
      let refuted = 0;
      for (let seed = 0; seed < 5; seed++) {
        const history = simulateDatabase({
          data,
          isolation,
          transactions: 600,
          seed,
          keys: 6,
          writesPerKey: 30,
          concurrency: 8,
          lost: 0.05,
        });
        const { ruledOut, committed } = analyse(history, new Budget(STEPS));
        expect(committed).toBeGreaterThan(100);
        expect(ruledOut.has(holds)).toBe(false);
        if (ruledOut.has(broken)) refuted++;
      }
      if (data === "list-append") expect(refuted).toBe(broken === "nothing" ? 0 : 5);
    }
  });

  it("an isolation of its own gives the same history for the same seed", () => {
    const options = {
      data: "list-append",
      isolation: "prefix",
      transactions: 50,
      seed: 3,
      keys: 3,
      writesPerKey: 9,
      concurrency: 4,
    } as const;
    expect(simulateDatabase(options).events).toEqual(simulateDatabase(options).events);
    expect(simulateDatabase({ ...options, seed: 4 }).events).not.toEqual(simulateDatabase(options).events);
  });
});
