/**
 * Decides objects whose values tell who wrote them, in O(n log n), however many operations are concurrent or of
 * unknown outcome.
 *
 * P. B. Gibbons and E. Korach, "Testing Shared Memories" (1997): where each value is written once, every operation
 * is tied to the write it met. All operations on one value come one after another, and only the order of the values
 * is open. Here the values that compare-and-sets link make up a *block*, as nothing fits between them. Let f be the
 * first completion in a block and s the last invocation. Something in block A precedes something in block B exactly
 * if f(A) < s(B). So if f(A) < s(B) and f(B) < s(A) there is no linearization; and if no two blocks are like that,
 * there is one with the blocks in the order of the smaller of their f and s.
 *
 * A pending operation is left out if nobody met its value. If somebody did, it must have taken effect, and has its
 * deadline from those in its block.
 *
 * Nobody has to believe either answer: an order is replayed here, and a violation comes as a few operations that
 * any other checker can be asked about.
 */
import { type Accesses, INITIAL, NEVER, NONE } from "./accesses.ts";
import { Arrangement, type Blocks } from "./arrangement.ts";
import { Contradiction, type Member } from "./contradiction.ts";
import { persists } from "./exclusions.ts";
import { NOBODY, type Ties, tie } from "./ties.ts";

export type ByValues =
  /** Positions in the accesses. */
  | { readonly kind: "linearizable"; readonly order: Int32Array }
  /** These operations contradict each other, whatever the others did. */
  | { readonly kind: "violation"; readonly core: readonly Member[] }
  /** A value that somebody met or excluded was written twice, or the exclusions are too entangled. */
  | { readonly kind: "undecided" };

/** At most this many operations that found no place are looked at closer. */
const DOUBTS = 16;

/** `blinds`: whether the model can take a compare-and-set for the write it contains. */
export function decideByValues(accesses: Accesses, blinds: boolean): ByValues {
  const forks: (readonly [one: number, other: number])[] = [];
  const orphans: number[] = [];
  const ties = tie(
    accesses,
    (...fork) => forks.push(fork),
    (operation) => orphans.push(operation),
  );
  if (ties === undefined) return { kind: "undecided" };
  const contradiction = new Contradiction(ties, blinds);
  const violation = (): ByValues => ({ kind: "violation", core: contradiction.members() });
  if (orphans.length > 0) {
    contradiction.add(earliest(accesses, orphans));
    return violation();
  }
  const fork = forks[0];
  if (fork !== undefined) {
    contradiction.addSource(accesses.reads[fork[0]] as number);
    for (const operation of fork) contradiction.add(operation);
    return violation();
  }
  const grouping = new Grouping(ties);
  const circle = grouping.circle();
  if (circle.length > 0) {
    for (const operation of circle) contradiction.add(operation);
    return violation();
  }
  const conflict = grouping.conflict();
  if (conflict !== undefined) {
    for (const { earlier, later } of conflict) contradiction.addSpan(earlier, later);
    return violation();
  }
  const arrangement = new Arrangement(ties, grouping.blocks());
  for (const exclusion of arrangement.homeless.slice(0, DOUBTS)) {
    const proof = persists(ties, exclusion);
    if (proof === undefined) continue;
    contradiction.addSource(accesses.excludes[exclusion] as number).add(exclusion);
    for (const operation of proof) contradiction.add(operation);
    return violation();
  }
  const order = arrangement.order();
  return explains(accesses, order) ? { kind: "linearizable", order } : { kind: "undecided" };
}

/** True if an order of operations is a linearization of all that must have taken effect. */
function explains(accesses: Accesses, order: Int32Array): boolean {
  const { length, reads, writes, excludes, invoked, completed } = accesses;
  const missing = new Uint8Array(length);
  for (let i = 0; i < length; i++)
    if (completed[i] !== NEVER && (reads[i] !== NONE || writes[i] !== NONE || excludes[i] !== NONE))
      missing[i] = 1;
  let value = INITIAL;
  let latest = -1;
  for (let at = 0; at < order.length; at++) {
    const i = order[at] as number;
    if ((completed[i] as number) < latest) return false;
    if (reads[i] !== NONE && reads[i] !== value) return false;
    if (excludes[i] === value) return false;
    if (writes[i] !== NONE) value = writes[i] as number;
    if ((invoked[i] as number) > latest) latest = invoked[i] as number;
    missing[i] = 0;
  }
  return !missing.includes(1);
}

/** Two operations of one block, that of the earlier value first; that may be `NOBODY`. */
interface Span {
  readonly earlier: number;
  readonly later: number;
}

class Grouping {
  readonly #ties: Ties;
  /** Values block after block, each in the order of its chain; by value, its place in there or `NONE`. */
  readonly #chains: Int32Array;
  readonly #place: Int32Array;
  /** By block: where in `#chains` it begins, its first completion and last invocation, and whose they are. */
  readonly #from: Int32Array;
  readonly #first: Int32Array;
  readonly #last: Int32Array;
  readonly #firstOf: Int32Array;
  readonly #lastOf: Int32Array;
  #count = 0;
  #placed = 0;
  /** The conflict that shows earliest in the history, and the event at which it does. */
  #conflict: readonly Span[] | undefined;
  #shows = Number.POSITIVE_INFINITY;

  constructor(ties: Ties) {
    this.#ties = ties;
    const { values, writer, leaves, accesses } = ties;
    let roots = 1;
    for (let i = 0; i < accesses.length; i++) if (leaves[i] !== NONE && accesses.reads[i] === NONE) roots++;
    this.#chains = new Int32Array(values);
    this.#place = new Int32Array(values).fill(NONE);
    this.#from = new Int32Array(roots + 1);
    this.#first = new Int32Array(roots);
    this.#last = new Int32Array(roots);
    this.#firstOf = new Int32Array(roots);
    this.#lastOf = new Int32Array(roots);
    this.#walk(INITIAL);
    for (let value = 0; value < values; value++) {
      const source = writer[value] as number;
      if (source >= 0 && accesses.reads[source] === NONE) this.#walk(value);
    }
    this.#from[this.#count] = this.#placed;
  }

  /** Compare-and-sets that lead from a value back to it, and from no other one. */
  circle(): readonly number[] {
    const { values, writer, next } = this.#ties;
    const circle: number[] = [];
    for (let value = 0; value < values; value++) {
      if ((writer[value] as number) < 0 || this.#place[value] !== NONE) continue;
      let current = value;
      do {
        circle.push(writer[current] as number);
        current = next[current] as number;
      } while (current !== value);
      break;
    }
    return circle;
  }

  /** Spans that contradict each other; undefined if the blocks can be put in an order. */
  conflict(): readonly Span[] | undefined {
    // Of the blocks before the current one, that with the latest last invocation; it must be a forward zone.
    let open: number = NONE;
    for (const block of this.#sorted((block) =>
      Math.min(this.#first[block] as number, this.#last[block] as number),
    )) {
      if (open !== NONE && (this.#first[block] as number) < (this.#last[open] as number))
        this.#found([this.#span(open, block), this.#span(block, open)]);
      const forward = (this.#first[block] as number) < (this.#last[block] as number);
      if (forward && (open === NONE || (this.#last[block] as number) > (this.#last[open] as number)))
        open = block;
    }
    return this.#conflict;
  }

  blocks(): Blocks {
    return {
      order: this.#sorted((block) => Math.max(this.#first[block] as number, this.#last[block] as number)),
      chains: this.#chains,
      from: this.#from,
      firstCompletion: this.#first,
      lastInvocation: this.#last,
    };
  }

  /** Puts the values that follow from `root` into a block, and looks for orders that real time forbids. */
  #walk(root: number): void {
    const { accesses, writer, next, readers, readersFrom } = this.#ties;
    const { invoked, completed } = accesses;
    const block = this.#count++;
    let first: number = NEVER;
    let firstOf = NOBODY;
    let last = -1;
    let lastOf = NOBODY;
    this.#from[block] = this.#placed;
    for (let value = root; value !== NONE; value = next[value] as number) {
      this.#place[value] = this.#placed;
      this.#chains[this.#placed++] = value;
      const source = writer[value] as number;
      if (source !== NOBODY) {
        if ((completed[source] as number) < last) this.#found([{ earlier: lastOf, later: source }]);
        if ((completed[source] as number) < first) {
          first = completed[source] as number;
          firstOf = source;
        }
        if ((invoked[source] as number) > last) {
          last = invoked[source] as number;
          lastOf = source;
        }
      }
      // What came before the readers of a value is all up to its writer: they have no order among themselves.
      const before = last;
      const beforeOf = lastOf;
      for (let r = readersFrom[value] as number; r < (readersFrom[value + 1] as number); r++) {
        const reader = readers[r] as number;
        if ((completed[reader] as number) < before) this.#found([{ earlier: beforeOf, later: reader }]);
        if ((completed[reader] as number) < first) {
          first = completed[reader] as number;
          firstOf = reader;
        }
        if ((invoked[reader] as number) > last) {
          last = invoked[reader] as number;
          lastOf = reader;
        }
      }
    }
    this.#first[block] = root === INITIAL ? -1 : first;
    this.#firstOf[block] = firstOf;
    this.#last[block] = last;
    this.#lastOf[block] = lastOf;
  }

  /** Blocks by some event of theirs, or -1. */
  #sorted(event: (block: number) => number): Int32Array {
    const count = this.#count;
    const keys = new Float64Array(count);
    // One number sorts much faster than a comparison function. Exact up to 2 ** 53.
    for (let block = 0; block < count; block++) keys[block] = (event(block) + 1) * count + block;
    keys.sort();
    const sorted = new Int32Array(count);
    for (let i = 0; i < count; i++) sorted[i] = (keys[i] as number) % count;
    return sorted;
  }

  /** What shows that a block began before the last invocation in another one, and ended after its first completion. */
  #span(block: number, other: number): Span {
    const { completed } = this.#ties.accesses;
    const [a, b] = [this.#firstOf[block] as number, this.#lastOf[block] as number];
    // That of the initial value may have begun before any operation on it had completed.
    if (a === NOBODY || (completed[a] as number) > (this.#last[other] as number))
      return { earlier: NOBODY, later: b };
    return this.#placeOf(a) <= this.#placeOf(b) ? { earlier: a, later: b } : { earlier: b, later: a };
  }

  #placeOf(operation: number): number {
    const { accesses, leaves } = this.#ties;
    const left = leaves[operation] as number;
    return this.#place[left === NONE ? (accesses.reads[operation] as number) : left] as number;
  }

  #found(spans: readonly Span[]): void {
    const { accesses } = this.#ties;
    let shows = 0;
    for (const { earlier, later } of spans)
      for (const operation of [earlier, later])
        if (operation !== NOBODY) shows = Math.max(shows, accesses.completed[operation] as number);
    // Of equals the last: what was overwritten most recently tells most.
    if (shows > this.#shows) return;
    this.#shows = shows;
    this.#conflict = spans;
  }
}

function earliest({ completed }: Accesses, operations: readonly number[]): number {
  return operations.reduce((a, b) => ((completed[b] as number) < (completed[a] as number) ? b : a));
}
