/** How long things took, counted by the millisecond: as many as come, in the same small space. */
import type { Json, Nanos } from "../src/history/op.ts";

const MILLISECOND = 1_000_000;
/** Longer ones are told apart no more; the greatest is known all the same. */
const LONGEST = 60_000;

export class Delays {
  readonly #counts = new Float64Array(LONGEST + 1);
  #count = 0;
  #greatest = 0;

  add(delay: Nanos): void {
    const milliseconds = Math.round(delay / MILLISECOND);
    this.#counts[Math.min(milliseconds, LONGEST)]!++;
    this.#count++;
    if (milliseconds > this.#greatest) this.#greatest = milliseconds;
  }

  /** Milliseconds; null if there was none. */
  get quantiles(): Json {
    if (this.#count === 0) return null;
    const [p50, p90, p99] = [0.5, 0.9, 0.99].map((share) => this.#at(Math.floor(share * this.#count)));
    return { count: this.#count, p50, p90, p99, max: this.#greatest } as Json;
  }

  /** The delay of this position among all of them, sorted. */
  #at(position: number): number {
    let before = 0;
    for (let milliseconds = 0; milliseconds < LONGEST; milliseconds++) {
      before += this.#counts[milliseconds] as number;
      if (before > position) return milliseconds;
    }
    return this.#greatest;
  }
}
