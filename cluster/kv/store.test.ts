import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Applied, Command } from "./command.ts";
import * as errors from "./errors.ts";
import { attachedKeys, changesOf, EMPTY_MODEL, range, revisionOf, step } from "./model.ts";
import type {
  Compare,
  DeleteRangeRequest,
  KeyValue,
  LeaseGrantRequest,
  PutRequest,
  RangeRequest,
  RequestOp,
  Revision,
  TxnRequest,
  WatchEvent,
} from "./request.ts";
import { restore } from "./restoration.ts";
import { isReadOnly, Store } from "./store.ts";

const SOUND = { bug: "" };

function put(key: string, value: string, more: Partial<PutRequest> = {}): PutRequest {
  return { kind: "put", key, value, ...more };
}
function del(key: string, rangeEnd?: string): DeleteRangeRequest {
  return rangeEnd === undefined
    ? { kind: "delete-range", key }
    : { kind: "delete-range", key, rangeEnd, prevKv: true };
}
function get(key: string, more: Partial<RangeRequest> = {}): RangeRequest {
  return { kind: "range", key, ...more };
}
function txn(
  compare: readonly Compare[],
  success: readonly RequestOp[],
  failure: readonly RequestOp[] = [],
): TxnRequest {
  return { kind: "txn", compare, success, failure };
}
function grant(id: string, ttl = 10): LeaseGrantRequest {
  return { kind: "lease-grant", id, ttl };
}
function version(key: string, operand: number): Compare {
  return { key, target: "version", result: "equal", operand };
}
const ALL = { rangeEnd: "\0" } as const;

function storeAfter(commands: readonly Command[], bug = ""): Store {
  const store = new Store({ bug });
  for (const command of commands) store.apply(command);
  return store;
}
/** Chunks of a few records each. */
const CHUNK_BYTES = 100;
function restored(store: Store, bug = ""): Store {
  return restore(store.snapshot(CHUNK_BYTES), { bug });
}
function encoded(store: Store): string {
  return Buffer.concat([...store.snapshot(CHUNK_BYTES)]).toString("latin1");
}
function pairs(store: Store, revision = 0): string[] {
  const answer = store.range(get("\0", { ...ALL, revision }));
  if (answer.kind === "error") throw new Error(answer.message);
  return answer.kvs.map((kv) => `${kv.key}=${kv.value}`);
}
function keysOf(kvs: readonly KeyValue[]): string {
  return kvs.map((kv) => kv.key).join("");
}

describe("revisions", () => {
  it("begin at 1, and every command that changes something takes one", () => {
    const store = new Store(SOUND);
    expect([store.revision, store.compactRevision]).toEqual([1, 0]);
    const revisions: [Command, Revision][] = [
      [put("a", "1"), 2],
      [txn([], [put("b", "1"), put("c", "1"), get("b")]), 3],
      [txn([], [get("a")]), 3],
      [del("nothing"), 3],
      [del("a", "c"), 4],
      [grant("7"), 4],
      [put("d", "1", { lease: "7" }), 5],
      [{ kind: "lease-revoke", id: "7" }, 6],
      [grant("8"), 6],
      [{ kind: "lease-revoke", id: "8" }, 6],
      [{ kind: "compact", revision: 4 }, 6],
      [put("e", "1", { lease: "none" }), 6],
    ];
    for (const [command, revision] of revisions) {
      expect(store.apply(command).revision, JSON.stringify(command)).toBe(revision);
      expect(store.revision).toBe(revision);
    }
  });

  it("are shared by all changes of a transaction, which come in the order of its operations", () => {
    const store = storeAfter([put("b", "1"), put("c", "1")]);
    const applied = store.apply(txn([], [put("z", "1"), del("b", "d"), put("a", "1")]));
    expect(applied.events.map(({ type, kv }) => [type, kv.key, kv.modRevision])).toEqual([
      ["put", "z", 4],
      ["delete", "b", 4],
      ["delete", "c", 4],
      ["put", "a", 4],
    ]);
  });

  it("count a key's life: created once, a version more with each put, anew after a delete", () => {
    const store = storeAfter([put("a", "1"), put("a", "2"), del("a"), put("a", "3")]);
    const seen = [2, 3, 4, 5].map((revision) => {
      const answer = store.range(get("a", { revision }));
      const kv = answer.kind === "range" ? answer.kvs[0] : undefined;
      return kv && [kv.createRevision, kv.modRevision, kv.version, kv.value];
    });
    expect(seen).toEqual([[2, 2, 1, "1"], [2, 3, 2, "2"], undefined, [5, 5, 1, "3"]]);
  });
});

describe("put", () => {
  it("answers the previous version on request", () => {
    const store = storeAfter([put("a", "1")]);
    expect(store.apply(put("a", "2")).response).toEqual({ kind: "put" });
    const { response } = store.apply(put("a", "3", { prevKv: true }));
    expect(response.kind === "put" && response.prevKv?.value).toBe("2");
    expect(store.apply(put("new", "1", { prevKv: true })).response).toEqual({ kind: "put" });
  });

  it("keeps the value or the lease of an existing key, and refuses to without one", () => {
    const store = storeAfter([grant("7"), put("a", "1", { lease: "7" })]);
    expect(store.apply(put("a", "", { ignoreValue: true })).events[0]?.kv).toMatchObject({
      value: "1",
      lease: "0",
    });
    store.apply(put("a", "2", { lease: "7" }));
    expect(store.apply(put("a", "3", { ignoreLease: true })).events[0]?.kv).toMatchObject({
      value: "3",
      lease: "7",
    });
    expect(store.apply(put("b", "", { ignoreValue: true })).response).toBe(errors.ErrKeyNotFound);
    expect(store.apply(put("b", "1", { ignoreLease: true })).response).toBe(errors.ErrKeyNotFound);
  });

  it("refuses an unknown lease", () => {
    expect(new Store(SOUND).apply(put("a", "1", { lease: "7" })).response).toBe(errors.ErrLeaseNotFound);
  });
});

describe("range", () => {
  const store = storeAfter([put("b", "2"), put("a", "3"), put("c", "1"), put("a", "3"), put("d", "0")]);
  const answer = (more: Partial<RangeRequest>) => {
    const found = store.range(get("a", { ...ALL, ...more }));
    return found.kind === "error" ? found : [keysOf(found.kvs), found.more, found.count];
  };

  it.each<[Partial<RangeRequest>, readonly [string, boolean, number]]>([
    [{}, ["abcd", false, 4]],
    [{ rangeEnd: "c" }, ["ab", false, 2]],
    [{ rangeEnd: "" }, ["a", false, 1]],
    [{ key: "bb" }, ["cd", false, 2]],
    [{ key: "z", rangeEnd: "a" }, ["", false, 0]],
    [{ limit: 2 }, ["ab", true, 4]],
    [{ limit: 4 }, ["abcd", false, 4]],
    [{ countOnly: true, limit: 1 }, ["", false, 4]],
    [{ sortOrder: "descend" }, ["dcba", false, 4]],
    [{ sortOrder: "descend", limit: 1 }, ["d", true, 4]],
    [{ sortTarget: "value" }, ["dcba", false, 4]],
    [{ sortTarget: "create" }, ["bacd", false, 4]],
    [{ sortTarget: "mod", sortOrder: "descend" }, ["dacb", false, 4]],
    [{ sortTarget: "version", sortOrder: "descend" }, ["abcd", false, 4]],
    // The limit cuts to three first, as no order was asked for; then they are sorted.
    [{ sortTarget: "value", limit: 2 }, ["cb", true, 4]],
    [{ sortTarget: "value", sortOrder: "ascend", limit: 2 }, ["dc", true, 4]],
    [{ minModRevision: 4 }, ["acd", false, 4]],
    [{ maxModRevision: 4 }, ["bc", false, 4]],
    [{ minCreateRevision: 3, maxCreateRevision: 4 }, ["ac", false, 4]],
    [{ minModRevision: 4, limit: 1 }, ["a", true, 4]],
    [{ revision: 3 }, ["ab", false, 2]],
    [{ revision: 1 }, ["", false, 0]],
  ])("%o", (request, expected) => {
    expect(answer(request)).toEqual(expected);
  });

  it("leaves out values of keysOnly, and keeps the rest", () => {
    const found = store.range(get("a", { keysOnly: true }));
    expect(found).toMatchObject({ kvs: [{ key: "a", value: "", version: 2 }] });
    expect(pairs(store)[0]).toBe("a=3");
  });

  it("knows revisions that are gone or to come", () => {
    const compacted = storeAfter([
      put("a", "1"),
      put("a", "2"),
      put("a", "3"),
      { kind: "compact", revision: 3 },
    ]);
    expect(compacted.range(get("a", { revision: 2 }))).toBe(errors.ErrCompacted);
    expect(compacted.range(get("a", { revision: 3 }))).toMatchObject({ kvs: [{ value: "2" }] });
    expect(compacted.range(get("a", { revision: 5 }))).toBe(errors.ErrFutureRev);
  });
});

describe("transactions", () => {
  const setUp: Command[] = [
    grant("-5"),
    grant("20"),
    put("a", "5", { lease: "20" }),
    put("b", "6"),
    put("b", "7"),
  ];

  it.each<[Compare, boolean]>([
    [{ key: "a", target: "value", result: "equal", operand: "5" }, true],
    [{ key: "a", target: "value", result: "greater", operand: "5" }, false],
    [{ key: "a", target: "create", result: "equal", operand: 2 }, true],
    [{ key: "b", target: "mod", result: "greater", operand: 3 }, true],
    [{ key: "b", target: "version", result: "less", operand: 2 }, false],
    [{ key: "b", target: "version", result: "not-equal", operand: 1 }, true],
    [{ key: "a", target: "lease", result: "equal", operand: "20" }, true],
    [{ key: "a", target: "lease", result: "greater", operand: "9" }, true],
    [{ key: "a", target: "lease", result: "less", operand: "-30" }, false],
    [{ key: "b", target: "lease", result: "greater", operand: "-1" }, true],
    // A missing key has version 0, but no value at all.
    [{ key: "none", target: "version", result: "equal", operand: 0 }, true],
    [{ key: "none", target: "value", result: "equal", operand: "" }, false],
    [{ key: "none", target: "value", result: "not-equal", operand: "x" }, false],
    // Intervals: every key, and the missing one's rule when there is none.
    [{ key: "a", rangeEnd: "c", target: "version", result: "greater", operand: 0 }, true],
    [{ key: "a", rangeEnd: "\0", target: "version", result: "equal", operand: 1 }, false],
    [{ key: "x", rangeEnd: "z", target: "mod", result: "equal", operand: 0 }, true],
  ])("compare %o", (compare, expected) => {
    const store = storeAfter(setUp);
    expect(store.readTxn(txn([compare], [], []))).toMatchObject({ succeeded: expected });
  });

  it("show their own writes to later operations, and none to compares, nested ones included", () => {
    const store = storeAfter([put("a", "old")]);
    const { response } = store.apply(
      txn(
        [],
        [
          get("a"),
          put("a", "new"),
          get("a"),
          get("a", { revision: 2 }),
          txn([{ key: "a", target: "value", result: "equal", operand: "old" }], [get("a")]),
        ],
      ),
    );
    expect(response).toMatchObject({
      responses: [
        { kvs: [{ value: "old" }] },
        {},
        { kvs: [{ value: "new", version: 2 }] },
        { kvs: [{ value: "old" }] },
        { succeeded: true, responses: [{ kvs: [{ value: "new" }] }] },
      ],
    });
  });

  it.each<[string, RequestOp, unknown]>([
    ["a compacted range", get("a", { revision: 2 }), errors.ErrCompacted],
    ["a future range", get("a", { revision: 6 }), errors.ErrFutureRev],
    ["an unknown lease", put("b", "x", { lease: "99" }), errors.ErrLeaseNotFound],
    ["a missing key", put("b", "", { ignoreValue: true }), errors.ErrKeyNotFound],
    ["a nested refusal", txn([], [txn([], [get("a", { revision: 6 })])]), errors.ErrFutureRev],
  ])("change nothing when they end in %s", (_, operation, error) => {
    const store = storeAfter([put("a", "1"), put("a", "2"), put("a", "3"), { kind: "compact", revision: 3 }]);
    const before = store.hash();
    const applied = store.apply(txn([], [put("z", "1"), operation]));
    expect(applied).toEqual({ response: error, revision: 4, events: [] });
    expect(store.hash()).toBe(before);
    // In the branch not taken, it is no matter.
    expect(store.apply(txn([], [put("z", "1")], [operation])).response).toMatchObject({ succeeded: true });
  });

  it("are read-only when no branch at any depth can write", () => {
    expect(isReadOnly(txn([version("a", 1)], [get("a")], [txn([], [get("b")])]))).toBe(true);
    expect(isReadOnly(txn([], [], [txn([], [], [del("b")])]))).toBe(false);
    expect(() => new Store(SOUND).readTxn(txn([], [], [put("a", "1")]))).toThrow("apply");
  });
});

describe("compaction", () => {
  const history: Command[] = [put("a", "1"), put("b", "1"), put("a", "2"), del("b"), put("c", "1")];

  it("is refused at or below the last, and above the newest revision", () => {
    const store = storeAfter([...history, { kind: "compact", revision: 3 }]);
    const answers = [0, 2, 3, 7, 4].map((revision) => store.apply({ kind: "compact", revision }).response);
    expect(answers).toEqual([
      errors.ErrCompacted,
      errors.ErrCompacted,
      errors.ErrCompacted,
      errors.ErrFutureRev,
      { kind: "compact" },
    ]);
  });

  it("leaves every readable revision as it was, and less to remember", () => {
    for (let revision = 1; revision <= 6; revision++) {
      const full = storeAfter(history);
      const store = storeAfter([...history, { kind: "compact", revision }]);
      for (let at = revision; at <= 6; at++) expect(pairs(store, at)).toEqual(pairs(full, at));
      expect(store.range(get("a", { revision: revision - 1 })).kind).toBe(revision === 1 ? "range" : "error");
      if (revision >= 4) expect(store.approximateBytes()).toBeLessThan(full.approximateBytes());
    }
  });

  it("keeps the changes of its own revision watchable, without what they replaced", () => {
    const store = storeAfter([...history, { kind: "compact", revision: 5 }]);
    expect(store.changes(5, 6)).toMatchObject([[{ type: "delete", kv: { key: "b" } }], [{ type: "put" }]]);
    expect(store.changes(5, 5)[0]![0]).not.toHaveProperty("prevKv");
    expect(() => store.changes(4, 6)).toThrow(RangeError);
    expect(() => store.changes(6, 7)).toThrow(RangeError);
  });
});

describe("a key changed twice in one revision", () => {
  // Only by way of two nested transactions, which etcd lets pass.
  const twice = txn([], [txn([], [put("a", "2")]), txn([], [del("a")])]);

  it("is seen twice by watchers, until a compaction there leaves the last change", () => {
    const store = storeAfter([put("a", "1"), twice]);
    const types = () => store.changes(3, 3)[0]!.map((event) => event.type);
    expect(types()).toEqual(["put", "delete"]);
    expect(pairs(store)).toEqual([]);
    store.apply({ kind: "compact", revision: 3 });
    expect(types()).toEqual(["delete"]);
    expect(restored(store).hash()).toBe(store.hash());
  });
});

describe("leases", () => {
  it("are granted once per id, for at least a second", () => {
    const store = new Store(SOUND);
    expect(store.apply(grant("7", 0)).response).toEqual({ kind: "lease-grant", id: "7", ttl: 1 });
    expect(store.apply(grant("7")).response).toBe(errors.ErrLeaseExist);
    expect(store.apply(grant("0")).response).toBe(errors.ErrLeaseNotFound);
    expect(store.apply(grant("8", 9_000_000_001)).response).toBe(errors.ErrLeaseTTLTooLarge);
    expect(store.apply(grant("-9", 9_000_000_000)).response).toMatchObject({ ttl: 9_000_000_000 });
    expect(store.leaseIds()).toEqual(["-9", "7"]);
    expect(store.apply({ kind: "lease-revoke", id: "8" }).response).toBe(errors.ErrLeaseNotFound);
  });

  it("take their keys with them, sorted, in one revision", () => {
    const store = storeAfter([grant("7"), grant("8")]);
    for (const key of ["c", "a", "b", "d"]) store.apply(put(key, "1", { lease: "7" }));
    store.apply(put("b", "2")); // detached
    store.apply(put("d", "2", { lease: "8" })); // moved
    expect(store.lease("7")?.keys).toEqual(["a", "c"]);
    const { events, revision } = store.apply({ kind: "lease-revoke", id: "7" });
    expect(events.map(({ type, kv }) => [type, kv.key, kv.modRevision])).toEqual([
      ["delete", "a", revision],
      ["delete", "c", revision],
    ]);
    expect(pairs(store)).toEqual(["b=2", "d=2"]);
    expect(store.lease("7")).toBeUndefined();
  });

  it("forget a key that is deleted, even if it comes back", () => {
    const store = storeAfter([grant("7"), put("a", "1", { lease: "7" }), del("a"), put("a", "2")]);
    expect(store.lease("7")?.keys).toEqual([]);
    expect(store.apply({ kind: "lease-revoke", id: "7" }).events).toEqual([]);
  });

  it("remember their checkpoint", () => {
    const store = storeAfter([grant("7", 900)]);
    store.apply({
      kind: "lease-checkpoint",
      leases: [
        { id: "7", remaining: 400 },
        { id: "8", remaining: 1 },
      ],
    });
    expect(store.lease("7")).toEqual({ ttl: 900, remaining: 400, keys: [] });
    expect(store.lease("8")).toBeUndefined();
  });
});

// ---- Laws

/** Few enough keys, leases and revisions to meet again, and few enough refusals to get somewhere. */
const key = fc.constantFrom("a", "b", "c", "ab", "\xff");
const interval = fc.oneof(
  fc.record({ key }),
  fc.record({
    key: fc.constantFrom("\0", "a", "b"),
    rangeEnd: fc.constantFrom("\0", "b", "c", "zz", "a", ""),
  }),
);
const value = fc.constantFrom("", "1", "2", "\x00\xff");
const leaseId = fc.constantFrom("1", "1", "2", "2", "-3", "9223372036854775807");
const lease = fc.oneof(fc.constant("0"), { weight: 3, arbitrary: leaseId });
const flag = fc.boolean();
const revision = fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: -1, max: 20 }));

const rangeOptions: fc.Arbitrary<Partial<RangeRequest>> = fc.record(
  {
    limit: fc.integer({ min: -1, max: 3 }),
    revision,
    sortOrder: fc.constantFrom("none", "ascend", "descend"),
    sortTarget: fc.constantFrom("key", "version", "create", "mod", "value"),
    keysOnly: flag,
    countOnly: flag,
    minModRevision: revision,
    maxModRevision: revision,
    minCreateRevision: revision,
    maxCreateRevision: revision,
  },
  { requiredKeys: [] },
);
const oneRangeOption = fc
  .tuple(rangeOptions, fc.nat())
  .map(([options, n]) => Object.fromEntries(Object.entries(options).filter((_, i) => i === n % 10)));
const rangeRequest: fc.Arbitrary<RangeRequest> = fc
  .tuple(
    interval,
    fc.oneof(
      fc.constant({}),
      fc.record({ limit: fc.integer({ min: 1, max: 2 }) }),
      oneRangeOption,
      rangeOptions,
    ),
  )
  .map(([keys, options]) => ({ kind: "range", ...keys, ...options }));
const putRequest: fc.Arbitrary<PutRequest> = fc.oneof(
  { weight: 7, arbitrary: fc.record({ kind: fc.constant("put"), key, value, prevKv: flag }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("put"), key, value, lease }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("put"), key, value: fc.constant(""), lease, ignoreValue: flag }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("put"), key, value, ignoreLease: flag, prevKv: flag }),
  },
);
const deleteRequest: fc.Arbitrary<DeleteRangeRequest> = fc
  .tuple(interval, flag)
  .map(([keys, prevKv]) => ({ kind: "delete-range", ...keys, prevKv }));
const result = fc.constantFrom<Compare["result"]>("equal", "not-equal", "greater", "less");
const condition = fc.oneof(
  fc.record({
    result,
    target: fc.constantFrom("version", "create", "mod"),
    operand: fc.integer({ min: 0, max: 6 }),
  }),
  fc.record({ result, target: fc.constant("value"), operand: value }),
  fc.record({ result, target: fc.constant("lease"), operand: lease }),
);
const compare: fc.Arbitrary<Compare> = fc
  .tuple(interval, condition)
  .map(([keys, test]) => ({ ...keys, ...test }));
const { txnRequest } = fc.letrec<{ txnRequest: TxnRequest; op: RequestOp }>((tie) => {
  const ops = fc.array(tie("op"), { maxLength: 3 });
  return {
    op: fc.oneof(
      { maxDepth: 3 },
      { weight: 3, arbitrary: putRequest },
      { weight: 2, arbitrary: rangeRequest },
      { weight: 1, arbitrary: deleteRequest },
      { weight: 2, arbitrary: tie("txnRequest") },
    ),
    txnRequest: fc.record({
      kind: fc.constant("txn"),
      compare: fc.array(compare, { maxLength: 2 }),
      success: ops,
      failure: ops,
    }),
  };
});
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 9, arbitrary: putRequest },
  { weight: 1, arbitrary: deleteRequest },
  { weight: 6, arbitrary: txnRequest },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("compact"), revision }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("lease-grant"), id: leaseId, ttl: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("lease-revoke"), id: leaseId }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("lease-checkpoint"),
      leases: fc.array(fc.record({ id: leaseId, remaining: fc.nat(20) }), { maxLength: 2 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("alarm"),
      action: fc.constantFrom("activate", "deactivate", "deactivate"),
      member: fc.constantFrom("1", "2"),
      alarm: fc.constantFrom("nospace", "nospace", "corrupt", "none"),
    }),
  },
);
/** Rights in a small world: two users besides root, two roles, permissions that touch and overlap. */
const name = fc.constantFrom("root", "u", "v");
const roleName = fc.constantFrom("root", "r", "s");
const permission = fc.record({
  type: fc.constantFrom("read", "write", "readwrite"),
  key: fc.constantFrom("a", "ab", "b"),
  rangeEnd: fc.constantFrom("", "\0", "ab", "b", "c"),
});
const authRequest: fc.Arbitrary<Command> = fc.oneof(
  fc.record({ kind: fc.constantFrom("auth-enable", "auth-disable") }),
  fc.record({ kind: fc.constant("user-add"), name, password: fc.constant("h"), noPassword: flag }),
  fc.record({ kind: fc.constant("user-delete"), name }),
  fc.record({ kind: fc.constant("user-change-password"), name, password: fc.constant("g") }),
  fc.record({ kind: fc.constantFrom("user-grant-role", "user-revoke-role"), name, role: roleName }),
  fc.record({ kind: fc.constantFrom("role-add", "role-delete"), name: roleName }),
  fc.record({ kind: fc.constant("role-grant-permission"), name: roleName, permission }),
  permission.chain(({ key: start, rangeEnd }) =>
    fc.record({
      kind: fc.constant("role-revoke-permission"),
      name: roleName,
      key: fc.constant(start),
      rangeEnd: fc.constant(rangeEnd),
    }),
  ),
  fc.record({
    kind: fc.constant("authenticate"),
    name,
    token: fc.uuid(),
    issued: fc.constant(1),
    revision: fc.integer({ min: 5, max: 10 }),
  }),
);
const caller = fc.oneof(
  fc.constantFrom("member", undefined),
  fc.record({ user: name, revision: fc.constantFrom(1, 8, 1000, 1000, 1000) }),
);
/** Commands of somebody, in a store where rights have been given. */
const guarded: fc.Arbitrary<Command[]> = fc
  .array(
    fc.tuple(fc.oneof({ weight: 4, arbitrary: command }, { weight: 1, arbitrary: authRequest }), caller),
    { maxLength: 30 },
  )
  .map((steps) => [
    { kind: "user-add", name: "root", password: "h", noPassword: false },
    { kind: "user-grant-role", name: "root", role: "root" },
    { kind: "user-add", name: "u", password: "h", noPassword: false },
    { kind: "role-add", name: "r" },
    { kind: "role-grant-permission", name: "r", permission: { type: "readwrite", key: "a", rangeEnd: "b" } },
    { kind: "user-grant-role", name: "u", role: "r" },
    { kind: "auth-enable" },
    ...steps.map(([next, by]) => (by === undefined ? next : { ...next, caller: by })),
  ]);

/** Sequences of one's own length (fast-check alone stays at ten or so), half of them from a store in use. */
function sequences<T>(step: fc.Arbitrary<T>): fc.Arbitrary<(T | Command)[]> {
  const inUse = [grant("1"), grant("2"), ...["a", "b", "c", "ab", "\xff"].map((name) => put(name, "1"))];
  const steps = fc.array(step, { maxLength: 40, size: "max" });
  return fc.oneof(
    steps,
    steps.map((later) => [...inUse, ...later]),
  );
}
const commands = sequences(command);

function same(actual: unknown, expected: unknown): void {
  // The comparison of `expect` is many times slower: it is only asked to explain.
  if (!isDeepStrictEqual(actual, expected)) expect(actual).toEqual(expected);
}

/** What a store is, seen from outside. */
function view(store: Store): unknown {
  const from = Math.max(1, store.compactRevision);
  const readings: unknown[] = [];
  for (let at = from; at <= store.revision; at++)
    readings.push(store.range(get("\0", { ...ALL, revision: at })), store.hashKv(at));
  return {
    readings,
    changes: store.changes(from, store.revision),
    leases: store.leaseIds().map((id) => [id, store.lease(id)]),
    hash: store.hash(),
    bytes: store.approximateBytes(),
    snapshot: encoded(store),
  };
}

describe("laws", () => {
  const options = { seed: 20260801, numRuns: 400 };

  it("the store does what the model does", () => {
    fc.assert(
      fc.property(sequences(fc.oneof({ weight: 3, arbitrary: command }, rangeRequest)), (steps) => {
        const store = new Store(SOUND);
        let model = EMPTY_MODEL;
        for (const next of steps) {
          if (next.kind === "range") {
            same(store.range(next), range(model, next));
            continue;
          }
          const expected = step(model, next);
          model = expected.model;
          same(store.apply(next), expected.applied);
        }
        same([store.revision, store.compactRevision], [revisionOf(model), model.compactRevision]);
        const from = Math.max(1, store.compactRevision);
        const expected: WatchEvent[][] = [];
        for (let at = from; at <= store.revision; at++) expected.push(changesOf(model, at));
        same(store.changes(from, store.revision), expected);
        for (const [id, { ttl, remaining }] of model.leases) {
          same(store.lease(id), { ttl, remaining, keys: attachedKeys(model, id) });
        }
        same(new Set(store.leaseIds()), new Set(model.leases.keys()));
        same(new Set(store.alarms()), new Set(model.alarms));
      }),
      options,
    );
  });

  it("the store lets do what the model lets do", () => {
    fc.assert(
      fc.property(guarded, (steps) => {
        let store = new Store(SOUND);
        let model = EMPTY_MODEL;
        for (const [i, next] of steps.entries()) {
          const expected = step(model, next);
          model = expected.model;
          same(store.apply(next), expected.applied);
          if (i % 10 !== 9) continue;
          const replica = restored(store);
          same(replica.hash(), store.hash());
          store = replica;
        }
      }),
      options,
    );
  });

  it("a read-only transaction answers the same through the log and beside it", () => {
    const reads = fc.record({
      kind: fc.constant("txn"),
      compare: fc.array(compare, { maxLength: 2 }),
      success: fc.array(rangeRequest, { maxLength: 2 }),
      failure: fc.array(rangeRequest, { maxLength: 2 }),
    });
    fc.assert(
      fc.property(commands, reads, (before, read) => {
        const store = storeAfter(before);
        const answer = store.readTxn(read as TxnRequest);
        const { revision: at } = store;
        same(store.apply(read as TxnRequest), { response: answer, revision: at, events: [] });
      }),
      { ...options, numRuns: 200 },
    );
  });

  it("a snapshot holds everything, and a replica that starts from one stays equal", () => {
    fc.assert(
      fc.property(commands, commands, (before, after) => {
        const store = storeAfter(before);
        const replica = restored(store);
        same(view(replica), view(store));
        for (const next of after) {
          same(replica.apply(next), store.apply(next));
          same(replica.hash(), store.hash());
        }
        same(view(replica), view(store));
        same(view(restored(store)), view(store));
      }),
      { ...options, numRuns: 150 },
    );
  });

  it("different states have different hashes", () => {
    fc.assert(
      fc.property(commands, command, (before, next) => {
        const store = storeAfter(before);
        const snapshot = encoded(store);
        const hash = store.hash();
        store.apply(next);
        same(snapshot === encoded(store), hash === store.hash());
      }),
      options,
    );
  });

  it("no command makes apply throw, and a refused one changes nothing", () => {
    const bytes = fc.string({
      unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
    });
    const integer = fc.oneof(fc.integer({ min: -3, max: 12 }), fc.maxSafeInteger());
    const wild: fc.Arbitrary<Command> = fc.oneof(
      command,
      fc.record({ kind: fc.constant("put"), key: bytes, value: bytes, lease: bytes, ignoreValue: flag }),
      fc.record({ kind: fc.constant("delete-range"), key: bytes, rangeEnd: bytes }),
      fc.record({ kind: fc.constant("compact"), revision: integer }),
      fc.record({
        kind: fc.constant("lease-grant"),
        id: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n).map(String),
        ttl: integer,
      }),
      fc.record({ kind: fc.constant("lease-revoke"), id: bytes }),
      fc.record({
        kind: fc.constant("lease-checkpoint"),
        leases: fc.array(fc.record({ id: leaseId, remaining: integer })),
      }),
    );
    fc.assert(
      fc.property(sequences(wild), (all) => {
        const store = new Store(SOUND);
        for (const next of all) {
          const before = store.hash();
          if (store.apply(next).response.kind === "error") same(store.hash(), before);
        }
        restored(store);
      }),
      options,
    );
  });
});

describe("hashKv", () => {
  it("tells what is compacted or to come, and sees every version up to the revision", () => {
    const store = storeAfter([put("a", "1"), put("a", "2"), put("b", "1"), { kind: "compact", revision: 3 }]);
    expect(store.hashKv(2)).toBe(errors.ErrCompacted);
    expect(store.hashKv(5)).toBe(errors.ErrFutureRev);
    expect(store.hashKv(0)).toEqual(store.hashKv(4));
    const other = storeAfter([put("a", "1"), put("a", "2"), put("b", "2"), { kind: "compact", revision: 3 }]);
    expect(other.hashKv(3)).toEqual(store.hashKv(3));
    expect(other.hashKv(4)).not.toEqual(store.hashKv(4));
  });
});

describe("planted bugs", () => {
  type Promised = { readonly bug: string; readonly holds: (bug: string) => boolean };
  const withLease: Command[] = [grant("7"), put("a", "1", { lease: "7" })];
  const revokeAfterRestore = (bug: string): Applied => {
    return restored(storeAfter(withLease, bug), bug).apply({ kind: "lease-revoke", id: "7" });
  };
  const promises: Promised[] = [
    {
      bug: "txn-sees-own-puts",
      holds: (bug) => {
        const { response } = storeAfter([], bug).apply(txn([version("a", 0)], [put("a", "1")]));
        return response.kind === "txn" && response.succeeded;
      },
    },
    {
      bug: "txn-range-misses-new",
      holds: (bug) => {
        const range = { kind: "range", key: "a", rangeEnd: "c" } as const;
        const { response } = storeAfter([put("a", "1"), put("b", "1")], bug).apply(txn([], [range]));
        const [found] = response.kind === "txn" ? response.responses : [];
        return found?.kind === "range" && found.kvs.length === 2;
      },
    },
    {
      bug: "failed-txn-takes-revision",
      holds: (bug) => storeAfter([txn([version("a", 1)], [put("a", "1")], [get("a")])], bug).revision === 1,
    },
    {
      bug: "snapshot-omits-leases",
      holds: (bug) => revokeAfterRestore(bug).response.kind === "lease-revoke",
    },
    { bug: "snapshot-omits-attachments", holds: (bug) => revokeAfterRestore(bug).events.length === 1 },
    {
      bug: "compaction-drops-tombstone",
      holds: (bug) => {
        const store = storeAfter([put("a", "1"), del("a"), { kind: "compact", revision: 3 }], bug);
        return store.changes(3, 3)[0]!.length === 1;
      },
    },
  ];

  it.each(promises)("$bug", ({ bug, holds }) => {
    expect(holds("")).toBe(true);
    expect(holds(bug)).toBe(false);
  });
});
