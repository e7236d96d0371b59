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

const elected = (process: number, term: number) =>
  `${process} invoke campaign {"ttl":9,"value":${term}}\n${process} ok campaign {"term":${term},"revision":${term},"ttl":9,"renewed":0}\n`;
const held = (process: number, fence: number) =>
  `${process} invoke acquire {"ttl":9}\n${process} ok acquire {"lease":"${fence}","ownership":"k${fence}","fence":${fence},"ttl":9,"renewed":0}\n`;

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
    ["election", "elections", `${elected(0, 5)}${elected(1, 6)}`, "two leaders at once"],
    [
      "lease",
      "leases",
      '0 invoke grant {"ttl":5}\n0 ok grant {"lease":"7","ttl":5}\n1 invoke grant {"ttl":5}\n1 ok grant {"lease":"7","ttl":5}\n0 invoke inspect {"lease":"7"}\n0 ok inspect {"ttl":5,"keys":[]}',
      "lease id given twice",
    ],
    [
      "lock",
      "a lock on leases",
      `${held(0, 5)}${held(1, 6)}0 invoke increment {"think":0}\n0 info increment {"think":0} ! timeout`,
      "two holders at once",
    ],
    [
      "registry",
      "a registry",
      '1 invoke list {"settled":false}\n1 ok list {"revision":2,"term":1,"ids":[4]}\n0 invoke register {"id":3,"ttl":5}\n0 ok register {"revision":3,"ttl":5,"term":1}',
      "entry from nowhere",
    ],
    [
      "config",
      "a configuration",
      '0 invoke update {"token":1}\n0 ok update {"version":1}\n0 invoke update {"token":2}\n0 ok update {"version":2}\n1 invoke read\n1 ok read [{"version":1,"token":1},{"version":2,"token":2}]',
      "mixed configuration",
    ],
    [
      "replica",
      "hashes of members",
      '1@n1 invoke hash {"revision":7}\n1@n1 ok hash {"hash":1,"compactRevision":0}\n2@n2 invoke hash {"revision":7}\n2@n2 ok hash {"hash":2,"compactRevision":0}',
      "replicas differ",
    ],
    [
      "snapshot",
      "backups",
      '0 invoke backup {"id":1}\n0 ok backup {"revision":5,"entries":[{"key":"a","value":1,"modRevision":4,"createRevision":4,"version":1}]}\n0 invoke restore {"id":1}\n0 ok restore {"revision":6,"entries":[]}\n0 invoke verify {"id":1}\n0 ok verify {"revision":6,"entries":[]}',
      "key lost in restore",
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
