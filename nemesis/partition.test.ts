import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { UsageError } from "../src/plan.ts";
import { seededRandom } from "../src/runtime/random.ts";
import {
  bridge,
  cutBetween,
  cutTowards,
  type Grudge,
  grudge,
  majoritiesRing,
  parseGrudge,
  partitionShapes,
} from "./partition.ts";

const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `n${i + 1}`);
const has = (cuts: Grudge, from: string, to: string): boolean =>
  cuts.some(([a, b]) => a === from && b === to);
/** Whom a member can talk with in both directions, itself included. */
const peers = (cuts: Grudge, node: string, nodes: readonly string[]): string[] =>
  nodes.filter((other) => other === node || (!has(cuts, node, other) && !has(cuts, other, node)));

describe("a grudge", () => {
  it("between two sides cuts both ways, towards one only one", () => {
    expect(cutBetween(["a"], ["b", "c"])).toEqual([
      ["a", "b"],
      ["a", "c"],
      ["b", "a"],
      ["c", "a"],
    ]);
    expect(cutTowards(["a"], ["b"])).toEqual([["a", "b"]]);
  });

  it("of any shape names members, never a member and itself, no pair twice, and cuts something", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 9 }),
        fc.constantFrom(...partitionShapes),
        fc.nat(),
        (count, shape, seed) => {
          const nodes = names(count);
          const random = seededRandom(seed);
          const cuts = grudge(shape, nodes, random, nodes[seed % count] as string);
          const keys = cuts.map((pair) => pair.join(">"));
          expect(new Set(keys).size).toBe(keys.length);
          for (const [from, to] of cuts) {
            expect(from).not.toBe(to);
            expect(nodes).toEqual(expect.arrayContaining([from, to]));
          }
          // Two members have no bridge and no ring between them, and together they are the majority.
          if (count > 2 || !["bridge", "majorities-ring", "leader-in-majority"].includes(shape))
            expect(cuts.length).toBeGreaterThan(0);
        },
      ),
      { seed: 1, numRuns: 500 },
    );
  });

  it("of the halves leaves no path between them", () => {
    const nodes = names(5);
    const cuts = grudge("random-halves", nodes, seededRandom(3), "n1");
    const side = peers(cuts, "n1", nodes);
    expect(side.length).toBeGreaterThan(0);
    for (const node of nodes) {
      expect(peers(cuts, node, nodes)).toEqual(
        side.includes(node) ? side : nodes.filter((other) => !side.includes(other)),
      );
    }
  });

  it("of a bridge leaves one member that talks with everybody", () => {
    const nodes = names(5);
    const whole = nodes.filter((node) => peers(bridge(nodes), node, nodes).length === nodes.length);
    expect(whole).toEqual(["n3"]);
  });

  it("of a majorities ring lets every member see a majority, and no two of five or more the same", () => {
    for (const count of [3, 4, 5, 6, 7, 8, 9]) {
      const nodes = names(count);
      const views = nodes.map((node) => peers(majoritiesRing(nodes), node, nodes));
      for (const view of views) expect(view.length).toBeGreaterThan(count / 2);
      if (count >= 5) expect(new Set(views.map((view) => view.join())).size).toBe(count);
    }
  });

  it("around the leader puts it on the side it says", () => {
    const nodes = names(5);
    for (let seed = 0; seed < 20; seed++) {
      const minority = grudge("leader-in-minority", nodes, seededRandom(seed), "n4");
      expect(peers(minority, "n4", nodes)).toHaveLength(2);
      const majority = grudge("leader-in-majority", nodes, seededRandom(seed), "n4");
      expect(peers(majority, "n4", nodes)).toHaveLength(3);
      expect(peers(grudge("isolate-leader", nodes, seededRandom(seed), "n4"), "n4", nodes)).toEqual(["n4"]);
    }
  });

  it("that is one-way leaves the other way open", () => {
    const nodes = names(3);
    for (const shape of ["mute", "deaf"] as const) {
      const cuts = grudge(shape, nodes, seededRandom(1), "n2");
      for (const [from, to] of cuts) expect(has(cuts, to, from)).toBe(false);
    }
  });
});

describe("a grudge in words", () => {
  it("cuts its groups off from each other and leaves others alone", () => {
    expect(parseGrudge("n1,n2|n3", names(4))).toEqual([
      ["n1", "n3"],
      ["n2", "n3"],
      ["n3", "n1"],
      ["n3", "n2"],
    ]);
  });

  it.each(["n1,n2", "n1|n9", "n1|n1", "n1,|n2", "|"])("refuses %s", (text) => {
    expect(() => parseGrudge(text, names(3))).toThrow(UsageError);
  });
});
