/** Text that comes in pieces, read from front to back: only what is not yet read is held. */

/** Thrown for text that does not follow its format. Who knows where the text is from adds file and line. */
export class FormatError extends Error {
  override readonly name = "FormatError";
}

/** What stands where a character is missing. */
export const END_OF_TEXT = "end of the file";

/** One item of a history that is longer than this is a bracket or quote that was never closed. */
const MOST_HELD = 1 << 28;

export class TextSource {
  readonly #pieces: Iterator<string>;
  /** What has come and was not dropped. */
  text = "";
  /** Position in `text` of what is read next. */
  at = 0;
  /** Whether it ends in the middle of an item: its writer died there. Known when all is read. */
  torn = false;
  /** Where the item that is being read begins: its line is the one to name when something is wrong. */
  #begin = 0;
  /** Lines that end before position `#counted` of `text`. */
  #lines = 0;
  #counted = 0;

  constructor(pieces: Iterable<string>) {
    this.#pieces = pieces[Symbol.iterator]();
  }

  /** Notes that an item begins at this position. */
  begin(position: number): void {
    this.#begin = position;
  }

  /** Number of the line, from 1, on which the last item that was begun begins. */
  get line(): number {
    this.#count();
    return this.#lines + 1;
  }

  /** Gets more text, at least as much as is held; false if there is no more. What was read is dropped. */
  more(): boolean {
    const read = this.at;
    this.#begin = Math.max(this.#begin, read);
    this.#count();
    let rest = this.text.slice(read);
    if (rest.length > MOST_HELD) throw new FormatError(`goes on for more than ${MOST_HELD} characters`);
    const enough = 2 * rest.length;
    let came = false;
    while (!came || rest.length < enough) {
      const next = this.#pieces.next();
      if (next.done === true) break;
      came ||= next.value !== "";
      rest = rest === "" ? next.value : rest + next.value;
    }
    if (!came) return false;
    this.text = rest;
    this.at = 0;
    this.#begin -= read;
    this.#counted = Math.max(0, this.#counted - read);
    return true;
  }

  /** Skips what matches a sticky pattern of single characters; the next character, undefined at the end. */
  skip(blanks: RegExp): string | undefined {
    do {
      blanks.lastIndex = this.at;
      this.at += blanks.exec(this.text)?.[0].length ?? 0;
    } while (this.at === this.text.length && this.more());
    this.begin(this.at);
    return this.text[this.at];
  }

  /** The next line without its end; undefined after the last. An empty rest is no line. */
  nextLine(): string | undefined {
    for (;;) {
      const end = this.text.indexOf("\n", this.at);
      if (end >= 0) {
        this.#begin = this.at;
        this.at = end + 1;
        return this.text.slice(this.#begin, end);
      }
      if (this.more()) continue;
      if (this.at === this.text.length) return undefined;
      this.#begin = this.at;
      this.at = this.text.length;
      return this.text.slice(this.#begin);
    }
  }

  #count(): void {
    for (;;) {
      const end = this.text.indexOf("\n", this.#counted);
      if (end < 0 || end >= this.#begin) return;
      this.#lines++;
      this.#counted = end + 1;
    }
  }
}

/** The same text on its own: a part of a long text keeps all of that in memory. */
export function detached(part: string): string {
  return part.length <= SHORT ? part : ` ${part}`.slice(1);
}

/** Parts up to this length are copied by the engine anyway. */
const SHORT = 12;
