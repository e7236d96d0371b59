import { describe, expect, it } from "vitest";
import type { Json } from "../src/history/op.ts";
import { mutex, type RegisterCall, register, type StoreCall, store } from "./models.ts";

describe("register", () => {
  it.each<[state: Json, call: RegisterCall, output: Json | undefined, after: Json | undefined]>([
    [1, { f: "read", value: null }, 1, 1],
    [1, { f: "read", value: null }, 2, undefined],
    [1, { f: "read", value: null }, undefined, 1],
    [null, { f: "read", value: null }, null, null],
    ["1", { f: "read", value: null }, 1, undefined],
    [1, { f: "write", value: 2 }, null, 2],
    [1, { f: "cas", value: [1, 2] }, true, 2],
    [1, { f: "cas", value: [1, 2] }, false, undefined],
    [3, { f: "cas", value: [1, 2] }, false, 3],
    [3, { f: "cas", value: [1, 2] }, true, undefined],
    [1, { f: "cas", value: [1, 2] }, undefined, 2],
    [3, { f: "cas", value: [1, 2] }, undefined, 3],
    [[1, 2], { f: "cas", value: [[1, 2], 3] }, true, 3],
  ])("in %j, %j answering %j leads to %j", (state, call, output, after) => {
    expect(register().step(state, call, output)).toEqual(after);
  });

  it("keeps a text apart from the number it spells", () => {
    expect(register().key("1")).not.toBe(register().key(1));
    expect(register().key("null")).not.toBe(register().key(null));
  });
});

describe("mutex", () => {
  it("is acquired when free and released when held", () => {
    expect(mutex.step("free", { f: "acquire", value: null }, null)).toBe("held");
    expect(mutex.step("held", { f: "acquire", value: null }, null)).toBe(undefined);
    expect(mutex.step("held", { f: "release", value: null }, null)).toBe("free");
    expect(mutex.step("free", { f: "release", value: null }, null)).toBe(undefined);
  });
});

describe("store", () => {
  const model = store();
  const entry = (key: string, value: Json, createRevision: number, modRevision: number, version: number) => ({
    key,
    value,
    createRevision,
    modRevision,
    version,
  });
  const run = (...calls: readonly StoreCall[]) =>
    calls.reduce((state, call) => model.step(state, call, undefined) ?? state, model.init);

  it("gives each change a revision, and each key its versions", () => {
    const twice = run(
      { puts: [{ key: "b", value: 1 }] },
      {
        puts: [
          { key: "a", value: 2 },
          { key: "b", value: 3 },
        ],
      },
    );
    expect(twice).toEqual({ revision: 3, entries: [entry("a", 2, 3, 3, 1), entry("b", 3, 2, 3, 2)] });
    const again = run(
      { puts: [{ key: "a", value: 1 }] },
      { deletes: ["a"] },
      { puts: [{ key: "a", value: 2 }] },
    );
    expect(again).toEqual({ revision: 4, entries: [entry("a", 2, 4, 4, 1)] });
  });

  it("takes no revision for what changes nothing", () => {
    expect(
      run(
        { deletes: ["a"] },
        { reads: ["a"] },
        { guard: { key: "a", modRevision: 5 }, puts: [{ key: "a", value: 1 }] },
      ),
    ).toEqual(model.init);
  });

  it("accepts only the answer it would give", () => {
    const state = run({ puts: [{ key: "a", value: 1 }] });
    const swap = { guard: { key: "a", modRevision: 2 }, reads: ["a"], puts: [{ key: "a", value: 2 }] };
    const answer = { revision: 3, succeeded: true, entries: [entry("a", 1, 2, 2, 1)], deleted: 0 };
    expect(model.step(state, swap, answer)?.revision).toBe(3);
    expect(model.step(state, swap, { ...answer, revision: 4 })).toBe(undefined);
    expect(model.step(state, swap, { ...answer, entries: [] })).toBe(undefined);
    expect(model.step(state, swap, { ...answer, succeeded: false })).toBe(undefined);
  });
});
