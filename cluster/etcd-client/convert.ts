/** What a client sends and receives, between the api's requests and etcd's messages. */
import { fromBytes, toBytes } from "../etcd/convert.ts";
import type { Event, KeyValue } from "../etcd/generated/kv.ts";
import type * as pb from "../etcd/generated/rpc.ts";
import type * as kv from "../kv/request.ts";

const SORT_ORDERS = { none: 0, ascend: 1, descend: 2 } as const;
const SORT_TARGETS = { key: 0, version: 1, create: 2, mod: 3, value: 4 } as const;
const RESULTS = { equal: 0, greater: 1, less: 2, "not-equal": 3 } as const;
const TARGETS = { version: 0, create: 1, mod: 2, value: 3, lease: 4 } as const;

export function fromRangeRequest(range: kv.RangeRequest): pb.RangeRequest {
  return {
    key: fromBytes(range.key),
    rangeEnd: fromBytes(range.rangeEnd ?? ""),
    limit: BigInt(range.limit ?? 0),
    revision: BigInt(range.revision ?? 0),
    sortOrder: SORT_ORDERS[range.sortOrder ?? "none"],
    sortTarget: SORT_TARGETS[range.sortTarget ?? "key"],
    serializable: range.serializable ?? false,
    keysOnly: range.keysOnly ?? false,
    countOnly: range.countOnly ?? false,
    minModRevision: BigInt(range.minModRevision ?? 0),
    maxModRevision: BigInt(range.maxModRevision ?? 0),
    minCreateRevision: BigInt(range.minCreateRevision ?? 0),
    maxCreateRevision: BigInt(range.maxCreateRevision ?? 0),
  };
}

export function fromPutRequest(put: kv.PutRequest): pb.PutRequest {
  return {
    key: fromBytes(put.key),
    value: fromBytes(put.value),
    lease: BigInt(put.lease ?? 0),
    prevKv: put.prevKv ?? false,
    ignoreValue: put.ignoreValue ?? false,
    ignoreLease: put.ignoreLease ?? false,
  };
}

export function fromDeleteRangeRequest(range: kv.DeleteRangeRequest): pb.DeleteRangeRequest {
  const { key, rangeEnd = "", prevKv = false } = range;
  return { key: fromBytes(key), rangeEnd: fromBytes(rangeEnd), prevKv };
}

export function fromTxnRequest(txn: kv.TxnRequest): pb.TxnRequest {
  return {
    compare: txn.compare.map(fromCompare),
    success: txn.success.map(fromOp),
    failure: txn.failure.map(fromOp),
  };
}

function fromOp(op: kv.RequestOp): pb.RequestOp {
  switch (op.kind) {
    case "range":
      return { request: { $case: "requestRange", requestRange: fromRangeRequest(op) } };
    case "put":
      return { request: { $case: "requestPut", requestPut: fromPutRequest(op) } };
    case "delete-range":
      return { request: { $case: "requestDeleteRange", requestDeleteRange: fromDeleteRangeRequest(op) } };
    case "txn":
      return { request: { $case: "requestTxn", requestTxn: fromTxnRequest(op) } };
  }
}

function fromCompare(compare: kv.Compare): pb.Compare {
  const { key, rangeEnd = "", result, target } = compare;
  return {
    result: RESULTS[result],
    target: TARGETS[target],
    key: fromBytes(key),
    rangeEnd: fromBytes(rangeEnd),
    targetUnion: operandOf(compare),
  };
}

function operandOf(compare: kv.Compare): pb.Compare["targetUnion"] {
  switch (compare.target) {
    case "version":
      return { $case: "version", version: BigInt(compare.operand) };
    case "create":
      return { $case: "createRevision", createRevision: BigInt(compare.operand) };
    case "mod":
      return { $case: "modRevision", modRevision: BigInt(compare.operand) };
    case "value":
      return { $case: "value", value: fromBytes(compare.operand) };
    case "lease":
      return { $case: "lease", lease: BigInt(compare.operand) };
  }
}

/** A server that leaves its header out says nothing of itself. */
export function toHeader(header: pb.ResponseHeader | undefined): kv.ResponseHeader {
  return {
    clusterId: String(header?.clusterId ?? 0),
    memberId: String(header?.memberId ?? 0),
    revision: Number(header?.revision ?? 0),
    raftTerm: Number(header?.raftTerm ?? 0),
  };
}

function toKeyValue(found: KeyValue): kv.KeyValue {
  return {
    key: toBytes(found.key),
    createRevision: Number(found.createRevision),
    modRevision: Number(found.modRevision),
    version: Number(found.version),
    value: toBytes(found.value),
    lease: String(found.lease),
  };
}

export function toEvent({ type, kv: changed, prevKv }: Event): kv.WatchEvent {
  if (changed === undefined) throw new Error("an event without a key");
  return {
    type: type === 0 ? "put" : "delete",
    kv: toKeyValue(changed),
    ...(prevKv === undefined ? {} : { prevKv: toKeyValue(prevKv) }),
  };
}

export function toRangeResponse({ kvs, more, count }: pb.RangeResponse): kv.RangeResponse {
  return { kind: "range", kvs: kvs.map(toKeyValue), more, count: Number(count) };
}

export function toPutResponse({ prevKv }: pb.PutResponse): kv.PutResponse {
  return { kind: "put", ...(prevKv === undefined ? {} : { prevKv: toKeyValue(prevKv) }) };
}

export function toDeleteRangeResponse(deleted: pb.DeleteRangeResponse): kv.DeleteRangeResponse {
  return {
    kind: "delete-range",
    deleted: Number(deleted.deleted),
    prevKvs: deleted.prevKvs.map(toKeyValue),
  };
}

export function toTxnResponse({ succeeded, responses }: pb.TxnResponse): kv.TxnResponse {
  return { kind: "txn", succeeded, responses: responses.map(toOp) };
}

function toOp({ response }: pb.ResponseOp): kv.ResponseOp {
  switch (response?.$case) {
    case "responseRange":
      return toRangeResponse(response.responseRange);
    case "responsePut":
      return toPutResponse(response.responsePut);
    case "responseDeleteRange":
      return toDeleteRangeResponse(response.responseDeleteRange);
    case "responseTxn":
      return toTxnResponse(response.responseTxn);
    case undefined:
      throw new Error("an answer without its operation");
  }
}
