/**
 * Checks the revisions in the replies of a store with etcd's semantics.
 *
 * Every change of the store has a revision of its own, every reply names the revision it was made at, and every key
 * the revision of its last change. So an acknowledged write *claims its place* in the one order of all changes, and
 * a read claims to show the state right after one of them. These claims are verified against each other and against
 * real time, in O(n log n). What is found is a violation whatever the values; what is not found may still be
 * one, hence the search for a linearization goes on beside it.
 */
import type { Checker } from "../src/checker.ts";
import type { History, Operation } from "../src/history/history.ts";
import type { Json, NodeId, Process, Signature } from "../src/history/op.ts";
import { Findings, who } from "./findings.ts";
import { visitPrecedents } from "./precedence.ts";

/** A key's new value; null for a deletion. Every value other than null is written once in a history, per key. */
export interface Change {
  readonly key: string;
  readonly value: Json;
}

/** What a reply tells of one key in the state right after revision `at`. */
export interface Sight {
  readonly key: string;
  readonly at: number;
  /** null: the key did not exist. Missing: not told. */
  readonly value?: Json;
  /** 0: the key did not exist. Missing: not told. */
  readonly modRevision?: number;
  readonly createRevision?: number;
  readonly version?: number;
}

/** What one operation has to say. */
export interface Evidence {
  /** False for a serializable read, which may be served from the past. */
  readonly linearizable: boolean;
  /** Revision in the header of the reply; undefined if there was none. */
  readonly revision: number | undefined;
  /** If ok: what it changed, at `revision`. Else: what it would have changed. */
  readonly changes: readonly Change[];
  readonly sees: readonly Sight[];
}

interface Reply extends Evidence {
  readonly type: "ok" | "fail" | "info";
  readonly f: string;
  readonly process: Process;
  readonly node: NodeId | undefined;
  readonly invokeIndex: number;
  readonly completeIndex: number;
}

interface Answered extends Reply {
  readonly revision: number;
}

/** One known change of one key. */
interface Version {
  readonly revision: number;
  /** Undefined if only the revision is known. */
  readonly value: Json | undefined;
  readonly by: Reply;
}

/** A key as some reply shows it. */
interface Shown {
  readonly key: string;
  readonly modRevision: number;
  readonly createRevision: number;
  readonly version: number;
  readonly by: Reply;
}

const ORDER = "revision order";
const STATE = "reads at a revision";

export function revisions<S extends Signature>(translate: (operation: Operation<S>) => Evidence): Checker<S> {
  return {
    name: "revisions",
    check: (history) => new RevisionCheck(repliesOf(history, translate)).verdict(),
  };
}

function repliesOf<S extends Signature>(
  history: History<S>,
  translate: (operation: Operation<S>) => Evidence,
): Reply[] {
  const replies: Reply[] = [];
  for (const operation of history.operations()) {
    const { f, type, process, node, invokeIndex, completeIndex } = operation;
    const { linearizable, revision, changes, sees } = translate(operation);
    replies.push({
      f,
      type,
      process,
      node,
      invokeIndex,
      completeIndex,
      linearizable,
      revision,
      changes,
      sees,
    });
  }
  return replies;
}

class RevisionCheck {
  readonly #findings = new Findings();
  readonly #replies: readonly Reply[];
  readonly #answered: readonly Answered[];
  /** Acknowledged writes by revision. */
  readonly #writes = new Map<number, Answered>();
  /** By key and value: who wrote, or tried to write, it. */
  readonly #writers = new Map<string, Reply>();
  /** By key and value: the revision of the change, where it is known. */
  readonly #placed = new Map<string, number>();
  /** By key: changes known from acknowledgements and from reads, by revision. */
  readonly #versions = new Map<string, Version[]>();
  /** Keys that an operation of unknown outcome may have deleted. */
  readonly #maybeDeleted = new Set<string>();

  constructor(replies: readonly Reply[]) {
    this.#replies = replies;
    this.#answered = replies.filter(
      (reply) => reply.type === "ok" && reply.revision !== undefined,
    ) as Answered[];
  }

  verdict() {
    this.#checkDistinct();
    this.#checkGaps();
    this.#checkRealTime();
    this.#collectVersions();
    this.#checkLineages();
    for (const reply of this.#answered) for (const sight of reply.sees) this.#checkSight(reply, sight);
    return this.#findings.verdict("revisions", this.#answered.length, "replies with a revision");
  }

  /** Two acknowledged changes never share a revision. */
  #checkDistinct(): void {
    for (const reply of this.#answered) {
      if (reply.changes.length === 0) continue;
      const other = this.#writes.get(reply.revision);
      if (other === undefined) {
        this.#writes.set(reply.revision, reply);
        continue;
      }
      this.#findings.add("two writes share a revision", ORDER, eventsOf(other, reply), () => {
        return `${told(other)} and ${told(reply)} were both acknowledged with revision ${reply.revision}.`;
      });
    }
  }

  /**
   * Every revision belongs to a change: to an acknowledged one, or to one of unknown outcome. Holds only if the
   * history has every writer, which a workload promises by using this checker.
   */
  #checkGaps(): void {
    const known = [...this.#writes.keys()].sort((a, b) => a - b);
    let unknown = 0;
    for (const reply of this.#replies) if (reply.type === "info" && reply.changes.length > 0) unknown++;
    let missing = 0;
    for (let i = 1; i < known.length; i++) {
      const [before, after] = [known[i - 1] as number, known[i] as number];
      missing += after - before - 1;
      if (missing <= unknown) continue;
      const earlier = this.#writes.get(before) as Answered;
      const later = this.#writes.get(after) as Answered;
      this.#findings.add("revision without a write", ORDER, eventsOf(earlier, later), () => {
        return `Up to ${told(later)}, at revision ${after}, ${missing} revisions belong to no acknowledged write, but only ${unknown} writes have an unknown outcome; the last gap begins after revision ${before}.`;
      });
      return;
    }
  }

  /** A linearizable request is answered at a revision no smaller than any known when it was made; a write, at a larger one. */
  #checkRealTime(): void {
    visitPrecedents(
      this.#answered,
      (reply) => reply.revision,
      (reply, earlier) => {
        if (!reply.linearizable) return;
        const writes = reply.changes.length > 0;
        if (writes ? reply.revision > earlier.revision : reply.revision >= earlier.revision) return;
        const name = writes ? "revision went back" : "stale read";
        this.#findings.add(name, ORDER, eventsOf(earlier, reply), () => {
          return `${told(reply)} was answered at revision ${reply.revision}, although ${told(earlier)} had been answered at revision ${earlier.revision} before it was invoked.`;
        });
      },
    );
  }

  #collectVersions(): void {
    for (const reply of this.#replies) {
      for (const { key, value } of reply.changes) {
        if (reply.type === "ok" && reply.revision !== undefined)
          this.#versionsOf(key).push({ revision: reply.revision, value, by: reply });
        if (value !== null) this.#writers.set(identity(key, value), reply);
        else if (reply.type === "info") this.#maybeDeleted.add(key);
      }
    }
    for (const reply of this.#answered)
      for (const { key, at, modRevision, value } of reply.sees)
        if (modRevision !== undefined && modRevision > 0 && modRevision <= at)
          this.#versionsOf(key).push({ revision: modRevision, value, by: reply });
    for (const [key, versions] of this.#versions) {
      versions.sort((a, b) => a.revision - b.revision || eventOrder(a.by, b.by));
      const merged = this.#merged(key, versions);
      this.#versions.set(key, merged);
      for (const { value, revision } of merged)
        if (value !== undefined && value !== null) this.#placed.set(identity(key, value), revision);
    }
  }

  /** One version per revision, the acknowledged ones before those that were only seen. */
  #merged(key: string, versions: readonly Version[]): Version[] {
    const merged: Version[] = [];
    for (const version of versions) {
      const last = merged.at(-1);
      if (last === undefined || last.revision !== version.revision) {
        merged.push(version);
        continue;
      }
      if (last.value === undefined) merged[merged.length - 1] = version;
      else if (version.value !== undefined && identity(key, last.value) !== identity(key, version.value)) {
        this.#findings.add("one revision, two values", STATE, eventsOf(last.by, version.by), () => {
          const [a, b] = [last, version].map(({ value }) =>
            value === null ? "no value" : show(value ?? null),
          );
          return `${key} has ${a} at revision ${version.revision} by ${told(last.by)}, but ${b} by ${told(version.by)}.`;
        });
      }
    }
    return merged;
  }

  /** A key's version is 1 where it was created and grows with each change, until it is created again. */
  #checkLineages(): void {
    const shown = new Map<string, Shown[]>();
    for (const reply of this.#answered)
      for (const { key, modRevision = 0, createRevision, version } of reply.sees) {
        if (modRevision === 0 || createRevision === undefined || version === undefined) continue;
        const list = shown.get(key) ?? [];
        if (list.length === 0) shown.set(key, list);
        list.push({ key, modRevision, createRevision, version, by: reply });
      }
    for (const list of shown.values()) {
      list.sort((a, b) => a.modRevision - b.modRevision || a.by.invokeIndex - b.by.invokeIndex);
      for (let i = 0; i < list.length; i++) {
        const later = list[i] as Shown;
        const earlier = list[i - 1];
        if (isPossible(later) && (earlier === undefined || mayFollow(earlier, later))) continue;
        this.#findings.add(
          "impossible version",
          STATE,
          eventsOf(...(earlier ? [earlier.by] : []), later.by),
          () => {
            const before = earlier === undefined ? "" : `, after ${lineage(earlier)} by ${told(earlier.by)}`;
            return `${told(later.by)} shows ${later.key} with ${lineage(later)}${before}.`;
          },
        );
      }
    }
  }

  #checkSight(reply: Answered, sight: Sight): void {
    this.#checkOrigin(reply, sight);
    const { key, at, value } = sight;
    const implied =
      value === undefined ? undefined : value === null ? 0 : this.#placed.get(identity(key, value));
    const modRevision = sight.modRevision ?? implied;
    if (modRevision === undefined) return;
    if (modRevision > at) {
      this.#findings.add("read from the future", STATE, eventsOf(reply), () => {
        return `${told(reply)} shows ${key} as changed at revision ${modRevision}, in the state of revision ${at}.`;
      });
      return;
    }
    const latest = latestAtMost(this.#versions.get(key), at);
    if (latest === undefined || latest.revision <= modRevision) return;
    // The key did not exist: somebody may have deleted it whom we never heard of again.
    if (modRevision === 0 && (latest.value === null || this.#maybeDeleted.has(key))) return;
    const guarded = reply.changes.length > 0;
    const name = guarded ? "lost update" : modRevision === 0 ? "lost write" : "stale value";
    this.#findings.add(name, guarded ? "transaction guards" : STATE, eventsOf(latest.by, reply), () => {
      const shown = modRevision === 0 ? "as not existing" : `as last changed at revision ${modRevision}`;
      return `${told(reply)} ${guarded ? "took" : "shows"} ${key} ${shown} in the state of revision ${at}, but ${told(latest.by)} proves a change at revision ${latest.revision}.`;
    });
  }

  /** The value was written by somebody, who did not fail, at the revision it is shown with. */
  #checkOrigin(reply: Answered, sight: Sight): void {
    const { key, value, modRevision } = sight;
    if (value === undefined || value === null) return;
    const writer = this.#writers.get(identity(key, value));
    if (writer === undefined) {
      this.#findings.add("value never written", STATE, eventsOf(reply), () => {
        return `${told(reply)} shows ${show(value)} in ${key}, which nobody ever wrote there.`;
      });
      return;
    }
    if (writer.type === "fail") {
      this.#findings.add("dirty read", STATE, eventsOf(writer, reply), () => {
        return `${told(reply)} shows ${show(value)} in ${key}, which ${told(writer)} would have written, had it not failed (G1a, aborted read).`;
      });
      return;
    }
    if (modRevision === undefined || writer.revision === undefined || writer.revision === modRevision) return;
    this.#findings.add("wrong revision", STATE, eventsOf(writer, reply), () => {
      return `${told(reply)} shows ${show(value)} in ${key} as written at revision ${modRevision}, but ${told(writer)} was acknowledged with revision ${writer.revision}.`;
    });
  }

  #versionsOf(key: string): Version[] {
    let versions = this.#versions.get(key);
    if (versions === undefined) {
      versions = [];
      this.#versions.set(key, versions);
    }
    return versions;
  }
}

function isPossible({ modRevision, createRevision, version }: Shown): boolean {
  const changes = modRevision - createRevision;
  return version >= 1 && version <= changes + 1 && (version === 1) === (changes === 0);
}

/** True if two sights of a key, in the order of their changes, fit together. */
function mayFollow(earlier: Shown, later: Shown): boolean {
  const changes = later.modRevision - earlier.modRevision;
  if (earlier.createRevision !== later.createRevision)
    return changes > 0 && later.createRevision > earlier.modRevision;
  const growth = later.version - earlier.version;
  return changes === 0 ? growth === 0 : growth >= 1 && growth <= changes;
}

function lineage({ modRevision, createRevision, version }: Shown): string {
  return `version ${version}, created at revision ${createRevision}, changed at ${modRevision}`;
}

/** The last version with a revision of at most `revision`, by bisection. */
function latestAtMost(versions: readonly Version[] | undefined, revision: number): Version | undefined {
  if (versions === undefined) return undefined;
  let low = 0;
  let high = versions.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((versions[middle] as Version).revision <= revision) low = middle + 1;
    else high = middle;
  }
  return versions[low - 1];
}

/** Acknowledged writers first. */
function eventOrder(a: Reply, b: Reply): number {
  return Number(b.changes.length > 0) - Number(a.changes.length > 0) || a.invokeIndex - b.invokeIndex;
}

function eventsOf(...replies: readonly Reply[]): number[] {
  return replies.flatMap(({ invokeIndex, completeIndex }) => [invokeIndex, completeIndex]);
}

function told(reply: Reply): string {
  return `the ${reply.f} by ${who(reply)} (event ${reply.invokeIndex})`;
}

function identity(key: string, value: Json): string {
  // Numbers, the common case, are spared the quoting; a JSON text of a list begins with no digit.
  return typeof value === "number" ? `${value} ${key}` : JSON.stringify([key, value]);
}

function show(value: Json): string {
  return typeof value === "string" ? `"${value}"` : JSON.stringify(value);
}
