/** Operations that nobody can tell apart: to try one of them in a place is enough. */
import type { Access, Action, Model } from "./model.ts";
import type { Timeline } from "./timeline.ts";

export interface Twins {
  /** By required operation: the same number for those that do and answer the same; -1 if there is no other one. */
  readonly groups: Int32Array;
  readonly groupCount: number;
  /** For each pending operation the identical one invoked just before it, or -1. */
  readonly earlier: Int32Array;
}

export function twinsOf<State, In, Out>(
  model: Model<State, In, Out>,
  actions: readonly Action<In, Out>[],
  { required, pending }: Timeline,
): Twins {
  const accessOf = ({ input, output }: Action<In, Out>): Access => model.access?.(input, output) ?? {};
  const met = new Set<string>();
  // The values that matter to somebody are needed only where there is something pending.
  if (pending.length > 0)
    for (const action of actions) {
      const { reads, excludes } = accessOf(action);
      if (reads !== undefined) met.add(JSON.stringify(reads));
      if (excludes !== undefined) met.add(JSON.stringify(excludes));
    }
  const last = new Map<string, number>();
  const earlier = Int32Array.from(pending, (position, i) => {
    const action = actions[position] as Action<In, Out>;
    const { reads, writes } = accessOf(action);
    // Two values that no operation can tell apart are as good as one.
    const arbitrary = reads === undefined && writes !== undefined && !met.has(JSON.stringify(writes));
    const identity = arbitrary ? "" : JSON.stringify([action.input, action.output ?? null]);
    const twin = last.get(identity) ?? -1;
    last.set(identity, i);
    return twin;
  });
  const groups = new Int32Array(required.length).fill(-1);
  const firsts = new Map<string, number>();
  let groupCount = 0;
  required.forEach((position, i) => {
    const { input, output } = actions[position] as Action<In, Out>;
    if (model.observes?.(input, output)) return;
    const identity = JSON.stringify([input, output ?? null, output === undefined]);
    const first = firsts.get(identity);
    if (first === undefined) firsts.set(identity, i);
    else {
      if (groups[first] === -1) groups[first] = groupCount++;
      groups[i] = groups[first] as number;
    }
  });
  return { groups, groupCount, earlier };
}
