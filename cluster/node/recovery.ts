/** What a member finds on its disk when it boots: the state to begin with, or the reason why it must not begin. */
import { type Disk, DiskError } from "../../src/runtime/runtime.ts";
import { Store } from "../kv/store.ts";
import type { Entry, HardState } from "../raft/message.ts";
import { initialConfiguration, type Member } from "./membership.ts";
import { loadSnapshot, newestSnapshotIndex, SNAPSHOT_DIRECTORY } from "./snapshot-file.ts";
import type { SnapshotHead } from "./snapshot-format.ts";
import { replayWal, WAL_DIRECTORY, type WalContents, WalError } from "./wal.ts";
import type { Identity } from "./wal-format.ts";

export interface Recovered {
  readonly contents: WalContents;
  /** Undefined for a new member, which learns everything from the others. */
  readonly snapshot: (SnapshotHead & { readonly store: Store }) | undefined;
  /** After the snapshot. */
  readonly entries: readonly Entry[];
  readonly hard: HardState;
  /** Its snapshot is not on disk yet. */
  readonly unsaved: boolean;
}

export interface RecoveryOptions {
  readonly clusterId: number;
  readonly member: number;
  /** Who founds the cluster; of no interest to a member that joins. */
  readonly members: readonly Member[];
  readonly join: boolean;
  readonly bug: string;
}

/**
 * The first entry's place is taken by the state all founders begin with, so that later members start from a snapshot.
 * It is an empty one, unless a snapshot of it is there already: that of another cluster, whose state this one takes
 * over.
 */
export const FOUNDED = { index: 1, term: 1 } as const;

/** Gives way now and then: there may be much to read. Throws WalError. */
export function* recover(disk: Disk, options: RecoveryOptions): Generator<void, Recovered> {
  try {
    disk.makeDirectory(WAL_DIRECTORY);
    disk.makeDirectory(SNAPSHOT_DIRECTORY);
    const contents = yield* replayWal(disk, options, options.bug);
    if (contents.incarnation > 0) return yield* resume(disk, contents, options.bug);
    return yield* begin(disk, contents, options);
  } catch (error) {
    if (error instanceof DiskError) throw new WalError(`cannot read the disk: ${error.message}`);
    throw error;
  }
}

/** What a restart would find, without changing anything; a new member's log is empty. Throws WalError or DiskError. */
export function* examine(disk: Disk, identity: Identity): Generator<void, Recovered> {
  const contents = yield* replayWal(disk, identity, "");
  if (contents.incarnation > 0) return yield* resume(disk, contents, "");
  return { contents, snapshot: undefined, entries: [], hard: contents.hard, unsaved: false };
}

/** Runs to the end without giving way. */
export function complete<T>(steps: Generator<void, T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

function* begin(disk: Disk, contents: WalContents, options: RecoveryOptions): Generator<void, Recovered> {
  const newest = newestSnapshotIndex(disk);
  if (newest > FOUNDED.index) throw new WalError(`there is a snapshot at ${newest}, but no log`);
  if (options.join)
    return { contents, snapshot: undefined, entries: [], hard: contents.hard, unsaved: false };
  const { members, bug } = options;
  const given = yield* loadSnapshot(disk, [FOUNDED], { bug });
  const snapshot = given ?? {
    meta: { ...FOUNDED, configuration: initialConfiguration(members) },
    members,
    store: new Store({ bug }),
  };
  const hard: HardState = { term: FOUNDED.term, vote: 0, commit: FOUNDED.index };
  const unsaved = given === undefined;
  return { contents: { ...contents, hard, markers: [FOUNDED] }, snapshot, entries: [], hard, unsaved };
}

function* resume(disk: Disk, contents: WalContents, bug: string): Generator<void, Recovered> {
  const snapshot = yield* loadSnapshot(disk, contents.markers, { bug });
  const base = snapshot?.meta.index ?? 0;
  const entries = contents.entries.filter((entry) => entry.index > base);
  const last = entries.at(-1)?.index ?? base;
  const newest = contents.markers.reduce((index, marker) => Math.max(index, marker.index), 0);
  if ((entries[0] !== undefined && entries[0].index !== base + 1) || last < newest)
    throw new WalError(
      `the log does not follow on from the newest sound snapshot, at ${base}: ` +
        `it goes from ${entries[0]?.index ?? newest + 1}, and there was a snapshot at ${newest}`,
    );
  const hard = { ...contents.hard, commit: Math.max(contents.hard.commit, base) };
  return { contents, snapshot, entries, hard, unsaved: false };
}
