/** How a run's processes are told from all others: by a variable that each of them has in its environment. */
import fs from "node:fs";
import { pid } from "node:process";

export const MARK = "FAULTLINE_RUN";

/** Processes of this machine that bear the mark, the caller left out. */
export function marked(mark: string): number[] {
  const wanted = `${MARK}=${mark}`;
  return fs
    .readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== pid)
    .filter((name) => environmentOf(name).includes(wanted))
    .map(Number);
}

/** Empty if it is over, or somebody else's. */
function environmentOf(process: string): readonly string[] {
  try {
    return fs.readFileSync(`/proc/${process}/environ`, "latin1").split("\0");
  } catch {
    return [];
  }
}
