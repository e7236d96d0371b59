/** Lease ids are signed 64-bit integers in decimal, too wide for numbers. */
import type { LeaseId } from "./request.ts";

/** No lease. */
export const NO_LEASE: LeaseId = "0";

const FORM = /^(?:0|-?[1-9]\d{0,18})$/;

/** Whether it is a number as those are written. */
export function isLeaseId(text: string): boolean {
  return text === NO_LEASE || FORM.test(text);
}

/** Orders by the numbers' size: negative, zero or positive. */
export function compareLeaseIds(a: LeaseId, b: LeaseId): number {
  if (a === b) return 0;
  const negative = a.startsWith("-");
  if (negative !== b.startsWith("-")) return negative ? -1 : 1;
  const smaller = a.length === b.length ? a < b : a.length < b.length;
  return smaller !== negative ? -1 : 1;
}
