/**
 * One direction between two hosts: how long a message takes, and what the faults in force do to it.
 *
 * Each link draws from streams of its own, one for the weather and one for faults, so that the traffic of one link
 * does not shift another's, and a fault does not shift the weather.
 */
import type { LinkFault } from "../../src/cluster.ts";
import type { Nanos } from "../../src/history/op.ts";
import type { EventHandler, Lane } from "../../src/runtime/agenda.ts";
import type { Random } from "../../src/runtime/random.ts";
import { MICROSECOND, MILLISECOND, SECOND } from "../../src/runtime/runtime.ts";

/** The time a message takes: base of the pair, plus jitter (exponential), plus now and then a tail (exponential). */
export interface LatencyProfile {
  /** Mean of the bases of all pairs; a pair's own base lies between half and one and a half of it. */
  readonly mean: Nanos;
  readonly jitter: Nanos;
  readonly tailProbability: number;
  readonly tail: Nanos;
}

export const LOCAL_AREA: LatencyProfile = {
  mean: 300 * MICROSECOND,
  jitter: 100 * MICROSECOND,
  tailProbability: 0.001,
  tail: 20 * MILLISECOND,
};

export interface Weather {
  readonly latency: LatencyProfile;
  /** Probability that a datagram is lost, or a segment of a stream sent again. */
  readonly loss: number;
  /** Probability that a datagram arrives twice. */
  readonly duplicate: number;
  /** Time after which a lost segment of a stream is sent again; doubled while that is lost too. */
  readonly retransmit: Nanos;
  /** Told of what happens to messages. */
  readonly reached?: (site: LinkSite) => void;
}

export type LinkSite = "segment-sent-again" | "datagram-lost" | "datagram-duplicated";

export type LinkEffect =
  | "dropped"
  | "delayed"
  | "duplicated"
  | "reordered"
  | "held"
  | "corrupted"
  | "limited";

/** One fault in force on some links, and what it has done on them. */
export class ActiveFault {
  readonly fault: LinkFault;
  readonly effects: { [effect in LinkEffect]?: number } = {};

  constructor(fault: LinkFault) {
    this.fault = fault;
  }

  count(effect: LinkEffect, times = 1): void {
    if (times > 0) this.effects[effect] = (this.effects[effect] ?? 0) + times;
  }
}

/** A queue of messages on a link. */
export interface Queue {
  readonly length: number;
  heal(retransmit: boolean): void;
}

export class Link<Q extends Queue = Queue> {
  readonly from: string;
  readonly to: string;
  readonly lane: Lane;
  /** Nothing gets through: cut or held. */
  blocked = false;
  /** Nothing gets through, and the ends may notice. */
  cut = false;
  /** Directions of connections that go this way, oldest first. */
  readonly pipes = new Set<Q>();
  readonly #weather: Weather;
  readonly #random: Random;
  readonly #chaos: Random;
  readonly #base: Nanos;
  #faults: readonly ActiveFault[] = [];
  #held: EventHandler[] = [];
  /** When the next message may leave under a limit of the rate. */
  #nextSlot: Nanos = 0;

  constructor(from: string, to: string, lane: Lane, weather: Weather, random: Random) {
    this.from = from;
    this.to = to;
    this.lane = lane;
    this.#weather = weather;
    this.#random = random;
    this.#chaos = random.fork("chaos");
    const { mean } = weather.latency;
    this.#base = from === to ? MICROSECOND : Math.round(mean / 2 + random.fork("base").next() * mean);
  }

  add(fault: ActiveFault): void {
    this.#faults = [...this.#faults, fault];
    this.#update();
  }

  remove(fault: ActiveFault): void {
    this.#faults = this.#faults.filter((other) => other !== fault);
    this.#update();
  }

  #update(): void {
    this.cut = this.#faults.some(({ fault }) => fault.cut === true);
    this.blocked = this.cut || this.#faults.some(({ fault }) => fault.hold === true);
  }

  /** Messages of streams that have to wait because the link is blocked. */
  countHeld(times: number): void {
    for (const active of this.#faults)
      if (active.fault.cut === true || active.fault.hold === true) active.count("held", times);
  }

  /** The time a message takes in fair weather. */
  latency(): Nanos {
    const { jitter, tailProbability, tail } = this.#weather.latency;
    const random = this.#random;
    let latency = this.#base + random.exponential(jitter);
    if (random.chance(tailProbability)) latency += random.exponential(tail);
    return Math.ceil(latency);
  }

  /** When a segment of a stream that is sent now arrives. It always does: loss is delay. */
  segmentArrival(now: Nanos): Nanos {
    let arrival = now + this.latency();
    if (this.#weather.loss > 0 && this.#random.chance(this.#weather.loss)) {
      arrival += this.retransmission();
      this.#weather.reached?.("segment-sent-again");
    }
    for (const active of this.#faults) {
      arrival += this.#faultDelay(active);
      const { loss } = active.fault;
      if (loss !== undefined && this.#chaos.chance(loss)) {
        arrival += this.#lostSegment(loss);
        this.#weather.reached?.("segment-sent-again");
        active.count("delayed");
      }
    }
    return this.#limited(now, arrival, Infinity) as Nanos;
  }

  /** Time until a segment that was lost once is tried again. */
  retransmission(): Nanos {
    const { retransmit } = this.#weather;
    return Math.ceil(retransmit / 2 + this.#random.next() * retransmit);
  }

  /** When the copies of a datagram that is sent now arrive; empty if it is lost. A blocked link is not considered. */
  datagramArrivals(now: Nanos): Nanos[] {
    const weather = this.#weather;
    let arrival = now + this.latency();
    let copies = 1;
    let lost = weather.loss > 0 && this.#random.chance(weather.loss);
    if (weather.duplicate > 0 && this.#random.chance(weather.duplicate)) copies++;
    for (const active of this.#faults) {
      const { loss, corrupt, duplicate, reorder } = active.fault;
      arrival += this.#faultDelay(active);
      if (loss !== undefined && this.#chaos.chance(loss)) {
        lost = true;
        active.count("dropped");
      }
      if (corrupt !== undefined && this.#chaos.chance(corrupt)) {
        lost = true;
        active.count("corrupted");
      }
      if (duplicate !== undefined && this.#chaos.chance(duplicate)) {
        copies++;
        active.count("duplicated");
      }
      if (reorder !== undefined && this.#chaos.chance(reorder)) {
        arrival += this.#reordering();
        active.count("reordered");
      }
    }
    if (copies > 1) weather.reached?.("datagram-duplicated");
    if (lost) {
      weather.reached?.("datagram-lost");
      return [];
    }
    const first = this.#limited(now, arrival, SECOND);
    if (first === undefined) return [];
    const arrivals = [first];
    while (arrivals.length < copies) arrivals.push(first + this.latency());
    return arrivals;
  }

  /** Keeps a datagram until the link is free again. */
  hold(datagram: EventHandler): void {
    this.#held.push(datagram);
    this.countHeld(1);
  }

  takeHeld(): EventHandler[] {
    const held = this.#held;
    this.#held = [];
    return held;
  }

  /** A datagram met a cut. */
  countCut(): void {
    for (const active of this.#faults) if (active.fault.cut === true) active.count("dropped");
  }

  /** Whether the segment that arrives now has been altered on its way. */
  corrupts(): boolean {
    let corrupted = false;
    for (const active of this.#faults) {
      const { corrupt } = active.fault;
      if (corrupt === undefined || !this.#chaos.chance(corrupt)) continue;
      active.count("corrupted");
      corrupted = true;
    }
    return corrupted;
  }

  #faultDelay(active: ActiveFault): Nanos {
    const { delay = 0, jitter = 0 } = active.fault;
    if (delay === 0 && jitter === 0) return 0;
    active.count("delayed");
    return Math.ceil(delay + (jitter > 0 ? this.#chaos.exponential(jitter) : 0));
  }

  /** Doubles the wait while the repetition is lost too, as TCP does, up to six times. */
  #lostSegment(loss: number): Nanos {
    let wait = this.#weather.retransmit;
    let total = wait;
    for (let tries = 0; tries < 6 && this.#chaos.chance(loss); tries++) {
      wait *= 2;
      total += wait;
    }
    return total;
  }

  /** Enough to be overtaken by a few later messages. */
  #reordering(): Nanos {
    const { mean, jitter } = this.#weather.latency;
    return Math.ceil(this.#chaos.exponential(5 * (mean + jitter)));
  }

  /** Queues a message behind others if the rate is limited; undefined if the queue is longer than `patience`. */
  #limited(now: Nanos, arrival: Nanos, patience: Nanos): Nanos | undefined {
    let rate = Infinity;
    for (const { fault } of this.#faults)
      if (fault.rate !== undefined && fault.rate < rate) rate = fault.rate;
    if (rate === Infinity) return arrival;
    const slot = this.#nextSlot > now ? this.#nextSlot : now;
    const wait = slot - now;
    if (wait > patience) {
      for (const active of this.#faults) if (active.fault.rate !== undefined) active.count("dropped");
      return undefined;
    }
    this.#nextSlot = slot + Math.ceil(SECOND / rate);
    if (wait > 0)
      for (const active of this.#faults) if (active.fault.rate !== undefined) active.count("limited");
    return arrival + wait;
  }
}
