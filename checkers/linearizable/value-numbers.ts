/** Numbers for values: equal values, and only they, have equal numbers. */
import type { Json } from "../../src/history/op.ts";

/**
 * From 0 in the order of first appearance. Compared is the JSON text, in which numbers and strings differ; integers,
 * which most values are, are looked up in a table that is a good deal faster than a Map.
 */
export class ValueNumbers {
  /** Open addressing: an integer, and its number plus one, or 0 for a free slot. Their length is a power of two. */
  #integers = new Int32Array(1 << 6);
  #slots = new Int32Array(1 << 6);
  #count = 0;
  readonly #others = new Map<number | string, number>();

  /** `initial` gets number 0. */
  constructor(initial: Json) {
    this.of(initial);
  }

  of(value: Json): number {
    if (typeof value !== "number")
      return this.#other(typeof value === "string" ? `s${value}` : JSON.stringify(value));
    return (value | 0) === value ? this.#integer(value) : this.#other(value);
  }

  #integer(value: number): number {
    let slot = this.#slotOf(value);
    while (this.#slots[slot] !== 0) {
      if (this.#integers[slot] === value) return (this.#slots[slot] as number) - 1;
      slot = (slot + 1) & (this.#slots.length - 1);
    }
    if (2 * this.#count >= this.#slots.length) {
      this.#grow();
      return this.#integer(value);
    }
    this.#integers[slot] = value;
    this.#slots[slot] = ++this.#count;
    return this.#count - 1;
  }

  #other(value: number | string): number {
    let number = this.#others.get(value);
    if (number === undefined) {
      number = this.#count++;
      this.#others.set(value, number);
    }
    return number;
  }

  #slotOf(value: number): number {
    const h = Math.imul(value ^ (value >>> 16), 0x9e3779b1);
    return (h ^ (h >>> 15)) & (this.#slots.length - 1);
  }

  #grow(): void {
    const integers = this.#integers;
    const slots = this.#slots;
    this.#integers = new Int32Array(slots.length * 4);
    this.#slots = new Int32Array(slots.length * 4);
    slots.forEach((number, i) => {
      if (number === 0) return;
      let slot = this.#slotOf(integers[i] as number);
      while (this.#slots[slot] !== 0) slot = (slot + 1) & (this.#slots.length - 1);
      this.#integers[slot] = integers[i] as number;
      this.#slots[slot] = number;
    });
  }
}
