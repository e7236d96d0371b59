/**
 * How a snapshot lies on disk and crosses a wire: a list of frames, each with its number and a checksum. The first
 * says of when it is and who belonged to the cluster, those after it hold the chunks of the store, and an empty one
 * ends it. So both ends hold one frame at a time, and a frame that is missing, torn or out of place is seen.
 */
import { Restoration } from "../kv/restoration.ts";
import type { Store, StoreOptions } from "../kv/store.ts";
import type { SnapshotMeta } from "../raft/message.ts";
import { getU32, putU32 } from "./bytes.ts";
import { crc32 } from "./crc32.ts";
import type { Member } from "./membership.ts";
import { isSnapshotHead } from "./shape.ts";

/** magic, number, length of the payload, CRC of what is before and of the payload. */
export const FRAME_HEADER_BYTES = 16;
const CRC_AT = 12;
const MAGIC = 0x3253_4c46;

/** These bytes are no snapshot, or not a whole one. */
export class SnapshotError extends Error {
  override readonly name = "SnapshotError";
}

/** Of when a snapshot is, and who belonged to the cluster then. */
export interface SnapshotHead {
  readonly meta: SnapshotMeta;
  readonly members: readonly Member[];
}

/** A snapshot to be written or sent, once: its chunks are made as they are asked for. */
export interface SnapshotSource extends SnapshotHead {
  readonly chunks: Iterable<Uint8Array>;
}

/** A snapshot that was read or received. */
export interface DecodedSnapshot extends SnapshotHead {
  readonly store: Store;
  /** Of the store when the snapshot was taken. */
  readonly hash: number;
}

/** The frames of a snapshot, each as an array of its own. */
export function* framesOf({ meta, members, chunks }: SnapshotSource): Generator<Uint8Array, void> {
  let number = 0;
  yield frameOf(number++, headBytes({ meta, members }));
  for (const chunk of chunks) yield frameOf(number++, chunk);
  yield frameOf(number, new Uint8Array(0));
}

/** The first frame, which depends on nothing that comes after it. */
export function headFrame(head: SnapshotHead): Uint8Array {
  return frameOf(0, headBytes(head));
}

function headBytes({ meta, members }: SnapshotHead): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ meta, members }));
}

function frameOf(number: number, payload: Uint8Array): Uint8Array {
  const bytes = Buffer.allocUnsafe(FRAME_HEADER_BYTES + payload.length);
  putU32(bytes, 0, MAGIC);
  putU32(bytes, 4, number);
  putU32(bytes, 8, payload.length);
  bytes.set(payload, FRAME_HEADER_BYTES);
  putU32(bytes, CRC_AT, checksum(bytes));
  return bytes;
}

function checksum(frame: Uint8Array): number {
  return crc32(frame, FRAME_HEADER_BYTES, frame.length, crc32(frame, 0, CRC_AT));
}

/** Length of a frame that begins with these bytes. Throws SnapshotError if none does. */
export function frameLength(header: Uint8Array): number {
  if (header.length < FRAME_HEADER_BYTES || getU32(header, 0) !== MAGIC)
    throw new SnapshotError("a frame is missing");
  return FRAME_HEADER_BYTES + getU32(header, 8);
}

/** Takes frames one by one, and holds the state that they make up. */
export class SnapshotDecoder {
  readonly #restoration: Restoration;
  #head: SnapshotHead | undefined;
  #frames = 0;
  #ended = false;

  /** `maxBytes`: what the state may take in memory. */
  constructor(options: StoreOptions, maxBytes?: number) {
    this.#restoration = new Restoration(options, maxBytes);
  }

  /** Known from the first frame on. */
  get head(): SnapshotHead | undefined {
    return this.#head;
  }

  /** Nothing is missing. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Throws SnapshotError unless this is the next frame. */
  add(frame: Uint8Array): void {
    const number = this.#frames++;
    const wrong = (what: string) => new SnapshotError(`frame ${number} ${what}`);
    if (this.#ended) throw wrong("follows the end");
    if (frameLength(frame) !== frame.length) throw wrong("has not the length it says");
    if (getU32(frame, CRC_AT) !== checksum(frame)) throw wrong("does not check out");
    if (getU32(frame, 4) !== number) throw wrong(`is missing: frame ${getU32(frame, 4)} is in its place`);
    const payload = frame.subarray(FRAME_HEADER_BYTES);
    try {
      if (this.#head === undefined) this.#head = headIn(payload);
      else if (payload.length > 0) this.#restoration.add(payload);
      else this.#ended = true;
    } catch (error) {
      throw wrong(`makes no sense: ${(error as Error).message}`);
    }
  }

  /** Throws SnapshotError if frames are missing. */
  finish(): DecodedSnapshot {
    if (this.#head === undefined || !this.#ended)
      throw new SnapshotError(`it ends after ${this.#frames} frames`);
    try {
      return { ...this.#head, ...this.#restoration.finish() };
    } catch (error) {
      throw new SnapshotError((error as Error).message);
    }
  }
}

function headIn(payload: Uint8Array): SnapshotHead {
  const head: unknown = JSON.parse(new TextDecoder().decode(payload));
  if (!isSnapshotHead(head)) throw new Error("it does not say of when it is");
  return head;
}
