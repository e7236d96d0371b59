/**
 * Consistency models of transactions, what each forbids, and which include which.
 *
 * Models that the literature defines without sessions come in three strengths, as snapshot isolation does in Daudjee
 * and Salem ("Lazy Database Replication with Snapshot Isolation", VLDB 2006): as they are; `strong-session-`, where
 * the order of each process counts; and `strong-`, where real time counts.
 */
import { implied } from "./anomalies.ts";

export interface Model {
  readonly name: string;
  readonly source: string;
  /** Weaker models that it includes. */
  readonly includes: readonly string[];
  /** What it forbids beyond those. */
  readonly forbids: readonly string[];
}

const ADYA = "Adya 1999";
const BERENSON = "Berenson et al. 1995";
const SESSIONS = "after Daudjee and Salem 2006";

/** Weaker ones first. */
export const models: readonly Model[] = [
  {
    name: "read-uncommitted",
    source: `${ADYA}: PL-1`,
    includes: [],
    forbids: ["G0", "garbage-read", "duplicate-elements", "version-conflict"],
  },
  {
    name: "strong-session-read-uncommitted",
    source: SESSIONS,
    includes: ["read-uncommitted"],
    forbids: ["G0-process"],
  },
  {
    name: "strong-read-uncommitted",
    source: SESSIONS,
    includes: ["strong-session-read-uncommitted"],
    forbids: ["G0-realtime"],
  },
  {
    name: "read-committed",
    source: `${ADYA}: PL-2`,
    includes: ["read-uncommitted"],
    forbids: ["G1a", "G1b", "G1c", "dirty-update", "incompatible-order", "future-read", "cyclic-versions"],
  },
  {
    name: "strong-session-read-committed",
    source: SESSIONS,
    includes: ["read-committed", "strong-session-read-uncommitted"],
    forbids: ["G1c-process"],
  },
  {
    name: "strong-read-committed",
    source: SESSIONS,
    includes: ["strong-session-read-committed", "strong-read-uncommitted"],
    forbids: ["G1c-realtime"],
  },
  {
    name: "cursor-stability",
    source: `${BERENSON}; ${ADYA}: PL-CS`,
    includes: ["read-committed"],
    forbids: ["lost-update"],
  },
  {
    name: "consistent-view",
    source: `${ADYA}: PL-2+`,
    includes: ["cursor-stability"],
    forbids: ["G-single"],
  },
  {
    name: "strong-session-consistent-view",
    source: SESSIONS,
    includes: ["consistent-view", "strong-session-read-committed"],
    forbids: ["G-single-process", "cyclic-versions-process"],
  },
  {
    name: "strong-consistent-view",
    source: SESSIONS,
    includes: ["strong-session-consistent-view", "strong-read-committed"],
    forbids: ["G-single-realtime", "cyclic-versions-realtime"],
  },
  {
    name: "parallel-snapshot-isolation",
    source: "Cerone, Gotsman and Yang, DISC 2015",
    includes: ["strong-session-consistent-view"],
    forbids: ["internal"],
  },
  {
    name: "snapshot-isolation",
    source: `${BERENSON}; Cerone and Gotsman, PODC 2016, without sessions`,
    includes: ["consistent-view"],
    forbids: ["G-nonadjacent", "internal"],
  },
  {
    name: "strong-session-snapshot-isolation",
    source: "Daudjee and Salem 2006; Cerone and Gotsman, PODC 2016",
    includes: ["snapshot-isolation", "parallel-snapshot-isolation"],
    forbids: ["G-nonadjacent-process"],
  },
  {
    name: "strong-snapshot-isolation",
    source: "Daudjee and Salem 2006",
    includes: ["strong-session-snapshot-isolation", "strong-consistent-view"],
    forbids: ["G-nonadjacent-realtime"],
  },
  {
    name: "repeatable-read",
    source: `${ADYA}: PL-2.99`,
    includes: ["cursor-stability"],
    forbids: ["G2-item", "internal"],
  },
  {
    name: "serializable",
    source: `${ADYA}: PL-3`,
    includes: ["repeatable-read", "snapshot-isolation"],
    forbids: ["G2"],
  },
  {
    name: "strong-session-serializable",
    source: SESSIONS,
    includes: ["serializable", "strong-session-snapshot-isolation"],
    forbids: ["G2-process"],
  },
  {
    name: "strict-serializable",
    source: `${ADYA}: PL-SS`,
    includes: ["strong-session-serializable", "strong-snapshot-isolation"],
    forbids: ["G2-realtime"],
  },
];

const byName = new Map(models.map((model) => [model.name, model]));

/** `name` and all models that it includes. */
function withIncluded(name: string): Set<string> {
  const found = new Set([name]);
  for (const next of found) for (const weaker of byName.get(next)?.includes ?? []) found.add(weaker);
  return found;
}

const included = new Map(models.map(({ name }) => [name, withIncluded(name)]));

/** Models that cannot hold where the anomaly is. */
export function ruledOutBy(anomaly: string): ReadonlySet<string> {
  const proved = implied(anomaly);
  const broken = new Set(
    models.filter(({ forbids }) => forbids.some((name) => proved.has(name))).map(({ name }) => name),
  );
  return new Set(
    models
      .filter(({ name }) => [...(included.get(name) ?? [])].some((weaker) => broken.has(weaker)))
      .map((model) => model.name),
  );
}

/** Those of `names` that include no other of them. */
export function weakest(names: ReadonlySet<string>): string[] {
  return [...names].filter((name) =>
    [...(included.get(name) ?? [])].every((weaker) => weaker === name || !names.has(weaker)),
  );
}

/** Those of `names` that no other of them includes. */
export function strongest(names: ReadonlySet<string>): string[] {
  return [...names].filter((name) =>
    [...names].every((other) => other === name || included.get(other)?.has(name) !== true),
  );
}
