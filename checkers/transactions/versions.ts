/**
 * Which version of a register came before which: what each history tells, and what it must be if the history is to
 * keep certain promises. Orders of the second kind hold by contradiction (`dependencies.ts`): if a transaction read
 * one version and wrote another, then the first came before the second, or else there is a G1c.
 */
import type { Json } from "../../src/history/op.ts";
import { code, KINDS, kindOf, LEVELS, type Level, WW, WW_COMMITTED, WW_VIEW } from "./dependencies.ts";
import { components, type Digraph, digraph } from "./digraph.ts";
import type { Discoveries } from "./discoveries.ts";
import { PairNumbers } from "./pair-numbers.ts";
import type { Registers } from "./registers.ts";
import { FAIL, NONE, OK } from "./table.ts";
import { capitalised, eventOf, show, theTransaction, whoRan } from "./wording.ts";

/** That a version came before another of the same key. */
export interface Step {
  readonly from: number;
  readonly to: number;
  readonly code: number;
  readonly key: number;
  /** The transactions that show it: what the earlier did, and then the later. */
  readonly earlier: number;
  readonly later: number;
}

/** Steps as columns. */
export class VersionOrder {
  count = 0;
  from = new Int32Array(1 << 10);
  to = new Int32Array(1 << 10);
  codes = new Uint8Array(1 << 10);
  keys = new Int32Array(1 << 10);
  earlier = new Int32Array(1 << 10);
  later = new Int32Array(1 << 10);

  add(from: number, to: number, edge: number, key: number, earlier: number, later: number): void {
    if (from === to) return;
    const at = this.count++;
    if (at === this.from.length) this.#grow();
    this.from[at] = from;
    this.to[at] = to;
    this.codes[at] = edge;
    this.keys[at] = key;
    this.earlier[at] = earlier;
    this.later[at] = later;
  }

  step(i: number): Step {
    return {
      from: this.from[i] as number,
      to: this.to[i] as number,
      code: this.codes[i] as number,
      key: this.keys[i] as number,
      earlier: this.earlier[i] as number,
      later: this.later[i] as number,
    };
  }

  /** The steps from each version, by code. `versions`: how many there are. */
  byVersion(versions: number): Digraph {
    const inOrder = new Int32Array(this.count).map((_, i) => i);
    const codes = new Int32Array(this.codes.subarray(0, this.count));
    const byCode = digraph(KINDS * 3, this.count, codes, inOrder).targets;
    const from = byCode.map((i) => this.from[i] as number);
    return digraph(versions, this.count, from, byCode);
  }

  #grow(): void {
    const double = <T extends Int32Array | Uint8Array>(old: T, fresh: T): T => {
      fresh.set(old);
      return fresh;
    };
    const capacity = 2 * this.from.length;
    this.from = double(this.from, new Int32Array(capacity));
    this.to = double(this.to, new Int32Array(capacity));
    this.codes = double(this.codes, new Uint8Array(capacity));
    this.keys = double(this.keys, new Int32Array(capacity));
    this.earlier = double(this.earlier, new Int32Array(capacity));
    this.later = double(this.later, new Int32Array(capacity));
  }
}

export function inferVersions(registers: Registers, discoveries: Discoveries): VersionOrder {
  return new Inference(registers, discoveries).run();
}

class Inference {
  readonly #registers: Registers;
  readonly #discoveries: Discoveries;
  readonly #order = new VersionOrder();
  /**
   * By micro-operation that is the first of its transaction on its key: what the transaction read of the key from
   * outside, and what it wrote there first and last; NONE if it did not.
   */
  readonly #read: Int32Array;
  readonly #firstWritten: Int32Array;
  readonly #lastWritten: Int32Array;
  readonly #transaction: Int32Array;

  constructor(registers: Registers, discoveries: Discoveries) {
    this.#registers = registers;
    this.#discoveries = discoveries;
    const { table, previous, external, read } = registers;
    const count = table.key.length;
    this.#read = new Int32Array(count).fill(NONE);
    this.#firstWritten = new Int32Array(count).fill(NONE);
    this.#lastWritten = new Int32Array(count).fill(NONE);
    this.#transaction = new Int32Array(count);
    const head = new Int32Array(count);
    for (let t = 0; t < table.size; t++)
      for (let at = table.first[t] as number; at < (table.first[t + 1] as number); at++) {
        const before = previous[at] as number;
        const first = before === NONE ? at : (head[before] as number);
        head[at] = first;
        this.#transaction[at] = t;
        if (table.writes[at] === 0) {
          if (first === at && external[at] === 1) this.#read[at] = read[at] as number;
          continue;
        }
        if (this.#firstWritten[first] === NONE) this.#firstWritten[first] = table.value[at] as number;
        this.#lastWritten[first] = table.value[at] as number;
      }
  }

  run(): VersionOrder {
    this.#withinTransactions();
    this.#claimed();
    this.#afterInitial();
    const gaps = this.#unwritten();
    this.#judgeCircles(0, gaps);
    this.#byProcess();
    this.#judgeCircles(1, gaps);
    this.#inRealTime();
    this.#judgeCircles(2, gaps);
    return this.#order;
  }

  /** What one transaction wrote after another value, or after reading one. */
  #withinTransactions(): void {
    const { table, previous, external, read } = this.#registers;
    for (let t = 0; t < table.size; t++) {
      if (table.outcome[t] === FAIL) continue;
      for (let at = table.first[t] as number; at < (table.first[t + 1] as number); at++) {
        const k = table.key[at] as number;
        let before = previous[at] as number;
        if (table.writes[at] === 0 || before === NONE || table.ambiguous[k] === 1) continue;
        while (before !== NONE && table.writes[before] === 0 && external[before] === 0)
          before = previous[before] as number;
        if (before === NONE) continue;
        if (table.writes[before] === 1)
          this.#order.add(table.value[before] as number, table.value[at] as number, code(WW, 0), k, t, t);
        else
          for (let b = before; b !== NONE; b = previous[b] as number)
            this.#order.add(read[b] as number, table.value[at] as number, code(WW_COMMITTED, 0), k, t, t);
      }
    }
  }

  /** The numbers that the store gives to versions: claims, but the order that it stands for. */
  #claimed(): void {
    const { table, read } = this.#registers;
    const { versions } = table;
    if (versions === undefined) return;
    const byKey = new Map<number, Map<number, { readonly value: number; readonly t: number }>>();
    const numbers = new Map<number, number>();
    for (let t = 0; t < table.size; t++)
      for (let at = table.first[t] as number; at < (table.first[t + 1] as number); at++) {
        const number = versions[at] as number;
        const k = table.key[at] as number;
        if (number < 0 || table.ambiguous[k] === 1) continue;
        const value = (table.writes[at] === 1 ? table.value[at] : read[at]) as number;
        const intermediate = table.writes[at] === 1 && this.#registers.intermediate[value] === 1;
        if (value === NONE || intermediate) continue;
        const known = byKey.get(k) ?? new Map<number, { readonly value: number; readonly t: number }>();
        byKey.set(k, known);
        const holder = known.get(number);
        const before = numbers.get(value);
        if (holder === undefined && before === undefined) {
          known.set(number, { value, t });
          numbers.set(value, number);
        } else if (holder?.value !== value) this.#conflict(k, value, number, t, holder, before);
      }
    for (const [k, known] of byKey) {
      const inOrder = [...known].sort(([a], [b]) => a - b).map(([, entry]) => entry);
      for (let i = 1; i < inOrder.length; i++) {
        const [a, b] = [inOrder[i - 1], inOrder[i]];
        if (a !== undefined && b !== undefined) this.#order.add(a.value, b.value, code(WW, 0), k, a.t, b.t);
      }
    }
  }

  #conflict(
    k: number,
    value: number,
    number: number,
    t: number,
    holder: { readonly value: number; readonly t: number } | undefined,
    before: number | undefined,
  ): void {
    const { table } = this.#registers;
    const key = show(table.keys[k] as Json);
    this.#discoveries.add("version-conflict", () => ({
      witness: holder === undefined ? [eventOf(table, t)] : [eventOf(table, holder.t), eventOf(table, t)],
      explanation:
        holder === undefined
          ? `${capitalised(theTransaction(table, t))} was told version ${number} of ${key} = ${show(table.scalarOf(value))}, which had version ${before} elsewhere.`
          : `${capitalised(theTransaction(table, t))} was told that version ${number} of ${key} is ${show(table.scalarOf(value))}, and ${theTransaction(table, holder.t)} that it is ${show(table.scalarOf(holder.value))}.`,
    }));
  }

  /** The state before any write came before all that nothing else is known to follow. */
  #afterInitial(): void {
    const { table, initial } = this.#registers;
    const preceded = new Uint8Array(table.valueCount);
    for (let i = 0; i < this.#order.count; i++) preceded[this.#order.to[i] as number] = 1;
    for (let v = 0; v < table.valueCount; v++) {
      const at = table.writer[v] as number;
      if (at === NONE || preceded[v] === 1) continue;
      const t = table.writerTransaction[v] as number;
      const k = table.key[at] as number;
      const none = initial[k] as number;
      if (none === NONE || table.outcome[t] === FAIL || table.ambiguous[k] === 1) continue;
      this.#order.add(none, v, code(WW, 0), k, t, t);
    }
  }

  /** Each process meets the versions of a key in their order, if it is to see a view that does not go back. */
  #byProcess(): void {
    const { table } = this.#registers;
    /** By pair of a process and a key, the first access of the last transaction. */
    const pairs = new PairNumbers();
    const last = new Int32Array(table.key.length);
    this.#eachMeeting((t, at, k) => {
      const known = pairs.count;
      const pair = pairs.number(table.process[t] as number, k);
      if (pair < known) this.#follow(last[pair] as number, at, 1);
      last[pair] = at;
    });
  }

  /** The same in real time: what ended before another began met no later version. */
  #inRealTime(): void {
    const { table } = this.#registers;
    const { invoked, completed } = table;
    /** By key: the meetings that may immediately precede what is to come. */
    const recent: number[][] = Array.from(table.keys, () => []);
    this.#eachMeeting((t, at, k) => {
      const begun = invoked[t] as number;
      const list = recent[k] as number[];
      let latest = NONE;
      for (const p of list) {
        const earlier = this.#transaction[p] as number;
        if ((completed[earlier] as number) < begun && (invoked[earlier] as number) > latest)
          latest = invoked[earlier] as number;
      }
      let kept = 0;
      for (const p of list) {
        const ended = completed[this.#transaction[p] as number] as number;
        if (ended <= latest) continue;
        list[kept++] = p;
        if (ended < begun) this.#follow(p, at, 2);
      }
      list.length = kept;
      if (table.outcome[t] === OK) list.push(at);
    });
  }

  /** Each key of each transaction that took effect, by the first micro-operation there. */
  #eachMeeting(visit: (t: number, at: number, k: number) => void): void {
    const { table, previous } = this.#registers;
    for (let t = 0; t < table.size; t++) {
      if (table.outcome[t] === FAIL) continue;
      for (let at = table.first[t] as number; at < (table.first[t + 1] as number); at++) {
        const k = table.key[at] as number;
        if (previous[at] === NONE && table.ambiguous[k] === 0) visit(t, at, k);
      }
    }
  }

  /** A transaction met a key after another had. What it read came no earlier than what that left. */
  #follow(before: number, after: number, level: Level): void {
    const k = this.#registers.table.key[after] as number;
    const [earlier, later] = [this.#transaction[before] as number, this.#transaction[after] as number];
    const written = this.#lastWritten[before] as number;
    const left = written === NONE ? (this.#read[before] as number) : written;
    if (left === NONE) return;
    const read = this.#read[after] as number;
    // Nothing comes before the initial state; who reads that later shows in cycles as it is.
    if (read !== NONE && read !== this.#registers.initial[k])
      this.#order.add(left, read, code(WW_VIEW, level), k, earlier, later);
    const next = this.#firstWritten[after] as number;
    if (next !== NONE)
      this.#order.add(left, next, code(written === NONE ? WW_COMMITTED : WW, level), k, earlier, later);
  }

  /** By value: 1 if it was read although no transaction that took effect wrote it. */
  #unwritten(): Uint8Array | undefined {
    const { table, initial } = this.#registers;
    const gaps = new Uint8Array(table.valueCount);
    let any = false;
    const known = new Uint8Array(table.valueCount);
    for (const v of initial) if (v !== NONE) known[v] = 1;
    for (let v = 0; v < gaps.length; v++) {
      const t = table.writerTransaction[v] as number;
      if ((t !== NONE && table.outcome[t] !== FAIL) || known[v] === 1) continue;
      gaps[v] = 1;
      any = true;
    }
    return any ? gaps : undefined;
  }

  /**
   * Versions that precede each other in a circle. If transactions wrote them all, it is they that are in a circle,
   * which is found and told there; here are only those where one of them is missing.
   */
  #judgeCircles(level: Level, gaps: Uint8Array | undefined): void {
    if (gaps === undefined) return;
    const { from, to, count } = this.#order;
    const { of, sizes } = components(digraph(gaps.length, count, from, to));
    const circles = new Map<number, Step[]>();
    for (let v = 0; v < gaps.length; v++)
      if (gaps[v] === 1 && (sizes[of[v] as number] as number) > 1) circles.set(of[v] as number, []);
    for (let i = 0; i < count; i++) {
      const circle = circles.get(of[from[i] as number] as number);
      if (circle !== undefined && of[from[i] as number] === of[to[i] as number])
        circle.push(this.#order.step(i));
    }
    for (const steps of circles.values()) {
      this.#discoveries.add(`cyclic-versions${LEVELS[level]}`, () => this.#cyclic(steps));
      for (const { from: v } of steps) gaps[v] = 0;
    }
  }

  /** A shortest circle through the first of steps that are all in one component. */
  #cyclic(steps: readonly Step[]): { witness: number[]; explanation: string } {
    const { table } = this.#registers;
    const [start] = steps as [Step];
    const arrived = new Map<number, Step>();
    const queue = [start.to];
    for (const v of queue) {
      if (v === start.from) break;
      for (const step of steps)
        if (step.from === v && !arrived.has(step.to)) {
          arrived.set(step.to, step);
          queue.push(step.to);
        }
    }
    const circle: Step[] = [];
    for (let v = start.from; v !== start.to; ) {
      const step = arrived.get(v) as Step;
      circle.unshift(step);
      v = step.from;
    }
    circle.unshift(start);
    const sentences = circle.map((step) => whyBefore(this.#registers, step));
    return {
      witness: circle.flatMap(({ earlier, later }) => [eventOf(table, earlier), eventOf(table, later)]),
      explanation: `Versions of ${show(table.keys[start.key] as Json)} precede each other in a circle: ${sentences.join("; ")}.`,
    };
  }
}

/** Why one version came before another, in words. */
export function whyBefore(registers: Registers, step: Step): string {
  const { table, initial } = registers;
  const [a, b] = [step.from, step.to].map((v) => show(table.scalarOf(v)));
  const from = step.from === initial[step.key] ? "the state before any write" : a;
  const order = `${from} came before ${step.to === initial[step.key] ? "the state before any write" : b}`;
  if (step.from === initial[step.key] && step.code === code(WW, 0)) return order;
  if (step.earlier === step.later)
    return kindOf(step.code) === WW
      ? `${order}, for ${theTransaction(table, step.earlier)} wrote both in that order`
      : `${order}, for ${theTransaction(table, step.earlier)} read the one and wrote the other`;
  if (step.code < code(0, 1)) return `${order} by their version numbers`;
  const when = step.code < code(0, 2) ? "later in the same process" : "after that had ended";
  return `${order}, for ${whoRan(table, step.earlier)}, met the one and ${whoRan(table, step.later)}, ${when}, the other`;
}
