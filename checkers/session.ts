/**
 * The four session guarantees of Terry et al., "Session Guarantees for Weakly Consistent Replicated Data" (PDIS
 * 1994): read your writes, monotonic reads, monotonic writes, writes follow reads. A session is a process.
 *
 * Replies name the revision of the version they made or saw, and revisions order the versions. They are claims to
 * verify: whoever sees one revision of a key must see one value. One pass, O(n).
 */
import type { Checker } from "../src/checker.ts";
import type { History, OperationOf } from "../src/history/history.ts";
import type { Process } from "../src/history/op.ts";
import { Findings, who } from "./findings.ts";

/** The key is that of the operation. */
export type VersionedSignature = {
  /** A value that is written once. */
  write: { in: number; out: { readonly revision: number } };
  /** The revision of the last change; null and 0 if there is none. */
  read: { in: null; out: { readonly value: number | null; readonly revision: number } };
};

export type VersionedRead = OperationOf<VersionedSignature, "read"> & { readonly type: "ok" };
export type VersionedWrite = OperationOf<VersionedSignature, "write">;
type Acknowledged = VersionedWrite & { readonly type: "ok" };
export type Versioned = VersionedRead | Acknowledged;

/** What a session has done: of each kind, the operation with the greatest revision. */
class Session {
  readonly #written = new Map<string, Acknowledged>();
  readonly #read = new Map<string, VersionedRead>();
  #lastWrite: Acknowledged | undefined;
  #newestRead: VersionedRead | undefined;

  read(read: VersionedRead, findings: Findings): void {
    const key = read.key ?? "";
    const own = this.#written.get(key);
    if (own !== undefined && read.output.revision < own.output.revision)
      findings.add(
        "own write not read",
        "read your writes",
        [own.completeIndex, read.completeIndex],
        () =>
          `${who(read)} had written ${own.input} to ${key} at revision ${own.output.revision}, and then read ${shown(read)}.`,
      );
    const before = this.#read.get(key);
    if (before !== undefined && read.output.revision < before.output.revision)
      findings.add(
        "read went back",
        "monotonic reads",
        [before.completeIndex, read.completeIndex],
        () => `${who(read)} had read ${shown(before)} of ${key}, and then read ${shown(read)}.`,
      );
    if (before === undefined || read.output.revision > before.output.revision) this.#read.set(key, read);
    if (this.#newestRead === undefined || read.output.revision > this.#newestRead.output.revision)
      this.#newestRead = read;
  }

  write(write: Acknowledged, findings: Findings): void {
    const { revision } = write.output;
    const last = this.#lastWrite;
    if (last !== undefined && revision <= last.output.revision)
      findings.add(
        "write went back",
        "monotonic writes",
        [last.completeIndex, write.completeIndex],
        () =>
          `${who(write)} wrote ${write.input} to ${write.key} at revision ${revision}, although its write before, of ${last.input} to ${last.key}, was at revision ${last.output.revision}.`,
      );
    const seen = this.#newestRead;
    if (seen !== undefined && revision <= seen.output.revision)
      findings.add(
        "write before what was read",
        "writes follow reads",
        [seen.completeIndex, write.completeIndex],
        () =>
          `${who(write)} had read ${shown(seen)} of ${seen.key}, and then wrote ${write.input} to ${write.key} at revision ${revision}, which is no later.`,
      );
    if (last === undefined || revision > last.output.revision) this.#lastWrite = write;
    const own = this.#written.get(write.key ?? "");
    if (own === undefined || revision > own.output.revision) this.#written.set(write.key ?? "", write);
  }
}

export const sessionGuarantees: Checker<VersionedSignature> = {
  name: "session-guarantees",
  check(history) {
    const findings = new Findings();
    const sessions = new Map<Process, Session>();
    let judged = 0;
    for (const operation of history.client) {
      if (operation.type !== "ok") continue;
      let session = sessions.get(operation.process);
      if (session === undefined) {
        session = new Session();
        sessions.set(operation.process, session);
      }
      if (operation.f === "read") session.read(operation, findings);
      else session.write(operation, findings);
      judged++;
    }
    judgeVersions(history, findings);
    return findings.verdict("session-guarantees", judged, "operations", {
      doubt:
        judged === sessions.size
          ? "no session had two operations, so nothing could be out of order"
          : undefined,
      evidence: { sessions: sessions.size },
    });
  },
};

function shown({ output: { value, revision } }: VersionedRead): string {
  return revision === 0 ? "that it does not exist" : `${value}, of revision ${revision}`;
}

/** One revision of a key is one value. */
function judgeVersions(history: History<VersionedSignature>, findings: Findings): void {
  const versions = new Map<string, { readonly value: number | null; readonly by: Versioned }>();
  for (const by of history.client) {
    if (by.type !== "ok") continue;
    const value = by.f === "read" ? by.output.value : by.input;
    const name = JSON.stringify([by.key, by.output.revision]);
    const other = versions.get(name);
    if (other === undefined) versions.set(name, { value, by });
    else if (other.value !== value || (by.f === "write" && other.by.f === "write"))
      findings.add(
        "one revision, two values",
        "versions are what they were",
        [other.by.completeIndex, by.completeIndex],
        () =>
          `Revision ${by.output.revision} of ${by.key} was ${other.value} for ${who(other.by)}, and ${value} for ${who(by)}.`,
      );
  }
}
