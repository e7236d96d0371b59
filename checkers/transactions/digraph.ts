/** Directed graphs as columns, and their strongly connected components. */

/** The edges of node n are those from `offsets[n]` to before `offsets[n + 1]`. */
export interface Digraph {
  readonly nodes: number;
  readonly offsets: Int32Array;
  readonly targets: Int32Array;
}

/** Edges sorted by where they begin, otherwise in their order. */
export function digraph(nodes: number, count: number, from: Int32Array, to: Int32Array): Digraph {
  const offsets = new Int32Array(nodes + 1);
  for (let e = 0; e < count; e++) {
    const after = (from[e] as number) + 1;
    offsets[after] = (offsets[after] as number) + 1;
  }
  for (let n = 0; n < nodes; n++) offsets[n + 1] = (offsets[n + 1] as number) + (offsets[n] as number);
  const next = offsets.slice(0, nodes);
  const targets = new Int32Array(count);
  for (let e = 0; e < count; e++) {
    const n = from[e] as number;
    const at = next[n] as number;
    next[n] = at + 1;
    targets[at] = to[e] as number;
  }
  return { nodes, offsets, targets };
}

export interface Components {
  readonly count: number;
  /** Of each node; edges lead to components of the same or a smaller number. */
  readonly of: Int32Array;
  /** Number of nodes of each. */
  readonly sizes: Int32Array;
}

/** Strongly connected components (Tarjan, SIAM J. Comput. 1972), without recursion. */
export function components({ nodes, offsets, targets }: Digraph): Components {
  const UNSEEN = -1;
  const of = new Int32Array(nodes).fill(UNSEEN);
  const sizes: number[] = [];
  /** Order of discovery, then lowered to the earliest node reachable that is still on the stack. */
  const low = new Int32Array(nodes).fill(UNSEEN);
  const next = new Int32Array(nodes);
  const stack = new Int32Array(nodes);
  const path = new Int32Array(nodes);
  let stacked = 0;
  let discovered = 0;
  /** Nodes whose component is known have no part in `low` any more. */
  const DONE = 0x7fff_ffff;
  const first = new Int32Array(nodes);
  for (let root = 0; root < nodes; root++) {
    if (low[root] !== UNSEEN) continue;
    let depth = 0;
    path[0] = root;
    low[root] = first[root] = discovered++;
    next[root] = offsets[root] as number;
    stack[stacked++] = root;
    while (depth >= 0) {
      const node = path[depth] as number;
      const at = next[node] as number;
      if (at < (offsets[node + 1] as number)) {
        next[node] = at + 1;
        const target = targets[at] as number;
        const seen = low[target] as number;
        if (seen === UNSEEN) {
          low[target] = first[target] = discovered++;
          next[target] = offsets[target] as number;
          stack[stacked++] = target;
          path[++depth] = target;
        } else if (seen < (low[node] as number)) low[node] = seen;
        continue;
      }
      depth--;
      if (low[node] === first[node]) {
        let size = 0;
        for (;;) {
          const member = stack[--stacked] as number;
          of[member] = sizes.length;
          low[member] = DONE;
          size++;
          if (member === node) break;
        }
        sizes.push(size);
      } else {
        const parent = path[depth] as number;
        if ((low[node] as number) < (low[parent] as number)) low[parent] = low[node] as number;
      }
    }
  }
  return { count: sizes.length, of, sizes: Int32Array.from(sizes) };
}
