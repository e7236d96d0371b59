/**
 * The way to the other members: one stream to each for messages, and one more for each snapshot, so that a large
 * one holds up no heartbeat. What cannot be sent is dropped: raft sends again.
 */
import type { NodeId } from "../../src/history/op.ts";
import type { Connection, ConnectionHandlers, DatagramPort, NodeRuntime } from "../../src/runtime/runtime.ts";
import type { MemberId, Message, Term } from "../raft/message.ts";
import type { Member } from "./membership.ts";
import {
  PEER_PORT,
  type PeerMessage,
  peerProtocol,
  SNAPSHOT_PORT,
  type SnapshotTransfer,
  snapshotProtocol,
} from "./protocol.ts";
import type { Reception } from "./snapshot-file.ts";
import { type DecodedSnapshot, framesOf, SnapshotError, type SnapshotSource } from "./snapshot-format.ts";

/** Messages that wait for a slow peer at most. */
const MAX_BUFFERED = 256;
/** Ticks after which what does not leave tells of a broken way; a moment's worth always waits for the end of a turn. */
const STALLED = 2;
/** Ticks until a broken connection is dialled again: doubled each time, up to this. */
const MAX_BACKOFF = 8;
/** Ticks without an acknowledgement until a snapshot counts as lost. */
const SNAPSHOT_PATIENCE = 100;
/** Frames of a snapshot under way at a time. */
const SNAPSHOT_WINDOW = 4;
/** Members of whom this one has not heard that are answered, at most. */
const MAX_STRANGERS = 64;

export interface PeersOptions {
  readonly clusterId: number;
  readonly self: MemberId;
  /** datagram: for everything but snapshots and what must not arrive twice. */
  readonly transport: "stream" | "datagram";
  /** Name of a planted bug, or "". */
  readonly bug: string;
  /** Whether a cluster may have come to this term since this member last heard of it. */
  believable(term: Term): boolean;
  /** A message for this member. */
  received(message: PeerMessage): void;
  /** A snapshot is about to come, of a leader's in this term; undefined if it is of no use. */
  receive(term: Term): Reception | undefined;
  /** It has come. */
  arrived(reception: Reception, snapshot: DecodedSnapshot, from: MemberId, term: Term): void;
  /** It will not come, for this reason. */
  interrupted(reception: Reception, reason: string): void;
  unreachable(member: MemberId): void;
  snapshotReported(member: MemberId, delivered: boolean): void;
}

/** A snapshot on its way to a peer. */
interface Shipment {
  readonly connection: Connection<SnapshotTransfer>;
  readonly frames: Iterator<Uint8Array, void>;
  patience: number;
}

/** A snapshot on its way from a peer. */
interface Arrival {
  readonly connection: Connection<SnapshotTransfer>;
  readonly reception: Reception;
  readonly from: MemberId;
  readonly term: Term;
}

interface Peer {
  readonly id: MemberId;
  readonly node: NodeId;
  readonly address: string;
  connection: Connection<PeerMessage> | undefined;
  opened: boolean;
  /** Ticks in a row at which something had not left yet. */
  stalled: number;
  /** Ticks left until the next dial. */
  retryIn: number;
  backoff: number;
  snapshot: Shipment | undefined;
}

export class Peers {
  readonly #runtime: NodeRuntime;
  readonly #options: PeersOptions;
  readonly #byId = new Map<MemberId, Peer>();
  /**
   * Those who are not among the members, as far as this one knows, with the connections that they opened. They are
   * answered as long as they stand: a member that is behind, or knows nobody yet, has not heard of the newest, who may
   * lead or need its vote.
   */
  readonly #strangers = new Map<MemberId, Connection<PeerMessage>>();
  #all: Peer[] = [];
  /** One at a time. */
  #arrival: Arrival | undefined;
  #datagrams: DatagramPort<PeerMessage> | undefined;
  #started = false;

  constructor(runtime: NodeRuntime, options: PeersOptions) {
    this.#runtime = runtime;
    this.#options = options;
  }

  start(): void {
    this.#started = true;
    const { network } = this.#runtime;
    network.listen(PEER_PORT, peerProtocol, (connection) => this.#accept(connection));
    network.listen(SNAPSHOT_PORT, snapshotProtocol, (connection) => this.#acceptSnapshot(connection));
    if (this.#options.transport === "datagram")
      this.#datagrams = network.bind(PEER_PORT, peerProtocol, (_from, message) =>
        this.#options.received(message),
      );
    for (const peer of this.#all) this.#dial(peer);
  }

  /** Makes these, without this member itself, the peers. */
  update(members: readonly Member[]): void {
    const wanted = new Set<MemberId>();
    for (const { id, node } of members) {
      if (id === this.#options.self) continue;
      wanted.add(id);
      this.#strangers.delete(id);
      if (this.#byId.get(id)?.node === node) continue;
      this.#forget(id);
      this.#add(id, node);
    }
    for (const id of [...this.#byId.keys()])
      if (!wanted.has(id) && !this.#strangers.has(id)) this.#forget(id);
  }

  /** Whether a connection to the member is open and takes what is sent. */
  connected(member: MemberId): boolean {
    const peer = this.#byId.get(member);
    return peer?.connection !== undefined && peer.opened && peer.stalled < STALLED;
  }

  send(message: Message | Exclude<PeerMessage, { type: "hello" }>): void {
    const peer = this.#byId.get(message.to);
    if (peer === undefined) return;
    if (message.type === "snapshot") {
      this.#sendSnapshot(peer, message);
      return;
    }
    const mistaken = this.#options.bug === "proposal-by-datagram" && message.type === "propose";
    if (this.#datagrams !== undefined && (mayRepeat(message) || mistaken)) {
      this.#datagrams.send(peer.address, message);
      return;
    }
    const { connection } = peer;
    if (connection === undefined || connection.buffered >= MAX_BUFFERED) this.#options.unreachable(peer.id);
    else connection.send(message);
  }

  tick(): void {
    for (const peer of this.#all) {
      peer.stalled = (peer.connection?.buffered ?? 0) > 0 ? peer.stalled + 1 : 0;
      if (peer.connection === undefined && --peer.retryIn <= 0) this.#dial(peer);
      if (peer.snapshot !== undefined && --peer.snapshot.patience <= 0) this.#snapshotEnded(peer, false);
    }
  }

  #add(id: MemberId, node: NodeId): void {
    const peer: Peer = {
      id,
      node,
      address: `${node}:${PEER_PORT}`,
      connection: undefined,
      opened: false,
      stalled: 0,
      retryIn: 0,
      backoff: 1,
      snapshot: undefined,
    };
    this.#byId.set(id, peer);
    this.#all.push(peer);
    if (this.#started) this.#dial(peer);
  }

  #dial(peer: Peer): void {
    peer.opened = false;
    const connection = this.#runtime.network.dial(peer.address, peerProtocol, {
      opened: () => {
        peer.opened = true;
        peer.backoff = 1;
      },
      message: () => {},
      closed: () => {
        if (peer.connection !== connection) return;
        peer.connection = undefined;
        peer.retryIn = peer.backoff;
        peer.backoff = Math.min(peer.backoff * 2, MAX_BACKOFF);
        this.#options.unreachable(peer.id);
      },
    });
    peer.connection = connection;
    const { clusterId, self } = this.#options;
    connection.send({ type: "hello", clusterId, from: self, to: peer.id });
  }

  #accept(connection: Connection<PeerMessage>): ConnectionHandlers<PeerMessage> {
    let from: MemberId | undefined;
    return {
      message: (message) => {
        const objection = this.#objection(message, from);
        if (objection !== undefined) this.#refuse(connection, objection);
        else if (from !== undefined) this.#options.received(message);
        else {
          from = message.from;
          this.#meet(from, connection);
        }
      },
      closed: () => {
        if (from !== undefined) this.#part(from, connection);
      },
    };
  }

  /** It opened a connection. A stranger is answered on the newest. */
  #meet(id: MemberId, connection: Connection<PeerMessage>): void {
    const known = this.#byId.has(id);
    if (known ? !this.#strangers.has(id) : this.#strangers.size >= MAX_STRANGERS) return;
    this.#strangers.set(id, connection);
    if (!known) this.#add(id, connection.peer);
  }

  #part(id: MemberId, connection: Connection<PeerMessage>): void {
    if (this.#strangers.get(id) !== connection) return;
    this.#strangers.delete(id);
    this.#forget(id);
  }

  /** What is wrong with a message on a connection that began with a hello of `from`, or that begins with it. */
  #objection(message: PeerMessage, from: MemberId | undefined): string | undefined {
    if (from === undefined) return this.#objectionToHello(message);
    if (message.from !== from) return `member ${from} speaks for member ${message.from}`;
    if ("term" in message && !this.#options.believable(message.term))
      return `member ${from} comes with term ${message.term}`;
    return undefined;
  }

  #objectionToHello(message: PeerMessage | SnapshotTransfer): string | undefined {
    const { clusterId, self } = this.#options;
    if (message.type !== "hello") return `a ${message.type} came before the hello`;
    if (message.clusterId !== clusterId) return `it is of cluster ${message.clusterId}`;
    if (message.to !== self) return `it looks for member ${message.to}`;
    return message.from === self ? "it claims to be this member itself" : undefined;
  }

  #refuse(connection: Connection<unknown>, reason: string): void {
    this.#runtime.trace("peer-refused", { peer: connection.peer, reason });
    connection.close();
  }

  #sendSnapshot(peer: Peer, message: Extract<Message, { type: "snapshot" }>): void {
    if (peer.snapshot !== undefined) return;
    const connection = this.#runtime.network.dial(`${peer.node}:${SNAPSHOT_PORT}`, snapshotProtocol, {
      message: ({ type }) => {
        if (type === "received") this.#snapshotEnded(peer, true);
        else this.#sendFrame(shipment);
      },
      closed: () => this.#snapshotEnded(peer, false),
    });
    const frames = framesOf(message.snapshot.data as SnapshotSource);
    const shipment: Shipment = { connection, frames, patience: SNAPSHOT_PATIENCE };
    peer.snapshot = shipment;
    const { clusterId, self } = this.#options;
    connection.send({ type: "hello", clusterId, from: self, to: peer.id, term: message.term });
    for (let sent = 0; sent < SNAPSHOT_WINDOW; sent++) this.#sendFrame(shipment);
  }

  #sendFrame(shipment: Shipment): void {
    shipment.patience = SNAPSHOT_PATIENCE;
    const { done, value: frame } = shipment.frames.next();
    if (done !== true) shipment.connection.send({ type: "frame", frame });
  }

  #snapshotEnded(peer: Peer, delivered: boolean): void {
    if (peer.snapshot === undefined) return;
    peer.snapshot.connection.close();
    peer.snapshot = undefined;
    this.#options.snapshotReported(peer.id, delivered);
  }

  #acceptSnapshot(connection: Connection<SnapshotTransfer>): ConnectionHandlers<SnapshotTransfer> {
    return {
      message: (transfer) => {
        const arrival = this.#arrival;
        if (arrival?.connection === connection && transfer.type === "frame")
          this.#take(arrival, transfer.frame);
        else {
          const objection = this.#objectionToHello(transfer);
          if (objection !== undefined) this.#refuse(connection, objection);
          else if (transfer.type === "hello") this.#welcome(connection, transfer.from, transfer.term);
        }
      },
      closed: (reason) => {
        if (this.#arrival?.connection === connection) this.#interrupt(reason);
      },
    };
  }

  /** Whoever was sending another is behind the times, or has forgotten of it. */
  #welcome(connection: Connection<SnapshotTransfer>, from: MemberId, term: Term): void {
    if (!this.#options.believable(term)) {
      this.#refuse(connection, `member ${from} comes with term ${term}`);
      return;
    }
    this.#interrupt("another one comes");
    const reception = this.#options.receive(term);
    if (reception === undefined) connection.close();
    else this.#arrival = { connection, reception, from, term };
  }

  #take(arrival: Arrival, frame: Uint8Array): void {
    const { connection, reception, from, term } = arrival;
    let snapshot: DecodedSnapshot;
    try {
      reception.add(frame, () => {
        if (this.#arrival === arrival) connection.send({ type: "taken" });
      });
      if (!reception.ended) return;
      snapshot = reception.finish();
    } catch (error) {
      if (!(error instanceof SnapshotError)) throw error;
      this.#interrupt(error.message);
      return;
    }
    this.#arrival = undefined;
    this.#options.arrived(reception, snapshot, from, term);
    connection.send({ type: "received" });
  }

  #interrupt(reason: string): void {
    if (this.#arrival === undefined) return;
    const { connection, reception } = this.#arrival;
    this.#arrival = undefined;
    connection.close();
    this.#options.interrupted(reception, reason);
  }

  #forget(id: MemberId): void {
    const peer = this.#byId.get(id);
    if (peer === undefined) return;
    this.#byId.delete(id);
    this.#all = this.#all.filter((other) => other !== peer);
    peer.connection?.close();
    peer.connection = undefined;
    if (peer.snapshot !== undefined) {
      peer.snapshot.connection.close();
      peer.snapshot = undefined;
    }
  }
}

/** A network may deliver a datagram twice. Raft does not mind, but a proposal would be applied twice. */
function mayRepeat(message: PeerMessage): boolean {
  return message.type !== "propose" && message.type !== "ask-leader" && message.type !== "leader-answer";
}
