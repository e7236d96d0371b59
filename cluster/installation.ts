/** Where the compiled code of this installation is: beside this file, or, run from source, what was built of it. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { UsageError } from "../src/plan.ts";

const built = new URL(import.meta.url.endsWith(".ts") ? "../dist/" : "../", import.meta.url);

/** A file that a process can be started with, by its path in the source tree without ".ts". Throws UsageError. */
export function program(path: string): string {
  const file = fileURLToPath(new URL(`${path}.js`, built));
  if (!existsSync(file)) throw new UsageError(`${file} is missing; npm run build makes it`);
  return file;
}
