/**
 * A simulated machine: a clock, a disk, a network endpoint, and at most one live incarnation of a node.
 *
 * Killing ends the process and leaves the kernel: written data stays in the page cache, connections are closed.
 * Taking the power leaves the disk alone: unsynced data is lost in part, peers hear nothing. A paused process keeps
 * its clocks running; what was due meanwhile happens late, in order, when it resumes.
 */
import type { Json, Nanos, NodeId } from "../../src/history/op.ts";
import { type EventHandle, type Lane, NO_EVENT } from "../../src/runtime/agenda.ts";
import type { Random } from "../../src/runtime/random.ts";
import {
  type Clock,
  type Disk,
  type Network,
  type NodeRuntime,
  SECOND,
  type Timer,
} from "../../src/runtime/runtime.ts";
import { type Actor, WALL_EPOCH, type World } from "../../src/runtime/world.ts";
import { type DiskLoss, type DiskOptions, SimulatedDisk } from "./disk.ts";
import type { Endpoint, SimulatedNetwork } from "./network.ts";

export class Host {
  readonly name: NodeId;
  readonly world: World;
  readonly clock: HostClock;
  readonly disk: SimulatedDisk;
  readonly lane: Lane;
  readonly #network: SimulatedNetwork;
  readonly #endpoint: Endpoint;
  readonly #random: Random;
  #incarnation: Incarnation | undefined;
  #incarnations = 0;

  constructor(world: World, network: SimulatedNetwork, name: NodeId, disk?: DiskOptions) {
    this.world = world;
    this.name = name;
    this.#network = network;
    this.#endpoint = network.addEndpoint(name);
    this.#random = world.random.fork("host").fork(name);
    this.lane = world.lane(this.#endpoint.number, this.#endpoint.number);
    this.clock = new HostClock(world, this.#random.fork("clock"));
    this.disk = new SimulatedDisk(world, this.lane, this.#random.fork("disk"), disk);
  }

  get state(): "running" | "paused" | "dead" {
    const incarnation = this.#incarnation;
    if (incarnation === undefined) return "dead";
    return incarnation.paused ? "paused" : "running";
  }

  /** How often this host was started. */
  get incarnations(): number {
    return this.#incarnations;
  }

  /** Runs `boot` at once, in a new incarnation. Does nothing unless the host is dead. */
  start(boot: (runtime: NodeRuntime) => void): void {
    if (this.#incarnation !== undefined) return;
    this.#incarnations++;
    if (!this.#endpoint.powered) this.clock.reboot();
    const incarnation = new Incarnation(
      this,
      this.#network,
      this.#endpoint,
      this.#random.fork(this.#incarnations),
    );
    this.#incarnation = incarnation;
    this.world.trace(this.name, "process-started", { incarnation: this.#incarnations });
    incarnation.run(() => boot(incarnation));
  }

  /** Ends the process; the kernel and its page cache live on. */
  kill(): void {
    const incarnation = this.#incarnation;
    if (incarnation === undefined) return;
    this.#incarnation = undefined;
    incarnation.end();
    this.disk.processEnded();
    this.#network.processEnded(this.#endpoint);
    this.world.trace(this.name, "process-ended");
  }

  /** Ends process and kernel. Returns what the disk lost; a host killed before can still lose its power. */
  powerOff(): DiskLoss {
    this.#incarnation?.end();
    this.#incarnation = undefined;
    this.#network.powerOff(this.#endpoint);
    const lost = this.disk.powerOff();
    this.world.trace(this.name, "power-lost", lost);
    return lost;
  }

  pause(): void {
    if (this.#incarnation === undefined) return;
    this.#incarnation.paused = true;
    this.world.trace(this.name, "process-paused");
  }

  resume(): void {
    if (this.#incarnation?.paused !== true) return;
    this.#incarnation.resume();
    this.#network.resumed(this.#endpoint);
    this.world.trace(this.name, "process-resumed");
  }

  /** Lets both clocks run at `rate` of true time; pending timers follow. */
  drift(rate: number): void {
    this.clock.setRate(rate);
    this.#incarnation?.clockChanged();
    if (rate !== 1) this.world.trace(this.name, "clock-drifts", { rate });
  }

  /** Moves the wall clock. */
  jump(by: Nanos): void {
    this.clock.jump(by);
    this.world.trace(this.name, "clock-jumped", { by });
  }

  /** Rate 1 and the right wall time. */
  resetClock(): void {
    this.drift(1);
    this.clock.setWall();
  }
}

/**
 * Monotonic time is a continuous, piecewise linear function of true time from a random start; wall time is
 * monotonic time plus an offset that may jump.
 */
export class HostClock implements Clock {
  readonly #world: World;
  readonly #random: Random;
  #rate = 1;
  /** The current piece passes through this point. */
  #trueStart: Nanos = 0;
  #start: Nanos = 0;
  /** Wall minus monotonic minus WALL_EPOCH: kept apart because the sum is too large to be exact. */
  #wallOffset: Nanos = 0;

  constructor(world: World, random: Random) {
    this.#world = world;
    this.#random = random;
    this.reboot();
  }

  monotonic(): Nanos {
    return this.#at(this.#world.now);
  }

  wall(): Nanos {
    return WALL_EPOCH + (this.monotonic() + this.#wallOffset);
  }

  /** Wall time minus true time. */
  get offset(): Nanos {
    return this.monotonic() + this.#wallOffset - this.#world.now;
  }

  get rate(): number {
    return this.#rate;
  }

  setRate(rate: number): void {
    if (!(rate > 0 && rate < 1000)) throw new RangeError(`not a rate of a clock: ${rate}`);
    this.#start = this.monotonic();
    this.#trueStart = this.#world.now;
    this.#rate = rate;
  }

  jump(by: Nanos): void {
    this.#wallOffset += Math.round(by);
  }

  /** Sets the wall clock to true time. */
  setWall(): void {
    this.#wallOffset = this.#world.now - this.monotonic();
  }

  /** Monotonic time starts anew, wall time goes on. */
  reboot(): void {
    const wall = this.monotonic() + this.#wallOffset;
    this.#start = this.#random.below(100 * SECOND);
    this.#trueStart = this.#world.now;
    this.#wallOffset = wall - this.#start;
  }

  /** The first moment of true time, from now on, when monotonic time is at least `deadline`. */
  trueTimeOf(deadline: Nanos): Nanos {
    let time = this.#trueStart + Math.ceil((deadline - this.#start) / this.#rate);
    if (time < this.#world.now) time = this.#world.now;
    while (this.#at(time) < deadline) time++;
    return time;
  }

  #at(time: Nanos): Nanos {
    if (this.#rate === 1) return this.#start + (time - this.#trueStart);
    return this.#start + Math.floor((time - this.#trueStart) * this.#rate);
  }
}

/** Thrown through a node's stack never; a dead incarnation simply does nothing. */
class Incarnation implements NodeRuntime, Actor {
  readonly node: NodeId;
  readonly name: NodeId;
  readonly clock: Clock;
  readonly random: Random;
  readonly network: Network;
  readonly disk: Disk;
  readonly host: Host;
  alive = true;
  paused = false;
  /** Pending timers, in no particular but a repeatable order. Invariant: `timers[i].position === i`. */
  readonly timers: HostTimer[] = [];
  /** What a pause kept back. */
  #held: (() => void)[] = [];

  constructor(host: Host, network: SimulatedNetwork, endpoint: Endpoint, random: Random) {
    this.host = host;
    this.node = host.name;
    this.name = host.name;
    this.clock = host.clock;
    this.random = random;
    this.network = network.attach(endpoint, this);
    this.disk = host.disk.mount(this);
  }

  timer(delay: Nanos, body: () => void): Timer {
    const timer = new HostTimer(this, this.clock.monotonic() + Math.max(0, Math.ceil(delay)), body);
    if (this.alive) timer.arm();
    return timer;
  }

  defer(body: () => void): void {
    if (this.alive) this.host.world.defer(this, body);
  }

  trace(kind: string, detail?: { readonly [field: string]: Json }): void {
    if (this.alive) this.host.world.trace(this.node, kind, detail);
  }

  exit(reason: string): void {
    if (!this.alive) return;
    const world = this.host.world;
    world.exits.push({ node: this.node, time: world.now, reason });
    world.trace(this.node, "exit", { reason });
    this.host.kill();
  }

  run(body: () => void): void {
    if (!this.alive) return;
    if (this.paused) {
      this.#held.push(body);
      return;
    }
    this.host.world.entered(this.node);
    try {
      body();
    } catch (error) {
      this.#crash(error);
    }
  }

  deliver<M>(receiver: { message(message: M): void }, message: M): void {
    if (!this.alive) return;
    if (this.paused) {
      this.#held.push(() => receiver.message(message));
      return;
    }
    this.host.world.entered(this.node);
    try {
      receiver.message(message);
    } catch (error) {
      this.#crash(error);
    }
  }

  end(): void {
    this.alive = false;
    for (const timer of this.timers) timer.disarm();
    this.timers.length = 0;
    this.#held = [];
  }

  /** Each thing held back becomes an event of its own, now. */
  resume(): void {
    this.paused = false;
    const held = this.#held;
    this.#held = [];
    const { world, lane } = this.host;
    for (const body of held) world.at(world.now, lane, { kind: "resumed", fire: () => this.run(body) });
  }

  clockChanged(): void {
    for (const timer of this.timers) timer.rearm();
  }

  #crash(error: unknown): void {
    if (!this.alive) return;
    const world = this.host.world;
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    world.crashes.push({ node: this.node, time: world.now, error, stack });
    world.trace(this.node, "crash", { error: error instanceof Error ? error.message : String(error) });
    this.host.kill();
  }
}

class HostTimer implements Timer {
  readonly kind = "timer";
  readonly #owner: Incarnation;
  readonly #deadline: Nanos;
  readonly #body: () => void;
  #event: EventHandle = NO_EVENT;
  #position = -1;
  #pending = false;

  constructor(owner: Incarnation, deadline: Nanos, body: () => void) {
    this.#owner = owner;
    this.#deadline = deadline;
    this.#body = body;
  }

  arm(): void {
    this.#pending = true;
    this.#position = this.#owner.timers.push(this) - 1;
    this.#schedule();
  }

  /** After a change of the clock's rate. */
  rearm(): void {
    this.disarm();
    this.#schedule();
  }

  disarm(): void {
    this.#owner.host.world.cancel(this.#event);
  }

  /** Works too on a timer that has come due but was kept back by a pause. */
  cancel(): void {
    this.#pending = false;
    this.disarm();
    this.#leave();
  }

  fire(): void {
    this.#leave();
    const owner = this.#owner;
    if (owner.paused) owner.run(() => this.#expire());
    else owner.run(this.#body);
  }

  #expire(): void {
    if (this.#pending) this.#body();
  }

  #schedule(): void {
    const { world, clock, lane } = this.#owner.host;
    this.#event = world.at(clock.trueTimeOf(this.#deadline), lane, this);
  }

  /** Leaves the list of pending timers: the last one takes the place. */
  #leave(): void {
    const timers = this.#owner.timers;
    if (timers[this.#position] !== this) return;
    const last = timers.pop() as HostTimer;
    if (last === this) return;
    timers[this.#position] = last;
    last.#position = this.#position;
  }
}
