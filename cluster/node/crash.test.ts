import { describe, expect, it } from "vitest";
import { MILLISECOND, SECOND } from "../../src/runtime/runtime.ts";
import { Testbed } from "../simulated/testbed.ts";
import type { Connected } from "./client.ts";
import type { NodeOptions } from "./node.ts";

const NAMES = ["n1", "n2", "n3"] as const;

/** Puts numbered keys through one member until stopped; remembers what was acknowledged. */
class Writer {
  readonly acknowledged: string[] = [];
  #next = 0;
  #running = true;
  readonly #bed: Testbed;
  readonly #api: Connected;
  readonly #prefix: string;

  constructor(bed: Testbed, name: string) {
    this.#bed = bed;
    this.#api = bed.api(name, SECOND);
    this.#prefix = `${name}-`;
    this.#write();
  }

  stop(): void {
    this.#running = false;
  }

  #write(): void {
    if (!this.#running) return;
    const key = `${this.#prefix}${this.#next++}`;
    const request = this.#api.request({ kind: "put", key, value: key });
    const again = () => {
      this.#bed.world.tester.timer(10 * MILLISECOND, () => this.#write());
    };
    request.then(() => {
      this.acknowledged.push(key);
      again();
    }, again);
  }
}

function writers(bed: Testbed): Writer[] {
  return NAMES.map((name) => new Writer(bed, name));
}

/** Waits until the members agree, then checks that nothing acknowledged is missing anywhere. */
async function expectAllPresent(bed: Testbed, all: readonly Writer[]): Promise<void> {
  for (const writer of all) writer.stop();
  await bed.sleep(2 * SECOND);
  await bed.elect();
  await bed.done(bed.api(bed.leader()).request({ kind: "put", key: "end", value: "" }));
  const applied = () => NAMES.map((name) => bed.node(name).applied);
  await bed.until(() => Math.min(...applied()) === Math.max(...applied()));
  const hashes = new Set(NAMES.map((name) => bed.node(name).store.hash()));
  expect(hashes.size).toBe(1);
  const found = bed.node("n1").store.range({ kind: "range", key: "n", rangeEnd: "o" });
  const keys = new Set(found.kind === "range" ? found.kvs.map((kv) => kv.key) : []);
  for (const writer of all) {
    expect(writer.acknowledged.length).toBeGreaterThan(0);
    expect(writer.acknowledged.filter((key) => !keys.has(key))).toEqual([]);
  }
}

/** Small enough that every path is taken: segments, snapshots, catching up by snapshot. */
const SMALL: Partial<NodeOptions> = {
  segmentBytes: 4096,
  snapshotEvery: 40,
  snapshotChunkBytes: 256,
  catchUpEntries: 10,
};

describe("crashes", () => {
  it.each([1, 2])(
    "lose nothing that was acknowledged when each member is killed in turn (seed %i)",
    async (seed) => {
      const bed = new Testbed(3, seed, SMALL);
      await bed.elect();
      const all = writers(bed);
      for (const name of NAMES) {
        await bed.sleep(500 * MILLISECOND);
        bed.host(name).kill();
        await bed.sleep(seed * 700 * MILLISECOND);
        bed.start(name);
      }
      await bed.sleep(2 * SECOND);
      await expectAllPresent(bed, all);
      for (const kind of ["segment-cut", "snapshot-saved", "compacted"]) expect(bed.traced(kind)).toBe(true);
    },
  );

  it.each([11, 12, 13])(
    "lose nothing that was acknowledged when the power goes everywhere (seed %i)",
    async (seed) => {
      const bed = new Testbed(3, seed, SMALL);
      await bed.elect();
      const all = writers(bed);
      for (let round = 0; round < 4; round++) {
        await bed.sleep(300 * MILLISECOND + round * 17 * MILLISECOND);
        for (const name of NAMES) bed.host(name).powerOff();
        for (const name of NAMES) bed.start(name);
        await bed.sleep(3 * SECOND);
      }
      await expectAllPresent(bed, all);
    },
  );
});
