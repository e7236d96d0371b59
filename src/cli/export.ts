/** `faultline export RUN`: a history in the format of other tools. */
import { closeSync, openSync, writeSync } from "node:fs";
import { stdout } from "node:process";
import { Command, Option } from "commander";
import { JepsenPrinter } from "../history/formats/edn-print.ts";
import type { Op } from "../history/op.ts";
import { UsageError } from "../plan.ts";
import { historyFile, readHistory } from "../store/history-file.ts";

const printers: { readonly [format: string]: () => (event: Op) => string } = {
  edn: () => {
    const printer = new JepsenPrinter();
    return (event) => printer.print(event);
  },
  jsonl: () => (event) => `${JSON.stringify(event)}\n`,
};

/** Characters written at once. */
const BLOCK = 1 << 16;

export function exportCommand(): Command {
  return new Command("export")
    .description("write a history in the format of other tools")
    .argument("[run]", "run directory, journal, or history of Jepsen's", "store/latest")
    .addOption(
      new Option("--format <name>", "edn: operations as Jepsen, Knossos and Elle read them; jsonl: a journal")
        .choices(Object.keys(printers))
        .default("edn"),
    )
    .option("-o, --output <file>", "where to write it; to standard output unless given")
    .action((path: string, flags: { readonly format: string; readonly output?: string }) => {
      const { history } = readHistory(historyFile(path));
      const print = (printers[flags.format] as (typeof printers)[string])();
      const { write, close } = target(flags.output);
      let block = "";
      for (const event of history.events) {
        block += print(event);
        if (block.length < BLOCK) continue;
        write(block);
        block = "";
      }
      write(block);
      close();
    });
}

function target(path: string | undefined): { write(text: string): void; close(): void } {
  if (path === undefined) return { write: (text) => void stdout.write(text), close: () => {} };
  try {
    const descriptor = openSync(path, "w");
    return { write: (text) => void writeSync(descriptor, text), close: () => closeSync(descriptor) };
  } catch (error) {
    throw new UsageError(
      `--output: ${path} cannot be written: ${(error as NodeJS.ErrnoException).code ?? String(error)}`,
    );
  }
}
