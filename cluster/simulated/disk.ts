/**
 * A disk with a page cache. Everything written is visible at once and lost with the power unless synced: of the
 * unsynced 4 KiB pages a random subset survives, torn at sectors of 512 bytes; each unsynced change of a directory
 * (creation, renaming, removal) survives or not by itself. After the models in FoundationDB (AsyncFileNonDurable)
 * and Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014.
 */
import type { DiskFault } from "../../src/cluster.ts";
import type { Nanos } from "../../src/history/op.ts";
import type { EventHandler, Lane } from "../../src/runtime/agenda.ts";
import type { Random } from "../../src/runtime/random.ts";
import {
  type Disk,
  DiskError,
  type DiskErrorCode,
  type DiskFile,
  type Done,
  MICROSECOND,
} from "../../src/runtime/runtime.ts";
import type { Actor, World } from "../../src/runtime/world.ts";
import { Inode, type PendingSync } from "./inode.ts";

export interface DiskOptions {
  /** Mean time of a sync that does not stall; none takes less than half of it. */
  readonly syncLatency?: Nanos;
  /** Probability that a sync stalls, and the mean of such a stall. */
  readonly stallProbability?: number;
  readonly stall?: Nanos;
  /** Time of a change that only reaches the page cache. */
  readonly cacheLatency?: Nanos;
}

/** What a loss of power took; torn pages survived in part. A type, so that it is also Json. */
export type DiskLoss = {
  readonly lostPages: number;
  readonly tornPages: number;
  readonly lostNames: number;
};

/** A change of names that is not durable yet. `inode` is the file that moved, appeared or went. */
interface NameChange {
  /** Name that ceases to exist, if any. */
  readonly from: string | undefined;
  /** Name that comes to stand for `inode`, if any. */
  readonly to: string | undefined;
  readonly inode: Inode;
}

type Effect =
  | "slowed"
  | "errors"
  | "full"
  | "syncErrors"
  | "liedSyncs"
  | "bitsFlipped"
  | "bytesTruncated"
  | "lostPages"
  | "tornPages"
  | "lostNames";

export class SimulatedDisk {
  readonly #world: World;
  readonly #lane: Lane;
  readonly #random: Random;
  readonly #chaos: Random;
  readonly #options: Required<DiskOptions>;
  readonly #directories = new Set<string>([""]);
  #names = new Map<string, Inode>();
  readonly #durableNames = new Map<string, Inode>();
  #changes: NameChange[] = [];
  #faults: DiskFault[] = [];
  #effects = new Map<Effect, number>();
  #directoryReady: Nanos = 0;
  #listeners: readonly ((path: string, from: number, to: number) => void)[] = [];

  constructor(world: World, lane: Lane, random: Random, options: DiskOptions = {}) {
    this.#world = world;
    this.#lane = lane;
    this.#random = random;
    this.#chaos = random.fork("chaos");
    this.#options = {
      syncLatency: options.syncLatency ?? 200 * MICROSECOND,
      stallProbability: options.stallProbability ?? 0.001,
      stall: options.stall ?? 50_000 * MICROSECOND,
      cacheLatency: options.cacheLatency ?? 2 * MICROSECOND,
    };
  }

  /** The disk as one incarnation sees it: inert once that is dead. */
  mount(actor: Actor): Disk {
    return new MountedDisk(this, actor);
  }

  /** Bytes of a file that no loss of power can take or change; undefined if it may be gone altogether. Do not modify. */
  durable(path: string): Uint8Array | undefined {
    const inode = this.#durableNames.get(path);
    if (inode === undefined) return undefined;
    for (const change of this.#changes) if (change.from === path || change.to === path) return undefined;
    return inode.safe();
  }

  /** Calls `listener` when a sync has made bytes [from, to) of a file durable. Returns its end. */
  onDurable(listener: (path: string, from: number, to: number) => void): () => void {
    this.#listeners = [...this.#listeners, listener];
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== listener);
    };
  }

  /** Adds a fault; "bit-flip" and "truncate" act at once. Returns how many bits or bytes they hit. */
  spoil(fault: DiskFault): number {
    if (fault.kind === "bit-flip") return this.#flip(fault.file, fault.bits);
    if (fault.kind === "truncate") return this.#cut(fault.file, fault.bytes);
    this.#faults.push(fault);
    return 0;
  }

  /** Ends all faults. Returns what was hit since the last heal. */
  heal(): { readonly [effect: string]: number } {
    this.#faults = [];
    const effects = Object.fromEntries(this.#effects);
    this.#effects = new Map();
    return effects;
  }

  /** Removes every file, durably: a new disk. */
  wipe(): void {
    this.#names = new Map();
    this.#durableNames.clear();
    this.#changes = [];
    this.#directories.clear();
    this.#directories.add("");
  }

  /** The page cache stays; syncs in flight have not happened, which is the worst that can be. */
  processEnded(): void {
    for (const inode of this.#names.values()) inode.abandonSyncs();
  }

  powerOff(): DiskLoss {
    const random = this.#chaos;
    let lostNames = 0;
    for (const change of this.#changes) {
      if (random.chance(0.5)) this.#applyDurably(change);
      else lostNames++;
    }
    this.#changes = [];
    let lostPages = 0;
    let tornPages = 0;
    this.#names = new Map(this.#durableNames);
    for (const [path, inode] of this.#names) {
      const loss = inode.powerOff(random);
      inode.path = path;
      lostPages += loss.lost;
      tornPages += loss.torn;
    }
    this.#count("lostPages", lostPages);
    this.#count("tornPages", tornPages);
    this.#count("lostNames", lostNames);
    return { lostPages, tornPages, lostNames };
  }

  list(directory: string): string[] {
    const prefix = directory === "" ? "" : `${directory}/`;
    const found = new Set<string>();
    for (const paths of [this.#names.keys(), this.#directories])
      for (const path of paths)
        if (path !== "" && path.startsWith(prefix)) {
          const rest = path.slice(prefix.length);
          if (!rest.includes("/")) found.add(rest);
        }
    return [...found].sort();
  }

  exists(path: string): boolean {
    return this.#names.has(path) || this.#directories.has(path);
  }

  read(path: string, from = 0, length = Number.POSITIVE_INFINITY): Uint8Array {
    const inode = this.#names.get(path);
    if (inode === undefined) throw new DiskError("ENOENT", path);
    if (this.#fails()) throw new DiskError("EIO", path);
    return inode.contents(from, from + length);
  }

  makeDirectory(path: string): void {
    let at = 0;
    for (;;) {
      const slash = path.indexOf("/", at);
      this.#directories.add(slash < 0 ? path : path.slice(0, slash));
      if (slash < 0) return;
      at = slash + 1;
    }
  }

  open(path: string): Inode {
    const known = this.#names.get(path);
    if (this.#fails()) throw new DiskError("EIO", path);
    if (known !== undefined) return known;
    if (!this.#directories.has(parent(path))) throw new DiskError("ENOENT", parent(path));
    if (this.#isFull()) throw new DiskError("ENOSPC", path);
    const inode = new Inode(path);
    this.#change({ from: undefined, to: path, inode });
    return inode;
  }

  append(inode: Inode, bytes: Uint8Array, actor: Actor, done: Done | undefined): void {
    const error = this.#isFull() ? "ENOSPC" : this.#fails() ? "EIO" : undefined;
    if (error === undefined) inode.append(bytes);
    else if (done === undefined) inode.unreported = error;
    if (done !== undefined) this.#completeOn(inode, this.#cacheTime(), actor, done, error);
  }

  truncate(inode: Inode, size: number, actor: Actor, done: Done | undefined): void {
    const error = this.#fails() ? "EIO" : undefined;
    if (error === undefined) inode.truncate(size);
    else if (done === undefined) inode.unreported = error;
    if (done !== undefined) this.#completeOn(inode, this.#cacheTime(), actor, done, error);
  }

  sync(inode: Inode, actor: Actor, done: Done): void {
    const time = this.#syncTime();
    let error: DiskErrorCode | undefined = inode.unreported;
    inode.unreported = undefined;
    if (error === undefined && this.#failsOnce()) {
      inode.forgetDirty();
      error = "EIO";
    } else if (error === undefined && this.#fails()) error = "EIO";
    if (error !== undefined || this.#lies()) {
      this.#completeOn(inode, time, actor, done, error);
      return;
    }
    const completion = new SyncCompletion(this, inode, inode.beginSync(), actor, done);
    this.#world.at(this.#orderedOn(inode, time), this.#lane, completion);
  }

  /** A sync has come to its end while whoever asked for it was alive. */
  synced(inode: Inode, sync: PendingSync): void {
    inode.endSync(sync);
    for (const listener of this.#listeners) listener(inode.path, sync.from, sync.to);
  }

  rename(from: string, to: string, actor: Actor, done: Done): void {
    const inode = this.#names.get(from);
    const error =
      inode === undefined || !this.#directories.has(parent(to))
        ? "ENOENT"
        : this.#fails()
          ? "EIO"
          : undefined;
    if (inode !== undefined && error === undefined) this.#change({ from, to, inode });
    this.#complete(this.#directoryTime(this.#cacheTime()), actor, done, error, from);
  }

  remove(path: string, actor: Actor, done: Done): void {
    const inode = this.#names.get(path);
    const error = inode === undefined ? "ENOENT" : this.#fails() ? "EIO" : undefined;
    if (inode !== undefined && error === undefined) this.#change({ from: path, to: undefined, inode });
    this.#complete(this.#directoryTime(this.#cacheTime()), actor, done, error, path);
  }

  syncDirectory(path: string, actor: Actor, done: Done): void {
    const time = this.#directoryTime(this.#syncTime());
    const error = this.#failsOnce() || this.#fails() ? "EIO" : undefined;
    if (error !== undefined || this.#lies()) {
      this.#complete(time, actor, done, error, path);
      return;
    }
    const covered = this.#changes.filter((change) => touches(change, path));
    this.#schedule(time, () => {
      if (!actor.alive) return;
      for (const change of covered) this.#applyDurably(change);
      this.#changes = this.#changes.filter((change) => !covered.includes(change));
      actor.run(done);
    });
  }

  #change(change: NameChange): void {
    if (change.from !== undefined) this.#names.delete(change.from);
    if (change.to !== undefined) {
      this.#names.set(change.to, change.inode);
      change.inode.path = change.to;
    }
    this.#changes.push(change);
  }

  #applyDurably(change: NameChange): void {
    // By inode, not by `from`: a file whose earlier renaming was lost must not end up with two names.
    for (const [path, inode] of this.#durableNames)
      if (inode === change.inode) this.#durableNames.delete(path);
    if (change.to !== undefined) this.#durableNames.set(change.to, change.inode);
  }

  #completeOn(inode: Inode, time: Nanos, actor: Actor, done: Done, error: DiskErrorCode | undefined): void {
    this.#complete(this.#orderedOn(inode, time), actor, done, error, inode.path);
  }

  #complete(time: Nanos, actor: Actor, done: Done, error: DiskErrorCode | undefined, what: string): void {
    const failure = error === undefined ? undefined : new DiskError(error, what);
    this.#schedule(time, () => actor.run(() => done(failure)));
  }

  #schedule(time: Nanos, fire: () => void): void {
    this.#world.at(time, this.#lane, { kind: "disk", fire });
  }

  /** Completions of one file come in the order of the requests. */
  #orderedOn(inode: Inode, time: Nanos): Nanos {
    if (time > inode.ready) inode.ready = time;
    return inode.ready;
  }

  #directoryTime(time: Nanos): Nanos {
    if (time > this.#directoryReady) this.#directoryReady = time;
    return this.#directoryReady;
  }

  #cacheTime(): Nanos {
    return this.#world.now + this.#options.cacheLatency + this.#slowness();
  }

  #syncTime(): Nanos {
    const { syncLatency, stallProbability, stall } = this.#options;
    let latency = syncLatency / 2 + this.#random.exponential(syncLatency / 2);
    if (this.#random.chance(stallProbability)) latency += this.#random.exponential(stall);
    return this.#world.now + Math.ceil(latency) + this.#slowness();
  }

  #slowness(): Nanos {
    let latency = 0;
    for (const fault of this.#faults) {
      if (fault.kind !== "slow") continue;
      latency += fault.latency;
      this.#count("slowed", 1);
    }
    return latency;
  }

  #fails(): boolean {
    for (const fault of this.#faults)
      if (fault.kind === "error" && this.#chaos.chance(fault.probability)) {
        this.#count("errors", 1);
        return true;
      }
    return false;
  }

  #isFull(): boolean {
    for (const fault of this.#faults)
      if (fault.kind === "full") {
        this.#count("full", 1);
        return true;
      }
    return false;
  }

  #failsOnce(): boolean {
    const at = this.#faults.findIndex((fault) => fault.kind === "sync-error");
    if (at < 0) return false;
    this.#faults.splice(at, 1);
    this.#count("syncErrors", 1);
    return true;
  }

  #lies(): boolean {
    for (const fault of this.#faults)
      if (fault.kind === "lying-sync") {
        this.#count("liedSyncs", 1);
        return true;
      }
    return false;
  }

  #matching(file: string): Inode[] {
    const found: Inode[] = [];
    for (const [path, inode] of this.#durableNames) if (path.includes(file)) found.push(inode);
    return found;
  }

  #flip(file: string, bits: number): number {
    const targets = this.#matching(file).filter((inode) => inode.durableSize > 0);
    if (targets.length === 0) return 0;
    for (let i = 0; i < bits; i++) {
      const inode = this.#chaos.pick(targets);
      inode.flip(this.#chaos.below(inode.durableSize * 8));
    }
    this.#count("bitsFlipped", bits);
    return bits;
  }

  #cut(file: string, bytes: number): number {
    let cut = 0;
    for (const inode of this.#matching(file)) cut += inode.shorten(bytes);
    this.#count("bytesTruncated", cut);
    return cut;
  }

  #count(effect: Effect, times: number): void {
    if (times > 0) this.#effects.set(effect, (this.#effects.get(effect) ?? 0) + times);
  }
}

function parent(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "" : path.slice(0, slash);
}

function touches(change: NameChange, directory: string): boolean {
  if (change.from !== undefined && parent(change.from) === directory) return true;
  return change.to !== undefined && parent(change.to) === directory;
}

/** The event at which a sync that does not fail is complete. */
class SyncCompletion implements EventHandler {
  readonly kind = "disk";
  readonly #disk: SimulatedDisk;
  readonly #inode: Inode;
  readonly #sync: PendingSync;
  readonly #actor: Actor;
  readonly #done: Done;

  constructor(disk: SimulatedDisk, inode: Inode, sync: PendingSync, actor: Actor, done: Done) {
    this.#disk = disk;
    this.#inode = inode;
    this.#sync = sync;
    this.#actor = actor;
    this.#done = done;
  }

  fire(): void {
    if (!this.#actor.alive) return;
    this.#disk.synced(this.#inode, this.#sync);
    this.#actor.run(this.#done);
  }
}

class MountedDisk implements Disk {
  readonly #disk: SimulatedDisk;
  readonly #actor: Actor;

  constructor(disk: SimulatedDisk, actor: Actor) {
    this.#disk = disk;
    this.#actor = actor;
  }

  list(directory: string): string[] {
    return this.#disk.list(directory);
  }

  read(path: string, from?: number, length?: number): Uint8Array {
    return this.#disk.read(path, from, length);
  }

  exists(path: string): boolean {
    return this.#disk.exists(path);
  }

  makeDirectory(path: string): void {
    if (this.#actor.alive) this.#disk.makeDirectory(path);
  }

  open(path: string): DiskFile {
    const inode = this.#actor.alive ? this.#disk.open(path) : new Inode(path);
    return new OpenFile(this.#disk, inode, this.#actor);
  }

  rename(from: string, to: string, done: Done): void {
    if (this.#actor.alive) this.#disk.rename(from, to, this.#actor, done);
  }

  remove(path: string, done: Done): void {
    if (this.#actor.alive) this.#disk.remove(path, this.#actor, done);
  }

  syncDirectory(path: string, done: Done): void {
    if (this.#actor.alive) this.#disk.syncDirectory(path, this.#actor, done);
  }
}

class OpenFile implements DiskFile {
  readonly #disk: SimulatedDisk;
  readonly #inode: Inode;
  readonly #actor: Actor;
  #open = true;

  constructor(disk: SimulatedDisk, inode: Inode, actor: Actor) {
    this.#disk = disk;
    this.#inode = inode;
    this.#actor = actor;
  }

  get path(): string {
    return this.#inode.path;
  }

  get size(): number {
    return this.#inode.size;
  }

  append(bytes: Uint8Array, done?: Done): void {
    if (this.#usable()) this.#disk.append(this.#inode, bytes, this.#actor, done);
  }

  truncate(size: number, done?: Done): void {
    if (this.#usable()) this.#disk.truncate(this.#inode, size, this.#actor, done);
  }

  sync(done: Done): void {
    if (this.#usable()) this.#disk.sync(this.#inode, this.#actor, done);
  }

  close(): void {
    this.#open = false;
  }

  /** A use after `close` is an error in the node. */
  #usable(): boolean {
    if (!this.#actor.alive) return false;
    if (!this.#open) throw new Error(`${this.#inode.path} is closed`);
    return true;
  }
}
