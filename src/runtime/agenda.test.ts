import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Agenda, type EventHandle, type EventHandler, LANES, Lane, laneOf, NO_EVENT } from "./agenda.ts";

const SEED = 20_240_501;

function named(kind: string): EventHandler {
  return { kind, fire: () => {} };
}

function drain(agenda: Agenda): string[] {
  const order: string[] = [];
  for (let handler = agenda.pop(); handler !== undefined; handler = agenda.pop()) order.push(handler.kind);
  return order;
}

describe("agenda", () => {
  it("gives nothing when it is empty", () => {
    const agenda = new Agenda();
    expect(agenda.pop()).toBeUndefined();
    expect(agenda.nextTime()).toBe(Infinity);
    expect(agenda.size).toBe(0);
  });

  it("orders by time, then lane, then the order of asking within a lane", () => {
    const agenda = new Agenda();
    const one = new Lane(1);
    const two = new Lane(2);
    agenda.add(7, two, named("two first"));
    agenda.add(7, one, named("one first"));
    agenda.add(7, two, named("two second"));
    agenda.add(3, two, named("early"));
    agenda.add(7, one, named("one second"));
    expect(drain(agenda)).toEqual(["early", "one first", "one second", "two first", "two second"]);
  });

  it("does not let one lane's traffic reorder the others at an instant", () => {
    const order = (busy: boolean): string[] => {
      const agenda = new Agenda();
      const lanes = [new Lane(0), new Lane(1), new Lane(2)] as const;
      if (busy) agenda.add(1, lanes[1], named("extra"));
      agenda.add(5, lanes[2], named("c"));
      if (busy) agenda.add(5, lanes[1], named("extra"));
      agenda.add(5, lanes[0], named("a"));
      return drain(agenda).filter((kind) => kind !== "extra");
    };
    expect(order(true)).toEqual(order(false));
  });

  it("tells the time and the lane of what it popped", () => {
    const agenda = new Agenda();
    agenda.add(0x4_0000_0000_0000, new Lane(LANES - 1), named("far"));
    agenda.pop();
    expect(agenda.poppedTime).toBe(0x4_0000_0000_0000);
    expect(laneOf(agenda.poppedKey)).toBe(LANES - 1);
  });

  it("ignores handles of events that have fired, even when their slot is in use again", () => {
    const agenda = new Agenda();
    const lane = new Lane(0);
    const old = agenda.add(1, lane, named("old"));
    agenda.pop();
    agenda.add(2, lane, named("new"));
    agenda.cancel(old);
    agenda.cancel(NO_EVENT);
    expect(drain(agenda)).toEqual(["new"]);
  });

  it("refuses times that are not times, and lanes that are not lanes", () => {
    const agenda = new Agenda();
    for (const time of [-1, 0.5, Number.NaN, Infinity])
      expect(() => agenda.add(time, new Lane(0), named("x"))).toThrow(RangeError);
    for (const id of [-1, 0.5, LANES]) expect(() => new Lane(id)).toThrow(RangeError);
  });

  it("forgets everything on clear, and old handles with it", () => {
    const agenda = new Agenda();
    const lane = new Lane(0);
    const handle = agenda.add(1, lane, named("gone"));
    agenda.clear();
    expect(agenda.size).toBe(0);
    agenda.add(1, lane, named("kept"));
    agenda.cancel(handle);
    expect(drain(agenda)).toEqual(["kept"]);
  });

  /** The obvious implementation: a list that is sorted before each pop. */
  class SortedList {
    #events: { time: number; lane: number; sequence: number; id: number }[] = [];
    #sequence = 0;

    add(time: number, lane: number, id: number): void {
      this.#events.push({ time, lane, sequence: this.#sequence++, id });
    }

    cancel(id: number): void {
      this.#events = this.#events.filter((event) => event.id !== id);
    }

    pop(): number | undefined {
      this.#events.sort((a, b) => a.time - b.time || a.lane - b.lane || a.sequence - b.sequence);
      return this.#events.shift()?.id;
    }

    get size(): number {
      return this.#events.length;
    }
  }

  it("agrees with a sorted list under any mix of adding, cancelling and popping", () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant("add" as const), time: fc.nat(20), lane: fc.nat(3) }),
      fc.record({ do: fc.constant("cancel" as const), which: fc.nat(1000) }),
      fc.record({ do: fc.constant("pop" as const) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const agenda = new Agenda();
        const list = new SortedList();
        const lanes = [0, 1, 2, 3].map((id) => new Lane(id));
        const handles: EventHandle[] = [];
        for (const action of steps) {
          if (action.do === "add") {
            const id = handles.length;
            handles.push(agenda.add(action.time, lanes[action.lane] as Lane, named(String(id))));
            list.add(action.time, action.lane, id);
          } else if (action.do === "cancel" && handles.length > 0) {
            const id = action.which % handles.length;
            agenda.cancel(handles[id] as EventHandle);
            list.cancel(id);
          } else if (action.do === "pop") {
            const expected = list.pop();
            expect(agenda.pop()?.kind).toBe(expected === undefined ? undefined : String(expected));
          }
          expect(agenda.size).toBe(list.size);
        }
        const rest: string[] = [];
        for (let id = list.pop(); id !== undefined; id = list.pop()) rest.push(String(id));
        expect(drain(agenda)).toEqual(rest);
      }),
      { seed: SEED, numRuns: 300 },
    );
  });

  it("stays sorted when it grows large and most of it is cancelled", () => {
    const agenda = new Agenda();
    const lane = new Lane(0);
    const kept: number[] = [];
    for (let i = 0; i < 20_000; i++) {
      const time = (i * 7919) % 10_007;
      const handle = agenda.add(time, lane, named(String(time)));
      if (i % 10 === 0) kept.push(time);
      else agenda.cancel(handle);
    }
    expect(agenda.size).toBe(kept.length);
    expect(drain(agenda)).toEqual(kept.sort((a, b) => a - b).map(String));
  });
});
