import { describe, expect, it } from "vitest";
import { parseHistory } from "../src/history/notation.ts";
import { faultSpans, tellCut, tellSpan } from "./fault-spans.ts";

const nodes = ["n1", "n2", "n3", "n4", "n5"];

function pairs(text: string): (readonly [string, string])[] {
  return text.split(" ").map((pair) => pair.split(">") as [string, string]);
}

describe("spans", () => {
  it("last from the start to the heal of one fault, also when they overlap", () => {
    const spans = faultSpans(
      parseHistory(`
        1s nemesis invoke start-kill {"target":"one"}
        1s nemesis ok     start-kill {"nodes":["n2"],"effects":{}}
        2s nemesis invoke start-pause {"target":"one"}
        2s nemesis ok     start-pause {"nodes":["n3"],"effects":{}}
        3s nemesis invoke heal-kill
        3s nemesis ok     heal-kill {"back":{},"bites":1}
        4s nemesis invoke heal-pause
        5s nemesis ok     heal-pause {"back":{},"bites":0}
      `),
    );
    expect(
      spans.map(({ fault, from, until, nodes: hit, bites }) => ({ fault, from, until, hit, bites })),
    ).toEqual([
      { fault: "kill", from: 1e9, until: 3e9, hit: ["n2"], bites: 1 },
      { fault: "pause", from: 2e9, until: 5e9, hit: ["n3"], bites: 0 },
    ]);
  });

  it("end when everything is healed, or with the history", () => {
    const spans = faultSpans(
      parseHistory(`
        1s nemesis invoke start-kill {}
        1s nemesis ok     start-kill {"nodes":["n1"]}
        4s nemesis invoke heal-all
        6s nemesis ok     heal-all {}
        7s nemesis invoke start-pause {}
        7s nemesis ok     start-pause {"nodes":["n1"]}
        9s 0 invoke read
      `),
    );
    expect(spans.map(({ until }) => until)).toEqual([6e9, 9e9]);
  });

  it("are marked as refused if they could not be started", () => {
    const [span] = faultSpans(
      parseHistory(`
        1s nemesis invoke start-membership {}
        1s nemesis info   start-membership {} ! no leader
      `),
    );
    expect(span).toMatchObject({ refused: "no leader", until: 1e9 });
    expect(tellSpan(span as NonNullable<typeof span>, nodes)).toBe(
      "membership could not be started: no leader",
    );
  });
});

describe("a cut is told as", () => {
  it.each([
    ["n1>n2 n1>n3 n1>n4 n1>n5 n2>n1 n3>n1 n4>n1 n5>n1", "the network was cut between n1 and n2, n3, n4, n5"],
    [
      "n1>n3 n1>n4 n1>n5 n2>n3 n2>n4 n2>n5 n3>n1 n4>n1 n5>n1 n3>n2 n4>n2 n5>n2",
      "the network was cut between n1, n2 and n3, n4, n5",
    ],
    ["n2>n1 n2>n3 n2>n4 n2>n5", "nothing that n2 sent arrived at n1, n3, n4 and n5"],
    ["n1>n4 n2>n4 n3>n4 n5>n4", "n4 heard nothing from n1, n2, n3 and n5"],
    ["n1>n4 n4>n1 n1>n5 n5>n1", "these links were cut: n1–n4, n1–n5"],
    ["n1>n4 n4>n1 n2>n5", "these links were cut: n1–n4, n2→n5"],
  ])("%s", (cut, told) => {
    expect(tellCut(pairs(cut), nodes)).toBe(told);
  });
});
