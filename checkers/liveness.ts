/**
 * Liveness after heal: once all damage is undone, the system must serve again, and soon.
 *
 * The runner marks the moment in the history by an operation of the nemesis, invoked when it begins to heal what
 * is left of all faults and completed `ok` when every node answers: its function is `RECOVERED`. What clients
 * invoke after the completion is the final phase.
 */
import type { Anomaly, Checker } from "../src/checker.ts";
import type { Nanos, Op } from "../src/history/op.ts";

/** The function of the nemesis that ends the faults; its completion starts the final phase. */
export const RECOVERED = "recover";

/** Listed one by one up to this many; the reason gives the number of all. */
const LISTED = 10;

/**
 * Operations of the final phase may fail in the first `grace` nanoseconds of it. Later ones must succeed, and all
 * must be answered within `grace`. `unknown` if the run has no final phase or nothing was asked in it.
 */
export function liveness(grace: Nanos): Checker {
  return {
    name: "liveness",
    check(history) {
      const marker = history.nemesis.findLast((event) => event.f === RECOVERED && event.type === "ok");
      const nothing = { checker: "liveness", validity: "unknown", checked: 0, anomalies: [] } as const;
      if (marker === undefined) return { ...nothing, reason: wasTried(history.nemesis) };
      const final = history.client.filter((operation) => operation.invokeIndex > marker.index);
      if (final.length === 0) return { ...nothing, reason: "no client did anything after recovery" };

      const anomalies: Anomaly[] = [];
      let stuck = 0;
      let firstOk = Number.POSITIVE_INFINITY;
      for (const operation of final) {
        const { f, type, process, node, invokeTime, completeTime, error } = operation;
        if (type === "ok") firstOk = Math.min(firstOk, completeTime);
        const late = completeTime - invokeTime > grace;
        if (type === "ok" ? !late : invokeTime - marker.time < grace && !late) continue;
        if (++stuck > LISTED) continue;
        const who = `process ${process}${node === undefined ? "" : ` at ${node}`}`;
        const after = `${seconds(invokeTime - marker.time)} after recovery`;
        const outcome =
          type === "ok"
            ? `took ${seconds(completeTime - invokeTime)}`
            : `ended as ${type} (${(error ?? "").split("\n", 1)[0]})`;
        anomalies.push({
          name: "no progress",
          guarantee: "liveness",
          explanation: `${f} by ${who}, invoked ${after}, ${outcome}, though nothing was broken any more.`,
          witness: [
            marker.index,
            operation.invokeIndex,
            ...(Number.isFinite(operation.completeIndex) ? [operation.completeIndex] : []),
          ],
        });
      }
      const evidence = { recovery: Number.isFinite(firstOk) ? firstOk - marker.time : null };
      const verdict = { checker: "liveness", checked: final.length, anomalies, evidence };
      if (stuck > 0)
        return {
          ...verdict,
          validity: "invalid",
          reason: `${stuck} of ${final.length} operations after recovery did not succeed within ${seconds(grace)}`,
        };
      if (!Number.isFinite(firstOk))
        return {
          ...verdict,
          validity: "unknown",
          reason: "operations after recovery failed, but none was invoked late enough to count",
        };
      return {
        ...verdict,
        validity: "valid",
        reason: `the first success came ${seconds(firstOk - marker.time)} after recovery`,
      };
    },
  };
}

function wasTried(nemesis: readonly Op[]): string {
  return nemesis.some((event) => event.f === RECOVERED)
    ? "the system did not recover before the run ended"
    : "the run has no final phase";
}

function seconds(nanos: Nanos): string {
  return `${(nanos / 1e9).toFixed(3)} s`;
}
