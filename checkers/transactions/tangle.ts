/**
 * The part of a graph of dependencies that lies on cycles, and parts of that. A correct history has none, so whatever
 * is done with tangles costs nothing there.
 */
import { type Dependencies, type Mask, PASS } from "./dependencies.ts";
import { type Components, components, type Digraph, digraph } from "./digraph.ts";

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
  const origin = numbers(nodes, (n) => (sizes[of[n] as number] as number) > 1);
  if (origin.length === 0) return undefined;
  for (let i = 0; i < origin.length; i++) number[origin[i] as number] = i;
  const kept = numbers(count, (e) => {
    const a = from[e] as number;
    return number[a] !== -1 && of[a] === of[to[e] as number];
  });
  return {
    nodes: origin.length,
    count: kept.length,
    from: kept.map((e) => number[from[e] as number] as number),
    to: kept.map((e) => number[to[e] as number] as number),
    codes: new Uint8Array(kept.length).map((_, i) => codes[kept[i] as number] as number),
    keys: kept.map((e) => keys[e] as number),
    origin,
  };
}

/** The numbers below `count` that pass a test, in their order. */
function numbers(count: number, passes: (number: number) => boolean): Int32Array {
  const kept = new Int32Array(count);
  let length = 0;
  for (let n = 0; n < count; n++) if (passes(n)) kept[length++] = n;
  return kept.slice(0, length);
}

/** Of each component, the edges inside it that pass a test, in their order. */
export function edgesWithin(
  { count, from, to }: Tangle,
  { of, count: parts }: Components,
  passes: (edge: number) => boolean,
): (component: number) => Int32Array {
  const kept = numbers(count, (e) => of[from[e] as number] === of[to[e] as number] && passes(e));
  const where = kept.map((e) => of[from[e] as number] as number);
  const { offsets, targets } = digraph(parts, kept.length, where, kept);
  return (component) => targets.subarray(offsets[component], offsets[component + 1]);
}

/** Some edges of a tangle and their nodes. */
export function extract({ from, to, codes, keys, origin }: Tangle, edges: Int32Array): Tangle {
  const ends = new Int32Array(2 * edges.length);
  edges.forEach((e, i) => {
    ends[2 * i] = from[e] as number;
    ends[2 * i + 1] = to[e] as number;
  });
  ends.sort();
  const nodes = ends.filter((node, i) => i === 0 || node !== ends[i - 1]);
  const number = new Map(Array.from(nodes, (node, i) => [node, i] as const));
  return {
    nodes: nodes.length,
    count: edges.length,
    from: edges.map((e) => number.get(from[e] as number) as number),
    to: edges.map((e) => number.get(to[e] as number) as number),
    codes: new Uint8Array(edges.length).map((_, i) => codes[edges[i] as number] as number),
    keys: edges.map((e) => keys[e] as number),
    origin: nodes.map((node) => origin[node] as number),
  };
}

/** The edges of a tangle that pass a test, as a graph on all its nodes. */
export function select(
  { nodes, count, from, to }: Tangle,
  passes: (edge: number) => boolean,
): Digraph & { readonly edges: Int32Array } {
  const kept = numbers(count, passes);
  const where = kept.map((e) => from[e] as number);
  const { offsets, targets: edges } = digraph(nodes, kept.length, where, kept);
  return { nodes, offsets, targets: edges.map((e) => to[e] as number), edges };
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
  const a = new Int32Array(2 * count);
  const b = new Int32Array(2 * count);
  let walks = 0;
  for (let e = 0; e < count; e++) {
    if (!passes(e)) continue;
    const [u, v, edge] = [from[e] as number, to[e] as number, codes[e] as number];
    const isRw = ((rw >>> edge) & 1) === 1;
    a[walks] = u;
    b[walks++] = isRw ? v + nodes : v;
    if (isRw) continue;
    a[walks] = u + nodes;
    b[walks++] = edge === PASS ? v + nodes : v;
  }
  return components(digraph(2 * nodes, walks, a, b));
}
