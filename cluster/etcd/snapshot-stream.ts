/**
 * A snapshot as a client gets it, and as it lies in the client's file: its frames, zeros up to the end of a sector,
 * and a SHA-256 of all that. etcdctl takes a snapshot for whole if its length tells of a digest.
 */
import { createHash } from "node:crypto";

export const SECTOR_BYTES = 512;
export const DIGEST_BYTES = 32;
const BLOB_BYTES = 1 << 16;

/** In pieces of a length that fits into a message. */
export function* snapshotBlobs(frames: Iterable<Uint8Array>): Generator<Uint8Array, void> {
  const hash = createHash("sha256");
  let length = 0;
  for (const frame of frames) {
    hash.update(frame);
    length += frame.length;
    for (let from = 0; from < frame.length; from += BLOB_BYTES) yield frame.subarray(from, from + BLOB_BYTES);
  }
  const padding = Buffer.alloc((SECTOR_BYTES - (length % SECTOR_BYTES)) % SECTOR_BYTES);
  hash.update(padding);
  if (padding.length > 0) yield padding;
  yield hash.digest();
}
