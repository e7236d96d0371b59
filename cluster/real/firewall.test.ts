import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Firewall, packetsOf, unable } from "./firewall.ts";

const firewall = new Firewall("faultline");
const pairs = [
  ["10.0.0.1", "10.0.0.2"],
  ["10.0.0.2", "10.0.0.1"],
] as const;

describe("the rules of a fault", () => {
  it("drop what a cut link carries, and count it", () => {
    expect(firewall.add(3, pairs, { cut: true }, [1]).split("\n")).toEqual([
      "add counter bridge faultline dropped-3",
      "add chain bridge faultline fault-3",
      "add rule bridge faultline fault-3 ip saddr . ip daddr { 10.0.0.1 . 10.0.0.2, 10.0.0.2 . 10.0.0.1 } counter name dropped-3 drop",
      "flush chain bridge faultline forward",
      "add rule bridge faultline forward jump fault-1",
      "add rule bridge faultline forward jump fault-3",
      "",
    ]);
  });

  it("limit each direction of each link by itself", () => {
    const rules = firewall
      .add(1, pairs, { rate: 20 }, [])
      .split("\n")
      .filter((line) => line.includes("limit"));
    expect(rules).toHaveLength(2);
    expect(rules[1]).toContain("ip saddr 10.0.0.2 ip daddr 10.0.0.1 limit rate over 20/second");
  });

  it("lose the share that was asked for, out of a million, from nothing to all", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, noNaN: true }), (loss) => {
        const text = firewall.add(1, pairs, { loss }, []);
        const most = /numgen random mod 1000000 <= (\d+) /.exec(text)?.[1];
        const lost = most === undefined ? 0 : Number(most) + 1;
        expect(lost).toBeLessThanOrEqual(1_000_000);
        expect(Math.abs(lost - loss * 1e6)).toBeLessThanOrEqual(1);
      }),
    );
  });
});

it("a fault that ended is jumped to no more, and others still are", () => {
  expect(firewall.leave([1, 4])).toBe(
    "flush chain bridge faultline forward\nadd rule bridge faultline forward jump fault-1\nadd rule bridge faultline forward jump fault-4\n",
  );
  expect(firewall.forget(2)).toBe(
    "delete chain bridge faultline fault-2\ndelete counter bridge faultline dropped-2\n",
  );
});

it("a counter is read from what nft prints", () => {
  const printed = {
    nftables: [{ metainfo: {} }, { counter: { name: "dropped-1", packets: 12, bytes: 700 } }],
  };
  expect(packetsOf(JSON.stringify(printed))).toBe(12);
  expect(() => packetsOf('{"nftables":[]}')).toThrow("nft told of no counter");
});

it("what a firewall cannot do is named", () => {
  expect(unable({ cut: true, loss: 0.5, delay: 0 })).toBeUndefined();
  expect(unable({ delay: 1, duplicate: 0.5 })).toBe("delay, duplicate");
});
