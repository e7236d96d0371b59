/** What there is to run: the compiled code of this installation, and the programs of this machine. */
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { UsageError } from "../src/plan.ts";

/** Where the compiled code is: beside this file, or, run from source, what was built of it. */
const built = new URL(import.meta.url.endsWith(".ts") ? "../dist/" : "../", import.meta.url);

/** A file that a process can be started with, by its path in the source tree without ".ts". Throws UsageError. */
export function program(path: string): string {
  const file = fileURLToPath(new URL(`${path}.js`, built));
  if (!existsSync(file)) throw new UsageError(`${file} is missing; npm run build makes it`);
  return file;
}

/** The server with all it needs in one file. Throws UsageError. */
export function serverBundle(): string {
  const file = fileURLToPath(new URL("faultline-kv.mjs", built));
  if (!existsSync(file)) throw new UsageError(`${file} is missing; npm run build:kv makes it`);
  return file;
}

/** The file of a command that the machine finds by its PATH; undefined if it has none of this name. */
export function onPath(command: string): string | undefined {
  return (process.env.PATH ?? "")
    .split(delimiter)
    .map((directory) => join(directory, command))
    .find((file) => existsSync(file));
}
