/** What one watch was told, over all the operations that listened to it. */
import type { ObservedResponse, WatchOperation, WatchRequest } from "./watch-signature.ts";

/** Revisions that all watches read before any goes on: what they share stays in the processor's cache. */
const STRETCH = 128;

export class WatchStream {
  readonly request: WatchRequest;
  /** The operation that opened it. */
  readonly opening: WatchOperation;
  readonly #told: { readonly responses: readonly ObservedResponse[]; readonly operation: WatchOperation }[] =
    [];

  #leads = new Int32Array(0);
  #length = 0;

  constructor(request: WatchRequest, opening: WatchOperation) {
    this.request = request;
    this.opening = opening;
  }

  /** Adds what an operation heard, in order. */
  add(responses: readonly ObservedResponse[], operation: WatchOperation): void {
    this.#told.push({ responses, operation });
    this.#length += responses.length;
  }

  /**
   * By response, once it has been read: what the log calls its first event, if those of the others follow from it,
   * link by link; else 0.
   */
  get leads(): Int32Array {
    if (this.#leads.length < this.#length) this.#leads = new Int32Array(this.#length);
    return this.#leads;
  }

  /** Reads from the first response to the last, one call of the function returned after another. */
  reader(hear: (response: ObservedResponse, operation: WatchOperation, nth: number) => void): Reader {
    const told = this.#told;
    let nth = 0;
    let part = 0;
    let at = 0;
    return (until) => {
      for (; part < told.length; part++, at = 0) {
        const { responses, operation } = told[part] as (typeof told)[number];
        for (; at < responses.length; at++) {
          const response = responses[at] as ObservedResponse;
          const first = response.events[0]?.revision ?? 0;
          if (first >= until) return first;
          hear(response, operation, nth++);
        }
      }
      return Number.POSITIVE_INFINITY;
    };
  }
}

/** Reads up to the first event of revision `until` or later, and returns its revision; Infinity at the end. */
export type Reader = (until: number) => number;

/** Reads all to the end, side by side. Each reads in its own order, and sees nothing of the others. */
export function readAbreast(readers: readonly Reader[]): void {
  const waiting = new Map<number, Reader[]>([[0, [...readers]]]);
  while (waiting.size > 0) {
    const stretch = Math.min(...waiting.keys());
    const ready = waiting.get(stretch) as Reader[];
    waiting.delete(stretch);
    for (const read of ready) {
      const next = read((stretch + 1) * STRETCH);
      if (next === Number.POSITIVE_INFINITY) continue;
      const later = Math.floor(next / STRETCH);
      const others = waiting.get(later);
      if (others === undefined) waiting.set(later, [read]);
      else others.push(read);
    }
  }
}
