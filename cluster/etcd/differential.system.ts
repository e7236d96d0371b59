/**
 * Random requests, put to a member of ours and to etcd 3.4, and to three of each: the answers must be the same,
 * revisions included. `npm run bench:differential` goes on with other seeds.
 */
import { afterAll, beforeAll, describe, it } from "vitest";
import { Differential } from "./differential.ts";
import { isInstalled } from "./real-etcd.ts";

const SEEDS = [1, 2, 3, 4, 5];
const STEPS = 1000;

if (!isInstalled()) {
  if (process.env.CI !== undefined) throw new Error("etcd-server and etcd-client must be installed");
  console.warn("SKIPPED: no etcd here to compare with; apt-get install etcd-server etcd-client");
}

describe.skipIf(!isInstalled())("random requests", () => {
  describe.each(SEEDS)("of seed %i", (seed) => {
    const pair = new Differential();
    beforeAll(() => pair.start(1));
    afterAll(() => pair.end());

    it("are answered alike", () => pair.store(seed, STEPS));
    it("by users with rights are answered alike", () => pair.guarded(seed, STEPS));
  });
});

describe.skipIf(!isInstalled())("random requests to any of three members", () => {
  const clusters = new Differential();
  beforeAll(() => clusters.start(3));
  afterAll(() => clusters.end());

  it.each(SEEDS)("of seed %i are answered alike", (seed) => clusters.store(seed, STEPS));
});
