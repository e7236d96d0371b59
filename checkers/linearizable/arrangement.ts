/**
 * One linearization of blocks that do not contradict each other, with the operations that say which value they did
 * *not* meet (compare-and-sets that lost) in between.
 *
 * Blocks are placed one after another, each as late as it may be: by the larger of their first completion and last
 * invocation. In the order, every value lasts from one boundary to the next. A boundary is the moment right after
 * some event; it may lie anywhere from the last invocation before it in the order to the first completion after it.
 * Who excludes a value needs one of its two boundaries inside the own interval. So a value begins later than it
 * could, or another block comes earlier than it must, or a pending write that nobody met takes effect after all.
 *
 * This is one pass without going back, so it may leave exclusions without a place where another arrangement had one.
 */
import { type Accesses, INITIAL, NEVER, NONE } from "./accesses.ts";
import { groupedBy } from "./counting-sort.ts";
import type { Ties } from "./ties.ts";

/** Blocks of values between which no other value can be. */
export interface Blocks {
  /** As late as possible; the first is that of the initial value. */
  readonly order: Int32Array;
  /** Values block after block: those of block b are `chains[from[b]]` up to `from[b + 1]`. */
  readonly chains: Int32Array;
  readonly from: Int32Array;
  /** By block. */
  readonly firstCompletion: Int32Array;
  readonly lastInvocation: Int32Array;
}

/** So many blocks are looked at for one that can come earlier. */
const LOOKAHEAD = 256;

export class Arrangement {
  readonly #ties: Ties;
  readonly #blocks: Blocks;
  readonly #exclusions: Int32Array;
  readonly #excluding: (value: number) => Int32Array;
  readonly #spare: Spare;
  /** By value: the first completion from there on, in the order of the blocks. */
  readonly #latest: Int32Array;
  /** In the order found: a value, or the complement of a pending operation that covers the one before; and its begin. */
  readonly #segments: number[] = [];
  readonly #begins: number[] = [];
  /** Exclusions that found no place. */
  readonly homeless: number[] = [];

  constructor(ties: Ties, blocks: Blocks) {
    this.#ties = ties;
    this.#blocks = blocks;
    this.#exclusions = exclusionsOf(ties);
    this.#excluding = byValue(ties, this.#exclusions);
    this.#spare = new Spare(ties);
    this.#latest = this.#exclusions.length === 0 ? new Int32Array(0) : this.#completions();
    if (this.#exclusions.length > 0) this.#arrange();
    else
      for (const block of blocks.order) for (const value of this.#valuesOf(block)) this.#segments.push(value);
  }

  #arrange(): void {
    const { accesses, writer } = this.#ties;
    const { invoked, completed } = accesses;
    const { order } = this.#blocks;
    const placed = new Uint8Array(order.length);
    let begin = -1;
    /** Last invocation so far. */
    let invocation = -1;
    // Before this event the next boundary must come, for the sake of those that exclude the value before it.
    let due: number = NEVER;
    let next = 0;
    let earlier: number = NONE;
    for (;;) {
      while (next < order.length && placed[order[next] as number] === 1) next++;
      const block = earlier === NONE ? order[next] : earlier;
      if (block === undefined) return;
      placed[block] = 1;
      earlier = NONE;
      while (next < order.length && placed[order[next] as number] === 1) next++;
      const values = this.#valuesOf(block);
      for (let i = 0; i < values.length; i++) {
        const value = values[i] as number;
        const excluding = this.#excluding(value);
        if (value !== INITIAL) invocation = Math.max(invocation, invoked[writer[value] as number] as number);
        begin = Math.max(begin, invocation);
        invocation = Math.max(invocation, this.#lastReader(value));
        const inside = i + 1 < values.length;
        const follower = inside
          ? values[i + 1]
          : next < order.length
            ? this.#rootOf(order[next] as number)
            : undefined;
        const soonest =
          follower === undefined
            ? NEVER
            : Math.max(invocation, invoked[writer[follower] as number] as number);
        const limit = value === INITIAL ? NONE : Math.min(due, this.#latest[value] as number);
        for (const exclusion of excluding) {
          // The next value comes too late for it, so this one has to begin later.
          const at = invoked[exclusion] as number;
          if (at > begin && at < limit && (completed[exclusion] as number) <= soonest) begin = at;
        }
        this.#segments.push(value);
        this.#begins.push(begin);
        due = NEVER;
        let urgent: number = NEVER;
        for (const exclusion of excluding) {
          if ((invoked[exclusion] as number) <= begin) continue;
          const deadline = completed[exclusion] as number;
          if (deadline > soonest) due = Math.min(due, deadline);
          else urgent = Math.min(urgent, deadline);
        }
        if (urgent === NEVER) continue;
        if (invocation < urgent) {
          if (!inside) earlier = this.#earlier(next, placed, urgent);
          if (earlier !== NONE) {
            due = urgent;
            continue;
          }
          const cover = inside ? NONE : this.#spare.take(value, urgent);
          if (cover !== NONE) {
            invocation = Math.max(invocation, invoked[cover] as number);
            begin = Math.max(begin, invocation);
            this.#segments.push(~cover);
            this.#begins.push(begin);
            due = NEVER;
            continue;
          }
        }
        for (const exclusion of excluding)
          if ((invoked[exclusion] as number) > begin && (completed[exclusion] as number) <= soonest)
            this.homeless.push(exclusion);
      }
    }
  }

  /** The first block that can begin before event `deadline`, and need not come after one that is not placed; or `NONE`. */
  #earlier(next: number, placed: Uint8Array, deadline: number): number {
    const { order, firstCompletion, lastInvocation } = this.#blocks;
    const { accesses, writer } = this.#ties;
    let completion: number = NEVER;
    const end = Math.min(order.length, next + LOOKAHEAD);
    for (let at = next; at < end; at++) {
      const block = order[at] as number;
      if (placed[block] === 1) continue;
      const invocation = accesses.invoked[writer[this.#rootOf(block)] as number] as number;
      if (invocation < deadline && (lastInvocation[block] as number) < completion) return block;
      completion = Math.min(completion, firstCompletion[block] as number);
    }
    return NONE;
  }

  /** All operations, each exclusion where its value is not. Worth nothing if some are homeless. */
  order(): Int32Array {
    const { accesses, writer, readers, readersFrom } = this.#ties;
    const { from, sorted } = this.#homes();
    const order = new Int32Array(accesses.length);
    let length = 0;
    this.#segments.forEach((value, segment) => {
      if (value < 0) order[length++] = ~value;
      else if (value !== INITIAL) order[length++] = writer[value] as number;
      let r = value < 0 ? 0 : (readersFrom[value] as number);
      const lastReader = value < 0 ? 0 : (readersFrom[value + 1] as number);
      let e = from[segment] as number;
      const lastExclusion = from[segment + 1] as number;
      // Both lists are by invocation, which is all that real time asks of operations within one value.
      while (r < lastReader || e < lastExclusion) {
        if (e === lastExclusion || (r < lastReader && (readers[r] as number) < (sorted[e] as number)))
          order[length++] = readers[r++] as number;
        else order[length++] = sorted[e++] as number;
      }
    });
    return order.subarray(0, length);
  }

  /** The exclusions by the segment they go to. */
  #homes(): { readonly from: Int32Array; readonly sorted: Int32Array } {
    const { invoked, excludes } = this.#ties.accesses;
    const count = this.#segments.length;
    const home = new Int32Array(this.#exclusions.length);
    let segment = 0;
    this.#exclusions.forEach((exclusion, e) => {
      // They are by invocation, so this never goes back.
      while (segment + 1 < count && (this.#begins[segment + 1] as number) < (invoked[exclusion] as number))
        segment++;
      const excluded = this.#segments[segment] === excludes[exclusion];
      home[e] = Math.min(count - 1, excluded ? segment + 1 : segment);
    });
    return groupedBy(home, count, this.#exclusions);
  }

  /** By value: the first completion from there on. */
  #completions(): Int32Array {
    const { accesses, values, writer, readers, readersFrom } = this.#ties;
    const latest = new Int32Array(values);
    let first: number = NEVER;
    for (let at = this.#blocks.order.length - 1; at >= 0; at--) {
      const chain = this.#valuesOf(this.#blocks.order[at] as number);
      for (let i = chain.length - 1; i >= 0; i--) {
        const value = chain[i] as number;
        if (value !== INITIAL) first = Math.min(first, accesses.completed[writer[value] as number] as number);
        for (let r = readersFrom[value] as number; r < (readersFrom[value + 1] as number); r++)
          first = Math.min(first, accesses.completed[readers[r] as number] as number);
        latest[value] = first;
      }
    }
    return latest;
  }

  /** Readers are by invocation. */
  #lastReader(value: number): number {
    const { accesses, readers, readersFrom } = this.#ties;
    const end = readersFrom[value + 1] as number;
    return end === readersFrom[value] ? -1 : (accesses.invoked[readers[end - 1] as number] as number);
  }

  #rootOf(block: number): number {
    return this.#blocks.chains[this.#blocks.from[block] as number] as number;
  }

  #valuesOf(block: number): Int32Array {
    const { chains, from } = this.#blocks;
    return chains.subarray(from[block], from[block + 1]);
  }
}

function exclusionsOf({ accesses }: Ties): Int32Array {
  const { length, excludes, completed } = accesses;
  const found: number[] = [];
  for (let i = 0; i < length; i++) if (excludes[i] !== NONE && completed[i] !== NEVER) found.push(i);
  return Int32Array.from(found);
}

/** The exclusions of a value, by invocation. */
function byValue({ accesses }: Ties, exclusions: Int32Array): (value: number) => Int32Array {
  const { excludes, values } = accesses;
  const excluded = exclusions.map((exclusion) => excludes[exclusion] as number);
  const { from, sorted } = groupedBy(excluded, values, exclusions);
  const none = new Int32Array(0);
  // Values that nobody met have more numbers than the accesses know of.
  return (value) => {
    const start = from[value];
    return start === undefined || start === from[value + 1] ? none : sorted.subarray(start, from[value + 1]);
  };
}

/** Pending operations that nobody needs. Each can be used once. */
class Spare {
  readonly #accesses: Accesses;
  /** Plain writes, by invocation, and how many of them are used. */
  readonly #writes: number[] = [];
  #used = 0;
  /** By value: the first compare-and-set from it. */
  readonly #swaps = new Map<number, number>();

  constructor({ accesses, leaves }: Ties) {
    this.#accesses = accesses;
    const { length, reads, writes, completed } = accesses;
    for (let i = 0; i < length; i++) {
      if (completed[i] !== NEVER || writes[i] === NONE || leaves[i] !== NONE) continue;
      if (reads[i] === NONE) this.#writes.push(i);
      else if (!this.#swaps.has(reads[i] as number)) this.#swaps.set(reads[i] as number, i);
    }
  }

  /** One that can cover `value` and was invoked before `deadline`, or `NONE`. */
  take(value: number, deadline: number): number {
    const { invoked } = this.#accesses;
    const swap = this.#swaps.get(value);
    if (swap !== undefined && (invoked[swap] as number) < deadline) return swap;
    const write = this.#writes[this.#used];
    if (write === undefined || (invoked[write] as number) >= deadline) return NONE;
    this.#used++;
    return write;
  }
}
