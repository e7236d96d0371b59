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
import type { Endpoint, SimulatedNetwork } from "./network.ts";

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
  readonly protocol: Protocol<unknown>;
  readonly #network: SimulatedNetwork;
  readonly #out: Pipe;
  #other: End | undefined;
  #actor: Actor | undefined;
  #handlers: ConnectionHandlers<unknown> | undefined;
  #state: EndState = "fresh";
  #vanished = false;
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
    this.protocol = protocol;
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

  get closed(): boolean {
    return this.#state === "closed";
  }

  /** Closed without a goodbye: the other end has to find out by itself. */
  get vanished(): boolean {
    return this.#vanished;
  }

  get fresh(): boolean {
    return this.#state === "fresh";
  }

  get actor(): Actor | undefined {
    return this.#actor;
  }

  get out(): Pipe {
    return this.#out;
  }

  get buffered(): number {
    return this.#state === "closed" ? 0 : this.#out.buffered(this.#network.options.window);
  }

  send(message: unknown): void {
    if (this.#state === "closed" || this.#actor?.alive !== true) return;
    this.#out.push(this.#network.options.codec ? this.protocol.encode(message) : message);
  }

  close(): void {
    if (this.#state === "closed" || this.#actor?.alive !== true) return;
    this.#end(false);
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
  accept(actor: Actor, accept: (connection: Connection<unknown>) => ConnectionHandlers<unknown>): void {
    this.#actor = actor;
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
    actor.run(() => this.#handlers?.message(this.protocol.decode(message as Uint8Array)));
  }

  /** Ends this end with notice to its owner and none to the peer. */
  break(reason: string): void {
    if (this.#state === "closed" || this.#state === "fresh") return;
    this.#leave();
    this.#vanish();
    this.#out.clear();
    this.#actor?.run(() => this.#handlers?.closed(reason));
  }

  /** The process is gone; the kernel sends what it was given, and says goodbye. */
  processEnded(): void {
    if (this.#state !== "closed") this.#end(true);
  }

  /** The whole host is gone: what is on the wire arrives, nothing more. */
  powerOff(): void {
    if (this.#state === "closed") return;
    this.#leave();
    this.#vanish();
    if (this.#out.link.blocked) this.#out.clear();
    else this.#out.keep(this.#network.options.window);
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
        fire: () => this.break("timeout"),
      });
    }
  }

  /** Says goodbye after what the kernel holds already, or after all. A dial in progress is simply dropped. */
  #end(onlyWindow: boolean): void {
    const wasOpen = this.#state === "open";
    this.#leave();
    if (!wasOpen) {
      this.#vanish();
      this.#out.clear();
      return;
    }
    if (onlyWindow) this.#out.keep(this.#network.options.window);
    this.#out.push(FIN);
  }

  /** No goodbye will come from here. */
  #vanish(): void {
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

/** One direction of a connection. */
export class Pipe {
  readonly kind = "segment";
  readonly link: Link<Pipe>;
  readonly #network: SimulatedNetwork;
  readonly #source: End;
  /** Parallel arrays, the queue beginning at #head. `#arrivals` is Infinity before the handshake is done. */
  #messages: unknown[] = [];
  #sent: Nanos[] = [];
  #arrivals: Nanos[] = [];
  #head = 0;
  #event: EventHandle = NO_EVENT;
  /** Among the pipes of the link, until the source is closed and nothing is left. */
  #registered = false;

  constructor(network: SimulatedNetwork, link: Link<Pipe>, source: End) {
    this.#network = network;
    this.link = link;
    this.#source = source;
  }

  get source(): End {
    return this.#source;
  }

  get length(): number {
    return this.#messages.length - this.#head;
  }

  /** Messages that have not left the host: all while nothing can leave, else those beyond the window. */
  buffered(window: number): number {
    if (this.link.blocked || !this.#source.open) return this.length;
    return Math.max(0, this.length - window);
  }

  push(message: unknown): void {
    const now = this.#network.world.now;
    if (!this.#registered) {
      this.#registered = true;
      this.link.pipes.add(this);
    }
    const ready = typeof message === "symbol" || this.#source.open;
    this.#messages.push(message);
    this.#sent.push(now);
    this.#arrivals.push(ready ? this.link.segmentArrival(now) : Infinity);
    if (this.link.blocked) this.link.countHeld(1);
    else if (this.length === 1) this.#schedule();
  }

  /** Sends what has waited for the handshake. */
  start(): void {
    const now = this.#network.world.now;
    for (let i = this.#head; i < this.#arrivals.length; i++)
      if (this.#arrivals[i] === Infinity) this.#arrivals[i] = this.link.segmentArrival(now);
    this.#schedule();
  }

  /** Goes on after the receiver was paused. */
  resume(): void {
    this.#schedule();
  }

  /** Goes on after a blocked link has healed: what was lost is sent again. */
  heal(retransmit: boolean): void {
    if (this.length === 0 || this.#arrivals[this.#head] === Infinity) return;
    const { world } = this.#network;
    const arrival = world.now + this.link.latency() + (retransmit ? this.link.retransmission() : 0);
    if ((this.#arrivals[this.#head] as Nanos) < arrival) this.#arrivals[this.#head] = arrival;
    world.cancel(this.#event);
    this.#event = NO_EVENT;
    this.#schedule();
  }

  /** Forgets all but the first `count` messages. */
  keep(count: number): void {
    this.#retire();
    if (this.length <= count) return;
    this.#messages.length = this.#head + count;
    this.#sent.length = this.#head + count;
    this.#arrivals.length = this.#head + count;
  }

  clear(): void {
    this.#network.world.cancel(this.#event);
    this.#event = NO_EVENT;
    while (this.length > 0) this.#drop();
    this.#retire();
  }

  fire(): void {
    this.#event = NO_EVENT;
    if (this.link.blocked || this.length === 0) return;
    const target = this.#source.other;
    const host = target.endpoint;
    const message = this.#messages[this.#head];
    const network = this.#network;
    if (!host.powered) {
      if (message === SYN) {
        this.#arrivals[this.#head] = network.world.now + this.link.retransmission();
        this.#schedule();
      } else this.clear();
      return;
    }
    if (message === SYN) {
      this.#shift();
      const listener = host.listeners.get(target.port);
      if (listener?.actor.alive === true) target.accept(listener.actor, listener.accept);
      else network.sendReset(this.#source, "refused");
    } else if (target.closed || target.fresh) {
      this.clear();
      if (message !== FIN) network.sendReset(this.#source, "reset by peer");
    } else if (message === FIN) {
      this.#shift();
      target.break("closed by peer");
    } else if (message === OPEN) {
      this.#shift();
      target.opened();
    } else {
      // A paused process does not read, and the window closes; the host says when it reads again.
      if (target.actor?.paused === true) return;
      if (this.link.corrupts()) {
        this.clear();
        network.sendReset(this.#source, "corrupted");
        target.break("corrupted");
        return;
      }
      const sent = this.#sent[this.#head] as Nanos;
      this.#shift();
      if (network.tapped) network.tap(this.link, this.#source.protocol, message, sent, true);
      target.receive(message);
    }
    this.#schedule();
  }

  #shift(): void {
    this.#messages[this.#head] = undefined;
    this.#head++;
    if (this.#head === this.#messages.length) {
      this.#messages = [];
      this.#sent = [];
      this.#arrivals = [];
      this.#head = 0;
      this.#retire();
    } else if (this.#head >= 256 && this.#head * 2 > this.#messages.length) {
      this.#messages.splice(0, this.#head);
      this.#sent.splice(0, this.#head);
      this.#arrivals.splice(0, this.#head);
      this.#head = 0;
    }
  }

  #retire(): void {
    if (!this.#registered || this.length > 0 || !this.#source.closed) return;
    this.#registered = false;
    this.link.pipes.delete(this);
  }

  #drop(): void {
    const message = this.#messages[this.#head];
    const sent = this.#sent[this.#head] as Nanos;
    this.#shift();
    if (typeof message === "symbol" || !this.#network.tapped) return;
    this.#network.tap(this.link, this.#source.protocol, message, sent, false);
  }

  #schedule(): void {
    if (this.length === 0 || this.#event !== NO_EVENT || this.link.blocked) return;
    const arrival = this.#arrivals[this.#head] as Nanos;
    if (arrival === Infinity) return;
    this.#event = this.#network.world.at(arrival, this.link.lane, this);
  }
}
