import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Budget } from "../src/checker.ts";
import { History } from "../src/history/history.ts";
import { parseHistory } from "../src/history/notation.ts";
import type { Op } from "../src/history/op.ts";
import { type Random, seededRandom } from "../src/runtime/random.ts";
import type { EtcdEntry, EtcdSignature } from "./etcd/signature.ts";
import { etcdChecker } from "./etcd.ts";
import { type EtcdCall, etcd, etcdOutcome } from "./models/etcd.ts";

function check(text: string) {
  return etcdChecker().check(parseHistory<EtcdSignature>(text), new Budget(100_000));
}

const put = (process: number, key: string, value: number, revision: number) =>
  `${process} invoke put {"key":"${key}","value":${value}}\n${process} ok put {"revision":${revision}}\n`;
/** A put of which nothing more is heard. */
const lost = (process: number, key: string, value: number) =>
  `${process} invoke put {"key":"${key}","value":${value}}\n${process} info put {"key":"${key}","value":${value}} ! timeout\n`;
const get = (process: number, asked: object, revision: number, ...entries: object[]) =>
  `${process} invoke range ${JSON.stringify(asked)}\n${process} ok range ${JSON.stringify({ revision, entries, count: entries.length })}\n`;
const entry = (key: string, value: number, modRevision: number, more: object = {}) => ({
  key,
  value,
  modRevision,
  ...more,
});
/** Puts m in any case, and deletes k if c is 1. */
const GUARDED = JSON.stringify({
  compare: [{ key: "c", target: "value", operator: "=", operand: 1 }],
  success: [
    { kind: "put", key: "m", value: 7 },
    { kind: "delete", key: "k" },
  ],
  failure: [{ kind: "put", key: "m", value: 7 }],
});
const ALL = { key: "a", end: "z" };

describe("etcd", () => {
  it.each<[string, string]>([
    [
      "ranges of what was put, deleted and put again",
      put(0, "a", 1, 2) +
        put(0, "b", 2, 3) +
        '0 invoke delete {"key":"a","previous":true}\n0 ok delete {"revision":4,"deleted":1,"previous":[{"key":"a","value":1,"modRevision":2,"version":1}]}\n' +
        get(0, ALL, 4, entry("b", 2, 3, { createRevision: 3, version: 1, lease: "" })) +
        put(0, "a", 3, 5) +
        get(0, ALL, 5, entry("a", 3, 5, { createRevision: 5, version: 1 }), entry("b", 2, 3)),
    ],
    [
      "an old revision, and a serializable read of the past",
      put(0, "a", 1, 2) +
        put(0, "a", 2, 3) +
        get(0, { key: "a", revision: 2 }, 3, entry("a", 1, 2)) +
        get(0, { key: "a", serializable: true }, 2, entry("a", 1, 2)),
    ],
    [
      "a limit and a count",
      put(0, "a", 1, 2) +
        put(0, "b", 2, 3) +
        '0 invoke range {"key":"a","end":"z","limit":1}\n0 ok range {"revision":3,"entries":[{"key":"a","value":1,"modRevision":2}],"count":2,"more":true}\n' +
        '0 invoke range {"key":"a","end":"z","countOnly":true}\n0 ok range {"revision":3,"entries":[],"count":2}',
    ],
    [
      "a limit behind which a key is hidden, unless a deletion of unknown outcome took place",
      put(0, "a", 1, 2) +
        put(0, "b", 2, 3) +
        lost(1, "zz", 9) +
        '2 invoke delete {"key":"a"}\n2 info delete {"key":"a"} ! timeout\n' +
        put(0, "c", 3, 5) +
        '0 invoke range {"key":"a","end":"z","limit":1}\n0 ok range {"revision":5,"entries":[{"key":"a","value":1,"modRevision":2}],"count":3,"more":true}\n',
    ],
    [
      "keys that go with their lease, in one revision",
      '0 invoke grant "7"\n0 ok grant {"revision":1}\n0 invoke txn {"success":[{"kind":"put","key":"a","value":1,"lease":"7"},{"kind":"put","key":"b","value":2,"lease":"7"}]}\n' +
        '0 ok txn {"revision":2,"succeeded":true,"results":[{"kind":"put"},{"kind":"put"}]}\n0 invoke revoke "7"\n0 ok revoke {"revision":3}\n' +
        get(0, ALL, 3),
    ],
    [
      "a write of unknown outcome that is seen later, and one that never took place",
      lost(0, "a", 1) +
        lost(1, "b", 2) +
        put(2, "a", 3, 3) +
        get(2, ALL, 3, entry("a", 3, 3), entry("b", 2, 2)),
    ],
    [
      "a write of unknown outcome that only the versions tell of",
      lost(0, "a", 1) +
        lost(1, "b", 2) +
        put(2, "a", 3, 3) +
        get(2, ALL, 3, entry("a", 3, 3, { version: 2 })),
    ],
    [
      "a deletion of unknown outcome that only the missing key tells of",
      put(0, "a", 1, 2) +
        lost(0, "b", 2) +
        '1 invoke delete {"key":"a"}\n1 info delete {"key":"a"} ! timeout\n' +
        put(2, "c", 3, 4) +
        get(2, { key: "a", end: "b" }, 4),
    ],
    [
      "a transaction of unknown outcome, certain in its place, that did what an uncertain one before it decides",
      put(0, "c", 0, 2) +
        put(0, "k", 5, 3) +
        lost(1, "c", 1) +
        lost(2, "z", 9) +
        `3 invoke txn ${GUARDED}\n3 info txn ${GUARDED} ! timeout\n` +
        put(0, "q", 1, 6) +
        get(0, { key: "m" }, 6, entry("m", 7, 5)) +
        get(0, { key: "k" }, 6),
    ],
    [
      "a transaction in another, whose comparisons are made before anything is changed",
      '0 invoke txn {"success":[{"kind":"put","key":"a","value":1},{"kind":"txn","compare":[{"key":"a","target":"version","operator":"=","operand":0}],"success":[{"kind":"range","key":"a"}]}]}\n' +
        '0 ok txn {"revision":2,"succeeded":true,"results":[{"kind":"put"},{"kind":"txn","succeeded":true,"results":[{"kind":"range","entries":[{"key":"a","value":1,"modRevision":2}],"count":1}]}]}',
    ],
    [
      "what was refused because of a compaction",
      put(0, "a", 1, 2) +
        put(0, "a", 2, 3) +
        "0 invoke compact 3\n0 ok compact null\n" +
        '0 invoke range {"key":"a","revision":2}\n0 fail range {"key":"a","revision":2} ! mvcc: required revision has been compacted\n' +
        '0 invoke range {"key":"a","revision":4}\n0 fail range {"key":"a","revision":4} ! mvcc: required revision is a future revision',
    ],
  ])("accepts %s", (_, text) => {
    expect(check(text)).toMatchObject({ anomalies: [], validity: "valid" });
  });

  it.each<[name: string, text: string, witness: readonly number[]]>([
    [
      "two writes share a revision",
      '0 invoke put {"key":"a","value":1}\n1 invoke put {"key":"b","value":2}\n0 ok put {"revision":2}\n1 ok put {"revision":2}',
      [0, 1, 2, 3],
    ],
    ["revision went back", put(0, "a", 1, 3) + put(1, "b", 2, 2), [0, 1, 2, 3]],
    ["revision without a write", put(0, "a", 1, 2) + put(1, "b", 2, 4), [0, 1, 2, 3]],
    [
      "revision without a write",
      lost(0, "a", 1) + put(1, "b", 2, 3) + get(1, { key: "a" }, 3, entry("a", 9, 2)),
      [4, 5],
    ],
    [
      "stale read",
      put(0, "a", 1, 2) + put(0, "a", 2, 3) + get(1, { key: "a" }, 2, entry("a", 1, 2)),
      [2, 3, 4, 5],
    ],
    [
      "stale read",
      put(0, "a", 1, 2) + put(0, "a", 2, 3) + get(1, { key: "a" }, 3, entry("a", 1, 2)),
      [2, 3, 4, 5],
    ],
    [
      "stale value",
      put(0, "a", 1, 2) + put(0, "a", 2, 3) + get(1, { key: "a", revision: 3 }, 3, entry("a", 1, 2)),
      [2, 3, 4, 5],
    ],
    ["lost write", put(0, "a", 1, 2) + get(1, ALL, 2), [0, 1, 2, 3]],
    [
      "dirty read",
      '0 invoke put {"key":"a","value":1}\n0 fail put {"key":"a","value":1} ! refused\n' +
        put(0, "a", 2, 2) +
        get(1, { key: "a" }, 2, entry("a", 1, 2)),
      [0, 1, 4, 5],
    ],
    ["value never written", put(0, "a", 1, 2) + get(1, { key: "a" }, 2, entry("a", 9, 2)), [2, 3]],
    [
      "wrong answer",
      put(0, "a", 1, 2) +
        put(0, "b", 2, 3) +
        '1 invoke range {"key":"a","end":"z","limit":1}\n1 ok range {"revision":3,"entries":[{"key":"a","modRevision":2},{"key":"b","modRevision":3}],"count":2,"more":false}\n',
      [4, 5],
    ],
    [
      "lost write",
      put(0, "a", 1, 2) +
        put(0, "b", 2, 3) +
        '1 invoke range {"key":"a","end":"z","limit":1}\n1 ok range {"revision":3,"entries":[{"key":"b","modRevision":3}],"count":2,"more":true}\n',
      [0, 1, 4, 5],
    ],
    [
      "one revision, two values",
      put(0, "a", 1, 2) + put(0, "a", 2, 3) + get(1, { key: "a" }, 3, entry("a", 1, 3)),
      [2, 3, 4, 5],
    ],
    [
      "impossible version",
      put(0, "a", 1, 2) + get(1, { key: "a" }, 2, entry("a", 1, 2, { version: 2 })),
      [0, 1, 2, 3],
    ],
    [
      "wrong lease",
      put(0, "a", 1, 2) + get(1, { key: "a" }, 2, entry("a", 1, 2, { lease: "7" })),
      [0, 1, 2, 3],
    ],
    ["read from the future", put(0, "a", 1, 2) + get(1, { key: "a" }, 2, entry("a", 1, 3)), [2, 3]],
    [
      "wrong count",
      put(0, "a", 1, 2) +
        '1 invoke range {"key":"a","end":"z","countOnly":true}\n1 ok range {"revision":2,"entries":[],"count":2}',
      [2, 3],
    ],
    [
      "lost update",
      put(0, "a", 1, 2) +
        put(0, "a", 2, 3) +
        '1 invoke txn {"compare":[{"key":"a","target":"mod","operator":"=","operand":2}],"success":[{"kind":"put","key":"a","value":3}]}\n' +
        '1 ok txn {"revision":4,"succeeded":true,"results":[{"kind":"put"}]}',
      [2, 3, 4, 5],
    ],
    [
      "guard that should have held",
      put(0, "a", 1, 2) +
        '1 invoke txn {"compare":[{"key":"a","target":"mod","operator":"=","operand":2}],"success":[{"kind":"put","key":"a","value":3}]}\n' +
        '1 ok txn {"revision":2,"succeeded":false,"results":[]}',
      [0, 1, 2, 3],
    ],
    [
      "put under a missing lease",
      '0 invoke put {"key":"a","value":1,"lease":"7"}\n0 ok put {"revision":2}',
      [0, 1],
    ],
    [
      "key outlived its lease",
      '0 invoke grant "7"\n0 ok grant {"revision":1}\n0 invoke put {"key":"a","value":1,"lease":"7"}\n0 ok put {"revision":2}\n0 invoke revoke "7"\n0 ok revoke {"revision":2}',
      [4, 5],
    ],
    [
      "lease granted twice",
      '0 invoke grant "7"\n0 ok grant {"revision":1}\n0 invoke grant "7"\n0 ok grant {"revision":1}',
      [2, 3],
    ],
    [
      "read of what was compacted",
      put(0, "a", 1, 2) +
        put(0, "a", 2, 3) +
        "0 invoke compact 3\n0 ok compact null\n" +
        get(0, { key: "a", revision: 2 }, 3, entry("a", 1, 2)),
      [4, 5, 6, 7],
    ],
    [
      "false compaction",
      put(0, "a", 1, 2) +
        '0 invoke range {"key":"a","revision":2}\n0 fail range {"key":"a","revision":2} ! mvcc: required revision has been compacted',
      [2, 3],
    ],
    [
      "refusal of a past revision",
      put(0, "a", 1, 2) +
        '0 invoke range {"key":"a","revision":2}\n0 fail range {"key":"a","revision":2} ! mvcc: required revision is a future revision',
      [0, 1, 2, 3],
    ],
  ])("names: %s", (name, text, witness) => {
    const { validity, anomalies } = check(text);
    expect(validity).toBe("invalid");
    expect(anomalies[0]).toMatchObject({ name, witness });
  });

  it("says unknown, and why, when the budget does not suffice to fill the gaps", () => {
    const verdict = etcdChecker().check(
      parseHistory<EtcdSignature>(lost(0, "a", 1) + put(1, "b", 2, 3)),
      new Budget(0),
    );
    expect(verdict).toMatchObject({ validity: "unknown", anomalies: [] });
    expect(verdict.reason).toContain("budget");
  });

  it("is unknown without a reply", () => {
    expect(check(lost(0, "a", 1)).validity).toBe("unknown");
  });
});

/** A history of one copy of the store, by several clients, of which some lose answers: all but such a share. */
function honest(random: Random, size: number, heard = 0.85): Op<EtcdSignature>[] {
  const events: Op<EtcdSignature>[] = [];
  let state = etcd().init;
  let processes = 4;
  const open: { process: number; call: EtcdCall; answer?: unknown; done?: boolean }[] = [];
  const record = (fields: object) =>
    events.push({ index: events.length, time: events.length, ...fields } as never);
  const free = [0, 1, 2, 3];
  for (let made = 0; made < size || open.length > 0; ) {
    const at = random.below(open.length + (made < size && free.length > 0 ? 1 : 0));
    const running = open[at];
    if (running === undefined) {
      const call = drawCall(random, made++);
      const process = free.pop() as number;
      record({ type: "invoke", process, ...call });
      open.push({ process, call });
    } else if (running.done !== true && (heard === 1 || random.chance(0.9) || running.answer === null)) {
      const [after, answer] = etcdOutcome(state, running.call);
      state = after;
      open[at] = { ...running, answer, done: true };
    } else {
      open.splice(at, 1);
      const { process, call, answer, done } = running;
      if (done === true && random.chance(heard)) {
        if (answer === undefined) record({ type: "fail", process, ...call, error: "refused" });
        else record({ type: "ok", process, f: call.f, value: answer });
        free.push(process);
      } else {
        record({ type: "info", process, ...call, error: "timeout" });
        free.push(processes++);
      }
    }
  }
  return events;
}

const KEYS = ["a", "b", "c", "d"];

function drawCall(random: Random, nth: number): EtcdCall {
  const key = random.pick(KEYS);
  const span = random.chance(0.3) ? { key, end: "z" } : { key };
  const part = random.pick([{}, {}, { limit: 1 }, { limit: 2 }, { keysOnly: true }, { countOnly: true }]);
  switch (random.below(9)) {
    case 0:
      return { f: "delete", value: { ...span, previous: true } };
    case 1:
      return { f: random.chance(0.6) ? "grant" : "revoke", value: "7" };
    case 2:
      return {
        f: "txn",
        value: {
          compare: [{ key, target: "version", operator: "<", operand: 3 }],
          success: [
            { kind: "put", key, value: nth },
            { kind: "range", key: "a", end: "z", ...part },
          ],
          failure: [{ kind: "delete", ...span }],
        },
      };
    case 8: {
      const other = random.pick(KEYS);
      const compare = [{ key: other, target: "mod", operator: "=", operand: 0 } as const];
      const inner = { kind: "txn", compare, success: [{ kind: "put", key: other, value: nth }] } as const;
      return { f: "txn", value: { success: [{ kind: "delete", key }, inner, { kind: "range", ...span }] } };
    }
    case 3:
    case 4:
      return { f: "put", value: { key, value: nth, ...(random.chance(0.2) ? { lease: "7" } : {}) } };
    default:
      return { f: "range", value: { ...span, ...part } };
  }
}

/** Long windows in which no answer was heard, so that many revisions in a row belong to nobody. */
function deafened(events: readonly Op<EtcdSignature>[], random: Random): Op<EtcdSignature>[] {
  let deaf = false;
  const lost = new Map<number, number>();
  let processes = 1_000;
  return events.map((event) => {
    if (random.chance(0.03)) deaf = !deaf;
    const process = lost.get(event.process) ?? event.process;
    if (event.type === "invoke" || event.type === "fail" || !deaf) return { ...event, process };
    lost.set(event.process, processes++);
    const { index, time, f } = event;
    const invocation = events.findLast((other) => other.index < index && other.process === event.process);
    return { index, time, process, type: "info", f, value: invocation?.value, error: "timeout" } as never;
  });
}

const judged = (events: readonly Op<EtcdSignature>[], budget = 200_000) =>
  etcdChecker().check(new History(events), new Budget(budget));

describe("histories of one copy", () => {
  it("are valid, however many answers were lost", () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const { validity, anomalies } = judged(honest(seededRandom(seed), 60));
        expect([validity, anomalies]).toEqual(["valid", []]);
      }),
      // Some others may be too much to find out.
      { numRuns: 60, seed: 1 },
    );
  });

  it("are never invalid, though nothing was heard for whole stretches of them", () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const random = seededRandom(seed);
        // What happened in them may be too much to find out.
        const { anomalies } = judged(
          deafened(honest(random.fork("honest"), 80), random.fork("deaf")),
          20_000,
        );
        expect(anomalies).toEqual([]);
      }),
      { numRuns: 20, seed: 1 },
    );
  });

  it("are invalid once a range shows what nobody can have written, or forgets a key", () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (seed, at) => {
        const events = honest(seededRandom(seed), 60);
        const shown = events.filter(
          (event) =>
            event.type === "ok" &&
            event.f === "range" &&
            event.value.entries.length > 0 &&
            event.value.entries.every(({ value }) => value !== undefined),
        );
        fc.pre(shown.length > 0);
        const spoilt = shown[at % shown.length] as Op<EtcdSignature> & { f: "range"; type: "ok" };
        const { entries, ...rest } = spoilt.value;
        const lies: readonly (readonly EtcdEntry[])[] = [
          entries.map((entry) => ({ ...entry, value: -1 })),
          entries.map((entry) => ({ ...entry, createRevision: 0 })),
          [...entries, { key: "zz", value: 1, modRevision: 2 }],
          entries.slice(1),
        ];
        for (const lie of lies) {
          const value = { ...rest, entries: lie };
          const changed = events.map((event) => (event === spoilt ? { ...spoilt, value } : event));
          expect(judged(changed as Op<EtcdSignature>[]).validity).toBe("invalid");
        }
      }),
      { numRuns: 40 },
    );
  });

  interface Told {
    readonly revision: number;
    readonly entries?: readonly EtcdEntry[];
    readonly count?: number;
    readonly succeeded?: boolean;
    readonly deleted?: number;
    readonly previous?: readonly EtcdEntry[];
  }
  /** Of the first key that is shown. */
  const first = (lie: (entry: EtcdEntry) => Partial<EtcdEntry>) => (answer: Told) => {
    const [entry, ...others] = answer.entries ?? [];
    return entry && { entries: [{ ...entry, ...lie(entry) }, ...others] };
  };
  it.each<[what: string, lie: (answer: Told, f: string) => Partial<Told> | undefined]>([
    ["the revision of a write", ({ revision }, f) => (f === "put" ? { revision: revision + 1 } : undefined)],
    [
      "the revision of a write, to one before",
      ({ revision }, f) => (f === "put" ? { revision: revision - 1 } : undefined),
    ],
    [
      "a range, which misses a key and counts accordingly",
      ({ entries = [], count = 0 }) =>
        entries.length > 0 ? { entries: entries.slice(1), count: count - 1 } : undefined,
    ],
    ["a count", ({ count }) => (count === undefined ? undefined : { count: count + 1 })],
    ["the revision of a key's last change", first(({ modRevision }) => ({ modRevision: modRevision - 1 }))],
    ["a version", first(({ version = 0 }) => ({ version: version + 1 }))],
    ["a lease", first(({ lease }) => ({ lease: lease === "7" ? "" : "7" }))],
    [
      "the branch of a transaction",
      ({ succeeded }) => (succeeded === undefined ? undefined : { succeeded: !succeeded }),
    ],
    [
      "how many were deleted",
      ({ deleted }) => (deleted === undefined ? undefined : { deleted: deleted + 1 }),
    ],
    [
      "what was there before",
      ({ deleted = 0, previous = [] }) => (deleted > 0 ? { previous: previous.slice(1) } : undefined),
    ],
  ])("are invalid once an answer lies about %s", (_, lie) => {
    let told = 0;
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (seed, nth) => {
        const events = honest(seededRandom(seed), 40, 1);
        const lies = events.flatMap((event) => {
          if (event.type !== "ok" || event.value === null || typeof event.value !== "object") return [];
          const wrong = lie(event.value as unknown as Told, event.f);
          return wrong === undefined ? [] : [{ event, value: { ...event.value, ...wrong } }];
        });
        if (lies.length === 0) return;
        told++;
        const { event, value } = lies[nth % lies.length] as (typeof lies)[number];
        const changed = events.map((other) => (other === event ? { ...event, value } : other));
        expect(judged(changed as Op<EtcdSignature>[]).validity).toBe("invalid");
      }),
      { numRuns: 25 },
    );
    expect(told).toBeGreaterThan(10);
  });
});
