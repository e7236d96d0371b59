/**
 * Locks as registers.
 *
 * From an acquire to the release by the same owner nobody else can do anything. So a hold is a value of its own:
 * the acquire writes it, and everything up to the release reads it. These values are unique, and a register with
 * unique values is easy (see linearizable/decision.ts).
 */
import type { Json } from "../../src/history/op.ts";
import { type Action, PENDING, type RegisterView } from "../linearizable/model.ts";
import { listed } from "../linearizable/object-history.ts";
import type { MutexCall } from "./mutex.ts";
import { type RegisterCall, register } from "./register.ts";
import { textOf } from "./value.ts";

/**
 * The same question asked of a register, for locks that an owner can hold `limit` times at once. Undefined if
 * it is not plain which acquire a release belongs to: an owner's calls overlap, or one does not fit its past, or
 * some were refused.
 */
export function registerOfHolds(
  actions: readonly Action<MutexCall, Json>[],
  limit: number,
): RegisterView | undefined {
  const calls: { readonly position: number; readonly action: Action<RegisterCall, Json> }[] = [];
  /** Beyond everything that happened. */
  let end = actions.reduce(
    (last, { invoked, completed }) => Math.max(last, invoked, completed === PENDING ? 0 : completed),
    0,
  );
  const add = (position: number, input: RegisterCall, hold: number, invoked: number, completed: number) => {
    const { process, node } = actions[position] as Action<MutexCall, Json>;
    const output = input.f === "read" ? hold : null;
    calls.push({ position, action: { input, output, invoked, completed, process, node } });
  };
  for (const own of byOwner(actions)) {
    let holds = 0;
    let acquired = -1;
    let free = -1;
    for (const position of own) {
      const { input, output, invoked, completed } = actions[position] as Action<MutexCall, Json>;
      if (output === false || invoked < free) return undefined;
      free = completed;
      if (input.f === "acquire") {
        // One that nobody was told of is of no use to anybody.
        if (completed === PENDING) continue;
        if (holds === limit) return undefined;
        if (holds++ > 0) add(position, READ, acquired, invoked, completed);
        else {
          acquired = position;
          add(position, { f: "write", value: position }, position, invoked, completed);
        }
      } else if (holds === 0) return undefined;
      else if (completed !== PENDING) {
        holds--;
        add(position, READ, acquired, invoked, completed);
      } else if (holds === 1) {
        // Whether it ever works or not, it ends what comes of this hold.
        holds = 0;
        add(position, READ, acquired, invoked, ++end);
      }
    }
    if (holds > 0) {
      end += 2;
      add(acquired, READ, acquired, end - 1, end);
    }
  }
  calls.sort((a, b) => a.action.invoked - b.action.invoked);
  return {
    init: null,
    operations: listed(
      register(),
      calls.map(({ action }) => action),
    ),
    positions: calls.map(({ position }) => position),
    anomaly: "two holders at once",
  };
}

const READ: RegisterCall = { f: "read", value: null };

/** Positions of each owner's calls by invocation. */
function byOwner(actions: readonly Action<MutexCall, Json>[]): Iterable<readonly number[]> {
  const order = actions.map((_, position) => position);
  order.sort((a, b) => (actions[a]?.invoked as number) - (actions[b]?.invoked as number));
  const owners = new Map<string, number[]>();
  for (const position of order) {
    const owner = textOf((actions[position] as Action<MutexCall, Json>).input.value);
    const calls = owners.get(owner);
    if (calls === undefined) owners.set(owner, [position]);
    else calls.push(position);
  }
  return owners.values();
}
