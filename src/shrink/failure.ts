/** What broke, as far as it has to stay the same while the run around it shrinks. */
import type { Anomaly } from "../checker.ts";
import type { RunResult } from "../result.ts";

/** A failure signature: the checker and the name of the anomaly. Where, when and to whom it happened may change. */
export interface Failure {
  readonly checker: string;
  readonly anomaly: string;
}

/** The checker that stands for a node that crashed. */
const CRASH = "crash";

/** The failure that a result's summary tells of: the first that clients could see, else the first; undefined if it holds none. */
export function failureOf(result: RunResult): Failure | undefined {
  const crash = result.nodeEnds.find(({ kind }) => kind === "crash");
  if (crash !== undefined) return { checker: CRASH, anomaly: withoutNumbers(crash.reason) };
  const failures = result.verdicts.flatMap(({ checker, validity, anomalies }) =>
    validity === "invalid" ? anomalies.map((anomaly) => ({ checker, anomaly })) : [],
  );
  const told = failures.find(({ anomaly }) => anomaly.witness.length > 0) ?? failures[0];
  return told === undefined ? undefined : { checker: told.checker, anomaly: told.anomaly.name };
}

/** Whether a result holds `failure`, perhaps among others. */
export function shows(result: RunResult, { checker, anomaly }: Failure): boolean {
  if (checker === CRASH)
    return result.nodeEnds.some(({ kind, reason }) => kind === "crash" && withoutNumbers(reason) === anomaly);
  return anomaliesOf(result, checker).some(({ name }) => name === anomaly);
}

/** The last event that `failure` is proved by; undefined if it names none. The earliest such proof counts. */
export function lastWitness(result: RunResult, { checker, anomaly }: Failure): number | undefined {
  const ends = anomaliesOf(result, checker)
    .filter(({ name, witness }) => name === anomaly && witness.length > 0)
    .map(({ witness }) => Math.max(...witness));
  return ends.length === 0 ? undefined : Math.min(...ends);
}

function anomaliesOf({ verdicts }: RunResult, checker: string): readonly Anomaly[] {
  return verdicts
    .filter((verdict) => verdict.checker === checker && verdict.validity === "invalid")
    .flatMap(({ anomalies }) => anomalies);
}

function withoutNumbers(text: string): string {
  return text.replace(/\d+/g, "#");
}
