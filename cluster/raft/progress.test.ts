import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Inflight, Progress } from "./progress.ts";

const index = fc.integer({ min: 0, max: 12 });
const step = fc.oneof(
  fc.record({ kind: fc.constant("sent" as const), count: fc.integer({ min: 0, max: 3 }), commit: index }),
  fc.record({ kind: fc.constant("advance" as const), index }),
  fc.record({ kind: fc.constant("retreat" as const), rejected: index, hint: index }),
  fc.record({ kind: fc.constant("probe" as const) }),
  fc.record({ kind: fc.constant("replicate" as const) }),
  fc.record({ kind: fc.constant("snapshot" as const), index }),
);

describe("progress", () => {
  it("keeps match below next and the window within its limit, whatever happens", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.integer({ min: 1, max: 3 }), (steps, max) => {
        const progress = new Progress(2, 1, false, max);
        for (const next of steps) {
          const { match } = progress;
          if (next.kind === "sent" && !progress.paused) {
            const room = progress.state !== "replicate" || !progress.inflight.full;
            progress.sent(room ? next.count : 0, next.commit);
          } else if (next.kind === "advance") {
            expect(progress.advance(next.index)).toBe(next.index > match);
            progress.inflight.freeUpTo(next.index);
          } else if (next.kind === "retreat") progress.retreat(next.rejected, next.hint);
          else if (next.kind === "probe") progress.becomeProbe();
          else if (next.kind === "replicate") progress.becomeReplicate();
          // The leader sends none that the member does not need.
          else if (next.kind === "snapshot" && next.index > match) progress.becomeSnapshot(next.index);
          expect(progress.match).toBeGreaterThanOrEqual(match);
          expect(progress.next).toBeGreaterThan(progress.match);
          expect(progress.inflight.count).toBeLessThanOrEqual(max);
        }
      }),
      { seed: 4, numRuns: 500 },
    );
  });

  it("waits while probing for the answer to what it sent", () => {
    const progress = new Progress(2, 5, false, 3);
    progress.sent(2, 0);
    expect([progress.next, progress.paused]).toEqual([5, true]);
    expect(progress.retreat(3, 1)).toBe(false);
    expect(progress.retreat(4, 1)).toBe(true);
    expect([progress.next, progress.paused]).toEqual([2, false]);
  });

  it("goes on behind the snapshot after it was delivered, and where it was if it failed", () => {
    const delivered = new Progress(2, 3, false, 3);
    delivered.becomeSnapshot(8);
    expect(delivered.paused).toBe(true);
    delivered.becomeProbe();
    expect(delivered.next).toBe(9);
    const failed = new Progress(2, 3, false, 3);
    failed.advance(2);
    failed.becomeSnapshot(8);
    failed.pendingSnapshot = 0;
    failed.becomeProbe();
    expect(failed.next).toBe(3);
  });

  it("tells a commit once", () => {
    const progress = new Progress(2, 4, false, 3);
    progress.advance(3);
    progress.becomeReplicate();
    expect(progress.canBumpCommit(2)).toBe(true);
    progress.sent(0, 2);
    expect(progress.canBumpCommit(2)).toBe(false);
    expect(progress.canBumpCommit(3)).toBe(true);
  });
});

describe("the inflight window", () => {
  it("behaves as a queue of limited length", () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 60 }), fc.integer({ min: 1, max: 4 }), (adds, max) => {
        const window = new Inflight(max);
        let queue: number[] = [];
        adds.forEach((add, i) => {
          if (add && !window.full) {
            window.add(i);
            queue.push(i);
          } else if (!add) {
            window.freeUpTo(i - 3);
            queue = queue.filter((each) => each > i - 3);
          }
          expect([window.count, window.full]).toEqual([queue.length, queue.length === max]);
        });
      }),
      { seed: 5, numRuns: 300 },
    );
  });
});
