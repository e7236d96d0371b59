/**
 * Files of a member on a real disk. Small changes reach the page cache at once, as in the simulator; large ones are
 * written from another thread, piece by piece, since a kernel with many dirty pages makes writers wait. One sync per
 * file, or directory, is in flight, and all that are asked for meanwhile share the next.
 *
 * A small append that is synced in the same turn, which is what a log does all the time, is written and synced in one
 * go from another thread: where others sync too, the kernel makes writers wait for its journal.
 *
 * A sync that failed is never tried again: the kernel may have dropped the dirty pages and call the next one a
 * success (Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020).
 */
import fs from "node:fs";
import { dirname, join, resolve } from "node:path";
import { type Disk, DiskError, type DiskFile, type Done } from "../../src/runtime/runtime.ts";
import type { EventLoop } from "./event-loop.ts";

/** What the contract of `Disk` knows by name; everything else is a failing disk to the member. */
const CODES: { readonly [code: string]: DiskError["code"] } = {
  ENOENT: "ENOENT",
  ENOTDIR: "ENOENT",
  EEXIST: "EEXIST",
  ENOSPC: "ENOSPC",
  EDQUOT: "ENOSPC",
};

function diskError(error: unknown, path: string): DiskError {
  const { code = "", message } = error as NodeJS.ErrnoException;
  const known = CODES[code];
  return known === undefined ? new DiskError("EIO", `${path}: ${message}`) : new DiskError(known, path);
}

/** Does something to `path` now; throws DiskError. */
function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw diskError(error, path);
  }
}

/** One sync in flight; those asked for meanwhile share the next. A failure is final. */
class Syncs {
  readonly #loop: EventLoop;
  readonly #path: string;
  readonly #sync: (done: (error: Error | null) => void) => void;
  #waiting: Done[] = [];
  #busy = false;
  #failure: DiskError | undefined;

  constructor(loop: EventLoop, path: string, sync: (done: (error: Error | null) => void) => void) {
    this.#loop = loop;
    this.#path = path;
    this.#sync = sync;
  }

  get idle(): boolean {
    return !this.#busy && this.#waiting.length === 0;
  }

  ask(done: Done): void {
    this.#waiting.push(done);
    this.#next();
  }

  /** Something that was to be synced did not even reach the page cache. */
  fail(error: DiskError): void {
    this.#failure ??= error;
  }

  #next(): void {
    if (this.#busy || this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#busy = true;
    const failure = this.#failure;
    const finish = (error: DiskError | undefined) => {
      this.#busy = false;
      for (const done of waiting) this.#loop.run(() => done(error));
      this.#next();
    };
    if (failure !== undefined) {
      this.#loop.defer(() => finish(failure));
      return;
    }
    this.#sync((error) => {
      if (error !== null) this.#failure = diskError(error, this.#path);
      finish(this.#failure);
    });
  }
}

export class LiveDisk implements Disk {
  readonly #root: string;
  readonly #loop: EventLoop;
  readonly #directories = new Map<string, Syncs>();
  readonly #files = new Set<LiveFile>();

  /** `root` must exist. */
  constructor(root: string, loop: EventLoop) {
    this.#root = resolve(root);
    this.#loop = loop;
  }

  list(directory: string): string[] {
    try {
      return fs.readdirSync(this.#at(directory)).sort();
    } catch (error) {
      const failure = diskError(error, directory);
      if (failure.code === "ENOENT") return [];
      throw failure;
    }
  }

  read(path: string, from = 0, length = Number.POSITIVE_INFINITY): Uint8Array {
    for (const file of this.#files) if (file.path === path) file.writeHeld();
    return attempt(path, () => {
      const descriptor = fs.openSync(this.#at(path), "r");
      try {
        const wanted = Math.min(length, fs.fstatSync(descriptor).size - from);
        const bytes = Buffer.allocUnsafe(Math.max(0, wanted));
        return bytes.subarray(0, readAllNow(descriptor, bytes, from));
      } finally {
        fs.closeSync(descriptor);
      }
    });
  }

  exists(path: string): boolean {
    return fs.existsSync(this.#at(path));
  }

  makeDirectory(path: string): void {
    if (this.#loop.alive) attempt(path, () => makeDirectoryNow(this.#at(path)));
  }

  open(path: string): DiskFile {
    if (!this.#loop.alive) throw new DiskError("EIO", `${path}: the member has ended`);
    const { O_RDWR, O_CREAT } = fs.constants;
    return attempt(path, () => {
      const descriptor = fs.openSync(this.#at(path), O_RDWR | O_CREAT, 0o600);
      const file = new LiveFile(path, this.#at(path), descriptor, this.#loop, (closed) =>
        this.#files.delete(closed),
      );
      this.#files.add(file);
      return file;
    });
  }

  /** Closes what the member left open. */
  end(): void {
    for (const file of this.#files) file.close();
  }

  rename(from: string, to: string, done: Done): void {
    this.#change(from, done, () => fs.renameSync(this.#at(from), this.#at(to)));
  }

  remove(path: string, done: Done): void {
    this.#change(path, done, () => {
      const fullPath = this.#at(path);
      // The name goes now, and what is behind it with its last descriptor: of a large file, that takes long.
      const descriptor = fs.openSync(fullPath, "r");
      try {
        fs.unlinkSync(fullPath);
      } finally {
        fs.close(descriptor);
      }
    });
  }

  syncDirectory(path: string, done: Done): void {
    if (!this.#loop.alive) return;
    let syncs = this.#directories.get(path);
    if (syncs === undefined) {
      syncs = new Syncs(this.#loop, path, (ended) => syncNames(this.#at(path), ended));
      this.#directories.set(path, syncs);
    }
    syncs.ask(done);
  }

  #change(path: string, done: Done, change: () => void): void {
    if (!this.#loop.alive) return;
    let failure: DiskError | undefined;
    try {
      change();
    } catch (error) {
      failure = diskError(error, path);
    }
    this.#loop.defer(() => done(failure));
  }

  #at(path: string): string {
    return join(this.#root, path);
  }
}

/** Appends up to this are written at once; longer ones in pieces of this length. */
const PIECE_BYTES = 1 << 18;

/** One step of what a file still has to do, in the order of the calls. */
type Step =
  | {
      readonly kind: "write";
      readonly bytes: Uint8Array;
      readonly position: number;
      readonly done: Done | undefined;
    }
  | { readonly kind: "truncate"; readonly size: number; readonly done: Done | undefined }
  /** Everything before it is written. */
  | { readonly kind: "written"; readonly then: () => void };

interface Held {
  readonly bytes: Uint8Array;
  readonly position: number;
}

class LiveFile implements DiskFile {
  readonly path: string;
  readonly #fullPath: string;
  readonly #descriptor: number;
  /** The same file, whose writes are durable when they return; opened when it is needed. */
  #durableDescriptor: number | undefined;
  readonly #loop: EventLoop;
  readonly #syncs: Syncs;
  readonly #closed: (file: LiveFile) => void;
  /** With everything that was asked for. */
  #size: number;
  readonly #steps: Step[] = [];
  /** The first step is under way in another thread. */
  #writing = false;
  /** A small append of this turn, which waits for a sync. */
  #held: Held | undefined;
  /** Changes so far, and how many of them are durable. What an earlier process left is one that is not. */
  #changes = 1;
  #durableChanges = 0;
  #open = true;
  #released = false;

  constructor(
    path: string,
    fullPath: string,
    descriptor: number,
    loop: EventLoop,
    closed: (file: LiveFile) => void,
  ) {
    this.path = path;
    this.#fullPath = fullPath;
    this.#descriptor = descriptor;
    this.#loop = loop;
    this.#closed = closed;
    this.#size = fs.fstatSync(descriptor).size;
    this.#syncs = new Syncs(loop, path, (done) => {
      const ended = (error: Error | null) => {
        done(error);
        this.#release();
      };
      if (this.#held !== undefined && this.#changes === this.#durableChanges) this.#writeDurably(ended);
      else this.#syncAll(ended);
    });
  }

  get size(): number {
    return this.#size;
  }

  append(bytes: Uint8Array, done?: Done): void {
    if (!this.#usable()) return;
    this.writeHeld();
    const position = this.#size;
    this.#size += bytes.length;
    if (done === undefined && bytes.length <= PIECE_BYTES && this.#steps.length === 0) {
      this.#held = { bytes, position };
      this.#loop.defer(this.writeHeld);
    } else this.#add({ kind: "write", bytes, position, done });
  }

  truncate(size: number, done?: Done): void {
    if (!this.#usable()) return;
    this.writeHeld();
    this.#size = size;
    this.#add({ kind: "truncate", size, done });
  }

  sync(done: Done): void {
    if (this.#usable()) this.#syncs.ask(done);
  }

  close(): void {
    this.writeHeld();
    this.#open = false;
    this.#release();
  }

  /** Lets what waits for a sync reach the page cache without it. */
  readonly writeHeld = (): void => {
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) this.#add({ kind: "write", ...held, done: undefined });
  };

  /** All that is not durable is what is held. */
  #writeDurably(ended: (error: Error | null) => void): void {
    const { bytes, position } = this.#held as Held;
    this.#held = undefined;
    const { O_WRONLY, O_DSYNC } = fs.constants;
    try {
      this.#durableDescriptor ??= fs.openSync(this.#fullPath, O_WRONLY | O_DSYNC);
    } catch (error) {
      this.#loop.defer(() => ended(error as Error));
      return;
    }
    writeAll(this.#durableDescriptor, bytes, position, ended);
  }

  #syncAll(ended: (error: Error | null) => void): void {
    this.writeHeld();
    const then = () => {
      const changes = this.#changes;
      fs.fdatasync(this.#descriptor, (error) => {
        if (error === null) this.#durableChanges = changes;
        ended(error);
      });
    };
    this.#add({ kind: "written", then });
  }

  /** Gives the descriptor back once it is closed and nothing needs it. */
  #release(): void {
    if (this.#open || this.#released || this.#steps.length > 0 || !this.#syncs.idle) return;
    this.#released = true;
    fs.closeSync(this.#descriptor);
    if (this.#durableDescriptor !== undefined) fs.closeSync(this.#durableDescriptor);
    this.#closed(this);
  }

  #add(step: Step): void {
    if (step.kind !== "written") this.#changes++;
    this.#steps.push(step);
    if (!this.#writing) this.#proceed();
  }

  /** Does the steps that take no time, up to one that does. */
  #proceed(): void {
    for (let step = this.#steps[0]; step !== undefined; step = this.#steps[0]) {
      if (step.kind === "write" && step.bytes.length > PIECE_BYTES) {
        this.#writing = true;
        this.#writePiece(step, 0);
        return;
      }
      this.#steps.shift();
      this.#doNow(step);
    }
    this.#release();
  }

  #doNow(step: Step): void {
    if (step.kind === "written") {
      step.then();
      return;
    }
    try {
      if (step.kind === "truncate") fs.ftruncateSync(this.#descriptor, step.size);
      else writeAllNow(this.#descriptor, step.bytes, step.position);
      this.#did(step.done, undefined);
    } catch (error) {
      this.#did(step.done, diskError(error, this.path));
    }
  }

  #writePiece(step: Extract<Step, { kind: "write" }>, from: number): void {
    const { bytes, position, done } = step;
    const length = Math.min(PIECE_BYTES, bytes.length - from);
    fs.write(this.#descriptor, bytes, from, length, position + from, (error, written) => {
      if (error === null && from + written < bytes.length) {
        this.#writePiece(step, from + written);
        return;
      }
      this.#steps.shift();
      this.#writing = false;
      this.#did(done, error === null ? undefined : diskError(error, this.path));
      this.#proceed();
    });
  }

  #did(done: Done | undefined, failure: DiskError | undefined): void {
    if (failure !== undefined) this.#syncs.fail(failure);
    if (done !== undefined) this.#loop.defer(() => done(failure));
  }

  /** A use after `close` is an error in the node. */
  #usable(): boolean {
    if (!this.#loop.alive) return false;
    if (!this.#open) throw new Error(`${this.path} is closed`);
    return true;
  }
}

function writeAll(
  descriptor: number,
  bytes: Uint8Array,
  position: number,
  done: (error: Error | null) => void,
): void {
  fs.write(descriptor, bytes, 0, bytes.length, position, (error, written) => {
    if (error !== null || written === bytes.length) done(error);
    else writeAll(descriptor, bytes.subarray(written), position + written, done);
  });
}

/** Fills `bytes`, unless the file ends before. Gives how many there were. */
function readAllNow(descriptor: number, bytes: Uint8Array, position: number): number {
  for (let at = 0; at < bytes.length; ) {
    const count = fs.readSync(descriptor, bytes, at, bytes.length - at, position + at);
    if (count === 0) return at;
    at += count;
  }
  return bytes.length;
}

function writeAllNow(descriptor: number, bytes: Uint8Array, position: number): void {
  for (let at = 0; at < bytes.length; )
    at += fs.writeSync(descriptor, bytes, at, bytes.length - at, position + at);
}

/** Makes the names in a directory durable. */
function syncNames(directory: string, done: (error: Error | null) => void): void {
  fs.open(directory, "r", (openError, descriptor) => {
    if (openError !== null) return done(openError);
    fs.fsync(descriptor, (error) => fs.close(descriptor, () => done(error)));
  });
}

/** The same, and waits for it. */
export function syncNamesNow(directory: string): void {
  const descriptor = fs.openSync(directory, "r");
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

/** Makes a directory, and those it lies in, durably, part by part. Waits for it. */
export function makeDirectoryNow(path: string): void {
  if (fs.existsSync(path)) return;
  const parent = dirname(resolve(path));
  makeDirectoryNow(parent);
  fs.mkdirSync(path, { mode: 0o700 });
  syncNamesNow(parent);
}

/** Replaces a file as a whole, durably: it has the old contents or the new, whatever happens. Waits for it. */
export function replaceFileNow(path: string, contents: string | Uint8Array): void {
  const aside = `${path}.tmp`;
  const descriptor = fs.openSync(aside, "w", 0o600);
  try {
    fs.writeFileSync(descriptor, contents);
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
  fs.renameSync(aside, path);
  syncNamesNow(dirname(path));
}
