/** Whether edges added to an acyclic graph would close a cycle: many questions at once, a bit for each. */
import { digraph } from "./digraph.ts";

/** Questions that are answered in one sweep. */
const WIDTH = 32;

/**
 * Whether from any of `starts` there is a way to the end beside it, in the acyclic graph of the edges given. A sweep
 * costs as much as the graph between the earliest start and the latest end in a topological order that keeps to
 * `moment` where it can; so questions about places close together are cheap.
 */
export function anyReaches(
  nodes: number,
  from: Int32Array,
  to: Int32Array,
  moment: (node: number) => number,
  starts: Int32Array,
  ends: Int32Array,
): boolean {
  const { offsets, targets } = digraph(nodes, from.length, from, to);
  const order = topologicalOrder(nodes, offsets, targets, moment);
  const place = new Int32Array(nodes);
  for (let i = 0; i < nodes; i++) place[order[i] as number] = i;
  const questions: number[] = [];
  for (let q = 0; q < starts.length; q++)
    if ((place[starts[q] as number] as number) <= (place[ends[q] as number] as number)) questions.push(q);
  const begin = (q: number): number => place[starts[q] as number] as number;
  const length = (q: number): number => (place[ends[q] as number] as number) - begin(q);
  const span = (q: number): number => 32 - Math.clz32(length(q));
  questions.sort((p, q) => span(p) - span(q) || begin(p) - begin(q));
  const reached = new Int32Array(nodes);
  for (let first = 0; first < questions.length; first += WIDTH) {
    const asked = questions.slice(first, first + WIDTH);
    const low = Math.min(...asked.map(begin));
    const high = Math.max(...asked.map((q) => begin(q) + length(q)));
    asked.forEach((q, i) => {
      const start = starts[q] as number;
      reached[start] = (reached[start] as number) | (1 << i);
    });
    for (let i = low; i <= high; i++) {
      const node = order[i] as number;
      const bits = reached[node] as number;
      if (bits === 0) continue;
      for (let at = offsets[node] as number; at < (offsets[node + 1] as number); at++) {
        const target = targets[at] as number;
        if ((place[target] as number) <= high) reached[target] = (reached[target] as number) | bits;
      }
    }
    if (asked.some((q, i) => (((reached[ends[q] as number] as number) >>> i) & 1) === 1)) return true;
    for (let i = low; i <= high; i++) reached[order[i] as number] = 0;
  }
  return false;
}

/** Of nodes that could come next, the one of the smallest moment does (Kahn, CACM 1962, with a heap). */
function topologicalOrder(
  nodes: number,
  offsets: Int32Array,
  targets: Int32Array,
  moment: (node: number) => number,
): Int32Array {
  const waiting = new Int32Array(nodes);
  for (const target of targets) waiting[target] = (waiting[target] as number) + 1;
  const heap: number[] = [];
  const swap = (i: number, j: number): void => {
    [heap[i], heap[j]] = [heap[j] as number, heap[i] as number];
  };
  const smaller = (i: number, j: number): boolean => moment(heap[i] as number) < moment(heap[j] as number);
  const push = (node: number): void => {
    let i = heap.push(node) - 1;
    for (let up = (i - 1) >> 1; i > 0 && smaller(i, up); up = (i - 1) >> 1) {
      swap(i, up);
      i = up;
    }
  };
  const pop = (): number => {
    swap(0, heap.length - 1);
    const top = heap.pop() as number;
    for (let i = 0; ; ) {
      let least = i;
      for (const child of [2 * i + 1, 2 * i + 2])
        if (child < heap.length && smaller(child, least)) least = child;
      if (least === i) return top;
      swap(i, least);
      i = least;
    }
  };
  for (let n = 0; n < nodes; n++) if (waiting[n] === 0) push(n);
  const order = new Int32Array(nodes);
  for (let i = 0; heap.length > 0; i++) {
    const node = pop();
    order[i] = node;
    for (let at = offsets[node] as number; at < (offsets[node + 1] as number); at++) {
      const target = targets[at] as number;
      const left = (waiting[target] as number) - 1;
      waiting[target] = left;
      if (left === 0) push(target);
    }
  }
  return order;
}
