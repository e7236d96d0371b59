/** Messages on a byte stream: length, CRC-32, payload. TCP's own checksum is too weak for a store to rest on. */
import { getU32, putU32 } from "../node/bytes.ts";
import { crc32 } from "../node/crc32.ts";

const HEADER_BYTES = 8;

/** The stream is not one of ours, or was damaged on its way. */
export class FrameError extends Error {
  override readonly name = "FrameError";
}

/** Header and payload. An empty payload is a sign of life. */
export function frameOf(payload: Uint8Array): Uint8Array {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + payload.length);
  putU32(bytes, 0, payload.length);
  putU32(bytes, 4, crc32(payload));
  bytes.set(payload, HEADER_BYTES);
  return bytes;
}

export class FrameReader {
  /** Bytes that a payload has at most. */
  limit: number;
  /** What has arrived of a frame that is not whole. */
  #parts: Uint8Array[] = [];
  #length = 0;
  /** Bytes until it is worth another look. */
  #needed = HEADER_BYTES;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Payloads that `chunk` completes, oldest first, without the empty ones. Throws FrameError. */
  *push(chunk: Uint8Array): Generator<Uint8Array> {
    this.#parts.push(chunk);
    this.#length += chunk.length;
    // A large payload comes in many chunks: they are joined once, not with every chunk.
    if (this.#length < this.#needed) return;
    const bytes = this.#parts.length === 1 ? chunk : Buffer.concat(this.#parts, this.#length);
    let at = 0;
    for (;;) {
      this.#needed = HEADER_BYTES;
      if (bytes.length - at < HEADER_BYTES) break;
      const length = getU32(bytes, at);
      if (length > this.limit) throw new FrameError(`a message of ${length} bytes, above ${this.limit}`);
      this.#needed = HEADER_BYTES + length;
      if (bytes.length - at < this.#needed) break;
      const payload = bytes.subarray(at + HEADER_BYTES, at + this.#needed);
      if (crc32(payload) !== getU32(bytes, at + 4)) throw new FrameError("a message with a wrong checksum");
      at += this.#needed;
      if (length > 0) yield payload;
    }
    this.#parts = at === bytes.length ? [] : [bytes.subarray(at)];
    this.#length = bytes.length - at;
  }
}
