/** `faultline repro NAME`: a bug that people come to reproduce, failing in its broken form and gone in its right one. */
import { stdout } from "node:process";
import { Argument, Command, Option } from "commander";
import pc from "picocolors";
import type { PlanInput } from "../plan.ts";
import { lookUp } from "../registry.ts";
import { scenarios } from "../scenarios/index.ts";
import { departure, FORMS, type FormName, planOf, type Scenario, shownBy } from "../scenarios/scenario.ts";
import { type Executed, execute } from "./execute.ts";
import { printItems } from "./list.ts";
import { natural, storeOption } from "./plan-options.ts";
import { requireRunnable } from "./sweep.ts";

interface ReproFlags {
  readonly only?: FormName;
  readonly place?: string;
  readonly system?: string;
  readonly seed?: string;
  readonly store: string;
}

const EXAMPLES = `
Examples:
  npx faultline repro                                which scenarios there are
  npx faultline repro split-brain                    the broken form, then the right one
  npx faultline repro split-brain --only broken -s 7 one form, with another seed
  npx faultline repro serializable-reads --place processes --system etcd

Exit codes: 0 both forms came out as the story says, 1 something else was found, 2 the bug did not show.`;

export function reproCommand(): Command {
  return new Command("repro")
    .description("show a well-known bug: its broken form fails, its right form does not")
    .addArgument(new Argument("[scenario]", "faultline list scenarios"))
    .addOption(new Option("--only <form>", "run one form alone").choices([...FORMS]))
    .option("--place <name>", "where it runs (faultline list places)")
    .option("--system <name>", "system under test (faultline list systems)")
    .option("-s, --seed <number>", "what chance is drawn from, instead of the scenario's own seed")
    .addOption(storeOption())
    .addHelpText("after", EXAMPLES)
    .action(async (name: string | undefined, flags: ReproFlags) => {
      if (name === undefined) return printItems(scenarios);
      process.exitCode = await reproduce(lookUp("scenario", name, scenarios), flags);
    });
}

interface Shown extends Executed {
  readonly form: FormName;
  readonly code: 0 | 1 | 2;
}

/** The exit code of the form that is furthest from its story. */
async function reproduce(scenario: Scenario, flags: ReproFlags): Promise<number> {
  const forms = FORMS.filter((each) => flags.only === undefined || each === flags.only);
  const plans = forms.map((form) => ({ form, plan: withFlags(planOf(scenario, form), flags) }));
  for (const { plan } of plans) requireRunnable(plan);
  stdout.write(`${pc.bold(scenario.name)}: ${scenario.summary}\n\n${scenario.story}\n\n`);
  const shown: Shown[] = [];
  for (const { form, plan } of plans) {
    const executed = await execute(plan, flags.store);
    shown.push({ ...executed, form, code: departure(scenario, form, executed.result) });
  }
  tell(scenario, shown);
  const codes = shown.map(({ code }) => code);
  return codes.includes(1) ? 1 : Math.max(...codes);
}

function withFlags(plan: PlanInput, { place, system, seed }: ReproFlags): PlanInput {
  return {
    ...plan,
    ...(place === undefined ? {} : { place }),
    ...(system === undefined ? {} : { system }),
    ...(seed === undefined ? {} : { seed: natural("--seed", seed, 0) }),
  };
}

const colours = { valid: pc.green, invalid: pc.red, unknown: pc.yellow } as const;

function tell(scenario: Scenario, shown: readonly Shown[]): void {
  const width = Math.max(...shown.map(({ form }) => scenario[form].way.length));
  const seen: string[] = [];
  for (const { form, result } of shown) {
    const label = colours[result.validity](pc.bold(result.validity.toUpperCase().padEnd(7)));
    const failure = form === "broken" ? shownBy(scenario, result) : undefined;
    const found = failure === undefined ? result.summary : `${failure.checker}: ${failure.anomaly}`;
    stdout.write(`${form.padEnd(6)}  ${scenario[form].way.padEnd(width)}  ${label}  ${found}\n`);
    const verdict = result.verdicts.find(({ checker }) => checker === failure?.checker);
    const anomaly = verdict?.anomalies.find(({ name }) => name === failure?.anomaly);
    if (anomaly !== undefined) seen.push(anomaly.explanation);
  }
  if (seen[0] !== undefined) stdout.write(`\n${pc.bold("What was seen.")} ${seen[0]}\n`);
  stdout.write(`\n${pc.bold("How it shows.")} ${scenario.symptom}\n`);
  stdout.write(`\n${pc.bold("What prevents it.")} ${scenario.remedy}\n\n`);
  for (const { form, code, directory, repeat } of shown) {
    const verdict = code === 0 ? pc.green("as the story says") : pc.red("not as the story says");
    stdout.write(`${form.padEnd(6)}  ${verdict}\n`);
    stdout.write(`        report: ${directory.path}/report.html\n        repeat: ${repeat}\n`);
  }
}
