/** Header fields as HTTP/2 carries them (RFC 7541). */
import { ConnectionError, ErrorCode } from "./frames.ts";
import { decodeHuffman } from "./huffman.ts";

/** Bytes as latin1. */
export type Field = readonly [name: string, value: string];

const STATIC: readonly Field[] = [
  [":authority", ""],
  [":method", "GET"],
  [":method", "POST"],
  [":path", "/"],
  [":path", "/index.html"],
  [":scheme", "http"],
  [":scheme", "https"],
  [":status", "200"],
  [":status", "204"],
  [":status", "206"],
  [":status", "304"],
  [":status", "400"],
  [":status", "404"],
  [":status", "500"],
  ["accept-charset", ""],
  ["accept-encoding", "gzip, deflate"],
  ...[
    ...["accept-language", "accept-ranges", "accept", "access-control-allow-origin", "age", "allow"],
    ...["authorization", "cache-control", "content-disposition", "content-encoding", "content-language"],
    ...["content-length", "content-location", "content-range", "content-type", "cookie", "date", "etag"],
    ...["expect", "expires", "from", "host", "if-match", "if-modified-since", "if-none-match", "if-range"],
    ...["if-unmodified-since", "last-modified", "link", "location", "max-forwards", "proxy-authenticate"],
    ...["proxy-authorization", "range", "referer", "refresh", "retry-after", "server", "set-cookie"],
    ...["strict-transport-security", "transfer-encoding", "user-agent", "vary", "via", "www-authenticate"],
  ].map((name): Field => [name, ""]),
];

/** Bytes of a decoder's table, unless its owner says otherwise; ours do not. */
export const TABLE_BYTES = 4096;
/** What an entry of the table, or a field of a list, counts besides its name and value. */
const FIELD_OVERHEAD = 32;
/** No integer in a block of ours is larger. */
const MAX_INTEGER = 1 << 24;

const sizeOf = ([name, value]: Field): number => name.length + value.length + FIELD_OVERHEAD;

function broken(what: string): ConnectionError {
  return new ConnectionError(ErrorCode.compression, `header fields: ${what}`);
}

/** The table that both ends keep, newest entry last, and what is read from blocks by it. */
export class HeaderDecoder {
  readonly #maxList: number;
  readonly #table: Field[] = [];
  #size = 0;
  #capacity = TABLE_BYTES;
  #block: Buffer = Buffer.alloc(0);
  #at = 0;

  /** `maxList`: size of a list at most, as section 6.5.2 of RFC 9113 counts it. */
  constructor(maxList: number) {
    this.#maxList = maxList;
  }

  /** The fields of a whole block, in order. Throws ConnectionError: the tables then differ for ever. */
  decode(block: Buffer): Field[] {
    this.#block = block;
    this.#at = 0;
    const fields: Field[] = [];
    let listed = 0;
    while (this.#at < block.length) {
      const first = block[this.#at] as number;
      if ((first & 0xe0) === 0x20) {
        if (fields.length > 0) throw broken("the size of the table changes in the middle");
        this.#resize(this.#integer(5));
        continue;
      }
      const field = this.#field(first);
      listed += sizeOf(field);
      if (listed > this.#maxList)
        throw new ConnectionError(ErrorCode.enhanceYourCalm, `header fields above ${this.#maxList} bytes`);
      fields.push(field);
    }
    return fields;
  }

  #field(first: number): Field {
    if (first >= 0x80) return this.#entry(this.#integer(7));
    const indexed = first >= 0x40;
    const place = this.#integer(indexed ? 6 : 4);
    const name = place === 0 ? this.#string() : this.#entry(place)[0];
    const field: Field = [name, this.#string()];
    if (indexed) this.#add(field);
    return field;
  }

  #entry(place: number): Field {
    const field =
      place <= STATIC.length ? STATIC[place - 1] : this.#table[this.#table.length - place + STATIC.length];
    if (field === undefined) throw broken(`there is no entry ${place}`);
    return field;
  }

  #add(field: Field): void {
    this.#table.push(field);
    this.#size += sizeOf(field);
    this.#evict();
  }

  #resize(capacity: number): void {
    if (capacity > TABLE_BYTES) throw broken(`a table of ${capacity} bytes`);
    this.#capacity = capacity;
    this.#evict();
  }

  #evict(): void {
    while (this.#size > this.#capacity) this.#size -= sizeOf(this.#table.shift() as Field);
  }

  /** With its first bits in the current byte (section 5.1). */
  #integer(prefix: number): number {
    const mask = (1 << prefix) - 1;
    let value = (this.#block[this.#at++] as number) & mask;
    if (value < mask) return value;
    for (let shift = 0; shift <= 21; shift += 7) {
      const byte = this.#block[this.#at++];
      if (byte === undefined) throw broken("they end in the middle of a number");
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) {
        if (value > MAX_INTEGER) break;
        return value;
      }
    }
    throw broken("a number is too large");
  }

  #string(): string {
    const first = this.#block[this.#at];
    if (first === undefined) throw broken("they end before a text");
    const length = this.#integer(7);
    const end = this.#at + length;
    if (end > this.#block.length) throw broken("they end in the middle of a text");
    const from = this.#at;
    this.#at = end;
    if (first < 0x80) return this.#block.toString("latin1", from, end);
    const text = decodeHuffman(this.#block.subarray(from, end));
    if (text === undefined) throw broken("a text is not in the Huffman code");
    return text;
  }
}

/** A block that says the same whatever came before: nothing is added to the other end's table. */
export function encodeFields(fields: readonly Field[]): Buffer {
  const bytes: number[] = [];
  for (const [name, value] of fields) {
    const whole = STATIC.findIndex((field) => field[0] === name && field[1] === value);
    if (whole >= 0) {
      bytes.push(0x80 | (whole + 1));
      continue;
    }
    const named = STATIC.findIndex((field) => field[0] === name);
    encodeInteger(bytes, 4, named + 1);
    if (named < 0) encodeString(bytes, name);
    encodeString(bytes, value);
  }
  return Buffer.from(bytes);
}

function encodeString(bytes: number[], text: string): void {
  encodeInteger(bytes, 7, text.length);
  for (let i = 0; i < text.length; i++) bytes.push(text.charCodeAt(i));
}

function encodeInteger(bytes: number[], prefix: number, value: number): void {
  const mask = (1 << prefix) - 1;
  if (value < mask) {
    bytes.push(value);
    return;
  }
  bytes.push(mask);
  let rest = value - mask;
  for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest);
}
