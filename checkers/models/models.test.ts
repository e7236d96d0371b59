import { describe, expect, it } from "vitest";
import { Budget, type Verdict } from "../../src/checker.ts";
import { parseHistory } from "../../src/history/notation.ts";
import type { Json } from "../../src/history/op.ts";
import type { EtcdOperation, EtcdTxn } from "../etcd/signature.ts";
import type { Model } from "../linearizable/model.ts";
import { asCalled, linearizable } from "../linearizable.ts";
import { counter } from "./counter.ts";
import { type EtcdCall, etcd, etcdOutcome } from "./etcd.ts";
import { kv } from "./kv.ts";
import { multiRegister } from "./multi-register.ts";
import { fencedMutex, mutex, ownedMutex, reentrantMutex } from "./mutex.ts";
import { fifoQueue, stack, unorderedQueue } from "./queue.ts";
import { type RegisterCall, register } from "./register.ts";
import { set } from "./set.ts";

type AnyModel = Model<unknown, { readonly f: string; readonly value: Json }, Json>;

function check(model: AnyModel, text: string): Verdict {
  return linearizable(model, asCalled).check(parseHistory(text), new Budget(100_000));
}

/** Of each model a textbook violation with its name, and a history that differs from it by little and is right. */
const textbook: readonly (readonly [AnyModel, name: string, violation: string, nearMiss: string])[] = [
  [
    multiRegister(),
    "nonlinearizable history",
    `
    0 invoke txn [["w", "x", 1], ["w", "y", 1]]
    0 ok     txn [["w", "x", 1], ["w", "y", 1]]
    1 invoke txn [["r", "x", null], ["r", "y", null]]
    1 ok     txn [["r", "x", 1], ["r", "y", null]]`,
    `
    0 invoke txn [["w", "x", 1], ["w", "y", 1]]
    0 ok     txn [["w", "x", 1], ["w", "y", 1]]
    1 invoke txn [["r", "x", null], ["r", "z", null]]
    1 ok     txn [["r", "x", 1], ["r", "z", null]]`,
  ],
  [
    kv,
    "nonlinearizable history",
    `
    0 invoke append "a"
    0 ok     append
    1 invoke append "b"
    1 ok     append
    2 invoke get
    2 ok     get "ba"`,
    `
    0 invoke append "a"
    1 invoke append "b"
    0 ok     append
    1 ok     append
    2 invoke get
    2 ok     get "ba"`,
  ],
  [
    etcd(),
    "nonlinearizable history",
    `
    0 invoke grant "7"
    0 ok     grant {"revision": 1}
    0 invoke txn {"success": [{"kind": "put", "key": "a", "value": "x", "lease": "7"}]}
    0 ok     txn {"revision": 2, "succeeded": true, "results": [{"kind": "put"}]}
    1 invoke txn {"success": [{"kind": "range", "key": "a", "end": "b"}]}
    1 ok     txn {"revision": 3, "succeeded": true, "results": [{"kind": "range", "entries": [], "count": 0}]}`,
    `
    0 invoke grant "7"
    0 ok     grant {"revision": 1}
    0 invoke txn {"success": [{"kind": "put", "key": "a", "value": "x", "lease": "7"}]}
    0 ok     txn {"revision": 2, "succeeded": true, "results": [{"kind": "put"}]}
    2 invoke revoke "7"
    2 info   revoke "7" ! expired at some time
    1 invoke txn {"success": [{"kind": "range", "key": "a", "end": "b"}]}
    1 ok     txn {"revision": 3, "succeeded": true, "results": [{"kind": "range", "entries": [], "count": 0}]}`,
  ],
  [
    mutex,
    "two holders at once",
    `
    0 invoke acquire
    0 ok     acquire
    1 invoke acquire
    1 ok     acquire
    0 invoke release
    0 ok     release`,
    `
    0 invoke acquire
    0 ok     acquire
    0 invoke release
    0 info   release ! timeout
    1 invoke acquire
    1 ok     acquire`,
  ],
  [
    ownedMutex,
    "release of a lock not held",
    `
    0 invoke acquire 0
    0 ok     acquire
    1 invoke release 1
    1 ok     release`,
    `
    0 invoke acquire 0
    0 ok     acquire
    1 invoke release 1
    1 ok     release false`,
  ],
  [
    ownedMutex,
    "two holders at once",
    `
    0 invoke acquire 0
    0 ok     acquire
    1 invoke acquire 1
    1 ok     acquire
    0 invoke release 0
    0 ok     release`,
    `
    0 invoke acquire 0
    0 ok     acquire
    1 invoke acquire 1
    0 invoke release 0
    1 ok     acquire
    0 ok     release`,
  ],
  [
    reentrantMutex(2),
    "two holders at once",
    `
    0 invoke acquire 0
    0 ok     acquire
    0 invoke acquire 0
    0 ok     acquire
    0 invoke release 0
    0 ok     release
    1 invoke acquire 1
    1 ok     acquire`,
    `
    0 invoke acquire 0
    0 ok     acquire
    0 invoke acquire 0
    0 ok     acquire
    0 invoke release 0
    0 ok     release
    0 invoke release 0
    1 invoke acquire 1
    1 ok     acquire
    0 ok     release`,
  ],
  [
    fencedMutex,
    "two holders at once, or a token that went back",
    `
    0 invoke acquire 0
    0 ok     acquire 5
    0 invoke release 0
    0 ok     release
    1 invoke acquire 1
    1 ok     acquire 5`,
    `
    0 invoke acquire 0
    0 ok     acquire 5
    0 invoke release 0
    0 ok     release
    1 invoke acquire 1
    1 ok     acquire 6`,
  ],
  [
    set,
    "nonlinearizable history",
    `
    0 invoke add 1
    0 ok     add
    1 invoke add 2
    1 ok     add
    2 invoke read
    2 ok     read [2]`,
    `
    0 invoke add 1
    1 invoke add 2
    1 ok     add
    2 invoke read
    2 ok     read [2]
    0 ok     add`,
  ],
  [
    set,
    "nonlinearizable history",
    `
    0 invoke add 1
    0 ok     add true
    1 invoke add 1
    1 ok     add true`,
    `
    0 invoke add 1
    0 ok     add true
    1 invoke remove 1
    2 invoke add 1
    2 ok     add true
    1 ok     remove true`,
  ],
  [
    fifoQueue,
    "nonlinearizable history",
    `
    0 invoke enqueue 1
    0 ok     enqueue
    1 invoke enqueue 2
    1 ok     enqueue
    2 invoke dequeue
    2 ok     dequeue 2
    2 invoke dequeue
    2 ok     dequeue 1`,
    `
    0 invoke enqueue 1
    1 invoke enqueue 2
    0 ok     enqueue
    1 ok     enqueue
    2 invoke dequeue
    2 ok     dequeue 2
    2 invoke dequeue
    2 ok     dequeue 1`,
  ],
  [
    fifoQueue,
    "nonlinearizable history",
    `
    0 invoke enqueue 1
    0 ok     enqueue
    1 invoke dequeue
    0 invoke enqueue 2
    0 ok     enqueue
    2 invoke dequeue
    2 ok     dequeue 1
    1 ok     dequeue null
    2 invoke dequeue
    2 ok     dequeue 2`,
    `
    0 invoke enqueue 1
    0 ok     enqueue
    1 invoke dequeue
    2 invoke dequeue
    2 ok     dequeue 1
    1 ok     dequeue null
    0 invoke enqueue 2
    0 ok     enqueue
    2 invoke dequeue
    2 ok     dequeue 2`,
  ],
  [
    unorderedQueue,
    "nonlinearizable history",
    `
    0 invoke enqueue 1
    0 ok     enqueue
    1 invoke dequeue
    1 ok     dequeue 1
    2 invoke dequeue
    2 ok     dequeue 1`,
    `
    0 invoke enqueue 1
    0 ok     enqueue
    0 invoke enqueue 2
    0 ok     enqueue
    1 invoke dequeue
    1 info   dequeue ! timeout
    2 invoke dequeue
    2 ok     dequeue 2
    2 invoke dequeue
    2 ok     dequeue null`,
  ],
  [
    stack,
    "nonlinearizable history",
    `
    0 invoke push 1
    0 ok     push
    0 invoke push 2
    0 ok     push
    1 invoke pop
    1 ok     pop 1`,
    `
    0 invoke push 1
    0 ok     push
    0 invoke push 2
    1 invoke pop
    1 ok     pop 1
    0 ok     push`,
  ],
  [
    counter,
    "nonlinearizable history",
    `
    0 invoke add 1
    0 ok     add
    1 invoke add 1
    1 info   add 1 ! timeout
    2 invoke read
    2 ok     read 3`,
    `
    0 invoke add 1
    0 ok     add
    1 invoke add 1
    1 info   add 1 ! timeout
    2 invoke read
    2 ok     read 2`,
  ],
];

describe.each(textbook.map(([model, name, violation, nearMiss]) => ({ model, name, violation, nearMiss })))(
  "$model.name: $name",
  ({ model, name, violation, nearMiss }) => {
    it("rejects the textbook violation", () => {
      const { validity, anomalies } = check(model, violation);
      expect({ validity, names: anomalies.map((anomaly) => anomaly.name) }).toEqual({
        validity: "invalid",
        names: [name],
      });
    });

    it("accepts the near miss", () => {
      expect(check(model, nearMiss)).toMatchObject({ validity: "valid", anomalies: [] });
    });
  },
);

describe("register", () => {
  it.each<[state: Json, call: RegisterCall, output: Json | undefined, after: Json | undefined]>([
    [1, { f: "read", value: null }, 1, 1],
    [1, { f: "read", value: null }, 2, undefined],
    [1, { f: "read", value: null }, undefined, 1],
    [null, { f: "read", value: null }, null, null],
    ["1", { f: "read", value: null }, 1, undefined],
    [1, { f: "write", value: 2 }, null, 2],
    [1, { f: "cas", value: [1, 2] }, true, 2],
    [1, { f: "cas", value: [1, 2] }, false, undefined],
    [3, { f: "cas", value: [1, 2] }, false, 3],
    [3, { f: "cas", value: [1, 2] }, true, undefined],
    [1, { f: "cas", value: [1, 2] }, undefined, 2],
    [3, { f: "cas", value: [1, 2] }, undefined, 3],
    [[1, 2], { f: "cas", value: [[1, 2], 3] }, true, 3],
  ])("in %j, %j answering %j leads to %j", (state, call, output, after) => {
    expect(register().step(state, call, output)).toEqual(after);
  });

  it("keeps a text apart from the number it spells", () => {
    expect(register().key("1")).not.toBe(register().key(1));
    expect(register().key("null")).not.toBe(register().key(null));
  });
});

describe("kv", () => {
  it("lets several appends of one word do the same", () => {
    const text = `
      0 invoke append "b"
      0 ok     append
      0 invoke append "b"
      0 ok     append
      0 invoke get
      0 ok     get "bb"
      0 invoke put "b"
      0 ok     put
      0 invoke append "b"
      0 ok     append
      0 invoke get
      0 ok     get "bb"`;
    expect(check(kv, text).validity).toBe("valid");
    expect(check(kv, text.replace('get "bb"', 'get "bbb"')).validity).toBe("invalid");
  });
});

describe("multi-register", () => {
  it("begins with what it is given", () => {
    const read = `
      0 invoke txn [["r", "x", null], ["r", "y", null]]
      0 ok     txn [["r", "x", 7], ["r", "y", null]]`;
    expect(check(multiRegister({ x: 7 }), read).validity).toBe("valid");
    expect(check(multiRegister(), read).validity).toBe("invalid");
    const single = `
      0 invoke txn [["r", "x", null]]
      0 ok     txn [["r", "x", 7]]`;
    expect(check(multiRegister({ x: 7 }), single).validity).toBe("valid");
    expect(check(multiRegister({ x: 8 }), single).validity).toBe("invalid");
  });
});

describe("etcd", () => {
  const put = (key: string, value: Json, lease?: string): EtcdOperation =>
    lease === undefined ? { kind: "put", key, value } : { kind: "put", key, value, lease };
  const txn = (...success: readonly EtcdOperation[]): EtcdCall => ({ f: "txn", value: { success } });
  const run = (...calls: readonly EtcdCall[]) =>
    calls.reduce((state, call) => etcdOutcome(state, call)[0], etcd().init);
  const entry = (key: string, value: Json, createRevision: number, modRevision: number, version: number) => ({
    key,
    value,
    createRevision,
    modRevision,
    version,
    lease: "",
  });
  const newest = ({ entries }: ReturnType<typeof run>) => [...(entries.at(-1)?.values() ?? [])];
  const answer = (value: EtcdTxn, ...before: readonly EtcdCall[]) =>
    etcdOutcome(run(...before), { f: "txn", value })[1] as unknown as { succeeded: boolean; results: Json[] };

  it("gives each change a revision, and each key its versions", () => {
    const twice = run(txn(put("b", 1)), txn(put("a", 2), put("b", 3)));
    expect(twice.revision).toBe(3);
    expect(newest(twice)).toEqual([entry("a", 2, 3, 3, 1), entry("b", 3, 2, 3, 2)]);
    const again = run(txn(put("a", 1)), txn({ kind: "delete", key: "a" }), txn(put("a", 2)));
    expect(again.revision).toBe(4);
    expect(newest(again)).toEqual([entry("a", 2, 4, 4, 1)]);
  });

  it("takes no revision for what changes nothing", () => {
    const compare = [{ key: "a", target: "mod", operator: "=", operand: 5 }] as const;
    expect(
      run(txn({ kind: "delete", key: "a", end: "\0" }), txn({ kind: "range", key: "a" }), {
        f: "txn",
        value: { compare, success: [put("a", 1)] },
      }),
    ).toEqual(etcd().init);
  });

  it.each([
    ["value", "=", "x", true],
    ["value", "<", "x", false],
    ["value", ">", "w", true],
    ["version", "!=", 1, false],
    ["create", "=", 2, true],
    ["mod", ">", 2, false],
    ["lease", "=", "", true],
  ] as const)("compares: %s %s %j is %j", (target, operator, operand, expected) => {
    const compare = [{ key: "a", target, operator, operand }];
    expect(answer({ compare }, txn(put("a", "x"))).succeeded).toBe(expected);
  });

  it("compares no value of a missing key, and takes its numbers for 0", () => {
    const holds = (target: "value" | "version", operator: "=" | "!=", operand: string | number) =>
      answer({ compare: [{ key: "a", target, operator, operand }] }).succeeded;
    expect(holds("value", "!=", "x")).toBe(false);
    expect(holds("version", "=", 0)).toBe(true);
  });

  it("shows in a range what the same transaction has put, cut off at the limit", () => {
    const range: EtcdOperation = { kind: "range", key: "a", end: "c", limit: 1 };
    const told = answer({ success: [put("b", 1), put("a", 1), range] }, txn(put("c", 1)));
    expect(told.results[2]).toEqual({
      kind: "range",
      entries: [entry("a", 1, 3, 3, 1)],
      count: 2,
      more: true,
    });
  });

  it("deletes with a lease the keys attached to it then, in one revision", () => {
    const state = run(
      { f: "grant", value: "7" },
      txn(put("a", 1, "7"), put("b", 1, "7"), put("c", 1, "7")),
      txn(put("b", 2)),
      { f: "revoke", value: "7" },
    );
    expect(state).toMatchObject({ revision: 4, leases: [] });
    expect(newest(state)).toEqual([entry("b", 2, 2, 3, 2)]);
  });

  it("refuses a put under a lease that does not exist", () => {
    expect(etcdOutcome(etcd().init, txn(put("a", 1, "7")))).toEqual([etcd().init, undefined]);
  });
});
