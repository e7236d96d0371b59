/**
 * Virtual time: one loop that pops the earliest event, runs it, and goes on.
 *
 * Nodes are plain callbacks and run to completion inside an event. The tester's side (workers, clients, nemesis)
 * is ordinary async code, and a promise it waits for continues only in a microtask, after the loop has let go of
 * the stack. So when an event may have woken the tester (`touch`), the loop yields one macrotask turn before time
 * moves on: Node runs every microtask, however long the chain, before the turn comes. Counting `await null`s
 * instead would depend on how deep the tester's code awaits, and fake timers are a hundred times slower. Microtasks
 * run in a fixed order, so the yield costs no determinism as long as nothing real (files, sockets, timers) is
 * awaited inside a run. A turn costs 1 to 2 µs, more than an event: events inside nodes never take one.
 */
import type { ClusterEvent } from "../cluster.ts";
import type { Json, Nanos, NodeId } from "../history/op.ts";
import { Agenda, type EventHandle, type EventHandler, Lane, laneOf } from "./agenda.ts";
import { hashLabel, type Random, type RandomRoot, seededRandom } from "./random.ts";
import { type Clock, type Runtime, SECOND, type Timer } from "./runtime.ts";

/** Wall time of true time 0: 2023-11-14T22:13:20Z. */
export const WALL_EPOCH: Nanos = 1_700_000_000_000_000_000;

export interface WorldOptions {
  /** Events at one instant after which the run counts as a storm. */
  readonly eventsPerInstant?: number;
  /** Events per virtual second that may go on for ever. */
  readonly eventsPerSecond?: number;
  /** How many events the run may be ahead of that before it counts as a storm. */
  readonly burst?: number;
}

/**
 * done: the condition holds. limit: time is up. idle: nothing will ever happen again. storm: the system keeps
 * itself busy without time moving on, or far more than it should.
 */
export type RunVerdict = "done" | "limit" | "idle" | "storm";

/** Whoever has code run inside events: an incarnation of a host, or the tester. */
export interface Actor {
  readonly name: string;
  /** Once false, false for ever: nothing is run any more. */
  readonly alive: boolean;
  /** While true, `run` and `deliver` keep things for later. */
  readonly paused: boolean;
  run(body: () => void): void;
  /** The same for a message, without a closure. */
  deliver<M>(receiver: { message(message: M): void }, message: M): void;
}

/** Code of a node threw. A finding, not a failure of the harness. */
export interface Crash {
  readonly node: NodeId;
  readonly time: Nanos;
  readonly error: unknown;
  readonly stack: string;
}

/** A node ended itself. */
export interface Exit {
  readonly node: NodeId;
  readonly time: Nanos;
  readonly reason: string;
}

/** Hosts per world at most, the tester included. */
const HOSTS = 1024;

export class World {
  readonly seed: number;
  readonly random: RandomRoot;
  /** The tester's door: its clock is true time, its callbacks `touch` the world. */
  readonly tester: Runtime;
  readonly testerActor: Actor;
  readonly crashes: Crash[] = [];
  readonly exits: Exit[] = [];

  readonly #agenda = new Agenda();
  readonly #lanes = new Map<number, Lane>();
  readonly #hosts: string[] = ["tester"];
  #now: Nanos = 0;
  #events = 0;
  #hashLow: number;
  #hashHigh: number;

  #touched = false;
  #stormy = false;
  readonly #perInstant: number;
  readonly #perNano: number;
  readonly #burst: number;
  #instantEvents = 0;
  /** A leaking bucket: events so far beyond what the passing time allows. */
  #ahead = 0;

  /** What runs after the current event, for whom. Only the first `#deferred` are to come: lists that are emptied
   * give their memory back, and these fill again at once. */
  readonly #deferredActors: Actor[] = [];
  readonly #deferredBodies: (() => void)[] = [];
  #deferred = 0;
  #observers: readonly ((node: NodeId, time: Nanos) => void)[] = [];
  /** Hosts that ran code since observers were last called. Kept only if there are observers. */
  readonly #ran: NodeId[] = [];
  #traceListeners: readonly ((event: ClusterEvent) => void)[] = [];
  readonly #kinds = new Map<string, number>();
  #recorder: ((time: Nanos, lane: string, kind: string) => void) | undefined;

  constructor(seed: number, options: WorldOptions = {}) {
    this.seed = seed;
    this.random = seededRandom(seed);
    this.#perInstant = options.eventsPerInstant ?? 1_000_000;
    this.#perNano = (options.eventsPerSecond ?? 1_000_000) / SECOND;
    this.#burst = options.burst ?? 3_000_000;
    this.#hashLow = hashLabel(1, seed);
    this.#hashHigh = hashLabel(2, seed);
    const actor = new TesterActor(this);
    this.testerActor = actor;
    this.tester = new TesterRuntime(this, actor);
  }

  /** True time, nanoseconds since the beginning of the world. */
  get now(): Nanos {
    return this.#now;
  }

  /** Events executed. */
  get events(): number {
    return this.#events;
  }

  /** From true time `at` on, all chance is drawn from `seed`: until then it is the world that it was. */
  reseedAt(at: Nanos, seed: number): void {
    this.tester.timer(at - this.#now, () => this.random.reseed(seed));
  }

  /** Equal for equal runs, and hardly ever otherwise: a rolling hash over time and lane of every event, and every trace. */
  get traceHash(): string {
    return hex(this.#hashHigh) + hex(this.#hashLow);
  }

  /** Adds a host and returns its number, which orders its events among those of one instant. */
  addHost(name: string): number {
    if (this.#hosts.includes(name)) throw new Error(`there is a host ${name} already`);
    if (this.#hosts.length === HOSTS) throw new RangeError(`more than ${HOSTS} hosts`);
    return this.#hosts.push(name) - 1;
  }

  /** The lane of what comes to host `to` from host `from`; a host's own timers and disk are the lane from itself. */
  lane(to: number, from: number): Lane {
    const id = to * HOSTS + from;
    let lane = this.#lanes.get(id);
    if (lane === undefined) {
      lane = new Lane(id);
      this.#lanes.set(id, lane);
    }
    return lane;
  }

  /** Runs `handler` at `time`, or now if that is past. */
  at(time: Nanos, lane: Lane, handler: EventHandler): EventHandle {
    return this.#agenda.add(time < this.#now ? this.#now : time, lane, handler);
  }

  cancel(handle: EventHandle): void {
    this.#agenda.cancel(handle);
  }

  /** Runs `body` for `actor` after the current event, before time moves on. */
  defer(actor: Actor, body: () => void): void {
    this.#deferredActors[this.#deferred] = actor;
    this.#deferredBodies[this.#deferred++] = body;
  }

  /** Says that async code of the tester may have something to do before the next event. */
  touch(): void {
    this.#touched = true;
  }

  /** Says that code of a host runs in this event. Called by hosts. */
  entered(node: NodeId): void {
    if (this.#observers.length > 0 && this.#ran[this.#ran.length - 1] !== node) this.#ran.push(node);
  }

  /** Calls `observer` after each event in which code of a host ran, deferred code included. Returns its end. */
  addObserver(observer: (node: NodeId, time: Nanos) => void): () => void {
    this.#observers = [...this.#observers, observer];
    return () => {
      this.#observers = this.#observers.filter((other) => other !== observer);
    };
  }

  /**
   * Calls `listener` within each `trace` call, in the middle of the event that made it: it may kill the node, and
   * must `touch` the world if it wakes async code. Returns its end.
   */
  onTrace(listener: (event: ClusterEvent) => void): () => void {
    this.#traceListeners = [...this.#traceListeners, listener];
    return () => {
      this.#traceListeners = this.#traceListeners.filter((other) => other !== listener);
    };
  }

  /** Tells of every event before it is executed; one recorder at a time. For comparing runs. */
  record(recorder: ((time: Nanos, lane: string, kind: string) => void) | undefined): void {
    this.#recorder = recorder;
  }

  /** Numbers and texts directly in `detail` enter the trace hash. */
  trace(node: NodeId, kind: string, detail: { readonly [field: string]: Json } = {}): void {
    let code = this.#kinds.get(kind);
    if (code === undefined) {
      code = hashLabel(0, kind);
      this.#kinds.set(kind, code);
    }
    this.#mix(code);
    for (const field in detail) {
      const value = detail[field];
      if (typeof value === "number") this.#mixNumber(value);
      else if (typeof value === "string") this.#mix(hashLabel(0, value));
    }
    if (this.#traceListeners.length === 0) return;
    const event: ClusterEvent = { time: this.#now, node, kind, detail };
    for (const listener of this.#traceListeners) listener(event);
  }

  /**
   * Runs until `done`, which is asked after every event, or until true time `limit` (included). Promises of the
   * tester are drained first, and whenever it was touched. An exception from the tester's callbacks rejects.
   */
  run(done: () => boolean, limit: Nanos): Promise<RunVerdict> {
    return new Promise((resolve, reject) => {
      // The only real scheduling inside a simulation; see the head of this file.
      const turn = (): void => {
        try {
          const verdict = this.#spin(done, limit, true);
          if (verdict === undefined) setImmediate(turn);
          else resolve(verdict);
        } catch (error) {
          reject(error);
        }
      };
      setImmediate(turn);
    });
  }

  /** Runs like `run`, but at once: for callback code only, no promise continues meanwhile. */
  runUntil(done: () => boolean, limit: Nanos): RunVerdict {
    return this.#spin(done, limit, false) as RunVerdict;
  }

  /** Lets `duration` of true time pass, for callback code only. */
  runFor(duration: Nanos): RunVerdict {
    const end = this.#now + duration;
    const verdict = this.runUntil(never, end);
    if (verdict === "idle") this.#now = end;
    return verdict;
  }

  /** Drops everything to come; a run in progress ends as idle. */
  stop(): void {
    this.#agenda.clear();
    this.#deferred = 0;
  }

  /** Undefined: the tester was touched and `yields` is set. */
  #spin(done: () => boolean, limit: Nanos, yields: boolean): RunVerdict | undefined {
    const agenda = this.#agenda;
    for (;;) {
      if (this.#deferred > 0) this.#runDeferred();
      if (this.#ran.length > 0) this.#observe();
      if (this.#stormy) return "storm";
      if (this.#touched && yields) {
        this.#touched = false;
        return undefined;
      }
      if (done()) return "done";
      const time = agenda.nextTime();
      if (time === Infinity) return "idle";
      if (time > limit) {
        this.#now = limit;
        return "limit";
      }
      const handler = agenda.pop() as EventHandler;
      if (time > this.#now) {
        this.#ahead = Math.max(0, this.#ahead - (time - this.#now) * this.#perNano);
        this.#now = time;
        this.#instantEvents = 0;
      }
      this.#count();
      const key = agenda.poppedKey;
      this.#mixNumber(time);
      this.#mixNumber(key);
      if (this.#recorder !== undefined) this.#recorder(time, this.#laneName(laneOf(key)), handler.kind);
      handler.fire();
    }
  }

  #count(): void {
    this.#events++;
    if (++this.#instantEvents > this.#perInstant || ++this.#ahead > this.#burst) this.#stormy = true;
  }

  #runDeferred(): void {
    const actors = this.#deferredActors;
    const bodies = this.#deferredBodies;
    for (let i = 0; i < this.#deferred && !this.#stormy; i++) {
      this.#count();
      (actors[i] as Actor).run(bodies[i] as () => void);
    }
    this.#deferred = 0;
  }

  #observe(): void {
    for (const node of this.#ran) for (const observer of this.#observers) observer(node, this.#now);
    this.#ran.length = 0;
  }

  #laneName(id: number): string {
    const to = this.#hosts[Math.floor(id / HOSTS)] ?? "?";
    const from = this.#hosts[id % HOSTS] ?? "?";
    return to === from ? to : `${from}->${to}`;
  }

  /** Hashes integers up to 2^53, and anything else coarsely. */
  #mixNumber(value: number): void {
    this.#mix((value | 0) ^ Math.imul((value / 0x1_0000_0000) | 0, 0x9e3779b1));
  }

  /** Two lanes of multiply and rotate, as in MurmurHash3's body. */
  #mix(word: number): void {
    let k = Math.imul(word, 0xcc9e2d51);
    k = (k << 15) | (k >>> 17);
    const low = this.#hashLow ^ Math.imul(k, 0x1b873593);
    this.#hashLow = (Math.imul((low << 13) | (low >>> 19), 5) + 0xe6546b64) | 0;
    const high = this.#hashHigh ^ Math.imul(k, 0x85ebca6b) ^ this.#hashLow;
    this.#hashHigh = (Math.imul((high << 17) | (high >>> 15), 5) + 0x38495ab5) | 0;
  }
}

function never(): boolean {
  return false;
}

function hex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, "0");
}

class TesterActor implements Actor {
  readonly name = "tester";
  readonly alive = true;
  readonly paused = false;
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  run(body: () => void): void {
    this.#world.touch();
    body();
  }

  deliver<M>(receiver: { message(message: M): void }, message: M): void {
    this.#world.touch();
    receiver.message(message);
  }
}

class TesterRuntime implements Runtime {
  readonly clock: Clock;
  readonly random: Random;
  readonly #world: World;
  readonly #actor: Actor;
  readonly #lane: Lane;

  constructor(world: World, actor: Actor) {
    this.#world = world;
    this.#actor = actor;
    this.#lane = world.lane(0, 0);
    this.random = world.random.fork("tester");
    this.clock = { monotonic: () => world.now, wall: () => WALL_EPOCH + world.now };
  }

  timer(delay: Nanos, body: () => void): Timer {
    const at = this.#world.now + Math.max(0, Math.ceil(delay));
    return new TesterTimer(this.#world, this.#actor, at, this.#lane, body);
  }

  defer(body: () => void): void {
    this.#world.defer(this.#actor, body);
  }

  trace(kind: string, detail?: { readonly [field: string]: Json }): void {
    this.#world.trace("tester", kind, detail);
  }
}

class TesterTimer implements Timer, EventHandler {
  readonly kind = "timer";
  readonly #world: World;
  readonly #actor: Actor;
  readonly #body: () => void;
  readonly #event: EventHandle;

  constructor(world: World, actor: Actor, at: Nanos, lane: Lane, body: () => void) {
    this.#world = world;
    this.#actor = actor;
    this.#body = body;
    this.#event = world.at(at, lane, this);
  }

  cancel(): void {
    this.#world.cancel(this.#event);
  }

  fire(): void {
    this.#actor.run(this.#body);
  }
}
