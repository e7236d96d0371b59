/** Items by small numbers in linear time. */

/** Places of items that are put in order by their groups, those of one group in the order given. */
export interface Places {
  /** Those of group g get the places `from[g]` up to `from[g + 1]`. */
  readonly from: Int32Array;
  /** By item. */
  readonly places: Int32Array;
}

/** Groups are numbers below `count`. */
export function placesBy(groups: Int32Array, count: number): Places {
  const from = new Int32Array(count + 1);
  for (let i = 0; i < groups.length; i++) {
    const next = (groups[i] as number) + 1;
    from[next] = (from[next] as number) + 1;
  }
  for (let group = 0; group < count; group++)
    from[group + 1] = (from[group + 1] as number) + (from[group] as number);
  const filled = from.slice();
  const places = new Int32Array(groups.length);
  for (let i = 0; i < groups.length; i++) {
    const group = groups[i] as number;
    const at = filled[group] as number;
    places[i] = at;
    filled[group] = at + 1;
  }
  return { from, places };
}

/** Items by their groups: those of group g are `sorted[from[g]]` up to `sorted[from[g + 1]]`. */
export function groupedBy(
  groups: Int32Array,
  count: number,
  items: Int32Array,
): { readonly from: Int32Array; readonly sorted: Int32Array } {
  const { from, places } = placesBy(groups, count);
  const sorted = new Int32Array(items.length);
  for (let i = 0; i < items.length; i++) sorted[places[i] as number] = items[i] as number;
  return { from, sorted };
}
