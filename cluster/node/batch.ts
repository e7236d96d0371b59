/** A batch of raft's on its way to the disk: one object, since there are several for every request. */
import type { Ready } from "../raft/message.ts";
import type { NodeObserver } from "./observer.ts";
import type { Waiter } from "./wal.ts";

export type Append = NonNullable<Ready["append"]>;

export class Batch implements Waiter {
  readonly #append: Append;
  readonly #observer: NodeObserver | undefined;
  readonly #durable: (append: Append) => void;

  constructor(append: Append, observer: NodeObserver | undefined, durable: (append: Append) => void) {
    this.#append = append;
    this.#observer = observer;
    this.#durable = durable;
  }

  written(path: string, end: number): void {
    this.#observer?.written(this.#append, path, end);
  }

  durable(): void {
    this.#durable(this.#append);
  }
}
