/** For each model, calls that random histories are made of: few enough values that they meet each other. */
import type { Json } from "../../../src/history/op.ts";
import type { Random } from "../../../src/runtime/random.ts";
import { counter } from "../../models/counter.ts";
import type { EtcdCompare, EtcdOperation } from "../../etcd/signature.ts";
import { type EtcdAnswer, type EtcdCall, type EtcdState, etcd, etcdOutcome } from "../../models/etcd.ts";
import { kv } from "../../models/kv.ts";
import { multiRegister, type RegisterStep } from "../../models/multi-register.ts";
import { fencedMutex, mutex, ownedMutex, reentrantMutex } from "../../models/mutex.ts";
import { fifoQueue, stack, unorderedQueue } from "../../models/queue.ts";
import { register } from "../../models/register.ts";
import { set } from "../../models/set.ts";
import type { Model } from "../model.ts";

export type AnyCall = { readonly f: string; readonly value: Json };
export type AnyModel = Model<unknown, AnyCall, Json>;

/** A call, and what it may answer in one state or another. */
export interface Draw {
  readonly input: AnyCall;
  readonly answers: readonly Json[];
  /** The answer in one state, where it is seldom among those; undefined if the call is refused there. */
  truth?(state: unknown): Json | undefined;
}

export interface Subject {
  readonly name: string;
  readonly model: AnyModel;
  /** The `i`th call of a history, made by a process. */
  call(random: Random, i: number, process: number): Draw;
}

const READ = { f: "read", value: null };
const three = [0, 1, 2];

/** Writes of what `valueOf` gives, compare-and-sets to it, and reads. */
function registerCalls(random: Random, value: Json, values: readonly Json[]): Draw {
  const kind = random.below(4);
  if (kind < 2) return { input: READ, answers: values };
  if (kind === 2) return { input: { f: "write", value }, answers: [null] };
  return { input: { f: "cas", value: [random.pick(values), value] }, answers: [true, false] };
}

function lockCalls(f: "acquire" | "release", value: Json, granted: readonly Json[]): Draw {
  return { input: { f, value }, answers: f === "acquire" ? [...granted, false] : [null, null, false] };
}

function side(random: Random): "acquire" | "release" {
  return random.chance(0.5) ? "acquire" : "release";
}

function queueCalls(random: Random, put: string, take: string, value: Json, values: readonly Json[]): Draw {
  return random.chance(0.5)
    ? { input: { f: put, value }, answers: [null] }
    : { input: { f: take, value: null }, answers: [null, ...values] };
}

/** Every string that at most three of the words can make. */
function strings(words: readonly string[]): string[] {
  const one = ["", ...words];
  return [...new Set(one.flatMap((a) => one.flatMap((b) => one.map((c) => a + b + c))))];
}

const keys = ["a", "b"];

function etcdOperation(random: Random, nested = false): EtcdOperation {
  const key = random.pick(keys);
  const range = random.chance(0.3) ? { key: "a", end: random.pick(["b", "\0"]) } : { key };
  const kind = random.below(nested ? 8 : 9);
  const previous = random.chance(0.3) ? { previous: true } : {};
  if (kind < 2) {
    const limit = random.chance(0.2) ? { limit: 1 } : {};
    const only = random.chance(0.2) ? { [random.pick(["keysOnly", "countOnly"])]: true } : {};
    const revision = random.chance(0.3) ? { revision: 1 + random.below(3) } : {};
    return { kind: "range", ...range, ...limit, ...only, ...revision };
  }
  if (kind < 4) return { kind: "delete", ...range, ...previous };
  if (kind === 8) return { kind: "txn", ...etcdTxn(random, true) };
  return { kind: "put", key, value: random.below(2), ...(random.chance(0.3) ? { lease: "7" } : {}), ...previous };
}

function etcdTxn(random: Random, nested = false) {
  const compare: EtcdCompare = random.pick([
    { key: "a", target: "mod", operator: "=", operand: random.below(4) },
    { key: "a", target: "value", operator: "<", operand: 1 },
    { key: "a", end: "\0", target: "version", operator: ">", operand: random.below(2) },
  ] as const);
  const branch = () => [etcdOperation(random, nested), ...(random.chance(0.3) ? [etcdOperation(random, nested)] : [])];
  return { ...(random.chance(0.6) ? { compare: [compare] } : {}), success: branch(), failure: branch() };
}

/** Writes that depend on other keys, of values by which they are known, and reads that show what became of them. */
function guardedCall(random: Random, i: number): EtcdCall {
  const [key, other] = random.chance(0.5) ? ["a", "b"] : ["b", "a"];
  const kind = random.below(6);
  if (kind < 2) return { f: "range", value: random.chance(0.5) ? { key: "a", end: "z" } : { key } };
  if (kind < 4) return { f: "put", value: { key: random.pick([key, "c"]), value: i } };
  if (kind === 4) return { f: "delete", value: { key } };
  const compare: EtcdCompare = random.chance(0.5)
    ? { key, target: "version", operator: ">", operand: random.below(2) }
    : { key, target: "value", operator: "<", operand: random.below(i + 1) };
  const branch = (): EtcdOperation[] => [
    { kind: "put", key: "c", value: i },
    ...(random.chance(0.5) ? [{ kind: "delete", key: other } as const] : []),
  ];
  return { f: "txn", value: { compare: [compare], success: branch(), failure: branch() } };
}

/** Mostly writes, of many kinds, whose effects on each other few reads show: who made a revision is hard to tell. */
function blindCall(random: Random, i: number): EtcdCall {
  const key = () => random.pick(["a", "b", "c"]);
  const some = () => {
    const from = key();
    return random.chance(0.5) ? { key: from } : { key: from, end: random.pick(["c", "\0"]) };
  };
  const put = () => ({ key: key(), value: i, ...(random.chance(0.2) ? { lease: "7" } : {}) });
  const compare = (): EtcdCompare =>
    random.chance(0.5)
      ? { key: key(), target: random.pick(["mod", "create"]), operator: "=", operand: random.pick([0, 2, 3]) }
      : { ...some(), target: "version", operator: random.pick(["<", ">"]), operand: 1 };
  const operation = (nested: boolean): EtcdOperation => {
    const kind = random.below(nested ? 4 : 5);
    if (kind < 2) return { kind: "put", ...put() };
    if (kind === 2) return { kind: "delete", ...some() };
    if (kind === 3) return { kind: "range", ...some(), ...(random.chance(0.5) ? { limit: 1 } : {}) };
    return { kind: "txn", ...txn(true) };
  };
  const txn = (nested = false) => ({
    ...(random.chance(0.7) ? { compare: [compare()] } : {}),
    success: [operation(nested), ...(random.chance(0.5) ? [operation(nested)] : [])],
    failure: random.chance(0.3) ? [operation(nested)] : [],
  });
  switch (random.below(10)) {
    case 0:
      return { f: random.chance(0.6) ? "grant" : "revoke", value: "7" };
    case 1:
    case 2:
      return { f: "delete", value: { ...some(), ...(random.chance(0.3) ? { previous: true } : {}) } };
    case 3:
    case 4:
      return { f: "txn", value: txn() };
    case 5:
    case 6: {
      const only = random.chance(0.2) ? { [random.pick(["keysOnly", "countOnly"])]: true } : {};
      return { f: "range", value: { ...some(), ...(random.chance(0.3) ? { limit: 1 } : {}), ...only } };
    }
    default:
      return { f: "put", value: { ...put(), ...(random.chance(0.2) ? { previous: true } : {}) } };
  }
}

/** The answer without some of what an entry can tell. */
function partly(answer: EtcdAnswer, untold: readonly string[]): EtcdAnswer {
  return JSON.parse(JSON.stringify(answer, (name, part) => (untold.includes(name) ? undefined : part)));
}

function etcdCall(random: Random): EtcdCall {
  const kind = random.below(6);
  if (kind === 0) return { f: random.chance(0.7) ? "grant" : "revoke", value: "7" };
  if (kind < 3) return { f: "txn", value: etcdTxn(random) };
  const { kind: f, ...value } = etcdOperation(random, true);
  return { f, value } as EtcdCall;
}

/** What the call answers in some state that others like it lead to. */
function etcdDraw(random: Random, i: number, callOf: (random: Random, i: number) => EtcdCall): Draw {
  const input = callOf(random, i);
  const answers = new Map<string, EtcdAnswer>();
  for (let tries = 0; tries < 6; tries++) {
    let state = etcd().init;
    for (let depth = random.below(3); depth > 0; depth--) state = etcdOutcome(state, callOf(random, random.below(i + 1)))[0];
    const [, answer] = etcdOutcome(state, input);
    if (answer !== undefined) answers.set(JSON.stringify(answer), answer);
  }
  if (answers.size === 0) return etcdDraw(random, i, callOf);
  const untold = random.chance(0.5) ? [] : ["version", "createRevision", "lease"].filter(() => random.chance(0.5));
  return {
    input,
    answers: [...answers.values()].map((answer) => partly(answer, untold)),
    truth(state) {
      const [, answer] = etcdOutcome(state as EtcdState, input);
      return answer && partly(answer, untold);
    },
  };
}

function transaction(random: Random): Draw {
  const steps = Array.from({ length: random.chance(0.6) ? 1 : 2 }, (): RegisterStep => {
    const name = random.pick(["x", "y", "z"]);
    return random.chance(0.5) ? ["r", name, null] : ["w", name, random.below(2)];
  });
  let answers: RegisterStep[][] = [[]];
  for (const [f, name, value] of steps)
    answers = answers.flatMap((answer) =>
      (f === "w" ? [value] : [null, 0, 1]).map((read) => [...answer, [f, name, read] as const]),
    );
  return { input: { f: "txn", value: steps }, answers };
}

export const subjects: readonly Subject[] = [
  {
    name: "register",
    model: register(0),
    call: (random) => registerCalls(random, random.below(3), three),
  },
  {
    name: "register with values written once",
    model: register(),
    call: (random, i) => registerCalls(random, i, [null, 0, 1, 2, 3, 4, 5, 6]),
  },
  {
    name: "register without the optional parts",
    model: bare(register(0)),
    call: (random) => registerCalls(random, random.below(3), three),
  },
  { name: "multi-register", model: multiRegister(), call: transaction },
  {
    name: "kv",
    model: kv,
    call(random) {
      const value = random.pick(random.chance(0.1) ? ["ab"] : ["a", "b"]);
      const kind = random.below(4);
      if (kind < 2) return { input: { f: "get", value: null }, answers: strings(["a", "b"]) };
      return { input: { f: kind === 2 ? "put" : "append", value }, answers: [null] };
    },
  },
  {
    name: "kv with values written once",
    model: kv,
    call(random, i) {
      const kind = random.below(6);
      if (kind < 3) return { input: { f: "get", value: null }, answers: strings([..."0123456"]) };
      return { input: { f: kind === 3 ? "put" : "append", value: String(i) }, answers: [null] };
    },
  },
  { name: "etcd", model: etcd(), call: (random, i) => etcdDraw(random, i, etcdCall) },
  { name: "etcd with values written once", model: etcd(), call: (random, i) => etcdDraw(random, i, guardedCall) },
  { name: "etcd with few reads", model: etcd(), call: (random, i) => etcdDraw(random, i, blindCall) },
  { name: "mutex", model: mutex, call: (random) => lockCalls(side(random), null, [null, null]) },
  {
    name: "owned mutex",
    model: ownedMutex,
    call: (random, _, process) => lockCalls(side(random), process, [null, null, null]),
  },
  {
    name: "owned mutex with shared owners",
    model: ownedMutex,
    call: (random) => lockCalls(side(random), random.below(2), [null]),
  },
  {
    name: "reentrant mutex",
    model: reentrantMutex(),
    call: (random, _, process) => lockCalls(side(random), process, [null, null, null]),
  },
  {
    name: "fenced mutex",
    model: fencedMutex,
    call: (random, _, process) => lockCalls(side(random), process, [1, 2, 3, 4]),
  },
  {
    name: "set",
    model: set,
    call(random) {
      const f = random.pick(["add", "remove", "contains", "read"]);
      if (f === "read") return { input: READ, answers: [[], [0], [1], [0, 1], [1, 0]] };
      const answers = f === "contains" ? [true, false] : [null, true, false];
      return { input: { f, value: random.below(2) }, answers };
    },
  },
  {
    name: "set of few elements",
    model: set,
    call(random) {
      const f = random.pick(["add", "remove", "contains"]);
      const answers = f === "contains" ? [true, false] : [null, true, false];
      return { input: { f, value: random.below(2) }, answers };
    },
  },
  {
    name: "fifo queue",
    model: fifoQueue,
    call: (random) => queueCalls(random, "enqueue", "dequeue", random.below(2), [0, 1]),
  },
  {
    name: "fifo queue with values enqueued once",
    model: fifoQueue,
    call: (random, i) => queueCalls(random, "enqueue", "dequeue", i, [0, 1, 2, 3, 4, 5, 6]),
  },
  {
    name: "unordered queue",
    model: unorderedQueue,
    call: (random) => queueCalls(random, "enqueue", "dequeue", random.below(3), three),
  },
  {
    name: "stack",
    model: stack,
    call: (random) => queueCalls(random, "push", "pop", random.below(3), three),
  },
  {
    name: "counter",
    model: counter,
    call(random) {
      if (random.chance(0.4)) return { input: READ, answers: [-1, 0, 1, 2, 3, 4] };
      const value = random.pick([1, 1, 1, 2, -1, 0]);
      return { input: { f: "add", value }, answers: random.chance(0.7) ? [null] : [-1, 0, 1, 2, 3, 4] };
    },
  },
];

function bare<State, In, Out>({ name, summary, init, step, key }: Model<State, In, Out>): Model<State, In, Out> {
  return { name, summary, init, step, key };
}
