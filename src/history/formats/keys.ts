/**
 * Independent keys as Jepsen writes them: the value of every operation is a pair of the key and what would be the
 * value without it, `[12 [3 4]]`. That looks like any other pair, so it is told from the beginning of the history:
 * all clients invoke with pairs, and some of them ask for the value of a key with `[12 nil]`.
 */
import { type Json, NEMESIS } from "../op.ts";
import type { RecordedEvent } from "./recorded.ts";
import { FormatError } from "./text-source.ts";

/** Whether all of some events have their key in the value. */
export function areKeyed(events: readonly RecordedEvent[]): boolean {
  const invocations = events.filter((event) => event.type === "invoke" && !isNemesis(event));
  return (
    invocations.every(({ value, key }) => key === undefined && isPair(value)) &&
    invocations.some(({ value }) => (value as readonly Json[])[1] === null)
  );
}

function isPair(value: Json): boolean {
  return Array.isArray(value) && value.length === 2 && !Array.isArray(value[0]) && value[0] !== null;
}

function isNemesis({ process }: RecordedEvent): boolean {
  return process === "nemesis" || process === NEMESIS;
}

/** Takes the key out of the value. Throws FormatError for a value without one. */
export function withoutKey(event: RecordedEvent): RecordedEvent {
  if (isNemesis(event)) return event;
  const { value, type } = event;
  // The completion of an operation that did not work may tell something else instead.
  if (!isPair(value) && type !== "invoke" && type !== "ok") return event;
  if (!isPair(value)) throw new FormatError("the value is no pair of a key and a value, as those before are");
  const [key, rest] = value as readonly [Json, Json];
  return { ...event, key: typeof key === "string" ? key : JSON.stringify(key), value: rest };
}
