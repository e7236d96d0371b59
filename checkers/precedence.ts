/** What had completed before an operation began: the order that every linearizable store must respect. */

export interface Interval {
  readonly invokeIndex: number;
  readonly completeIndex: number;
}

/**
 * Calls `visit` for each operation that something preceded, by invocation, with the operation of the highest rank
 * among those that had completed before it was invoked (of equals, the first completed). O(n log n).
 */
export function visitPrecedents<T extends Interval>(
  operations: readonly T[],
  rank: (operation: T) => number,
  visit: (operation: T, precedent: T) => void,
): void {
  const byInvocation = [...operations].sort((a, b) => a.invokeIndex - b.invokeIndex);
  const byCompletion = [...operations].sort((a, b) => a.completeIndex - b.completeIndex);
  let completed = 0;
  let highest: T | undefined;
  for (const operation of byInvocation) {
    for (; completed < byCompletion.length; completed++) {
      const earlier = byCompletion[completed] as T;
      if (earlier.completeIndex > operation.invokeIndex) break;
      if (highest === undefined || rank(earlier) > rank(highest)) highest = earlier;
    }
    if (highest !== undefined) visit(operation, highest);
  }
}
