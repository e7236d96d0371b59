import { describe, expect, it } from "vitest";
import { Budget, type Verdict } from "../src/checker.ts";
import { parseHistory } from "../src/history/notation.ts";
import { type QueueSignature, totalQueue } from "./total-queue.ts";

function check(text: string): Verdict {
  return totalQueue.check(parseHistory<QueueSignature>(text), new Budget(0));
}

function found(verdict: Verdict): readonly (readonly [string, readonly number[]])[] {
  return verdict.anomalies.map(({ name, witness }) => [name, witness]);
}

const enqueue = (value: number): string => `0 invoke enqueue ${value}\n0 ok enqueue\n`;
const dequeue = (value: number): string => `1 invoke dequeue\n1 ok dequeue ${value}\n`;
const drain = (...values: readonly number[]): string =>
  `2 invoke drain\n2 ok drain ${JSON.stringify(values)}\n`;

describe("total queue checker", () => {
  it("accepts that everything comes out once, in whatever order", () => {
    const verdict = check(enqueue(1) + enqueue(2) + enqueue(3) + dequeue(2) + drain(3, 1));
    expect(verdict).toMatchObject({
      validity: "valid",
      checked: 3,
      evidence: { acknowledged: 3, dequeued: 3 },
    });
  });

  it("names an element that never came out", () => {
    const verdict = check(enqueue(1) + enqueue(2) + dequeue(2) + drain());
    expect(found(verdict)).toEqual([["lost element", [1, 6, 7]]]);
    expect(verdict.anomalies[0]?.explanation).toBe(
      "Element 1 was enqueued by process 0, yet nobody ever dequeued it and the last drain, by process 2, did not find it.",
    );
  });

  it("takes a dequeue that gave null for one of an empty queue", () => {
    const empty = "1 invoke dequeue\n1 ok dequeue null\n";
    expect(check(empty + enqueue(1) + dequeue(1) + empty + drain())).toMatchObject({
      validity: "valid",
      checked: 1,
    });
  });

  it("does not miss an element that was acknowledged after the last drain had begun", () => {
    const verdict = check(`${enqueue(1)}0 invoke enqueue 2\n2 invoke drain\n0 ok enqueue\n2 ok drain [1]`);
    expect(verdict.validity).toBe("valid");
  });

  it("names an element that came out twice, unless it went in twice", () => {
    expect(found(check(enqueue(1) + dequeue(1) + drain(1)))).toEqual([["duplicated element", [3, 5]]]);
    expect(check(enqueue(1) + enqueue(1) + dequeue(1) + drain(1)).validity).toBe("valid");
  });

  it("names an element from nowhere, and one whose enqueue had failed", () => {
    const failed = "3 invoke enqueue 8\n3 fail enqueue 8 ! refused\n";
    expect(found(check(enqueue(1) + failed + dequeue(9) + drain(1, 8)))).toEqual([
      ["aborted read", [3, 7]],
      ["unexpected element", [5]],
    ]);
  });

  it("counts unknown enqueues that took effect", () => {
    const unknown =
      "3 invoke enqueue 8\n3 info enqueue 8 ! timeout\n4 invoke enqueue 9\n4 info enqueue 9 ! timeout\n";
    expect(check(unknown + enqueue(1) + drain(8, 1))).toMatchObject({
      validity: "valid",
      evidence: { recovered: 1 },
    });
  });

  it("excuses as many missing elements as dequeues of unknown outcome can have taken", () => {
    const unknown = "3 invoke dequeue\n3 info dequeue ! timeout\n";
    expect(check(enqueue(1) + enqueue(2) + unknown + drain(2))).toMatchObject({
      validity: "valid",
      evidence: { excused: 1 },
    });
    const verdict = check(enqueue(1) + enqueue(2) + enqueue(3) + unknown + drain(2));
    expect(verdict.validity).toBe("invalid");
    expect(verdict.anomalies[0]?.explanation).toMatch(/2 elements are missing, and only 1 dequeues/);
  });

  it("does not know what a drain of unknown outcome took", () => {
    const unknown = "3 invoke drain\n3 info drain ! timeout\n";
    expect(check(enqueue(1) + enqueue(2) + unknown + drain(2)).validity).toBe("unknown");
    expect(check(enqueue(1) + enqueue(2) + unknown + drain(1, 2)).validity).toBe("valid");
  });

  it("does not know before the queue was drained", () => {
    expect(check(enqueue(1) + dequeue(1)).validity).toBe("unknown");
  });
});
