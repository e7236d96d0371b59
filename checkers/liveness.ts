/**
 * Liveness: once the damage is undone, the system must serve again, within a bound.
 *
 * The history tells when: the nemesis invokes `heal-core` (a quorum is healed, the rest stays broken) and `heal-all`
 * when it begins, and completes them with what it saw: `recovered`, nanoseconds until every healed member served,
 * or null if one had not by `bound`. What clients invoke after `heal-all` has completed is the final phase.
 */
import type { Checker } from "../src/checker.ts";
import type { Json, Nanos, Op } from "../src/history/op.ts";
import { SECOND } from "../src/runtime/runtime.ts";
import { Findings, who } from "./findings.ts";

const HEALS: readonly string[] = ["heal-core", "heal-all"];

type Healed = { readonly bound: Nanos; readonly recovered: Nanos | null };

/**
 * Every heal must be followed by recovery. In the final phase an operation may fail in the first `bound`
 * nanoseconds (a last election may be due), but later ones must succeed, and none may take longer than `bound`.
 * `unknown` if nothing was healed, or if no operation of the final phase succeeded though none had to.
 */
export const liveness: Checker = {
  name: "liveness",
  check(history) {
    const findings = new Findings();
    const evidence: { [heal: string]: Json } = {};
    let checked = 0;
    let last: { readonly event: Op; readonly healed: Healed } | undefined;
    for (const event of history.nemesis) {
      if (event.type !== "ok" || !HEALS.includes(event.f)) continue;
      const healed = healedOf(event.value);
      if (healed === undefined) continue;
      checked++;
      evidence[event.f] = { recovered: healed.recovered };
      if (event.f === "heal-all") last = { event, healed };
      if (healed.recovered !== null) continue;
      const healedPart = event.f === "heal-core" ? "a quorum of the nodes" : "every node";
      findings.add("no recovery", "liveness", [event.index], () => {
        return `${healedPart} had been healed, but ${seconds(healed.bound)} later not all of them served.`;
      });
    }
    if (last === undefined)
      return findings.verdict("liveness", checked, "heals", {
        doubt: "The run was never healed as a whole.",
      });

    const { event, healed } = last;
    let successes = 0;
    let operations = 0;
    for (const operation of history.client) {
      if (operation.invokeIndex < event.index) continue;
      operations++;
      const { f, type, invokeTime, completeTime, invokeIndex, completeIndex, error } = operation;
      const late = completeTime - invokeTime > healed.bound;
      if (type === "ok") successes++;
      if (!late && (type === "ok" || invokeTime - event.time < healed.bound)) continue;
      findings.add("no progress", "liveness", [event.index, invokeIndex, completeIndex], () => {
        const outcome =
          type === "ok" ? `took ${seconds(completeTime - invokeTime)}` : `ended as ${type} (${error})`;
        const since = seconds(invokeTime - event.time);
        return `${f} by ${who(operation)}, ${since} after everything had been healed, ${outcome}.`;
      });
    }
    const idle = operations > 0 && successes === 0;
    return findings.verdict("liveness", checked + operations, "heals and final operations", {
      doubt: idle
        ? "No operation of the final phase succeeded, though none came late enough to count."
        : undefined,
      evidence,
    });
  },
};

function healedOf(value: Json): Healed | undefined {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return undefined;
  const { bound, recovered } = value as { readonly [field: string]: Json };
  if (typeof bound !== "number" || (typeof recovered !== "number" && recovered !== null)) return undefined;
  return { bound, recovered };
}

function seconds(nanos: Nanos): string {
  return `${(nanos / SECOND).toFixed(3)} s`;
}
