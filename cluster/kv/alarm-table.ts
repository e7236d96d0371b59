/** The replicated part of alarms: which member raised which. While any stands, all members refuse what it forbids. */
import { ErrCorrupt, ErrNoSpace } from "./errors.ts";
import type { Alarm, AlarmRequest, AlarmType, RequestOp, StatusError, TxnRequest } from "./request.ts";
import { hashOf, hashString } from "./state-hash.ts";

/** A key's metadata and a lease, as etcd reckons them. Bytes. */
const KEY_COST = 256;
const LEASE_COST = 64;

export class AlarmTable {
  /** By type and member, in ascending order of that. */
  #alarms: readonly Alarm[] = [];
  #digest = 0;

  /** A sum over all alarms; 0 when there is none. */
  get digest(): number {
    return this.#digest;
  }

  /** Those of a type, or all. */
  list(type: AlarmType | "none"): readonly Alarm[] {
    return type === "none" ? this.#alarms : this.#alarms.filter(({ alarm }) => alarm === type);
  }

  /** Returns what was raised or taken back. As in etcd, raising what stands already returns it again. */
  change(request: AlarmRequest): readonly Alarm[] {
    const { action, member, alarm } = request;
    if (action === "get") return this.list(alarm);
    if (alarm === "none") return [];
    const changed: Alarm = { member, alarm };
    const known = this.#alarms.some((other) => isSame(other, changed));
    if (action === "activate") {
      if (!known) this.raise(changed);
      return [changed];
    }
    if (!known) return [];
    this.#alarms = this.#alarms.filter((other) => !isSame(other, changed));
    this.#digest = (this.#digest - hashAlarm(changed)) | 0;
    return [changed];
  }

  /** One that does not stand. */
  raise(alarm: Alarm): void {
    this.#alarms = [...this.#alarms, alarm].sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
    this.#digest = (this.#digest + hashAlarm(alarm)) | 0;
  }

  /** Why this must not be done now, if so. */
  refusal(command: { readonly kind: string } | RequestOp): StatusError | undefined {
    if (this.#alarms.length === 0) return undefined;
    if (this.#alarms.some(({ alarm }) => alarm === "corrupt"))
      return isData(command) ? ErrCorrupt : undefined;
    return costOf(command) > 0 ? ErrNoSpace : undefined;
  }
}

/** Bytes that a request may add to the store, as etcd reckons them; 0 for one that only reads or removes. */
export function costOf(request: { readonly kind: string } | RequestOp): number {
  switch (request.kind) {
    case "put": {
      const put = request as Extract<RequestOp, { kind: "put" }>;
      return KEY_COST + put.key.length + put.value.length;
    }
    case "txn": {
      const { success, failure } = request as TxnRequest;
      const sum = (ops: readonly RequestOp[]) => ops.reduce((cost, op) => cost + costOf(op), 0);
      return Math.max(sum(success), sum(failure));
    }
    case "lease-grant":
      return LEASE_COST;
    default:
      return 0;
  }
}

const DATA: ReadonlySet<string> = new Set([
  "range",
  "put",
  "delete-range",
  "txn",
  "compact",
  "lease-grant",
  "lease-revoke",
]);

function isData(command: { readonly kind: string }): boolean {
  return DATA.has(command.kind);
}

function isSame(a: Alarm, b: Alarm): boolean {
  return a.alarm === b.alarm && a.member === b.member;
}

function sortKey({ alarm, member }: Alarm): string {
  return `${alarm} ${member.padStart(20, "0")}`;
}

function hashAlarm({ alarm, member }: Alarm): number {
  return hashOf(hashString(hashString(3, alarm), member));
}
