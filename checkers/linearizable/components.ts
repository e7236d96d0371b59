/** Takes an object apart into those of its parts that no operation connects. */
import type { Action, Model } from "./model.ts";

/** Operations that share no part of the object, even indirectly, with any others. */
export interface Component {
  /** One of the parts they act on; "" if the object is in one piece. */
  readonly part: string;
  /** Positions in the list of actions, in its order. */
  readonly positions: readonly number[];
}

/**
 * The actions are linearizable exactly if those of each component are: linearizability is local (M. Herlihy and
 * J. Wing, "Linearizability" (1990), section 3.2). What touches no part at all is in no component.
 */
export function components<State, In, Out>(
  model: Model<State, In, Out>,
  actions: readonly Action<In, Out>[],
): readonly Component[] {
  const whole = [{ part: "", positions: actions.map((_, position) => position) }];
  if (model.touches === undefined) return whole;
  const parts = new UnionFind();
  const touched: (string | undefined)[] = [];
  for (const { input, output } of actions) {
    const names = model.touches(input, output);
    if (names === undefined) return whole;
    touched.push(names[0]);
    for (const name of names) parts.join(names[0] as string, name);
  }
  const byRoot = new Map<string, number[]>();
  touched.forEach((name, position) => {
    if (name === undefined) return;
    const root = parts.root(name);
    const positions = byRoot.get(root);
    if (positions === undefined) byRoot.set(root, [position]);
    else positions.push(position);
  });
  return [...byRoot].map(([part, positions]) => ({ part, positions }));
}

/** Disjoint sets of names, with path halving. */
class UnionFind {
  readonly #parent = new Map<string, string>();

  root(name: string): string {
    let at = name;
    for (;;) {
      const parent = this.#parent.get(at) ?? at;
      if (parent === at) return at;
      const grandparent = this.#parent.get(parent) ?? parent;
      this.#parent.set(at, grandparent);
      at = grandparent;
    }
  }

  join(a: string, b: string): void {
    const from = this.root(b);
    const to = this.root(a);
    if (from !== to) this.#parent.set(from, to);
  }
}
