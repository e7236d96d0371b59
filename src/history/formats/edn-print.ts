/** Histories as Jepsen writes them: one operation map in EDN per line. */
import { type Json, NEMESIS, type Op, type Process } from "../op.ts";

/** Words that can be keywords. */
const WORD = /^[A-Za-z*+!_?<>=-][\w.*+!?<>=-]*$/;

/** A value in EDN. Names of fields become keywords, other strings stay strings. */
export function printEdn(value: Json): string {
  if (value === null) return "nil";
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value !== "object") return String(value);
  if (Array.isArray(value)) return `[${value.map(printEdn).join(" ")}]`;
  const fields = Object.entries(value as { readonly [field: string]: Json });
  return `{${fields.map(([name, inner]) => `${keyword(name)} ${printEdn(inner)}`).join(", ")}}`;
}

/**
 * Prints the events of a history in their order, in the words of Jepsen's tools: a key goes into the value,
 * `[key value]`; what worked repeats what was asked for, unless it answers something; a revision beside an answer is
 * left out; a compare-and-set that did not swap has failed; the nemesis only has events of type info.
 */
export class JepsenPrinter {
  readonly #asked = new Map<Process, Json>();

  print(event: Op): string {
    const { index, time, process, f, key, node } = event;
    if (event.type === "invoke") this.#asked.set(process, event.value);
    const [type, value] = this.#told(event);
    const fields = [
      `:index ${index}`,
      `:time ${time}`,
      `:type :${process === NEMESIS ? "info" : type}`,
      `:process ${process === NEMESIS ? ":nemesis" : process}`,
      `:f ${keyword(f)}`,
      `:value ${key === undefined ? printValue(f, value) : `[${JSON.stringify(key)} ${printValue(f, value)}]`}`,
    ];
    if (event.type === "fail" || event.type === "info") fields.push(`:error ${JSON.stringify(event.error)}`);
    if (node !== undefined) fields.push(`:node ${JSON.stringify(node)}`);
    return `{${fields.join(", ")}}\n`;
  }

  #told(event: Op): readonly [Op["type"], Json] {
    if (event.type !== "ok" || event.process === NEMESIS) return [event.type, event.value];
    const asked = this.#asked.get(event.process) ?? null;
    const answer = event.value;
    if (answer === null) return ["ok", asked];
    if (typeof answer !== "object" || !("revision" in answer)) return ["ok", answer];
    if ("swapped" in answer) return [answer["swapped"] === true ? "ok" : "fail", asked];
    if ("value" in answer) return ["ok", answer["value"] as Json];
    return ["ok", Object.keys(answer).length === 1 ? asked : answer];
  }
}

/** The functions inside a transaction are keywords, as those of operations are. */
function printValue(f: string, value: Json): string {
  if (f !== "txn" || !Array.isArray(value) || !value.every(Array.isArray)) return printEdn(value);
  const steps = (value as readonly (readonly Json[])[]).map(([name, ...rest]) =>
    [typeof name === "string" ? keyword(name) : printEdn(name ?? null), ...rest.map(printEdn)].join(" "),
  );
  return `[${steps.map((step) => `[${step}]`).join(" ")}]`;
}

function keyword(name: string): string {
  return WORD.test(name) ? `:${name}` : JSON.stringify(name);
}
