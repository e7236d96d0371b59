import { describe, expect, it } from "vitest";
import { limit, repeat } from "./combinators.ts";
import type { OpGenerator, Step } from "./generator.ts";
import { imperfect, simulate } from "./simulate.ts";
import { InvalidStep, validate } from "./validate.ts";

type Register = { readonly read: { readonly in: null; readonly out: number } };

/** A generator that always gives the same answer. */
function stubborn(answer: (self: OpGenerator) => unknown): OpGenerator {
  const self: OpGenerator = { next: () => answer(self) as Step, update: () => self };
  return self;
}
const call = { f: "read", value: null };

describe("validate", () => {
  it("changes nothing about a good generator", () => {
    const good = limit(20, repeat<Register>({ f: "read", value: null }));
    expect(simulate(validate(good), { completer: imperfect })).toEqual(
      simulate(good, { completer: imperfect }),
    );
  });

  it.each([
    [
      "a thread that does not exist",
      { kind: "op", at: 0, thread: 9, call },
      "the thread is not one of [-1,0,1,2]",
    ],
    [
      "a fraction of a nanosecond",
      { kind: "op", at: 0.5, thread: 0, call },
      "at an integer time of at least 0",
    ],
    ["the past", { kind: "op", at: -1, thread: 0, call }, "at an integer time of at least 0"],
    [
      "a call without a function",
      { kind: "op", at: 0, thread: 0, call: { value: 1 } },
      "must have a function name",
    ],
    [
      "a call without a value",
      { kind: "op", at: 0, thread: 0, call: { f: "read" } },
      "must have a function name",
    ],
    [
      "a wait for the past",
      { kind: "wait", until: -1 },
      "the wait must end at an integer time of at least 0",
    ],
    ["no step at all", { kind: "pause" }, "the step is none of op, wait and done"],
  ])("refuses %s", (_, answer, message) => {
    const source = stubborn((rest) => ({ ...answer, rest }));
    expect(() => simulate(validate(source))).toThrow(InvalidStep);
    expect(() => simulate(validate(source))).toThrow(message);
  });

  it("refuses a busy thread", () => {
    const source = stubborn((rest) => ({ kind: "op", at: 0, thread: 0, call, rest }));
    expect(() => simulate(validate(source))).toThrow("the thread is not one of the free [-1,1,2]");
  });

  it("refuses a generator that changes when it is asked", () => {
    let asked = 0;
    const source = stubborn((rest) => ({
      kind: "op",
      at: 0,
      thread: 0,
      call: { f: "read", value: asked++ },
      rest,
    }));
    expect(() => simulate(validate(source))).toThrow(
      "asked again in the same context, the answer was another",
    );
  });

  it("refuses a generator that acts before it is due", () => {
    const eager = (step: unknown): OpGenerator => {
      const self: OpGenerator = {
        due: 50,
        next: () => ({ ...(step as Step), rest: self }),
        update: () => self,
      };
      return self;
    };
    const message = "until 50, when it is due, it must wait and stay as it is";
    expect(() => simulate(validate(eager({ kind: "op", at: 0, thread: 0, call })))).toThrow(message);
    expect(() => simulate(validate(eager({ kind: "wait", until: 40 })))).toThrow(message);
  });

  it("refuses an update that loses the generator", () => {
    const source: OpGenerator = {
      next: () => ({ kind: "op", at: 0, thread: 0, call, rest: source }),
      update: () => undefined as unknown as OpGenerator,
    };
    expect(() => simulate(validate(source))).toThrow("update gave undefined instead of a generator");
  });
});
