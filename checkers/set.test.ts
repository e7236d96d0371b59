import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Budget, type Verdict } from "../src/checker.ts";
import { History } from "../src/history/history.ts";
import { parseHistory } from "../src/history/notation.ts";
import type { Op } from "../src/history/op.ts";
import { type SetSignature, setChecker } from "./set.ts";

function check(text: string, linearizable = true): Verdict {
  return setChecker({ linearizable }).check(parseHistory<SetSignature>(text), new Budget(0));
}

function found(verdict: Verdict): readonly (readonly [string, readonly number[]])[] {
  return verdict.anomalies.map(({ name, witness }) => [name, witness]);
}

describe("set checker", () => {
  it("accepts reads of everything that was added", () => {
    const verdict = check(`
      0 invoke add 1
      0 ok     add
      1 invoke read
      0 invoke add 2
      1 ok     read [1]
      0 ok     add
      1 invoke read
      1 ok     read [2, 1]`);
    expect(verdict).toMatchObject({ validity: "valid", checked: 2 });
  });

  it("names an element that no later read has", () => {
    const verdict = check(`
      0 invoke add 1
      0 ok     add
      0 invoke add 2
      0 ok     add
      1 invoke read
      1 ok     read [2]`);
    expect(found(verdict)).toEqual([["lost element", [1, 4, 5]]]);
  });

  it("does not miss an element in a read that began before its acknowledgement", () => {
    const verdict = check(`
      0 invoke add 1
      1 invoke read
      0 ok     add
      1 ok     read []
      1 invoke read
      1 ok     read [1]`);
    expect(verdict.validity).toBe("valid");
  });

  it("names an element that vanished after it was read", () => {
    const verdict = check(`
      0 invoke add 1
      0 info   add 1 ! timeout
      1 invoke read
      1 ok     read [1]
      1 invoke read
      1 ok     read []`);
    expect(found(verdict)).toEqual([["lost element", [3, 4, 5]]]);
  });

  const stale = `
    0 invoke add 1
    0 ok     add
    1 invoke read
    1 ok     read []
    1 invoke read
    1 ok     read [1]`;

  it("tells a stale read from a lost element", () => {
    expect(found(check(stale))).toEqual([["stale read", [1, 2, 3]]]);
  });

  it("only counts stale reads where reads may be stale", () => {
    expect(check(stale, false)).toMatchObject({ validity: "valid", evidence: { stale: 1 } });
  });

  it("tells how long it took until elements were stable, or lost", () => {
    // Element 1 is missed until 5 ms after it was known, 2 never; 3 is last seen 4 ms after it was known.
    const verdict = check(
      `
      0 invoke add 1
      0 ok     add
      0 invoke add 2
      0 ok     add
      0 invoke add 3
      0 ok     add
      6ms 1 invoke read
      7ms 1 ok     read [2, 3]
      8ms 1 invoke read
      9ms 1 ok     read [1, 2, 3]
      10ms 1 invoke read
      11ms 1 ok     read [1, 2]`,
      false,
    );
    expect(verdict.evidence).toMatchObject({
      stable: 1,
      stale: 1,
      lost: 1,
      stableAfter: { count: 2, p50: 5, max: 5 },
      lostAfter: { count: 1, max: 4 },
    });
  });

  it("calls an element stale, not lost, when the last read to lack it overlaps one that has it", () => {
    const verdict = check(`
      0 invoke add 1
      0 ok     add
      1 invoke read
      2 invoke read
      1 ok     read [1]
      2 ok     read []`);
    expect(found(verdict)).toEqual([["stale read", [1, 3, 5]]]);
  });

  it("names elements that were never added, not yet added, read twice, or whose add had failed", () => {
    const verdict = check(`
      0 invoke add 1
      0 fail   add 1 ! refused
      1 invoke read
      1 ok     read [1, 2, 3, 3, 4]
      0 invoke add 2
      0 ok     add
      0 invoke add 4
      0 ok     add`);
    expect(found(verdict)).toEqual([
      ["duplicated element", [3]],
      ["aborted read", [1, 3]],
      ["unexpected element", [3]],
      ["unexpected element", [3]],
      ["unexpected element", [3]],
    ]);
  });

  it("counts unknown adds that took effect, and elements that no read could miss", () => {
    const verdict = check(`
      0 invoke add 1
      0 info   add 1 ! timeout
      1 invoke add 2
      1 ok     add
      1 invoke read
      1 ok     read [1, 2]
      1 invoke read
      1 ok     read [2, 1]
      1 invoke add 3
      1 ok     add`);
    expect(verdict).toMatchObject({ validity: "valid", evidence: { recovered: 1, neverRead: 1 } });
  });

  it.each([
    ["no read succeeded", "0 invoke add 1\n0 ok add\n1 invoke read\n1 fail read ! down"],
    ["nothing happened", ""],
  ])("does not know when %s", (_, text) => {
    expect(check(text).validity).toBe("unknown");
  });
});

describe("set checker on a linearizable set", () => {
  type Action = { readonly kind: "add" | "read"; readonly fate: "ok" | "info-done" | "info-lost" | "fail" };
  const action: fc.Arbitrary<Action> = fc.record({
    kind: fc.constantFrom("add", "add", "read"),
    fate: fc.constantFrom("ok", "ok", "ok", "info-done", "info-lost", "fail"),
  });

  /** Three processes; each operation takes effect at its completion, which comes in an order of its own. */
  function play(actions: readonly Action[], order: readonly number[]): Op<SetSignature>[] {
    const events: object[] = [];
    const open: { action: Action; process: number; value: number }[] = [];
    const contents: number[] = [];
    let process = 0;
    const complete = (at: number): void => {
      const [operation] = open.splice(at % open.length, 1);
      if (operation === undefined) return;
      const { action, value } = operation;
      const base = { process: operation.process, f: action.kind };
      if (action.kind === "add" && (action.fate === "ok" || action.fate === "info-done"))
        contents.push(value);
      if (action.fate === "ok")
        events.push({ ...base, type: "ok", value: action.kind === "add" ? null : [...contents] });
      else {
        const type = action.fate === "fail" ? "fail" : "info";
        events.push({ ...base, type, value: action.kind === "add" ? value : null, error: "lost" });
      }
    };
    for (const [i, next] of actions.entries()) {
      open.push({ action: next, process: process++, value: i });
      events.push({
        process: process - 1,
        type: "invoke",
        f: next.kind,
        value: next.kind === "add" ? i : null,
      });
      if (open.length === 3) complete(order[i] ?? 0);
    }
    while (open.length > 0) complete(0);
    return events.map((event, index) => ({ ...event, index, time: index }) as Op<SetSignature>);
  }

  const plays = fc
    .tuple(fc.array(action, { maxLength: 30 }), fc.array(fc.nat(2), { minLength: 30, maxLength: 30 }))
    .map(([actions, order]) => play(actions, order));

  it("finds nothing wrong", () => {
    fc.assert(
      fc.property(plays, (events) => {
        const verdict = setChecker({ linearizable: true }).check(new History(events), new Budget(0));
        expect(verdict.anomalies).toEqual([]);
      }),
      { seed: 1 },
    );
  });

  it("notices when the last read lacks an acknowledged element", () => {
    fc.assert(
      fc.property(plays, fc.nat(), (events, draw) => {
        const acknowledged = events.flatMap((event) =>
          event.f === "add" && event.type === "ok" ? [event] : [],
        );
        fc.pre(acknowledged.length > 0);
        const victim = acknowledged[draw % acknowledged.length] as Op<SetSignature>;
        const invoked = events.find((e) => e.type === "invoke" && e.process === victim.process);
        const rest = events.flatMap((e) => (e.f === "read" && e.type === "ok" ? [...e.value] : []));
        const last = [...new Set(rest)].filter((value) => value !== invoked?.value);
        const at = { process: 1_000, time: events.length };
        const history = new History<SetSignature>([
          ...events,
          { ...at, index: events.length, type: "invoke", f: "read", value: null },
          { ...at, index: events.length + 1, type: "ok", f: "read", value: last },
        ]);
        const verdict = setChecker({ linearizable: true }).check(history, new Budget(0));
        expect(verdict.anomalies.map(({ name }) => name)).toContain("lost element");
      }),
      { seed: 2 },
    );
  });
});
