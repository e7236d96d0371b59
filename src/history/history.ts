/**
 * A finished history: its events, checked to be well formed, and the operations they pair up to.
 *
 * Every view is computed when first asked for and kept; the lists returned are shared and must not be changed.
 * Views of a part (`forKey`) keep the indexes of the whole, so that a witness found in a part is one in the whole.
 */
import type { FunctionName, Invocation, Nanos, NodeId, Op, Process, Signature } from "./op.ts";
import { NEMESIS } from "./op.ts";

interface OperationFields<F extends string, In> {
  readonly f: F;
  readonly key: string | undefined;
  readonly process: Process;
  readonly node: NodeId | undefined;
  /** The value of the invocation. */
  readonly input: In;
  readonly invokeIndex: number;
  readonly invokeTime: Nanos;
  /** Index and time of the completion; `Infinity` for an operation that was still open at the end. */
  readonly completeIndex: number;
  readonly completeTime: Nanos;
}

type Known<Out> = { readonly type: "ok"; readonly output: Out; readonly error: undefined };
type Unproven = {
  readonly type: "fail" | "info";
  readonly output: undefined;
  readonly error: string;
};

/** The operations of one function (or of several: a union of names). */
export type OperationOf<S extends Signature, F extends FunctionName<S>> = {
  readonly [G in F]: OperationFields<G, S[G]["in"]> & (Known<S[G]["out"]> | Unproven);
}[F];

/**
 * An invocation and what became of it, told apart by `f` and then by `type`. An operation still open at the end
 * of the history is `info`: it may take effect at any later time.
 */
export type Operation<S extends Signature = Signature> = OperationOf<S, FunctionName<S>>;

/** Thrown for a list of events that is not a history. */
export class MalformedHistory extends Error {
  override readonly name = "MalformedHistory";
  /** Position of the offending event in the list. */
  readonly position: number;
  constructor(position: number, event: Op, what: string) {
    const who = event.process === NEMESIS ? "the nemesis" : `process ${event.process}`;
    super(`event ${position} (${who}, ${event.type} ${event.f}): ${what}`);
    this.position = position;
  }
}

/** What an open operation's `error` says. */
export const OPEN = "no completion";

/** For each event, the position of the event that completes it; 0 (never a completion) if there is none. */
function pair(events: readonly Op[]): Uint32Array {
  const completions = new Uint32Array(events.length);
  const pending = new Map<Process, number>();
  const retired = new Set<Process>();
  for (let at = 0; at < events.length; at++) {
    const event = events[at] as Op;
    const { process } = event;
    if (event.index !== at)
      throw new MalformedHistory(at, event, `has index ${event.index}, but indexes count up from 0`);
    const open = pending.get(process);
    if (event.type === "invoke") {
      if (open !== undefined)
        throw new MalformedHistory(at, event, `invoked while its operation of event ${open} is pending`);
      if (retired.has(process))
        throw new MalformedHistory(at, event, "the process ended as info before and cannot be used again");
      pending.set(process, at);
      continue;
    }
    if (open === undefined) throw new MalformedHistory(at, event, "completes, but nothing is pending");
    const invocation = events[open] as Op;
    if (invocation.f !== event.f)
      throw new MalformedHistory(at, event, `completes event ${open}, which invoked ${invocation.f}`);
    if (event.key !== undefined && event.key !== invocation.key)
      throw new MalformedHistory(
        at,
        event,
        `completes event ${open} with key ${event.key} instead of ${invocation.key ?? "none"}`,
      );
    completions[open] = at;
    pending.delete(process);
    if (event.type === "info" && process !== NEMESIS) retired.add(process);
  }
  return completions;
}

/** One object shape for all operations keeps checkers fast. */
function operation(invocation: Invocation, completion: Op | undefined): Operation {
  const ok = completion?.type === "ok";
  return {
    f: invocation.f,
    key: invocation.key,
    process: invocation.process,
    node: invocation.node ?? completion?.node,
    input: invocation.value,
    invokeIndex: invocation.index,
    invokeTime: invocation.time,
    completeIndex: completion === undefined ? Number.POSITIVE_INFINITY : completion.index,
    completeTime: completion === undefined ? Number.POSITIVE_INFINITY : completion.time,
    type: completion === undefined ? "info" : completion.type,
    output: ok ? completion.value : undefined,
    error: ok ? undefined : completion !== undefined && "error" in completion ? completion.error : OPEN,
  } as Operation;
}

export class History<S extends Signature = Signature> {
  /** The events of the whole history; a part finds its own in it. */
  #whole: readonly Op<S>[];
  /** The operations this view consists of; undefined until asked for, in the whole history only. */
  #client: readonly Operation<S>[] | undefined;
  /** Kept from validation until the operations are built. */
  #completions: Uint32Array | undefined;
  #events: readonly Op<S>[] | undefined;
  #nemesis: readonly Op[] | undefined;
  #parts: ReadonlyMap<string, History<S>> | undefined;
  #functions: ReadonlyMap<string, readonly Operation<S>[]> | undefined;

  /**
   * `events` must not change afterwards. Throws `MalformedHistory` unless indexes count up from 0, every completion
   * follows an invocation of the same function by the same process, no process has two operations pending, and no
   * process (but the nemesis) is used again after an `info`.
   */
  constructor(events: readonly Op<S>[]) {
    this.#whole = events;
    this.#events = events;
    this.#completions = pair(events as readonly Op[]);
  }

  /** The view of some of the operations of a history already validated. */
  static #part<S extends Signature>(
    whole: readonly Op<S>[],
    operations: readonly Operation<S>[],
  ): History<S> {
    const part = new History<S>([]);
    part.#whole = whole;
    part.#client = operations;
    part.#events = undefined;
    part.#nemesis = [];
    return part;
  }

  /** All events in order: clients' and the nemesis's, or those of one key in a part. */
  get events(): readonly Op<S>[] {
    this.#events ??= this.#eventsOfPart();
    return this.#events;
  }

  /** The clients' operations, by invocation. */
  get client(): readonly Operation<S>[] {
    this.#client ??= this.#pairClients();
    return this.#client;
  }

  /** The events of the nemesis; their functions belong to the faults, not to `S`. Empty in a part. */
  get nemesis(): readonly Op[] {
    this.#nemesis ??= (this.#whole as readonly Op[]).filter((event) => event.process === NEMESIS);
    return this.#nemesis;
  }

  /** The keys clients used, by first use. Operations without a key count for none. */
  keys(): readonly string[] {
    return [...this.#byKey().keys()];
  }

  /** The part of the history that concerns one key; empty if it was never used. */
  forKey(key: string): History<S> {
    return this.#byKey().get(key) ?? History.#part(this.#whole, []);
  }

  /** The clients' operations of one function, by invocation. */
  byFunction<F extends FunctionName<S>>(f: F): readonly OperationOf<S, F>[] {
    this.#functions ??= groupBy(this.client, (operation) => operation.f);
    return (this.#functions.get(f) ?? []) as readonly OperationOf<S, F>[];
  }

  #pairClients(): readonly Operation<S>[] {
    const events = this.#whole as readonly Op[];
    const completions = this.#completions as Uint32Array;
    const operations: Operation[] = [];
    for (let at = 0; at < events.length; at++) {
      const event = events[at] as Op;
      if (event.type !== "invoke" || event.process === NEMESIS) continue;
      const completion = completions[at] as number;
      operations.push(operation(event, completion === 0 ? undefined : events[completion]));
    }
    this.#completions = undefined;
    return operations as unknown as readonly Operation<S>[];
  }

  #eventsOfPart(): readonly Op<S>[] {
    const indexes: number[] = [];
    for (const { invokeIndex, completeIndex } of this.client) {
      indexes.push(invokeIndex);
      if (completeIndex !== Number.POSITIVE_INFINITY) indexes.push(completeIndex);
    }
    indexes.sort((a, b) => a - b);
    return indexes.map((index) => this.#whole[index] as Op<S>);
  }

  #byKey(): ReadonlyMap<string, History<S>> {
    if (this.#parts === undefined) {
      const parts = new Map<string, History<S>>();
      for (const [key, operations] of groupBy(this.client, (operation) => operation.key))
        parts.set(key, History.#part(this.#whole, operations));
      this.#parts = parts;
    }
    return this.#parts;
  }
}

/** Groups in order of first appearance; items named undefined are left out. */
function groupBy<T>(items: readonly T[], name: (item: T) => string | undefined): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = name(item);
    if (group === undefined) continue;
    const members = groups.get(group);
    if (members === undefined) groups.set(group, [item]);
    else members.push(item);
  }
  return groups;
}
