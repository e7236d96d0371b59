import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Budget } from "../../src/checker.ts";
import type { Json } from "../../src/history/op.ts";
import { type RegisterCall, register } from "../models/register.ts";
import { claimedLinearization } from "./claimed-order.ts";
import { decide } from "./decision.ts";
import { isLinearizable } from "./exhaustive.ts";
import { isLinearization } from "./linearization.ts";
import { type Action, PENDING } from "./model.ts";

type RegisterAction = Action<RegisterCall, Json>;

const seed = 20_261_121;
const model = register();

/** A request with the times of its invocation, effect and completion, in this order. */
interface Drawn {
  readonly kind: "read" | "write" | "delete" | "cas" | "guarded delete";
  readonly start: number;
  readonly toEffect: number;
  readonly toEnd: number;
  /** How far back in the register's past a cas looks for the value it expects. */
  readonly age: number;
  readonly fate: "answered" | "lost reply" | "lost request";
  /** Changes of other keys of the store just before it. */
  readonly others: number;
}

function drawn(span: number): fc.Arbitrary<Drawn> {
  return fc.record({
    kind: fc.constantFrom("read", "read", "write", "delete", "cas", "guarded delete"),
    start: fc.nat(span),
    toEffect: fc.nat(30),
    toEnd: fc.nat(30),
    age: fc.constantFrom(0, 0, 0, 1, 2),
    fate: fc.constantFrom("answered", "answered", "answered", "lost reply", "lost request"),
    others: fc.constantFrom(0, 0, 1, 3),
  });
}

/** Plays the requests against one register of a store with revisions; values are unique, the empty one aside. */
function played(requests: readonly Drawn[]): RegisterAction[] {
  const moments = requests.flatMap(({ start, toEffect, toEnd }, i) => [
    { at: start, i, step: 0 },
    { at: start + toEffect, i, step: 1 },
    { at: start + toEffect + toEnd, i, step: 2 },
  ]);
  moments.sort((a, b) => a.at - b.at || a.i - b.i || a.step - b.step);
  const index = (i: number, step: number) =>
    moments.findIndex((moment) => moment.i === i && moment.step === step);
  const actions: RegisterAction[] = [];
  const past: Json[] = [null];
  let revision = 1;
  for (const { i, step } of moments) {
    if (step !== 1) continue;
    const { kind, age, fate, others } = requests[i] as Drawn;
    const state = past.at(-1) as Json;
    const expected = past.at(-1 - age) ?? null;
    const lost = fate !== "answered";
    let input: RegisterCall = { f: "read", value: null };
    let output: Json | undefined = state;
    if (kind === "write") input = { f: "write", value: i + 1 };
    else if (kind === "delete" && (lost || state !== null)) input = { f: "write", value: null };
    else if (kind === "cas") input = { f: "cas", value: [expected, i + 1] };
    else if (kind === "guarded delete" && expected !== null) input = { f: "cas", value: [expected, null] };
    if (input.f === "write") output = null;
    if (input.f === "cas") output = input.value[0] === state;
    revision += others;
    if (fate !== "lost request" && input.f !== "read" && output !== false) {
      revision++;
      past.push(input.f === "write" ? input.value : input.value[1]);
    }
    actions.push({
      input,
      output: lost ? undefined : output,
      invoked: index(i, 0),
      completed: lost ? PENDING : index(i, 2),
      process: i,
      node: undefined,
      revision: lost ? undefined : revision,
    });
  }
  return actions;
}

function history(size: number, span: number): fc.Arbitrary<RegisterAction[]> {
  return fc.array(drawn(span), { maxLength: size, size: "max" }).map(played);
}

function decided(actions: readonly RegisterAction[]) {
  return decide(model, actions, new Budget(1_000_000));
}

function expectDefinition(actions: readonly RegisterAction[]): ReturnType<typeof decided> {
  const result = decided(actions);
  expect(result.kind).toBe(isLinearizable(model, actions) ? "linearizable" : "violation");
  return result;
}

/** The action at `pick`, counted around, changed. */
function withOne(
  actions: readonly RegisterAction[],
  pick: number,
  change: (action: RegisterAction) => RegisterAction,
): RegisterAction[] {
  return actions.map((action, i) => (i === pick % actions.length ? change(action) : action));
}

describe("claimedLinearization", () => {
  it("finds the order of every history of an honest store", () => {
    let pending = 0;
    fc.assert(
      fc.property(history(60, 300), (actions) => {
        const order = claimedLinearization(model, actions);
        expect(order).toBeDefined();
        expect(isLinearization(model, actions, order ?? [])).toBe(true);
        pending += (order ?? []).filter((position) => actions[position]?.completed === PENDING).length;
      }),
      { seed, numRuns: 500 },
    );
    expect(pending).toBeGreaterThan(500);
  });

  it("decides by the definition when one answer is wrong, whatever the revisions say", () => {
    const kinds = { linearizable: 0, violation: 0, exhausted: 0 };
    fc.assert(
      fc.property(history(7, 60), fc.nat(), fc.nat(7), (actions, pick, value) => {
        const wrong = withOne(actions, pick, (action) => {
          if (action.output === undefined || action.input.f === "write") return action;
          return { ...action, output: action.input.f === "cas" ? !action.output : value || null };
        });
        kinds[expectDefinition(wrong).kind]++;
      }),
      { seed, numRuns: 2000 },
    );
    expect(Math.min(kinds.linearizable, kinds.violation)).toBeGreaterThan(200);
  });

  it("decides by the definition when revisions lie", () => {
    const lies = fc.array(fc.nat(8), { minLength: 7, maxLength: 7 });
    const ways = { values: 0, revisions: 0, direct: 0, search: 0 };
    fc.assert(
      fc.property(history(7, 60), lies, (actions, revisions) => {
        const lying = actions.map((action, i) =>
          action.revision === undefined ? action : { ...action, revision: revisions[i] as number },
        );
        const result = decided(lying);
        // The values are those of an honest store.
        expect(result.kind).toBe("linearizable");
        if (result.kind !== "linearizable") return;
        ways[result.by]++;
        expect(isLinearization(model, lying, result.order)).toBe(true);
      }),
      { seed, numRuns: 2000 },
    );
    expect(Math.min(ways.values, ways.revisions, ways.search)).toBeGreaterThan(50);
  });

  it("decides by the definition when values are written twice", () => {
    fc.assert(
      fc.property(history(7, 60), (actions) => {
        const few = (value: Json) => (typeof value === "number" ? value % 2 : value);
        const ambiguous = actions.map((action): RegisterAction => {
          const { input } = action;
          if (input.f === "read") return { ...action, output: few(action.output ?? null) };
          if (input.f === "write") return { ...action, input: { f: "write", value: few(input.value) } };
          return { ...action, input: { f: "cas", value: [few(input.value[0]), few(input.value[1])] } };
        });
        expectDefinition(ambiguous);
      }),
      { seed, numRuns: 1000 },
    );
  });

  const action = (input: RegisterCall, output: Json, invoked: number, completed: number, revision: number) =>
    ({ input, output, invoked, completed, process: 0, node: undefined, revision }) as const;
  const read = { f: "read", value: null } as const;
  const write = (value: Json) => ({ f: "write", value }) as const;
  const lost = (input: RegisterCall, invoked: number): RegisterAction => ({
    input,
    output: undefined,
    invoked,
    completed: PENDING,
    process: 9,
    node: undefined,
  });

  it("does not believe a stale read that names an old revision", () => {
    const actions = [
      action(write(1), null, 0, 1, 2),
      action(write(2), null, 2, 3, 3),
      action(read, 1, 4, 5, 2),
    ];
    expect(claimedLinearization(model, actions)).toBeUndefined();
    expect(decided(actions)).toMatchObject({ kind: "violation", impossible: 2 });
  });

  it("accepts what is right in spite of swapped revisions", () => {
    const actions = [
      action(write(1), null, 0, 1, 3),
      action(write(2), null, 2, 3, 2),
      action(read, 2, 4, 5, 3),
    ];
    expect(claimedLinearization(model, actions)).toBeUndefined();
    expect(decided(actions)).toMatchObject({ kind: "linearizable", by: "values" });
  });

  it("follows a chain of swaps of unknown outcome back to what is known", () => {
    const actions = [
      action(write(1), null, 0, 1, 2),
      lost({ f: "cas", value: [2, 3] }, 2),
      lost({ f: "cas", value: [1, 2] }, 3),
      action(read, 3, 4, 5, 4),
    ];
    expect(claimedLinearization(model, actions)).toEqual([0, 2, 1, 3]);
  });

  it("does not let an unknown deletion work before it was asked for", () => {
    const actions = [
      action(write(1), null, 0, 1, 2),
      action(read, null, 2, 3, 3),
      lost(write(null), 4),
      action(read, null, 5, 6, 3),
    ];
    expect(decided(actions)).toMatchObject({ kind: "violation", impossible: 1 });
  });

  it("knows no order without revisions", () => {
    const actions = [{ ...action(write(1), null, 0, 1, 2), revision: undefined }];
    expect(decided(actions)).toMatchObject({ kind: "linearizable", by: "values" });
  });
});

describe("isLinearization", () => {
  const actions: RegisterAction[] = [0, 1].map((i) => ({
    input: { f: "write", value: i },
    output: null,
    invoked: 2 * i,
    completed: 2 * i + 1,
    process: i,
    node: undefined,
  }));

  it("takes nothing but every required action once, in real time", () => {
    expect(isLinearization(model, actions, [0, 1])).toBe(true);
    for (const order of [[], [0], [1, 0], [0, 1, 0], [0, 1, 2]])
      expect(isLinearization(model, actions, order)).toBe(false);
  });

  it("agrees with the definition: some order is one exactly if the history is linearizable", () => {
    const permutations = (left: readonly number[]): number[][] => [
      [],
      ...left.flatMap((i) => permutations(left.filter((j) => j !== i)).map((rest) => [i, ...rest])),
    ];
    fc.assert(
      fc.property(history(5, 30), fc.nat(), fc.nat(5), (honest, pick, value) => {
        const history = withOne(honest, pick, (one) =>
          one.input.f === "read" ? { ...one, output: value || null } : one,
        );
        const orders = permutations(history.map((_, i) => i));
        expect(orders.some((order) => isLinearization(model, history, order))).toBe(
          isLinearizable(model, history),
        );
      }),
      { seed, numRuns: 300 },
    );
  });
});
