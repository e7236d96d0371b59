import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareLeaseIds } from "./lease-id.ts";

describe("compareLeaseIds", () => {
  it("orders as the integers do", () => {
    const id = fc.oneof(
      fc.bigInt({ min: -12n, max: 12n }),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    );
    fc.assert(
      fc.property(id, id, (a, b) => {
        expect(Math.sign(compareLeaseIds(`${a}`, `${b}`))).toBe(a < b ? -1 : a > b ? 1 : 0);
      }),
      { seed: 7, numRuns: 500 },
    );
  });
});
