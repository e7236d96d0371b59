/** A part of a history as plain data, which can be sent to another thread. */
import { type Columns, gathered, NONE } from "./columns.ts";
import { History } from "./history.ts";
import type { Json, Signature } from "./op.ts";
import { Values } from "./values.ts";

/** In `columns`, inputs and outputs are positions in `values`, and keys positions in their own list. */
export interface Excerpt {
  readonly columns: Omit<Columns, "values">;
  readonly values: readonly Json[];
}

/** Operations keep the indexes of their events. */
export function excerptOf(c: Columns, rows: Int32Array): Excerpt {
  const { values: all, ...columns } = gathered(c, rows);
  const values: Json[] = [];
  const known = new Map<number, number>();
  const keys: string[] = [];
  const knownKeys = new Map<number, number>();
  for (let row = 0; row < rows.length; row++) {
    for (const column of [columns.input, columns.output]) {
      const code = column[row] as number;
      column[row] = known.get(code) ?? values.push(all.decode(code)) - 1;
      known.set(code, column[row] as number);
    }
    const key = columns.key[row] as number;
    if (key === NONE) continue;
    columns.key[row] = knownKeys.get(key) ?? keys.push(c.keys[key] as string) - 1;
    knownKeys.set(key, columns.key[row] as number);
  }
  return { columns: { ...columns, keys }, values };
}

/** Changes the excerpt. */
export function historyOf<S extends Signature>({ columns, values }: Excerpt): History<S> {
  const encoded = new Values();
  const codes = Int32Array.from(values, (value) => encoded.encode(value));
  for (const column of [columns.input, columns.output])
    for (let row = 0; row < columns.length; row++) column[row] = codes[column[row] as number] as number;
  return new History<S>({ columns: { ...columns, values: encoded }, nemesis: [] });
}
