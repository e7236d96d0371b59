/**
 * The contents of one file twice: as the page cache shows them, and as they are on the platter.
 *
 * Files only grow and shrink at the end, so the two differ from one offset on; appending, syncing and losing the
 * power cost what was written since, not what the file holds.
 */
import type { Nanos } from "../../src/history/op.ts";
import type { Random } from "../../src/runtime/random.ts";
import type { DiskErrorCode } from "../../src/runtime/runtime.ts";

export const PAGE = 4096;
const SECTOR = 512;

/** A sync on its way: bytes [from, to) as they were when it was asked for. */
export interface PendingSync {
  readonly from: number;
  readonly to: number;
  /** Set if the file was truncated into the range meanwhile. */
  copy: Uint8Array | undefined;
}

export class Inode {
  path: string;
  /** True time at which the last request asked for will be completed. */
  ready: Nanos = 0;
  /** Error of a write that nobody waited for; the next sync tells. */
  unreported: DiskErrorCode | undefined;

  #cache = new Uint8Array(0);
  #size = 0;
  #platter = new Uint8Array(0);
  #platterSize = 0;
  /** Everything before is equal in both, except for what a failed sync has dropped. */
  #dirtyFrom = 0;
  #pending: PendingSync[] = [];

  constructor(path: string) {
    this.path = path;
  }

  get size(): number {
    return this.#size;
  }

  get durableSize(): number {
    return this.#platterSize;
  }

  /** A copy of what the page cache holds of bytes [from, to). */
  contents(from: number, to: number): Uint8Array {
    return this.#cache.slice(from, Math.min(to, this.#size));
  }

  /** A view of the bytes that survive any loss of power. */
  safe(): Uint8Array {
    return this.#platter.subarray(0, Math.min(this.#platterSize, this.#volatileFrom()));
  }

  append(bytes: Uint8Array): void {
    const end = this.#size + bytes.length;
    this.#cache = roomFor(this.#cache, end);
    this.#cache.set(bytes, this.#size);
    this.#size = end;
  }

  /** Cuts the file to `size` bytes; grows it with zeros if it is shorter. */
  truncate(size: number): void {
    if (size >= this.#size) {
      this.append(new Uint8Array(size - this.#size));
      return;
    }
    for (const sync of this.#pending)
      if (sync.to > size && sync.copy === undefined) sync.copy = this.#cache.slice(sync.from, sync.to);
    this.#size = size;
    if (size < this.#dirtyFrom) this.#dirtyFrom = size;
  }

  beginSync(): PendingSync {
    const sync: PendingSync = { from: this.#dirtyFrom, to: this.#size, copy: undefined };
    this.#dirtyFrom = this.#size;
    this.#pending.push(sync);
    return sync;
  }

  endSync(sync: PendingSync): void {
    const at = this.#pending.indexOf(sync);
    if (at < 0) return;
    if (at === 0) this.#pending.shift();
    else this.#pending.splice(at, 1);
    this.#platter = roomFor(this.#platter, sync.to);
    // Bytes between the old end and `from` were dropped by a failed sync: a hole.
    if (sync.from > this.#platterSize) this.#platter.fill(0, this.#platterSize, sync.from);
    this.#platter.set(sync.copy ?? this.#cache.subarray(sync.from, sync.to), sync.from);
    this.#platterSize = sync.to;
  }

  /** Takes unsynced data for written, as Linux does after a write-back error: the cache is clean, the platter old. */
  forgetDirty(): void {
    this.#dirtyFrom = this.#size;
  }

  /** What was on its way is as dirty as before. */
  abandonSyncs(): void {
    this.#dirtyFrom = this.#volatileFrom();
    this.#pending = [];
  }

  /** Decides what is left of unsynced data, and makes the page cache what the platter holds. */
  powerOff(random: Random): { lost: number; torn: number } {
    this.abandonSyncs();
    const from = this.#dirtyFrom;
    const oldSize = this.#platterSize;
    let lost = 0;
    let torn = 0;
    let end = Math.min(from, oldSize);
    if (from < this.#size || from < oldSize) {
      this.#platter = roomFor(this.#platter, Math.max(this.#size, oldSize));
      if (this.#size > oldSize) this.#platter.fill(0, oldSize, this.#size);
      for (let page = from - (from % PAGE); page < this.#size; page += PAGE) {
        // One page in three is written whole, one not at all, one in part.
        const chance = random.below(3) / 2;
        let written = 0;
        let missing = 0;
        for (let sector = page; sector < page + PAGE && sector < this.#size; sector += SECTOR) {
          const start = Math.max(sector, from);
          const stop = Math.min(sector + SECTOR, this.#size);
          if (start >= stop) continue;
          if (!random.chance(chance)) {
            missing++;
            continue;
          }
          written++;
          this.#platter.set(this.#cache.subarray(start, stop), start);
          end = stop;
        }
        if (missing > 0 && written > 0) torn++;
        else if (missing > 0) lost++;
      }
      // The size is metadata of its own: the new one, the old one, or just enough for the data.
      const sizes = [this.#size, Math.max(end, oldSize), Math.max(end, Math.min(this.#size, oldSize))];
      this.#platterSize = random.pick(sizes);
    }
    this.#size = this.#platterSize;
    this.#cache = roomFor(this.#cache, this.#size);
    this.#cache.set(this.#platter.subarray(0, this.#size), 0);
    this.#dirtyFrom = this.#size;
    return { lost, torn };
  }

  /** Flips one bit of the durable contents, and of what is cached of them. */
  flip(bit: number): void {
    const at = bit >> 3;
    const mask = 1 << (bit & 7);
    this.#platter[at] = (this.#platter[at] as number) ^ mask;
    if (at < this.#volatileFrom()) this.#cache[at] = (this.#cache[at] as number) ^ mask;
  }

  /** Cuts bytes off the end, on the platter and in the cache. Returns how many. */
  shorten(bytes: number): number {
    const before = this.#platterSize;
    this.#platterSize = Math.max(0, before - bytes);
    if (this.#size > this.#platterSize) this.#size = this.#platterSize;
    if (this.#dirtyFrom > this.#size) this.#dirtyFrom = this.#size;
    this.#pending = [];
    return before - this.#platterSize;
  }

  #volatileFrom(): number {
    let from = this.#dirtyFrom;
    for (const sync of this.#pending) if (sync.from < from) from = sync.from;
    return from;
  }
}

/** A buffer of at least `size` bytes that begins like `buffer`; grown by doubling. */
function roomFor(buffer: Uint8Array<ArrayBuffer>, size: number): Uint8Array<ArrayBuffer> {
  if (size <= buffer.length) return buffer;
  const grown = new Uint8Array(Math.max(size, buffer.length * 2, 1024));
  grown.set(buffer);
  return grown;
}
