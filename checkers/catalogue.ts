/**
 * The checkers that judge a history of any origin, by the name of what they hold it against. Functions and values are
 * those that Jepsen's workloads use; an answer may also be wrapped as our own workloads do, `{ value, revision }`.
 */
import type { Checker } from "../src/checker.ts";
import type { History, Operation } from "../src/history/history.ts";
import type { Json, Signature } from "../src/history/op.ts";
import { type BankCheckerOptions, type BankSignature, balancesIn, bankChecker } from "./bank.ts";
import { causalReverse } from "./causal-reverse.ts";
import { compose } from "./compose.ts";
import { configChecker } from "./config.ts";
import { counter } from "./counter.ts";
import { electionChecker } from "./election.ts";
import type { EtcdSignature } from "./etcd/signature.ts";
import { recordedWatches } from "./etcd/watches.ts";
import { etcdChecker } from "./etcd.ts";
import { g2 } from "./g2.ts";
import { independent } from "./independent.ts";
import { leaseChecker } from "./lease.ts";
import { asCalled, type Called, linearizable } from "./linearizable.ts";
import { longFork } from "./long-fork.ts";
import { type CounterCall, counter as sum } from "./models/counter.ts";
import { kv } from "./models/kv.ts";
import { type MultiRegisterCall, multiRegister, type RegisterStep } from "./models/multi-register.ts";
import { fencedMutex, type MutexCall, mutex, ownedMutex, reentrantMutex } from "./models/mutex.ts";
import { fifoQueue, stack, unorderedQueue } from "./models/queue.ts";
import { type RegisterCall, register } from "./models/register.ts";
import { set } from "./models/set.ts";
import { monotonic } from "./monotonic.ts";
import { mutualExclusionChecker } from "./mutual-exclusion.ts";
import { queue } from "./queue.ts";
import { registryChecker } from "./registry.ts";
import { replicaChecker } from "./replica.ts";
import { sequential } from "./sequential.ts";
import { setChecker } from "./set.ts";
import { snapshotChecker } from "./snapshot.ts";
import { totalQueue } from "./total-queue.ts";
import { levels } from "./transactions/commit-order.ts";
import { listAppendChecker, rwRegisterChecker } from "./transactions.ts";
import { uniqueIds } from "./unique-ids.ts";
import { watchChecker } from "./watch.ts";
import { weakIsolationChecker } from "./weak-isolation.ts";

/** What the notation of a history does not tell. */
export interface Conventions {
  /** A read that was ok with null has an unknown result; else it found nothing. */
  readonly nilIsUnknown: boolean;
  /** What an object holds in the beginning. */
  readonly init: Json;
  /** The consistency model that transactions are promised; strict-serializable if not given. */
  readonly consistency?: string;
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

/** What the workloads that record such histories take for granted unless told otherwise. */
const CLOCK_SLACK = 500_000_000;
const EXPIRY_SLACK = 10_000_000_000;

/** What the weak levels are called in words. */
const LEVELS = {
  "read-committed": "read committed, without an order of versions",
  "read-atomic": "read atomic isolation",
  causal: "causal consistency",
};

export const specifications: readonly Specification[] = [
  {
    name: "register",
    summary: "linearizable: a value with read and write",
    functions: ["read", "write"],
    fits: isWritten,
    checker: registerChecker,
  },
  {
    name: "cas-register",
    summary: "linearizable: a value with read, write and compare-and-set [from, to]",
    functions: ["read", "write", "cas"],
    fits: isWritten,
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
    fits: (history) => isWritten(history) && answers(history, "read", Array.isArray),
    checker: () => perKey(setChecker({ linearizable: true })),
  },
  {
    name: "causal-reverse",
    summary: "a set whose reads never show an element without one that was added before it",
    functions: ["add", "read"],
    fits: () => false,
    checker: () => perKey(causalReverse),
  },
  {
    name: "counter",
    summary: "a counter with add and read, whose reads lie between what they must and may contain",
    functions: ["add", "read"],
    checker: () => perKey(counter),
  },
  {
    name: "unique-ids",
    summary: "identifiers that generate gives out, none of them twice",
    functions: ["generate"],
    checker: () => perKey(uniqueIds),
  },
  {
    name: "total-queue",
    summary: "a queue of which everything enqueued is dequeued or drained, once, in any order",
    functions: ["enqueue", "dequeue", "drain"],
    checker: () => perKey(totalQueue),
  },
  {
    name: "queue",
    summary: "a queue that gives first what came in first",
    functions: ["enqueue", "dequeue", "drain"],
    checker: () => perKey(queue),
  },
  {
    name: "owned-mutex",
    summary: "linearizable: a lock that only the process that acquired it can release",
    functions: ["acquire", "release"],
    checker: () => linearizable(ownedMutex, ownerCall),
  },
  {
    name: "reentrant-mutex",
    summary: "linearizable: the same, which its holder can acquire twice, and must release as often",
    functions: ["acquire", "release"],
    checker: () => linearizable(reentrantMutex(), ownerCall),
  },
  {
    name: "fenced-mutex",
    summary: "linearizable: the same as owned-mutex, with fencing tokens that grow",
    functions: ["acquire", "release"],
    checker: () => linearizable(fencedMutex, ownerCall),
  },
  {
    name: "multi-register",
    summary: "linearizable: registers read and written together, as transactions of [f, register, value]",
    functions: ["txn"],
    // The same transactions are made to test isolation.
    fits: () => false,
    checker: ({ nilIsUnknown, init }) =>
      linearizable(
        multiRegister(init === null ? {} : (init as { readonly [register: string]: Json })),
        transactionCall(nilIsUnknown),
      ),
  },
  {
    name: "list-append",
    summary: "transactions that append to lists and read them, held against strict serializability",
    functions: ["txn"],
    fits: (history) => transactsWith(history, "append"),
    checker: ({ consistency: model }) => untyped(listAppendChecker(model === undefined ? {} : { model })),
  },
  {
    name: "rw-register",
    summary: "transactions that read and write registers, held against strict serializability",
    functions: ["txn"],
    fits: (history) => transactsWith(history, "w"),
    checker: ({ consistency: model }) => untyped(rwRegisterChecker(model === undefined ? {} : { model })),
  },
  ...levels.map((level) => ({
    name: level === "causal" ? "causal-consistency" : level,
    summary: `the same, held against ${LEVELS[level]}`,
    functions: ["txn"],
    // Who promises so little says so.
    fits: () => false,
    checker: () => untyped(weakIsolationChecker({ level })),
  })),
  {
    name: "kv",
    summary: "linearizable: a text per key, with get, put and append; a missing one is empty",
    functions: ["get", "put", "append"],
    checker: () => linearizable(kv, asCalled),
  },
  {
    name: "etcd",
    summary:
      "all keys of a store with etcd's revisions, transactions, ranges, deletes, leases and compaction, replayed",
    functions: ["range", "put", "delete", "txn", "compact", "grant", "revoke", "watch"],
    fits: (history) => ["range", "grant", "revoke"].some((f) => history.columns.functions.includes(f)),
    checker: ({ init }) => {
      const replay = etcdChecker(typeof init === "number" ? init : 1);
      const both = compose("etcd", [replay, recordedWatches]);
      return untyped<EtcdSignature>({
        name: "etcd",
        check: (history, budget) =>
          (history.columns.functions.includes("watch") ? both : replay).check(history, budget),
      });
    },
  },
  {
    name: "fifo-queue",
    summary: "linearizable: a queue, whose values are dequeued in the order they were enqueued in",
    functions: ["enqueue", "dequeue"],
    checker: () => linearizable(fifoQueue, asCalled),
  },
  {
    name: "unordered-queue",
    summary: "linearizable: a bag, whose values are dequeued in any order",
    functions: ["enqueue", "dequeue"],
    checker: () => linearizable(unorderedQueue, asCalled),
  },
  {
    name: "stack",
    summary: "linearizable: a stack, where what was pushed last is popped first",
    functions: ["push", "pop"],
    checker: () => linearizable(stack, asCalled),
  },
  {
    name: "linearizable-set",
    summary: "linearizable: a set with add, remove, contains and read",
    functions: ["add", "remove", "contains", "read"],
    fits: (history) => !history.columns.functions.includes("read") || answers(history, "read", Array.isArray),
    checker: () => linearizable(set, asCalled),
  },
  {
    name: "linearizable-counter",
    summary: "linearizable: a number with add and read",
    functions: ["add", "read"],
    checker: () =>
      linearizable(sum, (operation) =>
        // Jepsen repeats what was added.
        operation.f === "add" && operation.output !== undefined
          ? { ...asCalled<CounterCall>(operation), output: null }
          : asCalled<CounterCall>(operation),
      ),
  },
  {
    name: "bank",
    summary: "accounts whose sum no transfer changes; accounts and sum are those of the first read",
    functions: ["transfer", "read"],
    checker: () =>
      perKey<BankSignature>({
        name: "bank",
        check: (history, budget) => bankChecker(firstBalances(history)).check(history, budget),
      }),
  },
  {
    name: "long-fork",
    summary: "transactions that write keys once, or read groups of them, and see the writes in one order",
    functions: ["read", "write"],
    fits: () => false,
    checker: () => untyped(longFork),
  },
  {
    name: "g2",
    summary: "inserts of two rows for each key, of which only one may succeed",
    functions: ["insert"],
    checker: () => untyped(g2),
  },
  {
    name: "monotonic",
    summary: "a value that only grows, with inc, read and read-at, all of which give [time stamp, value]",
    functions: ["inc", "read", "read-at"],
    fits: (history) => history.columns.functions.includes("inc"),
    checker: () => untyped(monotonic({ linearizable: true })),
  },
  {
    name: "sequential",
    summary: "parts of a key, written in order and read from the last to the first",
    functions: ["read", "write"],
    fits: () => false,
    checker: () => untyped(sequential),
  },
  {
    name: "election",
    summary: "elections that give one leader at a time, in terms that grow, and that all observe alike",
    functions: ["campaign", "keepalive", "proclaim", "resign", "observe", "follow"],
    fits: (history) => history.columns.functions.includes("campaign"),
    checker: () => untyped(electionChecker({ clockSlack: CLOCK_SLACK })),
  },
  {
    name: "lease",
    summary: "leases that live for their time and no longer, with all keys that hang on them",
    functions: ["grant", "keepalive", "inspect", "revoke", "put", "read"],
    fits: (history) => history.columns.functions.includes("inspect"),
    checker: () => untyped(leaseChecker({ clockSlack: CLOCK_SLACK, expirySlack: EXPIRY_SLACK })),
  },
  {
    name: "lock",
    summary: "a lock on a lease, with fencing tokens that grow, and a counter changed under it",
    functions: ["acquire", "keepalive", "increment", "release", "read"],
    fits: (history) => history.columns.functions.includes("increment"),
    checker: () => untyped(mutualExclusionChecker({ clockSlack: CLOCK_SLACK })),
  },
  {
    name: "registry",
    summary:
      "entries of services that stay while their lease lives, go when it ends, and look the same to all",
    functions: ["register", "keepalive", "deregister", "list", "follow"],
    fits: (history) => history.columns.functions.includes("register"),
    checker: () => untyped(registryChecker({ clockSlack: CLOCK_SLACK, expirySlack: EXPIRY_SLACK })),
  },
  {
    name: "config",
    summary: "a configuration of several parts that is read whole, and whose versions form one chain",
    functions: ["update", "read", "follow"],
    fits: (history) => history.columns.functions.includes("update"),
    checker: () => untyped(configChecker),
  },
  {
    name: "replica",
    summary: "members that tell the same hash of their stores at the same revision",
    functions: ["put", "delete", "txn", "compact", "head", "hash"],
    fits: (history) => history.columns.functions.includes("hash"),
    checker: () => untyped(replicaChecker),
  },
  {
    name: "snapshot",
    summary: "backups that come back as they were",
    functions: ["put", "delete", "compact", "backup", "restore", "verify", "discard"],
    fits: (history) => history.columns.functions.includes("backup"),
    checker: () => untyped(snapshotChecker),
  },
  {
    name: "watch",
    summary:
      "watches that are told every change, once, in order and whole, as the workload watch records them",
    functions: ["put", "delete", "txn", "compact", "read", "watch"],
    fits: (history) => history.columns.functions.includes("watch"),
    checker: () => untyped(watchChecker),
  },
];

/** The first specification that a history seems to be meant for. */
export function guess(history: History): Specification | undefined {
  return specifications.find(
    ({ functions, fits }) =>
      history.columns.functions.every((f) => functions.includes(f)) && (fits?.(history) ?? true),
  );
}

function firstBalances(history: History<BankSignature>): BankCheckerOptions {
  for (const { f, type, output } of history.operations()) {
    if (f !== "read" || type !== "ok") continue;
    const balances = Object.entries(balancesIn(output));
    return {
      accounts: balances.map(([account]) => account),
      total: balances.reduce((sum, [, balance]) => sum + Number(balance), 0),
    };
  }
  return { accounts: [], total: 0 };
}

/** A history has as many objects as keys, if it has keys at all. */
function perKey<S extends Signature>(checker: Checker<S>): Checker {
  const separately = independent(checker);
  return untyped<S>({
    name: checker.name,
    check: (history, budget) =>
      (history.columns.keys.length > 0 ? separately : checker).check(history, budget),
  });
}

/** That the functions of a history are a checker's does not make their values so: what they are is seen then. */
function untyped<S extends Signature>(checker: Checker<S>): Checker {
  return checker as unknown as Checker;
}

/** Who only reads may read anything: balances, lists. */
function isWritten(history: History): boolean {
  return history.columns.functions.some((f) => f !== "read");
}

/** Whether some transaction has a micro-operation of that name. */
function transactsWith(history: History, f: string): boolean {
  for (const { input } of history.operations())
    if (Array.isArray(input) && input.some((op) => Array.isArray(op) && op[0] === f)) return true;
  return false;
}

/** Whether the first answer of a function is of some kind. */
function answers(history: History, f: string, isOfKind: (answer: Json) => boolean): boolean {
  for (const operation of history.operations())
    if (operation.f === f && operation.type === "ok") return isOfKind(operation.output);
  return false;
}

function registerChecker({ nilIsUnknown, init }: Conventions): Checker {
  return linearizable(register(init), (operation: Operation): Called<RegisterCall, Json> => {
    const { f, type } = operation;
    const input = { f, value: operation.input } as RegisterCall;
    if (type !== "ok") return { input, output: undefined };
    const answer = unwrapped(operation.output);
    switch (f) {
      case "read":
        return { input, output: answer === null && nilIsUnknown ? undefined : answer };
      case "cas":
        // Jepsen repeats the input of what was done.
        return { input, output: answer !== false };
      default:
        return { input, output: null };
    }
  });
}

/** What a read found, or whether a compare-and-set did swap, without the revision beside it. */
function unwrapped(answer: Json): Json {
  if (typeof answer !== "object" || answer === null || !("revision" in answer)) return answer;
  const { value, swapped } = answer as { readonly [field: string]: Json };
  return value ?? swapped ?? null;
}

function mutexCall({ f, input, output }: Operation): Called<MutexCall, Json> {
  return { input: { f, value: input } as MutexCall, output };
}

/** The owner is the process. */
function ownerCall({ f, output, process }: Operation): Called<MutexCall, Json> {
  return { input: { f, value: process } as MutexCall, output };
}

/** Steps may be called read and write, too. A read of unknown result is left out: it observed nothing. */
function transactionCall(nilIsUnknown: boolean) {
  return ({ input, output }: Operation): Called<MultiRegisterCall, readonly RegisterStep[]> => {
    const asked = input as readonly RegisterStep[];
    const answered = output as readonly RegisterStep[] | undefined;
    const steps: RegisterStep[] = [];
    const results: RegisterStep[] = [];
    asked.forEach(([f, register, value], i) => {
      const kind = f.startsWith("r") ? "r" : "w";
      const result = answered?.[i]?.[2] ?? null;
      if (kind === "r" && result === null && nilIsUnknown) return;
      steps.push([kind, String(register), kind === "r" ? null : value]);
      results.push([kind, String(register), kind === "r" ? result : value]);
    });
    return { input: { f: "txn", value: steps }, output: answered && results };
  };
}
