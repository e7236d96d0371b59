/**
 * The part of a graph of dependencies that lies on cycles, and parts of that. A correct history has none, so whatever
 * is done with tangles costs nothing there.
 */
import { type Dependencies, type Mask, PASS } from "./dependencies.ts";
import { type Components, components, type Digraph, digraph, digraphOfEdges } from "./digraph.ts";

/** Edges between nodes numbered anew from 0. */
export interface Tangle {
  readonly nodes: number;
  readonly count: number;
  readonly from: Int32Array;
  readonly to: Int32Array;
  readonly codes: Uint8Array;
  readonly keys: Int32Array;
  /** The transaction of each node; of one that stands for none, a number from `Dependencies.transactions` on. */
  readonly origin: Int32Array;
}

/** All nodes and edges on cycles; undefined if there are none. */
export function tangle(dependencies: Dependencies): Tangle | undefined {
  const { nodes, count, from, to, codes, keys } = dependencies;
  const { of, sizes } = components(digraph(nodes, count, from, to));
  const number = new Int32Array(nodes).fill(-1);
  const origin: number[] = [];
  for (let n = 0; n < nodes; n++) if ((sizes[of[n] as number] as number) > 1) number[n] = origin.push(n) - 1;
  if (origin.length === 0) return undefined;
  const kept: number[] = [];
  for (let e = 0; e < count; e++) {
    const [a, b] = [from[e] as number, to[e] as number];
    if (number[a] !== -1 && of[a] === of[b]) kept.push(e);
  }
  return {
    nodes: origin.length,
    count: kept.length,
    from: Int32Array.from(kept, (e) => number[from[e] as number] as number),
    to: Int32Array.from(kept, (e) => number[to[e] as number] as number),
    codes: Uint8Array.from(kept, (e) => codes[e] as number),
    keys: Int32Array.from(kept, (e) => keys[e] as number),
    origin: Int32Array.from(origin),
  };
}

/** Of each component, the edges inside it that pass a test, in their order. */
export function edgesWithin(
  { count, from, to }: Tangle,
  { of, count: parts }: Components,
  passes: (edge: number) => boolean,
): (component: number) => Int32Array {
  const kept: number[] = [];
  for (let e = 0; e < count; e++)
    if (of[from[e] as number] === of[to[e] as number] && passes(e)) kept.push(e);
  const where = Int32Array.from(kept, (e) => of[from[e] as number] as number);
  const { offsets, targets } = digraph(parts, kept.length, where, Int32Array.from(kept));
  return (component) => targets.subarray(offsets[component], offsets[component + 1]);
}

/** Some edges of a tangle and their nodes. */
export function extract({ from, to, codes, keys, origin }: Tangle, edges: Int32Array): Tangle {
  const nodes = [...new Set([...edges].flatMap((e) => [from[e] as number, to[e] as number]))].sort(
    (a, b) => a - b,
  );
  const number = new Map(nodes.map((node, i) => [node, i]));
  return {
    nodes: nodes.length,
    count: edges.length,
    from: edges.map((e) => number.get(from[e] as number) as number),
    to: edges.map((e) => number.get(to[e] as number) as number),
    codes: Uint8Array.from(edges, (e) => codes[e] as number),
    keys: edges.map((e) => keys[e] as number),
    origin: Int32Array.from(nodes, (node) => origin[node] as number),
  };
}

/** The edges of a tangle that pass a test, as a graph on all its nodes. */
export function select(
  { nodes, count, from, to }: Tangle,
  passes: (edge: number) => boolean,
): Digraph & { readonly edges: Int32Array } {
  const kept: number[] = [];
  for (let e = 0; e < count; e++) if (passes(e)) kept.push(e);
  const graph = digraphOfEdges(
    nodes,
    kept.length,
    Int32Array.from(kept, (e) => from[e] as number),
    Int32Array.from(kept, (e) => to[e] as number),
  );
  return { ...graph, edges: graph.edges.map((i) => kept[i] as number) };
}

/** Components of the edges that pass a test. */
export function componentsOf(tangled: Tangle, passes: (edge: number) => boolean): Components {
  return components(select(tangled, passes));
}

/**
 * Components of walks on which no two edges of `rw` follow each other. Node n is n for who came by another edge, and
 * n + nodes for who came by one of `rw`.
 */
export function nonadjacentComponents(
  { nodes, count, from, to, codes }: Tangle,
  passes: (edge: number) => boolean,
  rw: Mask,
): Components {
  const a: number[] = [];
  const b: number[] = [];
  for (let e = 0; e < count; e++) {
    if (!passes(e)) continue;
    const [u, v, edge] = [from[e] as number, to[e] as number, codes[e] as number];
    if (((rw >>> edge) & 1) === 1) {
      a.push(u);
      b.push(v + nodes);
    } else {
      a.push(u, u + nodes);
      b.push(v, edge === PASS ? v + nodes : v);
    }
  }
  return components(digraph(2 * nodes, a.length, Int32Array.from(a), Int32Array.from(b)));
}
