/**
 * Random requests put to a member of this server and to etcd 3.4, and to three of each, for minutes: what their
 * answers differ in. The system tests do the same with a few seeds.
 *
 *   npm run bench:differential -- [--minutes 5] [--seed 1000] [--steps 1000]
 *
 * Every seed asks that many requests three times over: of the store, by users with rights, and of three members. Exit
 * code 1 if anything differed.
 */
import { parseArgs } from "node:util";
import { Differential } from "../cluster/etcd/differential.ts";
import { isInstalled } from "../cluster/etcd/real-etcd.ts";

const { values: options } = parseArgs({
  options: {
    minutes: { type: "string", default: "5" },
    seed: { type: "string", default: "1000" },
    steps: { type: "string", default: "1000" },
  },
});
if (!isInstalled()) throw new Error("there is no etcd here to compare with: install etcd and etcdctl 3.4");

const steps = Number(options.steps);
const ends = Date.now() + Number(options.minutes) * 60_000;
let seed = Number(options.seed);
let differences = 0;

async function attempt(what: string, size: number, ask: (clusters: Differential) => Promise<void>) {
  const clusters = new Differential();
  try {
    await clusters.start(size);
    await ask(clusters);
  } catch (error) {
    differences++;
    console.log(`seed ${seed}, ${what}: ${(error as Error).message}`);
  } finally {
    await clusters.end();
  }
}

for (; Date.now() < ends; seed++) {
  await attempt("of the store", 1, (pair) => pair.store(seed, steps));
  await attempt("by users", 1, (pair) => pair.guarded(seed, steps));
  await attempt("of three members", 3, (clusters) => clusters.store(seed, steps));
}
const seeds = seed - Number(options.seed);
console.log(
  `seeds ${options.seed} to ${seed - 1}: ${3 * steps * seeds} requests, ${differences} differences`,
);
process.exit(differences === 0 ? 0 : 1);
