/**
 * A configuration of several parts that is updated while it is in use: nobody ever sees parts of two versions.
 *
 * Each update takes the whole from one version to the next, guarded by the version it read, and marks every part
 * with the new version and a token of its own. So the versions form one chain, a part tells which update made it,
 * and every sight of the configuration has a place in the chain: it must be whole, not older than what was known
 * before it was asked for, and made by an update that did not fail. Those who follow the changes must hold a whole
 * configuration after every response, and never an older one than before (etcd: a watch delivers a revision whole
 * and in order). O(n log n).
 */
import type { Checker } from "../src/checker.ts";
import type { History, OperationOf } from "../src/history/history.ts";
import type { Nanos } from "../src/history/op.ts";
import { Findings, who } from "./findings.ts";
import { type Interval, visitPrecedents } from "./precedence.ts";

/** What one part says of itself. Version 0, token -1: the part does not exist yet. */
export type Part = { readonly version: number; readonly token: number };

export type ConfigSignature = {
  /** Every token is used once. */
  update: { in: { readonly token: number }; out: { readonly version: number } };
  /** All parts, linearizable, in one request. */
  read: { in: null; out: readonly Part[] };
  /** Reads all parts, then follows the changes: all parts as they were at first, and after every response. */
  follow: { in: { readonly lifetime: Nanos }; out: readonly (readonly Part[])[] };
};

type Update = OperationOf<ConfigSignature, "update">;
type Acknowledged = Update & { readonly type: "ok" };
type Sight = OperationOf<ConfigSignature, "read" | "follow"> & { readonly type: "ok" };

/** Something that happened at one place in the chain of versions, or at a stretch of it. */
interface Placed extends Interval {
  readonly operation: Update | Sight;
  /** The least version it may have come upon, and the greatest it proves. */
  readonly least: number;
  readonly proves: number;
}

export const configChecker: Checker<ConfigSignature> = {
  name: "config",
  check: (history: History<ConfigSignature>) => new ConfigCheck(history).verdict(),
};

class ConfigCheck {
  readonly #findings = new Findings();
  readonly #updates = new Map<number, Update>();
  /** By version: the token that made it, and who says so. */
  readonly #made = new Map<number, { readonly token: number; readonly by: Acknowledged | Sight }>();
  /** By token: the version it made. */
  readonly #versions = new Map<number, { readonly version: number; readonly by: Acknowledged | Sight }>();
  readonly #placed: Placed[] = [];
  #acknowledged = 0;
  #sights = 0;
  #views = 0;

  constructor(history: History<ConfigSignature>) {
    for (const update of history.byFunction("update")) this.#updates.set(update.input.token, update);
    for (const update of history.byFunction("update")) if (update.type === "ok") this.#addUpdate(update);
    for (const read of history.byFunction("read"))
      if (read.type === "ok") this.#addViews(read, [read.output]);
    for (const follow of history.byFunction("follow"))
      if (follow.type === "ok") this.#addViews(follow, follow.output);
    this.#placeUnknown();
    this.#judgeOrder();
    this.#judgeGaps();
  }

  verdict() {
    const idle = this.#acknowledged === 0 ? "no update succeeded" : undefined;
    return this.#findings.verdict("config", this.#sights, "sights of the configuration", {
      doubt: idle,
      evidence: {
        updates: this.#acknowledged,
        sights: this.#sights,
        views: this.#views,
        versions: this.#made.size,
      },
    });
  }

  #addUpdate(update: Acknowledged): void {
    const { version } = update.output;
    this.#acknowledged++;
    this.#note(version, update.input.token, update);
    this.#place(update, version - 1, version);
  }

  #addViews(sight: Sight, views: readonly (readonly Part[])[]): void {
    this.#sights++;
    let first: number | undefined;
    let last = 0;
    for (const view of views) {
      this.#views++;
      const version = this.#wholeVersion(sight, view);
      if (version === undefined) continue;
      if (version < last) this.#condemnReturn(sight, last, version);
      first ??= version;
      last = Math.max(last, version);
    }
    if (first !== undefined) this.#place(sight, first, last);
  }

  /** The version of all parts; undefined, and a finding, if they are not of one. */
  #wholeVersion(sight: Sight, view: readonly Part[]): number | undefined {
    const [one] = view;
    if (one === undefined) return undefined;
    const other = view.findIndex(({ version, token }) => version !== one.version || token !== one.token);
    if (other >= 0) {
      const { version, token } = view[other] as Part;
      this.#findings.add("mixed configuration", "configuration: whole", [sight.completeIndex], () => {
        return `${who(sight)} held part 0 of version ${one.version} (update ${one.token}) together with part ${other} of version ${version} (update ${token})${sight.f === "follow" ? " while following the changes" : ""}.`;
      });
      return undefined;
    }
    if (one.version === 0) return 0;
    const update = this.#updates.get(one.token);
    if (update === undefined || update.invokeIndex > sight.completeIndex)
      this.#findings.add(
        "configuration from nowhere",
        "configuration: made by an update",
        [sight.completeIndex],
        () => {
          return `${who(sight)} saw version ${one.version} made by update ${one.token}, which nobody had asked for.`;
        },
      );
    else if (update.type === "fail")
      this.#findings.add(
        "aborted configuration",
        "configuration: made by an update",
        [update.completeIndex, sight.completeIndex],
        () =>
          `${who(sight)} saw version ${one.version} made by update ${one.token} of ${who(update)}, which had definitely failed (${update.error}).`,
      );
    this.#note(one.version, one.token, sight);
    return one.version;
  }

  #note(version: number, token: number, by: Acknowledged | Sight): void {
    const made = this.#made.get(version);
    if (made === undefined) this.#made.set(version, { token, by });
    else if (made.token !== token)
      this.#findings.add(
        "version made twice",
        "configuration: updates are guarded",
        [made.by.completeIndex, by.completeIndex],
        () =>
          `Version ${version} was made by update ${made.token} for ${who(made.by)}, and by update ${token} for ${who(by)}: one was made without regard to the other.`,
      );
    const known = this.#versions.get(token);
    if (known === undefined) this.#versions.set(token, { version, by });
    else if (known.version !== version)
      this.#findings.add(
        "update applied twice",
        "configuration: updates are guarded",
        [known.by.completeIndex, by.completeIndex],
        () =>
          `Update ${token} made version ${known.version} for ${who(known.by)}, and version ${version} for ${who(by)}.`,
      );
  }

  #place(operation: Update | Sight, least: number, proves: number): void {
    const { invokeIndex, completeIndex } = operation;
    this.#placed.push({ operation, invokeIndex, completeIndex, least, proves });
  }

  /** An update of unknown outcome that somebody saw took effect some time after its invocation. */
  #placeUnknown(): void {
    for (const [token, { version }] of this.#versions) {
      const update = this.#updates.get(token);
      if (update?.type !== "info") continue;
      const { invokeIndex } = update;
      const completeIndex = Number.POSITIVE_INFINITY;
      this.#placed.push({
        operation: update,
        invokeIndex,
        completeIndex,
        least: version - 1,
        proves: version,
      });
    }
  }

  #judgeOrder(): void {
    visitPrecedents(
      this.#placed,
      ({ proves }) => proves,
      ({ operation, least }, earlier) => {
        if (least >= earlier.proves) return;
        const witness = [earlier.completeIndex, operation.invokeIndex, operation.completeIndex];
        if (operation.f === "update")
          this.#findings.add("version went back", "configuration: versions grow", witness, () => {
            return `${who(operation)} made version ${least + 1}, but ${who(earlier.operation)} had known version ${earlier.proves} before that update was asked for.`;
          });
        else
          this.#findings.add("stale configuration", "configuration: the newest is read", witness, () => {
            return `${who(operation)} read version ${least}, but ${who(earlier.operation)} had known version ${earlier.proves} before that.`;
          });
      },
    );
  }

  #condemnReturn(sight: Sight, last: number, version: number): void {
    this.#findings.add("version went back", "configuration: versions grow", [sight.completeIndex], () => {
      return `${who(sight)} followed the changes to version ${last}, and then back to version ${version}.`;
    });
  }

  /** Every version was made by an update, seen or not. */
  #judgeGaps(): void {
    let unseen = 0;
    for (const [token, { type }] of this.#updates)
      if (type === "info" && !this.#versions.has(token)) unseen++;
    let missing = 0;
    let before = 0;
    for (const version of [...this.#made.keys()].sort((a, b) => a - b)) {
      missing += version - before - 1;
      before = version;
      if (missing <= unseen) continue;
      const { by } = this.#made.get(version) as { readonly by: Acknowledged | Sight };
      this.#findings.add(
        "version without an update",
        "configuration: made by an update",
        [by.completeIndex],
        () => {
          return `Up to version ${version}, known to ${who(by)}, ${missing} versions were made by no update that succeeded or was seen, but only ${unseen} updates have an unknown outcome.`;
        },
      );
      return;
    }
  }
}
