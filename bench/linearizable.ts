/**
 * What it costs to check long histories of one register: 10,000 operations, of which every tenth write or
 * compare-and-set has an unknown outcome; all right, or with one stale read near the end; with the revisions that
 * the replies would name, and without.
 *
 *   npm run --silent build:bench && node dist/bench/linearizable.js [OPERATIONS]
 */

import { decide } from "../checkers/linearizable/decision.ts";
import { type Action, PENDING } from "../checkers/linearizable/model.ts";
import { type RegisterCall, register } from "../checkers/models/register.ts";
import { Budget } from "../src/checker.ts";
import type { Json } from "../src/history/op.ts";
import { type Random, seededRandom } from "../src/runtime/random.ts";

type RegisterAction = Action<RegisterCall, Json>;

const STEPS = 20_000_000;
const model = register();

/** Values written so far, in the order of their effects. */
type Past = Json[];

interface Client {
  invoked: number;
  effect: number;
  end: number;
  kind: number;
}

/** A closed loop of clients; each operation takes effect at a random moment while it is open. */
function historyOf(operations: number, clients: number, unknown: number, random: Random): RegisterAction[] {
  const past: Past = [null];
  const actions: RegisterAction[] = [];
  const begin = (now: number): Client => {
    const effect = now + 1 + random.below(100);
    return { invoked: now, effect, end: effect + 1 + random.below(100), kind: random.below(20) };
  };
  // Times are spread out so that every event has one of its own.
  const open = Array.from({ length: clients }, (_, i) => begin(i));
  while (actions.length < operations) {
    let next = 0;
    for (let i = 1; i < clients; i++)
      if ((open[i] as Client).effect < (open[next] as Client).effect) next = i;
    const { invoked, effect, end, kind } = open[next] as Client;
    const input = callOf(kind, actions.length + 1, past, random);
    const lost = input.f !== "read" && random.chance(unknown);
    const state = past.at(-1) as Json;
    const output = input.f === "read" ? state : input.f === "cas" ? input.value[0] === state : null;
    if (input.f !== "read" && output !== false && !(lost && random.chance(0.5)))
      past.push(input.f === "write" ? input.value : input.value[1]);
    actions.push({
      input,
      output: lost ? undefined : output,
      invoked: invoked * clients + next,
      completed: lost ? PENDING : end * clients + next,
      process: next,
      node: undefined,
      revision: lost ? undefined : past.length,
    });
    open[next] = begin(Math.max(end, effect) + 1);
  }
  return actions;
}

/** Half reads, a quarter writes, a tenth of them deletions, a quarter compare-and-sets. */
function callOf(kind: number, value: number, past: Past, random: Random): RegisterCall {
  if (kind < 10) return { f: "read", value: null };
  if (kind < 15) return { f: "write", value: random.chance(0.1) ? null : value };
  return { f: "cas", value: [past.at(random.chance(0.8) ? -1 : -2) ?? null, value] };
}

/** With the first read after nine tenths of the history answering what was there at its middle. */
function withStaleRead(actions: readonly RegisterAction[]): RegisterAction[] {
  const last = actions.findLastIndex(
    ({ input, output }, i) => input.f === "read" && output !== null && i < actions.length / 2,
  );
  const stale = actions.findIndex(({ input }, i) => input.f === "read" && i > actions.length * 0.9);
  const old = (actions[last] as RegisterAction).output;
  return actions.map((action, i) => (i === stale ? { ...action, output: old } : action));
}

function measure(name: string, actions: readonly RegisterAction[]): void {
  const budget = new Budget(STEPS);
  const before = process.cpuUsage();
  const result = decide(model, actions, budget);
  const { user, system } = process.cpuUsage(before);
  const way = result.kind === "linearizable" && result.claimed ? "by revisions" : "by search";
  const steps = budget.total - budget.left;
  console.log(
    `${name.padEnd(44)} ${result.kind.padEnd(12)} ${way.padEnd(12)} ${String(steps).padStart(9)} steps ${((user + system) / 1e3).toFixed(0).padStart(7)} ms CPU`,
  );
}

const operations = Number(process.argv[2] ?? 10_000);
for (const clients of [5, 20])
  for (const unknown of [0, 0.01, 0.1]) {
    const honest = historyOf(operations, clients, unknown, seededRandom(1));
    const silent = (actions: readonly RegisterAction[]) =>
      actions.map((action) => ({ ...action, revision: undefined }));
    const name = `${clients} clients, ${unknown * 100} % unknown`;
    measure(`${name}, right`, honest);
    measure(`${name}, right, no revisions`, silent(honest));
    measure(`${name}, stale read`, withStaleRead(honest));
  }
