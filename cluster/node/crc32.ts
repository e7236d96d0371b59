/** CRC-32 as in ISO 3309 and gzip (reflected polynomial 0xEDB88320), sliced by four. */
import zlib from "node:zlib";

/** Node's own, from 20.15 on. */
const native = (zlib as { readonly crc32?: (bytes: Uint8Array, seed: number) => number }).crc32;
/** Below this a call into native code costs more than it saves. */
const NATIVE_BYTES = 512;

const TABLES = tables();

function tables(): Int32Array {
  const table = new Int32Array(4 * 256);
  for (let n = 0; n < 256; n++) {
    let c = n;
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
    table[n] = c;
  }
  for (let n = 0; n < 256; n++) {
    for (let slice = 1; slice < 4; slice++) {
      const before = table[(slice - 1) * 256 + n] as number;
      table[slice * 256 + n] = (table[before & 0xff] as number) ^ (before >>> 8);
    }
  }
  return table;
}

/** Checksum of bytes[from, to); `seed` continues an earlier one. */
export function crc32(bytes: Uint8Array, from = 0, to = bytes.length, seed = 0): number {
  if (native !== undefined && to - from >= NATIVE_BYTES) return native(bytes.subarray(from, to), seed);
  let c = ~seed;
  let at = from;
  for (; at + 4 <= to; at += 4) {
    c ^=
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24);
    c =
      (TABLES[768 + (c & 0xff)] as number) ^
      (TABLES[512 + ((c >>> 8) & 0xff)] as number) ^
      (TABLES[256 + ((c >>> 16) & 0xff)] as number) ^
      (TABLES[c >>> 24] as number);
  }
  for (; at < to; at++) c = (TABLES[(c ^ (bytes[at] as number)) & 0xff] as number) ^ (c >>> 8);
  return ~c >>> 0;
}
