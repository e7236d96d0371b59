import { describe, expect, it } from "vitest";
import { type PlanInput, parsePlan, UsageError } from "./plan.ts";
import { assemble } from "./registry.ts";

describe("a plan that cannot be run", () => {
  it.each<[PlanInput, RegExp]>([
    [{ system: "etcd" }, /^place simulated cannot run etcd, but only raftkv; add --place processes/],
    [{ system: "etc" }, /^system etc is unknown; did you mean etcd\?$/],
    [{ place: "moon" }, /^place moon is unknown; there are simulated, processes/],
    [{ faults: ["kill", "kill"] }, /^fault kill is named twice$/],
    [{ faults: ["partition"], nodes: 1 }, /^fault partition needs at least 2 nodes, the plan has 1$/],
    [{ faults: ["reorder"] }, /^fault reorder cannot bite: .*--set raftkv\.peerTransport=datagram$/],
    [{ target: "leeders" }, /^target leeders is unknown; did you mean leaders\?$/],
    [{ bug: "vote-twise" }, /^bug vote-twise is unknown; did you mean vote-twice\?$/],
  ])("is refused with a word on what can: %o", (input, message) => {
    const attempt = () => assemble(parsePlan(input));
    expect(attempt).toThrow(UsageError);
    expect(attempt).toThrow(message);
  });
});
