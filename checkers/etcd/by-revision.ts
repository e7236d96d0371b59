/** Things by revision: a list for those that follow each other, a map for those that are far away, or no numbers. */

/** How far away from the others a revision may be to be in the list. */
const NEAR = 1 << 12;

export class ByRevision<T> {
  readonly #first: number;
  readonly #near: (T | undefined)[] = [];
  readonly #far = new Map<number, T>();
  #size = 0;

  /** `first` is the least that is expected. */
  constructor(first: number) {
    this.#first = first;
  }

  get size(): number {
    return this.#size;
  }

  get(revision: number): T | undefined {
    return this.#near[revision - this.#first] ?? (this.#far.size === 0 ? undefined : this.#far.get(revision));
  }

  /** There must be none at that revision yet. */
  set(revision: number, thing: T): void {
    this.#size++;
    const at = revision - this.#first;
    if (!Number.isInteger(at) || at < 0 || at > this.#near.length + NEAR) {
      this.#far.set(revision, thing);
      return;
    }
    while (this.#near.length < at) this.#near.push(undefined);
    this.#near[at] = thing;
  }
}
