/** How often each function succeeded. A run in which something never worked has not tested it. */
import type { Checker } from "../src/checker.ts";
import type { Json } from "../src/history/op.ts";

/** A function tried at least this often without a single success makes the verdict `unknown`. */
const OFTEN = 10;

/** Errors of the language itself: the client stumbled over its own code. */
const DEFECT = /^(Type|Range|Reference|Syntax|Assertion)Error\b/;

type Counts = { ok: number; fail: number; info: number };

/**
 * Counts outcomes by function and errors by their first line. `unknown` if a function invoked often was never ok,
 * if nothing was ok at all, or if a client failed by a defect of its own.
 */
export const stats: Checker = {
  name: "stats",
  check(history) {
    const byFunction = new Map<string, Counts>();
    const errors = new Map<string, number>();
    const unhandled = new Map<string, number>();
    let ok = 0;
    for (const { f, type, error, completeIndex } of history.client) {
      let counts = byFunction.get(f);
      if (counts === undefined) {
        counts = { ok: 0, fail: 0, info: 0 };
        byFunction.set(f, counts);
      }
      counts[type]++;
      if (type === "ok") ok++;
      if (error === undefined) continue;
      const line = error.split("\n", 1)[0] as string;
      errors.set(line, (errors.get(line) ?? 0) + 1);
      if (DEFECT.test(error) && !unhandled.has(line)) unhandled.set(line, completeIndex);
    }
    const evidence: Json = {
      functions: Object.fromEntries([...byFunction].map(([f, counts]) => [f, { ...counts }])),
      errors: Object.fromEntries(errors),
    };
    const never = [...byFunction].filter(([, { ok, fail, info }]) => ok === 0 && fail + info >= OFTEN);
    const attempts = history.client.length;
    const verdict = { checker: "stats", checked: attempts, anomalies: [], evidence };
    const [error] = unhandled;
    if (attempts === 0) return { ...verdict, validity: "unknown", reason: "no client did anything" };
    if (error !== undefined)
      return {
        ...verdict,
        validity: "unknown",
        reason: `a client has a defect, first seen in event ${error[1]}: ${error[0]}`,
      };
    if (ok === 0)
      return { ...verdict, validity: "unknown", reason: `none of ${attempts} operations succeeded` };
    if (never.length > 0)
      return {
        ...verdict,
        validity: "unknown",
        reason: never
          .map(([f, { fail, info }]) => `${f} was tried ${fail + info} times and never succeeded`)
          .join("; "),
      };
    return { ...verdict, validity: "valid", reason: `${ok} of ${attempts} operations succeeded` };
  },
};
