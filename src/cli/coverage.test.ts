import { describe, expect, it } from "vitest";
import { sitesOf } from "../../cluster/sites.ts";
import { unreachedSites } from "./coverage.ts";

describe("unreached sites", () => {
  it("are those that no seed reached", () => {
    const all = Object.fromEntries(sitesOf("register").map(({ name }) => [name, 1]));
    const { "two-leaders": _, ...most } = all;
    const names = (...reached: { [site: string]: number }[]) =>
      unreachedSites(
        "register",
        reached.map((sites) => ({ reached: sites })),
      ).map(({ name }) => name);
    expect(names(most)).toEqual(["two-leaders"]);
    expect(names(most, { "two-leaders": 1 })).toEqual([]);
    expect(names({ ...all, "two-leaders": 0 })).toEqual(["two-leaders"]);
  });

  it("are only asked of workloads that can come there", () => {
    const names = unreachedSites("register", []).map(({ name }) => name);
    expect(names).toContain("two-leaders");
    expect(names).not.toContain("lock-granted");
  });
});
