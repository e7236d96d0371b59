/**
 * The segmented write-ahead log of one member. What its `append` has called back for survives a loss of power.
 *
 * Group commit: one write and one sync are in flight; all that is appended meanwhile goes out with the next.
 * A segment is synced, and so is its name, before the next one takes over; hence only the last can be torn.
 */

import type { Disk, DiskError, DiskFile } from "../../src/runtime/runtime.ts";
import type { Entry, HardState, Index } from "../raft/message.ts";
import {
  FrameWriter,
  type Identity,
  readSegment,
  type SnapshotMarker,
  type WalRecord,
} from "./wal-format.ts";

export const WAL_DIRECTORY = "wal";
const SEGMENT_NAME = /^(\d{10})-(\d{16})\.wal$/;

/** The log cannot be trusted: it is damaged, incomplete, or another member's. */
export class WalError extends Error {
  override readonly name = "WalError";
}

interface Segment {
  readonly path: string;
  readonly sequence: number;
  /** Every entry in earlier segments that still counts is before this one. */
  readonly firstIndex: Index;
}

/** What a log says after a restart. */
export interface WalContents {
  /** Incarnations so far; 0 for a log that was never opened. */
  readonly incarnation: number;
  readonly hard: HardState;
  /** Contiguous. */
  readonly entries: readonly Entry[];
  /** Snapshots known to be durable, oldest first. */
  readonly markers: readonly SnapshotMarker[];
  readonly segments: readonly Segment[];
  /** Sound bytes of the last segment; the rest is a torn tail. */
  readonly length: number;
  readonly tornBytes: number;
}

/** Reads a log without changing it. Throws WalError, or DiskError if it cannot be read. */
export function replayWal(disk: Disk, identity: Identity, bug: string): WalContents {
  const segments = listSegments(disk);
  const replay = new Replay(bug === "wal-keeps-suffix");
  let length = 0;
  let tornBytes = 0;
  segments.forEach((segment, position) => {
    const previous = segments[position - 1];
    if (previous !== undefined && segment.sequence !== previous.sequence + 1)
      throw new WalError(`${segment.path} does not follow ${previous.path}: a segment is missing`);
    const bytes = disk.read(segment.path);
    const contents = readSegment(bytes, bug === "torn-tail-unchecked");
    const last = position === segments.length - 1;
    if (contents.end === "damaged" || (contents.end === "torn" && !last))
      throw new WalError(`${segment.path} is damaged at byte ${contents.length} of ${bytes.length}`);
    if (!last && contents.records.length === 0) throw new WalError(`${segment.path} is empty`);
    checkIdentity(segment, contents.records, identity);
    for (const record of contents.records) replay.add(record, segment.path);
    length = contents.length;
    tornBytes = bytes.length - contents.length;
  });
  const { incarnation, hard, entries, markers } = replay;
  return { incarnation, hard, entries, markers, segments, length, tornBytes };
}

function listSegments(disk: Disk): Segment[] {
  const segments: Segment[] = [];
  for (const name of disk.list(WAL_DIRECTORY)) {
    const match = SEGMENT_NAME.exec(name);
    if (match === null) continue;
    segments.push({
      path: `${WAL_DIRECTORY}/${name}`,
      sequence: Number(match[1]),
      firstIndex: Number(match[2]),
    });
  }
  return segments;
}

function checkIdentity(segment: Segment, records: readonly WalRecord[], identity: Identity): void {
  const first = records[0];
  if (first === undefined) return;
  if (first.kind !== "identity" || first.sequence !== segment.sequence)
    throw new WalError(`${segment.path} does not begin with its own header`);
  if (first.clusterId !== identity.clusterId || first.member !== identity.member)
    throw new WalError(
      `${segment.path} belongs to member ${first.member} of cluster ${first.clusterId}, ` +
        `not to member ${identity.member} of cluster ${identity.clusterId}`,
    );
}

/** The log as the records rebuild it, one after the other. */
class Replay {
  incarnation = 0;
  hard: HardState = { term: 0, vote: 0, commit: 0 };
  entries: Entry[] = [];
  markers: SnapshotMarker[] = [];
  /** Index before the first entry, once it is known. */
  #base: Index | undefined;
  readonly #keepsSuffix: boolean;

  constructor(keepsSuffix: boolean) {
    this.#keepsSuffix = keepsSuffix;
  }

  add(record: WalRecord, path: string): void {
    switch (record.kind) {
      case "identity":
        this.incarnation = record.incarnation;
        return;
      case "hard":
        this.hard = { term: record.term, vote: record.vote, commit: record.commit };
        return;
      case "marker":
        this.#mark({ index: record.index, term: record.term });
        return;
      case "entry":
        this.#append(record.entry, path);
    }
  }

  #append(entry: Entry, path: string): void {
    this.#base ??= entry.index - 1;
    const position = entry.index - this.#base - 1;
    if (position < 0 || position > this.entries.length)
      throw new WalError(`${path} has entry ${entry.index} after ${this.#base + this.entries.length}`);
    if (this.#keepsSuffix && position < this.entries.length) this.entries[position] = entry;
    else {
      this.entries.length = position;
      this.entries.push(entry);
    }
  }

  /** A snapshot that the log does not lead to replaces the whole log; any other leaves it alone. */
  #mark(marker: SnapshotMarker): void {
    this.markers.push(marker);
    if (this.#base !== undefined && marker.index <= this.#base) return;
    const position = marker.index - (this.#base ?? 0) - 1;
    if (this.#base !== undefined && this.entries[position]?.term === marker.term) return;
    this.#base = marker.index;
    this.entries = [];
  }
}

/** Whoever appended something. */
export interface Waiter {
  /** It is with the disk: durable once the first `end` bytes of `path` are. */
  written?(path: string, end: number): void;
  /** It is durable. */
  durable(): void;
}

export interface WalOptions extends Identity {
  /** A segment longer than this is the last of its kind. Below 2^32. */
  readonly segmentBytes: number;
  readonly bug: string;
  trace(kind: "wal-repaired" | "segment-cut", detail: { readonly [field: string]: number }): void;
  /** The log can no longer be written. A failed sync is never tried again: what it lost is unknown. */
  failed(error: DiskError): void;
}

export class Wal {
  readonly #disk: Disk;
  readonly #options: WalOptions;
  readonly #segments: Segment[];
  readonly #incarnation: number;
  readonly #writer = new FrameWriter();
  #file: DiskFile | undefined;
  /** Bytes of the current segment that are written, and that are synced. */
  #length = 0;
  #durable = 0;
  #busy = true;
  #waiting: Waiter[] = [];
  #hard: HardState;
  #writtenHard: HardState;
  #marker: SnapshotMarker | undefined;
  #lastIndex: Index;
  #syncedIndex: Index;
  #releasing = false;

  constructor(disk: Disk, options: WalOptions, contents: WalContents) {
    this.#disk = disk;
    this.#options = options;
    this.#segments = [...contents.segments];
    this.#incarnation = contents.incarnation + 1;
    this.#hard = contents.hard;
    this.#writtenHard = contents.hard;
    this.#marker = contents.markers.at(-1);
    this.#lastIndex = contents.entries.at(-1)?.index ?? this.#marker?.index ?? 0;
    this.#syncedIndex = this.#lastIndex;
    this.#length = contents.length;
  }

  /** Number of this incarnation: no other of this member had it. */
  get incarnation(): number {
    return this.#incarnation;
  }

  /** Last index that is truly durable here. */
  get syncedIndex(): Index {
    return this.#syncedIndex;
  }

  /** Cuts the torn tail off, makes durable what was read, and opens the log for this incarnation. */
  open(contents: WalContents, done: () => void): void {
    const ready = () => {
      this.#busy = false;
      done();
      this.#flush();
    };
    const last = this.#segments.at(-1);
    if (last === undefined) {
      this.#cut(ready);
      return;
    }
    const file = this.#open(last.path);
    if (file === undefined) return;
    this.#file = file;
    const begin = () => {
      this.#addHeader(last.sequence);
      this.#write(() => this.#syncNames(ready));
    };
    if (contents.tornBytes === 0) begin();
    else {
      // The tail must be gone before new frames stand in its place: its leftovers could follow on from them.
      file.truncate(contents.length, this.#checked);
      file.sync((error) => {
        if (error !== undefined) return this.#options.failed(error);
        this.#options.trace("wal-repaired", { length: contents.length, bytes: contents.tornBytes });
        begin();
      });
    }
  }

  /**
   * Makes a hard state, entries and a marker durable, in the order of the calls; then tells the waiter. A hard state
   * that differs in its commit index only is not written until there is more: losing it loses nothing.
   */
  append(
    hard: HardState | undefined,
    entries: readonly Entry[],
    marker: SnapshotMarker | undefined,
    waiter: Waiter,
  ): void {
    if (hard !== undefined) this.#hard = hard;
    for (const entry of entries) {
      this.#writer.add({ kind: "entry", entry });
      this.#lastIndex = entry.index;
    }
    if (marker !== undefined) {
      if (marker.index > this.#lastIndex) this.#lastIndex = marker.index;
      this.#marker = marker;
      this.#writer.add({ kind: "marker", index: marker.index, term: marker.term });
    }
    this.#waiting.push(waiter);
    this.#flush();
  }

  /** Removes the segments whose entries are all in the snapshot at `index`. */
  release(index: Index): void {
    if (this.#releasing) return;
    const next = this.#segments[1];
    const first = this.#segments[0];
    if (first === undefined || next === undefined || next.firstIndex > index + 1) return;
    this.#releasing = true;
    // One by one, oldest first and synced: names that vanish out of order would look like a missing segment.
    this.#disk.remove(first.path, (error) => {
      if (error !== undefined) return this.#options.failed(error);
      this.#segments.shift();
      this.#syncNames(() => {
        this.#releasing = false;
        this.release(index);
      });
    });
  }

  readonly #checked = (error?: DiskError): void => {
    if (error !== undefined) this.#options.failed(error);
  };

  #flush(): void {
    if (this.#busy || this.#waiting.length === 0) return;
    this.#busy = true;
    const { term, vote } = this.#writtenHard;
    const waiting = this.#waiting;
    this.#waiting = [];
    if (this.#writer.empty && this.#hard.term === term && this.#hard.vote === vote) {
      this.#written(waiting);
      durable(waiting);
      this.#next();
      return;
    }
    this.#addHard();
    this.#write(() => {
      if (this.#options.bug !== "ack-before-fsync") durable(waiting);
      if (this.#length < this.#options.segmentBytes) this.#next();
      else this.#cut(() => this.#next());
    }, waiting);
  }

  #next(): void {
    this.#busy = false;
    this.#flush();
  }

  #addHard(): void {
    if (this.#hard === this.#writtenHard) return;
    this.#writtenHard = this.#hard;
    const { term, vote, commit } = this.#hard;
    this.#writer.add({
      kind: "hard",
      term,
      vote: this.#options.bug === "vote-not-persisted" ? 0 : vote,
      commit,
    });
  }

  #addHeader(sequence: number): void {
    const { clusterId, member } = this.#options;
    this.#writer.add({ kind: "identity", clusterId, member, incarnation: this.#incarnation, sequence });
    this.#writtenHard = { term: -1, vote: -1, commit: -1 };
    this.#addHard();
    if (this.#marker !== undefined) this.#writer.add({ kind: "marker", ...this.#marker });
  }

  /** Writes and syncs one frame of all that was added. */
  #write(synced: () => void, waiting: readonly Waiter[] = []): void {
    const file = this.#file as DiskFile;
    const bytes = this.#writer.take(this.#length, this.#durable);
    const length = this.#length + bytes.length;
    this.#length = length;
    const index = this.#lastIndex;
    file.append(bytes, (error) => {
      if (error !== undefined) return this.#options.failed(error);
      if (this.#options.bug === "ack-before-fsync") durable(waiting);
    });
    this.#written(waiting);
    file.sync((error) => {
      if (error !== undefined) return this.#options.failed(error);
      this.#durable = length;
      this.#syncedIndex = index;
      synced();
    });
  }

  #written(waiting: readonly Waiter[]): void {
    const { path } = this.#segments.at(-1) as Segment;
    for (const waiter of waiting) waiter.written?.(path, this.#length);
  }

  #cut(done: () => void): void {
    const sequence = (this.#segments.at(-1)?.sequence ?? 0) + 1;
    const firstIndex = this.#lastIndex + 1;
    const path = `${WAL_DIRECTORY}/${decimal(sequence, 10)}-${decimal(firstIndex, 16)}.wal`;
    const file = this.#open(path);
    if (file === undefined) return;
    this.#file?.close();
    this.#file = file;
    this.#length = 0;
    this.#durable = 0;
    this.#segments.push({ path, sequence, firstIndex });
    this.#addHeader(sequence);
    this.#write(() =>
      this.#syncNames(() => {
        this.#options.trace("segment-cut", { sequence, firstIndex });
        done();
      }),
    );
  }

  #syncNames(done: () => void): void {
    if (this.#options.bug === "directory-not-synced") done();
    else
      this.#disk.syncDirectory(WAL_DIRECTORY, (error) => {
        if (error !== undefined) this.#options.failed(error);
        else done();
      });
  }

  #open(path: string): DiskFile | undefined {
    try {
      return this.#disk.open(path);
    } catch (error) {
      this.#options.failed(error as DiskError);
      return undefined;
    }
  }
}

function durable(waiting: readonly Waiter[]): void {
  for (const waiter of waiting) waiter.durable();
}

function decimal(value: number, width: number): string {
  return String(value).padStart(width, "0");
}
