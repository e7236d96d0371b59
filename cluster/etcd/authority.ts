/**
 * etcd's Go client of version 3.4 names its endpoint as it was given, scheme and all, where HTTP/2 wants a bare
 * authority: `:authority: http://127.0.0.1:2379`. etcd does not mind. Node's HTTP/2 ends such a stream with a
 * PROTOCOL_ERROR before anybody is asked, so the field is mended in the bytes that open the connection.
 *
 * The header table that both ends keep (RFC 7541, section 2.3.2) counts the length of a field, so the field keeps its
 * length: each slash becomes a dash. Later requests name the field by its place in that table, so that only the
 * first ones have to be looked at.
 */

/** The fixed part of a frame: length (3), type, flags, stream (RFC 9113, section 4.1). Bytes. */
export const FRAME_HEADER = 9;
export const HEADERS = 1;
const PADDED = 0x8;
const PRIORITY = 0x20;
/** Literal with incremental indexing, without indexing, and never indexed; each with name 1 of the static table, `:authority`. */
const AUTHORITY: readonly number[] = [0x41, 0x01, 0x11];
const SLASH = 0x2f;
const DASH = 0x2d;

/** A HEADERS frame with a valid `:authority`; the frame itself if there is nothing to mend, or nothing known of it. */
export function mendAuthority(frame: Buffer): Buffer {
  const flags = frame[4] as number;
  // Whoever pads or ranks its requests is not the client that this is for.
  if (frame[3] !== HEADERS || (flags & (PADDED | PRIORITY)) !== 0) return frame;
  for (let at = FRAME_HEADER; at < frame.length; ) {
    const kind = frame[at] as number;
    const value = at + 1;
    if (AUTHORITY.includes(kind)) return withAuthority(frame, value);
    if (kind > 0x80) at++;
    else {
      // A literal: one with a name of its own (its low bits are 0) has two strings, others one.
      const named = (kind & (kind >= 0x40 ? 0x3f : 0x0f)) === 0;
      const end = stringEnd(frame, value);
      if (kind === 0x80 || kind >> 5 === 1 || end === undefined) return frame;
      const next = named ? stringEnd(frame, end) : end;
      if (next === undefined) return frame;
      at = next;
    }
  }
  return frame;
}

/** Where a string literal ends; undefined if it is longer than a field of ours can be. */
function stringEnd(frame: Buffer, at: number): number | undefined {
  const length = (frame[at] ?? 0xff) & 0x7f;
  return length === 0x7f ? undefined : at + 1 + length;
}

function withAuthority(frame: Buffer, at: number): Buffer {
  const end = stringEnd(frame, at);
  if (end === undefined || end > frame.length) return frame;
  const text = frame.subarray(at + 1, end);
  const authority = ((frame[at] as number) & 0x80) === 0 ? Buffer.from(text) : decodeHuffman(text);
  if (authority === undefined || !authority.includes(SLASH) || authority.length >= 0x7f) return frame;
  const mended = authority.map((byte) => (byte === SLASH ? DASH : byte));
  const whole = Buffer.concat([frame.subarray(0, at), Buffer.of(mended.length), mended, frame.subarray(end)]);
  whole.writeUIntBE(whole.length - FRAME_HEADER, 0, 3);
  return whole;
}

/**
 * The symbols with codes of 5 to 8 bits, in the order of their codes (RFC 7541, appendix B). Within a length the codes
 * count up; `first` is the first of them. They are all that an authority is made of.
 */
const CODES: readonly { readonly bits: number; readonly first: number; readonly symbols: string }[] = [
  { bits: 5, first: 0b00000, symbols: "012aceiost" },
  { bits: 6, first: 0b010100, symbols: " %-./3456789=A_bdfghlmnpru" },
  { bits: 7, first: 0b1011100, symbols: ":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz" },
  { bits: 8, first: 0b11111000, symbols: "&*,;XZ" },
];

/** Undefined if it holds another symbol, or is no Huffman code. */
export function decodeHuffman(bytes: Uint8Array): Buffer | undefined {
  let text = "";
  let code = 0;
  let bits = 0;
  for (const byte of bytes)
    for (let bit = 7; bit >= 0; bit--) {
      code = (code << 1) | ((byte >> bit) & 1);
      bits++;
      const row = CODES.find((candidate) => candidate.bits === bits);
      const symbol = row?.symbols[code - row.first];
      if (symbol !== undefined && code >= (row?.first ?? 0)) {
        text += symbol;
        code = 0;
        bits = 0;
      } else if (bits > 8) return undefined;
    }
  // What is left is padding: fewer than 8 ones.
  return bits < 8 && code === (1 << bits) - 1 ? Buffer.from(text, "latin1") : undefined;
}
