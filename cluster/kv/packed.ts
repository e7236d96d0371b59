/** Numbers and byte strings in a row of bytes: what snapshots of the store are made of. */

/** A safe integer takes eight bytes at most, seven bits in each. */
const INTEGER_BYTES = 8;

export class PackedWriter {
  #bytes = Buffer.allocUnsafe(1024);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  /** A safe integer, not negative: seven bits a byte, the low ones first, the last byte below 128. */
  integer(value: number): void {
    this.#reserve(INTEGER_BYTES);
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.#bytes[this.#length++] = (rest % 0x80) | 0x80;
    this.#bytes[this.#length++] = rest;
  }

  /** Length and characters, a byte each. */
  text(value: string): void {
    this.integer(value.length);
    this.#reserve(value.length);
    this.#length += this.#bytes.write(value, this.#length, "latin1");
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** A copy of everything written. */
  copy(): Uint8Array {
    return new Uint8Array(this.#bytes.subarray(0, this.#length));
  }

  /** The same, and begins anew. */
  take(): Uint8Array {
    const taken = this.copy();
    this.#length = 0;
    return taken;
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(2 * (this.#length + count));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

/** Every read throws RangeError if there is nothing of the kind. */
export class PackedReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  byte(): number {
    const value = this.#bytes[this.#at];
    if (value === undefined) throw new RangeError("a byte is missing");
    this.#at++;
    return value;
  }

  integer(): number {
    let value = 0;
    let factor = 1;
    for (let count = 0; count < INTEGER_BYTES; count++) {
      const byte = this.byte();
      value += (byte & 0x7f) * factor;
      factor *= 0x80;
      if (byte < 0x80 && Number.isSafeInteger(value)) return value;
    }
    throw new RangeError("a number is too large");
  }

  text(): string {
    const length = this.integer();
    const from = this.#at;
    if (length > this.#bytes.length - from) throw new RangeError("a text goes beyond the end");
    this.#at = from + length;
    return this.#bytes.toString("latin1", from, this.#at);
  }
}
