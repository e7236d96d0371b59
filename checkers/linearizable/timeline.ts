/**
 * The calls and returns of the operations that are yet to be placed, in the order of time.
 *
 * A doubly linked list from which an operation is lifted, and put back, in constant time (G. Lowe, "Testing for
 * linearizability" (2017), section 4). An operation may be placed next if its call comes before the first return.
 */
import { type Action, PENDING } from "./model.ts";

export class Timeline {
  /** Positions in the list of actions by invocation: of the required operations, and of the pending ones. */
  readonly required: Int32Array;
  readonly pending: Int32Array;
  /** By required operation: its place among the completions. */
  readonly rank: Int32Array;
  /** By required operation: how many required and pending calls come before its return. */
  readonly callsBefore: Int32Array;
  readonly pendingBefore: Int32Array;
  /**
   * The list: call i of a required operation at i, its return at n + i, both ends at 2n. Read it from `next[2n]`
   * on: the operations that may be placed next are those before the first item that is no call.
   */
  readonly next: Int32Array;
  readonly #previous: Int32Array;

  /** Pending operations come in only if they are `useful`. */
  constructor(actions: readonly Action<unknown, unknown>[], useful: (position: number) => boolean) {
    const at = (position: number) => actions[position] as Action<unknown, unknown>;
    const byInvocation = actions.map((_, i) => i);
    byInvocation.sort((a, b) => at(a).invoked - at(b).invoked);
    const required = byInvocation.filter((i) => at(i).completed !== PENDING);
    const pending = byInvocation.filter((i) => at(i).completed === PENDING && useful(i));
    const n = required.length;
    this.required = Int32Array.from(required);
    this.pending = Int32Array.from(pending);
    this.rank = new Int32Array(n);
    this.callsBefore = new Int32Array(n);
    this.pendingBefore = new Int32Array(n);
    this.next = new Int32Array(2 * n + 1);
    this.#previous = new Int32Array(2 * n + 1);

    const invoked = Float64Array.from(required, (position) => at(position).invoked);
    const completed = Float64Array.from(required, (position) => at(position).completed);
    const returns = Array.from(required, (_, i) => i);
    returns.sort((a, b) => (completed[a] as number) - (completed[b] as number));
    let tail = 2 * n;
    const append = (item: number) => {
      this.next[tail] = item;
      this.#previous[item] = tail;
      tail = item;
    };
    let call = 0;
    let calledPending = 0;
    returns.forEach((returned, rank) => {
      const end = completed[returned] as number;
      while (call < n && (invoked[call] as number) < end) append(call++);
      while (calledPending < pending.length && at(pending[calledPending] as number).invoked < end)
        calledPending++;
      append(n + returned);
      this.rank[returned] = rank;
      this.callsBefore[returned] = call;
      this.pendingBefore[returned] = calledPending;
    });
    append(2 * n);
  }

  /** Removes return and call of an operation, in this order: the call then still knows what comes after it. */
  lift(i: number): void {
    this.#unlink(this.required.length + i);
    this.#unlink(i);
  }

  /** Undoes the latest `lift` not yet undone. */
  unlift(i: number): void {
    this.#relink(i);
    this.#relink(this.required.length + i);
  }

  #unlink(item: number): void {
    const previous = this.#previous[item] as number;
    const next = this.next[item] as number;
    this.next[previous] = next;
    this.#previous[next] = previous;
  }

  #relink(item: number): void {
    this.next[this.#previous[item] as number] = item;
    this.#previous[this.next[item] as number] = item;
  }
}
