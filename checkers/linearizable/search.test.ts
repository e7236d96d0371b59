import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Budget } from "../../src/checker.ts";
import type { Json } from "../../src/history/op.ts";
import { type MutexCall, mutex, type RegisterCall, register } from "../models.ts";
import { isLinearizable } from "./exhaustive.ts";
import { type Action, type Model, PENDING } from "./model.ts";
import { search } from "./search.ts";

const seed = 20_261_121;

/** Up to `size` operations with random intervals; about one in four is pending. */
function actionsOf<In, Out>(
  size: number,
  call: fc.Arbitrary<{ input: In; output: Out | undefined }>,
): fc.Arbitrary<Action<In, Out>[]> {
  const one = fc.record({ call, start: fc.nat(99), length: fc.nat(60), pending: fc.nat(3) });
  return fc.array(one, { maxLength: size }).map((drawn) => {
    // Distinct indexes: two for each operation, in the order of the times drawn.
    const times = drawn.flatMap(({ start, length }, i) => [
      { at: start, i, end: false },
      { at: start + length, i, end: true },
    ]);
    times.sort((a, b) => a.at - b.at || Number(a.end) - Number(b.end));
    const index = (i: number, end: boolean) => times.findIndex((time) => time.i === i && time.end === end);
    return drawn.map(({ call: { input, output }, pending }, i) => ({
      input,
      output: pending === 0 ? undefined : output,
      invoked: index(i, false),
      completed: pending === 0 ? PENDING : index(i, true),
      process: i,
      node: undefined,
    }));
  });
}

const small = fc.nat(2);
const registerCall: fc.Arbitrary<{ input: RegisterCall; output: Json }> = fc.oneof(
  small.map((value) => ({ input: { f: "read", value: null } as const, output: value })),
  small.map((value) => ({ input: { f: "write", value } as const, output: null })),
  fc
    .tuple(small, small, fc.boolean())
    .map(([from, to, swapped]) => ({ input: { f: "cas", value: [from, to] } as const, output: swapped })),
);
const mutexCall: fc.Arbitrary<{ input: MutexCall; output: Json }> = fc
  .constantFrom("acquire" as const, "release" as const)
  .map((f) => ({ input: { f, value: null }, output: null }));

function verdict<State, In, Out>(model: Model<State, In, Out>, actions: readonly Action<In, Out>[]) {
  return search(model, actions, new Budget(1_000_000));
}

function agreesWithDefinition<State, In, Out>(
  model: Model<State, In, Out>,
  actions: readonly Action<In, Out>[],
): void {
  const result = verdict(model, actions);
  expect(result.kind).toBe(isLinearizable(model, actions) ? "linearizable" : "violation");
  if (result.kind === "violation") {
    const { completed } = actions[result.impossible] as Action<In, Out>;
    const prefix = actions.filter((action) => action.invoked < completed);
    expect(isLinearizable(model, prefix)).toBe(false);
  }
}

describe("search", () => {
  it("agrees with the definition on registers", () => {
    fc.assert(
      fc.property(actionsOf(7, registerCall), (actions) => agreesWithDefinition(register(0), actions)),
      { seed, numRuns: 3000 },
    );
  });

  it("agrees with the definition on registers without the optional parts of the model", () => {
    const { name, summary, init, step, key } = register(0);
    fc.assert(
      fc.property(actionsOf(6, registerCall), (actions) =>
        agreesWithDefinition({ name, summary, init, step, key }, actions),
      ),
      { seed, numRuns: 1000 },
    );
  });

  it("agrees with the definition on mutexes", () => {
    fc.assert(
      fc.property(actionsOf(7, mutexCall), (actions) => agreesWithDefinition(mutex, actions)),
      { seed, numRuns: 1000 },
    );
  });

  it("gives an order that explains every answer and respects real time", () => {
    fc.assert(
      fc.property(actionsOf(7, registerCall), (actions) => {
        const result = verdict(register(0), actions);
        if (result.kind !== "linearizable") return;
        let state: Json | undefined = 0;
        let latest = -1;
        for (const position of result.order) {
          const action = actions[position] as Action<RegisterCall, Json>;
          state = register(0).step(state as Json, action.input, action.output);
          expect(state).not.toBe(undefined);
          expect(action.completed).toBeGreaterThan(latest);
          latest = Math.max(latest, action.invoked);
        }
        expect(new Set(result.order).size).toBe(result.order.length);
        const required = actions.filter((action) => action.completed !== PENDING).length;
        expect(result.order.filter((i) => actions[i]?.completed !== PENDING)).toHaveLength(required);
      }),
      { seed, numRuns: 1000 },
    );
  });

  it("says how far it came when the budget ends", () => {
    const write = (value: number): Action<RegisterCall, Json> => ({
      input: { f: "write", value },
      output: null,
      invoked: value,
      completed: 100 + value,
      process: value,
      node: undefined,
    });
    const result = search(register(), [write(1), write(2), write(3)], new Budget(2));
    expect(result).toEqual({ kind: "exhausted", placed: 2, required: 3 });
  });
});
