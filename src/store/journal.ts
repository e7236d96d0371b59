/**
 * The journal: a history on disk, one JSON value per line, in order.
 *
 * Each line is handed to the operating system before the driver goes on, so a tester that dies at any moment, even
 * by SIGKILL, leaves every invocation it sent. Only the machine losing power can take the tail.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import type { Op } from "../history/op.ts";

export class Journal {
  readonly #descriptor: number;

  /** Creates the file; throws if it exists, for a journal is never overwritten. */
  constructor(path: string) {
    this.#descriptor = openSync(path, "wx");
  }

  append(event: Op): void {
    writeSync(this.#descriptor, `${JSON.stringify(event)}\n`);
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}
