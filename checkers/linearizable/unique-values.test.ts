import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Budget } from "../../src/checker.ts";
import type { Json } from "../../src/history/op.ts";
import { type RegisterCall, register } from "../models/register.ts";
import { crossCheck, Disagreement, decide } from "./decision.ts";
import { isLinearizable } from "./exhaustive.ts";
import { isLinearization } from "./linearization.ts";
import { type Action, type Model, PENDING } from "./model.ts";
import { listed } from "./object-history.ts";
import { decideByValues } from "./unique-values.ts";

type RegisterAction = Action<RegisterCall, Json>;

const seed = 20_261_121;
const model = register(0);

/** What one operation is, when it is under way, and what is made of its answer. */
const drawn = fc.record({
  kind: fc.constantFrom("read", "read", "write", "cas", "cas"),
  start: fc.nat(99),
  toEffect: fc.nat(25),
  toEnd: fc.nat(25),
  /** How far back in the past of the register a cas looks for the value it expects. */
  age: fc.constantFrom(0, 0, 1, 2),
  fate: fc.constantFrom("answered", "answered", "answered", "lost reply", "lost request"),
  /** Another answer than the true one; 0: the true one. */
  lie: fc.constantFrom(0, 0, 0, 0, 0, 1, 2),
});
type Drawn = typeof drawn extends fc.Arbitrary<infer T> ? T : never;

/** Plays the requests against a register that begins with 0; request i writes i + 1. By invocation. */
function played(requests: readonly Drawn[]): RegisterAction[] {
  const moments = requests.flatMap(({ start, toEffect, toEnd }, i) => [
    { at: start, i, step: 0 },
    { at: start + toEffect, i, step: 1 },
    { at: start + toEffect + toEnd, i, step: 2 },
  ]);
  moments.sort((a, b) => a.at - b.at || a.i - b.i || a.step - b.step);
  const index = (i: number, step: number) =>
    moments.findIndex((moment) => moment.i === i && moment.step === step);
  const past: number[] = [0];
  const actions: RegisterAction[] = [];
  for (const { i, step } of moments) {
    if (step !== 1) continue;
    const { kind, age, fate, lie } = requests[i] as Drawn;
    const state = past.at(-1) as number;
    const expected = past.at(-1 - age) ?? 0;
    let input: RegisterCall = { f: "read", value: null };
    let output: Json = (state + lie) % (requests.length + 1);
    if (kind === "write") [input, output] = [{ f: "write", value: i + 1 }, null];
    if (kind === "cas") {
      input = { f: "cas", value: [expected, i + 1] };
      output = (expected === state) === (lie === 0);
    }
    if (fate !== "lost request" && (kind === "write" || (kind === "cas" && expected === state)))
      past.push(i + 1);
    const lost = fate !== "answered";
    actions.push({
      input,
      output: lost ? undefined : output,
      invoked: index(i, 0),
      completed: lost ? PENDING : index(i, 2),
      process: i,
      node: undefined,
    });
  }
  return actions.sort((a, b) => a.invoked - b.invoked);
}

function history(size: number): fc.Arbitrary<RegisterAction[]> {
  return fc.array(drawn, { minLength: 1, maxLength: size, size: "max" }).map(played);
}

function byValues(actions: readonly RegisterAction[]) {
  const { accesses } = listed(model, actions);
  if (accesses === undefined) throw new Error("registers are all about values");
  return decideByValues(accesses, true);
}

describe("decideByValues", () => {
  it("agrees with the definition, and leaves hardly anything open", () => {
    const counts = { linearizable: 0, violation: 0, undecided: 0 };
    fc.assert(
      fc.property(history(7), (actions) => {
        const result = byValues(actions);
        counts[result.kind]++;
        if (result.kind === "undecided") return;
        expect(result.kind).toBe(isLinearizable(model, actions) ? "linearizable" : "violation");
        if (result.kind === "linearizable") expect(isLinearization(model, actions, result.order)).toBe(true);
        else {
          // The core proves it alone: without a linearization, though no more is asked of it than was said.
          const core = result.core.map(({ position, blind }) => {
            const action = actions[position] as RegisterAction;
            return blind ? { ...action, ...model.blind?.(action.input, action.output) } : action;
          });
          expect(isLinearizable(model, core)).toBe(false);
        }
      }),
      { seed, numRuns: 3000 },
    );
    expect(Math.min(counts.linearizable, counts.violation)).toBeGreaterThan(500);
    expect(counts.undecided).toBeLessThan(30);
  });

  it("decides long histories of an honest register, and gives their order", () => {
    fc.assert(
      fc.property(
        fc.array(
          drawn.map((request) => ({ ...request, lie: 0 as const })),
          { minLength: 60, maxLength: 120, size: "max" },
        ),
        (requests) => {
          const actions = played(requests.map((request, i) => ({ ...request, start: i * 6 })));
          const result = byValues(actions);
          expect(result.kind).toBe("linearizable");
          if (result.kind === "linearizable")
            expect(isLinearization(model, actions, result.order)).toBe(true);
        },
      ),
      { seed, numRuns: 100 },
    );
  });
});

type Row = readonly [input: RegisterCall, output: Json | undefined, invoked: number, completed: number];
const read: RegisterCall = { f: "read", value: null };
const write = (value: Json): RegisterCall => ({ f: "write", value });
const cas = (from: Json, to: Json): RegisterCall => ({ f: "cas", value: [from, to] });

function actionsOf(rows: readonly Row[]): RegisterAction[] {
  return rows
    .map(([input, output, invoked, completed], process) => ({
      input,
      output,
      invoked,
      completed,
      process,
      node: undefined,
    }))
    .sort((a, b) => a.invoked - b.invoked);
}

describe("textbook cases and near misses", () => {
  it.each<[string, "linearizable" | "violation" | "undecided", readonly Row[]]>([
    [
      "a stale read",
      "violation",
      [
        [write(1), null, 0, 1],
        [write(2), null, 2, 3],
        [read, 1, 4, 5],
      ],
    ],
    [
      "the same while the newer write is under way",
      "linearizable",
      [
        [write(1), null, 0, 1],
        [write(2), null, 2, 6],
        [read, 1, 4, 5],
      ],
    ],
    [
      "two readers that see two writes in opposite orders",
      "violation",
      [
        [write(1), null, 0, 20],
        [write(2), null, 1, 21],
        [read, 1, 2, 3],
        [read, 2, 4, 5],
        [read, 1, 6, 7],
      ],
    ],
    [
      "two readers that see them in one order",
      "linearizable",
      [
        [write(1), null, 0, 20],
        [write(2), null, 1, 21],
        [read, 1, 2, 3],
        [read, 2, 4, 5],
        [read, 2, 6, 7],
      ],
    ],
    [
      "an unknown write seen, gone and seen again",
      "violation",
      [
        [write(1), undefined, 0, PENDING],
        [read, 1, 1, 2],
        [read, 0, 3, 4],
      ],
    ],
    [
      "an unknown write not seen, and seen much later",
      "linearizable",
      [
        [write(1), undefined, 0, PENDING],
        [read, 0, 1, 2],
        [read, 1, 3, 4],
      ],
    ],
    [
      "an unknown write that is too late for a read",
      "violation",
      [
        [read, 1, 0, 1],
        [write(1), undefined, 2, PENDING],
      ],
    ],
    [
      "two compare-and-sets from one value",
      "violation",
      [
        [cas(0, 1), true, 0, 5],
        [cas(0, 2), true, 1, 4],
      ],
    ],
    [
      "a compare-and-set after its outcome had been overwritten",
      "violation",
      [
        [cas(0, 1), true, 0, 1],
        [write(2), null, 2, 3],
        [cas(1, 3), true, 4, 5],
      ],
    ],
    [
      "compare-and-sets in a circle",
      "violation",
      [
        [cas(1, 2), true, 0, 5],
        [cas(2, 1), true, 1, 4],
      ],
    ],
    [
      "a chain through unknown compare-and-sets",
      "linearizable",
      [
        [cas(1, 2), undefined, 0, PENDING],
        [cas(0, 1), undefined, 1, PENDING],
        [read, 2, 2, 3],
      ],
    ],
    [
      "a chain that lacks a link",
      "violation",
      [
        [cas(1, 2), undefined, 0, PENDING],
        [read, 2, 2, 3],
      ],
    ],
    [
      "a write that falls into a chain",
      "violation",
      [
        [cas(0, 1), true, 0, 1],
        [write(3), null, 2, 3],
        [read, 3, 4, 5],
        [cas(1, 2), true, 6, 7],
      ],
    ],
    [
      "a compare-and-set that lost against the value it expected",
      "violation",
      [
        [write(1), null, 0, 1],
        [cas(1, 2), false, 2, 3],
      ],
    ],
    [
      "one that lost before that value was there",
      "linearizable",
      [
        [write(1), null, 0, 3],
        [cas(1, 2), false, 1, 2],
      ],
    ],
    [
      "one that lost against a write of unknown outcome",
      "linearizable",
      [
        [write(1), null, 0, 1],
        [write(2), undefined, 2, PENDING],
        [cas(1, 3), false, 4, 5],
      ],
    ],
    [
      "one that lost while everybody else met the value",
      "violation",
      [
        [write(1), null, 0, 1],
        [write(2), undefined, 2, PENDING],
        [cas(1, 3), false, 4, 5],
        [read, 1, 6, 7],
      ],
    ],
    [
      "one that lost against a write that nobody met, between two others",
      "linearizable",
      [
        [write(16), null, 0, 5],
        [write(18), null, 4, 10],
        [write(19), null, 6, 7],
        [cas(19, 20), false, 8, 11],
      ],
    ],
    [
      "a value that was written twice, and read",
      "undecided",
      [
        [write(1), null, 0, 1],
        [write(1), null, 2, 3],
        [read, 1, 4, 5],
      ],
    ],
    [
      "a value that was written twice, and never read",
      "linearizable",
      [
        [write(1), null, 0, 1],
        [write(1), null, 2, 3],
        [write(2), null, 4, 5],
        [read, 2, 6, 7],
      ],
    ],
  ])("%s: %s", (_, kind, rows) => {
    const actions = actionsOf(rows);
    expect(byValues(actions).kind).toBe(kind);
    if (kind === "undecided") return;
    expect(isLinearizable(model, actions)).toBe(kind === "linearizable");
    expect(decide(model, actions, new Budget(0))).toMatchObject({ kind, by: "values" });
  });
});

describe("a wrong answer", () => {
  /** Says that a compare-and-set that lost did not meet the value after the one it expected. */
  const lying: Model<Json, RegisterCall, Json> = {
    ...model,
    access(input, output) {
      const { excludes, ...access } = model.access?.(input, output) ?? {};
      return excludes === undefined ? access : { excludes: Number(excludes) + 1 };
    },
  };
  const actions = actionsOf([
    [write(2), null, 0, 1],
    [cas(1, 3), false, 2, 3],
  ]);

  it("is found out when the search is asked about the core", () => {
    expect(() => decide(lying, actions, new Budget(1000))).toThrow(Disagreement);
  });

  it("is found out in a sample", () => {
    const object = listed(model, actions);
    expect(() => crossCheck(lying, object)).toThrow(Disagreement);
    expect(() => crossCheck(model, object)).not.toThrow();
  });
});
