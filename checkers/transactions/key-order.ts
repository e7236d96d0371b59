/** Keys in the order of ranges: numbers by size, strings by the codes of their characters. */
import type { Json } from "../../src/history/op.ts";

export class KeyOrder {
  readonly #numbers: readonly (readonly [key: number, number: number])[];
  readonly #strings: readonly (readonly [key: string, number: number])[];

  /** Keys with their numbers. Those that are neither numbers nor strings are in no range. */
  constructor(keys: Iterable<readonly [key: Json, number: number]>) {
    const numbers: [number, number][] = [];
    const strings: [string, number][] = [];
    for (const [key, number] of keys)
      if (typeof key === "number") numbers.push([key, number]);
      else if (typeof key === "string") strings.push([key, number]);
    this.#numbers = numbers.sort(([a], [b]) => a - b);
    this.#strings = strings.sort(([a], [b]) => (a < b ? -1 : 1));
  }

  /** The numbers of all keys from `from` to before `to`, in their order. */
  between(from: Json, to: Json): readonly number[] {
    if (typeof from === "number" && typeof to === "number") return slice(this.#numbers, from, to);
    if (typeof from === "string" && typeof to === "string") return slice(this.#strings, from, to);
    return [];
  }
}

function slice<T>(sorted: readonly (readonly [T, number])[], from: T, to: T): readonly number[] {
  const end = place(sorted, to);
  return sorted.slice(place(sorted, from), end).map(([, number]) => number);
}

/** How many keys come before a bound. */
function place<T>(sorted: readonly (readonly [T, number])[], bound: T): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as readonly [T, number])[0] < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}
