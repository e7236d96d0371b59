/**
 * Reports of etcd's robustness tests (etcd-io/etcd, tests/robustness/report): per client, the requests it made in
 * operations.json and the watches it opened in watch.json, as JSON values one after another.
 *
 * They become one history of etcd's operations and watches, in the order of their times. A request that failed with
 * an error is of unknown outcome if it was a write. Long values are known by their hashes alone, so all are.
 */
import type { Json, Op } from "../op.ts";
import { numbered, type RecordedEvent } from "./recorded.ts";
import { FormatError } from "./text-source.ts";

/** What one client recorded; each list may be empty. */
export interface ClientReport {
  readonly operations: readonly Json[];
  readonly watches: readonly Json[];
}

type Fields = { readonly [field: string]: Json | undefined };

interface Moment {
  readonly time: number;
  /** At one time, what begins comes before what ends. */
  readonly ends: boolean;
  readonly event: RecordedEvent;
}

/** Throws FormatError. */
export function readRobustness(reports: readonly ClientReport[]): Iterable<Op> {
  const moments: Moment[] = [];
  let processes = 0;
  for (const { operations } of reports)
    for (const operation of operations)
      processes = Math.max(processes, addOperation(moments, fields(operation)));
  const lives = livesOf(reports.flatMap(({ watches }) => watches));
  for (const { watches } of reports)
    for (const watch of watches) addWatch(moments, fields(watch), ++processes, lives);
  moments.sort((a, b) => a.time - b.time || Number(a.ends) - Number(b.ends));
  return numbered(moments.map(({ event }) => event));
}

/** Adds the invocation and the completion; the process. */
function addOperation(moments: Moment[], operation: Fields): number {
  const { ClientId: process, Call: call, Return: end } = operation;
  if (typeof process !== "number" || typeof call !== "number" || typeof end !== "number")
    throw new FormatError("an operation has ClientId, Input, Call, Output and Return");
  const request = requestOf(fields(operation["Input"]));
  if (request === undefined) return process;
  const output = fields(operation["Output"]);
  const error = text(output["Error"]) || text(output["ClientError"]);
  const { f, value, reads } = request;
  const node = typeof output["member-id"] === "string" ? output["member-id"] : undefined;
  const base = { process, f, node };
  moments.push({ time: call, ends: false, event: { ...base, type: "invoke", value, time: call } });
  const refused = text(output["ClientError"]) !== "" || /required revision (has been|is a)/.test(error);
  const completion: RecordedEvent =
    error === ""
      ? { ...base, type: "ok", value: request.answer(output), time: end }
      : { ...base, type: reads || refused ? "fail" : "info", value, error, time: end };
  moments.push({ time: end, ends: true, event: completion });
  return process;
}

interface Request {
  readonly f: string;
  readonly value: Json;
  readonly reads: boolean;
  answer(output: Fields): Json;
}

/** Undefined: neither reads nor changes anything. */
function requestOf(input: Fields): Request | undefined {
  switch (input["Type"]) {
    case "range": {
      const range = fields(input["Range"]);
      const value = { ...rangeOf(range), revision: number(range["Revision"]) };
      const answer = (output: Fields) => ({
        revision: number(output["Revision"]),
        ...foundOf(fields(output["Range"]), value.keysOnly),
      });
      return { f: "range", value, reads: true, answer };
    }
    case "txn": {
      const txn = fields(input["Txn"]);
      const [success, failure] = [txn["OperationsOnSuccess"], txn["OperationsOnFailure"]].map((branch) =>
        list(branch).map(operationOf),
      ) as [Json[], Json[]];
      const value = { compare: list(txn["Conditions"]).map(compareOf), success, failure };
      const reads = [...success, ...failure].every((operation) => fields(operation)["kind"] === "range");
      return { f: "txn", value, reads, answer: (output) => answerOf(output, success, failure) };
    }
    case "leaseGrant":
    case "leaseRevoke": {
      const [f, request] =
        input["Type"] === "leaseGrant" ? ["grant", "LeaseGrant"] : ["revoke", "LeaseRevoke"];
      const value = String(fields(input[request as string])["LeaseID"]);
      return {
        f: f as string,
        value,
        reads: false,
        answer: (output) => ({ revision: number(output["Revision"]) }),
      };
    }
    case "compact":
      return {
        f: "compact",
        value: number(fields(input["Compact"])["Revision"]),
        reads: false,
        answer: () => null,
      };
    case "defragment":
      return undefined;
    default:
      throw new FormatError(
        `the Type of a request is range, txn, leaseGrant, leaseRevoke, compact or defragment, not ${JSON.stringify(input["Type"])}`,
      );
  }
}

function rangeOf(range: Fields) {
  return {
    key: text(range["Start"]),
    end: text(range["End"]),
    limit: number(range["Limit"]),
    keysOnly: range["KeysOnly"] === true,
  };
}

function operationOf(json: Json): Json {
  const operation = fields(json);
  if (operation["Type"] === "range-operation")
    return { kind: "range", ...rangeOf(fields(operation["Range"])) };
  if (operation["Type"] === "delete-operation")
    return { kind: "delete", key: text(fields(operation["Delete"])["Key"]) };
  const put = fields(operation["Put"]);
  const lease = String(put["LeaseID"] ?? 0);
  return {
    kind: "put",
    key: text(put["Key"]),
    value: textOf(put["Value"]),
    lease: lease === "0" ? "" : lease,
  };
}

function compareOf(json: Json): Json {
  const { Key: key = "", ExpectedVersion: version, ExpectedRevision: revision } = fields(json);
  return number(version) > 0
    ? { key, target: "version", operator: "=", operand: number(version) }
    : { key, target: "mod", operator: "=", operand: number(revision) };
}

function answerOf(output: Fields, success: readonly Json[], failure: readonly Json[]): Json {
  const txn = fields(output["Txn"]);
  const succeeded = txn["Failure"] !== true;
  const branch = succeeded ? success : failure;
  const results = list(txn["Results"]).map((json, i): Json => {
    const result = fields(json);
    const { kind, keysOnly } = fields(branch[i]);
    if (kind === "range") return { kind, ...foundOf(result, keysOnly === true) };
    return kind === "delete" ? { kind, deleted: number(result["Deleted"]) } : { kind: "put" };
  });
  return { revision: number(output["Revision"]), succeeded, results };
}

function foundOf(range: Fields, keysOnly: boolean) {
  const entries = list(range["KVs"]).map((json): Json => {
    const { Key: key = "", Value: value, ModRevision, Version } = fields(json);
    const entry = { key, modRevision: number(ModRevision), version: number(Version) };
    return keysOnly ? entry : { ...entry, value: textOf(value) };
  });
  return { entries, count: number(range["Count"]) };
}

/** Of a key at a revision: when it had been created, and its version. */
type Lives = ReadonlyMap<string, { readonly created: number; readonly version: number }>;

/** What all watches together tell of when keys were created: each event says only whether it created its key. */
function livesOf(watches: readonly Json[]): Lives {
  const changes = new Map<string, Map<number, Fields>>();
  for (const event of watches.flatMap((watch) => list(fields(watch)["Responses"]).flatMap(eventsOf))) {
    const key = text(event["Key"]);
    const ofKey = changes.get(key) ?? new Map<number, Fields>();
    if (ofKey.size === 0) changes.set(key, ofKey);
    ofKey.set(number(event["Revision"]), event);
  }
  const lives = new Map<string, { readonly created: number; readonly version: number }>();
  for (const [key, ofKey] of changes) {
    let created = 0;
    let version = 0;
    for (const [revision, event] of [...ofKey].sort(([a], [b]) => a - b)) {
      if (event["Type"] === "delete-operation") continue;
      const before = number(fields(event["PrevValue"])["Version"]);
      if (event["IsCreate"] === true) [created, version] = [revision, 1];
      else version = (before > 0 ? before : version) + 1;
      lives.set(`${revision} ${key}`, { created, version });
    }
  }
  return lives;
}

/** One operation that begins with the first response and ends with the last: when it was asked for is not told. */
function addWatch(moments: Moment[], watch: Fields, process: number, lives: Lives): void {
  const request = fields(watch["Request"]);
  const responses = list(watch["Responses"]).map(fields);
  const [first, last] = [responses[0], responses.at(-1)].map((response) => number(response?.["Time"]));
  if (responses.length === 0 || first === undefined || last === undefined) return;
  const key = text(request["Key"]);
  const asked = {
    key: key === "" ? "\0" : key,
    end: request["WithPrefix"] === true ? endOfPrefix(key) : "",
    start: number(request["Revision"]),
    previous: request["WithPrevKV"] === true,
    progress: request["WithProgressNotify"] === true,
    fragment: false,
    filters: [],
  };
  const told = responses.map((response) => ({
    kind:
      text(response["Error"]) !== ""
        ? "canceled"
        : response["IsProgressNotify"] === true
          ? "progress"
          : "events",
    at: number(response["Time"]) - first,
    revision: number(response["Revision"]),
    events: eventsOf(response).map((event) => observed(event, lives)),
    fragment: false,
    compactRevision: 0,
  }));
  const base = { process, f: "watch" };
  const value = {
    watches: [asked],
    lifetime: last - first,
    ask: [],
    until: 0,
    continues: false,
    keep: false,
  };
  const answer = { watches: [{ responses: told, ended: text(responses.at(-1)?.["Error"]) }] };
  moments.push({ time: first, ends: false, event: { ...base, type: "invoke", value, time: first } });
  moments.push({ time: last, ends: true, event: { ...base, type: "ok", value: answer, time: last } });
}

function eventsOf(response: Json | Fields): readonly Fields[] {
  return list(fields(response as Json)["Events"]).map(fields);
}

function observed(event: Fields, lives: Lives): Json {
  const key = text(event["Key"]);
  const revision = number(event["Revision"]);
  const life = (at: number) => lives.get(`${at} ${key}`) ?? { created: 0, version: 0 };
  const { Value: value, ModRevision, Version } = fields(event["PrevValue"]);
  const before = number(ModRevision);
  const previous =
    before === 0
      ? {}
      : {
          previous: {
            value: textOf(value),
            created: life(before).created,
            revision: before,
            version: number(Version),
          },
        };
  if (event["Type"] === "delete-operation")
    return { type: "delete", key, value: "", created: 0, revision, version: 0, ...previous };
  return { type: "put", key, value: textOf(event["Value"]), revision, ...life(revision), ...previous };
}

/** The first key after all that begin with a prefix: its last byte that can grow, grown by one. */
function endOfPrefix(prefix: string): string {
  for (let i = prefix.length - 1; i >= 0; i--) {
    const code = prefix.charCodeAt(i);
    if (code < 0xff) return prefix.slice(0, i) + String.fromCharCode(code + 1);
  }
  return "\0";
}

/** Values of 20 bytes and more are recorded as their hash, but not in every place. */
function textOf(json: Json | undefined): string {
  const { Value: value = "", Hash: hash } = fields(json);
  if (typeof hash === "number" && hash !== 0) return `#${hash}`;
  const bytes = new TextEncoder().encode(String(value));
  return bytes.length < 20 ? String(value) : `#${fnv1a(bytes)}`;
}

/** FNV, the 32-bit variant of Go's hash/fnv.New32a. */
function fnv1a(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

function fields(json: Json | undefined): Fields {
  if (json === undefined || json === null) return {};
  if (typeof json !== "object" || Array.isArray(json))
    throw new FormatError(`expected an object, not ${JSON.stringify(json).slice(0, 60)}`);
  return json as Fields;
}

function list(json: Json | undefined): readonly Json[] {
  return Array.isArray(json) ? (json as readonly Json[]) : [];
}

function number(json: Json | undefined): number {
  return typeof json === "number" ? json : 0;
}

function text(json: Json | undefined): string {
  return typeof json === "string" ? json : "";
}
