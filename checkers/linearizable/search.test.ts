import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Budget } from "../../src/checker.ts";
import { printEvents } from "../../src/history/notation.ts";
import type { Json } from "../../src/history/op.ts";
import { seededRandom } from "../../src/runtime/random.ts";
import { type RegisterCall, register } from "../models/register.ts";
import { decide } from "./decision.ts";
import { isLinearizable } from "./exhaustive.ts";
import { type Action, PENDING } from "./model.ts";
import { search } from "./search.ts";
import { disagreement } from "./testdata/cross-check.ts";
import { subjects } from "./testdata/subjects.ts";
import { eventsOf, tinyHistory } from "./testdata/tiny-history.ts";
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
describe.each(subjects)("the definition, on random histories of a $name", (subject) => {
  const random = seededRandom(seed);

  it("has the same answers as everything else", () => {
    const truths = { right: 0, wrong: 0 };
    for (let i = 0; i < 150; i++) {
      const actions = tinyHistory(subject, random.fork(i), 6);
      const found = disagreement(subject.model, actions);
      if (found !== undefined) expect.fail(`${found}\n${printEvents(eventsOf(actions))}`);
      truths[isLinearizable(subject.model, actions) ? "right" : "wrong"]++;
    }
    expect(Math.min(truths.right, truths.wrong)).toBeGreaterThan(10);
  });
});

describe("search", () => {
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
  const completed = (i: number) => (actions[i]?.completed === PENDING ? -1 : (actions[i]?.completed ?? -1));
  const last = [...actions.keys()].reduce((a, b) => (completed(b) > completed(a) ? b : a));
  return minimalWitness(model, actions, last, new Budget(1_000_000));
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
    const impossible = actions.indexOf(stale);
    const witness = minimalWitness(model, history, impossible, new Budget(1_000_000));
    expect(witness.positions.length).toBeLessThanOrEqual(4);
    expect(witness.positions).toContain(
      history.findIndex((action) => action.output === old && action.invoked === stale.invoked),
    );
  });
});
