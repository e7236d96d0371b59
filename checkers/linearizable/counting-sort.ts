/**
 * Items by their groups, which are below `count`, each in the order given: those of group g are `sorted[from[g]]` up
 * to `sorted[from[g + 1]]`.
 */
export function groupedBy(
  groups: Int32Array,
  count: number,
  items: Int32Array,
): { readonly from: Int32Array; readonly sorted: Int32Array } {
  const from = new Int32Array(count + 1);
  for (const group of groups) from[group + 1] = (from[group + 1] as number) + 1;
  for (let group = 0; group < count; group++)
    from[group + 1] = (from[group + 1] as number) + (from[group] as number);
  const sorted = new Int32Array(items.length);
  const filled = from.slice();
  for (let i = 0; i < groups.length; i++) {
    const group = groups[i] as number;
    const at = filled[group] as number;
    sorted[at] = items[i] as number;
    filled[group] = at + 1;
  }
  return { from, sorted };
}
