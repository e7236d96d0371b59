/**
 * The opening of an HTTP/2 connection, up to the header fields of its first request, which are mended before anybody
 * reads them; see authority.ts.
 *
 * Some clients send nothing but their settings until they have seen the server's. They are sent empty settings, which
 * change nothing, and their acknowledgement is taken out again: the session that takes over has not asked for it.
 */
import type { Duplex } from "node:stream";
import { FRAME_HEADER, HEADERS, mendAuthority } from "./authority.ts";

export const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS = 4;
const ACKNOWLEDGED = 0x1;
const EMPTY_SETTINGS = Buffer.of(0, 0, 0, SETTINGS, 0, 0, 0, 0, 0);
/** Whoever sends more than this before its first request is left to the session. Bytes. */
const MOST = 64 * 1024;
/** Of a frame, unless its receiver allows more (RFC 9113, section 4.2). Bytes. */
const MOST_IN_FRAME = 16_384;

/** Collects what a connection begins with: `take` each piece until it gives bytes to begin with. */
export class Opening {
  readonly #connection: Duplex;
  #bytes = Buffer.alloc(0);
  #asked = false;

  constructor(connection: Duplex) {
    this.#connection = connection;
  }

  /** The bytes to hand over, or undefined as long as more are needed. `piece` comes after those given before. */
  take(piece: Buffer): Buffer | undefined {
    this.#bytes = Buffer.concat([this.#bytes, piece]);
    // What is no HTTP/2 is for the session to refuse.
    if (!isOpening(this.#bytes)) return this.#bytes;
    const { whole, frames } = framesOf(this.#bytes);
    const requested = frames.some((frame) => frame[3] === HEADERS);
    const answer = frames.findIndex(
      (frame) => frame[3] === SETTINGS && ((frame[4] as number) & ACKNOWLEDGED) !== 0,
    );
    if (this.#asked ? requested && answer >= 0 : requested) {
      if (this.#asked) frames.splice(answer, 1);
      const rest = this.#bytes.subarray(whole);
      return Buffer.concat([Buffer.from(PREFACE, "latin1"), ...frames.map(mendAuthority), rest]);
    }
    if (this.#bytes.length > MOST) return this.#bytes;
    // The client's settings are there, complete.
    if (!this.#asked && frames.length > 0) {
      this.#asked = true;
      this.#connection.write(EMPTY_SETTINGS);
    }
    return undefined;
  }
}

/** Whether the bytes can be the beginning of a connection: the preface, then settings of a possible size. */
function isOpening(bytes: Buffer): boolean {
  const begun = bytes.toString("latin1", 0, PREFACE.length);
  if (!PREFACE.startsWith(begun)) return false;
  if (bytes.length < PREFACE.length + FRAME_HEADER) return true;
  return bytes[PREFACE.length + 3] === SETTINGS && bytes.readUIntBE(PREFACE.length, 3) <= MOST_IN_FRAME;
}

/** The whole frames after the preface, and where they end. */
function framesOf(bytes: Buffer): { readonly whole: number; readonly frames: Buffer[] } {
  const frames: Buffer[] = [];
  let at = PREFACE.length;
  while (at + FRAME_HEADER <= bytes.length) {
    const end = at + FRAME_HEADER + bytes.readUIntBE(at, 3);
    if (end > bytes.length) break;
    frames.push(bytes.subarray(at, end));
    at = end;
  }
  return { whole: at, frames };
}
