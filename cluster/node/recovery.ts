/** What a member finds on its disk when it boots: the state to begin with, or the reason why it must not begin. */
import { type Disk, DiskError } from "../../src/runtime/runtime.ts";
import { Store } from "../kv/store.ts";
import type { Entry, HardState } from "../raft/message.ts";
import { initialConfiguration, type Member } from "./membership.ts";
import {
  loadSnapshot,
  newestSnapshotIndex,
  SNAPSHOT_DIRECTORY,
  type StateSnapshot,
} from "./snapshot-file.ts";
import { encodeState } from "./state.ts";
import { replayWal, WAL_DIRECTORY, type WalContents, WalError } from "./wal.ts";
import type { Identity } from "./wal-format.ts";

export interface Recovered {
  readonly contents: WalContents;
  /** Undefined for a new member, which learns everything from the others. */
  readonly snapshot: StateSnapshot | undefined;
  /** After the snapshot. */
  readonly entries: readonly Entry[];
  readonly hard: HardState;
  /** This member has no past: its snapshot is not on disk yet. */
  readonly fresh: boolean;
}

export interface RecoveryOptions {
  readonly clusterId: number;
  readonly member: number;
  /** Who founds the cluster; of no interest to a member that joins. */
  readonly members: readonly Member[];
  readonly join: boolean;
  readonly bug: string;
}

/** The first entry's place is taken by the state all founders begin with, so that later members start from a snapshot. */
const FOUNDED = { index: 1, term: 1 } as const;

/** Throws WalError. */
export function recover(disk: Disk, options: RecoveryOptions): Recovered {
  try {
    disk.makeDirectory(WAL_DIRECTORY);
    disk.makeDirectory(SNAPSHOT_DIRECTORY);
    const contents = replayWal(disk, options, options.bug);
    return contents.incarnation === 0 ? begin(disk, contents, options) : resume(disk, contents);
  } catch (error) {
    if (error instanceof DiskError) throw new WalError(`cannot read the disk: ${error.message}`);
    throw error;
  }
}

/** What a restart would find, without changing anything; a new member's log is empty. Throws WalError or DiskError. */
export function examine(disk: Disk, identity: Identity): Recovered {
  const contents = replayWal(disk, identity, "");
  if (contents.incarnation > 0) return resume(disk, contents);
  return { contents, snapshot: undefined, entries: [], hard: contents.hard, fresh: true };
}

function begin(disk: Disk, contents: WalContents, options: RecoveryOptions): Recovered {
  const newest = newestSnapshotIndex(disk);
  if (newest > FOUNDED.index) throw new WalError(`there is a snapshot at ${newest}, but no log`);
  if (options.join) return { contents, snapshot: undefined, entries: [], hard: contents.hard, fresh: true };
  const { members, bug } = options;
  const snapshot: StateSnapshot = {
    meta: { ...FOUNDED, configuration: initialConfiguration(members) },
    data: encodeState({ members, store: new Store({ bug }).snapshot() }),
  };
  const hard: HardState = { term: FOUNDED.term, vote: 0, commit: FOUNDED.index };
  return { contents: { ...contents, hard, markers: [FOUNDED] }, snapshot, entries: [], hard, fresh: true };
}

function resume(disk: Disk, contents: WalContents): Recovered {
  const snapshot = loadSnapshot(disk, contents.markers);
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
  return { contents, snapshot, entries, hard, fresh: false };
}
