/** `faultline hunt`: one planted bug, looked for where it can show, then explained and shrunk. */
import { Command } from "commander";
import { plantedBugs } from "../../cluster/bugs.ts";
import { lookUp } from "../registry.ts";
import { RunDirectory } from "../store/run-directory.ts";
import { huntingPlan } from "../zoo/hunt.ts";
import { natural, storeOption } from "./plan-options.ts";
import { type ShrinkFlags, shrinkOption } from "./shrink.ts";
import { jobsOf, sweepAndConclude } from "./sweep.ts";

interface HuntFlags extends ShrinkFlags {
  readonly seeds: string;
  readonly first: string;
  readonly jobs?: string;
}

const EXAMPLES = `
Examples:
  npx faultline hunt vote-twice                 until the double vote shows, in the workload that its table names
  npx faultline hunt vote-twice --first 5000    from another start
  npx faultline zoo                             all of them, several starts each`;

export function huntCommand(): Command {
  return new Command("hunt")
    .description("look for a planted bug with seeds on all cores until a run fails, and shrink that")
    .argument("<bug>", "planted bug (faultline list bugs)")
    .option("--seeds <count>", "seeds after which it is given up", "1000")
    .option("--first <seed>", "the first seed", "0")
    .option("--jobs <count>", "worker threads; one per core unless given")
    .addOption(shrinkOption())
    .addOption(storeOption())
    .addHelpText("after", EXAMPLES)
    .action(async (name: string, flags: HuntFlags) => {
      const bug = lookUp("bug", name, plantedBugs);
      const first = natural("--first", flags.first, 0);
      const count = natural("--seeds", flags.seeds, 1);
      RunDirectory.requireWritable(flags.store);
      const { seed: _, ...input } = huntingPlan(bug, first);
      await sweepAndConclude(input, { first, count, jobs: jobsOf(flags), stop: true }, flags);
    });
}
