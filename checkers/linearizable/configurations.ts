/** Words of an entry before its two sets. */
const HEADER = 5;

/**
 * The set of configurations a search has been in, with dominance.
 *
 * A configuration is (linearized required operations, linearized pending operations, state). Pending operations
 * are only ever an opportunity, so a configuration that has used a superset of the pending operations of a known
 * one, all else equal, can do nothing the known one could not: it is dominated and need not be explored.
 *
 * The required operations are stored as a window: the first one missing, and bits for those after it up to the
 * horizon (the first completion still ahead). Both follow from the set itself, so equal sets have equal windows,
 * and an entry costs a few words however long the history is. Comparison is exact; hashes only choose the slot.
 */
export class Configurations {
  /** Heads of chains, 0 for none. Its length is a power of two. */
  #slots = new Int32Array(1 << 6);
  /** Entries: next, hash, first missing, state, last word of the window, the window, the pending set. */
  #arena = new Int32Array(1 << 9);
  #used = 1;
  #count = 0;

  /** Number of configurations held. */
  get size(): number {
    return this.#count;
  }

  /**
   * Adds a configuration; false if it, or one that dominates it, is there already. `windowFrom..windowTo` are the
   * words of `required` that can differ among sets with this `first` missing, and only the first `pendingWords`
   * words of `pending` can be other than zero.
   */
  add(
    first: number,
    state: number,
    required: Int32Array,
    windowFrom: number,
    windowTo: number,
    pending: Int32Array,
    pendingWords: number,
  ): boolean {
    let hash = mix(first ^ 0x2545f491);
    hash = mix(hash ^ state);
    for (let i = windowFrom; i <= windowTo; i++) hash = mix(hash ^ (required[i] as number));
    const windowWords = windowTo - windowFrom + 1;
    const arena = this.#arena;
    const slot = hash & (this.#slots.length - 1);
    for (let at = this.#slots[slot] as number; at !== 0; at = arena[at] as number) {
      if (arena[at + 2] !== first || arena[at + 3] !== state || arena[at + 4] !== windowTo) continue;
      let word = 0;
      while (word < windowWords && arena[at + HEADER + word] === required[windowFrom + word]) word++;
      if (word < windowWords) continue;
      const mask = at + HEADER + windowWords;
      word = 0;
      while (word < pendingWords && ((arena[mask + word] as number) & ~(pending[word] as number)) === 0)
        word++;
      if (word === pendingWords) return false;
    }
    this.#insert(hash, first, state, required, windowFrom, windowTo, pending, pendingWords);
    return true;
  }

  #insert(
    hash: number,
    first: number,
    state: number,
    required: Int32Array,
    windowFrom: number,
    windowTo: number,
    pending: Int32Array,
    pendingWords: number,
  ): void {
    const size = HEADER + (windowTo - windowFrom + 1) + pendingWords;
    if (this.#used + size > this.#arena.length) {
      const larger = new Int32Array(Math.max(this.#arena.length * 2, this.#used + size));
      larger.set(this.#arena);
      this.#arena = larger;
    }
    if (this.#count >= this.#slots.length) this.#grow();
    const arena = this.#arena;
    const slot = hash & (this.#slots.length - 1);
    let at = this.#used;
    arena[at] = this.#slots[slot] as number;
    this.#slots[slot] = at;
    arena[at + 1] = hash;
    arena[at + 2] = first;
    arena[at + 3] = state;
    arena[at + 4] = windowTo;
    at += HEADER;
    for (let i = windowFrom; i <= windowTo; i++) arena[at++] = required[i] as number;
    for (let i = 0; i < pendingWords; i++) arena[at++] = pending[i] as number;
    this.#used = at;
    this.#count++;
  }

  #grow(): void {
    const arena = this.#arena;
    const slots = new Int32Array(this.#slots.length * 4);
    for (const head of this.#slots) {
      let at = head;
      while (at !== 0) {
        const next = arena[at] as number;
        const slot = (arena[at + 1] as number) & (slots.length - 1);
        arena[at] = slots[slot] as number;
        slots[slot] = at;
        at = next;
      }
    }
    this.#slots = slots;
  }
}

/** A bijection of 32-bit integers (the finaliser of MurmurHash3), so that sets do not cancel out as with XOR alone. */
function mix(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
