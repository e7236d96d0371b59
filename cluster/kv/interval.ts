/** Half-open intervals of keys, as requests spell them: `key` and an exclusive `rangeEnd`. */
import type { Bytes } from "./request.ts";

/** A range end that means "and all keys after `key`". */
export const FROM_KEY: Bytes = "\0";
/** Greater than every key, whose characters end at U+00FF. */
const AFTER_ALL_KEYS = "\u0100";

/** The exclusive end to compare keys with; undefined when the interval is the single key. */
export function upperBound(rangeEnd: Bytes | undefined): string | undefined {
  if (rangeEnd === undefined || rangeEnd === "") return undefined;
  return rangeEnd === FROM_KEY ? AFTER_ALL_KEYS : rangeEnd;
}

/**
 * Whether the intervals of `granted`, taken together, hold every key of the one spelled by `key` and `rangeEnd`,
 * and `key` itself, if that one is empty.
 */
export function covers(
  granted: readonly { readonly key: Bytes; readonly rangeEnd: Bytes }[],
  key: Bytes,
  rangeEnd: Bytes | undefined,
): boolean {
  const single = `${key}\0`;
  const bound = upperBound(rangeEnd) ?? single;
  const end = bound > key ? bound : single;
  let reached: string = key;
  for (const interval of [...granted].sort((a, b) => (a.key < b.key ? -1 : 1))) {
    if (interval.key > reached) break;
    const next = upperBound(interval.rangeEnd) ?? `${interval.key}\0`;
    if (next > reached) reached = next;
  }
  return reached >= end;
}

/** Whether `candidate` is in the interval; `end` comes from `upperBound`. */
export function contains(key: Bytes, end: string | undefined, candidate: Bytes): boolean {
  return end === undefined ? candidate === key : candidate >= key && candidate < end;
}
