/**
 * A network that misbehaves on request: hosts, one link in each direction between any two, streams and datagrams
 * over them. Clients are hosts too, so that they can be cut off from nodes.
 */
import type { LinkFault } from "../../src/cluster.ts";
import type { Nanos } from "../../src/history/op.ts";
import type { Lane } from "../../src/runtime/agenda.ts";
import type { Random } from "../../src/runtime/random.ts";
import {
  type Connection,
  type ConnectionHandlers,
  type DatagramPort,
  MILLISECOND,
  type Network,
  type Protocol,
  SECOND,
} from "../../src/runtime/runtime.ts";
import type { Actor, World } from "../../src/runtime/world.ts";
import { ActiveFault, type LatencyProfile, Link, type LinkSite, LOCAL_AREA } from "./link.ts";
import { type End, openStream, type Pipe } from "./stream.ts";

export interface NetworkOptions {
  readonly latency: LatencyProfile;
  /** Probability that a datagram is lost, or a segment of a stream sent again. */
  readonly loss: number;
  /** Probability that a datagram arrives twice. */
  readonly duplicate: number;
  readonly retransmit: Nanos;
  /** A dial that has no answer ends after this. */
  readonly connectTimeout: Nanos;
  /** A connection whose peer cannot be reached breaks after this, at each end by itself, up to a tenth later. */
  readonly breakAfter: Nanos;
  /** Messages that a host has on the wire per connection and direction; more stay in the sender's buffer. */
  readonly window: number;
  /** Sends every message through its protocol's `encode` and `decode` instead of by reference. */
  readonly codec: boolean;
  /** Told of what happens to messages and connections. */
  readonly reached: (site: LinkSite | "held-released" | "connection-reset" | "connection-gave-up") => void;
}

const DEFAULTS: NetworkOptions = {
  latency: LOCAL_AREA,
  loss: 0,
  duplicate: 0,
  retransmit: 200 * MILLISECOND,
  connectTimeout: 5 * SECOND,
  breakAfter: 15 * SECOND,
  window: 64,
  codec: false,
  reached: () => {},
};

/** One message and what became of it. */
export interface Passage {
  readonly from: string;
  readonly to: string;
  readonly protocol: string;
  readonly message: unknown;
  readonly sentAt: Nanos;
  /** Undefined: it was dropped. */
  readonly deliveredAt: Nanos | undefined;
}

/** A fault in force on some links. */
export interface Spoil {
  /** Undoes it; returns how many messages it hit, by effect. Further calls return the same. */
  heal(): { readonly [effect: string]: number };
  /** What it has done so far. */
  effects(): { readonly [effect: string]: number };
}

/** A process that accepts connections on a port. */
export interface Listener {
  readonly actor: Actor;
  readonly protocol: Protocol<unknown>;
  readonly accept: (connection: Connection<unknown>) => ConnectionHandlers<unknown>;
}

interface DatagramReceiver {
  readonly actor: Actor;
  readonly protocol: Protocol<unknown>;
  readonly receive: (from: string, message: unknown) => void;
}

/** A host's place in the network. */
export class Endpoint {
  readonly name: string;
  /** The host's number in the world. */
  readonly number: number;
  /** Of the host's own events. */
  readonly lane: Lane;
  readonly random: Random;
  /** Whether there is a kernel that answers. */
  powered = true;
  readonly listeners = new Map<string, Listener>();
  readonly receivers = new Map<string, DatagramReceiver>();
  /** Ends of connections that are opening or open, oldest first. */
  readonly ends = new Set<End>();
  /** Links from here, by the number of the other host. */
  readonly links: (Link<Pipe> | undefined)[] = [];

  constructor(name: string, number: number, lane: Lane, random: Random) {
    this.name = name;
    this.number = number;
    this.lane = lane;
    this.random = random;
  }
}

export class SimulatedNetwork {
  readonly world: World;
  readonly options: NetworkOptions;
  readonly #random: Random;
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #addresses = new Map<string, { readonly host: string; readonly port: string }>();
  #taps: readonly ((passage: Passage) => void)[] = [];

  constructor(world: World, options: Partial<NetworkOptions> = {}) {
    this.world = world;
    this.options = { ...DEFAULTS, ...options };
    this.#random = world.random.fork("network");
  }

  addEndpoint(name: string): Endpoint {
    const number = this.world.addHost(name);
    const endpoint = new Endpoint(name, number, this.world.lane(number, number), this.#random.fork(name));
    this.#endpoints.set(name, endpoint);
    return endpoint;
  }

  /** The network as a host of the tester's sees it; the host is added when first asked for. */
  clientEndpoint(name: string): Network {
    return new AttachedNetwork(
      this,
      this.#endpoints.get(name) ?? this.addEndpoint(name),
      this.world.testerActor,
    );
  }

  /** The network as a new incarnation sees it. Turns the host's power on. */
  attach(endpoint: Endpoint, actor: Actor): Network {
    endpoint.powered = true;
    return new AttachedNetwork(this, endpoint, actor);
  }

  /** The host's process is gone, its kernel says goodbye to everybody. */
  processEnded(endpoint: Endpoint): void {
    endpoint.listeners.clear();
    endpoint.receivers.clear();
    for (const end of [...endpoint.ends]) end.processEnded();
  }

  powerOff(endpoint: Endpoint): void {
    endpoint.powered = false;
    endpoint.listeners.clear();
    endpoint.receivers.clear();
    for (const end of [...endpoint.ends]) end.powerOff();
    for (const link of endpoint.links)
      if (link !== undefined) for (const pipe of link.pipes) pipe.loseUnsent();
  }

  /** The host's process reads again, after what else was kept back for it. */
  resumed(endpoint: Endpoint): void {
    const fire = () => {
      for (const end of endpoint.ends) end.other.out.resume();
    };
    this.world.at(this.world.now, endpoint.lane, { kind: "resumed", fire });
  }

  /** Adds a fault to each directed pair of hosts. Several on one link combine. */
  spoil(pairs: readonly (readonly [from: string, to: string])[], fault: LinkFault): Spoil {
    const active = new ActiveFault(fault);
    const links = [...new Set(pairs.map(([from, to]) => this.link(this.endpoint(from), this.endpoint(to))))];
    for (const link of links) {
      const waited = link.blocked;
      link.add(active);
      if (link.blocked && !waited) for (const pipe of link.pipes) active.count("held", pipe.length);
      review(link);
    }
    let healed = false;
    return {
      heal: () => {
        if (!healed) {
          healed = true;
          for (const link of links) this.#heal(link, active);
        }
        return { ...active.effects };
      },
      effects: () => ({ ...active.effects }),
    };
  }

  /** Breaks the connections between two hosts, now, at both ends. Returns how many. */
  reset(a: string, b: string): number {
    let broken = 0;
    for (const end of [...this.endpoint(a).ends]) {
      if (end.peer !== b) continue;
      broken++;
      const fire = () => {
        end.other.break("reset");
        end.break("reset");
      };
      this.world.at(this.world.now, end.endpoint.lane, { kind: "reset", fire });
    }
    if (broken > 0) this.options.reached("connection-reset");
    return broken;
  }

  /** Calls `listener` with every message when it arrives or is dropped. Returns its end. */
  onMessage(listener: (passage: Passage) => void): () => void {
    this.#taps = [...this.#taps, listener];
    return () => {
      this.#taps = this.#taps.filter((other) => other !== listener);
    };
  }

  endpoint(name: string): Endpoint {
    const endpoint = this.#endpoints.get(name);
    if (endpoint === undefined) throw new Error(`no host is called ${name}`);
    return endpoint;
  }

  /** The link from one host to another; made when first used, from streams of its own. */
  link(from: Endpoint, to: Endpoint): Link<Pipe> {
    let link = from.links[to.number];
    if (link === undefined) {
      const lane = this.world.lane(to.number, from.number);
      link = new Link(
        from.name,
        to.name,
        lane,
        this.options,
        this.#random.fork("link").fork(from.name).fork(to.name),
      );
      from.links[to.number] = link;
    }
    return link;
  }

  /** The host and port that an address means; undefined if there is no such host. */
  resolve(address: string): { readonly endpoint: Endpoint; readonly port: string } | undefined {
    let parts = this.#addresses.get(address);
    if (parts === undefined) {
      const colon = address.lastIndexOf(":");
      parts = { host: address.slice(0, Math.max(0, colon)), port: address.slice(colon + 1) };
      this.#addresses.set(address, parts);
    }
    const endpoint = this.#endpoints.get(parts.host);
    return endpoint === undefined ? undefined : { endpoint, port: parts.port };
  }

  /** How long this host waits for a peer that does not answer. */
  patience(endpoint: Endpoint): Nanos {
    return Math.ceil(this.options.breakAfter * (1 + endpoint.random.next() / 10));
  }

  /** Sends a reset to `end` from its peer. It is lost if the link is blocked when it arrives. */
  sendReset(end: End, reason: string): void {
    const link = end.other.out.link;
    const fire = () => {
      if (!link.blocked) end.break(reason);
    };
    this.world.at(this.world.now + link.latency(), link.lane, { kind: "reset", fire });
  }

  get tapped(): boolean {
    return this.#taps.length > 0;
  }

  /** `message` is as it travels: bytes if the codec is on. */
  tap(
    link: Link<Pipe>,
    protocol: Protocol<unknown>,
    message: unknown,
    sentAt: Nanos,
    arrived: boolean,
  ): void {
    const passage: Passage = {
      from: link.from,
      to: link.to,
      protocol: protocol.name,
      message: this.options.codec ? protocol.decode(message as Uint8Array) : message,
      sentAt,
      deliveredAt: arrived ? this.world.now : undefined,
    };
    for (const listener of this.#taps) listener(passage);
  }

  sendDatagram(from: Endpoint, address: string, protocol: Protocol<unknown>, message: unknown): void {
    const target = this.resolve(address);
    if (target === undefined) return;
    const link = this.link(from, target.endpoint);
    const { now } = this.world;
    const payload = this.options.codec ? protocol.encode(message) : message;
    const arrivals = link.datagramArrivals(now);
    if (arrivals.length === 0 && this.tapped) this.tap(link, protocol, payload, now, false);
    for (const arrival of arrivals)
      this.world.at(
        arrival,
        link.lane,
        new Datagram(this, link, target.endpoint, target.port, protocol, payload, now),
      );
  }

  #heal(link: Link<Pipe>, active: ActiveFault): void {
    const waited = link.blocked;
    const wasCut = link.cut;
    link.remove(active);
    review(link);
    if (!waited || link.blocked) return;
    const { world } = this;
    const datagrams = link.takeHeld();
    let released = datagrams.length;
    for (const pipe of link.pipes) {
      released += pipe.length;
      pipe.heal(wasCut);
    }
    if (released > 0) this.options.reached("held-released");
    for (const datagram of datagrams) world.at(world.now + link.latency(), link.lane, datagram);
  }
}

/** Has the ends of all connections over a link look anew whether their peers can be reached. */
function review(link: Link<Pipe>): void {
  for (const pipe of link.pipes) {
    pipe.source.review();
    pipe.source.other.review();
  }
}

/** One copy of a datagram on its way. */
class Datagram {
  readonly kind = "datagram";
  readonly #network: SimulatedNetwork;
  readonly #link: Link<Pipe>;
  readonly #to: Endpoint;
  readonly #port: string;
  readonly #protocol: Protocol<unknown>;
  readonly #payload: unknown;
  readonly #sentAt: Nanos;

  constructor(
    network: SimulatedNetwork,
    link: Link<Pipe>,
    to: Endpoint,
    port: string,
    protocol: Protocol<unknown>,
    payload: unknown,
    sentAt: Nanos,
  ) {
    this.#network = network;
    this.#link = link;
    this.#to = to;
    this.#port = port;
    this.#protocol = protocol;
    this.#payload = payload;
    this.#sentAt = sentAt;
  }

  fire(): void {
    const link = this.#link;
    const network = this.#network;
    if (link.blocked && !link.cut) {
      link.hold(this);
      return;
    }
    if (link.cut) link.countCut();
    const receiver = link.cut ? undefined : this.#to.receivers.get(this.#port);
    if (network.tapped)
      network.tap(link, this.#protocol, this.#payload, this.#sentAt, receiver !== undefined);
    if (receiver === undefined) return;
    const { codec } = network.options;
    receiver.actor.run(() =>
      receiver.receive(
        link.from,
        codec ? receiver.protocol.decode(this.#payload as Uint8Array) : this.#payload,
      ),
    );
  }
}

/** The network as one actor sees it: inert once that is dead. */
class AttachedNetwork implements Network {
  readonly #network: SimulatedNetwork;
  readonly #endpoint: Endpoint;
  readonly #actor: Actor;

  constructor(network: SimulatedNetwork, endpoint: Endpoint, actor: Actor) {
    this.#network = network;
    this.#endpoint = endpoint;
    this.#actor = actor;
  }

  listen<M>(
    port: string,
    protocol: Protocol<M>,
    accept: (connection: Connection<M>) => ConnectionHandlers<M>,
  ): void {
    if (!this.#actor.alive) return;
    const { listeners, name } = this.#endpoint;
    if (listeners.has(port)) throw new Error(`port ${port} of ${name} is in use`);
    listeners.set(port, {
      actor: this.#actor,
      protocol: protocol as Protocol<unknown>,
      accept: accept as (connection: unknown) => ConnectionHandlers<unknown>,
    });
  }

  dial<M>(address: string, protocol: Protocol<M>, handlers: ConnectionHandlers<M>): Connection<M> {
    const actor = this.#actor;
    const target = actor.alive ? this.#network.resolve(address) : undefined;
    if (target !== undefined)
      return openStream(
        this.#network,
        this.#endpoint,
        target.endpoint,
        target.port,
        protocol,
        actor,
        handlers,
      );
    const { world } = this.#network;
    let open = true;
    const fire = () => {
      if (open) actor.run(() => handlers.closed("unknown host"));
    };
    if (actor.alive) world.at(world.now, this.#endpoint.lane, { kind: "unknown-host", fire });
    const close = () => {
      open = false;
    };
    return { peer: address, buffered: 0, send: () => {}, close };
  }

  bind<M>(port: string, protocol: Protocol<M>, receive: (from: string, message: M) => void): DatagramPort<M> {
    const network = this.#network;
    const endpoint = this.#endpoint;
    const actor = this.#actor;
    if (actor.alive) {
      if (endpoint.receivers.has(port)) throw new Error(`port ${port} of ${endpoint.name} is in use`);
      endpoint.receivers.set(port, {
        actor,
        protocol: protocol as Protocol<unknown>,
        receive: receive as (from: string, message: unknown) => void,
      });
    }
    return {
      send: (address, message) => {
        if (actor.alive) network.sendDatagram(endpoint, address, protocol as Protocol<unknown>, message);
      },
    };
  }
}
