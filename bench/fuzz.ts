/**
 * Holds every way to decide linearizability against the definition, on random tiny histories of every model, until
 * they disagree. The first history that they disagree about is printed as small as it gets.
 *
 *   npm run bench:fuzz -- [--histories 100000] [--seed 1] [--from 0] [--size 7] [--model NAME]
 *
 * History number N of a seed is always the same one: `--from N --histories 1` repeats it.
 */
import { parseArgs } from "node:util";
import { disagreement } from "../checkers/linearizable/testdata/cross-check.ts";
import { type Subject, subjects } from "../checkers/linearizable/testdata/subjects.ts";
import { type AnyAction, eventsOf, tinyHistory } from "../checkers/linearizable/testdata/tiny-history.ts";
import { printEvents } from "../src/history/notation.ts";
import { seededRandom } from "../src/runtime/random.ts";

const { values } = parseArgs({
  options: {
    histories: { type: "string", default: "100000" },
    seed: { type: "string", default: "1" },
    from: { type: "string", default: "0" },
    size: { type: "string", default: "7" },
    model: { type: "string" },
  },
});
const number = (option: "histories" | "seed" | "from" | "size"): number => {
  const value = Number(values[option]);
  if (!Number.isSafeInteger(value) || value < 0) {
    console.error(`--${option} is a whole number, not ${values[option]}`);
    process.exit(254);
  }
  return value;
};
const [histories, seed, from, size] = [number("histories"), number("seed"), number("from"), number("size")];
const chosen = subjects.filter(({ name }) => values.model === undefined || name === values.model);
if (chosen.length === 0) {
  console.error(`--model is one of: ${subjects.map(({ name }) => name).join(", ")}`);
  process.exit(254);
}

/** What is wrong with the answers about the history; a checker that throws is wrong, too. */
function wrong({ model }: Subject, actions: readonly AnyAction[]): string | undefined {
  try {
    return disagreement(model, actions);
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
}

/** Without the operations that the disagreement does not need. */
function smallest(subject: Subject, actions: readonly AnyAction[]): readonly AnyAction[] {
  for (let i = 0; i < actions.length; i++) {
    const fewer = actions.toSpliced(i, 1);
    if (wrong(subject, fewer) !== undefined) return smallest(subject, fewer);
  }
  return actions;
}

const random = seededRandom(seed);
const before = process.cpuUsage();
for (let i = from; i < from + histories; i++) {
  const subject = chosen[i % chosen.length] as Subject;
  const actions = tinyHistory(subject, random.fork(i), size);
  if (wrong(subject, actions) === undefined) continue;
  const few = smallest(subject, actions);
  console.log(`${subject.name}: ${wrong(subject, few)}`);
  console.log(printEvents(eventsOf(few)));
  console.log("revisions:", few.map(({ revision }) => revision ?? "-").join(" "));
  const model = values.model === undefined ? "" : ` --model ${JSON.stringify(values.model)}`;
  console.log(
    `repeat: npm run bench:fuzz -- --seed ${seed} --from ${i} --histories 1 --size ${size}${model}`,
  );
  process.exit(1);
}
const { user, system } = process.cpuUsage(before);
console.log(
  `${histories} histories of ${chosen.length} models with seed ${seed}: no disagreement, ${((user + system) / 1e6).toFixed(1)} CPU-s`,
);
