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
  constructor(position: number, event: Pick<Op, "process" | "type" | "f">, what: string) {
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
  readonly values = new Values();
  readonly #functions = new Names();
  readonly #keys = new Names();
  readonly #nodes = new Names();
  readonly #errors = new Names();
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
    if (event.process === NEMESIS) this.#addNemesis(event);
    else {
      const { index, time, process, type, f, key, node } = event;
      const error = type === "fail" || type === "info" ? event.error : undefined;
      this.addCoded(index, time, process, type, f, this.values.encode(event.value), key, node, error);
    }
  }

  /** The same for an event of a client that is in pieces, its value as a code of `values`. */
  addCoded(
    index: number,
    time: number,
    process: Process,
    type: Op["type"],
    f: string,
    value: number,
    key: string | undefined,
    node: NodeId | undefined,
    error: string | undefined,
  ): void {
    const open = this.#pendingAt({ index, process, type, f });
    if (type === "invoke") {
      if (open !== undefined)
        this.#isPending({ process, type, f }, this.#columns.invokeIndex[open] as number);
      if (this.#retired.has(process)) {
        const what = "the process ended as info before and cannot be used again";
        throw new MalformedHistory(index, { process, type, f }, what);
      }
      this.#invoke(index, time, process, f, value, key, node);
      return;
    }
    const row = open as number;
    const c = this.#columns;
    const invoked = this.#functions.list[c.f[row] as number] as string;
    const invokedKey = this.#keys.list[c.key[row] as number];
    this.#fits({ process, type, f }, key, invoked, invokedKey, c.invokeIndex[row] as number);
    this.#pending.delete(process);
    if (type === "info") this.#retired.add(process);
    c.type[row] = TYPE_CODE[type];
    c.completeNode[row] = this.#nodes.number(node);
    c.completeIndex[row] = index;
    c.completeTime[row] = time;
    c.output[row] = value;
    c.error[row] = this.#errors.number(error);
    c.keyRepeated[row] = key === undefined ? 0 : 1;
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
      values: this.values,
    };
    return { columns, nemesis: this.#nemesis };
  }

  #addNemesis(event: Op): void {
    const { process, type, f } = event;
    const open = this.#pendingAt(event);
    const invocation = this.#nemesis[open as number];
    if (type === "invoke") {
      if (invocation !== undefined) this.#isPending(event, invocation.index);
      this.#pending.set(process, this.#nemesis.length);
    } else {
      const { f: invoked, key, index } = invocation as Op;
      this.#fits({ process, type, f }, event.key, invoked, key, index);
      this.#pending.delete(process);
    }
    this.#nemesis.push(event);
  }

  /** Takes the event's place in the history; where the pending operation of its process is. */
  #pendingAt(event: Pick<Op, "index" | "process" | "type" | "f">): number | undefined {
    const at = this.#events++;
    if (event.index !== at)
      throw new MalformedHistory(at, event, `has index ${event.index}, but indexes count up from 0`);
    const open = this.#pending.get(event.process);
    if (open === undefined && event.type !== "invoke")
      throw new MalformedHistory(at, event, "completes, but nothing is pending");
    return open;
  }

  #isPending(event: Pick<Op, "process" | "type" | "f">, invoked: number): never {
    const what = `invoked while its operation of event ${invoked} is pending`;
    throw new MalformedHistory(this.#events - 1, event, what);
  }

  /** Throws unless a completion is one of the operation that was invoked. */
  #fits(
    event: Pick<Op, "process" | "type" | "f">,
    key: string | undefined,
    invoked: string,
    invokedKey: string | undefined,
    invokedAt: number,
  ): void {
    if (invoked !== event.f) {
      const what = `completes event ${invokedAt}, which invoked ${invoked}`;
      throw new MalformedHistory(this.#events - 1, event, what);
    }
    if (key !== undefined && key !== invokedKey) {
      const what = `completes event ${invokedAt} with key ${key} instead of ${invokedKey ?? "none"}`;
      throw new MalformedHistory(this.#events - 1, event, what);
    }
  }

  #invoke(
    index: number,
    time: number,
    process: Process,
    f: string,
    value: number,
    key: string | undefined,
    node: NodeId | undefined,
  ): void {
    if (this.#length === this.#capacity) this.#resize(this.#capacity * 2);
    const row = this.#length++;
    this.#pending.set(process, row);
    const c = this.#columns;
    c.f[row] = this.#functions.number(f);
    c.type[row] = TYPE_CODE.info;
    c.process[row] = process;
    c.key[row] = this.#keys.number(key);
    c.invokeNode[row] = this.#nodes.number(node);
    c.completeNode[row] = NONE;
    c.invokeIndex[row] = index;
    c.completeIndex[row] = NONE;
    c.invokeTime[row] = time;
    c.input[row] = value;
    c.output[row] = this.values.encode(null);
    c.error[row] = NONE;
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
