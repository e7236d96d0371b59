/**
 * Forgetting a long history takes a while, and a member does nothing else meanwhile. So it is forgotten in steps, each
 * a command of its own.
 */
import { ErrCompacted } from "../kv/errors.ts";
import type { Store } from "../kv/store.ts";

/** Some tens of milliseconds of work. */
export const REVISIONS_PER_STEP = 50_000;

/** Compacts at `revision`, in the end; gives what `compact` gives there. */
export async function compactGradually<T>(
  store: Pick<Store, "compactRevision" | "revision">,
  revision: number,
  compact: (revision: number) => Promise<T>,
): Promise<T> {
  // A revision that is to come is for the last step to refuse.
  const end = revision > store.revision ? 0 : revision;
  for (let step = store.compactRevision + REVISIONS_PER_STEP; step < end; step += REVISIONS_PER_STEP)
    try {
      await compact(step);
    } catch (error) {
      // Somebody else may have come so far already.
      if ((error as Error).message !== ErrCompacted.message) throw error;
    }
  return compact(revision);
}
