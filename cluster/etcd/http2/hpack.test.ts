import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConnectionError } from "./frames.ts";
import { encodeFields, HeaderDecoder } from "./hpack.ts";
import { decodeHuffman } from "./huffman.ts";

const decoder = () => new HeaderDecoder(64 * 1024);
const hex = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex");

describe("the Huffman code", () => {
  it("says what the examples of RFC 7541 say", () => {
    expect(decodeHuffman(hex("f1e3 c2e5 f23a 6ba0 ab90 f4ff"))).toBe("www.example.com");
    expect(decodeHuffman(hex("a8eb 1064 9cbf"))).toBe("no-cache");
    expect(decodeHuffman(hex("d07a be94 1054 d444 a820 0595 040b 8166 e082 a62d 1bff"))).toBe(
      "Mon, 21 Oct 2013 20:13:21 GMT",
    );
  });

  it("is padded with less than a byte of ones, and nothing else", () => {
    expect(decodeHuffman(hex("1f"))).toBe("a");
    expect(decodeHuffman(hex("18"))).toBeUndefined();
    expect(decodeHuffman(hex("1fff"))).toBeUndefined();
    expect(decodeHuffman(hex("ffffffff"))).toBeUndefined();
  });
});

describe("header fields", () => {
  it("are read as RFC 7541 shows (C.4): with a table that grows from block to block", () => {
    const reader = decoder();
    expect(reader.decode(hex("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff"))).toEqual([
      [":method", "GET"],
      [":scheme", "http"],
      [":path", "/"],
      [":authority", "www.example.com"],
    ]);
    expect(reader.decode(hex("8286 84be 5886 a8eb 1064 9cbf")).slice(3)).toEqual([
      [":authority", "www.example.com"],
      ["cache-control", "no-cache"],
    ]);
    expect(reader.decode(hex("8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf"))).toEqual([
      [":method", "GET"],
      [":scheme", "https"],
      [":path", "/index.html"],
      [":authority", "www.example.com"],
      ["custom-key", "custom-value"],
    ]);
  });

  it("leave a table that is too small for them", () => {
    const reader = decoder();
    // 64 bytes: room for one field of these.
    const add = (value: string) => [0x40, 1, 0x61, value.length, ...Buffer.from(value)];
    reader.decode(Buffer.from([0x3f, 0x21, ...add("first-one"), ...add("other-one")]));
    expect(reader.decode(Buffer.of(0xbe))).toEqual([["a", "other-one"]]);
    expect(() => reader.decode(Buffer.of(0xbf))).toThrow("there is no entry 63");
  });

  it("are refused when they break the rules", () => {
    const refused = (bytes: readonly number[], why: string) =>
      expect(() => decoder().decode(Buffer.from(bytes))).toThrow(why);
    refused([0x80], "there is no entry 0");
    refused([0x82, 0x20], "in the middle");
    refused([0x3f, 0xe2, 0x1f], "a table of");
    refused([0x40, 0x05, 0x61], "in the middle of a text");
    refused([0x7f, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01], "too large");
    refused([0x7f, 0x80], "in the middle of a number");
    refused([0x04], "before a text");
    refused([0x04, 0x81, 0x18], "Huffman");
  });

  it("have an end: a table entry that is named again and again does not fill the memory", () => {
    const big = [0x40, 1, 0x61, 0x7f, 0xa1, 0x1e, ...Buffer.alloc(4000, "v")];
    expect(() => decoder().decode(Buffer.from([...big, ...Array(60_000).fill(0xbe)]))).toThrow("above 65536");
  });

  it("come back as they were sent", () => {
    const text = fc.string({ unit: "binary-ascii", maxLength: 300 });
    const names = fc.oneof(fc.constantFrom(":status", "content-type", "grpc-status", "server"), text);
    fc.assert(
      fc.property(fc.array(fc.tuple(names, text), { maxLength: 20 }), (fields) => {
        expect(decoder().decode(encodeFields(fields))).toEqual(fields);
      }),
    );
  });

  it("of any bytes are fields or an error of the connection", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 5 }), (blocks) => {
        const reader = decoder();
        for (const block of blocks)
          try {
            reader.decode(Buffer.from(block));
          } catch (error) {
            expect(error).toBeInstanceOf(ConnectionError);
            return;
          }
      }),
      { numRuns: 2000 },
    );
  });
});
