/**
 * The store's state as bytes: JSON, whose characters are the bytes. Everything is in a fixed order, so that equal
 * states are equal bytes.
 */
import type { AuthState } from "./auth.ts";
import type { Lease } from "./lease-table.ts";
import type { Alarm, Bytes, KeyValue, LeaseId, Revision, WatchEvent } from "./request.ts";

export type State = {
  readonly compactRevision: Revision;
  /** What the log does not hold, in key order. */
  readonly base: readonly KeyValue[];
  /** Versions by revision, from the compact revision (or 1) to the newest. */
  readonly log: readonly (readonly KeyValue[])[];
  readonly leases: readonly (Omit<Lease, "keys"> & { readonly keys: readonly Bytes[] })[];
  readonly alarms: readonly Alarm[];
  readonly auth: AuthState;
};

const FORMAT = "faultline-kv-1";

type Row = readonly [
  key: Bytes,
  create: Revision,
  mod: Revision,
  version: number,
  value: Bytes,
  lease: LeaseId,
];

/** Encodes the states of one store, one after the other. */
export class StateEncoder {
  /** Between compactions the base stays and the log grows: their bytes are kept, and only what is new is encoded. */
  #compactRevision: Revision = -1;
  #kept = Buffer.alloc(1024);
  #length = 0;
  #revisions = 0;

  encode(
    compactRevision: Revision,
    base: () => readonly KeyValue[],
    log: readonly (readonly WatchEvent[])[],
    leases: State["leases"],
    alarms: State["alarms"],
    auth: AuthState,
  ): Uint8Array {
    if (compactRevision !== this.#compactRevision) {
      this.#compactRevision = compactRevision;
      this.#revisions = 0;
      this.#length = 0;
      this.#keep(`${JSON.stringify([FORMAT, compactRevision, base().map(row)]).slice(0, -1)},[`);
    }
    let text = "";
    for (let i = this.#revisions; i < log.length; i++) {
      const changes = JSON.stringify(log[i]!.map(({ kv }) => row(kv)));
      text += i === 0 ? changes : `,${changes}`;
    }
    this.#revisions = log.length;
    this.#keep(text);
    const rows = leases.map((lease) => [lease.id, lease.ttl, lease.remaining, lease.keys]);
    const raised = alarms.map(({ alarm, member }) => [alarm, member]);
    const rest = Buffer.from(
      `],${JSON.stringify(rows)},${JSON.stringify(raised)},${JSON.stringify(auth)}]`,
      "latin1",
    );
    return Buffer.concat([this.#kept.subarray(0, this.#length), rest]);
  }

  #keep(text: string): void {
    const length = this.#length + text.length;
    if (length > this.#kept.length) {
      const larger = Buffer.alloc(2 * length);
      this.#kept.copy(larger, 0, 0, this.#length);
      this.#kept = larger;
    }
    this.#kept.write(text, this.#length, "latin1");
    this.#length = length;
  }
}

/** Throws when the bytes are no state. */
export function decodeState(bytes: Uint8Array): State {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
  const document = list(JSON.parse(text));
  if (document.length !== 7 || document[0] !== FORMAT) throw malformed("not a store's snapshot");
  return {
    compactRevision: count(document[1]),
    base: list(document[2]).map(keyValue),
    log: list(document[3]).map((changes) => list(changes).map(keyValue)),
    leases: list(document[4]).map((value) => {
      const [id, ttl, remaining, keys] = list(value);
      return { id: string(id), ttl: count(ttl), remaining: count(remaining), keys: list(keys).map(string) };
    }),
    alarms: list(document[5]).map((value) => {
      const [alarm, member] = list(value);
      if (alarm !== "nospace" && alarm !== "corrupt") throw malformed("an unknown alarm");
      return { alarm, member: string(member) };
    }),
    auth: authState(document[6]),
  };
}

function row(kv: KeyValue): Row {
  return [kv.key, kv.createRevision, kv.modRevision, kv.version, kv.value, kv.lease];
}

function keyValue(value: unknown): KeyValue {
  const [key, create, mod, version, bytes, lease] = list(value);
  return {
    key: string(key),
    createRevision: count(create),
    modRevision: count(mod),
    version: count(version),
    value: string(bytes),
    lease: string(lease),
  };
}

function authState(value: unknown): AuthState {
  const state = value as Partial<AuthState> | null;
  if (typeof state !== "object" || state === null || typeof state.enabled !== "boolean")
    throw malformed("users and roles are missing");
  count(state.revision);
  for (const part of [state.users, state.roles, state.tokens]) list(part);
  return state as AuthState;
}

function list(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw malformed("a list is missing");
  return value;
}

function string(value: unknown): string {
  if (typeof value !== "string") throw malformed("a string is missing");
  return value;
}

function count(value: unknown): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw malformed("a number is missing");
  return value as number;
}

function malformed(what: string): Error {
  return new Error(`malformed snapshot: ${what}`);
}
