import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Call, NEMESIS, type Op } from "../history/op.ts";
import {
  any,
  concat,
  concurrencyLimit,
  cycle,
  empty,
  filter,
  fMap,
  limit,
  map,
  mix,
  once,
  onUpdate,
  phases,
  processLimit,
  repeat,
  type Source,
  synchronize,
  untilOk,
  weightedMix,
} from "./combinators.ts";
import type { OpGenerator } from "./generator.ts";
import { imperfect, LATENCY, perfect, perfectInfo, quick, simulate } from "./simulate.ts";
import { clients, eachThread, nemesis, onThreads, reserve } from "./threads.ts";
import { sleep } from "./timing.ts";
import { log, trace } from "./trace.ts";
import { validate } from "./validate.ts";

type Register = {
  readonly read: { readonly in: null; readonly out: number | null };
  readonly write: { readonly in: number; readonly out: number };
};

const read: Call<Register> = { f: "read", value: null };
const write = (value: number): Call<Register> => ({ f: "write", value });
const writes: Source<Register> = ({ random }) => write(random.fork("value").below(100));

const invocations = (events: readonly Op<Register>[]) => events.filter(({ type }) => type === "invoke");
const values = (events: readonly Op<Register>[]) => invocations(events).map(({ value }) => value);
/** The values a source writes on client threads, one at a time. */
const sequence = (source: Source<Register>, events = 1_000) =>
  values(simulate(clients(validate(source)), { completer: quick, events }));

describe("sources", () => {
  it("a call is one operation", () => {
    expect(simulate(clients<Register>(read))).toMatchObject([
      { type: "invoke", f: "read", time: 0 },
      { type: "ok", f: "read", time: LATENCY },
    ]);
  });

  it("a list is its items in order, nested or not", () => {
    expect(sequence([write(1), [write(2), [], write(3)], once(repeat(write(4)))])).toEqual([1, 2, 3, 4]);
  });

  it("a function is asked until it gives nothing", () => {
    expect(
      values(
        simulate(
          clients<Register>(({ time }) => (time < 25 ? write(time) : undefined)),
          { concurrency: 1 },
        ),
      ),
    ).toEqual([0, 10, 20]);
  });

  it("each answer of a function is played to its end", () => {
    expect(sequence(limit(5, () => [write(1), write(2)]))).toEqual([1, 2, 1, 2, 1]);
  });

  it("empty does nothing", () => {
    expect(simulate(empty)).toEqual([]);
  });

  it("spreads operations over all threads", () => {
    const processes = new Set(
      simulate(clients(repeat<Register>(read)), { concurrency: 5, events: 100 }).map((e) => e.process),
    );
    expect([...processes].sort()).toEqual([0, 1, 2, 3, 4]);
  });
});

describe("how many", () => {
  it("limit ends after so many operations", () => {
    expect(sequence(limit(3, repeat(write(1))))).toEqual([1, 1, 1]);
    expect(sequence(limit(0, write(1)))).toEqual([]);
    expect(sequence(limit(3, write(1)))).toEqual([1]);
    expect(() => limit(-1, read)).toThrow(RangeError);
    expect(() => limit(1.5, read)).toThrow(RangeError);
  });

  it("repeat repeats the first operation, cycle the whole", () => {
    expect(sequence(limit(4, repeat([write(1), write(2)])))).toEqual([1, 1, 1, 1]);
    expect(sequence(limit(5, cycle([write(1), write(2)])))).toEqual([1, 2, 1, 2, 1]);
    expect(sequence(cycle([]))).toEqual([]);
    expect(sequence(repeat([]))).toEqual([]);
  });

  it("repeat forgets what the operation waited for", () => {
    const times = simulate(clients(limit(3, repeat<Register>([sleep(100), read]))), { completer: quick });
    expect(invocations(times).map(({ time }) => time)).toEqual([100, 200, 300]);
  });

  it("concat goes on at once, synchronize waits for idle threads", () => {
    const twice = (second: Source<Register>) =>
      invocations(simulate(clients(concat(write(1), second)))).map(({ time }) => time);
    expect(twice(write(2))).toEqual([0, 0]);
    expect(twice(synchronize(write(2)))).toEqual([0, LATENCY]);
  });

  it("phases never overlap", () => {
    const events = simulate(
      clients(phases<Register>(limit(5, repeat(write(1))), limit(5, repeat(write(2))))),
      {
        completer: imperfect,
      },
    );
    const last = events.findLastIndex(({ value, type }) => value === 1 && type !== "invoke");
    const first = events.findIndex(({ value }) => value === 2);
    expect(values(events)).toEqual([1, 1, 1, 1, 1, 2, 2, 2, 2, 2]);
    expect(last).toBe(first - 1);
  });

  it("concurrencyLimit bounds what is under way, and only of its own", () => {
    const events = simulate(
      clients(any<Register>(concurrencyLimit(2, repeat(write(1))), limit(20, repeat(read)))),
      {
        concurrency: 6,
        completer: imperfect,
        events: 400,
      },
    );
    let underWay = 0;
    let most = 0;
    for (const event of events) {
      if (event.f !== "write") continue;
      underWay += event.type === "invoke" ? 1 : -1;
      most = Math.max(most, underWay);
    }
    expect(most).toBe(2);
  });

  it("processLimit stays with the first processes until they are gone", () => {
    const endless = clients(processLimit(4, repeat<Register>(read)));
    const retired = simulate(endless, { concurrency: 2, completer: perfectInfo });
    expect(new Set(retired.map(({ process }) => process)).size).toBe(4);
    expect(invocations(retired)).toHaveLength(4);
    const loyal = simulate(endless, { concurrency: 10, events: 200 });
    expect(new Set(loyal.map(({ process }) => process)).size).toBe(4);
    expect(loyal).toHaveLength(200);
  });

  it("processLimit leaves reserved threads where they are", () => {
    const source = processLimit(2, reserve<Register>([[2, repeat(write(1))]], repeat(read)));
    const events = simulate(clients(source), { concurrency: 6, completer: imperfect, events: 300 });
    expect(new Set(events.map(({ process }) => process)).size).toBe(2);
    for (const { f, process } of events) expect(f).toBe(process < 2 ? "write" : "read");
  });

  it("processLimit ends when what is left belongs to other threads", () => {
    const source = processLimit(2, eachThread<Register>(limit(3, repeat(read))));
    expect(invocations(simulate(clients(source), { concurrency: 5 }))).toHaveLength(6);
  });
});

describe("choice", () => {
  const shares = (events: readonly Op<Register>[]) => {
    const reads = events.filter(({ type, f }) => type === "invoke" && f === "read").length;
    return reads / invocations(events).length;
  };

  it("mix draws evenly, weightedMix by weight", () => {
    const run = (source: Source<Register>) => shares(simulate(clients(source), { events: 8_000, seed: 5 }));
    expect(run(mix(repeat(read), writes))).toBeCloseTo(0.5, 1);
    expect(run(weightedMix([3, repeat(read)], [1, writes]))).toBeCloseTo(0.75, 1);
    expect(run(weightedMix([0, repeat(read)], [1, writes]))).toBe(0);
  });

  it.each([
    ["mix", mix<Register>],
    ["any", any<Register>],
  ])("%s inside itself draws for itself", (_, choose) => {
    const constant = (value: number) => repeat<Register>(write(value));
    const nested = choose(choose(constant(1), constant(2)), choose(constant(3), constant(4)));
    const counts = new Map<unknown, number>();
    for (const value of values(simulate(clients(nested), { events: 8_000 })))
      counts.set(value, (counts.get(value) ?? 0) + 1);
    expect(counts.size).toBe(4);
    for (const count of counts.values()) expect(count / 4_000).toBeCloseTo(0.25, 1);
  });

  it("mix uses every branch up", () => {
    const events = sequence(mix(limit(3, repeat(write(1))), limit(5, repeat(write(2)))));
    expect(events.toSorted()).toEqual([1, 1, 1, 2, 2, 2, 2, 2]);
    expect(sequence(mix())).toEqual([]);
  });

  it("mix is not held up by a branch that waits", () => {
    const source = clients(mix<Register>([sleep(1_000), read], limit(5, repeat(write(1)))));
    const events = invocations(simulate(source, { concurrency: 1 }));
    expect(events.map(({ time }) => time)).toEqual([0, 10, 20, 30, 40, 1_000]);
  });

  it("any takes whoever is ready, and each branch keeps its own time", () => {
    const source = any<Register>(
      clients([sleep(25), write(1)]),
      clients([sleep(12), write(2)]),
      clients(limit(3, repeat(write(0)))),
    );
    const events = invocations(simulate(source, { concurrency: 1 }));
    expect(events.map(({ value }) => value).toSorted()).toEqual([0, 0, 0, 1, 2]);
    expect(events.find(({ value }) => value === 2)?.time).toBeGreaterThanOrEqual(12);
    expect(events.find(({ value }) => value === 1)?.time).toBeGreaterThanOrEqual(25);
  });

  it("any wakes up for the branch that wants to go first", () => {
    const source = any<Register>(clients([sleep(500), write(1)]), nemesis([sleep(200), write(2)]));
    expect(invocations(simulate(source)).map(({ time, process }) => [time, process === NEMESIS])).toEqual([
      [200, true],
      [500, false],
    ]);
  });

  it("any lets branches that are always ready share", () => {
    const events = values(simulate(clients(any(repeat(write(1)), repeat(write(2)))), { events: 2_000 }));
    expect(events.filter((value) => value === 1).length / events.length).toBeCloseTo(0.5, 1);
  });
});

describe("reactions", () => {
  it("untilOk tries until one of its own operations works", () => {
    const events = simulate(
      onThreads((thread) => thread === 0, untilOk(repeat<Register>(read))),
      {
        completer: (_, count) => ({ type: count < 4 ? "fail" : "ok", latency: 5 }),
      },
    );
    expect(events.filter(({ type }) => type !== "invoke").map(({ type }) => type)).toEqual([
      "fail",
      "fail",
      "fail",
      "fail",
      "ok",
    ]);
  });

  it("untilOk ignores the success of others", () => {
    const source = any<Register>(
      onThreads((thread) => thread === 0, untilOk(repeat(write(1)))),
      onThreads((thread) => thread === 1, limit(3, repeat(read))),
    );
    const events = simulate(source, {
      completer: ({ f }, count) => ({ type: f === "read" || count === 5 ? "ok" : "fail", latency: 3 }),
    });
    expect(events.filter(({ f, type }) => f === "write" && type === "invoke")).toHaveLength(6);
  });

  it("onUpdate can change course", () => {
    const source = onUpdate<Register>(
      (current, event) => (event.type === "ok" && event.index > 4 ? once(write(9)) : current),
      repeat(write(1)),
    );
    expect(values(simulate(onThreads((thread) => thread === 0, source)))).toEqual([1, 1, 1, 9]);
  });

  it("later phases hear of earlier ones", () => {
    const heard: number[] = [];
    const listener = onUpdate<Register>((current, event) => {
      heard.push(event.index);
      return current;
    }, read);
    simulate(clients(phases<Register>(write(1), listener)));
    expect(heard).toEqual([0, 1, 2, 3]);
  });
});

describe("changes", () => {
  it("map changes calls", () => {
    const doubled = map<Register>(
      (call) => (call.f === "write" ? write(call.value * 2) : call),
      [write(1), write(2), read],
    );
    expect(sequence(doubled)).toEqual([2, 4, null]);
  });

  it("fMap renames outward, and back for what is heard", () => {
    const heard: string[] = [];
    const source = onUpdate<Register>((current, event) => {
      heard.push(`${event.type} ${event.f}`);
      return current;
    }, write(1));
    const renamed = fMap({ write: "put" }, source);
    expect(simulate(clients(renamed)).map(({ f }) => f)).toEqual(["put", "put"]);
    expect(heard).toEqual(["invoke write", "ok write"]);
  });

  it("filter leaves calls out, and gives up in the end", () => {
    const even = (call: Call<Register>) => call.f === "write" && call.value % 2 === 0;
    expect(sequence(filter(even, [write(1), write(2), read, write(4)]))).toEqual([2, 4]);
    const drawn = sequence(filter(even, writes), 200) as number[];
    expect(drawn.every((value) => value % 2 === 0)).toBe(true);
    expect(() => sequence(filter(even, repeat(write(1))))).toThrow("rejected 10000 calls in a row");
  });

  it("log writes once, in its turn", () => {
    const lines: string[] = [];
    const sink = (line: string) => lines.push(line);
    expect(values(simulate(clients<Register>([write(1), log(sink, "half"), write(2)])))).toEqual([1, 2]);
    expect(lines).toEqual(["half"]);
  });

  it("trace tells what was asked and answered, and changes nothing", () => {
    const lines: string[] = [];
    const traced = trace<Register>((line) => lines.push(line), "w", write(1));
    expect(simulate(clients(traced))).toEqual(simulate(clients<Register>(write(1))));
    expect(lines[0]).toContain('w at 0, free [0,1,2]: {"kind":"op","at":0');
    expect(lines.some((line) => line.includes('event: {"index":0'))).toBe(true);
  });
});

/** Generators of all shapes, bounded in length. */
const { tree } = fc.letrec<{ tree: Source<Register>; leaf: Source<Register> }>((tie) => ({
  leaf: fc.oneof(
    fc.nat(9).map((value) => write(value)),
    fc.constantFrom(read, [], writes),
    fc.nat(50).map((duration) => [sleep(duration), read] as Source<Register>),
  ),
  tree: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    tie("leaf"),
    fc.array(tie("tree"), { maxLength: 3 }),
    fc.array(tie("tree"), { minLength: 1, maxLength: 3 }).map((branches) => mix(...branches)),
    fc.array(tie("tree"), { minLength: 1, maxLength: 3 }).map((branches) => any(...branches)),
    fc.array(tie("tree"), { maxLength: 3 }).map((branches) => phases(...branches)),
    tie("tree").map((source) => eachThread(limit(3, source))),
    tie("tree").map((source) => untilOk(source)),
    fc.tuple(fc.integer({ min: 1, max: 4 }), tie("tree")).map(([n, source]) => concurrencyLimit(n, source)),
    fc.tuple(fc.integer({ min: 1, max: 4 }), tie("tree")).map(([n, source]) => processLimit(n, source)),
    fc.tuple(fc.nat(20), tie("tree")).map(([n, source]) => limit(n, source)),
  ),
}));

describe("laws", () => {
  const settings = { seed: 7, numRuns: 200 };

  it("next is pure, and every step keeps the contract", () => {
    fc.assert(
      fc.property(tree, fc.nat(), (source, seed) => {
        simulate(clients(limit(40, validate(source))), { seed, completer: imperfect });
      }),
      settings,
    );
  });

  it("the same seed gives the same events", () => {
    fc.assert(
      fc.property(tree, fc.nat(), (source, seed) => {
        const run = () => simulate(clients(limit(40, source)), { seed, completer: imperfect });
        expect(run()).toEqual(run());
      }),
      settings,
    );
  });

  it("a generator is a value: playing it changes nothing", () => {
    fc.assert(
      fc.property(tree, (source) => {
        const generator = limit(40, source);
        const first = simulate(clients(generator), { completer: imperfect });
        simulate(clients(generator), { seed: 99, completer: perfect });
        expect(simulate(clients(generator), { completer: imperfect })).toEqual(first);
      }),
      settings,
    );
  });

  it("limit n gives at most n", () => {
    fc.assert(
      fc.property(tree, fc.nat(30), (source, count) => {
        expect(invocations(simulate(clients(limit(count, source)))).length).toBeLessThanOrEqual(count);
      }),
      settings,
    );
  });

  it("interleaving keeps each branch's order", () => {
    const branch = fc.array(fc.nat(9), { maxLength: 10 });
    fc.assert(
      fc.property(branch, branch, fc.nat(), fc.boolean(), (a, b, seed, drawn) => {
        const [left, right] = [a.map((n) => write(n)), b.map((n) => write(100 + n))];
        const events = values(
          simulate(clients(drawn ? mix(left, right) : any(left, right)), { seed }),
        ) as number[];
        expect(events.filter((n) => n < 100)).toEqual(a);
        expect(events.filter((n) => n >= 100).map((n) => n - 100)).toEqual(b);
      }),
      settings,
    );
  });
});

it("does not compile with a wrong call", () => {
  const right: OpGenerator<Register> = mix<Register>(read, () => write(1), limit(3, repeat(read)));
  const inferred: OpGenerator<Register> = limit(3, concat(sleep(1), { f: "read", value: null }, right));
  // @ts-expect-error: a register takes numbers.
  const value: OpGenerator<Register> = mix<Register>({ f: "write", value: "1" });
  // @ts-expect-error: a register cannot be deleted.
  const name: OpGenerator<Register> = limit<Register>(1, { f: "delete", value: null });
  // @ts-expect-error: a function of the context answers with calls of the signature.
  const answer: OpGenerator<Register> = mix<Register>(() => ({ f: "write", value: null }));
  type Counter = { readonly add: { readonly in: number; readonly out: null } };
  // @ts-expect-error: generators of different signatures do not mix.
  const mixed: OpGenerator<Register> = mix<Register>(read, once<Counter>({ f: "add", value: 1 }));
  // @ts-expect-error: the renamed function has a new name.
  const renamed: OpGenerator<Register> = fMap({ write: "put" }, right);
  expect([inferred, value, name, answer, mixed, renamed]).toHaveLength(6);
});
