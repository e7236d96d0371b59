/** HTTP/2's frames (RFC 9113, sections 4 and 6): taken out of a stream of bytes, and put into one. */

export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
/** Length (3), type, flags, stream (4). Bytes. */
export const FRAME_HEADER = 9;
/** Bytes of a payload, unless its receiver allows more. */
export const MAX_FRAME = 16_384;
/** Bytes that may be sent before the receiver has said anything, on a stream and on the connection. */
export const INITIAL_WINDOW = 65_535;
export const MAX_WINDOW = 0x7fff_ffff;

export const FrameType = {
  data: 0,
  headers: 1,
  priority: 2,
  resetStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const Flag = { endStream: 0x1, ack: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;

export const Setting = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const;

/** Why a stream or a connection ends before its time (section 7). */
export const ErrorCode = {
  none: 0,
  protocol: 1,
  internal: 2,
  flowControl: 3,
  settingsTimeout: 4,
  streamClosed: 5,
  frameSize: 6,
  refusedStream: 7,
  cancel: 8,
  compression: 9,
  connect: 10,
  enhanceYourCalm: 11,
} as const;

/** The other end breaks the rules in a way that leaves nothing to go on with. */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
  /** One of ErrorCode. */
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

export type FrameHandler = (type: number, flags: number, stream: number, payload: Buffer) => void;

export class FrameReader {
  /** What has arrived of a frame that is not whole. */
  #parts: Buffer[] = [];
  #length = 0;
  /** Bytes until it is worth another look. */
  #needed = FRAME_HEADER;

  /** Hands over the frames that `chunk` completes; payloads are parts of it. Throws ConnectionError. */
  push(chunk: Buffer, handle: FrameHandler): void {
    this.#parts.push(chunk);
    this.#length += chunk.length;
    if (this.#length < this.#needed) return;
    const bytes = this.#parts.length === 1 ? chunk : Buffer.concat(this.#parts, this.#length);
    this.#parts = [];
    let at = 0;
    for (;;) {
      this.#needed = FRAME_HEADER;
      if (bytes.length - at < FRAME_HEADER) break;
      const length = bytes.readUIntBE(at, 3);
      if (length > MAX_FRAME)
        throw new ConnectionError(ErrorCode.frameSize, `a frame of ${length} bytes, above ${MAX_FRAME}`);
      const end = at + FRAME_HEADER + length;
      if (end > bytes.length) {
        this.#needed = FRAME_HEADER + length;
        break;
      }
      const type = bytes[at + 3] as number;
      const flags = bytes[at + 4] as number;
      handle(type, flags, bytes.readUInt32BE(at + 5) & MAX_WINDOW, bytes.subarray(at + FRAME_HEADER, end));
      at = end;
    }
    this.#length = bytes.length - at;
    if (this.#length > 0) this.#parts.push(bytes.subarray(at));
  }
}

const SLAB = 64 * 1024;

/** Frames on their way out, in one piece. */
export class FrameWriter {
  #slab = Buffer.allocUnsafeSlow(SLAB);
  /** What was not taken yet. */
  #start = 0;
  #end = 0;

  /** Bytes that were not taken yet. */
  get length(): number {
    return this.#end - this.#start;
  }

  /** A frame whose payload of `length` bytes is to follow. */
  header(type: number, flags: number, stream: number, length: number): void {
    this.#reserve(FRAME_HEADER + length);
    const slab = this.#slab;
    const at = this.#end;
    slab[at] = length >>> 16;
    slab[at + 1] = length >>> 8;
    slab[at + 2] = length;
    slab[at + 3] = type;
    slab[at + 4] = flags;
    slab[at + 5] = stream >>> 24;
    slab[at + 6] = stream >>> 16;
    slab[at + 7] = stream >>> 8;
    slab[at + 8] = stream;
    this.#end = at + FRAME_HEADER;
  }

  /** The whole of `payload`, or the part from `from` up to `to`. */
  bytes(payload: Uint8Array, from = 0, to = payload.length): void {
    this.#reserve(to - from);
    this.#slab.set(from === 0 && to === payload.length ? payload : payload.subarray(from, to), this.#end);
    this.#end += to - from;
  }

  u8(value: number): void {
    this.#reserve(1);
    this.#slab[this.#end++] = value;
  }

  u16(value: number): void {
    this.u8(value >>> 8);
    this.u8(value);
  }

  u32(value: number): void {
    this.u16(value >>> 16);
    this.u16(value);
  }

  /** Everything since the last time. What it gives stays as it is. */
  take(): Buffer {
    const taken = this.#slab.subarray(this.#start, this.#end);
    this.#start = this.#end;
    return taken;
  }

  #reserve(bytes: number): void {
    if (this.#end + bytes <= this.#slab.length) return;
    const pending = this.#slab.subarray(this.#start, this.#end);
    this.#slab = Buffer.allocUnsafeSlow(Math.max(SLAB, 2 * (pending.length + bytes)));
    this.#slab.set(pending);
    this.#start = 0;
    this.#end = pending.length;
  }
}
