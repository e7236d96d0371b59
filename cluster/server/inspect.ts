/** What lies in a data directory, and whether a member could start from it. Reads only; also while a member runs. */
import fs from "node:fs";
import { join, resolve } from "node:path";
import type { Disk } from "../../src/runtime/runtime.ts";
import { DiskError } from "../../src/runtime/runtime.ts";
import { LiveDisk } from "../live/disk.ts";
import { EventLoop } from "../live/event-loop.ts";
import { hexId, type Identity, readIdentity } from "../live/identity.ts";
import { complete, examine } from "../node/recovery.ts";
import { isSnapshotFile, readSnapshot, SNAPSHOT_DIRECTORY } from "../node/snapshot-file.ts";
import { SnapshotError } from "../node/snapshot-format.ts";
import { WAL_DIRECTORY, WalError } from "../node/wal.ts";
import { readSegment, type WalRecord } from "../node/wal-format.ts";

/** There is no such directory, or it is no member's. */
export class NoDataDirectory extends Error {
  override readonly name = "NoDataDirectory";
}

export interface Inspection {
  /** What was found, line by line. */
  readonly lines: readonly string[];
  /** Why no member can start from it; undefined if one can. */
  readonly damage: string | undefined;
}

/** Throws NoDataDirectory. */
export function inspect(dataDirectory: string): Inspection {
  const directory = resolve(dataDirectory);
  const identity = readIdentity(directory);
  if (identity === undefined) throw new NoDataDirectory(`${directory} is not the data directory of a member`);
  const disk = new LiveDisk(directory, new EventLoop(() => {}));
  const lines = [
    `${directory}: member ${hexId(identity.member)} (${identity.name}) of cluster ${hexId(identity.clusterId)}`,
  ];
  const segments = disk.list(WAL_DIRECTORY).filter((name) => name.endsWith(".wal"));
  lines.push(`log: ${count(segments.length, "segment")}`);
  for (const name of segments) lines.push(...segmentLines(disk, `${WAL_DIRECTORY}/${name}`));
  const snapshots = disk.list(SNAPSHOT_DIRECTORY);
  lines.push(`snapshots: ${count(snapshots.length, "file")}`);
  for (const name of snapshots) {
    const { size } = fs.statSync(join(directory, SNAPSHOT_DIRECTORY, name));
    lines.push(`  ${snapshotLine(disk, name, size)}`);
  }
  return judge(disk, identity, lines);
}

/** What a start would make of it. */
function judge(disk: Disk, identity: Identity, lines: readonly string[]): Inspection {
  try {
    const { contents, snapshot, entries, hard } = complete(examine(disk, identity));
    const { incarnation, overwritten, tornBytes } = contents;
    if (incarnation === 0) {
      const damage = identity.started ? "the log is gone" : undefined;
      return { lines: [...lines, damage ?? "a start would begin with an empty log"], damage };
    }
    const last = entries.at(-1)?.index ?? snapshot?.meta.index ?? 0;
    const found = [
      `hard state: term ${hard.term}, vote ${hard.vote === 0 ? "none" : hexId(hard.vote)}, commit ${hard.commit}`,
      `started ${count(incarnation, "time")}; ${count(overwritten, "entry", "entries")} of the log were replaced by another leader's`,
      `a start would recover the log up to ${last}: ${snapshot === undefined ? "no snapshot" : `the snapshot at ${snapshot.meta.index}`} and ${count(entries.length, "entry", "entries")}${tornBytes > 0 ? `, and cut ${count(tornBytes, "byte")} off that were never synced` : ""}`,
    ];
    return { lines: [...lines, ...found], damage: undefined };
  } catch (error) {
    if (!(error instanceof WalError || error instanceof DiskError)) throw error;
    return { lines: [...lines, `a start would be refused: ${error.message}`], damage: error.message };
  }
}

const ENDS = {
  sound: () => "sound",
  torn: (rest: number, at: number) => `torn: ${count(rest, "byte")} after byte ${at} were never synced`,
  damaged: (rest: number, at: number) =>
    `DAMAGED at byte ${at}: ${count(rest, "byte")} do not check out, and were synced`,
} as const;

function segmentLines(disk: Disk, path: string): string[] {
  const bytes = disk.read(path);
  const { records, length, end } = readSegment(bytes, false);
  const indent = "    ";
  const lines = [`  ${path}: ${count(bytes.length, "byte")}, ${ENDS[end](bytes.length - length, length)}`];
  const entries = records.flatMap((record) => (record.kind === "entry" ? [record.entry] : []));
  const [first, last] = [entries[0], entries.at(-1)];
  if (first !== undefined && last !== undefined) {
    const configs = entries.filter((entry) => entry.kind === "config").length;
    lines.push(
      `${indent}${count(entries.length, "entry", "entries")} ${first.index} (term ${first.term}) to ${last.index} (term ${last.term}), ${configs} of them of membership`,
    );
  }
  for (const record of records)
    if (record.kind === "marker") lines.push(`${indent}knows of ${markerText(record)}`);
  return [...new Set(lines)];
}

function markerText({ index, term }: Extract<WalRecord, { kind: "marker" }>): string {
  return `a snapshot at ${index} (term ${term})`;
}

function snapshotLine(disk: Disk, name: string, bytes: number): string {
  const path = `${SNAPSHOT_DIRECTORY}/${name}`;
  const size = `${path}: ${count(bytes, "byte")}`;
  if (!isSnapshotFile(name)) return `${size}, left by a crash while it was written`;
  try {
    const { meta, members } = complete(readSnapshot(disk, name, { bug: "" }));
    const names = members.map(
      ({ id, name, learner }) => `${name ?? hexId(id)}${learner ? " (learner)" : ""}`,
    );
    return `${size}, sound: at ${meta.index} (term ${meta.term}), members ${names.join(", ")}`;
  } catch (error) {
    if (!(error instanceof SnapshotError)) throw error;
    return `${size}, DAMAGED: ${error.message}`;
  }
}

function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}
