/** How long a client waits for its turn before it gives up. */
import type { Nanos } from "../src/history/op.ts";
import { MILLISECOND } from "../src/runtime/runtime.ts";

/** The part of an operation's time that may pass in waiting; the rest is for leaving the queue. */
const WAITING = 0.75;

/**
 * As long as it is told to, but no longer than leaves time to step out of the queue before `timeout`, when the
 * operation counts as lost: whoever is lost while he waits stands in the way until his lease ends. If all are, nobody
 * ever comes to the front alive.
 */
export function patience(ms: number, timeout: Nanos): Nanos {
  return Math.round(Math.min(ms * MILLISECOND, WAITING * timeout));
}
