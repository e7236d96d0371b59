/**
 * The checkers that judge a history of any origin, by the name of what they hold it against. Functions and values are
 * those that Jepsen's workloads use; an answer may also be wrapped as our own workloads do, `{ value, revision }`.
 */
import type { Checker } from "../src/checker.ts";
import type { History, Operation } from "../src/history/history.ts";
import type { Json } from "../src/history/op.ts";
import { counter } from "./counter.ts";
import { linearizable, type ObjectCall } from "./linearizable.ts";
import { type MutexCall, mutex, type RegisterCall, register } from "./models.ts";
import { queue } from "./queue.ts";
import { setChecker } from "./set.ts";
import { totalQueue } from "./total-queue.ts";
import { uniqueIds } from "./unique-ids.ts";

/** What the notation of a history does not tell. */
export interface Conventions {
  /** A read that was ok with null has an unknown result; else it found nothing. */
  readonly nilIsUnknown: boolean;
  /** What an object holds in the beginning. */
  readonly init: Json;
}

export interface Specification {
  readonly name: string;
  /** One sentence for `faultline list models`. */
  readonly summary: string;
  /** The functions of clients that it knows. */
  readonly functions: readonly string[];
  /** Whether the operations look as if they were meant for it; all their functions are known. */
  fits?(history: History): boolean;
  checker(conventions: Conventions): Checker;
}

export const specifications: readonly Specification[] = [
  {
    name: "register",
    summary: "linearizable: a value with read and write",
    functions: ["read", "write"],
    checker: registerChecker,
  },
  {
    name: "cas-register",
    summary: "linearizable: a value with read, write and compare-and-set [from, to]",
    functions: ["read", "write", "cas"],
    checker: registerChecker,
  },
  {
    name: "mutex",
    summary: "linearizable: a lock with acquire and release",
    functions: ["acquire", "release"],
    checker: () => linearizable(mutex, mutexCall),
  },
  {
    name: "set",
    summary: "a set with add and read, of which nothing acknowledged may be lost",
    functions: ["add", "read"],
    fits: (history) => answers(history, "read", Array.isArray),
    checker: () => setChecker({ linearizable: true }) as unknown as Checker,
  },
  {
    name: "counter",
    summary: "a counter with add and read, whose reads lie between what they must and may contain",
    functions: ["add", "read"],
    checker: () => counter as unknown as Checker,
  },
  {
    name: "unique-ids",
    summary: "identifiers that generate gives out, none of them twice",
    functions: ["generate"],
    checker: () => uniqueIds as unknown as Checker,
  },
  {
    name: "total-queue",
    summary: "a queue of which everything enqueued is dequeued or drained, once, in any order",
    functions: ["enqueue", "dequeue", "drain"],
    checker: () => totalQueue as unknown as Checker,
  },
  {
    name: "queue",
    summary: "a queue that gives first what came in first",
    functions: ["enqueue", "dequeue", "drain"],
    checker: () => queue as unknown as Checker,
  },
];

/** The first specification that a history seems to be meant for. */
export function guess(history: History): Specification | undefined {
  return specifications.find(
    ({ functions, fits }) =>
      history.columns.functions.every((f) => functions.includes(f)) && (fits?.(history) ?? true),
  );
}

/** Whether the first answer of a function is of some kind. */
function answers(history: History, f: string, isOfKind: (answer: Json) => boolean): boolean {
  for (const operation of history.operations())
    if (operation.f === f && operation.type === "ok") return isOfKind(operation.output);
  return false;
}

function registerChecker({ nilIsUnknown, init }: Conventions): Checker {
  return linearizable(register(init), (operation: Operation): readonly ObjectCall<RegisterCall, Json>[] => {
    const { f, input, key = "", type } = operation;
    const call = { object: key, input: { f, value: input } as RegisterCall };
    if (type !== "ok") return [{ ...call, output: undefined }];
    const answer = unwrapped(operation.output);
    switch (f) {
      case "read":
        return [{ ...call, output: answer === null && nilIsUnknown ? undefined : answer }];
      case "cas":
        // Jepsen repeats the input of what was done.
        return [{ ...call, output: answer !== false }];
      default:
        return [{ ...call, output: null }];
    }
  });
}

/** What a read found, or whether a compare-and-set did swap, without the revision beside it. */
function unwrapped(answer: Json): Json {
  if (typeof answer !== "object" || answer === null || !("revision" in answer)) return answer;
  const { value, swapped } = answer as { readonly [field: string]: Json };
  return value ?? swapped ?? null;
}

function mutexCall({ f, input, key = "", output }: Operation): readonly ObjectCall<MutexCall, Json>[] {
  return [{ object: key, input: { f, value: input } as MutexCall, output }];
}
