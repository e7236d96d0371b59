/** `faultline report RUN`: the report of a stored run, rendered anew. */
import { writeFileSync } from "node:fs";
import { stdout } from "node:process";
import { Command } from "commander";
import { renderReport } from "../../reports/page.ts";
import { UsageError } from "../plan.ts";
import { RunDirectory } from "../store/run-directory.ts";
import { repeatLine } from "./execute.ts";

export function reportCommand(): Command {
  return new Command("report")
    .description("render the report of a stored run")
    .argument("[run]", "run directory", "store/latest")
    .option("-o, --output <file>", "where to write it; into the run directory unless given")
    .action(async (path: string, options: { readonly output?: string }) => {
      const directory = RunDirectory.open(path);
      const html = await renderReport(directory.read(), { repeat: repeatLine(directory.plan(), directory) });
      const output = options.output ?? directory.file("report");
      try {
        writeFileSync(output, html);
      } catch (error) {
        const reason = (error as NodeJS.ErrnoException).code ?? String(error);
        throw new UsageError(`${output}: cannot be written (${reason}); name another file with --output`);
      }
      stdout.write(`${output}\n`);
    });
}
