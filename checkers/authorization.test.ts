import { describe, expect, it } from "vitest";
import { Budget } from "../src/checker.ts";
import { History } from "../src/history/history.ts";
import type { Op } from "../src/history/op.ts";
import { authorizationChecker, type RightsSignature } from "./authorization.ts";

/** Events in a line: "0 grant 1" invokes, "0 ok" completes; each process does one thing at a time. */
class Script {
  readonly #events: Op<RightsSignature>[] = [];
  readonly #open = new Map<number, { readonly f: string; readonly value: unknown }>();

  invoke<F extends keyof RightsSignature>(process: number, f: F, value: RightsSignature[F]["in"]): this {
    this.#open.set(process, { f, value });
    return this.#add({ process, type: "invoke", f, value });
  }

  end(process: number, type: "ok" | "fail" | "info", output: unknown = null): this {
    const { f, value } = this.#open.get(process) ?? { f: "", value: null };
    return this.#add(
      type === "ok"
        ? { process, type, f, value: output }
        : { process, type, f, value, error: "it went wrong" },
    );
  }

  does<F extends keyof RightsSignature>(
    process: number,
    f: F,
    value: RightsSignature[F]["in"],
    output: unknown = null,
  ): this {
    return this.invoke(process, f, value).end(process, "ok", output);
  }

  #add(fields: object): this {
    const index = this.#events.length;
    this.#events.push({ index, time: index, node: "n1", ...fields } as unknown as Op<RightsSignature>);
    return this;
  }

  found(): readonly string[] {
    const history = new History<RightsSignature>(this.#events);
    const { validity, anomalies } = authorizationChecker.check(history, new Budget(0));
    return validity === "unknown" ? ["unknown"] : anomalies.map(({ name }) => name);
  }
}

const enrolled = () => new Script().does(0, "enrol", { user: "u" }, { user: "u" });
const read = (from: number, to: number) => ({ user: "u", how: "range", access: "read", from, to }) as const;
const grant = (from: number, to: number, access: "read" | "write" | "readwrite" = "read") =>
  ({ user: "u", from, to, access }) as const;

describe("authorization", () => {
  it("has nothing to say where nobody did anything", () => {
    expect(enrolled().found()).toEqual(["unknown"]);
  });

  it("finds what was let though never permitted, and refused though always permitted", () => {
    expect(enrolled().does(1, "act", read(0, 1), { allowed: true }).found()).toEqual(["forbidden act"]);
    expect(enrolled().does(1, "act", read(0, 1), { allowed: false }).found()).toEqual([]);
    const granted = () => enrolled().does(0, "grant", grant(0, 2));
    expect(granted().does(1, "act", read(0, 2), { allowed: false }).found()).toEqual(["refused right"]);
    expect(granted().does(1, "act", read(0, 2), { allowed: true }).found()).toEqual([]);
    expect(granted().does(1, "act", read(1, 3), { allowed: true }).found()).toEqual(["forbidden act"]);
  });

  it("adds up the rights to neighbouring spans, each by its kind", () => {
    const two = () =>
      enrolled()
        .does(0, "grant", grant(0, 1, "readwrite"))
        .does(0, "grant", grant(1, 2));
    expect(two().does(1, "act", read(0, 2), { allowed: false }).found()).toEqual(["refused right"]);
    const both = { user: "u", how: "put", access: "both", from: 0, to: 2 } as const;
    expect(two().does(1, "act", both, { allowed: true }).found()).toEqual(["forbidden act"]);
    expect(
      two()
        .does(1, "act", { ...both, to: 1 }, { allowed: false })
        .found(),
    ).toEqual(["refused right"]);
  });

  it("knows that the last grant of a span counts, and that a revocation ends it", () => {
    const replaced = enrolled()
      .does(0, "grant", grant(0, 1))
      .does(0, "grant", grant(0, 1, "write"));
    expect(replaced.does(1, "act", read(0, 1), { allowed: true }).found()).toEqual(["forbidden act"]);
    const revoked = enrolled().does(0, "grant", grant(0, 1)).does(0, "revoke", { user: "u", from: 0, to: 1 });
    expect(revoked.does(1, "act", read(0, 1), { allowed: true }).found()).toEqual(["forbidden act"]);
  });

  it("takes the role away with a suspension, and gives it back", () => {
    const suspended = () => enrolled().does(0, "grant", grant(0, 1)).does(0, "suspend", { user: "u" });
    expect(suspended().does(1, "act", read(0, 1), { allowed: true }).found()).toEqual(["forbidden act"]);
    const back = suspended().does(0, "reinstate", { user: "u" });
    expect(back.does(1, "act", read(0, 1), { allowed: false }).found()).toEqual(["refused right"]);
  });

  it.each([true, false])("accepts either answer (%s) while a change is under way or in doubt", (allowed) => {
    const overlapping = enrolled().invoke(1, "act", read(0, 1)).does(0, "grant", grant(0, 1));
    expect(overlapping.end(1, "ok", { allowed }).found()).toEqual([]);
    const inDoubt = enrolled().invoke(0, "grant", grant(0, 1)).end(0, "info");
    expect(inDoubt.does(1, "act", read(0, 1), { allowed }).found()).toEqual([]);
    // What is in doubt may still happen after what came later.
    const late = enrolled()
      .does(0, "grant", grant(0, 1))
      .invoke(2, "revoke", { user: "u", from: 0, to: 1 })
      .end(2, "info")
      .does(0, "grant", grant(0, 1));
    expect(late.does(1, "act", read(0, 1), { allowed }).found()).toEqual([]);
  });

  it("ignores a change that failed", () => {
    const failed = enrolled().invoke(0, "grant", grant(0, 1)).end(0, "fail");
    expect(failed.does(1, "act", read(0, 1), { allowed: true }).found()).toEqual(["forbidden act"]);
  });
});
