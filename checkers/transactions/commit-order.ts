/**
 * Isolation without an order of versions: which transactions must have been committed before which, if each read was
 * right to show the write it did (Biswas and Enea, "On the Complexity of Checking Transactional Consistency",
 * OOPSLA 2019). A level holds if the sessions, the reads and what the level concludes from them have no cycle. Time is
 * nearly linear for short transactions, and grows with the number of sessions for causal consistency, as in AWDIT
 * (Møldrup and Pavlogiannis, PLDI 2025).
 */
import { lowerBound } from "../bisect.ts";
import { components, type Digraph, digraph } from "./digraph.ts";
import type { Registers } from "./registers.ts";
import { FAIL, NONE, OK } from "./table.ts";

export const levels = ["read-committed", "read-atomic", "causal"] as const;
export type Level = (typeof levels)[number];

/** Why one transaction must be committed before another. */
export interface Edge {
  readonly from: number;
  readonly to: number;
  /** "session": it came before; "read": what it wrote was read; a level: else `reader` would have seen its write of `key`. */
  readonly why: "session" | "read" | Level;
  readonly key: number;
  readonly reader: number;
}

interface Read {
  readonly key: number;
  readonly writer: number;
}

/** How many numbers the clocks of all transactions may have together. */
const CLOCKS = 1 << 27;
/** From how many transactions of a tangle the shortest cycle is looked for. */
const STARTS = 50;

export class CommitOrder {
  readonly #registers: Registers;
  /** Stands for what was there before all transactions. */
  readonly initial: number;
  readonly #edges: Edge[] = [];
  /** By transaction: what it read from others, in order. */
  readonly #reads: readonly (readonly Read[])[];
  /** By transaction: its session and its position there; NONE if it had no effect that anybody saw. */
  readonly #session: Int32Array;
  readonly #position: Int32Array;
  #sessions = 0;

  constructor(registers: Registers) {
    const { table } = registers;
    this.#registers = registers;
    this.initial = table.size;
    this.#session = new Int32Array(table.size).fill(NONE);
    this.#position = new Int32Array(table.size);
    const reads: (readonly Read[])[] = [];
    for (let t = 0; t < table.size; t++) reads.push(table.outcome[t] === OK ? this.#readsOf(t) : []);
    this.#reads = reads;
    this.#addSessions();
    reads.forEach((list, t) => {
      for (const { key, writer } of list)
        this.#edges.push({ from: writer, to: t, why: "read", key, reader: t });
    });
  }

  /** A cycle of what follows from sessions and reads alone. */
  basis(): readonly Edge[] | undefined {
    return this.#cycle();
  }

  /** A cycle of what follows from the level, too; levels are to be asked for from the weakest on. */
  broken(level: Level): readonly Edge[] | undefined {
    if (level === "causal") this.#addCauses();
    else if (level === "read-atomic") this.#addAtoms();
    else this.#addMonotone();
    return this.#cycle();
  }

  /** Whether clocks fit into memory. */
  get isFeasible(): boolean {
    return this.#sessions * this.initial <= CLOCKS;
  }

  #readsOf(t: number): readonly Read[] {
    const { table, external, read, initial } = this.#registers;
    const list: Read[] = [];
    for (let at = table.first[t] as number; at < (table.first[t + 1] as number); at++) {
      const key = table.key[at] as number;
      const value = read[at] as number;
      if (table.writes[at] === 1 || external[at] === 0 || value === NONE || table.ambiguous[key] === 1)
        continue;
      const writer = table.writerTransaction[value] as number;
      if (writer === NONE) {
        if (value === initial[key]) list.push({ key, writer: this.initial });
      } else if (writer !== t && table.outcome[writer] !== FAIL) list.push({ key, writer });
    }
    return list;
  }

  /** Those of unknown outcome take part if somebody read what they wrote. */
  #addSessions(): void {
    const { table } = this.#registers;
    const seen = new Set<number>();
    for (const list of this.#reads) for (const { writer } of list) seen.add(writer);
    const sessions = new Map<number, { readonly number: number; last: number }>();
    for (let t = 0; t < table.size; t++) {
      if (table.outcome[t] !== OK && !seen.has(t)) continue;
      const process = table.process[t] as number;
      const session = sessions.get(process) ?? { number: sessions.size, last: this.initial };
      sessions.set(process, session);
      const { last } = session;
      this.#session[t] = session.number;
      this.#position[t] = last === this.initial ? 0 : (this.#position[last] as number) + 1;
      this.#edges.push({ from: last, to: t, why: "session", key: NONE, reader: t });
      session.last = t;
    }
    this.#sessions = sessions.size;
  }

  /** Who read of a transaction reads nothing older than that afterwards. */
  #addMonotone(): void {
    this.#reads.forEach((list, t) => {
      const earlier = new Set<number>();
      for (const { key, writer } of list) {
        for (const other of earlier) this.#conclude("read-committed", other, writer, key, t);
        earlier.add(writer);
      }
    });
  }

  /** Who read of a transaction, or comes after it in its session, reads nothing older at all. */
  #addAtoms(): void {
    const { table } = this.#registers;
    /** By session and key: who wrote it last. */
    const last = new Map<string, number>();
    this.#reads.forEach((list, t) => {
      if (this.#session[t] === NONE) return;
      const writers = new Set(list.map(({ writer }) => writer));
      for (const { key, writer } of list) {
        for (const other of writers) this.#conclude("read-atomic", other, writer, key, t);
        this.#conclude("read-atomic", last.get(`${this.#session[t]} ${key}`) ?? writer, writer, key, t);
      }
      for (let at = table.first[t] as number; at < (table.first[t + 1] as number); at++)
        if (table.writes[at] === 1) last.set(`${this.#session[t]} ${table.key[at]}`, t);
    });
  }

  /** The same of all that came before, through any number of sessions and reads. */
  #addCauses(): void {
    const { table } = this.#registers;
    const sessions = this.#sessions;
    /** By key: who wrote it, session by session, each in order. */
    const writers = table.keys.map(() => new Map<number, number[]>());
    for (let t = 0; t < table.size; t++)
      for (let at = table.first[t] as number; at < (table.first[t + 1] as number); at++) {
        if (table.writes[at] === 0 || this.#session[t] === NONE) continue;
        const bySession = writers[table.key[at] as number] as Map<number, number[]>;
        const list = bySession.get(this.#session[t] as number);
        if (list === undefined) bySession.set(this.#session[t] as number, [t]);
        else if (list.at(-1) !== t) list.push(t);
      }
    /** By transaction and session: how many of the session came before it. */
    const clocks = new Int32Array(sessions * table.size);
    const causes = this.#graph(this.#edges.filter(({ why }) => why === "session" || why === "read"));
    for (const t of sorted(causes)) {
      if (t !== this.initial)
        for (const { key, writer } of this.#reads[t] as readonly Read[])
          for (const [session, list] of writers[key] as Map<number, number[]>) {
            const before = clocks[t * sessions + session] as number;
            const at = lowerBound(list, (other) => (this.#position[other] as number) < before);
            if (at > 0) this.#conclude("causal", list[at - 1] as number, writer, key, t);
          }
      for (let e = causes.offsets[t] as number; e < (causes.offsets[t + 1] as number); e++) {
        const next = causes.targets[e] as number;
        if (t === this.initial) continue;
        for (let s = 0; s < sessions; s++)
          clocks[next * sessions + s] = Math.max(
            clocks[next * sessions + s] as number,
            clocks[t * sessions + s] as number,
            s === this.#session[t] ? (this.#position[t] as number) + 1 : 0,
          );
      }
    }
  }

  /** If `other` wrote the key, it was committed before the one whose write was read instead. */
  #conclude(why: Level, other: number, writer: number, key: number, reader: number): void {
    if (other === writer || other === this.initial || other === reader) return;
    const { table } = this.#registers;
    for (let at = table.first[other] as number; at < (table.first[other + 1] as number); at++)
      if (table.writes[at] === 1 && table.key[at] === key) {
        this.#edges.push({ from: other, to: writer, why, key, reader });
        return;
      }
  }

  #graph(edges: readonly Edge[]): Digraph {
    const from = Int32Array.from(edges, (edge) => edge.from);
    const to = Int32Array.from(edges, (edge) => edge.to);
    return digraph(this.initial + 1, edges.length, from, to);
  }

  /** A short one of the smallest tangle. */
  #cycle(): readonly Edge[] | undefined {
    const graph = this.#graph(this.#edges);
    const { of, sizes } = components(graph);
    let smallest = NONE;
    sizes.forEach((size, c) => {
      if (size > 1 && (smallest === NONE || size < (sizes[smallest] as number))) smallest = c;
    });
    if (smallest === NONE) return undefined;
    const members: number[] = [];
    for (let t = 0; t <= this.initial && members.length < STARTS; t++)
      if (of[t] === smallest) members.push(t);
    let best: readonly number[] | undefined;
    for (const start of members) {
      const cycle = shortestFrom(start, graph, of);
      if (best === undefined || cycle.length < best.length) best = cycle;
    }
    const cycle = best as readonly number[];
    return cycle.map((t, i) => {
      const next = cycle[(i + 1) % cycle.length];
      return this.#edges.find(({ from, to }) => from === t && to === next) as Edge;
    });
  }
}

/** The nodes of a shortest cycle through `start`, within its component. */
function shortestFrom(start: number, { offsets, targets }: Digraph, of: Int32Array): readonly number[] {
  const from = new Map<number, number>();
  const queue = [start];
  for (const t of queue)
    for (let e = offsets[t] as number; e < (offsets[t + 1] as number); e++) {
      const next = targets[e] as number;
      if (next === start) {
        const cycle = [t];
        while (cycle[0] !== start) cycle.unshift(from.get(cycle[0] as number) as number);
        return cycle;
      }
      if (of[next] !== of[start] || from.has(next)) continue;
      from.set(next, t);
      queue.push(next);
    }
  throw new Error("a component without a cycle");
}

/** All nodes, each after those that lead to it; there must be no cycle. */
function sorted({ nodes, offsets, targets }: Digraph): Int32Array {
  const waiting = new Int32Array(nodes);
  for (const t of targets) waiting[t] = (waiting[t] as number) + 1;
  const order = new Int32Array(nodes);
  let length = 0;
  for (let t = 0; t < nodes; t++) if (waiting[t] === 0) order[length++] = t;
  for (let i = 0; i < length; i++) {
    const t = order[i] as number;
    for (let e = offsets[t] as number; e < (offsets[t + 1] as number); e++) {
      const next = targets[e] as number;
      waiting[next] = (waiting[next] as number) - 1;
      if (waiting[next] === 0) order[length++] = next;
    }
  }
  return order;
}
