/**
 * Snapshots of the state machine, one file each. A file is written aside, synced, renamed, and its directory synced:
 * a name ending in ".snap" stands for a whole file, unless the disk is damaged.
 *
 * A large one takes a while: it is encoded frame by frame, and whatever the node has to do comes in between.
 */

import { type Disk, DiskError, type DiskFile } from "../../src/runtime/runtime.ts";
import type { StoreOptions } from "../kv/store.ts";
import type { Index } from "../raft/message.ts";
import {
  type DecodedSnapshot,
  FRAME_HEADER_BYTES,
  frameLength,
  framesOf,
  SnapshotDecoder,
  SnapshotError,
  type SnapshotSource,
} from "./snapshot-format.ts";
import type { SnapshotMarker } from "./wal-format.ts";

export const SNAPSHOT_DIRECTORY = "snap";
const NAME = /^(\d{16})-(\d{16})\.snap$/;
/** Bytes after which what was written so far is synced: the log, on the same disk, shall not wait for all of it. */
const SYNC_BYTES = 32 << 20;

/**
 * The newest valid snapshot among those that the log knows to be durable; gives way between frames. A file that the
 * log does not know was never used: the member crashed while saving it.
 */
export function* loadSnapshot(
  disk: Disk,
  markers: readonly SnapshotMarker[],
  options: StoreOptions,
): Generator<void, DecodedSnapshot | undefined> {
  const names = new Set(markers.map(snapshotFileName));
  for (const name of disk.list(SNAPSHOT_DIRECTORY).reverse()) {
    if (!names.has(name)) continue;
    try {
      return yield* readSnapshot(disk, name, options);
    } catch (error) {
      if (!(error instanceof SnapshotError)) throw error;
    }
  }
  return undefined;
}

/** Reads one file of the snapshots' directory; gives way between frames. Throws SnapshotError or DiskError. */
export function* readSnapshot(
  disk: Disk,
  name: string,
  options: StoreOptions,
): Generator<void, DecodedSnapshot> {
  const path = `${SNAPSHOT_DIRECTORY}/${name}`;
  const decoder = new SnapshotDecoder(options);
  for (let at = 0; !decoder.ended; ) {
    const length = frameLength(disk.read(path, at, FRAME_HEADER_BYTES));
    decoder.add(disk.read(path, at, length));
    at += length;
    yield;
  }
  const snapshot = decoder.finish();
  if (snapshotFileName(snapshot.meta) !== name) throw new SnapshotError("it is not of when its name says");
  return snapshot;
}

/** Or else it was left half written. */
export function isSnapshotFile(name: string): boolean {
  return NAME.test(name);
}

/** Index of the newest snapshot file, whatever it holds; 0 if there is none. */
export function newestSnapshotIndex(disk: Disk): Index {
  const names = disk.list(SNAPSHOT_DIRECTORY).filter(isSnapshotFile);
  return Number(NAME.exec(names.at(-1) ?? "")?.[1] ?? 0);
}

/** A snapshot on its way in from the leader: decoded, and written to a file aside, as it comes. */
export class Reception {
  readonly path: string;
  readonly #file: DiskFile;
  readonly #decoder: SnapshotDecoder;
  readonly #failed: (error: DiskError) => void;

  constructor(path: string, file: DiskFile, { store, maxBytes, failed }: SnapshotFilesOptions) {
    this.path = path;
    this.#file = file;
    this.#decoder = new SnapshotDecoder(store, maxBytes);
    this.#failed = failed;
  }

  get ended(): boolean {
    return this.#decoder.ended;
  }

  get file(): DiskFile {
    return this.#file;
  }

  /** Calls `taken` when there is room for more. Throws SnapshotError unless this is the next frame. */
  add(frame: Uint8Array, taken: () => void): void {
    this.#decoder.add(frame);
    this.#file.append(frame, (error) => {
      if (error !== undefined) this.#failed(error);
      else taken();
    });
  }

  /** Throws SnapshotError if frames are missing. */
  finish(): DecodedSnapshot {
    return this.#decoder.finish();
  }
}

interface Save {
  readonly marker: SnapshotMarker;
  /** What is written: nothing more if it was received. */
  readonly source: SnapshotSource | Reception;
  readonly done: () => void;
}

export interface SnapshotFilesOptions {
  /** Frames this long are each given a turn of their own. */
  readonly chunkBytes: number;
  readonly store: StoreOptions;
  /** What a state that comes in may take in memory. */
  readonly maxBytes?: number | undefined;
  readonly failed: (error: DiskError) => void;
}

export class SnapshotFiles {
  readonly #disk: Disk;
  readonly #options: SnapshotFilesOptions;
  /** The first is being saved. */
  readonly #saves: Save[] = [];
  /** Names of files aside that are being written. */
  readonly #aside = new Set<string>();
  #receptions = 0;

  constructor(disk: Disk, options: SnapshotFilesOptions) {
    this.#disk = disk;
    this.#options = options;
  }

  /** Calls `done` once the snapshot is durable under its name. One is saved at a time, in the order of the calls. */
  save(source: SnapshotSource, done: () => void): void {
    this.#add({ marker: source.meta, source, done });
  }

  /** The same, of one that has come in. */
  adopt(reception: Reception, marker: SnapshotMarker, done: () => void): void {
    this.#add({ marker, source: reception, done });
  }

  /** Begins to receive a snapshot, which has to be adopted or discarded in the end. Throws DiskError. */
  receive(): Reception {
    const name = `incoming-${++this.#receptions}`;
    const path = `${SNAPSHOT_DIRECTORY}/${name}`;
    const file = this.#disk.open(path);
    file.truncate(0);
    this.#aside.add(name);
    return new Reception(path, file, this.#options);
  }

  discard({ path, file }: Reception): void {
    file.close();
    this.#aside.delete(nameIn(path));
    this.#remove(nameIn(path));
  }

  /** Removes snapshots before `index`, and what a crash left half written. */
  removeBefore(index: Index): void {
    for (const name of this.#disk.list(SNAPSHOT_DIRECTORY)) {
      const match = NAME.exec(name);
      const old = match === null ? !this.#aside.has(name) : Number(match[1]) < index;
      if (old) this.#remove(name);
    }
  }

  /** A removal that is lost, or fails, costs some space until the next one. */
  #remove(name: string): void {
    this.#disk.remove(`${SNAPSHOT_DIRECTORY}/${name}`, () => {});
  }

  #add(save: Save): void {
    if (this.#saves.push(save) === 1) this.#saveFirst();
  }

  #saveFirst(): void {
    const save = this.#saves[0];
    if (save === undefined) return;
    const { source } = save;
    if (source instanceof Reception) this.#finish(save, source.path, source.file);
    else {
      const name = `${snapshotFileName(save.marker)}.tmp`;
      const path = `${SNAPSHOT_DIRECTORY}/${name}`;
      this.#aside.add(name);
      try {
        const file = this.#disk.open(path);
        file.truncate(0);
        this.#write(framesOf(source), file, 0, () => this.#finish(save, path, file));
      } catch (error) {
        if (error instanceof DiskError) this.#options.failed(error);
        else throw error;
      }
    }
  }

  /** Appends frames up to one that takes its time, and goes on when that is written. */
  #write(frames: Iterator<Uint8Array, void>, file: DiskFile, unsynced: number, then: () => void): void {
    const { chunkBytes } = this.#options;
    for (let next = frames.next(); next.done !== true; next = frames.next()) {
      const frame = next.value;
      if (frame.length < chunkBytes) {
        file.append(frame);
        continue;
      }
      const written = unsynced + frame.length;
      if (written < SYNC_BYTES)
        file.append(
          frame,
          this.#unlessFailed(() => this.#write(frames, file, written, then)),
        );
      else {
        file.append(frame);
        file.sync(this.#unlessFailed(() => this.#write(frames, file, 0, then)));
      }
      return;
    }
    then();
  }

  #finish(save: Save, aside: string, file: DiskFile): void {
    const path = `${SNAPSHOT_DIRECTORY}/${snapshotFileName(save.marker)}`;
    const saved = this.#unlessFailed(() => {
      this.#aside.delete(nameIn(aside));
      this.#saves.shift();
      // Before `done`, which may save another: that one starts by itself only if none is being saved.
      this.#saveFirst();
      save.done();
    });
    const renamed = this.#unlessFailed(() => {
      if (this.#options.store.bug === "directory-not-synced") saved();
      else this.#disk.syncDirectory(SNAPSHOT_DIRECTORY, saved);
    });
    const whole = this.#unlessFailed(() => {
      file.close();
      this.#disk.rename(aside, path, renamed);
    });
    if (this.#options.store.bug === "snapshot-not-synced") whole();
    else file.sync(whole);
  }

  #unlessFailed(step: () => void): (error?: DiskError) => void {
    return (error) => {
      if (error !== undefined) this.#options.failed(error);
      else step();
    };
  }
}

function nameIn(path: string): string {
  return path.slice(SNAPSHOT_DIRECTORY.length + 1);
}

/** What a snapshot of then is called in its directory. */
export function snapshotFileName(of: SnapshotMarker): string {
  return `${String(of.index).padStart(16, "0")}-${String(of.term).padStart(16, "0")}.snap`;
}
