import { describe, expect, it } from "vitest";
import { Budget, type Verdict } from "../src/checker.ts";
import { parseHistory } from "../src/history/notation.ts";
import { asCalled, linearizable } from "./linearizable.ts";
import { type MutexCall, mutex } from "./models/mutex.ts";
import { type RegisterCall, register } from "./models/register.ts";

function check(text: string, steps = 100_000): Verdict {
  return linearizable(register(), asCalled<RegisterCall>).check(parseHistory(text), new Budget(steps));
}

describe("linearizable registers", () => {
  it.each<[string, string]>([
    [
      "a read that overlaps a write sees it or not",
      `
      0 invoke write(x) 1
      1 invoke read(x)
      1 ok     read(x) 1
      2 invoke read(x)
      2 ok     read(x) 1
      0 ok     write(x)`,
    ],
    [
      "a write of unknown outcome takes effect late",
      `
      0 invoke write(x) 1
      0 info   write(x) 1 ! timeout
      1 invoke write(x) 2
      1 ok     write(x)
      1 invoke read(x)
      1 ok     read(x) 2
      1 invoke read(x)
      1 ok     read(x) 1`,
    ],
    [
      "a write of unknown outcome never takes effect",
      `
      0 invoke write(x) 1
      0 info   write(x) 1 ! timeout
      1 invoke read(x)
      1 ok     read(x) null`,
    ],
    [
      "a failed write is not seen, a failed read says nothing",
      `
      0 invoke write(x) 1
      0 fail   write(x) 1 ! refused
      1 invoke read(x)
      1 fail   read(x) ! refused
      1 invoke read(x)
      1 ok     read(x) null`,
    ],
    [
      "each key is an object of its own",
      `
      0 invoke write(x) 1
      0 ok     write(x)
      0 invoke read(y)
      0 ok     read(y) null`,
    ],
    [
      "a cas that lost compared with a value that was not there",
      `
      0 invoke write(x) 1
      0 ok     write(x)
      1 invoke cas(x) [2, 3]
      1 ok     cas(x) false
      1 invoke cas(x) [1, 3]
      1 ok     cas(x) true`,
    ],
  ])("accepts: %s", (_, text) => {
    expect(check(text)).toMatchObject({ validity: "valid", anomalies: [] });
  });

  it.each<[name: string, text: string, witness: readonly number[], words: string]>([
    [
      "stale read",
      `
      0 invoke write(x) 4
      0 ok     write(x)
      1@n1 invoke write(x) 5
      1@n1 ok     write(x)
      2 invoke write(x) 6
      2 ok     write(x)
      1 invoke read(x)
      1 ok     read(x) 6
      3@n2 invoke read(x)
      3@n2 ok     read(x) 4`,
      [0, 1, 4, 5, 8, 9],
      "process 3 on n2 read 4 of x after process 2 wrote 6",
    ],
    [
      "stale read",
      `
      0 invoke write(x) 1
      0 ok     write(x)
      1 invoke read(x)
      1 ok     read(x) null`,
      [0, 1, 2, 3],
      "process 1 read nothing of x after process 0 wrote 1",
    ],
    [
      "stale read",
      `
      0 invoke write(x) 1
      1 invoke read(x)
      1 ok     read(x) 1
      2 invoke read(x)
      2 ok     read(x) null
      0 ok     write(x)`,
      [0, 1, 2, 3, 4, 5],
      "process 2 read nothing of x after process 1 read 1",
    ],
    [
      "lost update",
      `
      0 invoke write(x) 1
      0 ok     write(x)
      1 invoke cas(x) [1, 2]
      2 invoke cas(x) [1, 3]
      1 ok     cas(x) true
      2 ok     cas(x) true
      0 invoke read(x)
      0 ok     read(x) 3`,
      [0, 1, 2, 3, 4, 5],
      "both started from 1",
    ],
    [
      "value never written",
      `
      0 invoke write(x) 1
      0 ok     write(x)
      1 invoke read(x)
      1 ok     read(x) 7`,
      [2, 3],
      "nobody ever wrote 7",
    ],
    [
      "aborted read",
      `
      0 invoke write(x) 1
      0 fail   write(x) 1 ! refused
      1 invoke read(x)
      1 ok     read(x) 1`,
      [2, 3],
      "process 0 that would have written 1 had failed",
    ],
    [
      "read from the future",
      `
      1 invoke read(x)
      1 ok     read(x) 1
      0 invoke write(x) 1
      0 ok     write(x)`,
      [0, 1],
      "before process 0 had even begun to write 1",
    ],
    [
      "cas that should have failed",
      `
      0 invoke write(x) 1
      0 ok     write(x)
      0 invoke write(x) 2
      0 ok     write(x)
      1 invoke cas(x) [1, 3]
      1 ok     cas(x) true`,
      [0, 1, 2, 3, 4, 5],
      "process 1 swapped 1 to 3",
    ],
    [
      "cas that should have succeeded",
      `
      0 invoke write(x) 9
      0 ok     write(x)
      0 invoke write(x) 1
      0 ok     write(x)
      1 invoke cas(x) [1, 3]
      2 invoke cas(x) [9, 8]
      1 ok     cas(x) false
      2 ok     cas(x) false`,
      [2, 3, 4, 6],
      "process 1 could not swap 1 to 3",
    ],
  ])("names a %s", (name, text, witness, words) => {
    const { validity, anomalies } = check(text);
    expect(validity).toBe("invalid");
    expect(anomalies).toHaveLength(1);
    expect(anomalies[0]).toMatchObject({ name, witness, guarantee: "linearizability" });
    expect(anomalies[0]?.explanation).toContain(words);
  });

  it("finds the two keys of many that are broken", () => {
    const lines: string[] = [];
    for (let key = 0; key < 30; key++) {
      const seen = key % 15 === 7 ? 0 : key + 1;
      lines.push(`0 invoke write(k${key}) ${key + 1}`, `0 ok write(k${key})`);
      lines.push(`1 invoke read(k${key})`, `1 ok read(k${key}) ${seen}`);
    }
    const { validity, reason, anomalies, checked } = check(lines.join("\n"));
    expect({ validity, reason, checked }).toEqual({
      validity: "invalid",
      reason: "2 of 30 objects are not linearizable; decided by unique values",
      checked: 60,
    });
    expect(anomalies.map(({ name }) => name)).toEqual(["value never written", "value never written"]);
  });

  it("names the key it gave up on, and how far it came", () => {
    const text = `
      0 invoke write(easy) 1
      0 ok     write(easy)
      0 invoke write(hard) 1
      1 invoke write(hard) 1
      2 invoke read(hard)
      0 ok     write(hard)
      1 ok     write(hard)
      2 ok     read(hard) 1`;
    expect(check(text, 2)).toMatchObject({
      validity: "unknown",
      reason:
        "the search was cut short: key hard gave up after 2 steps, with 2 of 3 operations placed at most",
    });
    expect(check(text, 3)).toMatchObject({
      validity: "valid",
      checked: 4,
      reason: "2 objects with 4 operations are linearizable: decided 1 by unique values, 1 by search",
    });
  });

  it("does not call an empty history valid", () => {
    expect(check("").validity).toBe("unknown");
    expect(check("0 invoke read(x)\n0 info read(x) ! timeout").validity).toBe("unknown");
  });
});

describe("linearizable mutexes", () => {
  const checker = linearizable(mutex, asCalled<MutexCall>);

  it("rejects two holders at once", () => {
    const history = parseHistory(`
      0 invoke acquire
      0 ok     acquire
      1 invoke acquire
      1 ok     acquire
      0 invoke release
      0 ok     release`);
    const verdict = checker.check(history, new Budget(1000));
    expect(verdict).toMatchObject({ validity: "invalid" });
    expect(verdict.anomalies[0]?.witness).toEqual([0, 1, 2, 3]);
  });

  it("accepts a second holder once the first may have released it", () => {
    const history = parseHistory(`
      0 invoke acquire
      0 ok     acquire
      0 invoke release
      0 info   release ! timeout
      1 invoke acquire
      1 ok     acquire`);
    expect(checker.check(history, new Budget(1000)).validity).toBe("valid");
  });
});
