/**
 * Delta debugging: the smallest part of a list that still fails, up to single items.
 * Zeller & Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE TSE 28(2), 2002, section 3.2 (ddmin),
 * by complements only: a run is more often kept failing by what is left than by what is taken out.
 */

/**
 * A sublist of `items`, in order, for which `fails` gave true, or `items` itself. If `fails` is a pure function, no
 * item can be left out of the result alone. Asks O(n²) times at worst, O(log n) times if one item is enough.
 */
export async function ddmin<T>(
  items: readonly T[],
  fails: (part: readonly T[]) => Promise<boolean>,
): Promise<readonly T[]> {
  if (items.length > 0 && (await fails([]))) return [];
  let left = items;
  let chunks = 2;
  while (left.length > 1) {
    const size = Math.ceil(left.length / chunks);
    const smaller = await firstFailing(left, size, fails);
    if (smaller !== undefined) {
      left = smaller;
      chunks = Math.max(chunks - 1, 2);
    } else if (size > 1) chunks = Math.min(chunks * 2, left.length);
    else break;
  }
  return left;
}

/** `items` without one of its chunks of `size`, if that still fails. The last go first: effects follow causes. */
async function firstFailing<T>(
  items: readonly T[],
  size: number,
  fails: (part: readonly T[]) => Promise<boolean>,
): Promise<readonly T[] | undefined> {
  for (let end = items.length; end > 0; end -= size) {
    const part = items.toSpliced(Math.max(0, end - size), Math.min(size, end));
    if (part.length > 0 && (await fails(part))) return part;
  }
  return undefined;
}
