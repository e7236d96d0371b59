/** A live status line on a terminal; plain lines, rarely, anywhere else. */
import { stderr } from "node:process";

export class Status {
  readonly #terminal: boolean;
  readonly #every: number;
  /** A run that is over before the first line is due shows none. */
  #last: number;
  #shown = false;

  constructor() {
    this.#terminal = stderr.isTTY === true;
    this.#every = this.#terminal ? 100 : 10_000;
    this.#last = Date.now() + (this.#terminal ? 400 : 0);
  }

  /** Shows `text()` if enough time has passed since the last; cheap to call often. */
  update(text: () => string): void {
    const now = Date.now();
    if (now - this.#last < this.#every) return;
    this.#last = now;
    if (this.#terminal) {
      const width = stderr.columns ?? 80;
      stderr.write(`\r\u001b[2K${text().slice(0, width - 1)}`);
      this.#shown = true;
    } else {
      stderr.write(`${text()}\n`);
    }
  }

  /** Shows `text` now if lines have been shown before, as what comes may take long. */
  announce(text: string): void {
    if (!this.#shown) return;
    this.#last = 0;
    this.update(() => text);
  }

  /** Wipes the line, so that what is printed next stands alone. */
  clear(): void {
    if (this.#shown) stderr.write("\r\u001b[2K");
    this.#shown = false;
  }
}
