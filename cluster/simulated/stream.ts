/**
 * Streams: connections as TCP would give them.
 *
 * A connection is two ends and two pipes. A pipe is a queue whose head alone has an event: order is kept by
 * construction, whatever the link does, and a blocked link simply stops the pump. The handshake (SYN, OPEN) and the
 * goodbye (FIN) travel through the same queues. A reset does not queue. An end whose peer lost its power learns
 * nothing until it sends, or until its own patience ends: the connection is half-open.
 */
import type { Nanos } from "../../src/history/op.ts";
import { type EventHandle, NO_EVENT } from "../../src/runtime/agenda.ts";
import type { Connection, ConnectionHandlers, Protocol } from "../../src/runtime/runtime.ts";
import type { Actor } from "../../src/runtime/world.ts";
import type { Link } from "./link.ts";
import type { Endpoint, Listener, SimulatedNetwork } from "./network.ts";

const SYN = Symbol("syn");
const OPEN = Symbol("open");
const FIN = Symbol("fin");

/** Joins two hosts; the ends live their own lives from then on. */
export function openStream<M>(
  network: SimulatedNetwork,
  from: Endpoint,
  to: Endpoint,
  port: string,
  protocol: Protocol<M>,
  actor: Actor,
  handlers: ConnectionHandlers<M>,
): Connection<M> {
  const dialler = new End(network, from, to, port, protocol as Protocol<unknown>);
  const acceptor = new End(network, to, from, port, protocol as Protocol<unknown>);
  dialler.join(acceptor);
  acceptor.join(dialler);
  dialler.dial(actor, handlers as ConnectionHandlers<unknown>);
  return dialler as Connection<unknown> as Connection<M>;
}

/**
 * fresh: not in use yet. opening: SYN sent. open. closed: nobody is told anything any more.
 * An acceptor goes from fresh to open.
 */
type EndState = "fresh" | "opening" | "open" | "closed";

export class End implements Connection<unknown> {
  readonly peer: string;
  readonly endpoint: Endpoint;
  readonly port: string;
  #protocol: Protocol<unknown>;
  readonly #network: SimulatedNetwork;
  readonly #out: Pipe;
  #other: End | undefined;
  #actor: Actor | undefined;
  #handlers: ConnectionHandlers<unknown> | undefined;
  #state: EndState = "fresh";
  #vanished = false;
  /** The owner has closed it and wants to hear nothing, not even what a pause has kept back. */
  #forsaken = false;
  /** Gives up on a dial, or on a peer that is out of reach. */
  #patience: EventHandle = NO_EVENT;

  constructor(
    network: SimulatedNetwork,
    endpoint: Endpoint,
    peer: Endpoint,
    port: string,
    protocol: Protocol<unknown>,
  ) {
    this.#network = network;
    this.endpoint = endpoint;
    this.peer = peer.name;
    this.port = port;
    this.#protocol = protocol;
    this.#out = new Pipe(network, network.link(endpoint, peer), this);
  }

  join(other: End): void {
    this.#other = other;
  }

  get other(): End {
    return this.#other as End;
  }

  get open(): boolean {
    return this.#state === "open";
  }

  /** How this end puts messages into bytes. */
  get protocol(): Protocol<unknown> {
    return this.#protocol;
  }

  get closed(): boolean {
    return this.#state === "closed";
  }

  /** Closed without a goodbye: the other end has to find out by itself. */
  get vanished(): boolean {
    return this.#vanished;
  }

  get inUse(): boolean {
    return this.#state === "opening" || this.#state === "open";
  }

  get paused(): boolean {
    return this.#actor?.paused === true;
  }

  get out(): Pipe {
    return this.#out;
  }

  get buffered(): number {
    return this.#state === "closed" ? 0 : this.#out.buffered(this.#network.options.window);
  }

  send(message: unknown): void {
    if (this.#state === "closed" || this.#actor?.alive !== true) return;
    this.#out.push(this.#network.options.codec ? this.#protocol.encode(message) : message);
  }

  close(): void {
    if (this.#actor?.alive !== true) return;
    this.#forsaken = true;
    if (this.#state !== "closed") this.#end(false);
  }

  dial(actor: Actor, handlers: ConnectionHandlers<unknown>): void {
    this.#actor = actor;
    this.#handlers = handlers;
    this.#state = "opening";
    this.endpoint.ends.add(this);
    this.#out.push(SYN);
    const world = this.#network.world;
    this.#patience = world.at(world.now + this.#network.options.connectTimeout, this.endpoint.lane, {
      kind: "connect-timeout",
      fire: () => this.break("connect timeout"),
    });
  }

  /** The SYN has arrived. The kernel answers at once; the process accepts when it runs. */
  accept({ actor, protocol, accept }: Listener): void {
    this.#actor = actor;
    this.#protocol = protocol;
    this.#state = "open";
    this.endpoint.ends.add(this);
    this.#out.push(OPEN);
    this.review();
    actor.run(() => {
      this.#handlers = accept(this);
    });
  }

  /** The peer's OPEN has arrived. */
  opened(): void {
    if (this.#state !== "opening") return;
    this.#state = "open";
    this.#network.world.cancel(this.#patience);
    this.#patience = NO_EVENT;
    this.#out.start();
    this.review();
    this.#actor?.run(() => {
      if (this.#state === "open") this.#handlers?.opened?.();
    });
  }

  /** A message has arrived. */
  receive(message: unknown): void {
    const actor = this.#actor as Actor;
    if (!this.#network.options.codec) {
      if (this.#handlers !== undefined) actor.deliver(this.#handlers, message);
      return;
    }
    actor.run(() => this.#handlers?.message(this.#protocol.decode(message as Uint8Array)));
  }

  /** Ends this end with notice to its owner and none to the peer. */
  break(reason: string): void {
    if (!this.inUse) return;
    this.#leave();
    this.vanish();
    this.#out.keep(0);
    this.#actor?.run(() => {
      if (!this.#forsaken) this.#handlers?.closed(reason);
    });
  }

  /** The process is gone; the kernel sends what it was given, and says goodbye. */
  processEnded(): void {
    if (this.#state === "closed") return;
    this.#end(true);
    this.other.out.resume();
  }

  /** The whole host is gone: what is on the wire arrives, nothing more. */
  powerOff(): void {
    if (this.#state === "closed") return;
    this.#leave();
    this.vanish();
    this.#out.keep(this.#network.options.window);
    this.other.out.resume();
  }

  /** Looks whether the peer can be reached at all; if not, patience starts to run, if so, it is restored. */
  review(): void {
    if (this.#state !== "open") return;
    const other = this.other;
    const lost = this.#out.link.cut || other.out.link.cut || other.vanished;
    const world = this.#network.world;
    if (!lost) {
      world.cancel(this.#patience);
      this.#patience = NO_EVENT;
    } else if (this.#patience === NO_EVENT) {
      const patience = this.#network.patience(this.endpoint);
      this.#patience = world.at(world.now + patience, this.endpoint.lane, {
        kind: "keepalive-timeout",
        fire: () => {
          this.#network.options.reached("connection-gave-up");
          this.break("timeout");
        },
      });
    }
  }

  /** Says goodbye after what the kernel holds already, or after all. A dial in progress is simply dropped. */
  #end(onlyWindow: boolean): void {
    const wasOpen = this.#state === "open";
    this.#leave();
    if (!wasOpen) {
      this.vanish();
      this.#out.keep(0);
      return;
    }
    if (onlyWindow) this.#out.keep(this.#network.options.window);
    this.#out.push(FIN);
  }

  /** No goodbye will come from here. */
  vanish(): void {
    this.#vanished = true;
    this.other.review();
  }

  #leave(): void {
    this.#state = "closed";
    this.#network.world.cancel(this.#patience);
    this.#patience = NO_EVENT;
    this.endpoint.ends.delete(this);
  }
}

interface Segment {
  /** SYN, OPEN, FIN, or a message (bytes if the codec is on). */
  message: unknown;
  sentAt: Nanos;
  /** Infinity before the handshake is done. Need not grow along the queue: a segment waits for those before it. */
  arrivesAt: Nanos;
  next: Segment | undefined;
}

/** One direction of a connection: a linked queue of segments. */
export class Pipe {
  readonly kind = "segment";
  readonly link: Link<Pipe>;
  readonly source: End;
  readonly #network: SimulatedNetwork;
  #head: Segment | undefined;
  #tail: Segment | undefined;
  /** One that has arrived, to be used again: mostly no more than one is on its way. */
  #spare: Segment | undefined;
  #length = 0;
  /** Arrival of the head. None while the link is blocked, the receiver paused, or the handshake not done. */
  #event: EventHandle = NO_EVENT;
  /** Whether this is among the pipes of the link, which it is until its source is closed and nothing is left. */
  #registered = false;

  constructor(network: SimulatedNetwork, link: Link<Pipe>, source: End) {
    this.#network = network;
    this.link = link;
    this.source = source;
  }

  get length(): number {
    return this.#length;
  }

  /** Messages that have not left the host: all while nothing can leave, else those beyond the window. */
  buffered(window: number): number {
    if (this.link.blocked || !this.source.open) return this.#length;
    return Math.max(0, this.#length - window);
  }

  push(message: unknown): void {
    if (!this.#registered) {
      this.#registered = true;
      this.link.pipes.add(this);
    }
    const now = this.#network.world.now;
    const ready = typeof message === "symbol" || this.source.open;
    const arrivesAt = ready ? this.link.segmentArrival(now) : Infinity;
    const segment = this.#segment(message, now, arrivesAt);
    if (this.#tail === undefined) this.#head = segment;
    else this.#tail.next = segment;
    this.#tail = segment;
    this.#length++;
    if (this.link.blocked) this.link.countHeld(1);
    else if (this.#length === 1) this.resume();
  }

  /** Sends what has waited for the handshake. */
  start(): void {
    const now = this.#network.world.now;
    for (let segment = this.#head; segment !== undefined; segment = segment.next)
      if (segment.arrivesAt === Infinity) segment.arrivesAt = this.link.segmentArrival(now);
    this.resume();
  }

  /** Goes on, unless it is going. To be called when the receiver was paused and reads again, or has ended. */
  resume(): void {
    const head = this.#head;
    if (head === undefined || head.arrivesAt === Infinity || this.link.blocked || this.#event !== NO_EVENT)
      return;
    this.#event = this.#network.world.at(head.arrivesAt, this.link.lane, this);
  }

  /** Goes on after a blocked link has healed; what was lost is sent again. */
  heal(retransmit: boolean): void {
    const head = this.#head;
    if (head === undefined || head.arrivesAt === Infinity) return;
    const { world } = this.#network;
    const arrivesAt = world.now + this.link.latency() + (retransmit ? this.link.retransmission() : 0);
    if (head.arrivesAt < arrivesAt) head.arrivesAt = arrivesAt;
    this.#stop();
    this.resume();
  }

  /** Forgets all but the first `count` segments. */
  keep(count: number): void {
    const rest: Segment[] = [];
    let last: Segment | undefined;
    let position = 0;
    for (let segment = this.#head; segment !== undefined; segment = segment.next) {
      if (position++ < count) last = segment;
      else rest.push(segment);
    }
    if (last === undefined) {
      this.#head = undefined;
      this.#stop();
    } else last.next = undefined;
    this.#tail = last;
    this.#length -= rest.length;
    this.#retire();
    for (const { message, sentAt } of rest) this.#tap(message, sentAt, false);
  }

  /** What has not left the host when its power goes is gone, a goodbye included. */
  loseUnsent(): void {
    if (!this.link.blocked) return;
    this.source.vanish();
    this.keep(0);
  }

  fire(): void {
    this.#event = NO_EVENT;
    const segment = this.#head;
    if (segment === undefined || this.link.blocked) return;
    const target = this.source.other;
    const { endpoint } = target;
    const { message, sentAt } = segment;
    if (!endpoint.powered) this.#intoTheVoid(segment);
    else if (message === SYN) {
      this.#shift(segment);
      const listener = endpoint.listeners.get(target.port);
      if (listener?.actor.alive === true) target.accept(listener);
      else this.#network.sendReset(this.source, "refused");
    } else if (!target.inUse) {
      this.keep(0);
      if (message !== FIN) this.#network.sendReset(this.source, "reset by peer");
    } else if (message === FIN) {
      this.#shift(segment);
      target.break("closed by peer");
    } else if (message === OPEN) {
      this.#shift(segment);
      target.opened();
    } else if (target.paused) {
      // A process that does not run does not read: the window closes behind what has arrived.
      return;
    } else if (this.link.corrupts()) {
      this.keep(0);
      this.#network.sendReset(this.source, "corrupted");
      target.break("corrupted");
    } else {
      this.#shift(segment);
      this.#tap(message, sentAt, true);
      target.receive(message);
    }
    this.resume();
  }

  /** There is no kernel to answer. A SYN is tried again until the dialler has had enough. */
  #intoTheVoid(segment: Segment): void {
    if (segment.message === SYN) segment.arrivesAt = this.#network.world.now + this.link.retransmission();
    else this.keep(0);
  }

  #segment(message: unknown, sentAt: Nanos, arrivesAt: Nanos): Segment {
    const segment = this.#spare;
    if (segment === undefined) return { message, sentAt, arrivesAt, next: undefined };
    this.#spare = undefined;
    segment.message = message;
    segment.sentAt = sentAt;
    segment.arrivesAt = arrivesAt;
    return segment;
  }

  #shift(segment: Segment): void {
    this.#head = segment.next;
    if (segment.next === undefined) this.#tail = undefined;
    segment.message = undefined;
    segment.next = undefined;
    this.#spare = segment;
    this.#length--;
    this.#retire();
  }

  #stop(): void {
    this.#network.world.cancel(this.#event);
    this.#event = NO_EVENT;
  }

  #retire(): void {
    if (!this.#registered || this.#length > 0 || !this.source.closed) return;
    this.#registered = false;
    this.link.pipes.delete(this);
  }

  #tap(message: unknown, sentAt: Nanos, arrived: boolean): void {
    if (this.#network.tapped && typeof message !== "symbol")
      this.#network.tap(this.link, this.source.protocol, message, sentAt, arrived);
  }
}
