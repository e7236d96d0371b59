/**
 * Strings as sequences of words, in which no word begins another: a string is made of words in one way at most.
 *
 * A table of their hashes finds the word that a text goes on with without cutting it up.
 */

/** Of no word, and of a word that is not there. */
const NONE = -1;

const PUT = 1;
const APPENDED = 2;
const REPEATED = 4;

/** Words that were put, or appended to what was there; numbered from 0. */
export class Words {
  readonly #texts: string[] = [];
  readonly #hashes: number[] = [];
  readonly #marks: number[] = [];
  readonly #lengths = new Set<number>();
  /** Number of a word plus one, by its hash; 0 for none. Its length is a power of two. */
  #slots = new Int32Array(1 << 6);
  /** Of words, ascending; made when first needed. */
  #ascending: readonly number[] | undefined;
  /** How many words were appended more than once, or also put: it is not plain whose work they are. */
  repeated = 0;

  get count(): number {
    return this.#texts.length;
  }

  /** The number of a word that is put or appended. */
  add(text: string, appended: boolean): number {
    const hash = hashOf(0, text, 0, text.length);
    let word = this.#find(text, 0, text.length, hash);
    if (word === NONE) {
      word = this.#texts.push(text) - 1;
      this.#hashes.push(hash);
      this.#marks.push(0);
      this.#lengths.add(text.length);
      this.#enter(word);
    }
    const marks = this.#marks[word] as number;
    const again = (appended && marks !== 0) || (marks & APPENDED) !== 0;
    if (again && (marks & REPEATED) === 0) this.repeated++;
    this.#marks[word] = marks | (appended ? APPENDED : PUT) | (again ? REPEATED : 0);
    return word;
  }

  isRepeated(word: number): boolean {
    return ((this.#marks[word] as number) & REPEATED) !== 0;
  }

  #isAppended(word: number): boolean {
    return ((this.#marks[word] as number) & APPENDED) !== 0;
  }

  lengthOf(word: number): number {
    return (this.#texts[word] as string).length;
  }

  /** To be asked when all words are there. */
  arePrefixFree(): boolean {
    this.#ascending = [...this.#lengths].sort((a, b) => a - b);
    if (this.#lengths.has(0)) return false;
    return this.#texts.every((text, word) => this.at(text, 0) === word);
  }

  /** The word that `text` goes on with at `from`, or -1: one that was only put can only be at the beginning. */
  at(text: string, from: number): number {
    let hash = 0;
    let end = from;
    for (const length of this.#ascending as readonly number[]) {
      if (from + length > text.length) break;
      hash = hashOf(hash, text, end, from + length);
      end = from + length;
      const word = this.#find(text, from, length, hash);
      if (word !== NONE && (from === 0 || this.#isAppended(word))) return word;
    }
    return NONE;
  }

  #find(text: string, from: number, length: number, hash: number): number {
    for (let slot = this.#slot(hash); ; slot = (slot + 1) & (this.#slots.length - 1)) {
      const word = (this.#slots[slot] as number) - 1;
      if (word === NONE) return NONE;
      const known = this.#texts[word] as string;
      if (known.length !== length) continue;
      let same = 0;
      while (same < length && known.charCodeAt(same) === text.charCodeAt(from + same)) same++;
      if (same === length) return word;
    }
  }

  #enter(word: number): void {
    if (2 * this.count > this.#slots.length) {
      this.#slots = new Int32Array(this.#slots.length * 4);
      for (let other = 0; other < word; other++) this.#enter(other);
    }
    let slot = this.#slot(this.#hashes[word] as number);
    while (this.#slots[slot] !== 0) slot = (slot + 1) & (this.#slots.length - 1);
    this.#slots[slot] = word + 1;
  }

  #slot(hash: number): number {
    const mixed = Math.imul(hash ^ (hash >>> 16), 0x9e3779b1);
    return (mixed ^ (mixed >>> 15)) & (this.#slots.length - 1);
  }
}

/** A hash that goes on from that of the characters before. */
function hashOf(before: number, text: string, from: number, to: number): number {
  let hash = before;
  for (let at = from; at < to; at++) hash = (Math.imul(hash, 31) + text.charCodeAt(at)) | 0;
  return hash;
}

/** What a word makes of a string. */
export interface Step {
  readonly from: number;
  readonly to: number;
}

/** Numbers for strings that are made of words; the empty one is 0. */
export class Strings {
  readonly #words: Words;
  /** By word, the steps it makes; what the steps after the first lead to, by where they are from and the word. */
  readonly #steps: Step[][];
  readonly #later = new Map<number, number>();
  /** Those that are not made of words. */
  readonly #others = new Map<string, number>();
  #count = 1;
  /** The string asked for last, which the next one often begins with. */
  #last = { text: "", number: 0 };

  constructor(words: Words) {
    this.#words = words;
    this.#steps = Array.from({ length: words.count }, () => []);
  }

  /** Of a string that is not made of words, a number that no other one has. */
  numberOf(text: string): number {
    if (text === this.#last.text) return this.#last.number;
    let { text: known, number } = text.startsWith(this.#last.text) ? this.#last : { text: "", number: 0 };
    for (let from = known.length; from < text.length; ) {
      const word = this.#words.at(text, from);
      if (word === NONE) return this.#other(text);
      number = this.after(number, word);
      from += this.#words.lengthOf(word);
    }
    this.#last = { text, number };
    return number;
  }

  /** The number of a string with one word more. */
  after(from: number, word: number): number {
    const steps = this.#steps[word] as Step[];
    const first = steps[0];
    if (first?.from === from) return first.to;
    const step = from * this.#steps.length + word;
    const known = this.#later.get(step);
    if (known !== undefined) return known;
    const to = this.#count++;
    steps.push({ from, to });
    if (first !== undefined) this.#later.set(step, to);
    return to;
  }

  /** Every step that an appended word was seen to make. */
  appended(word: number): readonly Step[] {
    return this.#steps[word] as readonly Step[];
  }

  /** The number of a string that nobody saw. */
  unseen(): number {
    return this.#count++;
  }

  #other(text: string): number {
    let number = this.#others.get(text);
    if (number === undefined) {
      number = this.#count++;
      this.#others.set(text, number);
    }
    return number;
  }
}
