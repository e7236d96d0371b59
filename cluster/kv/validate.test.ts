import { describe, expect, it } from "vitest";
import * as errors from "./errors.ts";
import type { RangeRequest, RequestOp, StatusError, TxnRequest } from "./request.ts";
import { Store } from "./store.ts";
import { checkRequest } from "./validate.ts";

const put = (key: string): RequestOp => ({ kind: "put", key, value: "1" });
const del = (key: string, rangeEnd = ""): RequestOp => ({ kind: "delete-range", key, rangeEnd });
const get = (key: string): RequestOp => ({ kind: "range", key });
const txn = (success: RequestOp[], failure: RequestOp[] = []): TxnRequest => ({
  kind: "txn",
  compare: [],
  success,
  failure,
});
const LIMITS = { maxTxnOps: 3 };

/** A transaction in a transaction, and so on. */
const nested = (depth: number): TxnRequest => {
  let inner = txn([get("a")]);
  for (let i = 1; i < depth; i++) inner = txn([inner]);
  return inner;
};

describe("checkRequest", () => {
  it("takes transactions as deep as the default number of operations can hold, whatever the limit", () => {
    for (const maxTxnOps of [128, 10_000]) {
      expect(checkRequest(nested(128), { maxTxnOps })).toBeUndefined();
      expect(checkRequest(nested(129), { maxTxnOps })).toBe(errors.ErrTooManyOps);
    }
  });

  it.each<[string, Parameters<typeof checkRequest>[0], StatusError | undefined]>([
    ["a range without a key", get(""), errors.ErrEmptyKey],
    ["a put without a key", put(""), errors.ErrEmptyKey],
    ["a delete without a key", del(""), errors.ErrEmptyKey],
    ["a key and no value", { kind: "put", key: "a", value: "" }, undefined],
    ["a value to ignore", { kind: "put", key: "a", value: "1", ignoreValue: true }, errors.ErrValueProvided],
    [
      "a lease to ignore",
      { kind: "put", key: "a", value: "1", lease: "7", ignoreLease: true },
      errors.ErrLeaseProvided,
    ],
    ["no lease to ignore", { kind: "put", key: "a", value: "1", lease: "0", ignoreLease: true }, undefined],
    [
      "a compare without a key",
      { ...txn([]), compare: [{ key: "", target: "mod", result: "less", operand: 1 }] },
      errors.ErrEmptyKey,
    ],
    ["an operation without a key", txn([], [get("")]), errors.ErrEmptyKey],
    ["a nested operation without a key", txn([txn([], [put("")])]), errors.ErrEmptyKey],
    ["as many operations as may be", txn([get("a"), get("a"), get("a")]), undefined],
    ["one operation more", txn([], [get("a"), get("a"), get("a"), get("a")]), errors.ErrTooManyOps],
    ["nested operations within what is left", txn([get("a"), txn([get("a")])]), undefined],
    ["nested operations beyond it", txn([get("a"), txn([get("a"), get("b")])]), errors.ErrTooManyOps],
    ["a lease of the longest life", { kind: "lease-grant", id: "7", ttl: 9_000_000_000 }, undefined],
    ["a lease too long", { kind: "lease-grant", id: "7", ttl: 9_000_000_001 }, errors.ErrLeaseTTLTooLarge],
  ])("%s", (_, request, error) => {
    expect(checkRequest(request, LIMITS)).toBe(error);
  });

  it("knows sort options that only an untyped edge can send", () => {
    const request = JSON.parse('{"kind":"range","key":"a","sortOrder":"sideways"}') as RangeRequest;
    expect(checkRequest(request, LIMITS)).toBe(errors.ErrInvalidSortOption);
    const target = JSON.parse('{"kind":"range","key":"a","sortTarget":"size"}') as RangeRequest;
    expect(checkRequest(target, LIMITS)).toBe(errors.ErrInvalidSortOption);
  });

  it.each<[string, TxnRequest, boolean]>([
    ["two puts of a key", txn([put("a"), put("a")]), false],
    ["puts of two keys", txn([put("a"), put("b")]), true],
    ["one put in each branch", txn([put("a")], [put("a")]), true],
    ["a put and its delete", txn([put("a"), del("a")]), false],
    ["a put and a delete around it", txn([del("a", "c"), put("b")]), false],
    ["a put at a delete's end", txn([del("a", "c"), put("c")]), true],
    ["a put after a delete of all from a key on", txn([del("a", "\0"), put("c")]), false],
    ["a put before such a delete's beginning", txn([del("b", "\0"), put("a")]), true],
    ["two deletes of a key", txn([del("a"), del("a", "c")]), true],
    ["a put here and in a nested transaction", txn([put("a"), txn([], [put("a")])]), false],
    ["one put in each branch of a nested transaction", txn([txn([put("a")], [put("a")])]), true],
    ["one put in each of two nested transactions", txn([txn([put("a")]), txn([], [put("a")])]), false],
    ["a nested put and a delete here", txn([txn([put("a")]), del("a")]), false],
    ["a nested delete and a put here", txn([put("a"), txn([del("a")])]), false],
    ["a nested delete, then a nested put", txn([txn([del("a")]), txn([put("a")])]), false],
    // etcd lets this pass, too: deletes of a later nested transaction are not held against earlier puts.
    ["a nested put, then a nested delete", txn([txn([put("a")]), txn([del("a")])]), true],
    ["an overlap two levels down", txn([txn([], [txn([put("a"), put("a")])])]), false],
  ])("overlaps: %s", (_, request, allowed) => {
    expect(checkRequest(request, { maxTxnOps: 128 })).toBe(allowed ? undefined : errors.ErrDuplicateKey);
  });

  it("is repeated by the store, with a limit that no member's own can exceed", () => {
    const store = new Store({ bug: "" });
    const many = (count: number) => Array.from({ length: count }, (_, i) => get(`${i}`));
    expect(store.readTxn(txn(many(10_000)))).toMatchObject({ succeeded: true });
    expect(store.readTxn(txn(many(10_001)))).toBe(errors.ErrTooManyOps);
    expect(store.apply(txn([...many(10_000), put("b")])).response).toBe(errors.ErrTooManyOps);
    expect(store.range({ kind: "range", key: "" })).toBe(errors.ErrEmptyKey);
    expect(store.revision).toBe(1);
  });
});
