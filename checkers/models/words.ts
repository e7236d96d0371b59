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
  readonly #hashes: Int32Array;
  readonly #marks: Uint8Array;
  /** Number of a word plus one, by its hash; 0 for none. Its length is a power of two. */
  readonly #slots: Int32Array;
  /** Of words, ascending. */
  readonly #lengths: number[] = [];
  #lastLength = 0;
  /** How many words were appended more than once, or also put: it is not plain whose work they are. */
  repeated = 0;

  /** For at most `capacity` words. */
  constructor(capacity: number) {
    this.#hashes = new Int32Array(capacity);
    this.#marks = new Uint8Array(capacity);
    this.#slots = new Int32Array(2 << (32 - Math.clz32(capacity)));
  }

  get count(): number {
    return this.#texts.length;
  }

  /** The number of a word that is put or appended. */
  add(text: string, appended: boolean): number {
    const { length } = text;
    const hash = hashOf(0, text, 0, length);
    let slot = this.#slot(hash);
    let word = this.#wordIn(slot);
    while (word !== NONE && !this.#is(word, hash, text, 0, length)) {
      slot = this.#after(slot);
      word = this.#wordIn(slot);
    }
    if (word === NONE) {
      word = this.#texts.push(text) - 1;
      this.#hashes[word] = hash;
      this.#slots[slot] = word + 1;
      if (!this.#lengths.includes(length)) this.#lengths.push(length);
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
    this.#lengths.sort((a, b) => a - b);
    if (this.#lengths[0] === 0) return false;
    return this.#texts.every((text, word) => this.#shortestAt(text, 0) === word);
  }

  /**
   * The word that `text` goes on with at `from`, or -1: one that was only put can only be at the beginning. To be asked
   * when they are known to be prefix-free, so that there is one at most.
   */
  at(text: string, from: number): number {
    // Most are as long as the one before.
    const likely = this.#lastLength;
    if (from + likely <= text.length) {
      const word = this.#wordAt(text, from, likely, hashOf(0, text, from, from + likely));
      if (word !== NONE) return word;
    }
    const word = this.#shortestAt(text, from);
    if (word !== NONE) this.#lastLength = this.lengthOf(word);
    return word;
  }

  #shortestAt(text: string, from: number): number {
    let hash = 0;
    let end = from;
    for (const length of this.#lengths) {
      if (from + length > text.length) break;
      hash = hashOf(hash, text, end, from + length);
      end = from + length;
      const word = this.#wordAt(text, from, length, hash);
      if (word !== NONE) return word;
    }
    return NONE;
  }

  #wordAt(text: string, from: number, length: number, hash: number): number {
    let slot = this.#slot(hash);
    let word = this.#wordIn(slot);
    while (word !== NONE && !this.#is(word, hash, text, from, length)) {
      slot = this.#after(slot);
      word = this.#wordIn(slot);
    }
    return from > 0 && word !== NONE && !this.#isAppended(word) ? NONE : word;
  }

  #is(word: number, hash: number, text: string, from: number, length: number): boolean {
    if (this.#hashes[word] !== hash) return false;
    const known = this.#texts[word] as string;
    return known.length === length && text.startsWith(known, from);
  }

  #wordIn(slot: number): number {
    return (this.#slots[slot] as number) - 1;
  }

  #after(slot: number): number {
    return (slot + 1) & (this.#slots.length - 1);
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
  /** By word, the first step it makes: from where, or `NONE`, and to where. Most make no other one. */
  readonly #from: Int32Array;
  readonly #to: Int32Array;
  /** The steps after the first by word, and what they lead to, by where they are from and the word. */
  readonly #more = new Map<number, Step[]>();
  readonly #later = new Map<number, number>();
  /** Those that are not made of words. */
  readonly #others = new Map<string, number>();
  #count = 1;
  /** The string asked for last, which the next one often begins with. */
  #last = "";
  #lastNumber = 0;

  constructor(words: Words) {
    this.#words = words;
    this.#from = new Int32Array(words.count).fill(NONE);
    this.#to = new Int32Array(words.count);
  }

  /** Of a string that is not made of words, a number that no other one has. */
  numberOf(text: string): number {
    if (text === this.#last) return this.#lastNumber;
    const goesOn = text.startsWith(this.#last);
    let number = goesOn ? this.#lastNumber : 0;
    for (let from = goesOn ? this.#last.length : 0; from < text.length; ) {
      const word = this.#words.at(text, from);
      if (word === NONE) return this.#other(text);
      number = this.after(number, word);
      from += this.#words.lengthOf(word);
    }
    this.#last = text;
    this.#lastNumber = number;
    return number;
  }

  /** The number of a string with one word more. */
  after(from: number, word: number): number {
    const first = this.#from[word] as number;
    if (first === from) return this.#to[word] as number;
    if (first === NONE) {
      this.#from[word] = from;
      this.#to[word] = this.#count;
      return this.#count++;
    }
    const step = from * this.#from.length + word;
    const known = this.#later.get(step);
    if (known !== undefined) return known;
    const to = this.#count++;
    this.#later.set(step, to);
    const more = this.#more.get(word);
    if (more === undefined) this.#more.set(word, [{ from, to }]);
    else more.push({ from, to });
    return to;
  }

  /** The first step that a word was seen to make, if any. */
  firstOf(word: number): Step | undefined {
    const from = this.#from[word] as number;
    return from === NONE ? undefined : { from, to: this.#to[word] as number };
  }

  /** Every step that a word was seen to make. */
  stepsOf(word: number): readonly Step[] {
    const first = this.firstOf(word);
    return first === undefined ? [] : [first, ...(this.#more.get(word) ?? [])];
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
