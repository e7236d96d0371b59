/**
 * The anomalies of transactions by name.
 *
 * Those of cycles are Adya's (MIT 1999; with Liskov and O'Neil, ICDE 2000), with the variants of Elle (Kingsbury and
 * Alvaro, VLDB 2020) for orders of processes and real time. Numbers like P4 and A5B are those of Berenson et al.,
 * "A Critique of ANSI SQL Isolation Levels", SIGMOD 1995.
 */
import { LEVELS, type Level } from "./dependencies.ts";

/** Cycles by what they are made of, the gravest first: a cycle of one class breaks the promises of all after it. */
export const CLASSES = ["G0", "G1c", "G-single", "G-nonadjacent", "G2"] as const;
export type CycleClass = 0 | 1 | 2 | 3 | 4;
export const G0 = 0;
export const G1C = 1;
export const SINGLE = 2;
export const NONADJACENT = 3;
export const G2 = 4;

const MEANINGS: readonly string[] = [
  "transactions overwrote each other in a circle: a dirty write (P0)",
  "transactions overwrote and read each other in a circle: circular information flow",
  "a circle with exactly one anti-dependency: a transaction saw a part of another, and missed a part (A5A, P4)",
  "a circle where no two anti-dependencies follow each other, as in a long fork",
  "a circle with anti-dependencies, as in write skew (A5B)",
];

const ORDERS: readonly string[] = [
  "",
  "; it needs the order of one process",
  "; it needs real time: what ended before another began",
];

/** `item`: all anti-dependencies are on what was read itself, none on a range that would have grown. */
export function cycleName(cycle: CycleClass, item: boolean, level: Level): string {
  return `${CLASSES[cycle]}${item && cycle >= SINGLE ? "-item" : ""}${LEVELS[level]}`;
}

export interface AnomalyKind {
  readonly name: string;
  readonly meaning: string;
  /** What breaks no other promise than this does. */
  readonly implies: readonly string[];
}

function cycleKinds(): AnomalyKind[] {
  const kinds: AnomalyKind[] = [];
  for (const level of [0, 1, 2] as const)
    for (const cycle of [G0, G1C, SINGLE, NONADJACENT, G2] as const)
      for (const item of cycle >= SINGLE ? [true, false] : [true]) {
        const implies: string[] = [];
        if (cycle < G2) {
          const next = (cycle + 1) as CycleClass;
          implies.push(cycleName(next, item, level));
        }
        if (item && cycle >= SINGLE) implies.push(cycleName(cycle, false, level));
        if (level < 2) implies.push(cycleName(cycle, item, (level + 1) as Level));
        const range = item || cycle < SINGLE ? "" : "; some read was of a range of keys";
        kinds.push({
          name: cycleName(cycle, item, level),
          meaning: `${MEANINGS[cycle]}${range}${ORDERS[level]}`,
          implies,
        });
      }
  return kinds;
}

/** All that can be found. */
export const anomalyKinds: readonly AnomalyKind[] = [
  { name: "garbage-read", meaning: "a read shows a value that nobody wrote", implies: [] },
  {
    name: "duplicate-elements",
    meaning: "a read shows an element twice that was appended once",
    implies: [],
  },
  { name: "G1a", meaning: "a read shows a write that had failed: an aborted read", implies: [] },
  {
    name: "G1b",
    meaning: "a read shows what a transaction wrote and then overwrote itself: an intermediate read",
    implies: [],
  },
  { name: "dirty-update", meaning: "a write took effect on top of one that had failed", implies: [] },
  {
    name: "incompatible-order",
    meaning: "two reads of a list are not prefixes of one: some version was never committed",
    implies: [],
  },
  { name: "future-read", meaning: "a read shows what its own transaction wrote only later", implies: [] },
  {
    name: "internal",
    meaning: "a read does not fit what its own transaction had read and written before it",
    implies: [],
  },
  {
    name: "lost-update",
    meaning: "two transactions read the same version of a key, and both wrote it (P4)",
    implies: [],
  },
  { name: "version-conflict", meaning: "what the store says of a version contradicts itself", implies: [] },
  ...LEVELS.map((suffix, level) => ({
    name: `cyclic-versions${suffix}`,
    meaning: `versions of one key precede each other in a circle${ORDERS[level]}`,
    implies: level < 2 ? [`cyclic-versions${LEVELS[level + 1]}`] : [],
  })),
  ...cycleKinds(),
];

const byName = new Map(anomalyKinds.map((kind) => [kind.name, kind]));

/** `name` and all that it implies. */
export function implied(name: string): ReadonlySet<string> {
  const found = new Set([name]);
  for (const next of found) for (const weaker of byName.get(next)?.implies ?? []) found.add(weaker);
  return found;
}
