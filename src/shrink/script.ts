/** What a run did, as a script that does it again, and the units that can be taken out of one. */
import type { History } from "../history/history.ts";
import { NEMESIS } from "../history/op.ts";
import type { ScriptedCall } from "../plan.ts";
import { SECOND } from "../runtime/runtime.ts";

/** The invocations of a history, the nemesis's and the cures at the end included, that come before event `end`. */
export function scriptOf(history: History, concurrency: number, end: number): readonly ScriptedCall[] {
  const script: ScriptedCall[] = [];
  for (const { index, type, time, process, f, key, value } of history.events) {
    if (type !== "invoke" || index >= end) continue;
    script.push({
      at: time / SECOND,
      ...(process === NEMESIS ? {} : { thread: process % concurrency }),
      f,
      ...(key === undefined ? {} : { key }),
      value,
    });
  }
  return script;
}

/** Calls that only make sense together: one operation, or the start of a fault and its heal. */
export type Unit = readonly ScriptedCall[];

/** The units of a script, by their first call. Their calls, sorted by time, are the script. */
export function unitsOf(script: readonly ScriptedCall[]): {
  readonly faults: Unit[];
  readonly operations: Unit[];
} {
  const faults: ScriptedCall[][] = [];
  const open = new Map<string, ScriptedCall[]>();
  const operations: Unit[] = [];
  for (const call of script) {
    if (call.thread !== undefined) {
      operations.push([call]);
      continue;
    }
    const name = call.f.replace(/^(start|heal)-/, "");
    const span = call.f.startsWith("heal-") ? open.get(name) : undefined;
    if (span !== undefined) {
      span.push(call);
      open.delete(name);
      continue;
    }
    const unit = [call];
    faults.push(unit);
    if (call.f.startsWith("start-")) open.set(name, unit);
  }
  return { faults, operations };
}

/** The calls of all units by time; calls of one moment keep the order of the units. */
export function joined(units: readonly Unit[]): ScriptedCall[] {
  return units.flat().sort((a, b) => a.at - b.at);
}

/** Faults and client operations of a script: how large it is to a reader. */
export function sizeOf(script: readonly ScriptedCall[]): {
  readonly faults: number;
  readonly operations: number;
} {
  const { faults, operations } = unitsOf(script);
  return {
    faults: faults.filter(([call]) => call?.f.startsWith("start-")).length,
    operations: operations.length,
  };
}
