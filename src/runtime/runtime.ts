/**
 * The only door to time, chance, network, disk and concurrency.
 *
 * Code that is tested (raft, kv, node) and code that tests (workers, nemesis) take one of these and touch nothing
 * else, so that the simulator can put virtual time and broken hardware behind it. Everything is callback style:
 * a node runs to completion on each event and never awaits, hence a dead incarnation cannot wake up again.
 *
 * A node gets a new `NodeRuntime` for each incarnation. Once the incarnation has ended, none of its callbacks
 * fires any more and all calls through its handles do nothing.
 */
import type { Json, Nanos, NodeId } from "../history/op.ts";
import type { Random } from "./random.ts";

export const MICROSECOND: Nanos = 1_000;
export const MILLISECOND: Nanos = 1_000_000;
export const SECOND: Nanos = 1_000_000_000;

export interface Clock {
  /** Nanoseconds since an arbitrary start; never goes back; may drift against true time. */
  monotonic(): Nanos;
  /** Nanoseconds since 1970; may jump in either direction. For logs and tokens only. */
  wall(): Nanos;
}

export interface Timer {
  cancel(): void;
}

/** One per node incarnation, one for the tester. */
export interface Runtime {
  readonly clock: Clock;
  readonly random: Random;
  /** Runs `body` once, `delay` nanoseconds of this clock from now. */
  timer(delay: Nanos, body: () => void): Timer;
  /** Runs `body` after the current event, before time moves on; first deferred, first run. */
  defer(body: () => void): void;
  /**
   * Tells the outside what happened inside: "become-leader", "snapshot-sent", … Feeds triggers, invariants,
   * reports and the "sometimes" obligations. Never read back by the caller.
   */
  trace(kind: string, detail?: { readonly [field: string]: Json }): void;
}

/** How messages of one kind cross a real wire. The simulator passes them by reference, and through the codec now and then. */
export interface Protocol<M> {
  readonly name: string;
  encode(message: M): Uint8Array;
  /** Throws on malformed bytes. */
  decode(bytes: Uint8Array): M;
}

/** An ordered, reliable stream of messages between two hosts, until it breaks. Messages are immutable once sent. */
export interface Connection<M> {
  /** The host at the other end. */
  readonly peer: string;
  send(message: M): void;
  /** Messages accepted by `send` that have not left this host: the caller's measure of back-pressure. */
  readonly buffered: number;
  /** Closes for good. The other end sees `closed`; this end is called no more. */
  close(): void;
}

export interface ConnectionHandlers<M> {
  /** The stream is established (dialling side only). */
  opened?(): void;
  message(message: M): void;
  /** The stream ended, for whatever reason; called at most once, and never after an own `close`. */
  closed(reason: string): void;
}

export interface Network {
  /** Accepts connections on `port` of this host until the incarnation ends. */
  listen<M>(
    port: string,
    protocol: Protocol<M>,
    accept: (connection: Connection<M>) => ConnectionHandlers<M>,
  ): void;
  /** `address` is "host:port". Messages sent before `opened` are buffered. Refusal is reported by `closed`. */
  dial<M>(address: string, protocol: Protocol<M>, handlers: ConnectionHandlers<M>): Connection<M>;
  /** Unreliable messages: lost, duplicated, delayed and reordered as the network pleases. */
  bind<M>(port: string, protocol: Protocol<M>, receive: (from: string, message: M) => void): DatagramPort<M>;
}

export interface DatagramPort<M> {
  /** `address` is "host:port". */
  send(address: string, message: M): void;
}

export type DiskErrorCode = "EIO" | "ENOSPC" | "ENOENT" | "EEXIST";

export class DiskError extends Error {
  override readonly name = "DiskError";
  readonly code: DiskErrorCode;
  constructor(code: DiskErrorCode, what: string) {
    super(`${code}: ${what}`);
    this.code = code;
  }
}

/** `error` is undefined on success. */
export type Done = (error?: DiskError) => void;

/**
 * Files of one node. Paths are relative, with "/" between names. Reads are synchronous (they are done when a node
 * boots and from a page cache); changes complete by callback, in the order they were asked for per file.
 * What survives a loss of power is decided by `sync` (contents) and `syncDirectory` (names), as in POSIX.
 */
export interface Disk {
  /** Names in a directory, sorted; empty if it does not exist. */
  list(directory: string): string[];
  /** Contents from byte `from` on, at most `length` bytes: all, unless told otherwise. Throws DiskError (ENOENT, EIO). */
  read(path: string, from?: number, length?: number): Uint8Array;
  exists(path: string): boolean;
  /** Creates missing parent directories; their entries are durable at once. */
  makeDirectory(path: string): void;
  /** Opens for writing; creates the file if it does not exist. Throws DiskError (EIO, ENOSPC). */
  open(path: string): DiskFile;
  rename(from: string, to: string, done: Done): void;
  remove(path: string, done: Done): void;
  /** Makes creations, renames and removals in this directory durable. */
  syncDirectory(path: string, done: Done): void;
}

export interface DiskFile {
  readonly path: string;
  /** Current size in bytes, buffered writes included. */
  readonly size: number;
  /** Appends into the page cache. `bytes` must not change afterwards. Without `done`, the next sync tells of an error. */
  append(bytes: Uint8Array, done?: Done): void;
  truncate(size: number, done?: Done): void;
  /** Makes everything appended and truncated before it durable. After an error the contents are undefined. */
  sync(done: Done): void;
  close(): void;
}

export interface NodeRuntime extends Runtime {
  readonly node: NodeId;
  readonly network: Network;
  readonly disk: Disk;
  /** Ends this incarnation: a bug, a fatal disk error, or a removed member. */
  exit(reason: string): void;
}
