/**
 * Whether an operation that excludes a value (a compare-and-set that lost) is impossible, when no place was found
 * for it.
 */
import { INITIAL, NONE } from "./accesses.ts";
import type { Ties } from "./ties.ts";

/**
 * Operations that show, with the writer of the value, that a value lasted throughout the interval of an operation
 * that excludes it, in every linearization; undefined if none do.
 */
export function persists(ties: Ties, exclusion: number): readonly number[] | undefined {
  return new Persistence(ties, exclusion).proof();
}

class Persistence {
  readonly #ties: Ties;
  readonly #exclusion: number;
  readonly #value: number;

  constructor(ties: Ties, exclusion: number) {
    this.#ties = ties;
    this.#exclusion = exclusion;
    this.#value = ties.accesses.excludes[exclusion] as number;
  }

  proof(): readonly number[] | undefined {
    const { invoked, completed } = this.#ties.accesses;
    const begin = invoked[this.#exclusion] as number;
    const end = completed[this.#exclusion] as number;
    const meeting = this.#meeting(this.#value);
    const before = meeting.find((operation) => (completed[operation] as number) < begin);
    if (before === undefined && this.#value !== INITIAL) return undefined;
    const shown = before === undefined ? [] : [before];
    const after = meeting.find((operation) => (invoked[operation] as number) > end);
    if (after !== undefined) return [...shown, after];
    return this.#coverable(end) ? undefined : shown;
  }

  /** All operations at which a value was there. */
  #meeting(value: number): readonly number[] {
    const { writer, next, readers, readersFrom } = this.#ties;
    const meeting: number[] = [];
    if ((writer[value] as number) >= 0) meeting.push(writer[value] as number);
    for (let r = readersFrom[value] as number; r < (readersFrom[value + 1] as number); r++)
      meeting.push(readers[r] as number);
    if (next[value] !== NONE) meeting.push(writer[next[value] as number] as number);
    return meeting;
  }

  /** True if a write may come after the excluded value and before event `end`. */
  #coverable(end: number): boolean {
    const { accesses, leaves, next } = this.#ties;
    const { length, reads, writes, invoked, completed } = accesses;
    if (next[this.#value] !== NONE) return true;
    const { values, last } = this.#chain();
    for (let i = 0; i < length && (invoked[i] as number) < end; i++) {
      const left = leaves[i] as number;
      if (writes[i] === NONE || values.has(left)) continue;
      if (left === NONE) {
        // A pending compare-and-set from another value only takes effect where that is, and that is looked at itself.
        if (reads[i] === NONE || reads[i] === this.#value) return true;
        continue;
      }
      // Before the block of the excluded value, if anything met it before something in there was invoked.
      if (!this.#meeting(left).some((operation) => (completed[operation] as number) < last)) return true;
    }
    return false;
  }

  /** The excluded value with all that lead to it, and their last invocation. */
  #chain(): { readonly values: ReadonlySet<number>; readonly last: number } {
    const { accesses, writer } = this.#ties;
    const values = new Set<number>();
    let last = -1;
    for (let value = this.#value; value !== NONE; ) {
      values.add(value);
      for (const operation of this.#meeting(value))
        last = Math.max(last, accesses.invoked[operation] as number);
      const source = writer[value] as number;
      value = source < 0 ? NONE : (accesses.reads[source] as number);
    }
    return { values, last };
  }
}
