import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Budget, type Verdict } from "../src/checker.ts";
import { parseHistory } from "../src/history/notation.ts";
import { queue } from "./queue.ts";
import { type Action, histories, someOrder } from "./testdata/brute-force.ts";
import { type QueueSignature, totalQueue } from "./total-queue.ts";

function check(text: string): Verdict {
  return queue.check(parseHistory<QueueSignature>(text), new Budget(0));
}

function found(verdict: Verdict): readonly (readonly [string, readonly number[]])[] {
  return verdict.anomalies.map(({ name, witness }) => [name, witness]);
}

const enqueue = (value: number): string => `0 invoke enqueue ${value}\n0 ok enqueue\n`;
const dequeue = (value: number): string => `1 invoke dequeue\n1 ok dequeue ${value}\n`;

describe("queue checker", () => {
  it("accepts first in, first out", () => {
    const verdict = check(
      `${enqueue(1) + enqueue(2) + enqueue(3) + dequeue(1)}2 invoke drain\n2 ok drain [2, 3]`,
    );
    expect(verdict).toMatchObject({ validity: "valid", checked: 3 });
  });

  it("names an element that overtakes another", () => {
    const verdict = check(enqueue(1) + enqueue(2) + dequeue(2) + dequeue(1));
    expect(found(verdict)).toEqual([["element out of order", [1, 2, 5, 6]]]);
    expect(verdict.anomalies[0]?.explanation).toBe(
      "1 was in the queue before process 0 began to enqueue 2, yet 2 had been dequeued by process 1 before process 1 even asked for 1.",
    );
  });

  it("accepts any order of elements enqueued at once, and dequeues at once", () => {
    const together = "0 invoke enqueue 1\n3 invoke enqueue 2\n3 ok enqueue\n0 ok enqueue\n";
    expect(check(together + dequeue(1) + dequeue(2)).validity).toBe("valid");
    const both = "1 invoke dequeue\n2 invoke dequeue\n2 ok dequeue 2\n1 ok dequeue 1\n";
    expect(check(enqueue(1) + enqueue(2) + both).validity).toBe("valid");
  });

  it("names an element left behind, unless a dequeue of unknown outcome may have taken it", () => {
    expect(found(check(enqueue(1) + enqueue(2) + dequeue(2)))).toEqual([["element left behind", [1, 2, 5]]]);
    const unknown = "3 invoke dequeue\n3 info dequeue ! timeout\n";
    expect(check(enqueue(1) + enqueue(2) + unknown + dequeue(2)).validity).toBe("valid");
    expect(check(enqueue(1) + enqueue(2) + dequeue(2) + unknown).validity).toBe("invalid");
  });

  it("names an element that came before it was enqueued", () => {
    expect(found(check(dequeue(1) + enqueue(1)))).toEqual([["dequeued before it was enqueued", [1, 2]]]);
  });

  it("knows that an element was in the queue when it came out, whatever its enqueue was answered", () => {
    const unknown = "3 invoke enqueue 1\n3 info enqueue 1 ! timeout\n";
    const verdict = check(
      `${unknown}1 invoke drain\n1 ok drain [1]\n${enqueue(2)}${dequeue(2)}1 invoke dequeue\n1 ok dequeue 1`,
    );
    expect(verdict.validity).toBe("valid");
    expect(check(`${unknown + enqueue(2) + dequeue(2)}1 invoke dequeue\n1 ok dequeue 1`).validity).toBe(
      "valid",
    );
  });

  it("names a drain in the wrong order", () => {
    const verdict = check(`${enqueue(1) + enqueue(2)}2 invoke drain\n2 ok drain [2, 1]`);
    expect(found(verdict)).toEqual([["element out of order", [1, 2, 5]]]);
  });

  it("does not know the order of equal elements, nor of none", () => {
    expect(check(enqueue(1) + enqueue(1) + dequeue(1)).validity).toBe("unknown");
    expect(check(enqueue(1)).validity).toBe("unknown");
  });
});

describe("queue checkers on small histories", () => {
  type Queue = Action<QueueSignature>;
  /** Elements are numbered below, so that each is enqueued once. */
  const enqueues = (fates: readonly Queue["fate"][]): fc.Arbitrary<Queue> =>
    fc.constantFrom(...fates).map((fate) => ({ call: { f: "enqueue", value: 0 }, fate }));
  const dequeues = (fates: readonly Queue["fate"][]): fc.Arbitrary<Queue> =>
    fc.constantFrom(...fates).map((fate) => ({ call: { f: "dequeue", value: null }, fate }));
  const drain: fc.Arbitrary<Queue> = fc.constant({ call: { f: "drain", value: null }, fate: "ok" });

  /** `start` answers dequeues with the element at the position it is told, 0 for the oldest. */
  const system = (positions: readonly number[]) => () => {
    const elements: number[] = [];
    let dequeued = 0;
    return (call: Queue["call"]) => {
      if (call.f === "enqueue") {
        elements.push(call.value as number);
        return null;
      }
      if (call.f === "drain") return elements.splice(0);
      const position = (positions[dequeued++ % positions.length] ?? 0) % Math.max(1, elements.length);
      return elements.splice(position, 1)[0];
    };
  };

  const numbered = (action: fc.Arbitrary<Queue>, maxLength: number): fc.Arbitrary<readonly Queue[]> =>
    fc
      .array(action, { maxLength })
      .map((actions) =>
        actions.map((action, value) =>
          action.call.f === "enqueue" ? { ...action, call: { f: "enqueue", value } } : action,
        ),
      );

  const explained = (history: ReturnType<typeof parseHistory<QueueSignature>>): boolean =>
    someOrder<QueueSignature, readonly (number | string)[]>(history, [], (elements, operation) => {
      if (operation.f === "enqueue") return [...elements, operation.input];
      if (operation.type !== "ok") return operation.f === "drain" ? [] : elements.slice(1);
      if (operation.f === "dequeue") return elements[0] === operation.output ? elements.slice(1) : undefined;
      return elements.length === operation.output.length &&
        elements.every((e, i) => e === operation.output[i])
        ? []
        : undefined;
    });

  const fates: readonly Queue["fate"][] = ["ok", "ok", "ok", "fail", "late", "lost"];

  it("find nothing wrong with a queue that works", () => {
    const actions = numbered(fc.oneof(enqueues(fates), enqueues(fates), dequeues(fates), drain), 14);
    fc.assert(
      fc.property(histories(actions, system([0])), (history) => {
        expect(queue.check(history, new Budget(0)).anomalies).toEqual([]);
        expect(totalQueue.check(history, new Budget(0)).anomalies).toEqual([]);
      }),
      { seed: 1 },
    );
  });

  it("decide whether complete histories of dequeues are linearizable", () => {
    const actions = numbered(fc.oneof(enqueues(["ok"]), dequeues(["ok"])), 8);
    let wrong = 0;
    fc.assert(
      fc.property(histories(actions, system([1, 0, 2])), (history) => {
        const condemned = queue.check(history, new Budget(0)).validity === "invalid";
        if (condemned) wrong++;
        expect(condemned).toBe(!explained(history));
      }),
      { seed: 2, numRuns: 500 },
    );
    expect(wrong).toBeGreaterThan(20);
  });

  it("only condemn what no order explains", () => {
    const sure: readonly Queue["fate"][] = ["ok"];
    const either = [enqueues(sure), enqueues(sure), enqueues(fates), dequeues(sure), dequeues(fates), drain];
    const actions = numbered(fc.oneof(...either), 8);
    let wrong = 0;
    fc.assert(
      fc.property(histories(actions, system([1, 0, 2])), (history) => {
        const condemned = queue.check(history, new Budget(0)).validity === "invalid";
        if (!condemned) return;
        wrong++;
        expect(explained(history)).toBe(false);
      }),
      { seed: 3, numRuns: 1_000 },
    );
    expect(wrong).toBeGreaterThan(10);
  });
});
