/**
 * The etcd v3 store as a state machine: revisions, versions of keys, transactions, compaction and leases.
 * A command's outcome depends on the commands applied before and on nothing else, so replicas agree.
 */
import { AlarmTable } from "./alarm-table.ts";
import { AuthTable, NO_AUTH } from "./auth.ts";
import type { Applied, Command, CommandResponse, LeaseCheckpoint } from "./command.ts";
import { evaluateCompare } from "./compare.ts";
import { ErrCompacted, ErrFutureRev, ErrKeyNotFound, ErrLeaseExist, ErrLeaseNotFound } from "./errors.ts";
import { NO_LEASE } from "./lease-id.ts";
import { LeaseTable } from "./lease-table.ts";
import { checkPermission } from "./permissions.ts";
import { answerRange } from "./range.ts";
import type {
  Alarm,
  AlarmType,
  AuthQuery,
  AuthQueryResponse,
  Bytes,
  Caller,
  CompactRequest,
  Compare,
  DeleteRangeRequest,
  DeleteRangeResponse,
  KeyValue,
  LeaseGrantRequest,
  LeaseId,
  LeaseRevokeRequest,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  RequestOp,
  ResponseOp,
  Revision,
  StatusError,
  TxnRequest,
  TxnResponse,
  WatchEvent,
} from "./request.ts";
import { StateEncoder } from "./snapshot.ts";
import { hashOf, mix } from "./state-hash.ts";
import { checkRequest, STORE_LIMITS } from "./validate.ts";
import { Versions } from "./versions.ts";

export type StoreOptions = {
  /** A planted bug by name, "" for none. */
  readonly bug: string;
};

/** What a store consists of. */
export interface StoreParts {
  readonly versions: Versions;
  readonly leases: LeaseTable;
  readonly alarms: AlarmTable;
  readonly auth: AuthTable;
}

/** Which branch a transaction takes, and its nested transactions in their order in that branch. */
type Choice = { readonly succeeded: boolean; readonly nested: readonly Choice[] };

const NO_EVENTS: readonly WatchEvent[] = Object.freeze([]);
const NO_CHOICES: readonly Choice[] = Object.freeze([]);

export class Store {
  readonly #bug: string;
  readonly #versions: Versions;
  readonly #leases: LeaseTable;
  readonly #alarms: AlarmTable;
  readonly #auth: AuthTable;
  readonly #encoder = new StateEncoder();

  /** Empty, unless the parts of another are given. */
  constructor(options: StoreOptions, parts?: StoreParts) {
    this.#bug = options.bug;
    this.#versions = parts?.versions ?? new Versions(options.bug);
    this.#leases = parts?.leases ?? new LeaseTable();
    this.#alarms = parts?.alarms ?? new AlarmTable();
    this.#auth = parts?.auth ?? new AuthTable(undefined, options.bug);
  }

  /** The newest revision; 1 in a fresh store. */
  get revision(): Revision {
    return this.#versions.revision;
  }

  /** The oldest revision that can be read and watched; 0 before the first compaction. */
  get compactRevision(): Revision {
    return this.#versions.compactRevision;
  }

  /** Never throws: what a command asks in vain is an error value, and has changed nothing. */
  apply(command: Command): Applied {
    const events: WatchEvent[] = [];
    const response = this.#execute(command, events);
    if (events.length > 0) {
      this.#versions.commit(events);
    } else if (
      this.#bug === "failed-txn-takes-revision" &&
      command.kind === "txn" &&
      response.kind !== "error"
    ) {
      this.#versions.commit(NO_EVENTS);
    }
    return { response, revision: this.#versions.revision, events };
  }

  /** Users, roles and what they may do. */
  get auth(): Pick<AuthTable, "enabled" | "revision" | "user" | "token" | "checkAdmin"> {
    return this.#auth;
  }

  /** Why the caller must not do it, if so. */
  permit(request: Command | RangeRequest | AuthQuery, caller: Caller | undefined): StatusError | undefined {
    return checkPermission(this.#auth, this.#leases, request, caller);
  }

  authQuery(request: AuthQuery): AuthQueryResponse | StatusError {
    return this.#auth.query(request);
  }

  range(request: RangeRequest): RangeResponse | StatusError {
    return (
      checkRequest(request, STORE_LIMITS) ??
      this.#alarms.refusal(request) ??
      this.#checkRevision(request) ??
      this.#range(request)
    );
  }

  /** Throws when an operation is not a range. */
  readTxn(request: TxnRequest): TxnResponse | StatusError {
    if (!isReadOnly(request)) throw new Error("a transaction that writes must go through apply");
    return checkRequest(request, STORE_LIMITS) ?? this.#alarms.refusal(request) ?? this.#txn(request, []);
  }

  /**
   * The store as it is now, as chunks for a `Restoration`: of at least `chunkBytes` bytes, but for the last. They are
   * encoded when they are asked for, whatever becomes of the store meanwhile. Equal stores give equal chunks.
   */
  snapshot(chunkBytes: number): Iterable<Uint8Array> {
    const omitsLeases = this.#bug === "snapshot-omits-leases";
    return this.#encoder.encode(
      {
        ...this.#versions.view(),
        leases: omitsLeases ? () => [] : this.#leases.view(),
        alarms: this.#alarms.list("none"),
        auth: this.#bug === "snapshot-omits-users" ? NO_AUTH : this.#auth.state(),
        hash: this.hash(),
      },
      chunkBytes,
    );
  }

  /** 32 bits over the whole state, equal for equal states. Costs nothing: it is kept up to date. */
  hash(): number {
    const { revision, compactRevision, digest } = this.#versions;
    const versions = mix(mix(mix(0, revision), compactRevision), digest);
    const tables = mix(mix(mix(versions, this.#leases.digest), this.#alarms.digest), this.#auth.digest);
    return hashOf(tables) >>> 0;
  }

  /** 32 bits over the key versions up to a revision, 0 for the newest; leases do not count. Linear in the store. */
  hashKv(revision: Revision): { hash: number; compactRevision: Revision } | StatusError {
    const { compactRevision } = this.#versions;
    if (revision > this.revision) return ErrFutureRev;
    if (revision > 0 && revision < compactRevision) return ErrCompacted;
    const digest = this.#versions.digestAt(revision > 0 ? revision : this.revision);
    return { hash: hashOf(mix(digest, compactRevision)) >>> 0, compactRevision };
  }

  /**
   * Changes by revision, both ends included; each carries the previous version, unless that is compacted.
   * Throws a RangeError below the compact revision or above the newest.
   */
  changes(from: Revision, to: Revision): readonly (readonly WatchEvent[])[] {
    return this.#versions.changes(from, to);
  }

  /** In ascending order. */
  leaseIds(): readonly LeaseId[] {
    return this.#leases.ids();
  }

  /** `ttl` as granted, `remaining` as last checkpointed (0: never), in seconds; keys sorted. */
  lease(id: LeaseId): { ttl: number; remaining: number; keys: readonly Bytes[] } | undefined {
    const terms = this.#leases.terms(id);
    return terms === undefined ? undefined : { ...terms, keys: [...this.#leases.keys(id)].sort() };
  }

  /** Those of a type, or all. */
  alarms(type: AlarmType | "none" = "none"): readonly Alarm[] {
    return this.#alarms.list(type);
  }

  approximateBytes(): number {
    return this.#versions.bytes;
  }

  #execute(command: Command, events: WatchEvent[]): CommandResponse | StatusError {
    if (command.kind === "lease-checkpoint") return this.#checkpoint(command);
    const malformed = checkRequest(command, STORE_LIMITS);
    if (malformed !== undefined) return malformed;
    const refusal = this.permit(command, command.caller) ?? this.#alarms.refusal(command);
    if (refusal !== undefined) return refusal;
    switch (command.kind) {
      case "put":
        return this.#checkLease(command) ?? this.#checkKept(command) ?? this.#put(command, events);
      case "delete-range":
        return this.#deleteRange(command, events);
      case "txn":
        return this.#txn(command, events);
      case "compact":
        return this.#compact(command);
      case "lease-grant":
        return this.#grant(command);
      case "lease-revoke":
        return this.#revoke(command, events);
      case "alarm":
        return { kind: "alarm", alarms: this.#alarms.change(command) };
      default:
        return this.#auth.apply(command);
    }
  }

  // Transactions

  /**
   * All branches are chosen, and all operations on them checked, before anything is written: a replica that refuses
   * a transaction has changed nothing, and so nested compares see none of the transaction's own writes.
   */
  #txn(txn: TxnRequest, events: WatchEvent[]): TxnResponse | StatusError {
    const choice = this.#choose(txn);
    return (
      this.#checkChosen("put", txn, choice) ??
      this.#checkChosen("range", txn, choice) ??
      this.#runChosen(txn, choice, events)
    );
  }

  #choose(txn: TxnRequest): Choice {
    const succeeded = this.#holds(txn);
    let nested: Choice[] | undefined;
    for (const op of succeeded ? txn.success : txn.failure) {
      if (op.kind !== "txn") continue;
      nested ??= [];
      nested.push(this.#choose(op));
    }
    return { succeeded, nested: nested ?? NO_CHOICES };
  }

  #holds(txn: TxnRequest): boolean {
    for (const compare of txn.compare) {
      const found: KeyValue[] = [];
      this.#versions.scan(compare.key, compare.rangeEnd, undefined, Number.POSITIVE_INFINITY, found);
      if (this.#bug === "txn-sees-own-puts") this.#overlay(found, compare, txn.success);
      const mistaken = this.#bug === "compare-mixes-revisions" && compare.target === "mod";
      if (!evaluateCompare(mistaken ? { ...compare, target: "create" } : compare, found)) return false;
    }
    return true;
  }

  /** For the planted bug: what a single-key compare would find after the transaction's own puts. */
  #overlay(found: KeyValue[], compare: Compare, ops: readonly RequestOp[]): void {
    for (const op of ops) {
      if (op.kind !== "put" || op.key !== compare.key) continue;
      const modRevision = this.revision + 1;
      const { createRevision = modRevision, version = 0 } = this.#versions.newest(op.key) ?? {};
      const { key, value, lease = NO_LEASE } = op;
      found.splice(0, 1, { key, value, lease, createRevision, modRevision, version: version + 1 });
    }
  }

  /** Of several mistakes, etcd names one in a put before any in a range. */
  #checkChosen(kind: "put" | "range", txn: TxnRequest, choice: Choice): StatusError | undefined {
    let nested = 0;
    for (const op of choice.succeeded ? txn.success : txn.failure) {
      let error: StatusError | undefined;
      if (op.kind === "txn") error = this.#checkChosen(kind, op, choice.nested[nested++]!);
      else if (op.kind !== kind) continue;
      else if (op.kind === "put") error = this.#checkKept(op) ?? this.#checkLease(op);
      else if (op.kind === "range") error = this.#checkRevision(op);
      if (error !== undefined) return error;
    }
    return undefined;
  }

  #runChosen(txn: TxnRequest, choice: Choice, events: WatchEvent[]): TxnResponse {
    const responses: ResponseOp[] = [];
    let nested = 0;
    for (const op of choice.succeeded ? txn.success : txn.failure) {
      switch (op.kind) {
        case "range":
          responses.push(this.#range(this.#bug === "txn-range-misses-new" ? this.#withoutNewest(op) : op));
          break;
        case "put":
          responses.push(this.#put(op, events));
          break;
        case "delete-range":
          responses.push(this.#deleteRange(op, events));
          break;
        case "txn":
          responses.push(this.#runChosen(op, choice.nested[nested++]!, events));
      }
    }
    return { kind: "txn", succeeded: choice.succeeded, responses };
  }

  /** For the planted bug. */
  #withoutNewest(range: RangeRequest): RangeRequest {
    return range.rangeEnd === undefined ? range : { ...range, maxCreateRevision: this.revision - 1 };
  }

  // Single operations

  #checkRevision(request: RangeRequest): StatusError | undefined {
    const { revision = 0 } = request;
    if (revision <= 0) return undefined;
    if (revision > this.revision) return ErrFutureRev;
    return revision < this.compactRevision ? ErrCompacted : undefined;
  }

  #range(request: RangeRequest): RangeResponse {
    const { revision = 0 } = request;
    const mistaken = this.#bug === "range-sorts-by-change" && request.sortTarget === "create";
    const asked: RangeRequest = mistaken ? { ...request, sortTarget: "mod" } : request;
    const newest = revision <= 0 || (this.#bug === "limit-forgets-revision" && (request.limit ?? 0) > 0);
    const shown = this.#bug === "read-at-next-revision" ? revision + 1 : revision;
    return answerRange(this.#versions, asked, newest ? undefined : shown);
  }

  #checkLease({ lease = NO_LEASE }: PutRequest): StatusError | undefined {
    return lease !== NO_LEASE && !this.#leases.has(lease) ? ErrLeaseNotFound : undefined;
  }

  /** A value or a lease can only be kept where there is one. */
  #checkKept(request: PutRequest): StatusError | undefined {
    const needsKey = request.ignoreValue === true || request.ignoreLease === true;
    return needsKey && this.#versions.newest(request.key) === undefined ? ErrKeyNotFound : undefined;
  }

  #put(request: PutRequest, events: WatchEvent[]): PutResponse {
    const { key } = request;
    const previous = this.#versions.newest(key);
    const value = request.ignoreValue === true && previous !== undefined ? previous.value : request.value;
    const lease =
      request.ignoreLease === true && previous !== undefined ? previous.lease : (request.lease ?? NO_LEASE);
    events.push(this.#versions.put(key, value, lease));
    if (previous !== undefined && previous.lease !== lease) this.#leases.detach(previous.lease, key);
    if (lease !== NO_LEASE) this.#leases.attach(lease, key);
    return request.prevKv === true && previous !== undefined
      ? { kind: "put", prevKv: previous }
      : { kind: "put" };
  }

  #deleteRange(request: DeleteRangeRequest, events: WatchEvent[]): DeleteRangeResponse {
    const found: KeyValue[] = [];
    this.#versions.scan(request.key, request.rangeEnd, undefined, Number.POSITIVE_INFINITY, found);
    for (const kv of found) this.#delete(kv, events);
    return { kind: "delete-range", deleted: found.length, prevKvs: request.prevKv === true ? found : [] };
  }

  #delete(kv: KeyValue, events: WatchEvent[]): void {
    events.push(this.#versions.delete(kv));
    if (kv.lease !== NO_LEASE) this.#leases.detach(kv.lease, kv.key);
  }

  #compact(request: CompactRequest): CommandResponse | StatusError {
    if (request.revision <= this.compactRevision) return ErrCompacted;
    if (request.revision > this.revision) return ErrFutureRev;
    this.#versions.compact(request.revision);
    return { kind: "compact" };
  }

  // Leases

  #grant(request: LeaseGrantRequest): CommandResponse | StatusError {
    const { id } = request;
    if (id === NO_LEASE) return ErrLeaseNotFound;
    if (this.#leases.has(id)) return ErrLeaseExist;
    const ttl = Math.max(1, request.ttl);
    this.#leases.grant(id, ttl, 0);
    return { kind: "lease-grant", id, ttl };
  }

  #revoke(request: LeaseRevokeRequest, events: WatchEvent[]): CommandResponse | StatusError {
    if (!this.#leases.has(request.id)) return ErrLeaseNotFound;
    const keys = this.#bug === "revoke-leaves-keys" ? [] : [...this.#leases.keys(request.id)].sort();
    for (const key of keys) {
      const kv = this.#versions.newest(key);
      if (kv !== undefined) this.#delete(kv, events);
    }
    this.#leases.revoke(request.id);
    return { kind: "lease-revoke" };
  }

  #checkpoint(command: LeaseCheckpoint): CommandResponse {
    for (const { id, remaining } of command.leases) this.#leases.checkpoint(id, remaining);
    return { kind: "lease-checkpoint" };
  }
}

/** Whether no operation of the transaction, nested or not, taken or not, can change the store. */
export function isReadOnly(txn: TxnRequest): boolean {
  return onlyReads(txn.success) && onlyReads(txn.failure);
}

function onlyReads(ops: readonly RequestOp[]): boolean {
  return ops.every((op) => op.kind === "range" || (op.kind === "txn" && isReadOnly(op)));
}
