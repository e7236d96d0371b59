/** Numbers pairs of integers in the order of their first appearance: a hash table in typed arrays, without objects. */

const EMPTY = -1;

export class PairNumbers {
  count = 0;
  #a = new Int32Array(1 << 10);
  #b = new Int32Array(1 << 10);
  /** By slot of the hash table, the number of the pair there. */
  #slots = new Int32Array(1 << 11).fill(EMPTY);

  /** The number of a pair, a new one if it was not there. */
  number(a: number, b: number): number {
    const mask = this.#slots.length - 1;
    let slot = hash(a, b) & mask;
    for (;;) {
      const found = this.#slots[slot] as number;
      if (found === EMPTY) break;
      if (this.#a[found] === a && this.#b[found] === b) return found;
      slot = (slot + 1) & mask;
    }
    const fresh = this.count++;
    this.#slots[slot] = fresh;
    this.#a[fresh] = a;
    this.#b[fresh] = b;
    if (this.count === this.#a.length) this.#grow();
    return fresh;
  }

  /** The second of the pair with a number. */
  second(number: number): number {
    return this.#b[number] as number;
  }

  #grow(): void {
    const double = (old: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> => {
      const fresh = new Int32Array(old.length * 2);
      fresh.set(old);
      return fresh;
    };
    this.#a = double(this.#a);
    this.#b = double(this.#b);
    this.#slots = new Int32Array(this.#slots.length * 2).fill(EMPTY);
    const mask = this.#slots.length - 1;
    for (let number = 0; number < this.count; number++) {
      let slot = hash(this.#a[number] as number, this.#b[number] as number) & mask;
      while (this.#slots[slot] !== EMPTY) slot = (slot + 1) & mask;
      this.#slots[slot] = number;
    }
  }
}

/** The finaliser of MurmurHash3 over both. */
function hash(a: number, b: number): number {
  let h = Math.imul(a, 0x9e3779b1) ^ b;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
