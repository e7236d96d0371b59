/**
 * Who led when, and what each node believed, as the trace tells it.
 *
 * A node that is killed says nothing more, so the end of a reign is the first of: the node gave it up, it ended, a
 * fault took it down, or (where messages were seen) the last message it sent as a leader of that term.
 */
import type { Nanos, NodeId, Op } from "../src/history/op.ts";
import type { FinishedRun } from "../src/store/run-directory.ts";
import type { FaultSpan } from "./fault-spans.ts";

export interface Reign {
  readonly node: NodeId;
  readonly term: number;
  readonly from: Nanos;
  readonly until: Nanos;
  readonly end: "gave up" | "ended" | "taken down" | "fell silent" | "end of run";
}

/** Faults that end the process of their victims. */
const DEADLY: ReadonlySet<string> = new Set(["kill", "stop", "power"]);

const ROLES: ReadonlySet<string> = new Set([
  "become-follower",
  "become-pre-candidate",
  "become-candidate",
  "become-leader",
]);

/** By beginning. */
export function reigns(
  run: Pick<FinishedRun, "trace" | "messages">,
  spans: readonly FaultSpan[],
  end: Nanos,
): Reign[] {
  const found: Reign[] = [];
  for (let i = 0; i < run.trace.length; i++) {
    const event = run.trace[i] as FinishedRun["trace"][number];
    if (event.kind !== "become-leader") continue;
    const { node, time: from } = event;
    const term = Number(event.detail.term);
    let until = end;
    let reason: Reign["end"] = "end of run";
    const earlier = (time: Nanos, why: Reign["end"]): void => {
      if (time < from || time >= until) return;
      until = time;
      reason = why;
    };
    for (let j = i + 1; j < run.trace.length; j++) {
      const later = run.trace[j] as FinishedRun["trace"][number];
      if (later.node !== node) continue;
      if (ROLES.has(later.kind)) {
        earlier(later.time, "gave up");
        break;
      }
      if (later.kind === "crash" || later.kind === "exit") {
        earlier(later.time, "ended");
        break;
      }
    }
    for (const span of spans) {
      if (DEADLY.has(span.fault) && span.nodes.includes(node)) earlier(span.from, "taken down");
    }
    found.push({ node, term, from, until, end: reason });
  }
  return silenced(found, run.messages);
}

const OF_A_LEADER = /^(?:append|heartbeat|snapshot)\b.*, term (\d+)$/;

/** Ends a reign at the last message that the node sent as leader of the term, if messages were kept that long. */
function silenced(found: readonly Reign[], messages: FinishedRun["messages"]): Reign[] {
  if (messages.length === 0) return [...found];
  const first = messages.reduce((time, { sent }) => Math.min(time, sent), Number.POSITIVE_INFINITY);
  const last = new Map<string, Nanos>();
  for (const { from, what, sent } of messages) {
    const term = OF_A_LEADER.exec(what)?.[1];
    if (term === undefined) continue;
    const name = `${from} ${term}`;
    if (sent > (last.get(name) ?? -1)) last.set(name, sent);
  }
  return found.map((reign) => {
    const sign = last.get(`${reign.node} ${reign.term}`);
    // Without a message from the time of the reign nothing is known: a lone member sends none.
    if (sign === undefined || reign.from < first || sign < reign.from || sign >= reign.until) return reign;
    // It is taken to lead until the next heartbeat would have been due.
    return reign.until - sign < 1e9 ? reign : { ...reign, until: sign, end: "fell silent" as const };
  });
}

/** Two nodes that led at the same time; `older` has the smaller term. */
export interface DoubleReign {
  readonly older: Reign;
  readonly newer: Reign;
  readonly from: Nanos;
  readonly until: Nanos;
}

export function doubleReigns(all: readonly Reign[]): DoubleReign[] {
  const pairs: DoubleReign[] = [];
  for (let i = 0; i < all.length; i++) {
    for (let j = i + 1; j < all.length; j++) {
      const [a, b] = [all[i] as Reign, all[j] as Reign];
      if (a.node === b.node) continue;
      const from = Math.max(a.from, b.from);
      const until = Math.min(a.until, b.until);
      if (from >= until) continue;
      const [older, newer] = a.term <= b.term ? [a, b] : [b, a];
      pairs.push({ older, newer, from, until });
    }
  }
  return pairs;
}

export interface Belief {
  readonly role: "leader" | "follower" | "candidate";
  readonly term: number;
  /** Whom it took for the leader: who won the term, if just one did. */
  readonly leader: NodeId | undefined;
}

/** What each node had last said of itself, at any time. */
export class Beliefs {
  /** By node, its changes of role in order of time. */
  readonly #changes = new Map<NodeId, FinishedRun["trace"][number][]>();
  /** By term, who won it, in order of time. */
  readonly #winners = new Map<number, Reign[]>();

  constructor(trace: FinishedRun["trace"], all: readonly Reign[]) {
    for (const event of trace) {
      if (!ROLES.has(event.kind)) continue;
      const changes = this.#changes.get(event.node);
      if (changes === undefined) this.#changes.set(event.node, [event]);
      else changes.push(event);
    }
    for (const reign of all) this.#winners.set(reign.term, [...(this.#winners.get(reign.term) ?? []), reign]);
  }

  /** Undefined if the node had said nothing by `time`. */
  of(node: NodeId, time: Nanos): Belief | undefined {
    const changes = this.#changes.get(node) ?? [];
    let low = 0;
    let high = changes.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((changes[middle] as FinishedRun["trace"][number]).time <= time) low = middle + 1;
      else high = middle;
    }
    const last = changes[low - 1];
    if (last === undefined) return undefined;
    const term = Number(last.detail.term);
    const winners = (this.#winners.get(term) ?? []).filter((reign) => reign.from <= time);
    const role =
      last.kind === "become-leader" ? "leader" : last.kind === "become-follower" ? "follower" : "candidate";
    return { role, term, leader: winners.length === 1 ? (winners[0] as Reign).node : undefined };
  }
}

/** The members of the cluster that the run speaks of, in natural order: n2 before n10. */
export function membersOf(
  run: Pick<FinishedRun, "history" | "trace">,
  spans: readonly FaultSpan[],
): NodeId[] {
  const names = new Set<NodeId>();
  for (const { node } of run.history.events as readonly Op[]) if (node !== undefined) names.add(node);
  for (const { node, kind } of run.trace) if (ROLES.has(kind)) names.add(node);
  for (const span of spans) for (const pair of span.cut) for (const node of pair) names.add(node);
  const padded = (name: string): string => name.replace(/\d+/g, (digits) => digits.padStart(8, "0"));
  return [...names].sort((a, b) => (padded(a) < padded(b) ? -1 : 1));
}
