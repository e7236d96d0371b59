import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Call, NEMESIS, type Op, type Process } from "../history/op.ts";
import { any, concat, limit, onUpdate, phases, repeat, type Source } from "./combinators.ts";
import { imperfect, perfectInfo, simulate } from "./simulate.ts";
import { clients, eachProcess, eachThread, nemesis, onThreads, reserve } from "./threads.ts";
import { sleep } from "./timing.ts";
import { validate } from "./validate.ts";

type Register = { readonly write: { readonly in: number; readonly out: number } };

const write = (value: number): Call<Register> => ({ f: "write", value });
const endless = (value: number): Source<Register> => repeat(write(value));
const invocations = (events: readonly Op<Register>[]) => events.filter(({ type }) => type === "invoke");

/** The values each process invoked. */
function byProcess(events: readonly Op<Register>[]): ReadonlyMap<Process, readonly unknown[]> {
  const groups = new Map<Process, unknown[]>();
  for (const { process, value } of invocations(events))
    groups.set(process, [...(groups.get(process) ?? []), value]);
  return groups;
}

describe("threads apart", () => {
  it("clients and nemesis keep to their own", () => {
    const events = simulate(any(clients(endless(1)), nemesis(endless(2))), { events: 200 });
    for (const { process, value } of events) expect(value).toBe(process === NEMESIS ? 2 : 1);
    expect(new Set(events.map(({ process }) => process)).size).toBe(4);
  });

  it("onThreads hears of its own events only", () => {
    const heard = new Set<Process>();
    const listener = onUpdate<Register>(
      (current, event) => {
        heard.add(event.process);
        return current;
      },
      limit(5, endless(2)),
    );
    simulate(
      any(
        clients(limit(50, endless(1))),
        onThreads((thread) => thread === 1, listener),
      ),
    );
    expect([...heard]).toEqual([1]);
  });

  it("refuses to act where it has no thread", () => {
    expect(() => simulate(onThreads((thread) => thread === 9, endless(1)))).toThrow(
      "none of the threads [-1,0,1,2] may run this generator",
    );
  });
});

describe("a copy for each", () => {
  it("eachThread plays the source once on every thread", () => {
    const events = simulate(clients(validate(eachThread<Register>([write(1), write(2)]))), {
      completer: imperfect,
    });
    // `imperfect` ends each thread's second operation as fail, so that every process stays.
    expect([...byProcess(events)].toSorted()).toEqual([
      [0, [1, 2]],
      [1, [1, 2]],
      [2, [1, 2]],
    ]);
  });

  it("eachThread counts the nemesis if it is offered", () => {
    expect([...byProcess(simulate(eachThread(write(1)))).keys()].toSorted((a, b) => a - b)).toEqual([
      -1, 0, 1, 2,
    ]);
  });

  it("eachThread lets a thread go ahead while another waits", () => {
    const source = eachThread<Register>(({ threads }) =>
      threads[0] === 0 ? [sleep(100), write(0)] : [write(1)],
    );
    const events = invocations(simulate<Register>(clients(limit(30, source))));
    expect(events.filter(({ value }) => value === 1).length).toBeGreaterThan(15);
    expect(events.find(({ value }) => value === 0)?.time).toBe(100);
  });

  it("eachThread keeps a thread's copy when the process changes, eachProcess does not", () => {
    const source: Source<Register> = [write(1), write(2), write(3)];
    const kept = simulate(clients(eachThread(source)), { completer: perfectInfo });
    expect([...byProcess(kept)].toSorted(([a], [b]) => a - b)).toEqual(
      [0, 1, 2, 3, 4, 5, 6, 7, 8].map((p) => [p, [1 + Math.floor(p / 3)]]),
    );
    const renewed = simulate(clients(limit(9, eachProcess(source))), { completer: perfectInfo });
    expect([...byProcess(renewed).values()]).toEqual(new Array(9).fill([1]));
  });

  it("eachProcess is not over while an operation may still bring a new process", () => {
    const source = concat<Register>(limit(3, eachProcess<Register>(write(1))), write(9));
    const events = simulate(clients(source), { concurrency: 1, completer: perfectInfo });
    expect(invocations(events).map(({ value }) => value)).toEqual([1, 1, 1, 9]);
  });

  it("eachThread is over when every thread is", () => {
    const events = simulate(clients(phases(eachThread(limit(2, endless(1))), write(9))));
    expect(invocations(events).map(({ value }) => value)).toEqual([1, 1, 1, 1, 1, 1, 9]);
  });
});

describe("reserve", () => {
  const threadsOf = (events: readonly Op<Register>[], value: number, concurrency: number) =>
    [
      ...new Set(events.filter((event) => event.value === value).map(({ process }) => process % concurrency)),
    ].toSorted();

  it("divides threads up in order", () => {
    const events = simulate(
      validate(
        reserve(
          [
            [2, endless(1)],
            [1, endless(2)],
          ],
          endless(3),
        ),
      ),
      {
        concurrency: 6,
        events: 500,
        completer: imperfect,
      },
    );
    expect(threadsOf(events, 1, 6)).toEqual([0, 1]);
    expect(threadsOf(events, 2, 6)).toEqual([2]);
    expect(threadsOf(events, 3, 6)).toEqual([3, 4, 5]);
    expect(events.some(({ process }) => process === NEMESIS)).toBe(false);
  });

  it("can be nested", () => {
    const inner = reserve([[1, endless(1)]], endless(2));
    const events = simulate(reserve([[3, inner]], reserve([[1, endless(3)]], endless(4))), {
      concurrency: 6,
      events: 500,
    });
    expect([1, 2, 3, 4].map((value) => threadsOf(events, value, 6))).toEqual([[0], [1, 2], [3], [4, 5]]);
  });

  it("ends when all sources have", () => {
    expect(invocations(simulate(reserve([[1, write(1)]], [write(2), write(2)])))).toHaveLength(3);
  });

  it("refuses to run with too few threads", () => {
    expect(() => simulate(reserve([[3, endless(1)]], endless(2)), { concurrency: 3 })).toThrow(
      "reserve needs more than 3 client threads, there are 3",
    );
    expect(() => reserve([[0, endless(1)]], endless(2))).toThrow(RangeError);
  });

  it("law: groups never share a thread", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }),
        fc.nat(),
        (counts, seed) => {
          const concurrency = counts.reduce((sum, count) => sum + count, 0) + 2;
          const source = reserve(
            counts.map((count, i) => [count, endless(i)] as const),
            endless(counts.length),
          );
          const events = simulate(source, {
            concurrency,
            seed,
            completer: imperfect,
            events: 40 * concurrency,
          });
          let first = 0;
          for (const [i, count] of [...counts, 2].entries()) {
            const threads = threadsOf(events, i, concurrency);
            expect(threads.every((thread) => thread >= first && thread < first + count)).toBe(true);
            first += count;
          }
        },
      ),
      { seed: 4, numRuns: 30 },
    );
  });
});

it("one busy thread never delays another's turn", () => {
  const events = simulate(clients(eachThread(limit(10, endless(1)))), {
    completer: ({ process }) => ({ type: "ok", latency: process === 0 ? 1_000 : 1 }),
  });
  for (const process of [1, 2])
    expect(events.filter((event) => event.process === process).at(-1)?.time).toBeLessThanOrEqual(10);
});
