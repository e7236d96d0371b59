import { describe, expect, it } from "vitest";
import { ErrCompacted } from "../kv/errors.ts";
import { compactGradually, REVISIONS_PER_STEP as STEP } from "./compaction.ts";

async function compactions(store: { revision: number; compactRevision: number }, revision: number) {
  const at: number[] = [];
  await compactGradually(store, revision, async (step) => {
    at.push(step);
  });
  return at;
}

describe("a compaction", () => {
  it("of a short history is one command", async () => {
    expect(await compactions({ revision: 100, compactRevision: 0 }, 90)).toEqual([90]);
    expect(await compactions({ revision: 9 * STEP, compactRevision: 8 * STEP }, 9 * STEP)).toEqual([
      9 * STEP,
    ]);
  });

  it("of a long history is many, none of which forgets much", async () => {
    const at = await compactions({ revision: 5 * STEP, compactRevision: 7 }, 3 * STEP);
    expect(at).toEqual([7 + STEP, 7 + 2 * STEP, 3 * STEP]);
  });

  it("at a revision that is to come is left to the store to refuse", async () => {
    expect(await compactions({ revision: 3 * STEP, compactRevision: 0 }, 4 * STEP)).toEqual([4 * STEP]);
  });

  it("goes on when another one was faster, and says so only if that is true of its end", async () => {
    const at: number[] = [];
    const compact = (limit: number) =>
      compactGradually({ revision: 9 * STEP, compactRevision: 0 }, 3 * STEP, async (step) => {
        at.push(step);
        if (step <= limit) throw new Error(ErrCompacted.message);
        return step;
      });
    expect(await compact(2 * STEP)).toBe(3 * STEP);
    expect(at).toEqual([STEP, 2 * STEP, 3 * STEP]);
    await expect(compact(9 * STEP)).rejects.toThrow("compacted");
  });

  it("ends with any other error", async () => {
    const failing = compactGradually({ revision: 9 * STEP, compactRevision: 0 }, 3 * STEP, async () => {
      throw new Error("etcdserver: request timed out");
    });
    await expect(failing).rejects.toThrow("timed out");
  });
});
