/** A transaction's conditions. */
import { compareLeaseIds, NO_LEASE } from "./lease-id.ts";
import type { Compare, KeyValue } from "./request.ts";

/**
 * Whether the condition holds for every key found in its interval. A missing key counts as one with all numbers 0,
 * and fails every condition on a value.
 */
export function evaluateCompare(compare: Compare, found: readonly KeyValue[]): boolean {
  if (found.length === 0) return compare.target !== "value" && holds(compare, difference(compare, undefined));
  for (const kv of found) if (!holds(compare, difference(compare, kv))) return false;
  return true;
}

function difference(compare: Compare, kv: KeyValue | undefined): number {
  switch (compare.target) {
    case "version":
      return (kv?.version ?? 0) - compare.operand;
    case "create":
      return (kv?.createRevision ?? 0) - compare.operand;
    case "mod":
      return (kv?.modRevision ?? 0) - compare.operand;
    case "lease":
      return compareLeaseIds(kv?.lease ?? NO_LEASE, compare.operand);
    case "value": {
      const value = kv?.value ?? "";
      return value < compare.operand ? -1 : value > compare.operand ? 1 : 0;
    }
  }
}

function holds(compare: Compare, difference: number): boolean {
  switch (compare.result) {
    case "equal":
      return difference === 0;
    case "not-equal":
      return difference !== 0;
    case "greater":
      return difference > 0;
    case "less":
      return difference < 0;
  }
}
