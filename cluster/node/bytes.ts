/** Fixed-width integers in byte arrays, little-endian: what files of a member are made of. */

/** Safe integers of this project's files stay below 2^48: indexes, terms, member ids, counters. */
export const U48_LIMIT = 0x1_0000_0000_0000;

/** The low 32 bits of any safe integer. */
export function putU32(bytes: Uint8Array, at: number, value: number): number {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
  return at + 4;
}

export function getU32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    0
  );
}

/** Throws RangeError for a value that six bytes cannot hold: a truncated id would be a wrong one. */
export function putU48(bytes: Uint8Array, at: number, value: number): number {
  if (!(value >= 0 && value < U48_LIMIT)) throw new RangeError(`${value} does not fit into 48 bits`);
  putU32(bytes, at, value);
  const high = Math.floor(value / 0x1_0000_0000);
  bytes[at + 4] = high;
  bytes[at + 5] = high >>> 8;
  return at + 6;
}

export function getU48(bytes: Uint8Array, at: number): number {
  return getU32(bytes, at) + ((bytes[at + 4] as number) | ((bytes[at + 5] as number) << 8)) * 0x1_0000_0000;
}
