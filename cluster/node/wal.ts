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
  /** Entries that were written and then replaced by those of another leader. */
  readonly overwritten: number;
}

/** Reads a log without changing it; gives way between segments. Throws WalError, or DiskError if it cannot be read. */
export function* replayWal(disk: Disk, identity: Identity, bug: string): Generator<void, WalContents> {
  const segments = listSegments(disk);
  const replay = new Replay(bug === "wal-keeps-suffix");
  let length = 0;
  let tornBytes = 0;
  for (const [position, segment] of segments.entries()) {
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
    yield;
  }
  const { incarnation, hard, entries, markers, overwritten } = replay;
  return { incarnation, hard, entries, markers, segments, length, tornBytes, overwritten };
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
  overwritten = 0;
  /** Index before the first entry, once there is one. */
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
    // The first segment may begin with entries that were replaced from further back: what lies before it was removed
    // because a snapshot covers it, and the entries that count come later.
    if (this.#base === undefined || entry.index <= this.#base) this.#base = entry.index - 1;
    const position = entry.index - this.#base - 1;
    if (position > this.entries.length)
      throw new WalError(`${path} has entry ${entry.index} after ${this.#base + this.entries.length}`);
    if (this.#keepsSuffix && position < this.entries.length) this.entries[position] = entry;
    else {
      this.overwritten += this.entries.length - position;
      this.entries.length = position;
      this.entries.push(entry);
    }
  }

  /** A snapshot that the log does not lead to replaces the whole log; any other leaves it alone. */
  #mark(marker: SnapshotMarker): void {
    this.markers.push(marker);
    if (this.#base === undefined || marker.index <= this.#base) return;
    if (this.entries[marker.index - this.#base - 1]?.term === marker.term) return;
    this.#base = undefined;
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

const nobody: Waiter[] = [];

export interface WalOptions extends Identity {
  /** A segment longer than this is the last of its kind. Below 2^32. */
  readonly segmentBytes: number;
  readonly bug: string;
  trace(
    kind: "wal-repaired" | "wal-overwritten" | "segment-cut",
    detail: { readonly [field: string]: number },
  ): void;
  /** The log can no longer be written. A failed sync is never tried again: what it lost is unknown. */
  failed(error: DiskError): void;
}

/** Where a log has come to. */
interface Position {
  readonly hard: HardState;
  readonly marker: SnapshotMarker | undefined;
  readonly lastIndex: Index;
}

export class Wal {
  readonly #disk: Disk;
  readonly #options: WalOptions;
  readonly #segments: Segment[];
  /** Number of this incarnation: no other of this member had it. */
  readonly incarnation: number;
  #file: DiskFile | undefined;
  /** Bytes of the current segment that are written, and that are synced. */
  #length: number;
  #durable = 0;
  #busy = true;
  /** What was appended since the last frame was written, and by whom. */
  readonly #queue = new FrameWriter();
  #waiting: Waiter[] = nobody;
  /** Those of the frame that is being written; there is one at a time. */
  #flushing: readonly Waiter[] = nobody;
  /** As of the last append. */
  #newest: Position;
  /** As of the last frame: what a new segment begins with. */
  #written: Position;
  #syncedIndex: Index;
  #releasing = false;

  constructor(disk: Disk, options: WalOptions, contents: WalContents) {
    this.#disk = disk;
    this.#options = options;
    this.#segments = [...contents.segments];
    this.incarnation = options.bug === "incarnation-reused" ? 1 : contents.incarnation + 1;
    const marker = contents.markers.at(-1);
    const lastIndex = contents.entries.at(-1)?.index ?? marker?.index ?? 0;
    this.#newest = { hard: contents.hard, marker, lastIndex };
    this.#written = this.#newest;
    this.#syncedIndex = lastIndex;
    this.#length = contents.length;
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
    const { overwritten } = contents;
    if (overwritten > 0) this.#options.trace("wal-overwritten", { entries: overwritten });
    const begin = () => this.#write(this.#header(last.sequence), () => this.#syncNames(ready));
    if (contents.tornBytes === 0 || this.#options.bug === "torn-tail-kept") begin();
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
    const { lastIndex } = this.#newest;
    for (const entry of entries) this.#queue.add({ kind: "entry", entry });
    if (marker !== undefined) this.#queue.add({ kind: "marker", index: marker.index, term: marker.term });
    this.#newest = {
      hard: hard ?? this.#newest.hard,
      marker: marker ?? this.#newest.marker,
      lastIndex: entries.at(-1)?.index ?? Math.max(lastIndex, marker?.index ?? 0),
    };
    // Mostly it is the only one: a list of one costs a third of an empty one that grows.
    if (this.#waiting.length === 0) this.#waiting = [waiter];
    else this.#waiting.push(waiter);
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
    const waiting = this.#waiting;
    this.#waiting = nobody;
    const { hard } = this.#newest;
    const old = this.#written.hard;
    const unchanged =
      (hard.term === old.term && hard.vote === old.vote) || this.#options.bug === "term-not-persisted";
    if (this.#queue.empty && unchanged) {
      this.#tellWritten(waiting);
      tellDurable(waiting);
      this.#next();
      return;
    }
    if (hard !== old) this.#queue.add(this.#hardRecord(hard));
    this.#written = this.#newest;
    const early = this.#options.bug === "ack-before-fsync";
    this.#flushing = early ? nobody : waiting;
    this.#write(this.#queue, this.#flushed, early ? () => tellDurable(waiting) : undefined);
    this.#tellWritten(waiting);
  }

  readonly #flushed = (): void => {
    tellDurable(this.#flushing);
    if (this.#options.bug === "group-commit-overreaches") tellDurable(this.#waiting.splice(0));
    if (this.#length < this.#options.segmentBytes) this.#next();
    else this.#cut(() => this.#next());
  };

  #next(): void {
    this.#busy = false;
    this.#flush();
  }

  #tellWritten(waiting: readonly Waiter[]): void {
    const { path } = this.#segments.at(-1) as Segment;
    for (const waiter of waiting) waiter.written?.(path, this.#length);
  }

  #hardRecord({ term, vote, commit }: HardState): WalRecord {
    return { kind: "hard", term, vote: this.#options.bug === "vote-not-persisted" ? 0 : vote, commit };
  }

  /** What a segment begins with, so that those before it are not needed for anything but their entries. */
  #header(sequence: number): FrameWriter {
    const { clusterId, member } = this.#options;
    const { hard, marker } = this.#written;
    const header = new FrameWriter();
    header.add({ kind: "identity", clusterId, member, incarnation: this.incarnation, sequence });
    header.add(this.#hardRecord(hard));
    if (marker !== undefined) header.add({ kind: "marker", index: marker.index, term: marker.term });
    return header;
  }

  /** Writes and syncs one frame. */
  #write(frame: FrameWriter, synced: () => void, appended?: () => void): void {
    const file = this.#file as DiskFile;
    const bytes = frame.take(this.#length, this.#durable);
    const length = this.#length + bytes.length;
    this.#length = length;
    const { lastIndex } = this.#written;
    // A failed append fails the sync too.
    file.append(bytes, appended);
    file.sync((error) => {
      if (error !== undefined) {
        this.#options.failed(error);
        return;
      }
      this.#durable = length;
      this.#syncedIndex = lastIndex;
      synced();
    });
  }

  #cut(done: () => void): void {
    const sequence = (this.#segments.at(-1)?.sequence ?? 0) + 1;
    const firstIndex = this.#written.lastIndex + 1;
    const path = `${WAL_DIRECTORY}/${decimal(sequence, 10)}-${decimal(firstIndex, 16)}.wal`;
    const file = this.#open(path);
    if (file === undefined) return;
    this.#file?.close();
    this.#file = file;
    this.#length = 0;
    this.#durable = 0;
    this.#segments.push({ path, sequence, firstIndex });
    this.#write(this.#header(sequence), () =>
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

function tellDurable(waiting: readonly Waiter[]): void {
  for (const waiter of waiting) waiter.durable();
}

function decimal(value: number, width: number): string {
  return String(value).padStart(width, "0");
}
