/** What the nemesis broke, from when to when, and to whom: read from its own operations in the history. */
import type { History } from "../src/history/history.ts";
import type { Json, Nanos, NodeId, Op } from "../src/history/op.ts";
import { listed } from "./wording.ts";

export interface FaultSpan {
  readonly fault: string;
  readonly from: Nanos;
  /** The end of the history if it was never healed. */
  readonly until: Nanos;
  /** Indexes of the nemesis's events: what it asked for and what it did. */
  readonly index: number;
  /** Victims, if it had any by name. */
  readonly nodes: readonly NodeId[];
  /** Directed pairs that could not hear each other. */
  readonly cut: readonly (readonly [from: NodeId, to: NodeId])[];
  /** What was done, as recorded. */
  readonly did: Json;
  /** What healing it found, as recorded. */
  readonly healed: Json;
  /** Visible effects, where the fault counted them. */
  readonly bites: number | undefined;
  /** Why it could not be done; undefined if it was. */
  readonly refused: string | undefined;
}

type Fields = { readonly [field: string]: Json };

export function faultSpans(history: History): FaultSpan[] {
  const end = history.events.at(-1)?.time ?? 0;
  const spans: FaultSpan[] = [];
  /** By fault, the position of its open span. */
  const open = new Map<string, number>();
  const close = (fault: string, until: Nanos, healed: Json): void => {
    const position = open.get(fault);
    if (position === undefined) return;
    open.delete(fault);
    const bites = fields(healed).bites;
    spans[position] = {
      ...(spans[position] as FaultSpan),
      until,
      healed,
      bites: typeof bites === "number" ? bites : undefined,
    };
  };
  for (const event of history.nemesis) {
    const [verb, fault] = split(event.f);
    if (verb === "start") {
      if (event.type === "invoke") {
        close(fault, event.time, null);
        open.set(fault, spans.length);
        spans.push(begun(fault, event, end));
      } else complete(spans, open, fault, event);
    } else if (verb === "heal" && event.type !== "invoke") {
      const healed = event.type === "ok" ? event.value : null;
      if (fault === "all") for (const name of [...open.keys()]) close(name, event.time, null);
      else close(fault, event.time, healed);
    }
  }
  return spans;
}

function split(f: string): readonly [verb: string, fault: string] {
  const dash = f.indexOf("-");
  return dash < 0 ? [f, ""] : [f.slice(0, dash), f.slice(dash + 1)];
}

function begun(fault: string, event: Op, end: Nanos): FaultSpan {
  return {
    fault,
    from: event.time,
    until: end,
    index: event.index,
    nodes: [],
    cut: [],
    did: event.value as Json,
    healed: null,
    bites: undefined,
    refused: undefined,
  };
}

function complete(spans: FaultSpan[], open: Map<string, number>, fault: string, event: Op): void {
  const position = open.get(fault);
  if (position === undefined) return;
  const span = spans[position] as FaultSpan;
  if (event.type !== "ok") {
    open.delete(fault);
    const error = event.type === "invoke" ? "" : event.error;
    spans[position] = { ...span, until: event.time, refused: error };
    return;
  }
  const did = fields(event.value);
  spans[position] = { ...span, did, nodes: strings(did.nodes), cut: pairs(did.cut) };
}

function fields(value: Json): Fields {
  return value !== null && typeof value === "object" && !Array.isArray(value) ? (value as Fields) : {};
}

function strings(value: Json | undefined): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

function pairs(value: Json | undefined): FaultSpan["cut"] {
  return strings(value).flatMap((pair) => {
    const arrow = pair.indexOf(">");
    return arrow > 0 ? [[pair.slice(0, arrow), pair.slice(arrow + 1)] as const] : [];
  });
}

/** What happened to the victims, by fault. */
const DONE: { readonly [fault: string]: (victims: string, were: string) => string } = {
  kill: (victims, were) => `${victims} ${were} killed`,
  stop: (victims, were) => `${victims} ${were} stopped`,
  pause: (victims, were) => `${victims} ${were} frozen`,
  power: (victims) => `${victims} had no power`,
  delay: (victims) => `messages around ${victims} were late`,
  loss: (victims) => `messages around ${victims} got lost`,
  duplicate: (victims) => `messages around ${victims} arrived twice`,
  reorder: (victims) => `messages around ${victims} overtook each other`,
  rate: (victims) => `links around ${victims} carried only a few messages`,
  corrupt: (victims) => `messages around ${victims} arrived garbled`,
  hold: (victims) => `messages around ${victims} were held back`,
  "disk-slow": (victims) => `the disk of ${victims} was slow`,
  "disk-error": (victims) => `the disk of ${victims} failed now and then`,
  "disk-full": (victims) => `the disk of ${victims} was full`,
  "sync-error": (victims) => `an fsync of ${victims} failed`,
  "lying-sync": (victims) => `the disk of ${victims} lied about its fsyncs and then lost power`,
};

/** What happened to the cluster as a whole, by fault. */
const DONE_TO_ALL: { readonly [fault: string]: string } = {
  restart: "nodes were killed and started again within milliseconds",
  "rolling-restart": "the nodes were restarted one after the other",
  reset: "open connections were reset",
  transfer: "the leader was asked to hand over its office",
  compact: "the store's history was compacted",
  snapshot: "nodes were made to save a snapshot and drop their logs",
};

/** What a span did to the cluster, in words: a clause in the past tense. */
export function tellSpan(span: FaultSpan, nodes: readonly NodeId[]): string {
  const did = fields(span.did);
  if (span.refused !== undefined) return `${span.fault} could not be started: ${span.refused}`;
  if (span.cut.length > 0)
    return tellCut(span.cut, nodes) + (span.fault === "flapping" ? ", again and again" : "");
  if (span.fault === "clock") return tellClock(did, listed(span.nodes));
  if (span.fault === "membership" && typeof did.removed === "string")
    return `${did.removed} was removed from the cluster`;
  const done = DONE[span.fault];
  if (done !== undefined)
    return span.nodes.length === 0
      ? `${span.fault} found no victim`
      : done(listed(span.nodes), span.nodes.length === 1 ? "was" : "were");
  const all = DONE_TO_ALL[span.fault];
  if (all !== undefined) return all;
  const struck = span.nodes.length > 0 ? span.nodes : [...new Set(strings(fields(span.healed).struck))];
  return struck.length === 0 ? `${span.fault} was in force` : `${span.fault} struck ${listed(struck)}`;
}

function tellClock(did: Fields, victims: string): string {
  switch (did.kind) {
    case "drift":
      return `the clocks of ${victims} ran at ${String(did.rate)} times their true speed`;
    case "strobe":
      return `the wall clocks of ${victims} jumped back and forth`;
    case "jump-back":
      return `the wall clocks of ${victims} jumped back`;
    default:
      return `the wall clocks of ${victims} jumped ahead`;
  }
}

/** Who could not hear whom, in the shortest true words. */
export function tellCut(cut: FaultSpan["cut"], nodes: readonly NodeId[]): string {
  const gone = new Set(cut.map(([from, to]) => `${from}>${to}`));
  const deaf = (from: NodeId, to: NodeId): boolean => gone.has(`${from}>${to}`);
  const sides = components(nodes, (a, b) => !deaf(a, b) && !deaf(b, a));
  const side = (node: NodeId): number => sides.findIndex((members) => members.includes(node));
  const between = nodes.flatMap((a) => nodes.filter((b) => side(a) !== side(b)).map((b) => [a, b] as const));
  if (sides.length > 1 && between.length === cut.length && between.every(([a, b]) => deaf(a, b)))
    return `the network was cut between ${listed(sides.map((members) => members.join(", ")))}`;
  const senders = [...new Set(cut.map(([from]) => from))];
  const receivers = [...new Set(cut.map(([, to]) => to))];
  if (senders.length === 1) return `nothing that ${senders[0]} sent arrived at ${listed(receivers)}`;
  if (receivers.length === 1) return `${receivers[0]} heard nothing from ${listed(senders)}`;
  const both = cut.filter(([from, to]) => from < to && deaf(to, from));
  const single = cut.filter(([from, to]) => !deaf(to, from));
  const links = [...both.map((pair) => pair.join("–")), ...single.map((pair) => pair.join("→"))];
  return `these links were cut: ${links.join(", ")}`;
}

/** Connected components, in order of their first member. */
function components(nodes: readonly NodeId[], linked: (a: NodeId, b: NodeId) => boolean): NodeId[][] {
  const found: NodeId[][] = [];
  const seen = new Set<NodeId>();
  for (const first of nodes) {
    if (seen.has(first)) continue;
    seen.add(first);
    const members = [first];
    for (const member of members) {
      for (const other of nodes) {
        if (seen.has(other) || !linked(member, other)) continue;
        seen.add(other);
        members.push(other);
      }
    }
    found.push(members);
  }
  return found;
}
