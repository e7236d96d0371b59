import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Lessor } from "./lease.ts";
import type { LeaseId } from "./request.ts";
import { Store } from "./store.ts";

const SECOND = 1_000_000_000;

/** A store whose only member leads from time 0. */
class Leader {
  readonly store = new Store({ bug: "" });
  readonly lessor: Lessor;

  constructor(bug = "") {
    this.lessor = new Lessor(this.store, { bug });
    this.lessor.promote(0, 0);
  }

  grant(id: LeaseId, ttl: number, now = 0): void {
    this.store.apply({ kind: "lease-grant", id, ttl });
    this.lessor.granted(id, now);
  }

  revoke(id: LeaseId): void {
    this.store.apply({ kind: "lease-revoke", id });
    this.lessor.revoked(id);
  }

  /** Takes what is to be recorded now through the log. */
  checkpoint(now: number): [LeaseId, number][] {
    const leases = this.lessor.checkpoints(now);
    this.store.apply({ kind: "lease-checkpoint", leases });
    this.lessor.checkpointed(leases.map((lease) => lease.id));
    return leases.map(({ id, remaining }) => [id, remaining]);
  }
}

describe("expiry", () => {
  it("comes when the life is over, not before", () => {
    const leader = new Leader();
    expect(leader.lessor.nextDue()).toBeUndefined();
    leader.grant("7", 10, 5);
    leader.grant("8", 20, 5);
    expect(leader.lessor.nextDue()).toBe(10 * SECOND + 5);
    expect(leader.lessor.due(10 * SECOND + 4)).toEqual([]);
    expect(leader.lessor.due(10 * SECOND + 5)).toEqual(["7"]);
    leader.revoke("7");
    expect(leader.lessor.nextDue()).toBe(20 * SECOND + 5);
  });

  it("is offered again while the revocation does not come through the log", () => {
    const leader = new Leader();
    leader.grant("7", 1);
    expect(leader.lessor.due(SECOND)).toEqual(["7"]);
    expect(leader.lessor.due(2 * SECOND)).toEqual([]);
    expect(leader.lessor.nextDue()).toBe(4 * SECOND);
    expect(leader.lessor.due(4 * SECOND)).toEqual(["7"]);
  });

  it("is put off by a renewal, unless that comes too late", () => {
    const leader = new Leader();
    leader.grant("7", 10);
    expect(leader.lessor.renew("7", 9 * SECOND)).toBe(10);
    expect(leader.lessor.remaining("7", 9 * SECOND)).toBe(10);
    expect(leader.lessor.due(18 * SECOND)).toEqual([]);
    expect(leader.lessor.remaining("7", 18 * SECOND + 1)).toBe(0);
    expect(leader.lessor.renew("7", 19 * SECOND)).toBe(0);
    expect(leader.lessor.due(19 * SECOND)).toEqual(["7"]);
    expect([leader.lessor.renew("8", 0), leader.lessor.remaining("8", 0)]).toEqual([0, -1]);
  });

  it("never comes within a life of the grant, the last renewal or the taking of office", () => {
    const event = fc.oneof(
      fc.record({
        what: fc.constantFrom("grant", "renew"),
        id: fc.constantFrom("1", "2", "3"),
        ttl: fc.integer({ min: 1, max: 5 }),
      }),
      fc.record({ what: fc.constantFrom("office", "due", "due"), id: fc.constant("0"), ttl: fc.constant(0) }),
    );
    const steps = fc.array(fc.tuple(event, fc.nat(3)), { maxLength: 40, size: "max" });
    fc.assert(
      fc.property(steps, (script) => {
        const leader = new Leader();
        const aliveUntil = new Map<LeaseId, number>();
        let now = 0;
        for (const [{ what, id, ttl }, pause] of script) {
          now += pause * SECOND;
          if (what === "office") {
            leader.lessor.demote();
            leader.lessor.promote(now, SECOND);
            for (const known of leader.store.leaseIds()) {
              aliveUntil.set(known, now + (leader.store.lease(known)!.ttl + 1) * SECOND);
            }
          } else if (what === "grant" && leader.store.lease(id) === undefined) {
            leader.grant(id, ttl, now);
            aliveUntil.set(id, now + ttl * SECOND);
          } else if (what === "renew") {
            const life = leader.lessor.renew(id, now);
            expect(life > 0).toBe((aliveUntil.get(id) ?? 0) > now);
            if (life > 0) aliveUntil.set(id, Math.max(aliveUntil.get(id)!, now + life * SECOND));
          }
          const over = [...aliveUntil].filter(([, until]) => until <= now).map(([over]) => over);
          const due = leader.lessor.due(now);
          expect([...due].sort()).toEqual(over.sort());
          for (const gone of due) {
            leader.revoke(gone);
            aliveUntil.delete(gone);
          }
        }
      }),
      { seed: 20260801, numRuns: 150 },
    );
  });
});

describe("a change of leader", () => {
  it("gives every lease its life again, and the time the election took", () => {
    const leader = new Leader();
    leader.grant("7", 10);
    const next = new Lessor(leader.store, { bug: "" });
    expect([next.renew("7", 0), next.remaining("7", 0)]).toEqual([0, -1]);
    next.promote(100 * SECOND, 2 * SECOND);
    expect(next.nextDue()).toBe(112 * SECOND);
  });

  it("leaves the old leader with nothing to say", () => {
    const leader = new Leader();
    leader.grant("7", 10);
    leader.lessor.demote();
    leader.grant("8", 10);
    expect(leader.lessor.nextDue()).toBeUndefined();
    expect(leader.lessor.due(99 * SECOND)).toEqual([]);
    expect(leader.lessor.renew("7", SECOND)).toBe(0);
  });

  it("goes on from the last checkpoint", () => {
    const leader = new Leader();
    leader.grant("7", 1000);
    expect(leader.checkpoint(300 * SECOND)).toEqual([["7", 700]]);
    const next = new Lessor(leader.store, { bug: "" });
    next.promote(0, 0);
    expect(next.nextDue()).toBe(700 * SECOND);
    expect(next.renew("7", 0)).toBe(1000);
  });
});

describe("checkpoints", () => {
  it("are of leases longer than five minutes, every five minutes, until the last five", () => {
    const leader = new Leader();
    leader.grant("7", 300);
    leader.grant("8", 900);
    const taken: [number, LeaseId, number][] = [];
    for (let second = 0; second < 900; second++) {
      for (const [id, remaining] of leader.checkpoint(second * SECOND)) taken.push([second, id, remaining]);
    }
    expect(taken).toEqual([
      [300, "8", 600],
      [600, "8", 300],
    ]);
  });

  it("round up what is left", () => {
    const leader = new Leader();
    leader.grant("7", 900);
    expect(leader.checkpoint(300 * SECOND + 1)).toEqual([["7", 600]]);
  });

  it("are offered again until they came through the log", () => {
    const leader = new Leader();
    leader.grant("7", 900);
    expect(leader.lessor.checkpoints(300 * SECOND)).toEqual([{ id: "7", remaining: 600 }]);
    expect(leader.lessor.checkpoints(302 * SECOND)).toEqual([]);
    expect(leader.checkpoint(303 * SECOND)).toEqual([["7", 597]]);
    expect(leader.checkpoint(306 * SECOND)).toEqual([]);
  });

  it("are taken back when a renewal makes them untrue", () => {
    const leader = new Leader();
    leader.grant("7", 900);
    expect(leader.checkpoint(300 * SECOND)).toEqual([["7", 600]]);
    leader.lessor.renew("7", 310 * SECOND);
    expect(leader.checkpoint(310 * SECOND)).toEqual([["7", 0]]);
    expect(leader.store.lease("7")?.remaining).toBe(0);
    leader.lessor.renew("7", 320 * SECOND);
    expect(leader.checkpoint(320 * SECOND)).toEqual([]);
    expect(leader.checkpoint(620 * SECOND)).toEqual([["7", 600]]);
  });

  it("under way at a renewal are taken back, too, however often that fails", () => {
    const leader = new Leader();
    leader.grant("7", 900);
    const underWay = leader.lessor.checkpoints(300 * SECOND);
    leader.lessor.renew("7", 301 * SECOND);
    expect(leader.lessor.checkpoints(301 * SECOND)).toEqual([{ id: "7", remaining: 0 }]); // lost
    leader.store.apply({ kind: "lease-checkpoint", leases: underWay });
    leader.lessor.checkpointed(["7"]);
    expect(leader.store.lease("7")?.remaining).toBe(600);
    expect(leader.checkpoint(304 * SECOND)).toEqual([["7", 0]]);
  });
});

describe("planted bugs", () => {
  it.each<[string, (bug: string) => boolean]>([
    [
      "lease-promote-keeps-deadlines",
      (bug) => {
        const leader = new Leader(bug);
        leader.grant("7", 10);
        leader.lessor.demote(); // Another leader renews it meanwhile.
        leader.lessor.promote(9 * SECOND, 0);
        return leader.lessor.due(10 * SECOND).length === 0;
      },
    ],
    [
      "lease-renew-after-due",
      (bug) => {
        const leader = new Leader(bug);
        leader.grant("7", 10);
        leader.lessor.due(10 * SECOND);
        return leader.lessor.renew("7", 11 * SECOND) === 0;
      },
    ],
  ])("%s", (bug, holds) => {
    expect(holds("")).toBe(true);
    expect(holds(bug)).toBe(false);
  });
});
