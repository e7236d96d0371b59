import { describe, expect, it } from "vitest";
import type { ClusterEvent } from "../cluster.ts";
import { MILLISECOND, SECOND } from "./runtime.ts";
import { type Actor, WALL_EPOCH, World } from "./world.ts";

const never = () => false;

/** A node's worth of code, without a host: it runs in events but is not the tester. */
function node(world: World, name: string): Actor {
  return {
    name,
    alive: true,
    paused: false,
    run: (body) => {
      world.entered(name);
      body();
    },
    deliver: (receiver, message) => receiver.message(message),
  };
}

/** Resolves after `delay` of the tester's clock. */
function sleep(world: World, delay: number): Promise<void> {
  return new Promise((resolve) => {
    world.tester.timer(delay, resolve);
  });
}

describe("world", () => {
  it("runs timers at their time and in their order, and starts at 0", () => {
    const world = new World(1);
    const seen: [string, number][] = [];
    const note = (name: string) => () => seen.push([name, world.now]);
    expect(world.tester.clock.monotonic()).toBe(0);
    expect(world.tester.clock.wall()).toBe(WALL_EPOCH);
    world.tester.timer(30, note("c"));
    world.tester.timer(10, note("a"));
    world.tester.timer(10, note("b"));
    world.tester.timer(20, note("cancelled")).cancel();
    expect(world.runFor(100)).toBe("idle");
    expect(seen).toEqual([
      ["a", 10],
      ["b", 10],
      ["c", 30],
    ]);
    expect(world.now).toBe(100);
    expect(world.events).toBe(3);
  });

  it("runs deferred code before time moves on, first deferred first", () => {
    const world = new World(1);
    const order: string[] = [];
    world.tester.timer(1, () => {
      world.tester.defer(() => {
        order.push("first deferred");
        world.tester.defer(() => order.push("deferred by deferred"));
      });
      world.tester.defer(() => order.push("second deferred"));
      order.push("event");
    });
    world.tester.timer(1, () => order.push("next event"));
    world.runFor(10);
    expect(order).toEqual([
      "event",
      "first deferred",
      "second deferred",
      "deferred by deferred",
      "next event",
    ]);
  });

  it("stops at the limit, included, and goes on from there", () => {
    const world = new World(1);
    const seen: number[] = [];
    for (const delay of [10, 20, 21]) world.tester.timer(delay, () => seen.push(world.now));
    expect(world.runUntil(never, 20)).toBe("limit");
    expect(seen).toEqual([10, 20]);
    expect(world.now).toBe(20);
    expect(world.runUntil(() => seen.length === 3, Infinity)).toBe("done");
    expect(world.runUntil(never, Infinity)).toBe("idle");
  });

  it("lets async code of the tester go on before time moves, however deep it awaits", async () => {
    const world = new World(1);
    const times: number[] = [];
    const deep = async (levels: number): Promise<void> => {
      if (levels > 0) await deep(levels - 1);
    };
    const worker = async () => {
      for (let i = 0; i < 3; i++) {
        await sleep(world, 10);
        await deep(200);
        times.push(world.now);
      }
    };
    // Events of nodes at every nanosecond: any delay of the worker would show.
    const lane = world.lane(1, 1);
    for (let time = 1; time < 50; time++) world.at(time, lane, { kind: "node", fire: () => {} });
    let finished = false;
    const work = worker().then(() => {
      finished = true;
    });
    expect(await world.run(() => finished, SECOND)).toBe("done");
    await work;
    expect(times).toEqual([10, 20, 30]);
    expect(world.now).toBe(30);
  });

  it("lets the tester begin before the first event", async () => {
    const world = new World(1);
    let began = -1;
    const work = Promise.resolve().then(async () => {
      await sleep(world, 5);
      began = world.now;
    });
    expect(await world.run(() => began >= 0, SECOND)).toBe("done");
    await work;
    expect(began).toBe(5);
  });

  it("is idle when the tester waits for what will never come", async () => {
    const world = new World(1);
    world.tester.timer(5, () => {});
    expect(await world.run(never, SECOND)).toBe("idle");
  });

  it("passes on what the tester's callbacks throw", async () => {
    const world = new World(1);
    world.tester.timer(5, () => {
      throw new Error("a defect of the harness");
    });
    await expect(world.run(never, SECOND)).rejects.toThrow("a defect of the harness");
  });

  it("calls a storm when time stands still", () => {
    const world = new World(1, { eventsPerInstant: 1000 });
    const lane = world.lane(1, 1);
    const again = { kind: "again", fire: (): void => void world.at(world.now, lane, again) };
    world.at(5, lane, again);
    expect(world.runFor(SECOND)).toBe("storm");
    expect(world.now).toBe(5);
    expect(world.events).toBe(1001);
  });

  it("calls a storm when deferred code defers for ever", () => {
    const world = new World(1, { eventsPerInstant: 1000 });
    const actor = node(world, "n1");
    const again = () => world.defer(actor, again);
    again();
    expect(world.runFor(SECOND)).toBe("storm");
  });

  it("calls a storm when too much happens in one second, but not when it is spread", () => {
    const busy = (gap: number) => {
      const world = new World(1, { eventsPerSecond: 1000, burst: 100 });
      const lane = world.lane(1, 1);
      const again = { kind: "again", fire: (): void => void world.at(world.now + gap, lane, again) };
      world.at(0, lane, again);
      return world.runFor(10 * SECOND);
    };
    expect(busy(MILLISECOND / 2)).toBe("storm");
    expect(busy(2 * MILLISECOND)).toBe("limit");
  });

  it("shows observers a host after each event it ran in, deferred code included", () => {
    const world = new World(1);
    const actors = ["n1", "n2"].map((name) => node(world, name));
    const [n1, n2] = actors as [Actor, Actor];
    const lane = world.lane(1, 1);
    const log: string[] = [];
    const end = world.addObserver((name, time) => log.push(`${name} ${time}`));
    const run = (actor: Actor, body: () => void) => ({ kind: "run", fire: () => actor.run(body) });
    world.at(
      1,
      lane,
      run(n1, () => world.defer(n1, () => log.push("deferred"))),
    );
    world.at(2, lane, { kind: "nobody", fire: () => {} });
    world.at(
      3,
      lane,
      run(n2, () => n1.run(() => {})),
    );
    world.runFor(5);
    end();
    world.at(
      6,
      lane,
      run(n1, () => {}),
    );
    world.runFor(5);
    expect(log).toEqual(["deferred", "n1 1", "n2 3", "n1 3"]);
  });

  it("gives traces to listeners until they leave", () => {
    const world = new World(1);
    const heard: ClusterEvent[] = [];
    const end = world.onTrace((event) => heard.push(event));
    world.tester.timer(4, () => world.tester.trace("become-leader", { term: 3 }));
    world.runFor(10);
    end();
    world.tester.trace("unheard");
    expect(heard).toEqual([{ time: 4, node: "tester", kind: "become-leader", detail: { term: 3 } }]);
  });

  it("drops the future when it is stopped", async () => {
    const world = new World(1);
    let fired = false;
    world.tester.timer(5, () => {
      fired = true;
    });
    world.stop();
    expect(await world.run(never, SECOND)).toBe("idle");
    expect(fired).toBe(false);
  });

  describe("trace hash", () => {
    const hash = (seed: number, body: (world: World) => void): string => {
      const world = new World(seed);
      body(world);
      world.runFor(SECOND);
      return world.traceHash;
    };
    const usual = (world: World) => {
      for (let i = 0; i < 50; i++)
        world.tester.timer(world.random.below(1000), () => world.tester.trace("x"));
    };

    it("is the same for the same run", () => {
      expect(hash(5, usual)).toBe(hash(5, usual));
      expect(hash(5, usual)).toMatch(/^[0-9a-f]{16}$/);
    });

    const also = (more: (world: World) => void) => (world: World) => {
      usual(world);
      more(world);
    };
    const others: [string, number, (world: World) => void][] = [
      ["another seed", 6, usual],
      ["a seed that differs only above 32 bits", 5 + 0x1_0000_0000, usual],
      ["one event more", 5, also((world) => world.tester.timer(7, () => {}))],
      ["one trace more", 5, also((world) => world.tester.trace("y"))],
    ];
    it.each(others)("differs for %s", (_, seed, body) => {
      expect(hash(seed, body)).not.toBe(hash(5, usual));
    });

    const details: [string, () => string, () => string][] = [
      ["the time of an event", () => hash(1, at(10, 0)), () => hash(1, at(11, 0))],
      [
        "times that agree in their low 32 bits",
        () => hash(1, at(10, 0)),
        () => hash(1, at(10 + 0x1_0000_0000, 0)),
      ],
      ["the lane of an event", () => hash(1, at(10, 0)), () => hash(1, at(10, 1))],
      ["a number in a trace", () => hash(1, trace({ term: 1 })), () => hash(1, trace({ term: 2 }))],
      ["a text in a trace", () => hash(1, trace({ to: "n1" })), () => hash(1, trace({ to: "n2" }))],
    ];
    it.each(details)("sees %s", (_, one, other) => {
      expect(one()).not.toBe(other());
    });

    function at(time: number, from: number): (world: World) => void {
      return (world) => {
        world.at(time, world.lane(1, from), { kind: "x", fire: () => {} });
        world.runFor(0x2_0000_0000);
      };
    }

    function trace(detail: { term: number } | { to: string }): (world: World) => void {
      return (world) => world.tester.trace("x", detail);
    }
  });
});
