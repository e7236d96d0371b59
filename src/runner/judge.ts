/** From many verdicts to one: the worst wins, and a run that proved too little says so. */
import { worst } from "../../checkers/compose.ts";
import type { Validity, Verdict } from "../checker.ts";
import type { FaultSummary, NodeEnd, RunResult } from "../result.ts";

export function judge(
  verdicts: readonly Verdict[],
  faults: readonly FaultSummary[],
  nodeEnds: readonly NodeEnd[],
): Pick<RunResult, "validity" | "vacuous" | "summary"> {
  const crashed = nodeEnds.filter((end) => end.kind === "crash");
  const validity = crashed.length > 0 ? "invalid" : worst(verdicts.map((verdict) => verdict.validity));
  const vain = faults.filter((fault) => fault.starts > 0 && fault.bites === 0).map((fault) => fault.fault);
  const started = faults.filter((fault) => fault.starts > 0);
  const vacuous = vain.length > 0 || (faults.length > 0 && started.length === 0);
  return { validity, vacuous, summary: summarise(validity, verdicts, crashed, vain, faults, started.length) };
}

function summarise(
  validity: Validity,
  verdicts: readonly Verdict[],
  crashed: readonly NodeEnd[],
  vain: readonly string[],
  faults: readonly FaultSummary[],
  started: number,
): string {
  const checked = verdicts.map((verdict) => verdict.checker).join(", ");
  if (crashed[0] !== undefined) return `Node ${crashed[0].node} crashed: ${crashed[0].reason}`;
  if (validity === "invalid") {
    const broken = verdicts.filter((verdict) => verdict.validity === "invalid");
    // What clients could see comes first: it is what the cluster promised.
    const anomalies = broken.flatMap((verdict) => verdict.anomalies);
    const anomaly = anomalies.find(({ witness }) => witness.length > 0) ?? anomalies[0];
    return anomaly === undefined
      ? (broken[0]?.reason ?? "a promise was broken")
      : `${anomaly.guarantee} does not hold (${anomaly.name}): ${anomaly.explanation}`;
  }
  if (validity === "unknown") {
    const open = verdicts.filter((verdict) => verdict.validity === "unknown");
    return open.length === 0
      ? "Nothing was checked."
      : open.map((verdict) => `${verdict.checker}: ${verdict.reason}`).join("; ");
  }
  if (vain.length > 0)
    return `Every promise held (${checked}), but these faults never bit: ${vain.join(", ")}.`;
  if (faults.length > 0 && started === 0)
    return `Every promise held (${checked}), but no fault was injected in time.`;
  const injected = faults.reduce((sum, fault) => sum + fault.starts, 0);
  return injected === 0
    ? `Every promise held (${checked}); no fault was asked for.`
    : `Every promise held (${checked}) under ${injected} injected faults.`;
}
