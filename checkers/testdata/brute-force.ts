/**
 * What property tests compare checkers with: small random histories of a system that works, or lies now and then,
 * and definitions decided by trying everything. For a handful of operations.
 */
import fc from "fast-check";
import { History, type Operation } from "../../src/history/history.ts";
import type { Call, Json, Op, Signature } from "../../src/history/op.ts";

/** An operation to play. `lost`: of unknown outcome, and without effect; `late`: of unknown outcome, with effect. */
export interface Action<S extends Signature> {
  readonly call: Call<S>;
  readonly fate: "ok" | "fail" | "late" | "lost";
  /** What it answers instead of the truth. */
  readonly lie?: Json;
}

const TURNS = 60;

/**
 * Histories of `actions`, in that order, by three threads at a time; each operation with an effect takes it at an
 * instant between its invocation and its completion. `start` makes the system; it answers a call, or undefined if
 * the call fails.
 */
export function histories<S extends Signature>(
  actions: fc.Arbitrary<readonly Action<S>[]>,
  start: () => (call: Call<S>) => Json | undefined,
): fc.Arbitrary<History<S>> {
  return fc
    .tuple(actions, fc.array(fc.nat(8), { minLength: TURNS, maxLength: TURNS }))
    .map(([chosen, turns]) => play(chosen, turns, start()));
}

interface Underway<S extends Signature> {
  readonly action: Action<S>;
  readonly process: number;
  readonly answer?: Json | undefined;
}

function play<S extends Signature>(
  actions: readonly Action<S>[],
  turns: readonly number[],
  system: (call: Call<S>) => Json | undefined,
): History<S> {
  const events: object[] = [];
  const waiting = [...actions];
  const invoked: Underway<S>[] = [];
  const done: Underway<S>[] = [];
  let processes = 0;
  const record = (process: number, fields: object): void => {
    events.push({ index: events.length, time: events.length, process, ...fields });
  };
  for (let turn = 0; waiting.length + invoked.length + done.length > 0; turn++) {
    const draw = turns[turn % TURNS] as number;
    const phase = draw % 3;
    const pick = Math.floor(draw / 3);
    if (phase === 0 && waiting.length > 0 && invoked.length + done.length < 3) {
      const action = waiting.shift() as Action<S>;
      record(processes, { type: "invoke", ...action.call });
      invoked.push({ action, process: processes++ });
    } else if (phase <= 1 && invoked.length > 0) {
      const [next] = invoked.splice(pick % invoked.length, 1) as [Underway<S>];
      const { action } = next;
      const effective = action.fate === "ok" || action.fate === "late";
      done.push({ ...next, answer: effective ? system(action.call) : undefined });
    } else if (done.length > 0) {
      const [{ action, process, answer }] = done.splice(pick % done.length, 1) as [Underway<S>];
      const { f, value } = action.call;
      const truth = action.lie ?? answer;
      if (action.fate === "ok" && truth !== undefined) record(process, { type: "ok", f, value: truth });
      else
        record(process, {
          type: action.fate === "ok" || action.fate === "fail" ? "fail" : "info",
          f,
          value,
          error: "no",
        });
    } else if (waiting.length > 0 && invoked.length === 0) {
      const action = waiting.shift() as Action<S>;
      record(processes, { type: "invoke", ...action.call });
      invoked.push({ action, process: processes++ });
    }
  }
  return new History(events as unknown as Op<S>[]);
}

/**
 * Linearizability as defined by Herlihy and Wing: some order of the operations respects real time and explains
 * every answer. `step` gives the state after an operation, or undefined if it cannot happen in that state; one of
 * unknown outcome may also never happen, and its `output` is undefined.
 */
export function someOrder<S extends Signature, State>(
  history: History<S>,
  start: State,
  step: (state: State, operation: Operation<S>) => State | undefined,
): boolean {
  const operations = history.client.filter(({ type }) => type !== "fail");
  const left = new Set(operations);
  const explain = (state: State): boolean => {
    let open = false;
    const deadline = Math.min(
      ...[...left].map(({ completeIndex, type }) =>
        type === "ok" ? completeIndex : Number.POSITIVE_INFINITY,
      ),
    );
    for (const operation of [...left]) {
      if (operation.type === "ok") open = true;
      if (operation.invokeIndex > deadline) continue;
      const next = step(state, operation);
      if (next === undefined) continue;
      left.delete(operation);
      if (explain(next)) return true;
      left.add(operation);
    }
    return !open;
  };
  return explain(start);
}
