/**
 * Explores every schedule of small raft clusters, far beyond what the tests have time for, and prints what it covered:
 *
 *   npm run bench:exhaustive [-- states per scope]
 *
 * Exit code 1 if an invariant broke; the steps that broke it are printed.
 */
import { describeAction, explore, type Scope } from "../cluster/raft/exhaustive.ts";

const base: Scope = {
  members: 3,
  bug: "",
  preVote: false,
  prefix: [],
  maxTerm: 2,
  maxProposals: 0,
  maxReads: 0,
  maxCrashes: 0,
  maxDuplicates: 0,
  maxInFlight: 4,
  slowDisks: false,
  maxDepth: Number.MAX_SAFE_INTEGER,
  maxStates: Number(process.argv[2] ?? 200_000),
};

const scopes: readonly [name: string, scope: Scope][] = [
  ["two elections", base],
  ["two elections with pre-votes", { ...base, preVote: true }],
  ["one election over slow disks", { ...base, maxTerm: 1, slowDisks: true, maxInFlight: 3 }],
  ["two proposals", { ...base, maxTerm: 1, maxProposals: 2 }],
  ["proposal and crash", { ...base, maxProposals: 1, maxCrashes: 1 }],
  ["proposal and crash over slow disks", { ...base, maxProposals: 1, maxCrashes: 1, slowDisks: true }],
  ["proposal and read", { ...base, maxProposals: 1, maxReads: 1 }],
  ["duplicates", { ...base, maxProposals: 1, maxDuplicates: 2 }],
  ["three terms", { ...base, maxTerm: 3, maxInFlight: 3 }],
];

let broken = false;
for (const [name, scope] of scopes) {
  const start = process.cpuUsage();
  const { states, depth, complete, violation } = explore(scope);
  const used = process.cpuUsage(start);
  const seconds = (used.user + used.system) / 1e6;
  const rate = Math.round(states / seconds);
  console.log(
    `${name}: ${states} states, ${complete ? "all" : `up to ${depth} steps`}, ${seconds.toFixed(1)} CPU-s, ${rate} states/s`,
  );
  if (violation === undefined) continue;
  broken = true;
  console.log(violation.violation.message);
  for (const action of violation.actions) console.log(`  ${describeAction(action)}`);
}
process.exitCode = broken ? 1 : 0;
