import { describe, expect, it } from "vitest";
import { Budget } from "../src/checker.ts";
import type { Operation } from "../src/history/history.ts";
import { parseHistory } from "../src/history/notation.ts";
import { type Evidence, revisions, type Sight } from "./revisions.ts";

type Shown = { value: number | null; mod: number };

/** write: answered with its revision. read: [revision, value, modRevision]. swap: [modRevision guarded by, value]. */
type Tiny = {
  write: { in: number | null; out: number };
  read: { in: null; out: readonly [number, number | null, number] };
  "stale-read": Tiny["read"];
  swap: { in: readonly [number, number]; out: number };
};

function evidence({ f, key = "", input, output }: Operation<Tiny>): Evidence {
  const sight = (at: number, { value, mod }: Shown): Sight => ({ key, at, value, modRevision: mod });
  switch (f) {
    case "write":
      return { linearizable: true, revision: output, changes: [{ key, value: input }], sees: [] };
    case "swap":
      return {
        linearizable: true,
        revision: output,
        changes: [{ key, value: input[1] }],
        sees: output === undefined ? [] : [{ key, at: output - 1, modRevision: input[0] }],
      };
    default: {
      if (output === undefined) return { linearizable: true, revision: undefined, changes: [], sees: [] };
      const [revision, value, mod] = output;
      return { linearizable: f === "read", revision, changes: [], sees: [sight(revision, { value, mod })] };
    }
  }
}

function check(text: string) {
  return revisions<Tiny>(evidence).check(parseHistory<Tiny>(text), new Budget(0));
}

describe("revisions", () => {
  it.each<[string, string]>([
    [
      "writes in the order of their revisions, and reads of them",
      `
      0 invoke write(x) 1
      0 ok     write(x) 2
      0 invoke write(y) 2
      1 invoke read(x)
      0 ok     write(y) 3
      1 ok     read(x) [2, 1, 2]
      1 invoke read(x)
      1 ok     read(x) [3, 1, 2]`,
    ],
    [
      "a serializable read of the past",
      `
      0 invoke write(x) 1
      0 ok     write(x) 2
      0 invoke write(x) 2
      0 ok     write(x) 3
      1 invoke stale-read(x)
      1 ok     stale-read(x) [2, 1, 2]
      1 invoke stale-read(x)
      1 ok     stale-read(x) [1, null, 0]`,
    ],
    [
      "a write of unknown outcome, seen later at its own revision",
      `
      0 invoke write(x) 1
      0 info   write(x) 1 ! timeout
      1 invoke write(y) 2
      1 ok     write(y) 2
      1 invoke read(x)
      1 ok     read(x) [3, 1, 3]`,
    ],
    [
      "a value that somebody of unknown outcome may have deleted",
      `
      0 invoke write(x) 1
      0 ok     write(x) 2
      0 invoke write(x) null
      0 info   write(x) null ! timeout
      1 invoke read(x)
      1 ok     read(x) [3, null, 0]`,
    ],
    [
      "a guard that held",
      `
      0 invoke write(x) 1
      0 ok     write(x) 2
      0 invoke write(y) 2
      0 ok     write(y) 3
      0 invoke swap(x) [2, 3]
      0 ok     swap(x) 4`,
    ],
  ])("accepts %s", (_, text) => {
    expect(check(text)).toMatchObject({ validity: "valid", anomalies: [] });
  });

  it.each<[name: string, text: string, witness: readonly number[]]>([
    [
      "two writes share a revision",
      `
      0 invoke write(x) 1
      1 invoke write(y) 2
      0 ok     write(x) 2
      1 ok     write(y) 2`,
      [0, 1, 2, 3],
    ],
    [
      "revision went back",
      `
      0 invoke write(x) 1
      0 ok     write(x) 5
      1 invoke write(y) 2
      1 ok     write(y) 4`,
      [0, 1, 2, 3],
    ],
    [
      "stale read",
      `
      0 invoke write(x) 1
      0 ok     write(x) 2
      0 invoke write(x) 2
      0 ok     write(x) 3
      1 invoke read(x)
      1 ok     read(x) [2, 1, 2]`,
      [2, 3, 4, 5],
    ],
    [
      "stale value",
      `
      0 invoke write(x) 1
      0 ok     write(x) 2
      0 invoke write(x) 2
      0 ok     write(x) 3
      1 invoke stale-read(x)
      1 ok     stale-read(x) [3, 1, 2]`,
      [2, 3, 4, 5],
    ],
    [
      "lost write",
      `
      0 invoke write(x) 1
      0 ok     write(x) 2
      1 invoke read(x)
      1 ok     read(x) [2, null, 0]`,
      [0, 1, 2, 3],
    ],
    [
      "lost update",
      `
      0 invoke write(x) 1
      0 ok     write(x) 2
      1 invoke swap(x) [2, 2]
      2 invoke swap(x) [2, 3]
      1 ok     swap(x) 3
      2 ok     swap(x) 4`,
      [2, 3, 4, 5],
    ],
    [
      "dirty read",
      `
      0 invoke write(x) 1
      0 fail   write(x) 1 ! refused
      1 invoke read(x)
      1 ok     read(x) [2, 1, 2]`,
      [0, 1, 2, 3],
    ],
    [
      "value never written",
      `
      1 invoke read(x)
      1 ok     read(x) [2, 1, 2]`,
      [0, 1],
    ],
    [
      "wrong revision",
      `
      0 invoke write(x) 1
      0 ok     write(x) 2
      1 invoke read(x)
      1 ok     read(x) [4, 1, 3]`,
      [0, 1, 2, 3],
    ],
    [
      "read from the future",
      `
      0 invoke write(x) 1
      0 info   write(x) 1 ! timeout
      1 invoke read(x)
      1 ok     read(x) [2, 1, 3]`,
      [2, 3],
    ],
    [
      "one revision, two values",
      `
      0 invoke write(x) 1
      0 ok     write(x) 2
      1 invoke write(x) 2
      1 info   write(x) 2 ! timeout
      2 invoke read(x)
      2 ok     read(x) [2, 2, 2]`,
      [0, 1, 4, 5],
    ],
  ])("names: %s", (name, text, witness) => {
    const { validity, anomalies } = check(text);
    expect(validity).toBe("invalid");
    expect(anomalies[0]).toMatchObject({ name, witness });
  });

  it.each<[string, string, boolean]>([
    ["grows with each change", "[2, 2, 1] [4, 2, 2] [9, 2, 4]", true],
    ["starts again when created again", "[2, 2, 1] [4, 2, 2] [9, 8, 2]", true],
    ["is 1 exactly where it was created", "[3, 2, 1]", false],
    ["cannot grow faster than revisions", "[2, 2, 1] [4, 2, 4]", false],
    ["cannot shrink", "[5, 2, 3] [6, 2, 2]", false],
    ["cannot be created again before its last change", "[5, 2, 3] [9, 4, 2]", false],
    ["cannot have two at one revision", "[5, 2, 3] [5, 2, 2]", false],
  ])("holds that a version %s", (_, shown, possible) => {
    const sights = [...shown.matchAll(/\[(\d+), (\d+), (\d+)\]/g)].map((match) => match.slice(1).map(Number));
    const lines = sights.flatMap((sight) => ["0 invoke look(x)", `0 ok look(x) ${JSON.stringify(sight)}`]);
    type Look = { look: { in: null; out: readonly [number, number, number] } };
    const checker = revisions<Look>(({ key = "", output = [0, 0, 0] }) => {
      const [modRevision, createRevision, version] = output;
      const sees = [{ key, at: modRevision, modRevision, createRevision, version }];
      return { linearizable: false, revision: modRevision, changes: [], sees };
    });
    const verdict = checker.check(parseHistory<Look>(lines.join("\n")), new Budget(0));
    expect(verdict.anomalies.map(({ name }) => name)).toEqual(possible ? [] : ["impossible version"]);
  });

  it("is unknown without a reply", () => {
    expect(check("0 invoke write(x) 1\n0 info write(x) 1 ! timeout").validity).toBe("unknown");
  });
});
