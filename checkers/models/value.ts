/** JSON values as the contents of objects: compared by their text, and shown in sentences. */
import type { Json } from "../../src/history/op.ts";

/** Equal for equal values only. Strings, the common case, are spared the quoting; a prefix keeps them apart. */
export function textOf(value: Json): string {
  return typeof value === "string" ? `s${value}` : JSON.stringify(value);
}

/** As a word in a sentence; null is what is there when nothing is. */
export function show(value: Json): string {
  return value === null ? "nothing" : typeof value === "string" ? value : JSON.stringify(value);
}
