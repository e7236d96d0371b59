/**
 * The store's state as bytes: a row of records, handed out in chunks of whole records, so that neither who writes
 * nor who reads ever holds all of it. Everything is in a fixed order: equal states are equal records.
 */
import type { AuthState } from "./auth.ts";
import type { LeaseTerms } from "./lease-table.ts";
import { PackedWriter } from "./packed.ts";
import type { Alarm, KeyValue, LeaseId, Revision, WatchEvent } from "./request.ts";

/** A store as it was at one moment, whatever becomes of it afterwards. Making one takes no time. */
export interface StoreView {
  readonly compactRevision: Revision;
  /** What the log of changes does not hold, in key order. */
  base(): Iterable<KeyValue>;
  /** Changes by revision from the compact revision (or 1) on; only the first `revisions` belong to the view. */
  readonly log: readonly (readonly WatchEvent[])[];
  readonly revisions: number;
  /** In ascending order of their ids. Which keys hang on them is said by the keys. */
  leases(): Iterable<readonly [LeaseId, LeaseTerms]>;
  readonly alarms: readonly Alarm[];
  readonly auth: AuthState;
  /** Of the whole state. */
  readonly hash: number;
}

/** What a snapshot begins with. */
export const FORMAT = "faultline-kv-2";

/** The first byte of a record. */
export const RECORD = {
  /** Format, compact revision. */
  begin: 1,
  /** A version that the log of changes does not hold. */
  base: 2,
  /** The next revision; its changes follow. */
  revision: 3,
  /** A version of that revision. */
  change: 4,
  lease: 5,
  alarm: 6,
  /** Users and roles, as JSON. */
  auth: 7,
  /** Hash of the state. Nothing follows. */
  end: 8,
} as const;

/** Bytes of encoded changes that are kept for the next snapshot at most. */
const KEPT_BYTES = 1 << 20;

/** The beginning of a snapshot that the next one shares, until a compaction. */
interface Prefix {
  readonly compactRevision: Revision;
  readonly chunkBytes: number;
  readonly chunks: readonly Uint8Array[];
  /** The beginning of the chunk after these. */
  readonly rest: Uint8Array;
  /** How many revisions all that holds. */
  readonly revisions: number;
}

/** Encodes the states of one store. */
export class StateEncoder {
  /** Between compactions the base stays and the log grows: a small state is not encoded again with each snapshot. */
  #prefix: Prefix | undefined;

  /** Chunks of at least `chunkBytes` bytes but for the last, and longer by less than a record. */
  *encode(view: StoreView, chunkBytes: number): Generator<Uint8Array, void> {
    const writer = new PackedWriter();
    const full = () => writer.length >= chunkBytes;
    const { compactRevision } = view;
    const prefix = this.#prefixOf(view, chunkBytes);
    /** What can be kept so far; undefined once it is too much. */
    let kept: Uint8Array[] | undefined = [];
    let size = 0;
    const take = (): Uint8Array => {
      const chunk = writer.take();
      size += chunk.length;
      if (size > KEPT_BYTES) kept = undefined;
      kept?.push(chunk);
      return chunk;
    };

    if (prefix === undefined) {
      writer.byte(RECORD.begin);
      writer.text(FORMAT);
      writer.integer(compactRevision);
      for (const kv of view.base()) {
        writer.byte(RECORD.base);
        writeVersion(writer, kv);
        if (full()) yield take();
      }
    } else {
      for (const chunk of prefix.chunks) {
        kept?.push(chunk);
        size += chunk.length;
        yield chunk;
      }
      writer.raw(prefix.rest);
    }
    for (let i = prefix?.revisions ?? 0; i < view.revisions; i++) {
      writer.byte(RECORD.revision);
      for (const { kv } of view.log[i] as readonly WatchEvent[]) {
        writer.byte(RECORD.change);
        writeVersion(writer, kv);
        if (full()) yield take();
      }
    }
    if (kept !== undefined && size + writer.length <= KEPT_BYTES) {
      const { revisions } = view;
      this.#prefix = { compactRevision, chunkBytes, chunks: kept, rest: writer.copy(), revisions };
    } else this.#prefix = undefined;

    for (const [id, { ttl, remaining }] of view.leases()) {
      writer.byte(RECORD.lease);
      writer.text(id);
      writer.integer(ttl);
      writer.integer(remaining);
      if (full()) yield writer.take();
    }
    for (const { alarm, member } of view.alarms) {
      writer.byte(RECORD.alarm);
      writer.text(alarm);
      writer.text(member);
    }
    writer.byte(RECORD.auth);
    writer.text(JSON.stringify(view.auth));
    writer.byte(RECORD.end);
    writer.integer(view.hash);
    yield writer.take();
  }

  #prefixOf(view: StoreView, chunkBytes: number): Prefix | undefined {
    const prefix = this.#prefix;
    const shared =
      prefix !== undefined &&
      prefix.compactRevision === view.compactRevision &&
      prefix.chunkBytes === chunkBytes &&
      prefix.revisions <= view.revisions;
    return shared ? prefix : undefined;
  }
}

function writeVersion(writer: PackedWriter, kv: KeyValue): void {
  writer.text(kv.key);
  writer.integer(kv.createRevision);
  writer.integer(kv.modRevision);
  writer.integer(kv.version);
  writer.text(kv.lease);
  writer.text(kv.value);
}
