/**
 * The story of a violation, in plain words: what broke, who believed what, which fault had made it so.
 *
 * It is told from the history and the trace alone. It says only what they show, and says so where they show nothing;
 * what a planted bug does is never looked up.
 */
import type { Anomaly, Verdict } from "../src/checker.ts";
import type { Operation } from "../src/history/history.ts";
import type { Nanos, NodeId } from "../src/history/op.ts";
import type { FinishedRun } from "../src/store/run-directory.ts";
import { type FaultSpan, tellSpan } from "./fault-spans.ts";
import { gravity, invariant, meaning, promise } from "./glossary.ts";
import { type Belief, Beliefs, type DoubleReign, doubleReigns, type Reign } from "./leadership.ts";
import { at, counted, lasting, listed } from "./wording.ts";

export interface Story {
  readonly anomaly: Anomaly;
  readonly checker: string;
  /** One sentence for somebody who has never heard of any of this. */
  readonly headline: string;
  readonly chapters: readonly { readonly title: string; readonly sentences: readonly string[] }[];
  /** The operations that together prove it, by invocation. */
  readonly witness: readonly Operation[];
  /** From the first to the last of them; for a violation inside the cluster, the moment it was seen. */
  readonly from: Nanos;
  readonly until: Nanos;
}

/** What is known of a run besides the history; made once and shared by the parts of the report. */
export interface Scene {
  readonly nodes: readonly NodeId[];
  readonly spans: readonly FaultSpan[];
  readonly reigns: readonly Reign[];
}

/** How long before the witness a fault may have ended and still count as "shortly before". */
const SHORTLY: Nanos = 5e9;
const FAULTS_TOLD = 6;

/** Undefined if no verdict is invalid or none of them names an anomaly. */
export function tellStory(run: FinishedRun, scene: Scene): Story | undefined {
  const found = strongest(run.result?.verdicts ?? []);
  if (found === undefined) return undefined;
  const { anomaly, verdict } = found;
  const witness = witnessOf(run, anomaly);
  const moment = momentOf(verdict);
  const from = witness[0]?.invokeTime ?? moment ?? eventTime(run, anomaly) ?? 0;
  const end = run.history.events.at(-1)?.time ?? from;
  const until = Math.max(from, ...witness.map((op) => Math.min(op.completeTime, end)));
  const beliefs = new Beliefs(run.trace, scene.reigns);
  const told: Told = { run, scene, beliefs, anomaly, verdict, witness, from, until };
  const rivals = rivalsOf(told);
  const chapters = [
    { title: "In short", sentences: inShort(told, rivals) },
    { title: "The promise", sentences: thePromise(told) },
    { title: witness.length > 0 ? "What clients saw" : "What was seen", sentences: whatHappened(told) },
    { title: "What the nodes believed", sentences: believed(told, rivals) },
    { title: "What was broken at the time", sentences: faults(told) },
    { title: "Inside the cluster", sentences: inside(told) },
    { title: "What else was found", sentences: others(told) },
  ].filter(({ sentences }) => sentences.length > 0);
  return { anomaly, checker: verdict.checker, headline: headline(anomaly), chapters, witness, from, until };
}

interface Told {
  readonly run: FinishedRun;
  readonly scene: Scene;
  readonly beliefs: Beliefs;
  readonly anomaly: Anomaly;
  readonly verdict: Verdict;
  readonly witness: readonly Operation[];
  readonly from: Nanos;
  readonly until: Nanos;
}

/**
 * What clients could see comes before what went on inside, and that before what merely took too long; then the
 * graver, the shorter proof, the earlier.
 */
export function strongest(
  verdicts: readonly Verdict[],
): { readonly anomaly: Anomaly; readonly verdict: Verdict } | undefined {
  let best:
    | { readonly anomaly: Anomaly; readonly verdict: Verdict; readonly rank: readonly number[] }
    | undefined;
  for (const verdict of verdicts) {
    if (verdict.validity !== "invalid") continue;
    for (const anomaly of verdict.anomalies) {
      const kind = anomaly.guarantee.startsWith("liveness") ? 2 : anomaly.witness.length > 0 ? 0 : 1;
      const rank = [kind, gravity(anomaly), anomaly.witness.length, anomaly.witness[0] ?? 0];
      if (best === undefined || before(rank, best.rank)) best = { anomaly, verdict, rank };
    }
  }
  return best;
}

function before(a: readonly number[], b: readonly number[]): boolean {
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i]) return (a[i] as number) < (b[i] as number);
  }
  return false;
}

/** The clients' operations that an anomaly's witness touches, by invocation. */
export function witnessOf(run: Pick<FinishedRun, "history">, anomaly: Anomaly): Operation[] {
  const events = new Set(anomaly.witness);
  return run.history.client.filter((op) => events.has(op.invokeIndex) || events.has(op.completeIndex));
}

/** When a checker that looks inside saw it. */
function momentOf(verdict: Verdict): Nanos | undefined {
  const { evidence } = verdict;
  if (evidence === null || typeof evidence !== "object" || Array.isArray(evidence)) return undefined;
  const { time } = evidence as { readonly time?: unknown };
  return typeof time === "number" ? time : undefined;
}

function eventTime(run: FinishedRun, anomaly: Anomaly): Nanos | undefined {
  const index = anomaly.witness[0];
  return index === undefined ? undefined : run.history.events[index]?.time;
}

function headline(anomaly: Anomaly): string {
  const entry = meaning(anomaly.name);
  if (entry === undefined) {
    return anomaly.witness.length > 0
      ? `A promise was broken: ${anomaly.guarantee} does not hold (${anomaly.name}).`
      : `A rule inside the cluster was broken, though no client noticed in this run: ${invariant(anomaly.name) ?? anomaly.guarantee} (${anomaly.name}).`;
  }
  const name = entry.known === undefined ? anomaly.name : entry.known;
  return `A promise was broken: ${entry.what} (${name}).`;
}

function thePromise({ anomaly }: Told): string[] {
  const said = promise(anomaly.guarantee);
  const rule = anomaly.guarantee.startsWith("raft: ") ? invariant(anomaly.name) : undefined;
  if (rule !== undefined) return [`${capital(rule)}. ${said ?? ""}`.trim()];
  return said === undefined ? [] : [`${capital(anomaly.guarantee)}: ${said}`];
}

function whatHappened({ anomaly, witness, from, until }: Told): string[] {
  const sentences = [sentence(explained(anomaly))];
  if (witness.length > 1) {
    const span = until - from;
    sentences.push(
      `${counted(witness.length, "operation")} within ${lasting(span)} prove it, from ${at(from)} to ${at(until)}; they are listed below.`,
    );
  }
  return sentences;
}

/** The explanation, without the name that some begin with. */
function explained({ name, explanation }: Anomaly): string {
  return explanation.startsWith(`${name}: `) ? explanation.slice(name.length + 2) : explanation;
}

/** Two leaders at once, and what their clients got meanwhile. */
interface Rivals extends DoubleReign {
  /** Successful operations at nodes of either side, and those nodes. */
  readonly olderSide: Side;
  readonly newerSide: Side;
}
interface Side {
  readonly succeeded: number;
  readonly nodes: readonly NodeId[];
}

/** The two leaders at once that are nearest to the witness, if there were any. */
function rivalsOf(told: Told): Rivals | undefined {
  const near = doubleReigns(told.scene.reigns)
    .filter((pair) => pair.from <= told.until && pair.until >= told.from - SHORTLY)
    .sort((a, b) => distance(a, told) - distance(b, told) || a.from - b.from)[0];
  if (near === undefined) return undefined;
  const side = (reign: Reign): Side => {
    const nodes = new Set<NodeId>();
    let succeeded = 0;
    for (const { type, node, completeTime } of told.run.history.client) {
      if (type !== "ok" || node === undefined || completeTime < near.from || completeTime > near.until)
        continue;
      if (!isOnSide(reign, near, node, told.beliefs.of(node, completeTime))) continue;
      succeeded++;
      nodes.add(node);
    }
    return { succeeded, nodes: told.scene.nodes.filter((node) => nodes.has(node)) };
  };
  return { ...near, olderSide: side(near.older), newerSide: side(near.newer) };
}

/** Of two leaders in one term, nobody can tell whom the others follow: then a side is its leader alone. */
function isOnSide(
  reign: Reign,
  { older, newer }: DoubleReign,
  node: NodeId,
  held: Belief | undefined,
): boolean {
  return held?.term === reign.term && (older.term !== newer.term || node === reign.node);
}

/**
 * One sentence, if all of it is known: who was cut off from whom, who led on either side, who was answered. Two
 * leaders explain nothing unless the proof itself has an answer from the side of each.
 */
function inShort({ scene, beliefs, witness }: Told, rivals: Rivals | undefined): string[] {
  if (rivals === undefined) return [];
  const { older, newer, olderSide, newerSide } = rivals;
  if (olderSide.succeeded === 0 || newerSide.succeeded === 0) return [];
  const answered = (reign: Reign): boolean =>
    witness.some(
      ({ type, node, completeTime }) =>
        type === "ok" && node !== undefined && isOnSide(reign, rivals, node, beliefs.of(node, completeTime)),
    );
  if (!answered(older) || !answered(newer)) return [];
  const cut = scene.spans.find(
    (span) =>
      span.from <= rivals.until &&
      span.until >= rivals.from &&
      span.cut.some(
        ([a, b]) => (a === older.node && b === newer.node) || (a === newer.node && b === older.node),
      ),
  );
  const opening = cut === undefined ? "At the same time" : `While ${tellSpan(cut, scene.nodes)}`;
  return [
    `${opening}, ${older.node} took itself for the leader of term ${older.term} and ${newer.node} for that of term ${newer.term}, and clients of both were answered.`,
  ];
}

/** Who led at once, and for each node that a witness asked, what it took itself and others for when it answered. */
function believed(told: Told, rivals: Rivals | undefined): string[] {
  const { witness, until } = told;
  const sentences: string[] = [];
  if (rivals !== undefined) {
    const { older, newer, olderSide, newerSide } = rivals;
    sentences.push(
      `Two nodes took themselves for the leader at the same time, for ${lasting(rivals.until - rivals.from)}: ${reignWords(older)}; ${reignWords(newer)}.`,
      `Meanwhile ${sideWords(older, rivals, olderSide)}, and ${sideWords(newer, rivals, newerSide)}.`,
    );
    if (olderSide.succeeded > 0 && newerSide.succeeded > 0)
      sentences.push(
        "A leader that was cut off may believe in itself for a while, but it must confirm no write, and no read that promises to be up to date.",
      );
  }
  const said = new Set<string>();
  for (const op of witness.slice(-6)) {
    if (op.node === undefined) continue;
    const when = Math.min(op.completeTime, until);
    const held = told.beliefs.of(op.node, when);
    if (held === undefined) continue;
    const words = {
      leader: `took itself for the leader of term ${held.term}`,
      follower: `was in term ${held.term}${held.leader === undefined ? "" : `, led by ${held.leader}`}`,
      candidate: `was looking for a leader, in term ${held.term}`,
    }[held.role];
    const line = `${op.node} ${words}`;
    if (said.has(line)) continue;
    said.add(line);
    sentences.push(
      `${Number.isFinite(op.completeTime) ? `When ${who(op)} was answered at ${at(when)}` : `${capital(who(op))} was never answered; at ${at(when)}`}, ${line}.`,
    );
  }
  return sentences;
}

function sideWords({ node, term }: Reign, { older, newer }: DoubleReign, { succeeded, nodes }: Side): string {
  if (succeeded === 0)
    return older.term === newer.term
      ? `no operation succeeded at ${node}`
      : `no operation succeeded at nodes in term ${term}`;
  return older.term === newer.term
    ? `${counted(succeeded, "operation")} succeeded at ${node}`
    : `${counted(succeeded, "operation")} succeeded at ${listed(nodes)}, in term ${term}`;
}

function distance(pair: { readonly from: Nanos; readonly until: Nanos }, told: Told): number {
  return Math.max(0, told.from - pair.until) + Math.max(0, pair.from - told.until);
}

function reignWords(reign: Reign): string {
  const end = {
    "gave up": `until it gave up at ${at(reign.until)}`,
    ended: `until its process ended at ${at(reign.until)}`,
    "taken down": `until it was taken down at ${at(reign.until)}`,
    "fell silent": `and was last heard of as leader at ${at(reign.until)}`,
    "end of run": "until the end of the run",
  }[reign.end];
  return `${reign.node} of term ${reign.term} from ${at(reign.from)} ${end}`;
}

function faults({ scene, from, until, run }: Told): string[] {
  if (run.history.nemesis.length === 0) return ["No fault was injected in this run."];
  const near = scene.spans.filter(
    (span) =>
      span.from <= until && span.until >= from - SHORTLY && span.refused === undefined && span.bites !== 0,
  );
  if (near.length === 0) {
    const last = scene.spans.filter((span) => span.until < from && span.refused === undefined).at(-1);
    return [
      last === undefined
        ? "No fault had been injected before: the system broke its promise unprovoked."
        : `No fault was in force; the last one before (${last.fault}) had been healed ${lasting(from - last.until)} earlier.`,
    ];
  }
  const told = near.slice(-FAULTS_TOLD).map((span) => {
    const when =
      span.until < from
        ? `Shortly before, from ${at(span.from)} to ${at(span.until)}`
        : `From ${at(span.from)} to ${at(span.until)}`;
    return `${when}, ${tellSpan(span, scene.nodes)} (${span.fault}).`;
  });
  return near.length > FAULTS_TOLD
    ? [...told, `${near.length - FAULTS_TOLD} earlier ones are in the table of faults.`]
    : told;
}

function inside({ run, anomaly, from, until }: Told): string[] {
  const sentences: string[] = [];
  for (const verdict of run.result?.verdicts ?? []) {
    if (verdict.validity !== "invalid") continue;
    for (const found of verdict.anomalies) {
      if (found === anomaly || !found.guarantee.startsWith("raft: ")) continue;
      const time = momentOf(verdict);
      const rule = invariant(found.name);
      const when =
        time === undefined
          ? ""
          : ` at ${at(time)}${time < from ? `, ${lasting(from - time)} before the first of these operations` : ""}`;
      sentences.push(
        `The first rule of raft that broke was ${found.name}${rule === undefined ? "" : ` (${rule})`}${when}: ${sentence(explained(found))}`,
      );
    }
  }
  const near = run.trace.filter((event) => event.time >= from - SHORTLY && event.time <= until);
  const truncated = near.filter((event) => event.kind === "log-truncated");
  for (const event of truncated.slice(0, 3)) {
    const { from: first, previousLast } = event.detail;
    sentences.push(
      `At ${at(event.time)} ${event.node} threw away ${first === previousLast ? `entry ${String(first)}` : `entries ${String(first)} to ${String(previousLast)}`} of its log.`,
    );
  }
  for (const end of run.result?.nodeEnds ?? []) {
    if (end.time > until || end.time < from - SHORTLY) continue;
    sentences.push(
      `At ${at(end.time)} ${end.node} ${end.kind === "crash" ? "crashed" : "exited"}: ${sentence(end.reason)}`,
    );
  }
  return sentences;
}

function others({ run, anomaly }: Told): string[] {
  const sentences: string[] = [];
  for (const verdict of run.result?.verdicts ?? []) {
    if (verdict.validity !== "invalid") continue;
    const names = new Set(verdict.anomalies.filter((other) => other !== anomaly).map(({ name }) => name));
    names.delete(anomaly.name);
    if (names.size === 0 || verdict.checker === "raft-invariants") continue;
    sentences.push(`The ${verdict.checker} checker also found: ${listed([...names])}.`);
  }
  return sentences;
}

function who(op: Operation): string {
  return `process ${op.process}'s ${op.f}`;
}

function sentence(text: string): string {
  const trimmed = capital(text.trim());
  return /[.!?…]$/.test(trimmed) ? trimmed : `${trimmed}.`;
}

/** Names of nodes stay as they are. */
function capital(text: string): string {
  if (/^[a-z]+\d/.test(text)) return text;
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
