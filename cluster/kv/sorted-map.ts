/** The ordered map in use: a B+ tree. Its package is CommonJS, and loaders disagree on how deep the class lies. */
import * as module from "sorted-btree";

type Tree = typeof module.default.default;
const outer = module.default as unknown as Tree & { readonly default?: Tree };

/** Ordered by the comparison handed to the constructor. */
export const SortedMap: Tree = outer.default ?? outer;
