/**
 * Causal consistency across sessions: who has seen an effect must also see its causes. A read may not give a version
 * of a key that is older than one in its causal past: what its session saw, what the writers of that had seen before,
 * and so on. Lamport, "Time, Clocks, and the Ordering of Events" (1978); the pattern is WriteCORead of Bouajjani et
 * al., "On Verifying Causal Consistency" (POPL 2017), with the versions of a key ordered by revision. Violations that
 * show within one session are named by `session-guarantees`.
 *
 * One pass in the order of events; every session and every write carries the newest version of each key in its past,
 * so it takes O(n · keys).
 */
import type { Checker } from "../src/checker.ts";
import type { History } from "../src/history/history.ts";
import type { Process } from "../src/history/op.ts";
import { Findings, who } from "./findings.ts";
import type { Versioned, VersionedRead, VersionedSignature, VersionedWrite } from "./session.ts";

/** The newest version of a key in some past. */
interface Seen {
  /** The operation that made it or saw it. */
  readonly by: Versioned;
  /** How a session learnt of it from another: by reading what that had written afterwards. */
  readonly through?: { readonly write: VersionedWrite; readonly read: VersionedRead };
}
type Past = Map<string, Seen>;

export const causal: Checker<VersionedSignature> = {
  name: "causal",
  check(history) {
    const findings = new Findings();
    const pasts = new Map<Process, Past>();
    const writes = new Map<string, { readonly write: VersionedWrite; readonly past: Past }>();
    let reads = 0;
    let learnt = 0;
    for (const { at, operation } of inOrder(history)) {
      const past = pasts.get(operation.process) ?? new Map<string, Seen>();
      pasts.set(operation.process, past);
      if (operation.f === "write") {
        if (at === operation.invokeIndex)
          writes.set(version(operation.key, operation.input), { write: operation, past: new Map(past) });
        else if (operation.type === "ok") remember(past, { by: operation });
        continue;
      }
      if (operation.type !== "ok") continue;
      reads++;
      judge(operation, past.get(operation.key ?? ""), findings);
      remember(past, { by: operation });
      const source = writes.get(version(operation.key, operation.output.value));
      if (source === undefined || source.write.process === operation.process) continue;
      if (source.past.size > 0) learnt++;
      for (const { by } of source.past.values())
        remember(past, { by, through: { write: source.write, read: operation } });
    }
    return findings.verdict("causal", reads, "reads", {
      doubt:
        learnt === 0 ? "no session learnt of another's past, so there were no causes to miss" : undefined,
      evidence: { sessions: pasts.size, learnt },
    });
  },
};

/** Writes when they are invoked, for from then on they may be seen; everything when it is completed. */
function inOrder(history: History<VersionedSignature>) {
  const moments = history.client.flatMap((operation) => [
    ...(operation.f === "write" ? [{ at: operation.invokeIndex, operation }] : []),
    ...(operation.type === "ok" ? [{ at: operation.completeIndex, operation }] : []),
  ]);
  return moments.sort((a, b) => a.at - b.at);
}

function version(key: string | undefined, value: number | null): string {
  return JSON.stringify([key, value]);
}

function remember(past: Past, seen: Seen): void {
  const key = seen.by.key ?? "";
  const known = past.get(key);
  if (known === undefined || seen.by.output.revision > known.by.output.revision) past.set(key, seen);
}

function judge(read: VersionedRead, newest: Seen | undefined, findings: Findings): void {
  if (newest?.through === undefined || read.output.revision >= newest.by.output.revision) return;
  const { by, through } = newest;
  const { key, output } = read;
  findings.add(
    "causality violation",
    "causal consistency",
    [by.completeIndex, through.write.invokeIndex, through.read.completeIndex, read.completeIndex],
    () =>
      `${who(by)} had ${by.f === "read" ? "seen" : "made"} revision ${by.output.revision} of ${key}, which is in the past of ${who(through.write)}'s write of ${through.write.input} to ${through.write.key}; ${who(read)} had read that write, and then read ${key} ${output.revision === 0 ? "as if it did not exist" : `as of the older revision ${output.revision}`}.`,
  );
}
