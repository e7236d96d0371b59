/** How a run's processes are told from all others: by a variable that each of them has in its environment. */
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pid } from "node:process";

export const MARK = "FAULTLINE_RUN";
const DIRECTORY = "faultline-run-";
/** The file name of programs that clean up after a run. They are started with its mark, and do not bear it. */
const REAPER = /\/reaper\.js$/;

/** Processes of this machine that bear the mark, the caller left out. */
export function marked(mark: string): number[] {
  const wanted = `${MARK}=${mark}`;
  return fs
    .readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== pid)
    .filter((name) => wordsOf(name, "environ").includes(wanted))
    .map(Number);
}

/** The private directory of the run with this mark. */
export function directoryOf(mark: string): string {
  return join(tmpdir(), DIRECTORY + mark);
}

/** Marks of all runs of this user that have a directory. */
export function marksOfDirectories(): string[] {
  return fs
    .readdirSync(tmpdir())
    .filter((name) => name.startsWith(DIRECTORY))
    .map((name) => name.slice(DIRECTORY.length))
    .filter((mark) => fs.statSync(directoryOf(mark), { throwIfNoEntry: false })?.uid === process.getuid?.());
}

/** Whether the run with this mark has a reaper, which it has from its beginning until all is cleaned up. */
export function isKept(mark: string): boolean {
  return fs
    .readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .some((name) => {
      const words = wordsOf(name, "cmdline");
      return REAPER.test(words[1] ?? "") && words[2] === mark;
    });
}

/** Empty if it is over, or somebody else's. */
function wordsOf(process: string, what: "environ" | "cmdline"): readonly string[] {
  try {
    return fs.readFileSync(`/proc/${process}/${what}`, "latin1").split("\0");
  } catch {
    return [];
  }
}
