/**
 * What worker threads buy a check: registers that only a search can judge, all alike, by one thread and by two. The
 * verdicts must be the same to the letter. CPU-seconds of all threads, and seconds that go by.
 *
 *   npm run bench:check-jobs [-- OPERATIONS]
 */
import { checkAll } from "../checkers/compose.ts";
import { Budget } from "../src/checker.ts";
import { withHelp } from "../src/cli/check-jobs.ts";
import { checkersOf } from "../src/cli/check-source.ts";
import { closedLoop } from "./closed-loop.ts";

const STEPS = 1_000_000_000;
const KEYS = 8;

const [argument = "40000"] = process.argv.slice(2);
const operations = Number(argument);
if (!Number.isSafeInteger(operations) || operations < 1000) {
  console.error(`OPERATIONS is a whole number of at least 1000, not ${argument}`);
  process.exit(254);
}
const history = closedLoop({
  kind: "reg",
  operations,
  clients: 15 * KEYS,
  keys: KEYS,
  values: 20,
  unknown: 0.01,
  seed: 1,
});
const source = { model: "cas-register", conventions: { nilIsUnknown: false, init: null } };

const told = new Set<string>();
for (let round = 0; round < 3; round++)
  for (const jobs of [1, 2]) {
    const before = process.cpuUsage();
    const began = performance.now();
    const checkers = await withHelp({ history, source, checkers: checkersOf(source) }, STEPS, jobs);
    const verdicts = checkAll(checkers, history, new Budget(STEPS));
    const seconds = (performance.now() - began) / 1000;
    const { user, system } = process.cpuUsage(before);
    told.add(JSON.stringify(verdicts));
    console.log(
      `${jobs} ${jobs === 1 ? "thread" : "threads"}: ${seconds.toFixed(2)} s, ${((user + system) / 1e6).toFixed(2)} CPU-s, ${verdicts[0]?.validity}: ${verdicts[0]?.reason}`,
    );
  }
if (told.size > 1) {
  console.error("the verdicts differ");
  process.exitCode = 1;
}
