/**
 * Shortest cycles of a class, by breadth-first search with a growing limit, so that the work depends on how short the
 * cycle is and not on how large its component.
 *
 * Real time needs no search: of two steps of real time, a before b and c before d, either a also ended before d
 * began or c before b (Fishburn, J. Math. Psych. 1970), so a shortest cycle has at most one. It is a walk of other edges from
 * some b to some a that had ended before b began.
 */
import type { Budget } from "../../src/checker.ts";
import { type CycleClass, G1C, NONADJACENT, SINGLE } from "./anomalies.ts";
import { kindOf, type Mask, PASS, PROCESS, REALTIME, WW } from "./dependencies.ts";
import type { Digraph } from "./digraph.ts";
import { plainMask, rwMask, type Scope } from "./scope.ts";
import { NONE, OK, type TransactionTable } from "./table.ts";
import { componentsOf, select, type Tangle } from "./tangle.ts";

/** A step from a transaction to another. */
export interface CycleEdge {
  readonly from: number;
  readonly to: number;
  readonly code: number;
  /** The key by which they depend, or NONE. */
  readonly key: number;
}

/** A walk: the edges of the tangle, from `start`; `jump`: real time leads from its end back to there. */
interface Walk {
  readonly start: number;
  readonly edges: readonly number[];
  readonly jump: boolean;
}

interface Automaton {
  readonly plain: Mask;
  readonly rw: Mask;
  /** State 1 allows no edge of `rw`; another edge leads back to state 0, or does not. */
  readonly forgets: boolean;
  /** The state after an edge of `rw`. */
  readonly afterRw: 0 | 1;
}

/**
 * A cycle of the class in a part of a graph that has one. `proved`: there is no shorter one; the budget can run out
 * before that is known. Nodes from `transactions` on stand for no transaction.
 */
export function shortestCycle(
  table: TransactionTable,
  part: Tangle,
  transactions: number,
  cycle: CycleClass,
  scope: Scope,
  budget: Budget,
): { readonly edges: readonly CycleEdge[]; readonly proved: boolean } {
  return new Search(table, part, transactions, budget).find(cycle, scope);
}

class Search {
  readonly #table: TransactionTable;
  readonly #tangle: Tangle;
  readonly #transactions: number;
  readonly #budget: Budget;
  /** By state and node: when it was last reached, by what edge, and in which state that began. */
  readonly #epochs: Int32Array;
  readonly #edges: Int32Array;
  readonly #states: Uint8Array;
  #epoch = 0;

  constructor(table: TransactionTable, tangled: Tangle, transactions: number, budget: Budget) {
    this.#table = table;
    this.#tangle = tangled;
    this.#transactions = transactions;
    this.#budget = budget;
    this.#epochs = new Int32Array(2 * tangled.nodes);
    this.#edges = new Int32Array(2 * tangled.nodes);
    this.#states = new Uint8Array(2 * tangled.nodes);
  }

  find(cycle: CycleClass, scope: Scope): { readonly edges: readonly CycleEdge[]; readonly proved: boolean } {
    const { codes, nodes, origin } = this.#tangle;
    const rw = rwMask(cycle, scope);
    const plain = plainMask(cycle, scope.level);
    const inside =
      (mask: Mask) =>
      (edge: number): boolean =>
        isIn(mask, codes[edge] as number);
    const graph = select(this.#tangle, inside((plain | rw) & ~(1 << REALTIME)));
    const automaton: Automaton = {
      plain,
      rw,
      forgets: cycle === NONADJACENT,
      afterRw: cycle === SINGLE || cycle === NONADJACENT ? 1 : 0,
    };
    const starts = this.#starts(cycle, graph, inside(plain));
    const moments: number[] = [];
    if (scope.level === 2)
      for (let n = 0; n < nodes; n++) if ((origin[n] as number) < this.#transactions) moments.push(n);
    let best: Walk | undefined;
    for (let limit = 2; ; limit *= 2) {
      let longest = limit;
      const better = (walk: Walk | undefined): void => {
        if (walk === undefined) return;
        best = walk;
        longest = this.#length(walk) - 1;
      };
      for (const edge of starts) {
        if (longest < 2 || this.#budget.left === 0) break;
        better(this.#around(edge, graph, automaton, longest));
      }
      for (const node of moments) {
        if (longest < 2 || this.#budget.left === 0) break;
        better(this.#since(node, graph, automaton, longest));
      }
      if (best !== undefined) return { edges: this.#told(best), proved: this.#budget.left > 0 };
      if (this.#budget.left > 0) continue;
      // Whatever the first that has a cycle gives.
      for (const edge of starts)
        better(best ?? this.#around(edge, graph, automaton, Number.POSITIVE_INFINITY));
      for (const node of moments)
        better(best ?? this.#since(node, graph, automaton, Number.POSITIVE_INFINITY));
      if (best === undefined) throw new Error("a component without the cycle it must have");
      return { edges: this.#told(best), proved: false };
    }
  }

  /** Edges of which every cycle of the class has one, if it has no step of real time. */
  #starts(
    cycle: CycleClass,
    graph: { readonly edges: Int32Array },
    plain: (edge: number) => boolean,
  ): number[] {
    const { codes, from, to } = this.#tangle;
    if (cycle > SINGLE) return [...graph.edges].filter((e) => !plain(e));
    const parts = componentsOf(this.#tangle, plain);
    const circular = (e: number): boolean => parts.of[from[e] as number] === parts.of[to[e] as number];
    const rw = [...graph.edges].filter((e) => cycle === SINGLE && !plain(e));
    const part = [...graph.edges].filter(
      (e) => plain(e) && circular(e) && codes[e] !== PASS && codes[e] !== PROCESS,
    );
    return [...rw, ...part.filter((e) => cycle !== G1C || kindOf(codes[e] as number) !== WW)];
  }

  /** The shortest cycle with a certain edge, of at most `limit` steps. */
  #around(edge: number, graph: GraphOfEdges, automaton: Automaton, limit: number): Walk | undefined {
    const { from, to, codes } = this.#tangle;
    const start = to[edge] as number;
    const end = from[edge] as number;
    const rw = isIn(automaton.rw, codes[edge] as number);
    // The edge itself comes next at the end.
    const last = rw && automaton.forgets ? 0 : undefined;
    const state = rw ? automaton.afterRw : 0;
    const way = this.#search(
      start,
      state,
      graph,
      automaton,
      limit - 1,
      (node, s) => node === end && (last ?? s) === s,
    );
    return way === undefined ? undefined : { start: end, edges: [edge, ...way], jump: false };
  }

  /** The shortest walk from a transaction to one that had ended before it began. */
  #since(node: number, graph: GraphOfEdges, automaton: Automaton, limit: number): Walk | undefined {
    const { origin } = this.#tangle;
    const { invoked, completed, outcome } = this.#table;
    const begun = invoked[origin[node] as number] as number;
    const way = this.#search(node, 0, graph, automaton, limit - 1, (other) => {
      const t = origin[other] as number;
      return t < this.#transactions && outcome[t] === OK && (completed[t] as number) < begun;
    });
    return way === undefined ? undefined : { start: node, edges: way, jump: true };
  }

  /** The edges of a shortest way to a goal, of at most `limit` steps; passing on is none. */
  #search(
    start: number,
    state: number,
    { offsets, targets, edges }: GraphOfEdges,
    automaton: Automaton,
    limit: number,
    isGoal: (node: number, state: number) => boolean,
  ): number[] | undefined {
    const { nodes, codes } = this.#tangle;
    const epoch = ++this.#epoch;
    let level = [start + state * nodes];
    this.#epochs[start + state * nodes] = epoch;
    this.#edges[start + state * nodes] = NONE;
    const reach = (list: number[], node: number, next: number, edge: number, came: number): void => {
      const place = node + next * nodes;
      if (this.#epochs[place] === epoch) return;
      this.#epochs[place] = epoch;
      this.#edges[place] = edge;
      this.#states[place] = came;
      list.push(place);
    };
    for (let depth = 0; level.length > 0; depth++) {
      for (const place of level) {
        const s = place >= nodes ? 1 : 0;
        const node = place - s * nodes;
        if (isGoal(node, s)) return this.#way(place);
        for (let at = offsets[node] as number; at < (offsets[node + 1] as number); at++)
          if (codes[edges[at] as number] === PASS)
            reach(level, targets[at] as number, s, edges[at] as number, s);
      }
      if (depth >= limit) return undefined;
      const further: number[] = [];
      for (const place of level) {
        const s = place >= nodes ? 1 : 0;
        const node = place - s * nodes;
        this.#budget.spend((offsets[node + 1] as number) - (offsets[node] as number) + 1);
        for (let at = offsets[node] as number; at < (offsets[node + 1] as number); at++) {
          const edge = edges[at] as number;
          const kind = codes[edge] as number;
          if (kind === PASS) continue;
          if (!isIn(automaton.rw, kind))
            reach(further, targets[at] as number, automaton.forgets ? 0 : s, edge, s);
          else if (s === 0) reach(further, targets[at] as number, automaton.afterRw, edge, s);
        }
      }
      level = further;
    }
    return undefined;
  }

  #way(end: number): number[] {
    const { nodes, from } = this.#tangle;
    const way: number[] = [];
    for (let place = end; ; ) {
      const edge = this.#edges[place] as number;
      if (edge === NONE) return way.reverse();
      way.push(edge);
      place = (from[edge] as number) + (this.#states[place] as number) * nodes;
    }
  }

  #length({ edges, jump }: Walk): number {
    return edges.filter((e) => this.#tangle.codes[e] !== PASS).length + (jump ? 1 : 0);
  }

  /** Between transactions only, from the one invoked first; one step for several of a process. */
  #told({ edges, jump, start }: Walk): CycleEdge[] {
    const { from, to, codes, keys, origin } = this.#tangle;
    const told: CycleEdge[] = [];
    for (const e of edges) {
      const edge = { from: origin[from[e] as number] as number, to: origin[to[e] as number] as number };
      const before = told.at(-1);
      const same = codes[e] === PROCESS && before?.code === PROCESS;
      if (before !== undefined && (same || codes[e] === PASS))
        told[told.length - 1] = { ...before, to: edge.to };
      else told.push({ ...edge, code: codes[e] as number, key: keys[e] as number });
    }
    if (jump) {
      const end = told.at(-1)?.to as number;
      told.push({ from: end, to: origin[start] as number, code: REALTIME, key: NONE });
    }
    const [first, last] = [told[0], told.at(-1)];
    if (told.length > 2 && first?.code === PROCESS && last?.code === PROCESS) {
      told.pop();
      told[0] = { ...first, from: last.from };
    }
    const earliest = told.reduce(
      (least, { from: t }, i) => (t < (told[least] as CycleEdge).from ? i : least),
      0,
    );
    return [...told.slice(earliest), ...told.slice(0, earliest)];
  }
}

type GraphOfEdges = Digraph & { readonly edges: Int32Array };

function isIn(mask: Mask, edge: number): boolean {
  return ((mask >>> edge) & 1) === 1;
}
