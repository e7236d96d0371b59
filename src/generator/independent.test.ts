import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Call, Op } from "../history/op.ts";
import { limit, mix, onUpdate, phases, repeat, type Source, untilOk } from "./combinators.ts";
import { zipf } from "./distributions.ts";
import { concurrentKeys, everyKey, rotatingKeys, sequentialKeys } from "./independent.ts";
import { imperfect, perfectInfo, simulate } from "./simulate.ts";
import { clients, reserve } from "./threads.ts";
import { validate } from "./validate.ts";

type Register = {
  readonly read: { readonly in: null; readonly out: number | null };
  readonly write: { readonly in: number; readonly out: number };
};

const read: Call<Register> = { f: "read", value: null };
const write = (value: number): Call<Register> => ({ f: "write", value });
const load = (): Source<Register> => mix<Register>(repeat(read), repeat(write(1)));
const numbered = (position: number) => `k${position}`;
const invocations = (events: readonly Op<Register>[]) => events.filter(({ type }) => type === "invoke");
const keysOf = (events: readonly Op<Register>[]) => [...new Set(events.map(({ key }) => key))];

describe("sequential keys", () => {
  it("play one key after another", () => {
    const source = sequentialKeys<Register>(["a", "b"], (key) => [write(key.charCodeAt(0)), read]);
    expect(
      invocations(simulate(validate(source))).map(({ key, f, value }) => `${key} ${f} ${value}`),
    ).toEqual(["a write 97", "a read null", "b write 98", "b read null"]);
  });

  it("bound operations per key", () => {
    const events = invocations(simulate(sequentialKeys(["a", "b", "c"], load, { operations: 4 })));
    expect(events.map(({ key }) => key).join("")).toBe("aaaabbbbcccc");
  });

  it("bound processes per key", () => {
    const source = sequentialKeys(["a", "b"], load, { processes: 4 });
    const events = simulate(source, { concurrency: 2, completer: perfectInfo });
    for (const key of ["a", "b"])
      expect(new Set(events.filter((event) => event.key === key).map(({ process }) => process)).size).toBe(4);
  });

  it("tell a key's generator of that key alone", () => {
    const heard: string[] = [];
    const source = sequentialKeys<Register>(["a", "b"], (key) =>
      onUpdate<Register>(
        (current, event) => {
          heard.push(`${key}${event.key}`);
          return current;
        },
        limit(3, load()),
      ),
    );
    simulate(source, { completer: imperfect });
    expect([...new Set(heard)]).toEqual(["aa", "bb"]);
  });

  it("give up on keys without operations", () => {
    expect(() => simulate(sequentialKeys<Register>(numbered, () => []))).toThrow("10000 keys in a row");
  });
});

describe("concurrent keys", () => {
  it("keep each group of threads on a key of its own", () => {
    const source = concurrentKeys(2, numbered, load, { operations: 10 });
    const events = simulate(validate(source), { concurrency: 6, completer: imperfect, events: 600 });
    const groups = new Map<string, Set<number>>();
    for (const { key, process } of events) {
      const group = Math.floor((process % 6) / 2);
      groups.set(key as string, (groups.get(key as string) ?? new Set()).add(group));
    }
    expect(groups.size).toBeGreaterThan(10);
    for (const owners of groups.values()) expect(owners.size).toBe(1);
  });

  it("use every key exactly up to its limit", () => {
    const keys = ["a", "b", "c", "d", "e"];
    const events = invocations(
      simulate(concurrentKeys(2, keys, load, { operations: 7 }), { concurrency: 4 }),
    );
    for (const key of keys) expect(events.filter((event) => event.key === key)).toHaveLength(7);
  });

  it("tell each group of its own operations", () => {
    const keys = ["a", "b", "c", "d", "e"];
    const source = concurrentKeys<Register>(2, keys, () => untilOk(repeat(read)));
    const events = simulate(source, { concurrency: 7, completer: imperfect });
    for (const key of keys) {
      const own = events.filter((event) => event.key === key);
      const firstOk = own.findIndex(({ type }) => type === "ok");
      expect(firstOk).toBeGreaterThan(0);
      expect(own.slice(firstOk).every(({ type }) => type !== "invoke")).toBe(true);
    }
  });

  it("let left-over threads join in", () => {
    const events = simulate(concurrentKeys(3, numbered, load, { operations: 30 }), {
      concurrency: 8,
      events: 400,
    });
    expect(new Set(events.map(({ process }) => process)).size).toBe(8);
  });

  it("divide a group's threads with reserve", () => {
    const source = concurrentKeys<Register>(
      3,
      numbered,
      () => reserve([[1, repeat(write(1))]], repeat(read)),
      {
        operations: 20,
      },
    );
    const events = simulate(source, { concurrency: 6, events: 400 });
    for (const { f, process } of events) expect(f).toBe(process % 3 === 0 ? "write" : "read");
  });

  it("refuse to run with too few threads", () => {
    expect(() => simulate(concurrentKeys(4, numbered, load))).toThrow(
      "keys need groups of 4 client threads, there are 3",
    );
    expect(() => concurrentKeys(0, numbered, load)).toThrow(RangeError);
  });
});

describe("rotating keys", () => {
  it("keep a window of keys in use", () => {
    const events = invocations(
      simulate(limit(300, rotatingKeys(numbered, load, { active: 3, operations: 20 })), {
        completer: imperfect,
      }),
    );
    const left = new Map<string, number>();
    const seen: string[] = [];
    for (const { key } of events) {
      const name = key as string;
      if (!left.has(name)) {
        seen.push(name);
        left.set(name, 20);
        expect([...left.values()].filter((count) => count > 0).length).toBeLessThanOrEqual(3);
      }
      left.set(name, (left.get(name) as number) - 1);
    }
    expect(seen).toEqual(seen.map((_, position) => numbered(position)));
    expect(seen.length).toBeGreaterThanOrEqual(15);
    expect(Math.min(...left.values())).toBe(0);
  });

  it("can have hot keys", () => {
    const options = { active: 10, choice: zipf(10, 1.5), operations: 10_000 };
    const events = invocations(simulate(rotatingKeys(numbered, load, options), { events: 4_000 }));
    const counts = new Map<string, number>();
    for (const { key } of events) counts.set(key as string, (counts.get(key as string) ?? 0) + 1);
    const sorted = [...counts.values()].toSorted((a, b) => b - a) as [number, ...number[]];
    expect(counts.size).toBe(10);
    expect(sorted[0]).toBeGreaterThan(events.length * 0.4);
  });

  it("end with the last key", () => {
    const events = invocations(simulate(rotatingKeys(["a", "b", "c"], load, { active: 2, operations: 5 })));
    expect(events).toHaveLength(15);
  });
});

describe("a last look at every key", () => {
  it("law: every key ever used is read at the end, once, and no other", () => {
    fc.assert(
      fc.property(
        fc.record({ active: fc.integer({ min: 1, max: 4 }), operations: fc.integer({ min: 1, max: 9 }) }),
        fc.nat(120),
        fc.nat(),
        (options, count, seed) => {
          const source = phases(
            limit(
              count,
              rotatingKeys<Register>(numbered, () => repeat(write(1)), options),
            ),
            everyKey<Register>(() => read),
          );
          const events = invocations(simulate(clients(validate(source)), { seed, completer: imperfect }));
          const main = events.slice(0, count);
          const final = events.slice(count);
          expect(final.every(({ f }) => f === "read")).toBe(true);
          expect(final.map(({ key }) => key)).toEqual(keysOf(main));
        },
      ),
      { seed: 3, numRuns: 60 },
    );
  });

  it("insists, if asked to", () => {
    const final = everyKey<Register>(() => untilOk(repeat(read)));
    const source = phases(
      sequentialKeys<Register>(["a", "b"], () => write(1)),
      final,
    );
    const events = simulate(clients(source), { concurrency: 1, completer: imperfect });
    const good = events.filter(({ type, f }) => type === "ok" && f === "read").map(({ key }) => key);
    expect(good).toEqual(["a", "b"]);
  });

  it("starts every run from nothing", () => {
    const source = phases(
      sequentialKeys<Register>(["a"], () => write(1)),
      everyKey<Register>(() => read),
    );
    const first = simulate(clients(source));
    expect(simulate(clients(source))).toEqual(first);
    const alone = everyKey<Register>(() => read);
    expect(simulate(clients(alone))).toEqual([]);
  });
});

it("does not compile with a wrong call", () => {
  // @ts-expect-error: a register takes numbers.
  const wrong = sequentialKeys<Register>(["a"], (key) => ({ f: "write", value: key }));
  expect(wrong).toBeDefined();
});
