/** Who wrote what each operation met: known wherever a value that somebody met was written once. */
import { type Accesses, INITIAL, NEVER, NONE } from "./accesses.ts";

/** The writer of the initial value. */
export const NOBODY = -2;

/**
 * Operations are numbers: their positions in the accesses. Values are those of the accesses, and some more: a value
 * that was written several times, and that nobody met, has one number for each of its writers.
 */
export interface Ties {
  readonly accesses: Accesses;
  /** How many values there are. */
  readonly values: number;
  /** By value: the operation that wrote it, `NOBODY`, or `NONE` if none did or it may be left out. */
  readonly writer: Int32Array;
  /** By operation: the value it leaves behind; `NONE` if it writes none, or may be left out. */
  readonly leaves: Int32Array;
  /** By value: the one that a compare-and-set put in its place, or `NONE`. */
  readonly next: Int32Array;
  /** The operations that only read value v, by invocation, are `readers[readersFrom[v]]` up to `readersFrom[v + 1]`. */
  readonly readers: Int32Array;
  readonly readersFrom: Int32Array;
}

/**
 * A pending operation is left out (of `writer`, `leaves` and `next`) if nobody met its value, and must have taken
 * effect otherwise. `fork` is called for two compare-and-sets from one value, and `orphan` for an operation that met
 * a value that nobody wrote. Undefined if a value that was met or excluded has several writers.
 */
export function tie(
  accesses: Accesses,
  fork: (one: number, other: number) => void,
  orphan: (operation: number) => void,
): Ties | undefined {
  const { length, reads, writes, completed } = accesses;
  const sources = sourcesOf(accesses);
  if (sources === undefined) return undefined;
  const { met, repeated } = sources;
  let values = accesses.values;
  const writer = new Int32Array(values + repeated).fill(NONE);
  const next = new Int32Array(values + repeated).fill(NONE);
  const leaves = new Int32Array(length).fill(NONE);
  writer[INITIAL] = NOBODY;
  for (let i = 0; i < length; i++) {
    const written = writes[i] as number;
    if (written === NONE || (completed[i] === NEVER && met[written] === 0)) continue;
    const value = writer[written] === NONE ? written : values++;
    writer[value] = i;
    leaves[i] = value;
  }
  const readersFrom = new Int32Array(values + 1);
  for (let i = 0; i < length; i++) {
    const read = reads[i] as number;
    if (read === NONE || (completed[i] === NEVER && leaves[i] === NONE)) continue;
    if (writer[read] === NONE) orphan(i);
    if (leaves[i] === NONE) readersFrom[read + 1] = (readersFrom[read + 1] as number) + 1;
    else if (next[read] === NONE) next[read] = leaves[i] as number;
    else fork(writer[next[read] as number] as number, i);
  }
  for (let value = 0; value < values; value++)
    readersFrom[value + 1] = (readersFrom[value + 1] as number) + (readersFrom[value] as number);
  const readers = new Int32Array(readersFrom[values] as number);
  const filled = readersFrom.slice();
  for (let i = 0; i < length; i++) {
    const read = reads[i] as number;
    if (read === NONE || completed[i] === NEVER || leaves[i] !== NONE) continue;
    const at = filled[read] as number;
    readers[at] = i;
    filled[read] = at + 1;
  }
  return { accesses, values, writer, leaves, next, readers, readersFrom };
}

/** By value: 1 if somebody met it; and how often a value was written again. Undefined where that is ambiguous. */
function sourcesOf(accesses: Accesses): { readonly met: Uint8Array; readonly repeated: number } | undefined {
  const { length, reads, writes, excludes, completed, values } = accesses;
  const writers = new Int32Array(values);
  const latest = new Int32Array(values).fill(NONE);
  const met = new Uint8Array(values);
  const excluded = new Uint8Array(values);
  writers[INITIAL] = 1;
  let repeated = 0;
  for (let i = 0; i < length; i++) {
    const written = writes[i] as number;
    if (written !== NONE) {
      if ((writers[written] as number) > 0) repeated++;
      writers[written] = (writers[written] as number) + 1;
      latest[written] = i;
    }
    if (completed[i] === NEVER) continue;
    if (reads[i] !== NONE) met[reads[i] as number] = 1;
    if (excludes[i] !== NONE) excluded[excludes[i] as number] = 1;
  }
  // What an operation met that must have taken effect was there, though it never answered.
  for (let i = 0; i < length; i++) {
    let op = i;
    while (op !== NONE && completed[op] === NEVER && reads[op] !== NONE && met[writes[op] as number] === 1) {
      const read = reads[op] as number;
      if (met[read] === 1) break;
      met[read] = 1;
      op = latest[read] as number;
    }
  }
  for (let value = 0; value < values; value++)
    if ((writers[value] as number) > 1 && (met[value] === 1 || excluded[value] === 1)) return undefined;
  return { met, repeated };
}
