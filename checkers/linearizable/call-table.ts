/**
 * The calls of a history by the objects they concern, those of one object side by side: to go after what is strewn
 * over the history, key by key, takes longer than to judge it.
 */
import { type Columns, NONE, TYPES } from "../../src/history/columns.ts";
import type { History, Operation } from "../../src/history/history.ts";
import type { Json, Signature } from "../../src/history/op.ts";
import { operationAt } from "../../src/history/operation.ts";
import { placesBy } from "./counting-sort.ts";
import type { ObjectCall } from "./parts.ts";

/** The columns that every call is read from, in the order of the table; of the rest, rows say where it is. */
type Hot = Pick<Columns, "f" | "type" | "input" | "output" | "invokeIndex" | "completeIndex">;

export class CallTable {
  /** In the order of their first use; "" if there is only one. */
  readonly objects: readonly string[];
  /** The calls of object i are those from `from[i]` up to `from[i + 1]`, by invocation. */
  readonly from: Int32Array;
  /** By call: the row of its operation in the columns of the history. */
  readonly rows: Int32Array;
  /** By call: which of those of its operation it is; not there if all operations have one. */
  readonly nth: Int32Array | undefined;
  readonly #columns: Columns;
  readonly #hot: Hot;

  private constructor(columns: Columns, { objects, numbers, rows, nth }: Calls) {
    this.#columns = columns;
    this.objects = objects;
    const { from, places } = placesBy(numbers, objects.length);
    this.from = from;
    // Read in the order of the history and written where it belongs: the other way takes three times as long.
    const placed = (column: Int32Array): Int32Array => {
      const sorted = new Int32Array(places.length);
      for (let i = 0; i < places.length; i++) sorted[places[i] as number] = column[i] as number;
      return sorted;
    };
    const gathered = (column: Int32Array): Int32Array => {
      const sorted = new Int32Array(places.length);
      for (let i = 0; i < places.length; i++)
        sorted[places[i] as number] = column[rows[i] as number] as number;
      return sorted;
    };
    if (objects.length === 1 && rows.length === columns.length) {
      this.rows = rows;
      this.#hot = columns;
    } else {
      this.rows = placed(rows);
      this.#hot = {
        f: gathered(columns.f),
        type: typesOf(columns.type, rows, places),
        input: gathered(columns.input),
        output: gathered(columns.output),
        invokeIndex: gathered(columns.invokeIndex),
        completeIndex: gathered(columns.completeIndex),
      };
    }
    this.nth = nth && placed(nth);
  }

  /** One call for each operation, on the object that its key names. */
  static byKey({ columns, rows }: History): CallTable {
    const known = new Int32Array(columns.keys.length + 1).fill(NONE);
    const objects: string[] = [];
    const numbers = new Int32Array(rows.length);
    for (let i = 0; i < rows.length; i++) {
      const key = columns.key[rows[i] as number] as number;
      // The last place is that of no key.
      const at = key === NONE ? columns.keys.length : key;
      let number = known[at] as number;
      if (number === NONE) {
        number = objects.push(columns.keys[key] ?? "") - 1;
        known[at] = number;
      }
      numbers[i] = number;
    }
    return new CallTable(columns, { objects, numbers, rows, nth: undefined });
  }

  static byCall<S extends Signature>(
    { columns, rows: all }: History<S>,
    callsOf: (operation: Operation<S>) => readonly ObjectCall<unknown, unknown>[],
  ): CallTable {
    const known = new Map<string, number>();
    const rows: number[] = [];
    const numbers: number[] = [];
    const nths: number[] = [];
    for (const row of all) {
      const operation = operationAt(columns, row) as unknown as Operation<S>;
      callsOf(operation).forEach(({ object }, nth) => {
        const number = known.get(object) ?? known.size;
        known.set(object, number);
        rows.push(row);
        numbers.push(number);
        nths.push(nth);
      });
    }
    return new CallTable(columns, {
      objects: [...known.keys()],
      numbers: Int32Array.from(numbers),
      rows: Int32Array.from(rows),
      nth: Int32Array.from(nths),
    });
  }

  /** The operation of a call; its fields are looked up when they are read. */
  operation(call: number): Operation {
    return new CallView(this, call) as unknown as Operation;
  }

  /** The same with all fields of its own. */
  whole(call: number): Operation {
    return operationAt(this.#columns, this.rows[call] as number);
  }

  isOk(call: number): boolean {
    return this.#hot.type[call] === OK;
  }

  hasFailed(call: number): boolean {
    return this.#hot.type[call] === FAIL;
  }

  typeOf(call: number): Operation["type"] {
    return TYPES[this.#hot.type[call] as number] as Operation["type"];
  }

  functionOf(call: number): string {
    return this.#columns.functions[this.#hot.f[call] as number] as string;
  }

  inputOf(call: number): Json {
    return this.#columns.values.decode(this.#hot.input[call] as number);
  }

  outputOf(call: number): Json | undefined {
    if (this.#hot.type[call] !== OK) return undefined;
    return this.#columns.values.decode(this.#hot.output[call] as number);
  }

  invokeIndexOf(call: number): number {
    return this.#hot.invokeIndex[call] as number;
  }

  completeIndexOf(call: number): number {
    const index = this.#hot.completeIndex[call] as number;
    return index === NONE ? Number.POSITIVE_INFINITY : index;
  }
}

const [OK, FAIL] = [TYPES.indexOf("ok"), TYPES.indexOf("fail")];

/** Calls in the order of the history. */
interface Calls {
  readonly objects: readonly string[];
  /** By call: position in `objects`. */
  readonly numbers: Int32Array;
  readonly rows: Int32Array;
  readonly nth: Int32Array | undefined;
}

function typesOf(types: Uint8Array, rows: Int32Array, places: Int32Array): Uint8Array {
  const sorted = new Uint8Array(places.length);
  for (let i = 0; i < places.length; i++) sorted[places[i] as number] = types[rows[i] as number] as number;
  return sorted;
}

/** Reads no column before it is asked to: most calls are judged by few fields, and most fields are far apart. */
class CallView {
  readonly table: CallTable;
  readonly call: number;

  constructor(table: CallTable, call: number) {
    this.table = table;
    this.call = call;
  }

  get f(): string {
    return this.table.functionOf(this.call);
  }

  get type(): Operation["type"] {
    return this.table.typeOf(this.call);
  }

  get input(): Json {
    return this.table.inputOf(this.call);
  }

  get output(): Json | undefined {
    return this.table.outputOf(this.call);
  }

  get invokeIndex(): number {
    return this.table.invokeIndexOf(this.call);
  }

  get completeIndex(): number {
    return this.table.completeIndexOf(this.call);
  }

  get process(): number {
    return this.table.whole(this.call).process;
  }

  get key(): string | undefined {
    return this.table.whole(this.call).key;
  }

  get node(): string | undefined {
    return this.table.whole(this.call).node;
  }

  get invokeTime(): number {
    return this.table.whole(this.call).invokeTime;
  }

  get completeTime(): number {
    return this.table.whole(this.call).completeTime;
  }

  get error(): string | undefined {
    return this.table.whole(this.call).error;
  }
}
