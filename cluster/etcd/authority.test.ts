import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeHuffman, FRAME_HEADER, HEADERS, mendAuthority } from "./authority.ts";

/** A HEADERS frame of stream 1 whose block is these bytes. */
function headers(...block: readonly (number | Buffer)[]): Buffer {
  const bytes = Buffer.concat(block.map((part) => (typeof part === "number" ? Buffer.of(part) : part)));
  const start = Buffer.of(0, 0, 0, HEADERS, 4, 0, 0, 0, 1);
  start.writeUIntBE(bytes.length, 0, 3);
  return Buffer.concat([start, bytes]);
}
const string = (text: string): Buffer => Buffer.concat([Buffer.of(text.length), Buffer.from(text)]);
const huffman = (hex: string): Buffer => {
  const bytes = Buffer.from(hex, "hex");
  return Buffer.concat([Buffer.of(0x80 | bytes.length), bytes]);
};

describe("Huffman codes", () => {
  // RFC 7541, appendix C.4.
  it.each([
    ["f1e3c2e5f23a6ba0ab90f4ff", "www.example.com"],
    ["a8eb10649cbf", "no-cache"],
    ["25a849e95ba97d7f", "custom-key"],
  ])("of %s are %s", (hex, text) => {
    expect(decodeHuffman(Buffer.from(hex, "hex"))?.toString()).toBe(text);
  });

  it("of other symbols, or cut off, are none", () => {
    expect(decodeHuffman(Buffer.of(0xff, 0xff))).toBeUndefined();
    expect(decodeHuffman(Buffer.of(0x00, 0x06))).toBeUndefined();
  });
});

describe("an authority", () => {
  const rest = Buffer.concat([Buffer.of(0x40), string("x-a"), string("b/c"), Buffer.of(0x86)]);

  it("with a scheme loses its slashes and not its length, wherever the field stands", () => {
    const mended = string("http:--a.b:2379");
    const before = Buffer.concat([Buffer.of(0x83, 0x86, 0x45), string("/x/y"), Buffer.of(0x0e), string("z")]);
    expect(mendAuthority(headers(before, 0x41, string("http://a.b:2379"), rest))).toEqual(
      headers(before, 0x41, mended, rest),
    );
    // Huffman-coded, as in RFC 7541, appendix C.6.1.
    expect(mendAuthority(headers(0x83, 0x41, huffman("9d29ad171863c78f0b97c8e9ae82ae43d3"), rest))).toEqual(
      headers(0x83, 0x41, string("https:--www.example.com"), rest),
    );
  });

  it("without one stays as it is, and so does what is no such frame", () => {
    const plain = headers(0x83, 0x41, string("a.b:2379"), rest);
    expect(mendAuthority(plain)).toBe(plain);
    const data = headers(0x41, string("http://a"));
    data[3] = 0;
    expect(mendAuthority(data)).toBe(data);
  });

  it("is looked for in any bytes without harm, and nothing else is changed", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const frame = headers(Buffer.from(bytes));
        const mended = mendAuthority(frame);
        expect(mended.readUIntBE(0, 3)).toBe(mended.length - FRAME_HEADER);
      }),
    );
  });
});
