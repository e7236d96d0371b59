import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Budget, type Verdict } from "../src/checker.ts";
import { parseHistory } from "../src/history/notation.ts";
import { causal } from "./causal.ts";
import { sessionGuarantees, type Versioned, type VersionedSignature } from "./session.ts";

function check(text: string): Verdict {
  return causal.check(parseHistory<VersionedSignature>(text), new Budget(0));
}

const write = (process: number, key: string, value: number, revision: number): string =>
  `${process} invoke write(${key}) ${value}\n${process} ok write(${key}) {"revision":${revision}}\n`;
const read = (process: number, key: string, value: number | null, revision: number): string =>
  `${process} invoke read(${key})\n${process} ok read(${key}) {"value":${value},"revision":${revision}}\n`;

/** Alice loses her ring, finds it again, and Bob, who read that, answers. */
const story =
  write(0, "alice", 1, 2) + write(0, "alice", 2, 3) + read(1, "alice", 2, 3) + write(1, "bob", 3, 4);

describe("causal checker", () => {
  it("names an effect that is seen without its cause", () => {
    const verdict = check(story + read(2, "bob", 3, 4) + read(2, "alice", 1, 2));
    expect(verdict.anomalies).toEqual([
      {
        name: "causality violation",
        guarantee: "causal consistency",
        explanation:
          "process 1 had seen revision 3 of alice, which is in the past of process 1's write of 3 to bob; process 2 had read that write, and then read alice as of the older revision 2.",
        witness: [5, 6, 9, 11],
      },
    ]);
  });

  it("accepts the old cause before the effect was seen, or a newer one", () => {
    expect(
      check(story + read(2, "alice", 1, 2) + read(2, "bob", 3, 4) + read(2, "alice", 2, 3)),
    ).toMatchObject({
      validity: "valid",
      checked: 4,
    });
    expect(
      check(story + write(3, "alice", 9, 8) + read(2, "bob", 3, 4) + read(2, "alice", 9, 8)).validity,
    ).toBe("valid");
  });

  it("follows causes through several sessions, and through a write of unknown outcome", () => {
    const unknown = "1 invoke write(carol) 5\n1 info write(carol) 5 ! timeout\n";
    const far = story + unknown + read(4, "carol", 5, 7) + write(4, "dave", 6, 9) + read(2, "dave", 6, 9);
    expect(check(far + read(2, "alice", null, 0)).anomalies).toHaveLength(1);
    expect(check(far + read(2, "bob", null, 0)).anomalies).toHaveLength(1);
    expect(check(far + read(2, "alice", 2, 3)).anomalies).toHaveLength(0);
  });

  it("does not take what a writer saw after its write for a cause", () => {
    const later = write(0, "x", 1, 2) + write(1, "y", 2, 3) + read(0, "y", 2, 3);
    expect(check(later + read(2, "x", 1, 2) + read(2, "y", null, 0)).anomalies).toEqual([]);
  });

  it("does not know when no session saw what another had done after seeing something", () => {
    expect(check(write(0, "x", 1, 2) + read(1, "x", 1, 2)).validity).toBe("unknown");
  });

  it("finds, with the session guarantees, exactly the reads that the closure of causes condemns", () => {
    const step = fc.record({
      process: fc.nat(3),
      key: fc.constantFrom("x", "y"),
      writes: fc.boolean(),
      back: fc.constantFrom(0, 0, 0, 1, 2, 3),
    });
    let violated = 0;
    let causally = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 12, maxLength: 16 }), (steps) => {
        const versions: { readonly [key: string]: number[] } = { x: [0], y: [0] };
        let text = "";
        for (const [i, { process, key, writes, back }] of steps.entries()) {
          const known = versions[key] as number[];
          // A version is called by its revision, which is its value as well.
          if (writes) {
            known.push(i + 2);
            text += write(process, key, i + 2, i + 2);
          } else {
            const seen = known[Math.max(0, known.length - 1 - back)] as number;
            text += read(process, key, seen === 0 ? null : seen, seen);
          }
        }
        const history = parseHistory<VersionedSignature>(text);
        const operations = history.client as readonly Versioned[];
        /** Everything before an operation in its session, what that had read, and so on. */
        const causesOf = (operation: Versioned, known: Set<Versioned>): Set<Versioned> => {
          for (const cause of operations) {
            const earlier =
              cause.process === operation.process && cause.completeIndex < operation.invokeIndex;
            const source =
              operation.f === "read" && cause.f === "write" && cause.input === operation.output.value;
            if ((!earlier && !source) || known.has(cause)) continue;
            known.add(cause);
            causesOf(cause, known);
          }
          return known;
        };
        const condemned = operations.filter(
          (read) =>
            read.f === "read" &&
            [...causesOf(read, new Set())].some(
              (cause) => cause.key === read.key && cause.output.revision > read.output.revision,
            ),
        );
        const told = [sessionGuarantees, causal].map(
          (checker) => checker.check(history, new Budget(0)).anomalies,
        );
        if (condemned.length > 0) violated++;
        if (told[1]?.length !== 0) causally++;
        const guilty = new Set(told.flat().map(({ witness }) => witness.at(-1)));
        expect([...guilty].sort()).toEqual(condemned.map(({ completeIndex }) => completeIndex).sort());
      }),
      { seed: 1, numRuns: 200 },
    );
    expect(violated).toBeGreaterThan(50);
    expect(causally).toBeGreaterThan(5);
  });
});
