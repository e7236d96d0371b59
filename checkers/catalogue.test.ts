/** Histories as Jepsen's workloads record them: told by their functions, and judged as meant. */
import { describe, expect, it } from "vitest";
import { Budget } from "../src/checker.ts";
import { parseHistory } from "../src/history/notation.ts";
import { guess, specifications } from "./catalogue.ts";

const conventions = { nilIsUnknown: true, init: null };

function judge(model: string, text: string) {
  const specification = specifications.find(({ name }) => name === model);
  return specification?.checker(conventions).check(parseHistory(text), new Budget(10_000));
}

const transfer =
  '0 invoke transfer {"from":0,"to":1,"amount":5}\n0 ok transfer {"from":0,"to":1,"amount":5}\n';
const revisioned = (a: number, b: number, version: number) =>
  `1 invoke read\n1 ok read {"revision":9,"accounts":{"a":{"balance":${a},"revision":2,"version":1},"b":{"balance":${b},"revision":${version + 1},"version":${version}}}}\n`;

describe("a history of any origin", () => {
  it.each([
    [
      "bank",
      "bank",
      `${transfer}1 invoke read\n1 ok read {"0":5,"1":15}\n1 invoke read\n1 ok read {"0":9,"1":12}`,
      "wrong total",
    ],
    ["bank", "bank with revisions", transfer + revisioned(5, 15, 1) + revisioned(5, 16, 2), "wrong total"],
    [
      "counter",
      "counter",
      "0 invoke add 1\n0 ok add 1\n1 invoke read\n1 ok read 2",
      "value above the bounds",
    ],
    [
      "unique-ids",
      "unique ids",
      "0 invoke generate\n0 ok generate 4\n0 invoke generate\n0 ok generate 4",
      "duplicated id",
    ],
    [
      "total-queue",
      "queue",
      "0 invoke enqueue 1\n0 ok enqueue 1\n1 invoke drain\n1 ok drain []",
      "lost element",
    ],
    [
      "g2",
      "anti-dependencies",
      "0 invoke insert(7) [1,null]\n0 ok insert(7) [1,null]\n1 invoke insert(7) [null,2]\n1 ok insert(7) [null,2]",
      "write skew",
    ],
    [
      "monotonic",
      "monotonic values",
      "0 invoke inc\n0 ok inc [2,1]\n0 invoke inc\n0 ok inc [3,2]\n1 invoke read\n1 ok read [4,1]",
      "value went back",
    ],
  ])("is taken for %s: %s", (model, _, text, anomaly) => {
    expect(guess(parseHistory(text))?.name).toBe(model);
    expect(judge(model, text)?.anomalies.map(({ name }) => name)).toEqual([anomaly]);
  });

  it("is held against what is named, where its functions say too little", () => {
    const forked =
      '1 invoke read [["r",0,null],["r",1,null]]\n1 ok read [["r",0,1],["r",1,null]]\n2 invoke read [["r",0,null],["r",1,null]]\n2 ok read [["r",0,null],["r",1,1]]';
    expect(judge("long-fork", forked)?.validity).toBe("invalid");
    expect(judge("sequential", '1 invoke read(k)\n1 ok read(k) ["k_2",null,"k_0"]')?.validity).toBe(
      "invalid",
    );
    const reversed = "0 invoke add 1\n0 ok add 1\n0 invoke add 2\n0 ok add 2\n1 invoke read\n1 ok read [2]";
    expect(judge("causal-reverse", reversed)?.validity).toBe("invalid");
  });
});
