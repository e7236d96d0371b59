/** Times and spans of time as a person reads them. */
import type { Nanos } from "../src/history/op.ts";

/** A point in time: seconds since the start of the run, to the millisecond. */
export function at(time: Nanos): string {
  return `${(time / 1e9).toFixed(3)} s`;
}

/** A length of time in the unit that suits it. */
export function lasting(span: Nanos): string {
  if (span < 1e6) return `${Math.round(span / 1e3)} µs`;
  if (span < 1e9) return `${short(span / 1e6)} ms`;
  if (span < 120e9) return `${short(span / 1e9)} s`;
  return `${short(span / 60e9)} min`;
}

function short(value: number): string {
  return value < 10 ? value.toFixed(1) : value.toFixed(0);
}

/** "1 operation", "2 operations". */
export function counted(count: number, singular: string, plural = `${singular}s`): string {
  return `${count} ${count === 1 ? singular : plural}`;
}

/** "a, b and c" */
export function listed(items: readonly string[]): string {
  if (items.length <= 1) return items[0] ?? "";
  return `${items.slice(0, -1).join(", ")} and ${items[items.length - 1]}`;
}
