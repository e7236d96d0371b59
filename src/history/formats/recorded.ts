/**
 * From what was recorded elsewhere to a history: events are numbered anew, the nemesis gets its number, and what
 * a format leaves out is filled in.
 */
import { type Json, NEMESIS, type Op } from "../op.ts";
import { FormatError } from "./text-source.ts";

type Type = Op["type"];

/** An event as its format tells it. */
export interface RecordedEvent {
  readonly type: Type;
  /** A number, or the word "nemesis"; one that is missing is everybody's. */
  readonly process: Json | undefined;
  readonly f: string;
  readonly value: Json;
  /** Nanoseconds. */
  readonly time?: number | undefined;
  readonly key?: string | undefined;
  readonly node?: string | undefined;
  readonly error?: string | undefined;
}

const TYPES: { readonly [type: string]: Type } = { invoke: "invoke", ok: "ok", fail: "fail", info: "info" };

/**
 * An operation map, as Jepsen and the tools around it write it. An `index` must grow, for lines that are in the
 * wrong place are no history. Throws FormatError.
 */
export class OperationMaps {
  #index = Number.NEGATIVE_INFINITY;

  read(value: Json): RecordedEvent {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw new FormatError("an operation is a map with :process, :type, :f and :value");
    const map = value as { readonly [field: string]: Json };
    const { type, process, f, index, time, key, node, error } = map;
    const known = typeof type === "string" ? TYPES[type] : undefined;
    if (known === undefined)
      throw new FormatError(`the type of an operation is invoke, ok, fail or info, not ${show(type)}`);
    if (typeof index === "number") {
      if (index <= this.#index) throw new FormatError(`index ${index} comes after index ${this.#index}`);
      this.#index = index;
    }
    return {
      type: known,
      process,
      f: functionOf(f, map["value"]),
      value: map["value"] ?? null,
      time: typeof time === "number" && time >= 0 ? Math.round(time) : undefined,
      key:
        key === undefined || key === null ? undefined : typeof key === "string" ? key : JSON.stringify(key),
      node: typeof node === "string" ? node : undefined,
      error:
        error === undefined || error === null
          ? undefined
          : typeof error === "string"
            ? error
            : JSON.stringify(error),
    };
  }
}

/** Elle's own examples leave out that all they do is transactions. */
function functionOf(f: Json | undefined, value: Json | undefined): string {
  if (typeof f === "string") return f;
  if ((f === undefined || f === null) && Array.isArray(value) && value.every(Array.isArray)) return "txn";
  throw new FormatError(`an operation has a function :f, not ${show(f)}`);
}

/** Nanoseconds between two events whose times are not told. */
const UNTIMED = 1_000_000;

/** Makes the events of a history from recorded ones, in their order. Throws FormatError. */
export function* numbered(events: Iterable<RecordedEvent>): Generator<Op> {
  let index = 0;
  /** The function the nemesis is at. */
  let open: string | undefined;
  for (const recorded of events) {
    const { type, f } = recorded;
    const process = processOf(recorded.process);
    if (process !== NEMESIS) {
      yield event(recorded, index++, process, type);
      continue;
    }
    // Jepsen's nemesis has only events of type info: in turn, what it begins and how that ended.
    const ends = open === f && type !== "invoke";
    if (open !== undefined && !ends)
      yield event({ ...recorded, f: open, value: null, error: "no completion" }, index++, NEMESIS, "info");
    open = ends ? undefined : f;
    yield event(recorded, index++, NEMESIS, ends ? (type === "info" ? "ok" : type) : "invoke");
  }
}

/** All have all fields, though some are undefined: objects of one shape are made and read much faster. */
function event(recorded: RecordedEvent, index: number, process: number, type: Type): Op {
  const { f, value, time = index * UNTIMED, key, node } = recorded;
  const error = type === "fail" || type === "info" ? (recorded.error ?? "not recorded") : undefined;
  return { index, time, process, type, f, value, key, node, error } as unknown as Op;
}

function processOf(process: Json | undefined): number {
  if (process === undefined || process === null) return 0;
  if (process === "nemesis" || process === NEMESIS) return NEMESIS;
  if (typeof process === "number" && Number.isSafeInteger(process) && process >= 0) return process;
  throw new FormatError(`a process is a number or the nemesis, not ${show(process)}`);
}

function show(value: Json | undefined): string {
  return value === undefined ? "missing" : JSON.stringify(value);
}
