import { describe, expect, it } from "vitest";
import { Budget, type Verdict } from "../src/checker.ts";
import { parseHistory } from "../src/history/notation.ts";
import { type BankSignature, bankChecker } from "./bank.ts";

function check(text: string): Verdict {
  const checker = bankChecker({ accounts: ["a", "b"], total: 20 });
  return checker.check(parseHistory<BankSignature>(text), new Budget(0));
}

function found(verdict: Verdict): readonly (readonly [string, readonly number[]])[] {
  return verdict.anomalies.map(({ name, witness }) => [name, witness]);
}

type Account = readonly [balance: number, revision: number, version: number];

/** A read by `process` at `revision`, as two lines. */
function read(process: number, revision: number, a: Account, b: Account): string {
  const account = ([balance, changed, version]: Account) => ({ balance, revision: changed, version });
  const value = JSON.stringify({ revision, accounts: { a: account(a), b: account(b) } });
  return `${process} invoke read\n${process} ok read ${value}\n`;
}

/** A transfer from a to b, as two lines. */
function transfer(process: number, amount: number, revision: number, a: number, b: number): string {
  const value = JSON.stringify({ revision, balances: { a, b } });
  return `${process} invoke transfer {"from":"a","to":"b","amount":${amount}}\n${process} ok transfer ${value}\n`;
}

const opened: Account = [10, 2, 1];

describe("bank checker", () => {
  it("accepts reads before and after a transfer", () => {
    const verdict = check(
      read(1, 2, opened, opened) + transfer(0, 3, 3, 7, 13) + read(1, 3, [7, 3, 2], [13, 3, 2]),
    );
    expect(verdict).toMatchObject({ validity: "valid", checked: 2 });
  });

  it("accepts a transfer of unknown outcome that took effect", () => {
    const verdict = check(
      `${transfer(0, 1, 3, 9, 11)}0 invoke transfer {"from":"a","to":"b","amount":2}\n0 info transfer ! timeout\n${read(1, 4, [7, 4, 3], [13, 4, 3])}`,
    );
    expect(verdict.validity).toBe("valid");
  });

  it("names a total that is wrong, as after read skew", () => {
    const verdict = check(transfer(0, 3, 3, 7, 13) + read(1, 3, opened, [13, 3, 2]));
    expect(found(verdict)).toEqual([
      ["wrong total", [3]],
      ["lost update", [1, 3]],
    ]);
  });

  it("names a torn read even if the total is right", () => {
    // Two transfers that cancel out in the total: a is read after both, b between.
    const verdict = check(
      transfer(0, 3, 3, 7, 13) + transfer(0, 0, 4, 7, 13) + read(1, 4, [7, 4, 3], [13, 3, 2]),
    );
    expect(found(verdict)).toEqual([["lost update", [3, 5]]]);
  });

  it("names a balance below zero", () => {
    const verdict = check(transfer(0, 12, 3, -2, 22) + read(1, 3, [-2, 3, 2], [22, 3, 2]));
    expect(found(verdict)).toEqual([["negative balance", [3]]]);
  });

  it("names an account that is gone", () => {
    const text = `${transfer(0, 3, 3, 7, 13)}1 invoke read\n1 ok read {"revision":3,"accounts":{"a":{"balance":7,"revision":3,"version":2}}}`;
    expect(found(check(text))).toEqual([["missing account", [3]]]);
  });

  it("names a stale read: a snapshot, but of the past", () => {
    const verdict = check(transfer(0, 3, 3, 7, 13) + read(1, 2, opened, opened));
    expect(found(verdict)).toEqual([["stale read", [1, 2, 3]]]);
  });

  it("accepts the same old snapshot if the read began before the transfer was acknowledged", () => {
    const [invoked, acknowledged] = transfer(0, 3, 3, 7, 13).split("\n");
    const [asked, answered] = read(1, 2, opened, opened).split("\n");
    expect(check([invoked, asked, acknowledged, answered].join("\n")).validity).toBe("valid");
  });

  it("names an acknowledged transfer that a later transfer at a lower revision follows", () => {
    const verdict = check(
      transfer(0, 3, 5, 7, 13) + transfer(1, 1, 4, 9, 11) + read(2, 5, [7, 5, 3], [13, 5, 3]),
    );
    expect(found(verdict)).toEqual([["revision went back", [1, 2, 3]]]);
  });

  it("names two transfers with one revision", () => {
    const [first, firstDone] = transfer(0, 3, 3, 7, 13).split("\n");
    const [second, secondDone] = transfer(1, 1, 3, 9, 11).split("\n");
    const verdict = check(
      [first, second, firstDone, secondDone, read(2, 3, [7, 3, 2], [13, 3, 2])].join("\n"),
    );
    expect(found(verdict)).toContainEqual(["shared revision", [2, 3]]);
  });

  it("names two accounts of the same revision of an account", () => {
    const verdict = check(
      transfer(0, 3, 3, 7, 13) + read(1, 3, [7, 3, 2], [13, 3, 2]) + read(2, 4, [6, 3, 2], [14, 3, 2]),
    );
    expect(found(verdict)).toContainEqual(["divergent state", [3, 5]]);
  });

  it("names a version that went back", () => {
    const verdict = check(
      transfer(0, 3, 3, 7, 13) + read(1, 3, [7, 3, 2], [13, 3, 2]) + read(2, 4, [7, 4, 2], [13, 3, 2]),
    );
    expect(found(verdict)).toEqual([["version went back", [3, 5]]]);
  });

  it("names an account that nobody opened", () => {
    const text = `${transfer(0, 3, 3, 7, 13)}1 invoke read\n1 ok read {"revision":3,"accounts":{"a":{"balance":7,"revision":3,"version":2},"b":{"balance":13,"revision":3,"version":2},"c":{"balance":0,"revision":3,"version":1}}}`;
    expect(found(check(text))).toEqual([["unexpected account", [3]]]);
  });

  it("judges reads that are mere balances, as Jepsen's", () => {
    const moved = '0 invoke transfer {"from":"a","to":"b","amount":3}\n0 ok transfer\n';
    const seen = (balances: object) => `1@n2 invoke read\n1@n2 ok read ${JSON.stringify(balances)}\n`;
    expect(check(moved + seen({ a: 7, b: 13 }) + seen({ a: 10, b: 10 }))).toMatchObject({
      validity: "valid",
      checked: 2,
    });
    const verdict = check(
      moved +
        seen({ a: 7, b: 10 }) +
        seen({ a: 13, b: 13 }) +
        seen({ a: -1, b: 21 }) +
        seen({ a: null, b: 20 }),
    );
    expect(found(verdict)).toEqual([
      ["wrong total", [3]],
      ["wrong total", [5]],
      ["negative balance", [7]],
      ["missing account", [9]],
    ]);
    expect(verdict.evidence).toMatchObject({ farthestTotal: 6 });
    expect(verdict.anomalies[0]?.explanation).toBe(
      "process 1 on n2 read accounts that sum up to 17 instead of 20.",
    );
  });

  it("does not know without a read, or without a transfer", () => {
    expect(check(transfer(0, 3, 3, 7, 13)).validity).toBe("unknown");
    expect(check(read(0, 2, opened, opened)).validity).toBe("unknown");
  });
});
