/**
 * The operations of clients as columns of numbers: some sixty bytes each, where objects take several hundred.
 *
 * `ColumnsBuilder` takes events one by one, pairs and validates them, and keeps none: a reader of a file can stream
 * millions of them through it.
 */
import { NEMESIS, type NodeId, type Op, type Process } from "./op.ts";
import { Values } from "./values.ts";

/** Thrown for a list of events that is not a history. */
export class MalformedHistory extends Error {
  override readonly name = "MalformedHistory";
  /** Position of the offending event in the list. */
  readonly position: number;
  constructor(position: number, event: Op, what: string) {
    const who = event.process === NEMESIS ? "the nemesis" : `process ${event.process}`;
    super(`event ${position} (${who}, ${event.type} ${event.f}): ${what}`);
    this.position = position;
  }
}

/** In place of a number that is not there: no key, no node, no error; the index of a completion that never came. */
export const NONE = -1;

export const TYPES = ["ok", "fail", "info"] as const;
/** Position in `TYPES`. */
const TYPE_CODE = { ok: 0, fail: 1, info: 2 } as const;

/**
 * Client operations by invocation; row `i` of every column belongs to the same one. Names are numbers in the lists
 * beside them, values codes of `values`.
 */
export interface Columns {
  /** Number of rows. */
  readonly length: number;
  readonly functions: readonly string[];
  readonly keys: readonly string[];
  readonly nodes: readonly NodeId[];
  readonly errors: readonly string[];
  readonly values: Values;

  readonly f: Int32Array;
  /** Position in `TYPES`; an operation that never completed is info. */
  readonly type: Uint8Array;
  readonly process: Int32Array;
  readonly key: Int32Array;
  /** Named by the invocation, and by the completion. */
  readonly invokeNode: Int32Array;
  readonly completeNode: Int32Array;
  readonly invokeIndex: Int32Array;
  readonly completeIndex: Int32Array;
  readonly invokeTime: Float64Array;
  /** Meaningless where there is no completion. */
  readonly completeTime: Float64Array;
  readonly input: Int32Array;
  /** The value of the completion, also where that is no answer; that of null if there is none. */
  readonly output: Int32Array;
  readonly error: Int32Array;
  /** 1 if the completion repeats the key. */
  readonly keyRepeated: Uint8Array;
}

/** Numbers names in the order of their first appearance. */
class Names {
  readonly list: string[] = [];
  readonly #numbers = new Map<string, number>();

  number(name: string | undefined): number {
    if (name === undefined) return NONE;
    let number = this.#numbers.get(name);
    if (number === undefined) {
      number = this.list.push(name) - 1;
      this.#numbers.set(name, number);
    }
    return number;
  }
}

type NumberColumns = {
  [K in keyof Columns as Columns[K] extends ArrayBufferView ? K : never]: Columns[K];
};

/** What a history is made of. */
export interface Built {
  /** The operations of clients. */
  readonly columns: Columns;
  /** All events of the nemesis. */
  readonly nemesis: readonly Op[];
}

/** Takes the events of a history one by one, and keeps none of a client. */
export class ColumnsBuilder {
  readonly #functions = new Names();
  readonly #keys = new Names();
  readonly #nodes = new Names();
  readonly #errors = new Names();
  readonly #values = new Values();
  #columns = columnsOf(1 << 10);
  #capacity = 1 << 10;
  #length = 0;
  #events = 0;
  readonly #nemesis: Op[] = [];
  /** By process: the row of the operation it has open; of the nemesis, the position in `#nemesis`. */
  readonly #pending = new Map<Process, number>();
  readonly #retired = new Set<Process>();

  /**
   * The next event. It may be changed afterwards, but not its value. Throws `MalformedHistory` unless indexes count up from 0, every completion follows an
   * invocation of the same function and key by the same process, no process has two operations pending, and no
   * process (but the nemesis) is used again after an `info`. The builder is of no use after that.
   */
  add(event: Op): void {
    const at = this.#events++;
    if (event.index !== at)
      throw new MalformedHistory(at, event, `has index ${event.index}, but indexes count up from 0`);
    const open = this.#pending.get(event.process);
    if (event.type === "invoke") this.#invoke(event, open);
    else if (open === undefined) throw new MalformedHistory(at, event, "completes, but nothing is pending");
    else this.#complete(event, open);
  }

  /** To be called once, when all events have been added. */
  build(): Built {
    this.#resize(this.#length);
    const columns: Columns = {
      ...this.#columns,
      length: this.#length,
      functions: this.#functions.list,
      keys: this.#keys.list,
      nodes: this.#nodes.list,
      errors: this.#errors.list,
      values: this.#values,
    };
    return { columns, nemesis: this.#nemesis };
  }

  #invoke(event: Op, open: number | undefined): void {
    const { process } = event;
    if (open !== undefined) {
      const { invokeIndex } = this.#invocation(process, open);
      const what = `invoked while its operation of event ${invokeIndex} is pending`;
      throw new MalformedHistory(event.index, event, what);
    }
    if (this.#retired.has(process)) {
      const what = "the process ended as info before and cannot be used again";
      throw new MalformedHistory(event.index, event, what);
    }
    if (process === NEMESIS) {
      this.#pending.set(process, this.#nemesis.push(event) - 1);
      return;
    }
    if (this.#length === this.#capacity) this.#resize(this.#capacity * 2);
    const row = this.#length++;
    this.#pending.set(process, row);
    const c = this.#columns;
    c.f[row] = this.#functions.number(event.f);
    c.type[row] = TYPE_CODE.info;
    c.process[row] = process;
    c.key[row] = this.#keys.number(event.key);
    c.invokeNode[row] = this.#nodes.number(event.node);
    c.completeNode[row] = NONE;
    c.invokeIndex[row] = event.index;
    c.completeIndex[row] = NONE;
    c.invokeTime[row] = event.time;
    c.input[row] = this.#values.encode(event.value);
    c.output[row] = this.#values.encode(null);
    c.error[row] = NONE;
  }

  #complete(event: Exclude<Op, { readonly type: "invoke" }>, open: number): void {
    const { index, process, f, key, type } = event;
    const invocation = this.#invocation(process, open);
    if (invocation.f !== f) {
      const what = `completes event ${invocation.invokeIndex}, which invoked ${invocation.f}`;
      throw new MalformedHistory(index, event, what);
    }
    if (key !== undefined && key !== invocation.key) {
      const what = `completes event ${invocation.invokeIndex} with key ${key} instead of ${invocation.key ?? "none"}`;
      throw new MalformedHistory(index, event, what);
    }
    this.#pending.delete(process);
    if (process === NEMESIS) {
      this.#nemesis.push(event);
      return;
    }
    if (type === "info") this.#retired.add(process);
    const c = this.#columns;
    c.type[open] = TYPE_CODE[type];
    c.completeNode[open] = this.#nodes.number(event.node);
    c.completeIndex[open] = index;
    c.completeTime[open] = event.time;
    c.output[open] = this.#values.encode(event.value);
    c.error[open] = type === "ok" ? NONE : this.#errors.number(event.error);
    c.keyRepeated[open] = key === undefined ? 0 : 1;
  }

  #invocation(process: Process, open: number) {
    if (process === NEMESIS) {
      const { f, key, index } = this.#nemesis[open] as Op;
      return { f, key, invokeIndex: index };
    }
    const { f, key, invokeIndex } = this.#columns;
    return {
      f: this.#functions.list[f[open] as number],
      key: this.#keys.list[key[open] as number],
      invokeIndex: invokeIndex[open] as number,
    };
  }

  #resize(capacity: number): void {
    this.#capacity = capacity;
    const from = this.#columns as unknown as { readonly [name: string]: Int32Array };
    this.#columns = columnsOf(capacity);
    for (const [name, column] of Object.entries(this.#columns))
      column.set((from[name] as Int32Array).subarray(0, this.#length));
  }
}

function columnsOf(capacity: number): NumberColumns {
  const numbers = () => new Int32Array(capacity);
  return {
    f: numbers(),
    type: new Uint8Array(capacity),
    process: numbers(),
    key: numbers(),
    invokeNode: numbers(),
    completeNode: numbers(),
    invokeIndex: numbers(),
    completeIndex: numbers(),
    invokeTime: new Float64Array(capacity),
    completeTime: new Float64Array(capacity),
    input: numbers(),
    output: numbers(),
    error: numbers(),
    keyRepeated: new Uint8Array(capacity),
  };
}

/** Columns of some rows alone, in the order given; rows may repeat. */
export function gathered(c: Columns, rows: Int32Array): Columns {
  const columns = columnsOf(rows.length);
  const from = c as unknown as { readonly [name: string]: Int32Array };
  for (const [name, to] of Object.entries(columns)) {
    // One function for each kind of array: a loop that sees them all takes twice as long.
    const gather =
      to instanceof Int32Array ? gatherInts : to instanceof Uint8Array ? gatherBytes : gatherTimes;
    gather(from[name] as never, rows, to as never);
  }
  return { ...c, ...columns, length: rows.length };
}

function gatherInts(from: Int32Array, rows: Int32Array, to: Int32Array): void {
  for (let i = 0; i < rows.length; i++) to[i] = from[rows[i] as number] as number;
}

function gatherBytes(from: Uint8Array, rows: Int32Array, to: Uint8Array): void {
  for (let i = 0; i < rows.length; i++) to[i] = from[rows[i] as number] as number;
}

function gatherTimes(from: Float64Array, rows: Int32Array, to: Float64Array): void {
  for (let i = 0; i < rows.length; i++) to[i] = from[rows[i] as number] as number;
}

/** The rows of each key, in the order given, by the key's first use. Those without a key are in none. */
export function rowsByKey(c: Columns, rows: Int32Array): ReadonlyMap<string, Int32Array> {
  const counts = new Int32Array(c.keys.length);
  for (const row of rows) {
    const key = c.key[row] as number;
    if (key !== NONE) counts[key] = (counts[key] as number) + 1;
  }
  const grouped: Int32Array[] = Array.from(counts, (count) => new Int32Array(count));
  counts.fill(0);
  for (const row of rows) {
    const key = c.key[row] as number;
    if (key === NONE) continue;
    const at = counts[key] as number;
    (grouped[key] as Int32Array)[at] = row;
    counts[key] = at + 1;
  }
  // Keys are numbered by first use.
  const used = new Map<string, Int32Array>();
  grouped.forEach((group, key) => {
    if (group.length > 0) used.set(c.keys[key] as string, group);
  });
  return used;
}
