/** Of which edges the cycles of each class are made. */
import { type CycleClass, G0, G1C, G2, NONADJACENT, SINGLE } from "./anomalies.ts";
import {
  type Level,
  type Mask,
  maskOf,
  RW,
  RW_PREDICATE,
  WR,
  WW,
  WW_COMMITTED,
  WW_VIEW,
} from "./dependencies.ts";

/** What edges the cycles of a class are made of, apart from anti-dependencies. */
const PLAIN: { readonly [cycle: number]: readonly number[] } = {
  [G0]: [WW],
  [G1C]: [WW, WW_COMMITTED, WR],
  [SINGLE]: [WW, WW_COMMITTED, WW_VIEW, WR],
  [NONADJACENT]: [WW, WW_COMMITTED, WW_VIEW, WR],
  [G2]: [WW, WW_COMMITTED, WW_VIEW, WR],
};

/** What cycles may be made of. */
export interface Scope {
  readonly level: Level;
  /** Anti-dependencies on what was read itself only. */
  readonly item: boolean;
}

/** Graver than any before it, or else it is not in the list. */
export const SCOPES: readonly Scope[] = ([0, 1, 2] as const).flatMap((level) => [
  { level, item: true },
  { level, item: false },
]);

export function plainMask(cycle: CycleClass, level: Level): Mask {
  return maskOf(PLAIN[cycle] as readonly number[], level);
}

/** The anti-dependencies that cycles of a class may have. */
export function rwMask(cycle: CycleClass, { level, item }: Scope): Mask {
  if (cycle < SINGLE) return 0;
  return maskOf(item ? [RW] : [RW, RW_PREDICATE], level) & ~maskOf([], level);
}
