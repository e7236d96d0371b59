import { expect, it } from "vitest";
import { findings, tellFinding } from "./findings.ts";

const stale = { checker: "linearizable", anomaly: "stale read" };
const split = { checker: "raft-invariants", anomaly: "election-safety" };

it("makes one finding of all seeds with one signature, the most frequent first", () => {
  const results = [
    { seed: 9, failure: split },
    { seed: 7, failure: { ...stale } },
    { seed: 4, failure: undefined },
    { seed: 3, failure: { ...stale } },
  ];
  const found = findings(results);
  expect(found).toEqual([
    { failure: stale, seeds: [3, 7] },
    { failure: split, seeds: [9] },
  ]);
  expect(found.map(tellFinding)).toEqual([
    "  linearizable: stale read  (2 seeds, first 3)\n",
    "  raft-invariants: election-safety  (seed 9)\n",
  ]);
});

it("tells apart what one checker found", () => {
  const lost = { checker: "linearizable", anomaly: "lost update" };
  const found = findings([
    { seed: 2, failure: lost },
    { seed: 1, failure: stale },
  ]);
  expect(found.map(({ seeds }) => seeds)).toEqual([[1], [2]]);
});

it("finds nothing where nothing failed", () => {
  expect(findings([{ seed: 1, failure: undefined }])).toEqual([]);
});
