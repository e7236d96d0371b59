/**
 * A backup taken under load, restored beside the original, and read again: what comes back is what was backed up.
 *
 * That the backup itself is the state at one revision is for the revisions checker to say (checkers/revisions.ts),
 * which sees it as one large read. Linear.
 */
import type { Checker } from "../src/checker.ts";
import type { History, OperationOf } from "../src/history/history.ts";
import { Findings, who } from "./findings.ts";

export type Entry = {
  readonly key: string;
  readonly value: number;
  readonly modRevision: number;
  readonly createRevision: number;
  readonly version: number;
};

export type SnapshotSignature = {
  /** Every value is put once. */
  put: { in: { readonly key: string; readonly value: number }; out: { readonly revision: number } };
  delete: { in: { readonly key: string }; out: { readonly revision: number; readonly deleted: boolean } };
  compact: { in: { readonly revision: number }; out: null };
  /** All entries at `revision`, fetched page by page. */
  backup: {
    in: { readonly id: number };
    out: { readonly revision: number; readonly entries: readonly Entry[] };
  };
  /** Writes the entries of the process's last backup to a place of their own, all at `revision`. */
  restore: {
    in: { readonly id: number };
    out: {
      readonly revision: number;
      readonly entries: readonly { readonly key: string; readonly value: number }[];
    };
  };
  /** What is at that place, under the keys of the original. */
  verify: {
    in: { readonly id: number };
    out: { readonly revision: number; readonly entries: readonly Entry[] };
  };
  /** Deletes what is at that place. */
  discard: {
    in: { readonly id: number };
    out: { readonly revision: number; readonly deleted: readonly string[] };
  };
};

type Ok<F extends keyof SnapshotSignature & string> = OperationOf<SnapshotSignature, F> & {
  readonly type: "ok";
};

export const snapshotChecker: Checker<SnapshotSignature> = {
  name: "snapshot",
  check(history: History<SnapshotSignature>) {
    const findings = new Findings();
    const backups = new Map<number, Ok<"backup">>();
    for (const backup of history.byFunction("backup"))
      if (backup.type === "ok") backups.set(backup.input.id, backup);
    const restores = new Map<number, Ok<"restore">>();
    for (const restore of history.byFunction("restore"))
      if (restore.type === "ok") restores.set(restore.input.id, restore);
    let verified = 0;
    for (const verify of history.byFunction("verify")) {
      if (verify.type !== "ok") continue;
      const backup = backups.get(verify.input.id);
      const restore = restores.get(verify.input.id);
      if (backup === undefined || restore === undefined || restore.completeIndex > verify.invokeIndex)
        continue;
      verified++;
      judge(backup, restore, verify, findings);
    }
    return findings.verdict("snapshot", verified, "restored backups", {
      evidence: { backups: backups.size, restored: restores.size, verified },
    });
  },
};

function judge(backup: Ok<"backup">, restore: Ok<"restore">, verify: Ok<"verify">, findings: Findings): void {
  const add = (name: string, what: string) =>
    findings.add(
      name,
      "what is restored is what was backed up",
      [backup.completeIndex, restore.completeIndex, verify.completeIndex],
      () =>
        `${who(backup)} backed up revision ${backup.output.revision} and restored it at revision ${restore.output.revision}; ${who(verify)} then ${what}.`,
    );
  const left = new Map(verify.output.entries.map((entry) => [entry.key, entry]));
  for (const { key, value } of backup.output.entries) {
    const found = left.get(key);
    left.delete(key);
    if (found === undefined) add("key lost in restore", `did not find ${key}, which held ${value}`);
    else if (found.value !== value)
      add("value changed in restore", `found ${key} with ${found.value} for ${value}`);
    else if (found.modRevision !== restore.output.revision)
      add("restored in pieces", `found ${key} as written at revision ${found.modRevision}`);
  }
  for (const { key, value } of left.values())
    add("key added in restore", `found ${key} with ${value}, which was not in it`);
}
