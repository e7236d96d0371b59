/**
 * The classes of cycles in a graph of dependencies, exactly: whatever its size, nothing is given up.
 *
 * All but one are decided in linear time by strongly connected components: those of overwrites alone (G0), of
 * overwrites and reads (G1c), of walks without two anti-dependencies in a row (G-nonadjacent; Cerone and Gotsman,
 * PODC 2016, theorem 9), of everything (G2). Whether one anti-dependency suffices (G-single) is asked only where
 * there is a nonadjacent cycle and nothing graver (`reachability.ts`).
 */
import type { Budget } from "../../src/checker.ts";
import { type CycleClass, cycleName, G0, G1C, G2, NONADJACENT, SINGLE } from "./anomalies.ts";
import type { Dependencies, Mask } from "./dependencies.ts";
import type { Components } from "./digraph.ts";
import type { Discoveries, Discovery } from "./discoveries.ts";
import { anyReaches } from "./reachability.ts";
import { plainMask, rwMask, SCOPES, type Scope } from "./scope.ts";
import { type CycleEdge, shortestCycle } from "./shortest.ts";
import type { TransactionTable } from "./table.ts";
import { componentsOf, edgesWithin, extract, nonadjacentComponents, type Tangle, tangle } from "./tangle.ts";

/** No class at all. */
const NOTHING = 5;

/**
 * Finds for each component of the graph the gravest class of its cycles, and a shortest cycle of it; first for the
 * answers alone, then with the order of processes, then with real time. What needs more is told only if it is graver
 * than all that was found with less. `tell` puts a cycle into words. The budget is for making cycles short, not for finding them.
 */
export function findCycles(
  table: TransactionTable,
  dependencies: Dependencies,
  discoveries: Discoveries,
  budget: Budget,
  tell: (edges: readonly CycleEdge[], name: string, shortest: boolean) => Omit<Discovery, "name">,
): void {
  const tangled = tangle(dependencies);
  if (tangled === undefined) return;
  const predicates = tangled.codes.some(
    (edge) => ((rwMask(G2, { level: 2, item: false }) & ~rwMask(G2, { level: 2, item: true })) >>> edge) & 1,
  );
  /** The gravest class found so far, by items only and at all. */
  const known: { item: number; any: number } = { item: NOTHING, any: NOTHING };
  for (const scope of SCOPES) {
    if (!scope.item && !predicates) continue;
    if (known.item === G0) break;
    const all = plainMask(G2, scope.level) | rwMask(G2, scope);
    const within = (edge: number): boolean => ((all >>> (tangled.codes[edge] as number)) & 1) === 1;
    const clusters = componentsOf(tangled, within);
    const least = scope.item ? known.item : Math.min(known.item, known.any);
    const classes = classify(table, tangled, clusters, scope, least, dependencies.transactions);
    const edgesOf = edgesWithin(tangled, clusters, within);
    const found = [...classes.keys()].sort(
      (a, b) => (clusters.sizes[a] as number) - (clusters.sizes[b] as number) || a - b,
    );
    for (const cluster of found) {
      const cycle = classes.get(cluster) as CycleClass;
      const name = cycleName(cycle, scope.item, scope.level);
      discoveries.add(name, () => {
        const part = extract(tangled, edgesOf(cluster));
        const { edges, proved } = shortestCycle(table, part, dependencies.transactions, cycle, scope, budget);
        return tell(edges, name, proved);
      });
    }
    const gravest = Math.min(NOTHING, ...classes.values());
    if (scope.item) known.item = Math.min(known.item, gravest);
    else known.any = Math.min(known.any, gravest);
  }
}

/** The gravest class of each cluster with one graver than `least`. */
function classify(
  table: TransactionTable,
  tangled: Tangle,
  clusters: Components,
  scope: Scope,
  least: number,
  transactions: number,
): Map<number, CycleClass> {
  const { codes, from, to } = tangled;
  const classes = new Map<number, CycleClass>();
  const open = (cluster: number, cycle: CycleClass): boolean =>
    (clusters.sizes[cluster] as number) > 1 && !classes.has(cluster) && cycle < least;
  const inside =
    (mask: Mask, cycle: CycleClass) =>
    (edge: number): boolean => {
      const cluster = clusters.of[from[edge] as number] as number;
      return (
        ((mask >>> (codes[edge] as number)) & 1) === 1 &&
        cluster === clusters.of[to[edge] as number] &&
        open(cluster, cycle)
      );
    };
  const anyOpen = (cycle: CycleClass): boolean => {
    for (let c = 0; c < clusters.count; c++) if (open(c, cycle)) return true;
    return false;
  };
  /** Clusters with a component of more than one node. */
  const closed = (parts: Components): Set<number> => {
    const found = new Set<number>();
    for (let n = 0; n < parts.of.length; n++)
      if ((parts.sizes[parts.of[n] as number] as number) > 1)
        found.add(clusters.of[n % tangled.nodes] as number);
    return found;
  };
  for (const cycle of [G0, G1C, SINGLE] as const) {
    if (!anyOpen(cycle)) continue;
    const mask = plainMask(cycle, scope.level);
    for (const c of closed(componentsOf(tangled, inside(mask, cycle)))) classes.set(c, cycle);
  }
  if (anyOpen(SINGLE)) {
    const rw = rwMask(NONADJACENT, scope);
    const mask = plainMask(NONADJACENT, scope.level) | rw;
    const candidates = closed(nonadjacentComponents(tangled, inside(mask, SINGLE), rw));
    const singles = withSingle(table, tangled, clusters, candidates, scope, transactions);
    for (const c of candidates) {
      if (singles.has(c)) classes.set(c, SINGLE);
      else if (open(c, NONADJACENT)) classes.set(c, NONADJACENT);
    }
  }
  for (let c = 0; c < clusters.count; c++) if (open(c, G2)) classes.set(c, G2);
  return classes;
}

/** Those of `candidates` with a cycle of one anti-dependency. Their other edges have no cycle. */
function withSingle(
  table: TransactionTable,
  { nodes, count, from, to, codes, origin }: Tangle,
  clusters: Components,
  candidates: ReadonlySet<number>,
  scope: Scope,
  transactions: number,
): Set<number> {
  const members = new Map<
    number,
    { nodes: number; a: number[]; b: number[]; starts: number[]; ends: number[] }
  >();
  const local = new Int32Array(nodes);
  const moments = new Map<number, number[]>();
  for (const c of candidates) {
    members.set(c, { nodes: 0, a: [], b: [], starts: [], ends: [] });
    moments.set(c, []);
  }
  let moment = 0;
  for (let n = 0; n < nodes; n++) {
    const c = clusters.of[n] as number;
    const part = members.get(c);
    const t = origin[n] as number;
    if (t < transactions) moment = table.invoked[t] as number;
    if (part === undefined) continue;
    local[n] = part.nodes++;
    // Nodes that stand for no transaction come as soon as they can.
    (moments.get(c) as number[]).push(t < transactions ? moment : 0);
  }
  const plain = plainMask(SINGLE, scope.level);
  const rw = rwMask(SINGLE, scope);
  for (let e = 0; e < count; e++) {
    const [u, v, edge] = [from[e] as number, to[e] as number, codes[e] as number];
    const part = members.get(clusters.of[u] as number);
    if (part === undefined || clusters.of[u] !== clusters.of[v]) continue;
    if (((plain >>> edge) & 1) === 1) {
      part.a.push(local[u] as number);
      part.b.push(local[v] as number);
    } else if (((rw >>> edge) & 1) === 1) {
      part.starts.push(local[v] as number);
      part.ends.push(local[u] as number);
    }
  }
  const found = new Set<number>();
  for (const [c, part] of members) {
    const times = moments.get(c) as number[];
    const columns = [part.a, part.b, part.starts, part.ends].map((list) => Int32Array.from(list)) as [
      Int32Array,
      Int32Array,
      Int32Array,
      Int32Array,
    ];
    const [a, b, starts, ends] = columns;
    if (anyReaches(part.nodes, a, b, (n) => times[n] as number, starts, ends)) found.add(c);
  }
  return found;
}
