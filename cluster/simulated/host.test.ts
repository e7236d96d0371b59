import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MILLISECOND, type NodeRuntime, type Protocol, SECOND } from "../../src/runtime/runtime.ts";
import { WALL_EPOCH, World } from "../../src/runtime/world.ts";
import { Host } from "./host.ts";
import { SimulatedNetwork } from "./network.ts";

const SEED = 20_240_502;

const TEXT: Protocol<string> = {
  name: "text",
  encode: (message) => new TextEncoder().encode(message),
  decode: (bytes) => new TextDecoder().decode(bytes),
};

function machine(seed = 1) {
  const world = new World(seed);
  const network = new SimulatedNetwork(world);
  const host = new Host(world, network, "n1");
  return { world, network, host };
}

/** Starts the host and gives the runtime of that incarnation. */
function boot(host: Host): NodeRuntime {
  let runtime: NodeRuntime | undefined;
  host.start((given) => {
    runtime = given;
  });
  return runtime as NodeRuntime;
}

describe("host", () => {
  it("boots at once, and only when it is dead", () => {
    const { host } = machine();
    expect(host.state).toBe("dead");
    boot(host);
    expect(host.state).toBe("running");
    expect(boot(host)).toBeUndefined();
    host.pause();
    expect(host.state).toBe("paused");
    host.kill();
    expect(host.state).toBe("dead");
    boot(host);
    expect(host.state).toBe("running");
    expect(host.incarnations).toBe(2);
  });

  it("gives every incarnation other chance, the same in every run", () => {
    const draws = () => {
      const { host } = machine();
      const first = boot(host).random.next();
      host.kill();
      return [first, boot(host).random.next()];
    };
    expect(draws()).toEqual(draws());
    expect(new Set(draws()).size).toBe(2);
  });

  it.each(["kill", "powerOff"] as const)("makes every handle of an incarnation inert on %s", (end) => {
    const { world, network, host } = machine();
    const other = new Host(world, network, "n2");
    const heard: string[] = [];
    other.start(({ network }) => {
      network.listen("p", TEXT, () => ({ message: (text) => heard.push(text), closed: () => {} }));
      network.bind("u", TEXT, (_, text) => heard.push(text));
    });
    const dead: string[] = [];
    const note = (what: string) => () => dead.push(what);
    const runtime = boot(host);
    const timer = runtime.timer(MILLISECOND, note("timer"));
    runtime.defer(note("deferred"));
    const connection = runtime.network.dial("n2:p", TEXT, {
      opened: note("opened"),
      message: note("message"),
      closed: note("closed"),
    });
    const port = runtime.network.bind("u", TEXT, note("datagram"));
    const file = runtime.disk.open("f");
    file.append(new Uint8Array(10), note("append"));
    file.sync(note("sync"));
    runtime.disk.rename("f", "g", note("rename"));
    host[end]();
    const traces: string[] = [];
    world.onTrace(({ kind }) => traces.push(kind));

    runtime.timer(1, note("late timer"));
    runtime.defer(note("late deferred"));
    runtime.trace("late");
    runtime.exit("late");
    runtime.network.listen("q", TEXT, () => ({ message: note("late message"), closed: note("late closed") }));
    runtime.network.dial("n2:p", TEXT, { message: note("late"), closed: note("late closed") }).send("late");
    runtime.network.dial("nowhere:p", TEXT, { message: note("late"), closed: note("late closed") });
    connection.send("late");
    connection.close();
    port.send("n2:u", "late");
    runtime.disk.makeDirectory("late");
    runtime.disk.open("late").append(new Uint8Array(1), note("late append"));
    file.append(new Uint8Array(10), note("late append"));
    file.sync(note("late sync"));
    runtime.disk.remove("g", note("late remove"));
    runtime.disk.syncDirectory("", note("late syncDirectory"));
    timer.cancel();

    const files = host.disk.list("");
    const next = boot(host);
    world.runFor(60 * SECOND);
    expect(dead).toEqual([]);
    expect(heard).toEqual([]);
    expect(traces).toEqual(["process-started"]);
    expect(world.exits).toEqual([]);
    expect(files).not.toContain("late");
    expect(next.disk.list("")).toEqual(files);
  });

  it("ends and records an incarnation whose code throws, wherever it does", () => {
    const fail = () => {
      throw new Error("broken invariant");
    };
    const places: [string, (runtime: NodeRuntime) => void][] = [
      ["boot", fail],
      ["timer", (runtime) => runtime.timer(5, fail)],
      ["deferred", (runtime) => runtime.defer(fail)],
      ["disk", (runtime) => runtime.disk.syncDirectory("", fail)],
      [
        "message",
        ({ network }) => {
          network.listen("p", TEXT, () => ({ message: fail, closed: () => {} }));
          network.dial("n1:p", TEXT, { message: () => {}, closed: () => {} }).send("x");
        },
      ],
      ["datagram", ({ network }) => network.bind("p", TEXT, fail).send("n1:p", "x")],
    ];
    for (const [place, body] of places) {
      const { world, host } = machine();
      let survived = false;
      host.start((runtime) => {
        runtime.timer(SECOND, () => {
          survived = true;
        });
        body(runtime);
      });
      world.runFor(2 * SECOND);
      expect([place, host.state, survived]).toEqual([place, "dead", false]);
      expect(world.crashes).toHaveLength(1);
      expect(world.crashes[0]).toMatchObject({ node: "n1" });
      expect(world.crashes[0]?.stack).toContain("broken invariant");
      expect(world.exits).toEqual([]);
    }
  });

  it("records an exit apart from crashes", () => {
    const { world, host } = machine();
    const runtime = boot(host);
    runtime.timer(7, () => runtime.exit("removed from the cluster"));
    world.runFor(10);
    expect(host.state).toBe("dead");
    expect(world.exits).toEqual([{ node: "n1", time: 7, reason: "removed from the cluster" }]);
    expect(world.crashes).toEqual([]);
  });

  it("can be killed from a trace listener in the middle of an event", () => {
    const { world, host } = machine();
    const after: string[] = [];
    world.onTrace(({ kind }) => kind === "become-leader" && host.kill());
    const runtime = boot(host);
    runtime.timer(5, () => {
      runtime.trace("become-leader");
      runtime.timer(1, () => after.push("timer"));
      runtime.trace("unheard");
    });
    world.runFor(100);
    expect(host.state).toBe("dead");
    expect(after).toEqual([]);
  });

  it("shows observers the node after each of its events", () => {
    const { world, host } = machine();
    let value = 0;
    const seen: [string, number, number][] = [];
    world.addObserver((name, time) => seen.push([name, time, value]));
    const runtime = boot(host);
    runtime.timer(5, () => {
      value = 1;
      runtime.defer(() => {
        value = 2;
      });
    });
    world.runFor(10);
    expect(seen).toEqual([
      ["n1", 0, 0],
      ["n1", 5, 2],
    ]);
  });

  describe("pause", () => {
    it("makes timers late and keeps their order, while clocks run on", () => {
      const { world, host } = machine();
      const runtime = boot(host);
      const start = runtime.clock.monotonic();
      const fired: [string, number][] = [];
      for (const delay of [10, 20, 30, 200])
        runtime.timer(delay, () => fired.push([`${delay}`, runtime.clock.monotonic() - start]));
      world.runFor(15);
      host.pause();
      world.runFor(85);
      expect(fired).toEqual([["10", 10]]);
      host.resume();
      world.runFor(150);
      expect(fired).toEqual([
        ["10", 10],
        ["20", 100],
        ["30", 100],
        ["200", 200],
      ]);
    });

    it("does not run a timer that was cancelled after it had come due", () => {
      const { world, host } = machine();
      const runtime = boot(host);
      const fired: string[] = [];
      runtime.timer(10, () => late.cancel());
      const late = runtime.timer(20, () => fired.push("late"));
      world.runFor(5);
      host.pause();
      world.runFor(50);
      host.resume();
      world.runFor(50);
      expect(fired).toEqual([]);
    });

    it("keeps what is kept back through a second pause, and drops it on death", () => {
      const { world, host } = machine();
      const runtime = boot(host);
      const fired: number[] = [];
      runtime.timer(1, () => {
        fired.push(1);
        host.pause();
      });
      runtime.timer(1, () => fired.push(2));
      host.pause();
      world.runFor(10);
      host.resume();
      world.runFor(10);
      expect(fired).toEqual([1]);
      host.resume();
      world.runFor(10);
      expect(fired).toEqual([1, 2]);
      runtime.timer(1, () => fired.push(3));
      host.pause();
      world.runFor(10);
      host.kill();
      host.resume();
      boot(host);
      world.runFor(10);
      expect(fired).toEqual([1, 2]);
    });

    it("lets the disk go on: what was synced is durable before the process learns of it", () => {
      const { world, host } = machine();
      const { disk } = boot(host);
      const file = disk.open("f");
      disk.syncDirectory("", () => {});
      file.append(new Uint8Array([1, 2, 3]));
      let told = false;
      file.sync(() => {
        told = true;
      });
      host.pause();
      world.runFor(SECOND);
      expect(told).toBe(false);
      expect([...(host.disk.durable("f") ?? [])]).toEqual([1, 2, 3]);
      host.resume();
      world.runFor(1);
      expect(told).toBe(true);
    });
  });

  describe("clock", () => {
    it("measures timers on the node's own, drifting clock", () => {
      const { world, host } = machine();
      host.drift(0.5);
      const runtime = boot(host);
      const fired: number[] = [];
      runtime.timer(100, () => fired.push(world.now));
      world.runFor(1000);
      expect(fired).toEqual([200]);
    });

    it("fires no timer early where division rounds", () => {
      // 5,556,902,350 ns at this rate, in floating point, are one nanosecond short of the delay.
      const { world, host } = machine();
      host.drift(1.4);
      const runtime = boot(host);
      const start = runtime.clock.monotonic();
      let elapsed = 0;
      runtime.timer(7_779_663_290, () => {
        elapsed = runtime.clock.monotonic() - start;
      });
      world.runFor(10 * SECOND);
      expect(elapsed).toBeGreaterThanOrEqual(7_779_663_290);
    });

    it("moves pending timers when the rate changes", () => {
      const { world, host } = machine();
      const runtime = boot(host);
      const fired: number[] = [];
      runtime.timer(100, () => fired.push(world.now));
      runtime.timer(300, () => fired.push(world.now));
      world.runFor(50);
      host.drift(2);
      world.runFor(50);
      expect(fired).toEqual([75]);
      host.drift(0.25);
      world.runFor(1000);
      // 150 ns of the node's time have passed at 100, the other 150 take 600.
      expect(fired).toEqual([75, 700]);
    });

    it("jumps the wall clock alone, in both directions, and can be set right", () => {
      const { world, host } = machine();
      const { clock } = boot(host);
      world.runFor(SECOND);
      host.resetClock();
      const before = clock.monotonic();
      host.jump(-10 * SECOND);
      expect(clock.monotonic()).toBe(before);
      expect(host.clock.offset).toBe(-10 * SECOND);
      expect(clock.wall()).toBe(WALL_EPOCH + world.now - 10 * SECOND);
      host.jump(25 * SECOND);
      expect(host.clock.offset).toBe(15 * SECOND);
      host.drift(1.5);
      world.runFor(10 * SECOND);
      expect(host.clock.offset).toBe(20 * SECOND);
      host.resetClock();
      expect(host.clock.offset).toBe(0);
      expect(host.clock.rate).toBe(1);
      world.runFor(SECOND);
      expect(host.clock.offset).toBe(0);
    });

    it("begins anew when the power was gone, and not after a kill; wall time goes on", () => {
      const { world, host } = machine();
      boot(host);
      world.runFor(SECOND);
      const before = host.clock.monotonic();
      host.kill();
      boot(host);
      expect(host.clock.monotonic()).toBe(before);
      const offset = host.clock.offset;
      host.powerOff();
      boot(host);
      expect(host.clock.monotonic()).not.toBe(before);
      expect(host.clock.offset).toBe(offset);
    });

    it("never goes back, and fires no timer early nor later than the next nanosecond", () => {
      const action = fc.oneof(
        fc.record({
          rate: fc.double({ min: 0.01, max: 3, noNaN: true }),
          wait: fc.integer({ min: 0, max: 5000 }),
        }),
        fc.record({ timer: fc.nat(5000), wait: fc.integer({ min: 0, max: 5000 }) }),
      );
      fc.assert(
        fc.property(fc.array(action, { maxLength: 30 }), (actions) => {
          const { world, host } = machine();
          const runtime = boot(host);
          let last = runtime.clock.monotonic();
          const expectForward = () => {
            const now = runtime.clock.monotonic();
            expect(now).toBeGreaterThanOrEqual(last);
            last = now;
          };
          for (const action of actions) {
            if ("rate" in action) host.drift(action.rate);
            else {
              const deadline = runtime.clock.monotonic() + action.timer;
              runtime.timer(action.timer, () => {
                const overshoot = runtime.clock.monotonic() - deadline;
                expect(overshoot).toBeGreaterThanOrEqual(0);
                expect(overshoot).toBeLessThanOrEqual(Math.ceil(host.clock.rate));
                expectForward();
              });
            }
            expectForward();
            world.runFor(action.wait);
            expectForward();
          }
          host.drift(1);
          world.runFor(SECOND);
          expect(world.crashes).toEqual([]);
        }),
        { seed: SEED, numRuns: 200 },
      );
    });

    it("refuses a rate that would stop it or turn it back", () => {
      const { host } = machine();
      for (const rate of [0, -1, Number.NaN, Infinity]) expect(() => host.drift(rate)).toThrow(RangeError);
    });
  });
});
