/**
 * The operations on one object as numbers: which value each one met, excluded or left behind, and when.
 *
 * A million operations fit in a few dozen megabytes, and algorithms over them need no objects. Only for models that
 * offer `access`, as these promise that values are all there is to their states.
 */
import type { Json } from "../../src/history/op.ts";
import { type Access, type Action, type Model, PENDING } from "./model.ts";

/** No value. */
export const NONE = -1;
/** In place of the index of a completion, of a pending operation: after every event. */
export const NEVER = 0x7fffffff;
/** The number of the value that the object begins with. */
export const INITIAL = 0;

/** Grows as operations are added, in the order of their invocations. */
export class Accesses {
  /** By operation: numbers of values, or `NONE`. */
  reads = new Int32Array(8);
  writes = new Int32Array(8);
  excludes = new Int32Array(8);
  /** By operation: indexes of events. */
  invoked = new Int32Array(8);
  completed = new Int32Array(8);
  length = 0;
  readonly #numbers = new Map<number, number>();
  readonly #texts = new Map<string, number>();
  #values = 0;

  /** `initial` is the value that the object begins with. */
  constructor(initial: Json) {
    this.#number(initial);
  }

  /** How many values there are; they are numbered from 0. */
  get values(): number {
    return this.#values;
  }

  add(access: Access, invoked: number, completed: number): void {
    const at = this.length++;
    if (at === this.reads.length) this.#grow();
    this.reads[at] = this.#number(access.reads);
    this.writes[at] = this.#number(access.writes);
    this.excludes[at] = this.#number(access.excludes);
    this.invoked[at] = invoked;
    this.completed[at] = completed === PENDING ? NEVER : completed;
  }

  /** Equal values, and only they, have equal numbers. Compared is their JSON text, in which numbers and strings differ. */
  #number(value: Json | undefined): number {
    if (value === undefined) return NONE;
    if (typeof value === "number") return this.#interned(this.#numbers, value);
    return this.#interned(this.#texts, typeof value === "string" ? `s${value}` : JSON.stringify(value));
  }

  #interned<T>(known: Map<T, number>, value: T): number {
    let number = known.get(value);
    if (number === undefined) {
      number = this.#values++;
      known.set(value, number);
    }
    return number;
  }

  #grow(): void {
    const grown = (from: Int32Array<ArrayBuffer>) => {
      const to = new Int32Array(from.length * 2);
      to.set(from);
      return to;
    };
    this.reads = grown(this.reads);
    this.writes = grown(this.writes);
    this.excludes = grown(this.excludes);
    this.invoked = grown(this.invoked);
    this.completed = grown(this.completed);
  }
}

/**
 * What one operation tells of values; undefined if that is not all it may do to the object, so that values alone
 * cannot decide.
 */
export function accessOf<State, In, Out>(
  model: Model<State, In, Out>,
  input: In,
  output: Out | undefined,
  pending: boolean,
): Access | undefined {
  const access = model.access?.(input, output);
  if (access === undefined) return undefined;
  const { reads, writes, excludes } = access;
  // A condition that was met or not: an answer would tell, and a pending operation can be left out if it was not.
  if (output === undefined && reads !== undefined && !pending) return undefined;
  if (excludes !== undefined && (reads !== undefined || writes !== undefined)) return undefined;
  const silent = reads === undefined && writes === undefined && excludes === undefined;
  return silent && !model.observes?.(input, output) ? undefined : access;
}

/** The operations of a list, which are by invocation; undefined if they have more to them than values. */
export function accessesOf<State, In, Out>(
  model: Model<State, In, Out>,
  actions: readonly Action<In, Out>[],
): Accesses | undefined {
  const accesses = new Accesses(model.init as Json);
  for (const { input, output, invoked, completed } of actions) {
    const access = accessOf(model, input, output, completed === PENDING);
    if (access === undefined) return undefined;
    accesses.add(access, invoked, completed);
  }
  return accesses;
}
