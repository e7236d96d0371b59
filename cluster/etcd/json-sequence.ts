/** Cuts a text that comes in pieces into the JSON objects it consists of. */
export class JsonSequence {
  readonly #limit: number;
  readonly #use: (text: string) => void;
  #text = "";
  /** Up to where `#text` has been looked at. */
  #at = 0;
  #depth = 0;
  #inString = false;

  /** `limit`: characters of one object at most. */
  constructor(limit: number, use: (text: string) => void) {
    this.#limit = limit;
    this.#use = use;
  }

  /** An object has begun and not ended. */
  get incomplete(): boolean {
    return this.#text !== "";
  }

  /** Throws on what is no object, and whatever `use` throws. */
  push(piece: string): void {
    this.#text += piece;
    while (this.#at < this.#text.length) {
      const character = this.#text[this.#at++] as string;
      if (this.#inString) {
        if (character === "\\") this.#at++;
        else if (character === '"') this.#inString = false;
      } else if (this.#depth === 0) {
        if (/\s/.test(character)) this.#drop();
        else if (character === "{") this.#depth = 1;
        else throw new SyntaxError(`invalid character '${character}' looking for beginning of value`);
      } else if (character === '"') this.#inString = true;
      else if (character === "{" || character === "[") this.#depth++;
      else if (character === "}" || character === "]") {
        if (--this.#depth === 0) this.#use(this.#drop());
      }
    }
    if (this.#text.length > this.#limit) throw new RangeError("request is too large");
  }

  /** What has been looked at. */
  #drop(): string {
    const done = this.#text.slice(0, this.#at);
    this.#text = this.#text.slice(this.#at);
    this.#at = 0;
    return done;
  }
}
