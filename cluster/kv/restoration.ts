/** From the chunks of a snapshot back to the store it was taken of. */
import { AlarmTable } from "./alarm-table.ts";
import { type AuthState, AuthTable } from "./auth.ts";
import { boolean, integer, list, oneOf, shaped, string } from "./check.ts";
import { isLeaseId, NO_LEASE } from "./lease-id.ts";
import { LeaseTable } from "./lease-table.ts";
import { PackedReader } from "./packed.ts";
import type { Bytes, KeyValue, LeaseId } from "./request.ts";
import { FORMAT, RECORD } from "./snapshot.ts";
import { Store, type StoreOptions } from "./store.ts";
import { Versions } from "./versions.ts";

/** What a record costs in memory beyond its texts, if it is no version. Bytes, roughly. */
const RECORD_OVERHEAD = 200;

export class Restoration {
  readonly #options: StoreOptions;
  readonly #maxBytes: number;
  /** Of everything but versions. */
  #bytes = 0;
  #versions: Versions | undefined;
  readonly #leases = new LeaseTable();
  readonly #alarms = new AlarmTable();
  #auth: AuthTable;
  /** Which keys hang on which leases, as their newest versions say; the leases come later. */
  readonly #attached = new Map<LeaseId, Set<Bytes>>();
  #hash: number | undefined;

  /** `maxBytes`: what the state may take in memory; whoever sends it may not stop by himself. */
  constructor(options: StoreOptions, maxBytes = Number.POSITIVE_INFINITY) {
    this.#options = options;
    this.#maxBytes = maxBytes;
    this.#auth = new AuthTable(undefined, options.bug);
  }

  /** Takes the next chunk in. Throws on malformed bytes. */
  add(chunk: Uint8Array): void {
    const reader = new PackedReader(chunk);
    while (!reader.done) {
      if (this.#hash !== undefined) throw malformed("something follows its end");
      this.#addRecord(reader);
      if ((this.#versions?.bytes ?? 0) + this.#bytes > this.#maxBytes)
        throw malformed(`it takes more than ${this.#maxBytes} bytes`);
    }
  }

  /** The store, once all chunks were added, and the hash it had. Throws if some are missing or it has another one. */
  finish(): { readonly store: Store; readonly hash: number } {
    if (this.#versions === undefined || this.#hash === undefined) throw malformed("its end is missing");
    const parts = {
      versions: this.#versions,
      leases: this.#leases,
      alarms: this.#alarms,
      auth: this.#auth,
    };
    const store = new Store(this.#options, parts);
    // With a planted bug on, what was lost on the way is for the checkers to see.
    if (this.#options.bug === "" && store.hash() !== this.#hash)
      throw malformed("its state is not the one it was taken of");
    return { store, hash: this.#hash };
  }

  #addRecord(reader: PackedReader): void {
    const kind = reader.byte();
    const versions = this.#versions;
    if (versions === undefined) {
      if (kind !== RECORD.begin || reader.text() !== FORMAT) throw malformed("not a store's snapshot");
      this.#versions = Versions.emptyAt(this.#options.bug, reader.integer());
      return;
    }
    if (kind !== RECORD.base && kind !== RECORD.change) this.#bytes += RECORD_OVERHEAD;
    switch (kind) {
      case RECORD.base: {
        const kv = this.#version(reader);
        versions.addBase(kv);
        if (kv.lease !== NO_LEASE) this.#attach(kv);
        return;
      }
      case RECORD.revision:
        versions.addRevision();
        return;
      case RECORD.change: {
        const kv = this.#version(reader);
        const previous = versions.newest(kv.key);
        versions.addChange(kv);
        if (previous !== undefined && previous.lease !== NO_LEASE)
          this.#attached.get(previous.lease)?.delete(kv.key);
        if (kv.lease !== NO_LEASE) this.#attach(kv);
        return;
      }
      case RECORD.lease: {
        const id = leaseId(reader);
        const forgets = this.#options.bug === "snapshot-omits-attachments";
        const keys = forgets ? undefined : this.#attached.get(id);
        this.#leases.grant(id, reader.integer(), reader.integer(), keys);
        return;
      }
      case RECORD.alarm: {
        const alarm = reader.text();
        if (alarm !== "nospace" && alarm !== "corrupt") throw malformed("an unknown alarm");
        this.#alarms.raise({ alarm, member: reader.text() });
        return;
      }
      case RECORD.auth: {
        const text = reader.text();
        this.#bytes += text.length;
        this.#auth = new AuthTable(authState(JSON.parse(text)), this.#options.bug);
        return;
      }
      case RECORD.end:
        if (versions.empty) throw malformed("no log of changes");
        this.#hash = reader.integer();
        return;
      default:
        throw malformed(`no such record: ${kind}`);
    }
  }

  #version(reader: PackedReader): KeyValue {
    return {
      key: reader.text(),
      createRevision: reader.integer(),
      modRevision: reader.integer(),
      version: reader.integer(),
      lease: leaseId(reader),
      value: reader.text(),
    };
  }

  #attach({ lease, key }: KeyValue): void {
    const keys = this.#attached.get(lease);
    if (keys === undefined) this.#attached.set(lease, new Set([key]));
    else keys.add(key);
  }
}

/** The store that all these chunks were taken of. Throws on malformed bytes. */
export function restore(chunks: Iterable<Uint8Array>, options: StoreOptions): Store {
  const restoration = new Restoration(options);
  for (const chunk of chunks) restoration.add(chunk);
  return restoration.finish().store;
}

const permission = shaped({ type: oneOf("read", "write", "readwrite"), key: string, rangeEnd: string });
const isAuthState = shaped({
  enabled: boolean,
  revision: integer,
  users: list(shaped({ name: string, password: string, noPassword: boolean, roles: list(string) })),
  roles: list(shaped({ name: string, permissions: list(permission) })),
  tokens: list(shaped({ token: string, user: string, issued: integer })),
});

function authState(value: unknown): AuthState {
  if (!isAuthState(value)) throw malformed("users and roles are missing");
  return value as AuthState;
}

function leaseId(reader: PackedReader): LeaseId {
  const id = reader.text();
  if (!isLeaseId(id)) throw malformed("a lease's id is no number");
  return id;
}

function malformed(what: string): Error {
  return new Error(`malformed snapshot: ${what}`);
}
