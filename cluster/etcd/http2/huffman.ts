/** HPACK's Huffman code (RFC 7541, section 5.2 and appendix B), decoded only: what we send, we send plain. */

/**
 * Bits of the code of each byte. The code is canonical: codes of one length count up in the order of their symbols, so
 * the lengths say everything. The symbol after the last byte ends a string and must not occur.
 */
const LENGTHS = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28,
  28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7,
  8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19,
  13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13,
  28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21,
  22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23,
  22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25,
  25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];
const END = 256;
const MAX_PADDING = 7;

/** A node has two places, for the bits 0 and 1: each another node, or ~symbol. Node 0 is the root. */
const tree = treeOf(LENGTHS);

function treeOf(lengths: readonly number[]): Int16Array {
  const nodes = new Int16Array(2 * lengths.length);
  const symbols = lengths.map((_, symbol) => symbol);
  symbols.sort((a, b) => (lengths[a] as number) - (lengths[b] as number) || a - b);
  let size = 1;
  let code = 0;
  let previous = 0;
  for (const symbol of symbols) {
    const length = lengths[symbol] as number;
    code <<= length - previous;
    previous = length;
    let node = 0;
    for (let bit = length - 1; bit > 0; bit--) {
      const place = 2 * node + ((code >> bit) & 1);
      if (nodes[place] === 0) nodes[place] = size++;
      node = nodes[place] as number;
    }
    nodes[2 * node + (code & 1)] = ~symbol;
    code++;
  }
  return nodes;
}

/** As latin1. Undefined if it is no Huffman code. */
export function decodeHuffman(bytes: Uint8Array): string | undefined {
  let text = "";
  let node = 0;
  /** Bits since the last symbol, and whether all of them were ones, as in padding. */
  let bits = 0;
  let ones = true;
  for (const byte of bytes)
    for (let bit = 7; bit >= 0; bit--) {
      const value = (byte >> bit) & 1;
      bits++;
      ones &&= value === 1;
      const next = tree[2 * node + value] as number;
      if (next >= 0) {
        node = next;
        continue;
      }
      if (~next === END) return undefined;
      text += String.fromCharCode(~next);
      node = 0;
      bits = 0;
      ones = true;
    }
  return bits <= MAX_PADDING && ones ? text : undefined;
}
