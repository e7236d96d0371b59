/**
 * A snapshot in a file of its own: fetched from a member, looked at, made the beginning of a new cluster. The file is
 * what the Maintenance service streams, also to etcdctl: frames, zeros, SHA-256.
 */
import { createHash } from "node:crypto";
import fs from "node:fs";
import { dirname, join, resolve } from "node:path";
import { DIGEST_BYTES, SECTOR_BYTES } from "../etcd/snapshot-stream.ts";
import { makeDirectoryNow, syncNamesNow } from "../live/disk.ts";
import { type Founding, foundedId, founders } from "../live/founding.ts";
import { type Identity, writeIdentity } from "../live/identity.ts";
import { initialConfiguration } from "../node/membership.ts";
import { FOUNDED } from "../node/recovery.ts";
import { SNAPSHOT_DIRECTORY, snapshotFileName } from "../node/snapshot-file.ts";
import {
  type DecodedSnapshot,
  FRAME_HEADER_BYTES,
  frameLength,
  headFrame,
  SnapshotDecoder,
  SnapshotError,
} from "../node/snapshot-format.ts";
import { WAL_DIRECTORY } from "../node/wal.ts";

const BLOCK_BYTES = 1 << 20;

/** The file cannot be used: it is missing, damaged, or none of ours. */
export class SnapshotFileError extends Error {
  override readonly name = "SnapshotFileError";
}

export interface SnapshotStatus {
  /** Of the state in it, equal for equal states. 32 bits. */
  readonly hash: number;
  readonly revision: number;
  readonly totalKey: number;
  /** Bytes of the file. */
  readonly totalSize: number;
}

/** Reads all of it. Throws SnapshotFileError unless it is whole. */
export function snapshotStatus(path: string): SnapshotStatus {
  const file = new SnapshotFile(path);
  try {
    const { store, hash } = file.decode();
    const all = store.range({ kind: "range", key: "\0", rangeEnd: "\0", countOnly: true });
    return {
      hash,
      revision: store.revision,
      totalKey: all.kind === "range" ? all.count : 0,
      totalSize: file.size,
    };
  } finally {
    file.close();
  }
}

export interface Restoration extends Founding {
  readonly snapshot: string;
  readonly name: string;
  /** Must not exist. */
  readonly dataDirectory: string;
}

/**
 * Makes the data directory of a founder of a new cluster that begins with the state in a snapshot. Every founder has
 * to be restored from the same file. Writes nothing unless the file is whole: throws SnapshotFileError.
 */
export function restoreSnapshot(restoration: Restoration): Identity {
  const directory = resolve(restoration.dataDirectory);
  if (fs.existsSync(directory))
    throw new SnapshotFileError(
      `${directory} exists already: a restored member needs a directory of its own`,
    );
  const file = new SnapshotFile(restoration.snapshot);
  const aside = `${directory}.restoring`;
  try {
    const { digest } = file;
    file.decode();
    const members = founders(restoration);
    const self = members.find(({ name }) => name === restoration.name);
    if (self === undefined) throw new Error(`${restoration.name} is not a founder`);
    const identity: Identity = {
      clusterId: foundedId(restoration, digest),
      member: self.id,
      name: self.name,
      started: false,
      origin: digest,
    };
    fs.rmSync(aside, { recursive: true, force: true });
    for (const part of [SNAPSHOT_DIRECTORY, WAL_DIRECTORY]) makeDirectoryNow(join(aside, part));
    const configuration = initialConfiguration(members);
    const head = headFrame({ meta: { ...FOUNDED, configuration }, members });
    file.copy(head, join(aside, SNAPSHOT_DIRECTORY, snapshotFileName(FOUNDED)));
    syncNamesNow(join(aside, SNAPSHOT_DIRECTORY));
    writeIdentity(aside, identity);
    fs.renameSync(aside, directory);
    syncNamesNow(dirname(directory));
    return identity;
  } finally {
    file.close();
  }
}

/** Throws SnapshotFileError unless what was written there is a whole snapshot. */
export function checkSnapshot(path: string): void {
  const file = new SnapshotFile(path);
  try {
    for (const frame of file.frames()) frameLength(frame);
  } finally {
    file.close();
  }
}

class SnapshotFile {
  readonly size: number;
  /** In hexadecimal digits. */
  readonly digest: string;
  readonly #path: string;
  readonly #descriptor: number;

  /** Throws SnapshotFileError unless the file is as long as it should be, and checks out as a whole. */
  constructor(path: string) {
    this.#path = path;
    try {
      this.#descriptor = fs.openSync(path, "r");
    } catch (error) {
      throw new SnapshotFileError(`the snapshot cannot be read: ${(error as Error).message}`);
    }
    try {
      this.size = fs.fstatSync(this.#descriptor).size;
      this.digest = this.#checkedDigest();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    fs.closeSync(this.#descriptor);
  }

  /** Throws SnapshotFileError if it makes no sense. */
  decode(): DecodedSnapshot {
    const decoder = new SnapshotDecoder({ bug: "" });
    try {
      for (const frame of this.frames()) decoder.add(frame);
      return decoder.finish();
    } catch (error) {
      throw error instanceof SnapshotError ? this.#wrong(error.message) : error;
    }
  }

  /** Throws SnapshotFileError where one is missing. */
  *frames(): Generator<Uint8Array, void> {
    const end = this.size - DIGEST_BYTES;
    for (let at = 0; ; ) {
      const header = this.#read(at, Math.min(FRAME_HEADER_BYTES, end - at));
      let length: number;
      try {
        length = frameLength(header);
      } catch (error) {
        throw this.#wrong((error as Error).message);
      }
      if (at + length > end) throw this.#wrong("it is cut off");
      yield this.#read(at, length);
      if (length === FRAME_HEADER_BYTES) return;
      at += length;
    }
  }

  /** Writes it to another file, durably, with another first frame. */
  copy(head: Uint8Array, path: string): void {
    const descriptor = fs.openSync(path, "wx", 0o600);
    try {
      let number = 0;
      for (const frame of this.frames()) fs.writeFileSync(descriptor, number++ === 0 ? head : frame);
      fs.fsyncSync(descriptor);
    } finally {
      fs.closeSync(descriptor);
    }
  }

  #checkedDigest(): string {
    if (this.size < SECTOR_BYTES + DIGEST_BYTES || this.size % SECTOR_BYTES !== DIGEST_BYTES)
      throw this.#wrong("it is cut off, or no snapshot");
    const end = this.size - DIGEST_BYTES;
    const hash = createHash("sha256");
    for (let at = 0; at < end; at += BLOCK_BYTES)
      hash.update(this.#read(at, Math.min(BLOCK_BYTES, end - at)));
    const digest = hash.digest("hex");
    if (digest !== this.#read(end, DIGEST_BYTES).toString("hex")) throw this.#wrong("its checksum is wrong");
    return digest;
  }

  #read(from: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    for (let at = 0; at < length; ) {
      const count = fs.readSync(this.#descriptor, bytes, at, length - at, from + at);
      if (count === 0) throw this.#wrong("it became shorter");
      at += count;
    }
    return bytes;
  }

  #wrong(what: string): SnapshotFileError {
    return new SnapshotFileError(`${this.#path} is no whole snapshot: ${what}`);
  }
}
