/**
 * What cleans up after a run, whatever becomes of the tester: a process of its own that waits for the end of its
 * standard input, which the tester holds open as long as it lives. Then it kills every process that bears the run's
 * mark, removes what else there is of the run, and its private directory. Arguments: the mark, the directory.
 *
 * Processes bear the mark from their first instruction, so none can slip away between its start and being told of.
 */
import fs from "node:fs";
import { argv, kill, stdin } from "node:process";
import { directoryOf, isKept, marked, marksOfDirectories } from "./mark.ts";

/** Looks in a row that must find nobody: a process may be between its birth and its own environment. */
const CLEAN_LOOKS = 3;
const PAUSE_MS = 20;

/** The whole of a reaper's program, but for `remove`, which removes what bears a mark and is no process. */
export function reapAtTheEnd(remove: (mark: string) => Promise<void>): void {
  const [, , mark, directory] = argv as [string, string, string, string];
  stdin.once("end", () => void reap(mark, directory, remove)).resume();
}

/** The same for runs whose reaper is gone as well: those that have one of these marks, and those with a directory. */
export async function reapAbandoned(
  marks: Iterable<string>,
  remove: (mark: string) => Promise<void>,
): Promise<void> {
  for (const mark of new Set([...marks, ...marksOfDirectories()]))
    if (!isKept(mark)) await reap(mark, directoryOf(mark), remove);
}

async function reap(mark: string, directory: string, remove: (mark: string) => Promise<void>): Promise<void> {
  for (let clean = 0; clean < CLEAN_LOOKS; ) {
    const left = marked(mark);
    clean = left.length === 0 ? clean + 1 : 0;
    for (const process of left) {
      try {
        kill(process, "SIGKILL");
      } catch {
        // It was quicker.
      }
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  try {
    await remove(mark);
  } finally {
    fs.rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  }
}
