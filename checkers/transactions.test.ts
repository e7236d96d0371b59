import { describe, expect, it } from "vitest";
import { Budget, type Verdict } from "../src/checker.ts";
import { analyseLists, analyseRegisters } from "./transactions/analysis.ts";
import { anomalyKinds } from "./transactions/anomalies.ts";
import { scripted } from "./transactions/testdata/scripted.ts";
import { listAppendChecker, rwRegisterChecker } from "./transactions.ts";

const STEPS = 1_000_000;

function lists(text: string): string[] {
  return [...analyseLists(scripted(text), new Budget(STEPS)).counts.keys()];
}

function registers(text: string): string[] {
  return [...analyseRegisters(scripted(text), new Budget(STEPS)).counts.keys()];
}

/** Each anomaly by its textbook history, and one that looks alike and is right. */
const listCases: readonly (readonly [names: readonly string[], history: string, nearMiss: string])[] = [
  [["G0"], "x+1 y+1 \n x+2 y+2 \n x=1,2 y=2,1", "x+1 y+1 \n x+2 y+2 \n x=1,2 y=1,2"],
  [["G1a"], "fail x+1 \n x=1", "info x+1 \n x=1"],
  [["G1b", "G-single-item"], "x+1 x+2 \n x=1", "x+1 x+2 \n x=1,2"],
  [["G1c"], "x+1 y=1 \n x=1 y+1", "x+1 y=1 \n x= y+1"],
  [["G-single-item"], "x+1 y+1 \n x=1 y=", "x+1 y+1 \n x=1 y=1"],
  [["G-single-item", "lost-update"], "x= x+1 \n x= x+2 \n x=1,2", "x= x+1 \n x=1 x+2 \n x=1,2"],
  [["G-nonadjacent-item"], "x+1 \n x=1 y= \n y+1 \n y=1 x=", "x+1 \n x=1 y= \n y+1 \n y=1 x=1"],
  [["G2-item"], "x= y+1 \n y= x+1", "x= y+1 \n y=1 x+1"],
  [["G0-process"], "0 x+1 \n 0 x+2 \n 1 x=2,1", "0 x+1 \n 0 x+2 \n 1 x=1,2"],
  [["G1c-process"], "0 x=1 y+1 \n 1 y=1 \n 1 x+1", "0 x= y+1 \n 1 y=1 \n 1 x+1"],
  [["G-single-item-process"], "0 x+1 \n 0 x= \n 1 x=1", "0 x+1 \n 0 x=1 \n 1 x=1"],
  [["G-single-item-realtime"], "0 x+1 \n 1 x= \n 2 x=1", "0 x+1 \n 1 x=1 \n 2 x=1"],
  [["G0-realtime"], "0 x+1 \n 1 x+2 \n 2 x=2,1", "0 x+1 \n 1 x+2 \n 2 x=1,2"],
  [["incompatible-order"], "x+1 \n x+2 \n x=1 \n x=2", "x+1 \n x+2 \n x=1 \n x=1,2"],
  [["dirty-update", "G1a"], "fail x+1 \n x+2 \n x=1,2", "fail x+1 \n x+2 \n x=2"],
  [["duplicate-elements"], "x+1 \n x+2 \n x=1,2,1", "x+1 \n x+2 \n x=1,2"],
  [["garbage-read"], "x+1 \n x=1,7", "x+1 \n x=1"],
  [["future-read"], "x=1 x+1", "x= x+1"],
  [["internal"], "x+1 x=", "x+1 x=1"],
  [["internal", "G-single-item"], "x+1 \n x= x=1", "x+1 \n x=1 x=1"],
  // Ranges: a key that was not there yet.
  [["G-single"], "x+1 y+1 \n a..z=x:1", "x+1 y+1 \n a..z=x:1;y:1"],
  [["G-single"], "x+1 y+1 \n a..z=x:1", "x+1 y+1 \n a..y=x:1"],
  [["G-single"], "x+1 \n a..z= a..z=x:1", "x+1 \n a..z=x:1 a..z=x:1"],
  [["G2"], "a..z= x+1 \n a..z= y+1", "a..z= x+1 \n a..z=x:1 y+1"],
  [["G-single-realtime"], "0 x+1 \n 1 a..z= \n 2 x=1", "0 x+1 \n 1 a..z=x:1 \n 2 x=1"],
  [["G-single-item"], "x+1 y+1 \n x+2 y+2 \n a..z=x:1;y:1,2 \n x=1,2", "x+1 y+1 \n x+2 y+2 \n a..z=x:1;y:1"],
  [["G1a"], "fail x+1 \n a..z=x:1", "info x+1 \n a..z=x:1"],
  [["internal"], "x+1 a..z=", "x+1 a..z=x:1"],
  // By the numbers of the versions.
  [["G0"], "x+1@5 y+1@5 \n x+2@6 y+2@4", "x+1@5 y+1@5 \n x+2@6 y+2@6"],
  [["version-conflict"], "x+1@5 \n x+2@4 \n x=1,2", "x+1@4 \n x+2@5 \n x=1,2"],
  [["version-conflict"], "x+1@5 \n x+2@6 \n x=1@7", "x+1@5 \n x+2@6 \n x=1@5"],
  [["version-conflict"], "x+1@5 \n x=1@4", "x+1@5 \n x=1@5"],
];

const registerCases: typeof listCases = [
  [["G1a"], "fail x:=1 \n x==1", "info x:=1 \n x==1"],
  [["G1b"], "x:=1 x:=2 \n x==1", "x:=1 x:=2 \n x==2"],
  [["G1c"], "x:=1 y==1 \n y:=1 x==1", "x:=1 y==1 \n y:=1 x==-"],
  [["G-single-item"], "x:=1 y:=1 \n x==1 y==-", "x:=1 y:=1 \n x==1 y==1"],
  [["lost-update", "G2-item"], "x==- x:=1 \n x==- x:=2", "x==- x:=1 \n x==1 x:=2"],
  [["G2-item"], "x==- y:=1 \n y==- x:=1", "x==- y:=1 \n y==1 x:=1"],
  [
    ["G-nonadjacent-item"],
    "x:=1 \n x==1 y==- \n y:=1 \n y==1 x==-",
    "x:=1 \n x==1 y==- \n y:=1 \n y==1 x==1",
  ],
  // What came first is known by process and time only.
  [["G-single-item-process"], "0 x:=1 \n 0 x:=2 \n 0 x==1", "0 x:=1 \n 0 x:=2 \n 0 x==2"],
  [["G-single-item-realtime"], "0 x:=1 \n 1 x:=2 \n 2 x==1", "0 x:=1 \n 1 x:=2 \n 2 x==2"],
  // By the reads that follow writes: 1, 2, 3.
  [
    ["G-single-item"],
    "x==- x:=1 \n x==1 x:=2 y:=1 \n x==2 x:=3 \n x==1 y==1",
    "x==- x:=1 \n x==1 x:=2 y:=1 \n x==2 x:=3 \n x==2 y==1",
  ],
  // By the numbers of the versions.
  [["G0"], "x:=1@5 y:=1@5 \n x:=2@6 y:=2@4", "x:=1@5 y:=1@5 \n x:=2@6 y:=2@6"],
  [["version-conflict"], "x:=1@5 \n x==1@6", "x:=1@5 \n x==1@5"],
  // Ranges: a key that was not there yet.
  [["G-single"], "x:=1 y:=1 \n a..z==x:1", "x:=1 y:=1 \n a..z==x:1;y:1"],
  [["G-single"], "x:=1 \n a..z== x==1", "x:=1 \n a..x== x==1"],
  [["G2"], "a..z== x:=1 \n a..z== y:=1", "a..z== x:=1 \n a..z==x:1 y:=1"],
  [["G2"], "a..z== x:=1 \n a..z== x:=2", "a..z== x:=1 \n a..z==x:1 x:=2"],
  [["internal"], "x:=1 a..z==", "x:=1 a..z==x:1"],
  [["garbage-read"], "x==7", "x==-"],
  [["future-read"], "x==1 x:=1", "x==- x:=1"],
  [["internal"], "x:=1 x==- \n x==-", "x:=1 x==1 \n x==-"],
  [
    ["garbage-read", "cyclic-versions-process", "G-single-item-process"],
    "0 x:=1 \n 0 x==2 \n 0 x==1",
    "0 x:=1 \n 0 x:=2 \n 0 x==2",
  ],
];

describe("lists", () => {
  it.each(listCases)("%j in its textbook history, not in a near miss", (names, history, nearMiss) => {
    expect(lists(history)).toEqual(expect.arrayContaining([...names]));
    expect(lists(history)).toHaveLength(names.length);
    expect(lists(nearMiss)).toEqual([]);
  });
});

describe("registers", () => {
  it.each(registerCases)("%j in its textbook history, not in a near miss", (names, history, nearMiss) => {
    expect(registers(history)).toEqual(expect.arrayContaining([...names]));
    expect(registers(nearMiss)).toEqual([]);
  });

  it("knows all names it uses", () => {
    const known = new Set(anomalyKinds.map(({ name }) => name));
    const used = registerCases.flatMap(([, history]) => registers(history));
    expect(used.filter((name) => !known.has(name))).toEqual([]);
  });
});

function check(text: string, model?: string): Verdict {
  return listAppendChecker(model === undefined ? {} : { model }).check(scripted(text), new Budget(STEPS));
}

describe("the verdict", () => {
  it("depends on the model that is promised", () => {
    const writeSkew = "x= y+1 \n y= x+1 \n x=1 y=1";
    expect(check(writeSkew, "snapshot-isolation").validity).toBe("valid");
    expect(check(writeSkew, "repeatable-read").validity).toBe("invalid");
    expect(check(writeSkew, "serializable").validity).toBe("invalid");
    expect(check(writeSkew).evidence).toMatchObject({
      strongestModels: ["strong-snapshot-isolation"],
      weakestRuledOut: ["repeatable-read"],
    });
  });

  it("tells a cycle step by step", () => {
    const [anomaly] = check("x+1 y+1 \n x=1 y=").anomalies;
    expect(anomaly).toMatchObject({
      name: "G-single-item",
      guarantee: "consistent-view, repeatable-read",
      witness: [2, 3],
    });
    expect(anomaly?.explanation).toContain(
      "T1 came before T2: T2 read x as [1], with the 1 that T1 appended.",
    );
    expect(anomaly?.explanation).toContain(
      "T2 came before T1: T2 read y as [], without the 1 that T1 appended.",
    );
    expect(anomaly?.explanation).toContain("read skew (A5A)");
  });

  it("tells a phantom, which repeatable read allows", () => {
    const phantom = "x+1 y+1 \n a..z=x:1";
    expect(check(phantom, "repeatable-read").validity).toBe("valid");
    const [anomaly] = check(phantom, "snapshot-isolation").anomalies;
    expect(anomaly?.explanation).toContain(
      "T2 came before T1: T2 read a range without y, to which T1 appended 1.",
    );
    expect(anomaly?.explanation).toContain("a phantom (P3)");
  });

  it("tells of an order that versions alone give, and of versions that contradict each other", () => {
    const [cycle] = check("x+1@5 y+1@5 \n x+2@6 y+2@4").anomalies;
    expect(cycle?.explanation).toContain("T2 appended 2 later by the versions' numbers");
    const [conflict] = check("x+1@5 \n x+2@6 \n x=1@7").anomalies;
    expect(conflict).toMatchObject({ name: "version-conflict", witness: [4, 5] });
    expect(conflict?.explanation).toContain("appended 2 to x, which nobody read, at version 6");
    expect(conflict?.explanation).toContain("read x as [1] at version 7");
  });

  it("shows when one ended and the other began where time counts", () => {
    const [anomaly] = check("0 x+1 \n 1 x+2 \n 2 x=1 \n 3 x=1,2").anomalies;
    expect(anomaly).toMatchObject({ name: "G-single-item-realtime", witness: [3, 4, 5] });
    expect(anomaly?.explanation).toContain(
      "had ended (event 3) before T2 began (event 4)".replace("T2", "T2"),
    );
  });

  it("is unknown where a value was written twice, and where nothing was committed", () => {
    const verdict = check("x+1 \n x+1 \n x=1");
    expect(verdict.validity).toBe("unknown");
    expect(verdict.reason).toContain("1 was written to x by");
    expect(check("fail x+1").validity).toBe("unknown");
    expect(check("").validity).toBe("unknown");
  });

  it("is invalid by other keys where a value was written twice", () => {
    expect(check("z+1 \n z+1 \n x= y+1 \n y= x+1").validity).toBe("invalid");
  });

  it("refuses what is no transaction, and models that do not exist", () => {
    expect(() => check("x:=1")).toThrow(/event 1: \["w","x",1\] is no micro-operation; it takes \["append"/);
    expect(() => rwRegisterChecker({ model: "serialisable" })).toThrow(
      /no consistency model serialisable; there are/,
    );
  });
});
