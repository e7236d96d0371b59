import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { World } from "../../src/runtime/world.ts";
import { findDivergence, type WatchedRun } from "./divergence.ts";
import { busyWorld, type Flaw } from "./testdata/busy-world.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

async function hashOf(seed: number, flaw?: Flaw): Promise<string> {
  const world = await busyWorld(seed, () => {}, flaw);
  expect(world.crashes).toEqual([]);
  return world.traceHash;
}

describe("one seed", () => {
  it("gives one trace, another seed another", async () => {
    const seeds = [1, 2, 3, 4, 5];
    const hashes = await Promise.all(seeds.map((seed) => hashOf(seed)));
    for (const [i, seed] of seeds.entries()) expect(await hashOf(seed)).toBe(hashes[i]);
    expect(new Set(hashes).size).toBe(seeds.length);
  });

  it("gives one trace in processes with other heaps, and in this one", async () => {
    const out = mkdtempSync(join(tmpdir(), "faultline-"));
    try {
      const compiler = join(root, "node_modules/typescript/bin/tsc");
      const options =
        "--ignoreConfig --noCheck --target ES2023 --module NodeNext --rewriteRelativeImportExtensions";
      const program = "cluster/simulated/testdata/busy-world.ts";
      execFileSync(
        process.execPath,
        [compiler, ...options.split(" "), "--rootDir", root, "--outDir", out, program],
        {
          cwd: root,
        },
      );
      writeFileSync(join(out, "package.json"), '{"type":"module"}');
      for (const seed of [1, 2]) {
        const traces = ["--max-old-space-size=32", "--max-old-space-size=512"].map((heap) =>
          execFileSync(process.execPath, [heap, join(out, program.replace(/ts$/, "js")), String(seed)], {
            encoding: "utf8",
          }).trim(),
        );
        expect(traces[0]).toBe(traces[1]);
        expect(traces[0]?.split(" ")[0]).toBe(await hashOf(seed));
      }
    } finally {
      rmSync(out, { recursive: true });
    }
  });
});

describe("the first divergent event", () => {
  const clean: WatchedRun = async (watch) => void (await busyWorld(1, watch));
  const flawed =
    (flaw: Flaw): WatchedRun =>
    async (watch) =>
      void (await busyWorld(1, watch, flaw));

  it("does not exist for equal runs", async () => {
    expect(await findDivergence(clean, clean)).toBeUndefined();
  });

  it("is found where one node sets a timer that it does not set in the other run", async () => {
    let plantedAt = -1;
    const divergence = await findDivergence(
      clean,
      flawed((node, tick, runtime) => {
        if (node !== "n2" || tick !== 150) return;
        runtime.timer(1000, () => {});
        plantedAt = runtime.clock.monotonic();
      }),
    );
    expect(plantedAt).toBeGreaterThan(0);
    expect(divergence?.second).toMatchObject({ lane: "n2", kind: "timer" });
    expect(divergence?.first?.index).toBe(divergence?.second?.index);
    expect(divergence?.second?.index).toBeGreaterThan(1024);
    expect(divergence?.before).toHaveLength(5);
    expect(divergence?.description).toContain(`event ${divergence?.second?.index} is timer on n2`);
  });

  it("is found where only a trace differs", async () => {
    const divergence = await findDivergence(
      clean,
      flawed((node, tick, runtime) => {
        if (node === "n1" && tick === 200) runtime.trace("extra", { tick });
      }),
    );
    expect(divergence?.second).toMatchObject({ lane: "n1", kind: 'trace extra {"tick":200}' });
  });

  it("is found where chance is real", async () => {
    const divergence = await findDivergence(
      ...(["first", "second"].map(() =>
        flawed((node, tick, runtime) => {
          if (node === "n3" && tick === 120) runtime.timer(1 + Math.floor(Math.random() * 1e6), () => {});
        }),
      ) as [WatchedRun, WatchedRun]),
    );
    const events = [divergence?.first, divergence?.second];
    expect(events).toContainEqual(expect.objectContaining({ lane: "n3", kind: "timer" }));
  });

  it("is found where the order of a Set depends on what happened before this run", async () => {
    // A cache that outlives the run, as a module's global would.
    const seen = new Set<string>();
    const run = flawed((node, tick, runtime) => {
      if (tick !== 100) return;
      seen.add(node);
      for (const name of seen) runtime.trace("visit", { name });
    });
    const divergence = await findDivergence(clean, run);
    expect(divergence?.second?.kind).toMatch(/^trace visit/);
  });

  it("may be that one run is over", async () => {
    const count =
      (events: number): WatchedRun =>
      (watch) => {
        const world = new World(1);
        watch(world);
        for (let time = 0; time < events; time++) world.tester.timer(time, () => {});
        world.runFor(10_000);
      };
    const divergence = await findDivergence(count(2000), count(3000));
    expect(divergence).toMatchObject({
      first: undefined,
      second: { index: 2000, time: 2000, lane: "tester", kind: "timer" },
      description: "nothing more in one run, event 2000 is timer on tester at 2000 ns in the other",
    });
  });

  it("is every one, for different seeds", async () => {
    const other: WatchedRun = async (watch) => void (await busyWorld(3, watch));
    const before = (await findDivergence(clean, other))?.before ?? [];
    expect(before.filter(({ time }) => time > 0)).toEqual([]);
  });
});
