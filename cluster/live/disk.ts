/**
 * Files of a member on a real disk. Whatever changes a file reaches the page cache at once, as in the simulator, so
 * that a read sees it; only syncs take time. One sync per file, or directory, is in flight, and all that are asked
 * for meanwhile share the next.
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

  read(path: string): Uint8Array {
    return attempt(path, () => fs.readFileSync(this.#at(path)));
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
      const file = new LiveFile(path, descriptor, this.#loop, (closed) => this.#files.delete(closed));
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
    this.#change(path, done, () => fs.unlinkSync(this.#at(path)));
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

class LiveFile implements DiskFile {
  readonly path: string;
  readonly #descriptor: number;
  readonly #loop: EventLoop;
  readonly #syncs: Syncs;
  readonly #closed: (file: LiveFile) => void;
  #size: number;
  #open = true;
  #released = false;

  constructor(path: string, descriptor: number, loop: EventLoop, closed: (file: LiveFile) => void) {
    this.path = path;
    this.#descriptor = descriptor;
    this.#loop = loop;
    this.#closed = closed;
    this.#size = fs.fstatSync(descriptor).size;
    this.#syncs = new Syncs(loop, path, (ended) =>
      fs.fdatasync(descriptor, (error) => {
        ended(error);
        this.#release();
      }),
    );
  }

  get size(): number {
    return this.#size;
  }

  append(bytes: Uint8Array, done?: Done): void {
    this.#change(done, () => {
      for (let written = 0; written < bytes.length; )
        written += fs.writeSync(
          this.#descriptor,
          bytes,
          written,
          bytes.length - written,
          this.#size + written,
        );
      this.#size += bytes.length;
    });
  }

  truncate(size: number, done?: Done): void {
    this.#change(done, () => {
      fs.ftruncateSync(this.#descriptor, size);
      this.#size = size;
    });
  }

  sync(done: Done): void {
    if (this.#usable()) this.#syncs.ask(done);
  }

  close(): void {
    this.#open = false;
    this.#release();
  }

  /** Gives the descriptor back once it is closed and no sync needs it. */
  #release(): void {
    if (this.#open || this.#released || !this.#syncs.idle) return;
    this.#released = true;
    fs.closeSync(this.#descriptor);
    this.#closed(this);
  }

  #change(done: Done | undefined, change: () => void): void {
    if (!this.#usable()) return;
    let failure: DiskError | undefined;
    try {
      change();
    } catch (error) {
      failure = diskError(error, this.path);
      if (done === undefined) this.#syncs.fail(failure);
    }
    if (done !== undefined) this.#loop.defer(() => done(failure));
  }

  /** A use after `close` is an error in the node. */
  #usable(): boolean {
    if (!this.#loop.alive) return false;
    if (!this.#open) throw new Error(`${this.path} is closed`);
    return true;
  }
}

/** Makes the names in a directory durable. */
function syncNames(directory: string, done: (error: Error | null) => void): void {
  fs.open(directory, "r", (openError, descriptor) => {
    if (openError !== null) return done(openError);
    fs.fsync(descriptor, (error) => fs.close(descriptor, () => done(error)));
  });
}

/** The same, and waits for it. */
function syncNamesNow(directory: string): void {
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
