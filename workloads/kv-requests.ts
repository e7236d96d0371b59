/** From the operations in a history to requests of the store, and from its answers to results. */
import type {
  EtcdCompare,
  EtcdEntry,
  EtcdKeys,
  EtcdOperation,
  EtcdResult,
} from "../checkers/etcd/signature.ts";
import type {
  Compare,
  DeleteRangeRequest,
  KeyValue,
  PutRequest,
  RangeRequest,
  RequestOp,
  ResponseOp,
  TxnRequest,
} from "../cluster/kv/request.ts";

interface Requests {
  readonly range: RangeRequest;
  readonly put: PutRequest;
  readonly delete: DeleteRangeRequest;
  readonly txn: TxnRequest;
}
type Kind = keyof Requests;

export function requestOf<K extends Kind>(operation: EtcdOperation & { readonly kind: K }): Requests[K] {
  return anyRequestOf(operation) as Requests[K];
}

function anyRequestOf(operation: EtcdOperation): RequestOp {
  switch (operation.kind) {
    case "range": {
      const { kind, key, end, ...how } = operation;
      return { kind, ...spanOf({ key, end: end ?? "" }), ...how };
    }
    case "put": {
      const { kind, key, value, lease, previous } = operation;
      return { kind, key, value: String(value), lease: lease ?? "0", prevKv: previous ?? false };
    }
    case "delete":
      return { kind: "delete-range", ...spanOf(operation), prevKv: operation.previous ?? false };
    case "txn": {
      const { kind, compare = [], success = [], failure = [] } = operation;
      return {
        kind,
        compare: compare.map(compareOf),
        success: success.map(anyRequestOf),
        failure: failure.map(anyRequestOf),
      };
    }
  }
}

/** What the answer to an operation says. */
export function resultOf<K extends Kind>(
  operation: EtcdOperation & { readonly kind: K },
  response: ResponseOp,
): Omit<EtcdResult & { readonly kind: K }, "kind"> {
  const { kind: _, ...result } = anyResultOf(operation, response);
  return result as Omit<EtcdResult & { readonly kind: K }, "kind">;
}

function anyResultOf(operation: EtcdOperation, response: ResponseOp): EtcdResult {
  switch (response.kind) {
    case "range": {
      const { keysOnly = false } = operation as EtcdOperation & { readonly kind: "range" };
      const { kind, kvs, count, more } = response;
      return { kind, entries: kvs.map((kv) => (keysOnly ? keyOf(kv) : entryOf(kv))), count, more };
    }
    case "put": {
      const { kind, prevKv } = response;
      const asked = (operation as EtcdOperation & { readonly kind: "put" }).previous === true;
      return { kind, ...(asked ? { previous: prevKv === undefined ? null : entryOf(prevKv) } : {}) };
    }
    case "delete-range": {
      const asked = (operation as EtcdOperation & { readonly kind: "delete" }).previous === true;
      const { deleted, prevKvs } = response;
      return { kind: "delete", deleted, ...(asked ? { previous: prevKvs.map(entryOf) } : {}) };
    }
    case "txn": {
      const { kind, succeeded, responses } = response;
      const { success, failure } = operation as EtcdOperation & { readonly kind: "txn" };
      const branch = (succeeded ? success : failure) ?? [];
      const results = responses.map((inner, i) => anyResultOf(branch[i] ?? operation, inner));
      return { kind, succeeded, results };
    }
  }
}

function spanOf({ key, end = "" }: EtcdKeys): { readonly key: string; readonly rangeEnd?: string } {
  return end === "" ? { key } : { key, rangeEnd: end };
}

const RESULTS = { "=": "equal", "!=": "not-equal", "<": "less", ">": "greater" } as const;

function compareOf({ target, operator, operand, ...keys }: EtcdCompare): Compare {
  const same = target === "version" || target === "create" || target === "mod";
  const told = same ? operand : target === "lease" && operand === "" ? "0" : String(operand);
  return { ...spanOf(keys), result: RESULTS[operator], target, operand: told } as Compare;
}

function entryOf(kv: KeyValue): EtcdEntry {
  const value = /^\d{1,15}$/.test(kv.value) ? Number(kv.value) : kv.value;
  return { ...keyOf(kv), value };
}

function keyOf({ key, modRevision, createRevision, version, lease }: KeyValue): EtcdEntry {
  return { key, modRevision, createRevision, version, lease: lease === "0" ? "" : lease };
}
