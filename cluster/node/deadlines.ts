/** Requests that all may wait equally long: the oldest is the first whose time is up. */
import type { Nanos } from "../../src/history/op.ts";

export interface Waiting {
  readonly deadline: Nanos;
  /** Answered, one way or another: there is nothing left to expire. */
  readonly settled: boolean;
  expire(): void;
}

export class Deadlines {
  #queue: Waiting[] = [];
  #head = 0;

  /** Deadlines never decrease from one call to the next. */
  add(waiting: Waiting): void {
    this.#queue.push(waiting);
  }

  /** Expires whatever is overdue at `now`, and forgets what is settled. */
  check(now: Nanos): void {
    for (;;) {
      const first = this.#queue[this.#head];
      if (first === undefined) {
        if (this.#head > 0) {
          this.#queue = [];
          this.#head = 0;
        }
        return;
      }
      if (!first.settled && first.deadline > now) break;
      this.#head++;
      if (!first.settled) first.expire();
    }
    if (this.#head > 1024) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
  }
}
