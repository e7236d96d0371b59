/**
 * Seeded randomness in streams that do not disturb each other.
 *
 * `fork(label)` derives a stream from the seed and the path of labels alone, not from how much was drawn
 * before: a new consumer shifts nobody else's numbers. The generator is sfc32 (Chris Doty-Humphrey, PractRand),
 * seeded through the finaliser of MurmurHash3; only 32-bit integer operations are used, so every engine agrees.
 */
export interface Random {
  /** Uniform in [0, 1), 32 bits of resolution. */
  next(): number;
  /** Uniform integer in [0, bound); `bound` is at least 1. */
  below(bound: number): number;
  /** Uniform integer in [low, high], both included. */
  between(low: number, high: number): number;
  /** True with the given probability. */
  chance(probability: number): boolean;
  /** One element of a list that is not empty. */
  pick<T>(items: readonly T[]): T;
  /** A shuffled copy. */
  shuffle<T>(items: readonly T[]): T[];
  /** Exponentially distributed with the given mean, at least 0. */
  exponential(mean: number): number;
  /** An independent stream named by `label` under this one. */
  fork(label: string | number): Random;
}

/** The stream that all others of a seed are forked from. */
export interface RandomRoot extends Random {
  /** From now on all streams of this root, those forked before as well, go on with numbers drawn from `seed`. */
  reseed(seed: number): void;
}

function mix(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** A 32-bit hash of a label under a parent hash. Not cryptographic. */
export function hashLabel(parent: number, label: string | number): number {
  let h = mix(parent ^ 0x9e3779b9);
  if (typeof label === "number") {
    h = mix(h ^ (label | 0));
    return mix(h ^ Math.floor(label / 0x1_0000_0000) ^ 0x27d4eb2f);
  }
  for (let i = 0; i < label.length; i++) h = Math.imul(h ^ label.charCodeAt(i), 0x01000193) >>> 0;
  return mix(h ^ label.length);
}

/** What all streams of a root share: how often they were seeded anew, and with what. */
interface Course {
  turns: number;
  seed: number;
}

class Sfc32 implements RandomRoot {
  readonly #low: number;
  readonly #high: number;
  readonly #course: Course;
  #turns = 0;
  #a = 0;
  #b = 0;
  #c = 0;
  #counter = 1;

  constructor(low: number, high: number, course: Course) {
    this.#low = low | 0;
    this.#high = high | 0;
    this.#course = course;
    if (course.turns === 0) this.#begin(this.#low, this.#high);
    else this.#turn();
  }

  #begin(low: number, high: number): void {
    this.#turns = this.#course.turns;
    this.#a = low | 0;
    this.#b = high | 0;
    this.#c = mix(low ^ Math.imul(high, 0x9e3779b1)) | 0;
    this.#counter = 1;
    for (let i = 0; i < 12; i++) this.#draw();
  }

  /** However much was drawn before, the stream goes on from its name and the new seed alone. */
  #turn(): void {
    const { seed } = this.#course;
    this.#begin(hashLabel(this.#low ^ 0x3c6ef372, seed), hashLabel(this.#high ^ 0x1f83d9ab, seed));
  }

  reseed(seed: number): void {
    this.#course.turns++;
    this.#course.seed = seed;
  }

  #draw(): number {
    if (this.#turns !== this.#course.turns) this.#turn();
    const t = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (this.#c << 21) | (this.#c >>> 11);
    this.#c = (this.#c + t) | 0;
    return t >>> 0;
  }

  next(): number {
    return this.#draw() / 0x1_0000_0000;
  }

  below(bound: number): number {
    return Math.floor(this.next() * bound);
  }

  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new RangeError("cannot pick from an empty list");
    return items[this.below(items.length)] as T;
  }

  shuffle<T>(items: readonly T[]): T[] {
    const copy = [...items];
    for (let i = copy.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const swapped = copy[i] as T;
      copy[i] = copy[j] as T;
      copy[j] = swapped;
    }
    return copy;
  }

  exponential(mean: number): number {
    return -mean * Math.log(1 - this.next());
  }

  fork(label: string | number): Random {
    return new Sfc32(hashLabel(this.#low, label), hashLabel(this.#high ^ 0x5bd1e995, label), this.#course);
  }
}

/** The root stream of a seed. Seeds are integers from 0 to 2^53 - 1. */
export function seededRandom(seed: number): RandomRoot {
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw new RangeError(`a seed is an integer from 0 to 2^53 - 1, not ${seed}`);
  const course = { turns: 0, seed: 0 };
  return new Sfc32(mix(seed >>> 0), mix(Math.floor(seed / 0x1_0000_0000) ^ 0x632be59b), course);
}
