import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Budget } from "../../src/checker.ts";
import type { Json } from "../../src/history/op.ts";
import { seededRandom } from "../../src/runtime/random.ts";
import {
  type MutexCall,
  mutex,
  type RegisterCall,
  register,
  type StoreAnswer,
  type StoreCall,
  store,
} from "../models.ts";
import { decide } from "./decision.ts";
import { isLinearizable } from "./exhaustive.ts";
import { type Action, type Model, PENDING } from "./model.ts";
import { search } from "./search.ts";
import { blinded, itemOf, minimalWitness, withoutExpendable } from "./witness.ts";

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

/** Answers that a store could give after few changes; most sets of them contradict each other. */
const storeCall: fc.Arbitrary<{ input: StoreCall; output: StoreAnswer }> = fc.oneof(
  fc
    .record({ key: fc.constantFrom("a", "b"), value: small, revision: fc.integer({ min: 2, max: 4 }) })
    .map(({ key, value, revision }) => ({
      input: { puts: [{ key, value }] },
      output: { revision, succeeded: true, entries: [], deleted: 0 },
    })),
  fc
    .record({ key: fc.constantFrom("a", "b"), revision: fc.integer({ min: 1, max: 4 }) })
    .map(({ key, revision }) => ({
      input: { reads: [key] },
      output: { revision, succeeded: true, entries: [], deleted: 0 },
    })),
  fc
    .record({ modRevision: fc.nat(3), revision: fc.integer({ min: 1, max: 4 }), succeeded: fc.boolean() })
    .map(({ modRevision, revision, succeeded }) => ({
      input: { guard: { key: "a", modRevision }, deletes: ["a"] },
      output: { revision, succeeded, entries: [], deleted: succeeded && modRevision > 0 ? 1 : 0 },
    })),
);

function verdict<State, In, Out>(model: Model<State, In, Out>, actions: readonly Action<In, Out>[]) {
  return search(model, actions, new Budget(1_000_000));
}

function agreesWithDefinition<State, In, Out>(
  model: Model<State, In, Out>,
  actions: readonly Action<In, Out>[],
): void {
  const result = decide(model, actions, new Budget(1_000_000));
  expect(verdict(model, actions).kind).toBe(result.kind);
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

  it("agrees with the definition on stores", () => {
    fc.assert(
      fc.property(actionsOf(5, storeCall), (actions) => agreesWithDefinition(store(), actions)),
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

const model = register(0);

function shrunk(actions: readonly Action<RegisterCall, Json>[]) {
  const result = decide(model, actions, new Budget(1_000_000));
  if (result.kind !== "violation") return undefined;
  return minimalWitness(model, actions, result.impossible, new Budget(1_000_000));
}

describe("minimalWitness", () => {
  it("is itself without a linearization, by the definition", () => {
    let violations = 0;
    fc.assert(
      fc.property(actionsOf(8, registerCall), (actions) => {
        const witness = shrunk(actions);
        if (witness === undefined) return;
        violations++;
        expect(isLinearizable(model, witness.actions)).toBe(false);
        expect(witness.actions.length).toBe(witness.positions.length);
        witness.positions.forEach((position, i) => {
          const { input, output, ...rest } = witness.actions[i] as Action<RegisterCall, Json>;
          const original = actions[position] as Action<RegisterCall, Json>;
          expect(original).toMatchObject(rest);
          const blind = model.blind?.(original.input, original.output);
          if (input !== original.input) expect({ input, output }).toEqual(blind);
        });
      }),
      { seed, numRuns: 2000 },
    );
    expect(violations).toBeGreaterThan(200);
  });

  it("makes no violation where there was none", () => {
    const split = fc.tuple(
      actionsOf(7, registerCall),
      fc.array(fc.boolean(), { minLength: 7, maxLength: 7 }),
    );
    fc.assert(
      fc.property(split, ([actions, mask]) => {
        if (!isLinearizable(model, actions)) return;
        const items = actions.map((action, position) => itemOf(model, action, position));
        items.sort((a, b) => a.action.invoked - b.action.invoked);
        const part = items.filter(({ position }) => mask[position]);
        const rest = items.filter(({ position }) => !mask[position]);
        const actionsIn = (list: readonly (typeof items)[number][]) => list.map(({ action }) => action);
        const fewer = withoutExpendable(model, part, rest, () => false);
        expect(isLinearizable(model, actionsIn([...fewer, ...rest]))).toBe(true);
        const weaker = part.map((item) => blinded(model, item));
        expect(isLinearizable(model, actionsIn([...weaker, ...rest]))).toBe(true);
      }),
      { seed, numRuns: 3000 },
    );
  });

  it("finds the four operations of a stale read among thousands", () => {
    const random = seededRandom(1);
    const actions: Action<RegisterCall, Json>[] = [];
    let value = 0;
    for (let i = 0; i < 3000; i++) {
      const at = { invoked: 2 * i, completed: 2 * i + 1, process: i % 7, node: undefined };
      const pending = random.chance(0.01);
      const kind = random.below(3);
      if (kind === 0) actions.push({ ...at, input: { f: "read", value: null }, output: value });
      else {
        const input: RegisterCall = kind === 1 ? { f: "write", value: i } : { f: "cas", value: [value, i] };
        if (pending) actions.push({ ...at, input, output: undefined, completed: PENDING });
        else actions.push({ ...at, input, output: kind === 2 });
        if (!pending) value = i;
      }
    }
    const reads = actions.filter(({ input, invoked }) => input.f === "read" && invoked > 5000);
    const stale = reads[0] as Action<RegisterCall, Json>;
    const written = actions[1000]?.input.value;
    const old = Array.isArray(written) ? (written[1] as Json) : (written ?? 0);
    const history = actions.map((action) => (action === stale ? { ...action, output: old } : action));
    const witness = shrunk(history);
    expect(witness?.positions.length).toBeLessThanOrEqual(4);
    expect(witness?.positions).toContain(
      history.findIndex((action) => action.output === old && action.invoked === stale.invoked),
    );
  });
});
