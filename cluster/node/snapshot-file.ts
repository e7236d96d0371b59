/**
 * Snapshots of the state machine, one file each. A file is written aside, synced, renamed, and its directory synced:
 * a name ending in ".snap" stands for a whole file, unless the disk is damaged.
 */

import { type Disk, DiskError } from "../../src/runtime/runtime.ts";
import type { Index, SnapshotMeta } from "../raft/message.ts";
import { getU32, putU32 } from "./bytes.ts";
import { crc32 } from "./crc32.ts";
import type { SnapshotMarker } from "./wal-format.ts";

export const SNAPSHOT_DIRECTORY = "snap";
const NAME = /^(\d{16})-(\d{16})\.snap(\.tmp)?$/;
/** magic, CRC of all that follows, length of the meta data. */
const HEADER_BYTES = 12;
const MAGIC = 0x4c41_534e;

/** A snapshot whose state is bytes. */
export interface StateSnapshot {
  readonly meta: SnapshotMeta;
  readonly data: Uint8Array;
}

/**
 * The newest valid snapshot among those that the log knows to be durable. A file that the log does not know was
 * never used: the member crashed while saving it.
 */
export function loadSnapshot(disk: Disk, markers: readonly SnapshotMarker[]): StateSnapshot | undefined {
  const names = new Set(markers.map(fileName));
  for (const name of disk.list(SNAPSHOT_DIRECTORY).reverse()) {
    if (!names.has(name)) continue;
    const snapshot = decodeSnapshot(disk.read(`${SNAPSHOT_DIRECTORY}/${name}`));
    if (snapshot !== undefined && fileName(snapshot.meta) === name) return snapshot;
  }
  return undefined;
}

/** Index of the newest snapshot file, whatever it holds; 0 if there is none. */
export function newestSnapshotIndex(disk: Disk): Index {
  const names = disk.list(SNAPSHOT_DIRECTORY).filter((name) => name.endsWith(".snap"));
  return Number(NAME.exec(names.at(-1) ?? "")?.[1] ?? 0);
}

export function encodeSnapshot(snapshot: StateSnapshot): Uint8Array {
  const meta = new TextEncoder().encode(JSON.stringify(snapshot.meta));
  const bytes = new Uint8Array(HEADER_BYTES + meta.length + snapshot.data.length);
  putU32(bytes, 0, MAGIC);
  putU32(bytes, 8, meta.length);
  bytes.set(meta, HEADER_BYTES);
  bytes.set(snapshot.data, HEADER_BYTES + meta.length);
  putU32(bytes, 4, crc32(bytes, 8));
  return bytes;
}

/** Undefined if the bytes are not a whole snapshot. */
export function decodeSnapshot(bytes: Uint8Array): StateSnapshot | undefined {
  if (bytes.length < HEADER_BYTES || getU32(bytes, 0) !== MAGIC || getU32(bytes, 4) !== crc32(bytes, 8))
    return undefined;
  const end = HEADER_BYTES + getU32(bytes, 8);
  const meta = JSON.parse(new TextDecoder().decode(bytes.subarray(HEADER_BYTES, end))) as SnapshotMeta;
  return { meta, data: bytes.slice(end) };
}

export class SnapshotFiles {
  readonly #disk: Disk;
  readonly #bug: string;
  readonly #failed: (error: DiskError) => void;
  /** The first is being saved. */
  readonly #saves: { readonly snapshot: StateSnapshot; readonly done: () => void }[] = [];

  constructor(disk: Disk, bug: string, failed: (error: DiskError) => void) {
    this.#disk = disk;
    this.#bug = bug;
    this.#failed = failed;
  }

  /** Calls `done` once the snapshot is durable under its name. One is saved at a time, in the order of the calls. */
  save(snapshot: StateSnapshot, done: () => void): void {
    if (this.#saves.push({ snapshot, done }) === 1) this.#saveFirst();
  }

  #saveFirst(): void {
    const save = this.#saves[0];
    if (save === undefined) return;
    const path = `${SNAPSHOT_DIRECTORY}/${fileName(save.snapshot.meta)}`;
    const aside = `${path}.tmp`;
    const next = (step: () => void) => (error?: DiskError) => {
      if (error !== undefined) this.#failed(error);
      else step();
    };
    const saved = next(() => {
      this.#saves.shift();
      // Before `done`, which may save another: that one starts by itself only if none is being saved.
      this.#saveFirst();
      save.done();
    });
    const renamed = next(() => {
      if (this.#bug === "directory-not-synced") saved();
      else this.#disk.syncDirectory(SNAPSHOT_DIRECTORY, saved);
    });
    try {
      const file = this.#disk.open(aside);
      file.truncate(0);
      file.append(encodeSnapshot(save.snapshot));
      const whole = next(() => {
        file.close();
        this.#disk.rename(aside, path, renamed);
      });
      if (this.#bug === "snapshot-not-synced") whole();
      else file.sync(whole);
    } catch (error) {
      if (error instanceof DiskError) this.#failed(error);
      else throw error;
    }
  }

  /** Removes snapshots before `index`, and what a crash left half written. */
  removeBefore(index: Index): void {
    const saving = this.#saves[0];
    for (const name of this.#disk.list(SNAPSHOT_DIRECTORY)) {
      const match = NAME.exec(name);
      if (match === null || Number(match[1]) >= index) continue;
      if (match[3] !== undefined && saving !== undefined && name.startsWith(fileName(saving.snapshot.meta)))
        continue;
      // A removal that is lost, or fails, costs some space until the next one.
      this.#disk.remove(`${SNAPSHOT_DIRECTORY}/${name}`, () => {});
    }
  }
}

function fileName(of: SnapshotMarker): string {
  return `${String(of.index).padStart(16, "0")}-${String(of.term).padStart(16, "0")}.snap`;
}
