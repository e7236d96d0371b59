import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { guess, specifications } from "../../checkers/catalogue.ts";
import { Budget } from "../checker.ts";
import { readHistory } from "./history-file.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "robustness-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** As etcd's tests write them: indented values, one after another. */
function write(client: number, file: string, ...values: readonly object[]): void {
  const folder = join(directory, `client-${client}`);
  mkdirSync(folder, { recursive: true });
  const text = values.map((value) => `${JSON.stringify(value, null, 2)}\n`).join("");
  // More than a number holds.
  writeFileSync(join(folder, file), text.replaceAll('"LEASE"', "7587862094800512345"));
}

const operation = (client: number, call: number, end: number, input: object, output: object) => ({
  ClientId: client,
  Input: input,
  Call: call,
  Output: {
    ClientError: "",
    Persisted: false,
    PersistedRevision: 0,
    Error: "",
    "member-id": "8e9e05c52164694d",
    ...output,
  },
  Return: end,
  Metadata: {},
});
const txn = (...operations: readonly object[]) => ({
  Type: "txn",
  Txn: { Conditions: [], OperationsOnSuccess: operations, OperationsOnFailure: [] },
});
const put = (key: string, value: string, lease: number | string = 0) =>
  txn({ Type: "put-operation", Put: { Key: key, Value: { Value: value }, LeaseID: lease } });
const done = (revision: number, ...results: readonly object[]) => ({
  Txn: { Failure: false, Results: results.length === 0 ? [{ KVs: null, Count: 0, Deleted: 0 }] : results },
  Revision: revision,
});
const list = { Type: "range", Range: { Start: "k", End: "l", Limit: 0, KeysOnly: false, Revision: 0 } };
const found = (revision: number, ...entries: readonly (readonly [string, object, number])[]) => ({
  Range: {
    KVs: entries.map(([Key, Value, ModRevision]) => ({ Key, Value, ModRevision, Version: 1 })),
    Count: entries.length,
  },
  Revision: revision,
});
const event = (type: "put" | "delete", key: string, value: object, revision: number, more: object = {}) => ({
  Type: `${type}-operation`,
  Key: key,
  Value: value,
  Revision: revision,
  IsCreate: type === "put",
  ...more,
});
const watch = (responses: readonly object[]) => ({
  Request: { Key: "", Revision: 2, WithPrefix: true, WithProgressNotify: true, WithPrevKV: false },
  Responses: responses,
});

/** A value of 20 bytes or more: recorded whole where it is put in a transaction, and as its hash elsewhere. */
const LONG = "a".repeat(20);
const HASH = { Hash: 932_493_001 };

function report(lastEvent: object, listed: readonly (readonly [string, object, number])[]): void {
  write(
    1,
    "operations.json",
    operation(1, 10, 20, put("k1", "1"), done(2)),
    operation(1, 30, 40, put("k2", LONG), done(3)),
    operation(1, 50, 60, put("k3", "3"), { Error: "etcdserver: request timed out" }),
    operation(
      4,
      70,
      80,
      { Type: "leaseGrant", LeaseGrant: { LeaseID: "LEASE" } },
      { LeaseGrant: {}, Revision: 4 },
    ),
    operation(4, 90, 95, put("k4", "4", "LEASE"), done(5)),
    operation(4, 100, 110, list, found(5, ...listed)),
    operation(
      4,
      120,
      130,
      { Type: "compact", Compact: { Revision: 9 } },
      { ClientError: "mvcc: required revision is a future revision" },
    ),
    operation(4, 140, 150, { Type: "defragment", Defragment: {} }, { Defragment: {}, Revision: -1 }),
  );
  write(
    2,
    "watch.json",
    watch([
      { Events: [event("put", "k1", { Value: "1" }, 2), event("put", "k2", HASH, 3)], Revision: 3, Time: 45 },
      { Events: [lastEvent, event("put", "k4", { Value: "4" }, 5)], Revision: 5, Time: 97 },
      { IsProgressNotify: true, Revision: 5, Time: 99 },
    ]),
  );
}

function judge() {
  const { history, format } = readHistory(directory);
  expect(format.name).toBe("report of etcd's robustness tests");
  const specification = guess(history);
  expect(specification?.name).toBe("etcd");
  return specifications
    .find(({ name }) => name === "etcd")
    ?.checker({ nilIsUnknown: format.nilIsUnknown, init: null })
    .check(history, new Budget(10_000));
}

const all = [
  ["k1", { Value: "1" }, 2],
  ["k2", HASH, 3],
  ["k3", { Value: "3" }, 4],
  ["k4", { Value: "4" }, 5],
] as const;

describe("a report of etcd's robustness tests", () => {
  it("is judged, its watches telling what became of the write that timed out", () => {
    report(event("put", "k3", { Value: "3" }, 4), all);
    expect(judge()).toMatchObject({ reason: "all of etcd, watch hold", validity: "valid", anomalies: [] });
  });

  it("is invalid if a list lacks a key", () => {
    report(event("put", "k3", { Value: "3" }, 4), all.slice(1));
    expect(judge()?.anomalies).toMatchObject([{ name: "lost write", guarantee: "reads at a revision" }]);
  });

  it("is invalid if a watch tells of a change that nobody made", () => {
    report(event("put", "k3", { Value: "7" }, 4), all);
    expect(judge()?.anomalies.map(({ name }) => name)).toContain("phantom event");
  });

  it("is refused, by the name of the file, if it is something else", () => {
    write(1, "operations.json", operation(1, 10, 20, { Type: "move" }, {}));
    expect(() => readHistory(directory)).toThrow(/not "move"/);
  });
});
