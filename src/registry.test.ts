import { afterEach, describe, expect, it, vi } from "vitest";
import { faults } from "../nemesis/index.ts";
import { type PlanInput, parsePlan, UsageError } from "./plan.ts";
import { assemble, faultsFor } from "./registry.ts";

describe("a plan that cannot be run", () => {
  it.each<[PlanInput, RegExp]>([
    [
      { system: "etcd" },
      /^place simulated cannot run etcd, but only raftkv; add --place processes or --place docker$/,
    ],
    [{ system: "etc" }, /^system etc is unknown; did you mean etcd\?$/],
    [{ place: "moon" }, /^place moon is unknown; there are simulated, processes, docker$/],
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

describe("what can strike", () => {
  afterEach(() => vi.unstubAllEnvs());

  it("is everything in the simulator", () => {
    const { can, cannot } = faultsFor(parsePlan({}));
    expect([can, [...cannot]]).toEqual([faults.map(({ name }) => name), []]);
  });

  it("and what cannot make up all faults of real members, with what would help", () => {
    vi.stubEnv("PATH", "/nowhere");
    const { can, cannot } = faultsFor(parsePlan({ place: "processes" }));
    expect(can).toContain("kill");
    expect([...can, ...[...cannot.values()].flat()].sort()).toEqual(faults.map(({ name }) => name).sort());
    expect(cannot.get("")).toContain("disk-full");
    const helped = [...cannot].find(([, names]) => names.includes("partition"));
    expect(helped?.[0]).toMatch(/run it with sudo|apt-get install/);
  });

  it("is nothing where there is no Docker daemon, which the message says how to start", () => {
    vi.stubEnv("DOCKER_HOST", "unix:///nowhere/docker.sock");
    const attempt = () => faultsFor(parsePlan({ place: "docker" }));
    expect(attempt).toThrow(UsageError);
    expect(attempt).toThrow(
      /^place docker: no Docker daemon answers at unix:\/\/\/nowhere\/docker\.sock \(.*\): /,
    );
  });
});
