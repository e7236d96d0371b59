/**
 * From two operations on one value, or on values linked by compare-and-sets, to all operations that show that they
 * are tied: so that somebody who knows no more than these can verify the contradiction.
 */
import { INITIAL, NEVER, NONE } from "./accesses.ts";
import { NOBODY, type Ties } from "./ties.ts";

/** An operation of a contradiction; `blind`: it is enough to take it for the plain write it contains. */
export interface Member {
  readonly position: number;
  readonly blind: boolean;
}

export class Contradiction {
  readonly #ties: Ties;
  /** Whether a compare-and-set can be taken for a write. */
  readonly #blinds: boolean;
  /** By operation: whether it can be taken for a write. */
  readonly #members = new Map<number, boolean>();

  constructor(ties: Ties, blinds: boolean) {
    this.#ties = ties;
    this.#blinds = blinds;
  }

  /** By position. */
  members(): readonly Member[] {
    return [...this.#members]
      .map(([position, blind]) => ({ position, blind }))
      .sort((a, b) => a.position - b.position);
  }

  /** An operation as it is. */
  add(operation: number): this {
    if (this.#members.get(operation) === false) return this;
    this.#members.set(operation, false);
    this.#prove(operation);
    return this;
  }

  /** Two operations of one block, that of the earlier value first (or `NOBODY`), and what links them. */
  addSpan(earlier: number, later: number): this {
    const { accesses, writer } = this.#ties;
    const from = this.#valueOf(earlier);
    let value = this.#valueOf(later);
    for (; value !== from; value = accesses.reads[writer[value] as number] as number)
      this.add(writer[value] as number);
    this.addSource(value);
    // The source may be one of the two; there it does not matter what it met.
    for (const operation of [earlier, later])
      if (operation !== NOBODY && !this.#members.has(operation)) this.add(operation);
    return this;
  }

  /** Whoever wrote a value, and if that depends on another value, its writers, too. */
  addSource(value: number): this {
    const { accesses, writer } = this.#ties;
    for (let current = value; current !== NONE; ) {
      const source = writer[current] as number;
      if (source === NOBODY || source === NONE || this.#members.has(source)) return this;
      const met = accesses.reads[source] as number;
      const blind = met !== NONE && this.#blinds && accesses.completed[source] !== NEVER;
      this.#members.set(source, blind);
      this.#prove(source);
      current = blind ? NONE : met;
    }
    return this;
  }

  /** A pending operation is only believed to have taken effect if a required one met its value. */
  #prove(operation: number): void {
    const { accesses, writer, leaves, next, readers, readersFrom } = this.#ties;
    if (accesses.completed[operation] !== NEVER) return;
    const value = leaves[operation] as number;
    const from = readersFrom[value] as number;
    if (from < (readersFrom[value + 1] as number)) this.#members.set(readers[from] as number, false);
    else this.add(writer[next[value] as number] as number);
  }

  /** The value an operation belongs to: that which it leaves, or else meets. */
  #valueOf(operation: number): number {
    if (operation === NOBODY) return INITIAL;
    const left = this.#ties.leaves[operation] as number;
    return left === NONE ? (this.#ties.accesses.reads[operation] as number) : left;
  }
}
