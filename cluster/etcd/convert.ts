/** Between etcd's messages and the store's: bytes are latin1 strings inside, 64-bit integers numbers or decimals. */
import { ErrInvalidSortOption, ErrKeyNotFound } from "../kv/errors.ts";
import type * as kv from "../kv/request.ts";
import type { Event, KeyValue } from "./generated/kv.ts";
import type * as pb from "./generated/rpc.ts";
import { RpcError } from "./rpc.ts";

export function toBytes(buffer: Uint8Array): kv.Bytes {
  return Buffer.from(buffer.buffer, buffer.byteOffset, buffer.byteLength).toString("latin1");
}

export function fromBytes(bytes: kv.Bytes): Buffer {
  return Buffer.from(bytes, "latin1");
}

/** Names of users and roles are text in etcd's messages and bytes, those of UTF-8, in the store. */
export function fromText(text: string): kv.Bytes {
  return Buffer.from(text, "utf8").toString("latin1");
}

export function toText(bytes: kv.Bytes): string {
  return Buffer.from(bytes, "latin1").toString("utf8");
}

export function fromHeader(header: kv.ResponseHeader): pb.ResponseHeader {
  return {
    clusterId: BigInt(header.clusterId),
    memberId: BigInt(header.memberId),
    revision: BigInt(header.revision),
    raftTerm: BigInt(header.raftTerm),
  };
}

export function fromKeyValue(found: kv.KeyValue): KeyValue {
  return {
    key: fromBytes(found.key),
    createRevision: BigInt(found.createRevision),
    modRevision: BigInt(found.modRevision),
    version: BigInt(found.version),
    value: fromBytes(found.value),
    lease: BigInt(found.lease),
  };
}

export function fromEvent(event: kv.WatchEvent): Event {
  return {
    type: event.type === "put" ? 0 : 1,
    kv: fromKeyValue(event.kv),
    prevKv: event.prevKv && fromKeyValue(event.prevKv),
  };
}

const SORT_ORDERS: readonly kv.SortOrder[] = ["none", "ascend", "descend"];
const SORT_TARGETS: readonly kv.SortTarget[] = ["key", "version", "create", "mod", "value"];

export function toRange(range: pb.RangeRequest): kv.RangeRequest {
  const sortOrder = SORT_ORDERS[range.sortOrder];
  const sortTarget = SORT_TARGETS[range.sortTarget];
  if (sortOrder === undefined || sortTarget === undefined) throw RpcError.of(ErrInvalidSortOption);
  return {
    kind: "range",
    key: toBytes(range.key),
    rangeEnd: toBytes(range.rangeEnd),
    limit: Number(range.limit),
    revision: Number(range.revision),
    sortOrder,
    sortTarget,
    serializable: range.serializable,
    keysOnly: range.keysOnly,
    countOnly: range.countOnly,
    minModRevision: Number(range.minModRevision),
    maxModRevision: Number(range.maxModRevision),
    minCreateRevision: Number(range.minCreateRevision),
    maxCreateRevision: Number(range.maxCreateRevision),
  };
}

export function toPut(put: pb.PutRequest): kv.PutRequest {
  const { lease, prevKv, ignoreValue, ignoreLease } = put;
  return {
    kind: "put",
    key: toBytes(put.key),
    value: toBytes(put.value),
    ...(lease === 0n ? {} : { lease: String(lease) }),
    ...(prevKv ? { prevKv } : {}),
    ...(ignoreValue ? { ignoreValue } : {}),
    ...(ignoreLease ? { ignoreLease } : {}),
  };
}

export function toDeleteRange(range: pb.DeleteRangeRequest): kv.DeleteRangeRequest {
  const { prevKv } = range;
  return { kind: "delete-range", key: toBytes(range.key), rangeEnd: toBytes(range.rangeEnd), prevKv };
}

export function toTxn(txn: pb.TxnRequest): kv.TxnRequest {
  return {
    kind: "txn",
    compare: txn.compare.map(toCompare),
    success: txn.success.map(toOp),
    failure: txn.failure.map(toOp),
  };
}

function toOp({ request }: pb.RequestOp): kv.RequestOp {
  switch (request?.$case) {
    case "requestRange":
      return toRange(request.requestRange);
    case "requestPut":
      return toPut(request.requestPut);
    case "requestDeleteRange":
      return toDeleteRange(request.requestDeleteRange);
    case "requestTxn":
      return toTxn(request.requestTxn);
    case undefined:
      throw RpcError.of(ErrKeyNotFound);
  }
}

const RESULTS: readonly kv.CompareResult[] = ["equal", "greater", "less", "not-equal"];

/**
 * As in etcd, an operand of another kind than the target counts as zero, a comparison that does not exist holds, and
 * any target that does not exist equals everything.
 */
function toCompare({ result, target, key, targetUnion, rangeEnd }: pb.Compare): kv.Compare {
  const name = RESULTS[result];
  const interval = { key: toBytes(key), rangeEnd: toBytes(rangeEnd) };
  const always = { ...interval, target: "version", result: "greater", operand: -1 } as const;
  if (name === undefined) return always;
  const compare = { ...interval, result: name };
  switch (target) {
    case 0:
      return {
        ...compare,
        target: "version",
        operand: Number(targetUnion?.$case === "version" ? targetUnion.version : 0),
      };
    case 1:
      return {
        ...compare,
        target: "create",
        operand: Number(targetUnion?.$case === "createRevision" ? targetUnion.createRevision : 0),
      };
    case 2:
      return {
        ...compare,
        target: "mod",
        operand: Number(targetUnion?.$case === "modRevision" ? targetUnion.modRevision : 0),
      };
    case 3:
      return {
        ...compare,
        target: "value",
        operand: targetUnion?.$case === "value" ? toBytes(targetUnion.value) : "",
      };
    case 4:
      return {
        ...compare,
        target: "lease",
        operand: targetUnion?.$case === "lease" ? String(targetUnion.lease) : "0",
      };
    default:
      return name === "equal" ? always : { ...always, result: "less" };
  }
}

export function fromRange(range: kv.RangeResponse, header?: kv.ResponseHeader): pb.RangeResponse {
  return {
    header: header && fromHeader(header),
    kvs: range.kvs.map(fromKeyValue),
    more: range.more,
    count: BigInt(range.count),
  };
}

export function fromPut(put: kv.PutResponse, header?: kv.ResponseHeader): pb.PutResponse {
  return { header: header && fromHeader(header), prevKv: put.prevKv && fromKeyValue(put.prevKv) };
}

export function fromDeleteRange(
  deleted: kv.DeleteRangeResponse,
  header?: kv.ResponseHeader,
): pb.DeleteRangeResponse {
  return {
    header: header && fromHeader(header),
    deleted: BigInt(deleted.deleted),
    prevKvs: deleted.prevKvs.map(fromKeyValue),
  };
}

const NO_HEADER: pb.ResponseHeader = { clusterId: 0n, memberId: 0n, revision: 0n, raftTerm: 0n };

/**
 * As in etcd, the headers of a transaction's operations say nothing but the revision as of then: that of the
 * transaction from its first change on, and the one before it until then. Those of nested transactions say nothing.
 */
export function fromTxn(txn: kv.TxnResponse, header: kv.ResponseHeader): pb.TxnResponse {
  const { revision } = header;
  const progress = { revision: hasChanged(txn) ? revision - 1 : revision, after: revision };
  return { ...fromBranch(txn, progress), header: fromHeader(header) };
}

type Progress = { revision: kv.Revision; readonly after: kv.Revision };

function fromBranch({ succeeded, responses }: kv.TxnResponse, progress: Progress): pb.TxnResponse {
  return { header: NO_HEADER, succeeded, responses: responses.map((op) => fromOp(op, progress)) };
}

function fromOp(op: kv.ResponseOp, progress: Progress): pb.ResponseOp {
  if (op.kind === "txn") return { response: { $case: "responseTxn", responseTxn: fromBranch(op, progress) } };
  if (hasChanged(op)) progress.revision = progress.after;
  const header = { ...NO_HEADER, revision: BigInt(progress.revision) };
  switch (op.kind) {
    case "range":
      return { response: { $case: "responseRange", responseRange: { ...fromRange(op), header } } };
    case "put":
      return { response: { $case: "responsePut", responsePut: { ...fromPut(op), header } } };
    case "delete-range":
      return {
        response: { $case: "responseDeleteRange", responseDeleteRange: { ...fromDeleteRange(op), header } },
      };
  }
}

function hasChanged(op: kv.ResponseOp): boolean {
  switch (op.kind) {
    case "range":
      return false;
    case "put":
      return true;
    case "delete-range":
      return op.deleted > 0;
    case "txn":
      return op.responses.some(hasChanged);
  }
}
