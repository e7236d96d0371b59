/** gRPC's messages in a stream of bytes: whether it is compressed, its length, and the message. */
import zlib from "node:zlib";
import { RpcError } from "./rpc.ts";

const HEADER = 5;

type Decompress = (bytes: Buffer, limit: number) => Buffer;

/** How clients may compress what they send. */
const ENCODINGS: { readonly [name: string]: Decompress | undefined } = {
  gzip: (bytes, limit) => zlib.gunzipSync(bytes, { maxOutputLength: limit }),
  deflate: (bytes, limit) => zlib.inflateSync(bytes, { maxOutputLength: limit }),
};

export const ACCEPTED_ENCODINGS = ["identity", ...Object.keys(ENCODINGS)].join(",");

/** Bytes of messages that are not whole yet, on all streams that share it. */
export class Budget {
  readonly #limit: number;
  #used = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** False if it would be exceeded; nothing is taken then. */
  take(bytes: number): boolean {
    if (this.#used + bytes > this.#limit) return false;
    this.#used += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#used -= bytes;
  }
}

export class MessageReader {
  readonly #limit: number;
  readonly #budget: Budget;
  readonly #encoding: string;
  #parts: Buffer[] = [];
  #length = 0;
  /** Bytes until it is worth another look. */
  #needed = HEADER;
  #taken = 0;

  /** `limit`: bytes of a message at most. `encoding`: as the client names it. */
  constructor(limit: number, budget: Budget, encoding: string) {
    this.#limit = limit;
    this.#budget = budget;
    this.#encoding = encoding;
  }

  /** Whether the stream may end here. */
  get whole(): boolean {
    return this.#length === 0;
  }

  /** Hands over the messages that `chunk` completes. Throws RpcError. */
  push(chunk: Buffer, use: (message: Buffer) => void): void {
    this.#length += chunk.length;
    this.#parts.push(chunk);
    if (this.#length >= this.#needed) this.#read(use);
    // Only what stays is held: most messages come in one piece.
    this.#settle(this.#length);
  }

  /** Lets go of what has come of a message that will never be whole. */
  drop(): void {
    this.#parts = [];
    this.#length = 0;
    this.#settle(0);
  }

  #read(use: (message: Buffer) => void): void {
    const bytes =
      this.#parts.length === 1 ? (this.#parts[0] as Buffer) : Buffer.concat(this.#parts, this.#length);
    let at = 0;
    for (;;) {
      this.#needed = HEADER;
      if (bytes.length - at < HEADER) break;
      const length = bytes.readUInt32BE(at + 1);
      if (length > this.#limit) throw tooLarge(length, this.#limit);
      this.#needed += length;
      if (bytes.length - at < this.#needed) break;
      const message = bytes.subarray(at + HEADER, at + this.#needed);
      const flag = bytes[at] as number;
      at += this.#needed;
      use(flag === 0 ? message : this.#decompressed(flag, message));
    }
    this.#length = bytes.length - at;
    this.#parts = this.#length === 0 ? [] : [bytes.subarray(at)];
  }

  #settle(bytes: number): void {
    if (!this.#budget.take(bytes - this.#taken))
      throw new RpcError("RESOURCE_EXHAUSTED", "too many requests are being received");
    this.#taken = bytes;
  }

  #decompressed(flag: number, message: Buffer): Buffer {
    if (flag !== 1) throw new RpcError("INTERNAL", `grpc: received unexpected payload format ${flag}`);
    if (this.#encoding === "identity")
      throw new RpcError("INTERNAL", "grpc: compressed flag set with identity or empty encoding");
    const decompress = ENCODINGS[this.#encoding];
    if (decompress === undefined)
      throw new RpcError(
        "UNIMPLEMENTED",
        `grpc: Decompressor is not installed for grpc-encoding "${this.#encoding}"`,
      );
    try {
      return decompress(message, this.#limit);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE")
        throw tooLarge(this.#limit + 1, this.#limit);
      throw new RpcError("INTERNAL", `grpc: failed to decompress the message: ${(error as Error).message}`);
    }
  }
}

function tooLarge(length: number, limit: number): RpcError {
  return new RpcError(
    "RESOURCE_EXHAUSTED",
    `grpc: received message larger than max (${length} vs. ${limit})`,
  );
}

/** Ready to be sent, not compressed. */
export function frameMessage(message: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER + message.length);
  bytes[0] = 0;
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, HEADER);
  return bytes;
}
