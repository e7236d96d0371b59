import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Budget } from "../src/checker.ts";
import type { History } from "../src/history/history.ts";
import { scripted } from "./transactions/testdata/scripted.ts";
import type { TransactionSignature } from "./transactions/transaction.ts";
import { weakIsolationChecker } from "./weak-isolation.ts";

const levels = ["read-committed", "read-atomic", "causal"] as const;
type Level = (typeof levels)[number];

function judge(text: string, level: Level = "causal") {
  return weakIsolationChecker({ level }).check(scripted(text), new Budget(0));
}

/** Each anomaly, the strongest level that allows it, a textbook history, and one that looks alike and is right. */
const cases: readonly (readonly [name: string, allowed: Level | null, history: string, nearMiss: string])[] =
  [
    ["cyclic reads", null, "0 x:=1 y==2 \n 1 y:=2 x==1", "0 x:=1 y==- \n 1 y:=2 x==1"],
    ["non-monotonic read", null, "0 x:=1 \n 0 x:=2 \n 1 x==2 x==1", "0 x:=1 \n 0 x:=2 \n 1 x==2 x==2"],
    ["fractured read", "read-committed", "0 x:=1 y:=1 \n 1 x==- y==1", "0 x:=1 y:=1 \n 1 x==1 y==1"],
    ["fractured read", "read-committed", "0 x:=1 \n 0 x==-", "0 x:=1 \n 1 x==-"],
    [
      "causality violation",
      "read-atomic",
      "0 x:=1 \n 1 x==1 y:=2 \n 2 y==2 x==-",
      "0 x:=1 \n 1 x==1 y:=2 \n 2 y==2 x==1",
    ],
    ["G1a", null, "fail x:=1 \n x==1", "info x:=1 \n x==1"],
    ["G1b", null, "0 x:=1 x:=2 \n 1 x==1", "0 x:=1 x:=2 \n 1 x==2"],
    ["garbage-read", null, "0 x:=1 \n 1 x==7", "0 x:=1 \n 1 x==1"],
    ["future-read", null, "0 x==1 x:=1", "0 x==- x:=1"],
    ["internal", null, "0 x:=1 \n 1 x:=2 x==1", "0 x:=1 \n 1 x==1 x:=2"],
  ];

describe("weak isolation", () => {
  it.each(cases)("names: %s, which %s allows", (name, allowed, history, nearMiss) => {
    const { validity, anomalies } = judge(history);
    expect([validity, anomalies[0]?.name]).toEqual(["invalid", name]);
    expect(anomalies[0]?.witness.length).toBeGreaterThan(0);
    expect(judge(nearMiss)).toMatchObject({ validity: "valid", anomalies: [] });
    const weaker = levels.slice(0, levels.indexOf(allowed as Level) + 1);
    for (const level of levels)
      expect(judge(history, level).validity).toBe(weaker.includes(level) ? "valid" : "invalid");
  });

  it("tells why no order of commits is possible", () => {
    expect(judge("0 x:=1 y:=1 \n 1 x==- y==1").anomalies[0]?.explanation).toBe(
      "No order of commits is possible: the transaction of process 0, events 0 and 1 must come before the beginning, as the transaction of process 1, events 2 and 3 follows the former and read x as the latter had left it; the transaction of process 0, events 0 and 1 comes after the beginning.",
    );
  });

  it("says nothing of values that were written twice, nor of no transactions", () => {
    expect(judge("0 x:=1 \n 1 x:=1").validity).toBe("unknown");
    expect(judge("fail x:=1").validity).toBe("unknown");
  });

  it("names the levels when asked for another", () => {
    expect(() => weakIsolationChecker({ level: "causl" })).toThrow("read-committed, read-atomic, causal");
  });

  it("says what the definition says", () => {
    let broken = 0;
    fc.assert(
      fc.property(transactions, (lines) => {
        const history = scripted(lines.join("\n"));
        for (const level of levels) {
          const { validity, anomalies } = weakIsolationChecker({ level }).check(history, new Budget(0));
          const holds = someOrder(history, level);
          expect([level, validity, anomalies.map(({ explanation }) => explanation)]).toEqual([
            level,
            holds ? "valid" : "invalid",
            holds ? [] : expect.anything(),
          ]);
          if (!holds) broken++;
        }
      }),
      { numRuns: 400 },
    );
    expect(broken).toBeGreaterThan(100);
  });
});

/** Up to five transactions of three processes on two keys; all values are different. */
const transactions = fc
  .array(
    fc.tuple(
      fc.nat(2),
      fc.array(fc.tuple(fc.boolean(), fc.constantFrom("x", "y"), fc.nat(9)), { minLength: 1, maxLength: 3 }),
    ),
    { minLength: 2, maxLength: 5 },
  )
  .map((drawn) => {
    const written: { readonly [key: string]: string[] } = { x: ["-"], y: ["-"] };
    let value = 0;
    const plan = drawn.map(([process, steps]) => {
      const seen = new Set<string>();
      // A transaction that writes does so once per key, and reads before it does.
      const kept = steps.filter(([writes, key]) => {
        if (seen.has(key)) return false;
        if (writes) seen.add(key);
        return true;
      });
      return { process, steps: kept.map(([writes, key, draw]) => ({ writes, key, draw, value: ++value })) };
    });
    for (const { steps } of plan)
      for (const { writes, key, value: own } of steps) if (writes) written[key]?.push(String(own));
    return plan.map(({ process, steps }) => {
      const ops = steps.map(({ writes, key, draw, value: own }) => {
        if (writes) return `${key}:=${own}`;
        const mine = new Set(steps.filter((step) => step.writes).map((step) => String(step.value)));
        const others = (written[key] as string[]).filter((other) => !mine.has(other));
        return `${key}==${others[draw % others.length]}`;
      });
      return `${process} ${ops.join(" ")}`;
    });
  });

/** The definition: some order of commits, with the beginning before all, has what the level asks for. */
function someOrder(history: History<TransactionSignature>, level: Level): boolean {
  const BEGINNING = -1;
  const all = history.client.map(({ process, output }) => ({
    process,
    ops: output as readonly (readonly [string, string, number | null])[],
  }));
  const writerOf = (key: string, value: number | null) =>
    value === null
      ? BEGINNING
      : all.findIndex(({ ops }) => ops.some(([f, k, v]) => f === "w" && k === key && v === value));
  const reads = all.map(({ ops }) =>
    ops.flatMap(([f, key, value]) => (f === "r" ? [{ key, writer: writerOf(key, value) }] : [])),
  );
  const before = all.map(({ process }, t) => [
    ...all.flatMap((other, i) => (i < t && other.process === process ? [i] : [])),
    ...(reads[t] ?? []).map(({ writer }) => writer),
  ]);
  const causes = (t: number, known = new Set<number>()): Set<number> => {
    for (const cause of before[t] ?? [])
      if (!known.has(cause)) {
        known.add(cause);
        causes(cause, known);
      }
    return known;
  };
  const asks = (other: number, t: number, nth: number): boolean => {
    if (level === "causal") return causes(t).has(other);
    if (level === "read-atomic") return before[t]?.includes(other) === true;
    return reads[t]?.slice(0, nth).some(({ writer }) => writer === other) === true;
  };
  const fits = (order: readonly number[]): boolean => {
    const place = (t: number) => (t === BEGINNING ? -1 : order.indexOf(t));
    return all.every(
      (_, t) =>
        (before[t] ?? []).every((cause) => place(cause) < place(t)) &&
        (reads[t] ?? []).every(({ key, writer }, nth) =>
          all.every(
            ({ ops }, other) =>
              other === writer ||
              !ops.some(([f, k]) => f === "w" && k === key) ||
              !asks(other, t, nth) ||
              place(other) < place(writer),
          ),
        ),
    );
  };
  const extend = (order: readonly number[]): boolean =>
    order.length === all.length
      ? fits(order)
      : all.some((_, t) => !order.includes(t) && extend([...order, t]));
  return extend([]);
}
