/**
 * How the write-ahead log lies on disk. A segment is a list of *frames*, one per group commit; a frame is a header
 * and a list of *records*.
 *
 * After a crash the end of a log may be torn: a suffix that was never synced may be cut off, or have sectors that
 * were never written (they read as zeros). That is no damage. Everything else that does not check out is damage,
 * and must never be mistaken for a torn tail, or acknowledged entries silently vanish (Alagappan et al.,
 * "Protocol-Aware Recovery for Consensus-Based Storage", FAST 2018). Hence each header says how much of the file
 * was durable when the frame was written, and where it stands: a later frame proves that an earlier one was synced.
 */
import type { ConfigChange, Entry, HardState, Index, Term } from "../raft/message.ts";
import { getU32, getU48, putU32, putU48 } from "./bytes.ts";
import { crc32 } from "./crc32.ts";

/** magic, payload length, own offset, durable length of the file, CRC of the payload, CRC of this header. */
export const HEADER_BYTES = 24;
const MAGIC = 0x4c41_5746;
const SECTOR_BYTES = 512;

export interface SnapshotMarker {
  readonly index: Index;
  readonly term: Term;
}

/** Whose log this is. */
export interface Identity {
  readonly clusterId: number;
  readonly member: number;
}

export type WalRecord =
  | { readonly kind: "entry"; readonly entry: Entry }
  | ({ readonly kind: "hard" } & HardState)
  | ({ readonly kind: "marker" } & SnapshotMarker)
  /** Opens a segment, and each incarnation. `sequence` is the segment's number. */
  | ({ readonly kind: "identity"; readonly incarnation: number; readonly sequence: number } & Identity);

const ENTRY = 1;
const CONFIG_ENTRY = 2;
const HARD = 3;
const MARKER = 4;
const IDENTITY = 5;

const ENTRY_BYTES = 1 + 6 + 6 + 4;

export class FrameWriter {
  /** Only the first `#count` are to come: a list that is emptied gives its memory back, and this fills again at once. */
  readonly #parts: WalRecord[] = [];
  #count = 0;
  #changes: Uint8Array[] = [];
  #length = 0;

  get empty(): boolean {
    return this.#count === 0;
  }

  add(record: WalRecord): void {
    this.#parts[this.#count++] = record;
    switch (record.kind) {
      case "entry":
        this.#length += ENTRY_BYTES + record.entry.data.length;
        if (record.entry.kind === "config") {
          const change = new TextEncoder().encode(JSON.stringify(record.entry.change));
          this.#changes.push(change);
          this.#length += 4 + change.length;
        }
        break;
      case "hard":
        this.#length += 19;
        break;
      case "marker":
        this.#length += 13;
        break;
      case "identity":
        this.#length += 21;
        break;
    }
  }

  /** The frame of everything added, to stand at `offset`; the writer is empty again. */
  take(offset: number, durable: number): Uint8Array {
    // From the pool: every byte is written below, and so small an array would cost more than filling it.
    const bytes = Buffer.allocUnsafe(HEADER_BYTES + this.#length);
    let at = HEADER_BYTES;
    let change = 0;
    for (let i = 0; i < this.#count; i++) {
      const part = this.#parts[i] as WalRecord;
      switch (part.kind) {
        case "entry": {
          const { entry } = part;
          bytes[at] = entry.kind === "config" ? CONFIG_ENTRY : ENTRY;
          at = putU48(bytes, at + 1, entry.index);
          at = putU48(bytes, at, entry.term);
          at = putU32(bytes, at, entry.data.length);
          bytes.set(entry.data, at);
          at += entry.data.length;
          if (entry.kind === "config") {
            const encoded = this.#changes[change++] as Uint8Array;
            at = putU32(bytes, at, encoded.length);
            bytes.set(encoded, at);
            at += encoded.length;
          }
          break;
        }
        case "hard":
          bytes[at] = HARD;
          at = putU48(bytes, at + 1, part.term);
          at = putU48(bytes, at, part.vote);
          at = putU48(bytes, at, part.commit);
          break;
        case "marker":
          bytes[at] = MARKER;
          at = putU48(bytes, at + 1, part.index);
          at = putU48(bytes, at, part.term);
          break;
        case "identity":
          bytes[at] = IDENTITY;
          at = putU48(bytes, at + 1, part.clusterId);
          at = putU48(bytes, at, part.member);
          at = putU32(bytes, at, part.incarnation);
          at = putU32(bytes, at, part.sequence);
          break;
      }
    }
    putU32(bytes, 0, MAGIC);
    putU32(bytes, 4, this.#length);
    putU32(bytes, 8, offset);
    putU32(bytes, 12, durable);
    putU32(bytes, 16, crc32(bytes, HEADER_BYTES));
    putU32(bytes, 20, crc32(bytes, 0, 20));
    this.#count = 0;
    if (change > 0) this.#changes = [];
    this.#length = 0;
    return bytes;
  }
}

/** The records of a payload. Throws RangeError if they do not fill it exactly. */
export function readRecords(bytes: Uint8Array, from: number, to: number): WalRecord[] {
  const records: WalRecord[] = [];
  let at = from;
  const need = (count: number) => {
    if (at + count > to) throw new RangeError(`a record at ${at} goes beyond its frame`);
  };
  while (at < to) {
    const type = bytes[at] as number;
    switch (type) {
      case ENTRY:
      case CONFIG_ENTRY: {
        need(ENTRY_BYTES);
        const index = getU48(bytes, at + 1);
        const term = getU48(bytes, at + 7);
        const length = getU32(bytes, at + 13);
        at += ENTRY_BYTES;
        need(length);
        const data = bytes.slice(at, at + length);
        at += length;
        if (type === ENTRY) {
          records.push({ kind: "entry", entry: { kind: "normal", index, term, data } });
          break;
        }
        need(4);
        const encoded = getU32(bytes, at);
        at += 4;
        need(encoded);
        const text = new TextDecoder().decode(bytes.subarray(at, at + encoded));
        at += encoded;
        const change = JSON.parse(text) as ConfigChange;
        records.push({ kind: "entry", entry: { kind: "config", index, term, change, data } });
        break;
      }
      case HARD:
        need(19);
        records.push({
          kind: "hard",
          term: getU48(bytes, at + 1),
          vote: getU48(bytes, at + 7),
          commit: getU48(bytes, at + 13),
        });
        at += 19;
        break;
      case MARKER:
        need(13);
        records.push({ kind: "marker", index: getU48(bytes, at + 1), term: getU48(bytes, at + 7) });
        at += 13;
        break;
      case IDENTITY:
        need(21);
        records.push({
          kind: "identity",
          clusterId: getU48(bytes, at + 1),
          member: getU48(bytes, at + 7),
          incarnation: getU32(bytes, at + 13),
          sequence: getU32(bytes, at + 17),
        });
        at += 21;
        break;
      default:
        throw new RangeError(`no such record: ${type} at ${at}`);
    }
  }
  return records;
}

/** What a segment's bytes hold: the records of its sound frames, and how the bytes after them look. */
export interface SegmentContents {
  readonly records: readonly WalRecord[];
  /** Length of the sound frames. */
  readonly length: number;
  /** sound: nothing follows. torn: what follows was never synced. damaged: it was, or may have been. */
  readonly end: "sound" | "torn" | "damaged";
}

/** `trusting` skips the checksums: a planted bug. */
export function readSegment(bytes: Uint8Array, trusting: boolean): SegmentContents {
  const records: WalRecord[] = [];
  let at = 0;
  while (at < bytes.length) {
    const end = trusting ? trustedEnd(bytes, at) : soundEnd(bytes, at);
    if (end === undefined) break;
    try {
      for (const record of readRecords(bytes, at + HEADER_BYTES, end)) records.push(record);
    } catch (error) {
      if (trusting) break;
      throw error;
    }
    at = end;
  }
  if (at === bytes.length) return { records, length: at, end: "sound" };
  const torn = trusting || (looksTorn(bytes, at) && !provenDurable(bytes, at));
  return { records, length: at, end: torn ? "torn" : "damaged" };
}

function headerFits(bytes: Uint8Array, at: number): boolean {
  return at + HEADER_BYTES <= bytes.length && getU32(bytes, at) === MAGIC;
}

function soundHeader(bytes: Uint8Array, at: number): boolean {
  return (
    headerFits(bytes, at) &&
    getU32(bytes, at + 8) === at &&
    getU32(bytes, at + 20) === crc32(bytes, at, at + 20)
  );
}

/** End of the frame at `at`; undefined if it does not check out. */
function soundEnd(bytes: Uint8Array, at: number): number | undefined {
  if (!soundHeader(bytes, at)) return undefined;
  const end = at + HEADER_BYTES + getU32(bytes, at + 4);
  if (end > bytes.length) return undefined;
  return getU32(bytes, at + 16) === crc32(bytes, at + HEADER_BYTES, end) ? end : undefined;
}

function trustedEnd(bytes: Uint8Array, at: number): number | undefined {
  if (!headerFits(bytes, at)) return undefined;
  return Math.min(bytes.length, at + HEADER_BYTES + getU32(bytes, at + 4));
}

/** Whether a crash can have left the unsound frame at `at`: it is cut off, or one of its sectors was never written. */
function looksTorn(bytes: Uint8Array, at: number): boolean {
  let end = bytes.length;
  if (soundHeader(bytes, at)) {
    end = at + HEADER_BYTES + getU32(bytes, at + 4);
    if (end > bytes.length) return true;
  } else if (at + HEADER_BYTES > bytes.length) return true;
  else end = at + HEADER_BYTES;
  for (let from = at; from < end; ) {
    const to = Math.min(end, from - (from % SECTOR_BYTES) + SECTOR_BYTES);
    if (zeros(bytes, from, to)) return true;
    from = to;
  }
  return false;
}

function zeros(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (bytes[at] !== 0) return false;
  return true;
}

/** Whether a frame after `at` was written when the bytes at `at` were already durable. */
function provenDurable(bytes: Uint8Array, at: number): boolean {
  for (let later = at + 1; later + HEADER_BYTES <= bytes.length; later++) {
    if (getU32(bytes, later) === MAGIC && soundHeader(bytes, later) && getU32(bytes, later + 12) > at)
      return true;
  }
  return false;
}
