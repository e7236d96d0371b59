/**
 * 32-bit hashes of the pieces a state is made of. The pieces' hashes are summed, so that a state's hash can follow
 * its changes: a piece that comes is added, one that goes is subtracted, and the order does not matter.
 * Bytes are taken in by FNV-1a, and MurmurHash3's finaliser spreads the result, as sums need.
 */

/** Takes a string in; strings of different lengths in a row cannot be confused. */
export function hashString(hash: number, text: string): number {
  let h = mix(hash, text.length);
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h;
}

/** Takes a safe integer in. */
export function mix(hash: number, value: number): number {
  const low = Math.imul(hash ^ (value | 0), 0x9e3779b1);
  return Math.imul(low ^ (low >>> 15) ^ Math.floor(value / 0x1_0000_0000), 0x85ebca6b);
}

/** Spreads what was taken in over all 32 bits. */
export function hashOf(hash: number): number {
  let h = hash ^ (hash >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}
