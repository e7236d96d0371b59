/** The watches of a history of etcd's operations, judged with what its other operations tell of the changes. */
import type { Checker } from "../../src/checker.ts";
import { History } from "../../src/history/history.ts";
import type { Json, Op } from "../../src/history/op.ts";
import { watchChecker } from "../watch.ts";
import type { Change, WatchSignature } from "../watch-signature.ts";
import { type EtcdOperation, type EtcdRecord, type EtcdSignature, hasChanged, partsOf } from "./signature.ts";

export const recordedWatches: Checker<EtcdSignature> = {
  name: "watch",
  check: (history, budget) => watchChecker.check(translated(history), budget),
};

/** The same operations, at the same events, as the watch checker knows them. */
function translated(history: History<EtcdSignature>): History<WatchSignature> {
  const events: Op[] = [...history.nemesis];
  let processes = 0;
  for (const { process } of history.operations()) processes = Math.max(processes, process + 1);
  for (const record of history.operations()) {
    const { f, input, output, type, error } = translation(record);
    const { invokeIndex, completeIndex, invokeTime, completeTime, node } = record;
    // Of what somebody deleted without a word nothing is known: as if it had not been answered.
    const process = type === "info" && record.type !== "info" ? processes++ : record.process;
    const base = { process, f, ...(node === undefined ? {} : { node }) };
    events.push({ ...base, index: invokeIndex, time: invokeTime, type: "invoke", value: input } as Op);
    if (completeIndex === Number.POSITIVE_INFINITY) continue;
    const end = { ...base, index: completeIndex, time: completeTime, type };
    events.push((type === "ok" ? { ...end, value: output } : { ...end, value: input, error }) as Op);
  }
  return new History<WatchSignature>(events.sort((a, b) => a.index - b.index) as never);
}

interface Translation {
  readonly f: keyof WatchSignature;
  readonly type: "ok" | "fail" | "info";
  readonly input: Json;
  readonly output: Json;
  readonly error: string;
}

function translation(record: EtcdRecord): Translation {
  const { type, error = "" } = record;
  const as = (f: keyof WatchSignature, input: Json, output: Json = null): Translation => ({
    f,
    type,
    input,
    output,
    error,
  });
  // Watches stand among the operations as the watch checker knows them.
  if ((record.f as string) === "watch") return as("watch", record.input as Json, record.output as Json);
  if (record.f === "compact") return as("compact", { revision: record.input }, { revision: record.input });
  if (record.f === "range" || record.f === "grant") return reading(record);
  const wide = { key: "", end: "\0" };
  if (record.f === "revoke")
    return {
      ...as("delete", wide),
      type: type === "fail" ? "fail" : "info",
      error: error || "the keys are not told",
    };
  if (record.f === "delete" && (record.input.end ?? "") !== "")
    return {
      ...as("delete", wide),
      type: type === "fail" ? "fail" : "info",
      error: error || "the keys are not told",
    };
  const operations: readonly EtcdOperation[] =
    record.f === "txn" ? chosen(record) : [{ kind: record.f, ...record.input } as EtcdOperation];
  const changes = operations.flatMap((operation): Change[] => {
    if (operation.kind === "put")
      return [{ type: "put", key: operation.key, value: String(operation.value) }];
    return operation.kind === "delete" ? [{ type: "delete", key: operation.key }] : [];
  });
  if (record.type !== "ok") return as("txn", { changes });
  const { revision } = record.output;
  const deleted = changes.filter((change) => change.type === "delete").map(({ key }) => key);
  return changes.length === 0 ? reading(record) : as("txn", { changes }, { revision, deleted });
}

function reading(record: EtcdRecord): Translation {
  const { type, error = "" } = record;
  const output = record.type === "ok" && record.f !== "compact" ? { revision: record.output.revision } : null;
  return { f: "read", type: type === "info" ? "fail" : type, input: null, output, error };
}

/** What a transaction did; what it might have done if that is not known. */
function chosen(record: EtcdRecord & { readonly f: "txn" }): readonly EtcdOperation[] {
  if (record.type !== "ok") return [...partsOf(record.input)];
  const { succeeded, results } = record.output;
  const branch = (succeeded ? record.input.success : record.input.failure) ?? [];
  return branch.filter((_, i) => {
    const result = results[i];
    return result !== undefined && hasChanged(result);
  });
}
