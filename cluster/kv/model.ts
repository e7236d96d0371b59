/**
 * The store's meaning, as plainly as it can be said: the whole map of keys is kept after every revision, and nothing
 * is fast. It is the oracle for `store.ts`, and shares with it the vocabulary and the checks of a request's form only.
 */
import { type AuthState, NO_AUTH } from "./auth.ts";
import { AUTH_OK, refusalOf, stepAuth } from "./auth-model.ts";
import type { Applied, Command } from "./command.ts";
import * as errors from "./errors.ts";
import type {
  Alarm,
  Bytes,
  Compare,
  DeleteRangeRequest,
  KeyValue,
  LeaseId,
  PutRequest,
  RangeRequest,
  RangeResponse,
  ResponseOp,
  Revision,
  StatusError,
  TxnRequest,
  TxnResponse,
  WatchEvent,
} from "./request.ts";
import { checkRequest, STORE_LIMITS } from "./validate.ts";

type Keys = ReadonlyMap<Bytes, KeyValue>;

/** Immutable. */
export type Model = {
  readonly compactRevision: Revision;
  /** The live keys after each revision; revision 1 is the empty beginning. */
  readonly keys: readonly Keys[];
  /** The changes each revision made. */
  readonly events: readonly (readonly WatchEvent[])[];
  readonly leases: ReadonlyMap<LeaseId, { readonly ttl: number; readonly remaining: number }>;
  readonly alarms: readonly Alarm[];
  readonly auth: AuthState;
};

export const EMPTY_MODEL: Model = {
  compactRevision: 0,
  keys: [new Map(), new Map()],
  events: [[], []],
  leases: new Map(),
  alarms: [],
  auth: NO_AUTH,
};

export function revisionOf(model: Model): Revision {
  return model.keys.length - 1;
}

/** The model after a command, and what the command answers. */
export function step(model: Model, command: Command): { readonly model: Model; readonly applied: Applied } {
  const unchanged = (response: Applied["response"], next = model) => ({
    model: next,
    applied: { response, revision: revisionOf(next), events: [] },
  });
  if (command.kind === "lease-checkpoint") {
    const leases = new Map(model.leases);
    for (const { id, remaining } of command.leases) {
      const lease = leases.get(id);
      if (lease !== undefined) leases.set(id, { ...lease, remaining: Math.max(0, remaining) });
    }
    return unchanged({ kind: "lease-checkpoint" }, { ...model, leases });
  }
  const malformed = checkRequest(command, STORE_LIMITS);
  if (malformed !== undefined) return unchanged(malformed);
  const denied = refusalOf(model.auth, command.caller, command, (id) =>
    id === "0" ? [] : attachedKeys(model, id),
  );
  if (denied !== undefined) return unchanged(denied);
  const alarmed = alarmRefusal(model, command);
  if (alarmed !== undefined) return unchanged(alarmed);
  switch (command.kind) {
    case "alarm": {
      const { member, alarm } = command;
      const chosen = model.alarms.filter((other) => other.alarm === alarm && other.member === member);
      const others = model.alarms.filter((other) => !chosen.includes(other));
      if (command.action === "get") {
        const asked = model.alarms.filter((other) => alarm === "none" || other.alarm === alarm);
        return unchanged({ kind: "alarm", alarms: asked });
      }
      if (alarm === "none") return unchanged({ kind: "alarm", alarms: [] });
      const raised = [{ member, alarm }];
      return command.action === "activate"
        ? unchanged({ kind: "alarm", alarms: raised }, { ...model, alarms: [...others, ...raised] })
        : unchanged({ kind: "alarm", alarms: chosen }, { ...model, alarms: others });
    }
    case "compact": {
      if (command.revision <= model.compactRevision) return unchanged(errors.ErrCompacted);
      if (command.revision > revisionOf(model)) return unchanged(errors.ErrFutureRev);
      return unchanged({ kind: "compact" }, { ...model, compactRevision: command.revision });
    }
    case "lease-grant": {
      if (command.id === "0") return unchanged(errors.ErrLeaseNotFound);
      if (model.leases.has(command.id)) return unchanged(errors.ErrLeaseExist);
      const ttl = Math.max(1, command.ttl);
      const leases = new Map([...model.leases, [command.id, { ttl, remaining: 0 }]]);
      return unchanged({ kind: "lease-grant", id: command.id, ttl }, { ...model, leases });
    }
    case "lease-revoke": {
      if (!model.leases.has(command.id)) return unchanged(errors.ErrLeaseNotFound);
      const leases = new Map([...model.leases].filter(([id]) => id !== command.id));
      const draft = new Draft(model);
      for (const key of attachedKeys(model, command.id)) draft.remove({ kind: "delete-range", key });
      return draft.finish({ kind: "lease-revoke" }, { ...model, leases });
    }
    case "put": {
      const error = refusal(model, command);
      if (error !== undefined) return unchanged(error);
      const draft = new Draft(model);
      return draft.finish(draft.put(command), model);
    }
    case "delete-range": {
      const draft = new Draft(model);
      return draft.finish(draft.remove(command), model);
    }
    case "txn": {
      const resolved = resolve(model, command);
      const error = refusal(model, resolved);
      if (error !== undefined) return unchanged(error);
      const draft = new Draft(model);
      return draft.finish(draft.run(resolved), model);
    }
    default: {
      const auth = stepAuth(model.auth, command);
      return "kind" in auth ? unchanged(auth) : unchanged(AUTH_OK, { ...model, auth });
    }
  }
}

export function range(model: Model, request: RangeRequest): RangeResponse | StatusError {
  return (
    checkRequest(request, STORE_LIMITS) ??
    alarmRefusal(model, request) ??
    refusal(model, request) ??
    answer(request, model.keys[positive(request.revision) ?? revisionOf(model)]!)
  );
}

/** What the alarms that stand forbid: with corruption everything, without space what stores more. */
function alarmRefusal(model: Model, command: Command | RangeRequest): StatusError | undefined {
  const data = ["range", "put", "delete-range", "txn", "compact", "lease-grant", "lease-revoke"];
  if (!data.includes(command.kind)) return undefined;
  if (model.alarms.some(({ alarm }) => alarm === "corrupt")) return errors.ErrCorrupt;
  const full = model.alarms.some(({ alarm }) => alarm === "nospace");
  return full && storesMore(command) ? errors.ErrNoSpace : undefined;
}

function storesMore(command: { readonly kind: string }): boolean {
  if (command.kind !== "txn") return command.kind === "put" || command.kind === "lease-grant";
  const { success, failure } = command as TxnRequest;
  return [...success, ...failure].some(storesMore);
}

/** The keys that go when the lease goes, sorted. */
export function attachedKeys(model: Model, id: LeaseId): Bytes[] {
  return inOrder(newest(model))
    .filter((kv) => kv.lease === id)
    .map((kv) => kv.key);
}

/** What a watch sees of one revision, not below the compact revision; there, previous values are gone. */
export function changesOf(model: Model, revision: Revision): WatchEvent[] {
  const events = [...model.events[revision]!];
  if (revision !== model.compactRevision) return events;
  return events
    .filter((event, i) => !events.slice(i + 1).some((later) => later.kv.key === event.kv.key))
    .map(({ type, kv }) => ({ type, kv }));
}

/** Whether `key` is in the interval that a request spells with `start` and `rangeEnd`. */
export function isWithin(start: Bytes, rangeEnd: Bytes | undefined, key: Bytes): boolean {
  if (rangeEnd === undefined || rangeEnd === "") return key === start;
  return key >= start && (rangeEnd === "\0" || key < rangeEnd);
}

/** A transaction with its branches taken. */
type Resolved = {
  readonly kind: "resolved";
  readonly succeeded: boolean;
  readonly ops: readonly (RangeRequest | PutRequest | DeleteRangeRequest | Resolved)[];
};

function resolve(model: Model, txn: TxnRequest): Resolved {
  const succeeded = txn.compare.every((compare) => isMet(compare, newest(model)));
  const ops = succeeded ? txn.success : txn.failure;
  return { kind: "resolved", succeeded, ops: ops.map((op) => (op.kind === "txn" ? resolve(model, op) : op)) };
}

/** Why an operation cannot be done, as seen before the command it is in. */
function refusal(
  model: Model,
  op: RangeRequest | PutRequest | DeleteRangeRequest | Resolved,
): StatusError | undefined {
  switch (op.kind) {
    case "range": {
      const revision = positive(op.revision);
      if (revision === undefined) return undefined;
      if (revision > revisionOf(model)) return errors.ErrFutureRev;
      return revision < model.compactRevision ? errors.ErrCompacted : undefined;
    }
    case "put": {
      const lease = op.lease ?? "0";
      if (lease !== "0" && !model.leases.has(lease)) return errors.ErrLeaseNotFound;
      return (op.ignoreValue || op.ignoreLease) && !newest(model).has(op.key)
        ? errors.ErrKeyNotFound
        : undefined;
    }
    case "delete-range":
      return undefined;
    case "resolved": {
      const ops = flat(op);
      const puts = ops.filter((inner) => inner.kind === "put").map((inner) => refusalInTxn(model, inner));
      const ranges = ops.filter((inner) => inner.kind === "range").map((inner) => refusal(model, inner));
      return [...puts, ...ranges].find((error) => error !== undefined);
    }
  }
}

function flat({ ops }: Resolved): Exclude<Resolved["ops"][number], Resolved>[] {
  return ops.flatMap((op) => (op.kind === "resolved" ? flat(op) : [op]));
}

/** In a transaction, a missing key is found before a missing lease. */
function refusalInTxn(model: Model, put: PutRequest): StatusError | undefined {
  return refusal(model, { ...put, lease: "0" }) ?? refusal(model, put);
}

/** The revision that a command would make. */
class Draft {
  readonly #model: Model;
  readonly #revision: Revision;
  readonly #keys: Map<Bytes, KeyValue>;
  readonly #events: WatchEvent[] = [];

  constructor(model: Model) {
    this.#model = model;
    this.#revision = revisionOf(model) + 1;
    this.#keys = new Map(newest(model));
  }

  finish<R extends Applied["response"]>(response: R, base: Model): { model: Model; applied: Applied } {
    const events = this.#events;
    const model =
      events.length === 0
        ? base
        : { ...base, keys: [...base.keys, this.#keys], events: [...base.events, events] };
    return { model, applied: { response, revision: revisionOf(model), events } };
  }

  run(txn: Resolved): TxnResponse {
    const responses = txn.ops.map((op) => this.#runOne(op));
    return { kind: "txn", succeeded: txn.succeeded, responses };
  }

  #runOne(op: Resolved["ops"][number]): ResponseOp {
    switch (op.kind) {
      case "range":
        return answer(op, this.#model.keys[positive(op.revision) ?? -1] ?? this.#keys);
      case "put":
        return this.put(op);
      case "delete-range":
        return this.remove(op);
      case "resolved":
        return this.run(op);
    }
  }

  put(request: PutRequest): { kind: "put"; prevKv?: KeyValue } {
    const before = this.#keys.get(request.key);
    const kv: KeyValue = {
      key: request.key,
      createRevision: before?.createRevision ?? this.#revision,
      modRevision: this.#revision,
      version: (before?.version ?? 0) + 1,
      value: request.ignoreValue ? before!.value : request.value,
      lease: request.ignoreLease ? before!.lease : (request.lease ?? "0"),
    };
    this.#keys.set(request.key, kv);
    this.#events.push({ type: "put", kv, ...(before && { prevKv: before }) });
    return { kind: "put", ...(request.prevKv && before && { prevKv: before }) };
  }

  remove(request: DeleteRangeRequest): { kind: "delete-range"; deleted: number; prevKvs: KeyValue[] } {
    const doomed = inOrder(this.#keys).filter((kv) => isWithin(request.key, request.rangeEnd, kv.key));
    for (const before of doomed) {
      const { key } = before;
      const kv = { key, createRevision: 0, modRevision: this.#revision, version: 0, value: "", lease: "0" };
      this.#keys.delete(key);
      this.#events.push({ type: "delete", kv, prevKv: before });
    }
    return { kind: "delete-range", deleted: doomed.length, prevKvs: request.prevKv ? doomed : [] };
  }
}

function answer(request: RangeRequest, keys: Keys): RangeResponse {
  const matching = inOrder(keys).filter((kv) => isWithin(request.key, request.rangeEnd, kv.key));
  const count = matching.length;
  if (request.countOnly) return { kind: "range", kvs: [], more: false, count };

  const { sortOrder = "none", sortTarget = "key" } = request;
  const limit = positive(request.limit) ?? Number.POSITIVE_INFINITY;
  const bounds = [
    [request.minModRevision, (kv: KeyValue, bound: Revision) => kv.modRevision >= bound],
    [request.maxModRevision, (kv: KeyValue, bound: Revision) => kv.modRevision <= bound],
    [request.minCreateRevision, (kv: KeyValue, bound: Revision) => kv.createRevision >= bound],
    [request.maxCreateRevision, (kv: KeyValue, bound: Revision) => kv.createRevision <= bound],
  ] as const;
  const filters = bounds.filter(([bound]) => bound !== undefined && bound !== 0);
  // etcd stops fetching one past the limit, unless it knows that it must sort or filter.
  const fetched = sortOrder === "none" && filters.length === 0 ? matching.slice(0, limit + 1) : matching;
  const kept = fetched.filter((kv) => filters.every(([bound, within]) => within(kv, bound!)));

  const rank: Record<typeof sortTarget, (kv: KeyValue) => number | string> = {
    key: (kv) => kv.key,
    version: (kv) => kv.version,
    create: (kv) => kv.createRevision,
    mod: (kv) => kv.modRevision,
    value: (kv) => kv.value,
  };
  const by = rank[sortTarget];
  const sorted = kept.toSorted((a, b) => (by(a) < by(b) ? -1 : by(a) > by(b) ? 1 : 0));
  const descending = kept.toSorted((a, b) => (by(a) > by(b) ? -1 : by(a) < by(b) ? 1 : 0));
  const kvs = (sortOrder === "descend" ? descending : sorted).slice(0, limit);
  return {
    kind: "range",
    kvs: request.keysOnly ? kvs.map((kv) => ({ ...kv, value: "" })) : kvs,
    more: kept.length > limit,
    count,
  };
}

function isMet(compare: Compare, keys: Keys): boolean {
  const found = inOrder(keys).filter((kv) => isWithin(compare.key, compare.rangeEnd, kv.key));
  const missing = { createRevision: 0, modRevision: 0, version: 0, value: undefined, lease: "0" };
  return (found.length === 0 ? [missing] : found).every((kv) => {
    const [left, right] = {
      version: [kv.version, compare.operand],
      create: [kv.createRevision, compare.operand],
      mod: [kv.modRevision, compare.operand],
      value: [kv.value, compare.operand],
      lease: compare.target === "lease" ? [BigInt(kv.lease), BigInt(compare.operand)] : [],
    }[compare.target];
    if (left === undefined || right === undefined) return false;
    return {
      equal: left === right,
      "not-equal": left !== right,
      less: left < right,
      greater: left > right,
    }[compare.result];
  });
}

function newest(model: Model): Keys {
  return model.keys[model.keys.length - 1]!;
}

function inOrder(keys: Keys): KeyValue[] {
  return [...keys.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}

/** Zero and less mean that a field is not set. */
function positive(value: number | undefined): number | undefined {
  return value !== undefined && value > 0 ? value : undefined;
}
